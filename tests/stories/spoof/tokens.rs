//! The tokens that the rows name: the teacher's own, and what can be made of it.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::{Person, Place};

/// Every token the rows name.
pub struct Tokens(Vec<(&'static str, String)>);

impl Tokens {
    pub async fn make(school: &impl Place, teacher: &Person) -> Self {
        let secret = school.secret();
        let claims = claims_of(teacher.token());
        let with = |change: &dyn Fn(&mut Value)| {
            let mut claims = claims.clone();
            change(&mut claims);
            signed(&claims, Algorithm::HS256, secret.as_bytes(), None)
        };
        let now = claims["iat"].as_i64().unwrap();
        let part = |value: Value| base64(&serde_json::to_vec(&value).unwrap());
        let payload = part(claims.clone());
        let signature = teacher.token().rsplit('.').next().unwrap();
        let mut admin = claims.clone();
        admin["sub"] = json!("1");
        let tampered = format!(
            "{}.{}.{signature}",
            teacher.token().split('.').next().unwrap(),
            part(admin)
        );
        let gone = school.teacher().await;
        gone.post("/api/auth/logout", json!({})).await.expect(200);
        Self(vec![
            ("own", teacher.token().to_owned()),
            ("id", teacher.id.to_string()),
            (
                "none",
                format!("{}.{payload}.", part(json!({"alg": "none", "typ": "JWT"}))),
            ),
            (
                "none_signed",
                format!(
                    "{}.{payload}.{signature}",
                    part(json!({"alg": "none", "typ": "JWT"}))
                ),
            ),
            (
                "wrong_key",
                signed(
                    &claims,
                    Algorithm::HS256,
                    b"another key of thirty-two bytes..",
                    None,
                ),
            ),
            ("empty_key", signed(&claims, Algorithm::HS256, b"", None)),
            (
                "hs512",
                signed(&claims, Algorithm::HS512, secret.as_bytes(), None),
            ),
            (
                "kid",
                signed(
                    &claims,
                    Algorithm::HS256,
                    secret.as_bytes(),
                    Some("nobody-has-this-key"),
                ),
            ),
            (
                "expired",
                with(&|c| {
                    c["iat"] = json!(now - 7200);
                    c["exp"] = json!(now - 3600);
                }),
            ),
            ("not_yet", with(&|c| c["nbf"] = json!(now + 3600))),
            ("issued_later", with(&|c| c["iat"] = json!(now + 3600))),
            (
                "endless",
                with(&|c| {
                    c.as_object_mut().unwrap().remove("exp");
                }),
            ),
            ("audience", with(&|c| c["aud"] = json!("somewhere-else"))),
            ("integer", with(&|c| c["sub"] = json!(teacher.id))),
            ("nobody", with(&|c| c["sub"] = json!("99999"))),
            ("stolen_session", with(&|c| c["sub"] = json!("1"))),
            (
                "sessionless",
                with(&|c| {
                    c.as_object_mut().unwrap().remove("sid");
                }),
            ),
            (
                "raised",
                with(&|c| c["roles"] = json!(["admin", "member", "teacher"])),
            ),
            (
                "service",
                with(&|c| {
                    c["kind"] = json!("service");
                    c["sub"] = json!("feed");
                }),
            ),
            ("revoked", gone.token().to_owned()),
            ("tampered", tampered),
        ])
    }

    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, token)| {
            text.replace(&format!("{{{name}}}"), token)
        })
    }
}

fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&unbase64(payload)).unwrap()
}

fn signed(claims: &Value, algorithm: Algorithm, secret: &[u8], kid: Option<&str>) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn unbase64(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}
