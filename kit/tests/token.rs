//! Tokens of ours and of others, good and bad.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeZone, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use kit::token::{Claims, KeyError, KeyRing, TokenError, TokenKind};
use secrecy::SecretString;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, 8, 0, 0).unwrap()
}

fn ring(secret: &str) -> KeyRing {
    KeyRing::hs256(&SecretString::from(secret), "api").unwrap()
}

fn claims() -> Claims {
    Claims {
        iss: "here".to_owned(),
        aud: Some("api".to_owned()),
        sub: "42".to_owned(),
        kind: TokenKind::Person,
        email: Some("a@b.test".to_owned()),
        username: None,
        roles: vec!["x".to_owned()],
        sid: None,
        jti: None,
        iat: now().timestamp(),
        exp: now().timestamp() + 900,
        nbf: None,
    }
}

/// Signs any claims with any header, as somebody else would.
fn signed(alg: Algorithm, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(
        &Header::new(alg),
        claims,
        &EncodingKey::from_secret(secret.as_bytes()),
    )
    .unwrap()
}

fn refused(token: &str) -> TokenError {
    ring(SECRET).verify(token, now()).unwrap_err()
}

#[test]
fn tokens_of_other_libraries_are_taken_or_refused_as_agreed() {
    let vectors: Value = serde_json::from_str(include_str!("data/passlib-vectors.json")).unwrap();
    let mut seen = 0;
    for vector in vectors["jwt"].as_array().unwrap() {
        let name = vector["name"].as_str().unwrap();
        let Some(secret) = vector["secret"].as_str().filter(|s| s.len() >= 32) else {
            continue;
        };
        let verdict = ring(secret).verify(vector["token"].as_str().unwrap(), now());
        let claims = &vector["claims"];
        let future = |claim: &str| {
            claims[claim]
                .as_f64()
                .is_some_and(|at| at > now().timestamp() as f64 + 5.0)
        };
        let good = claims["sub"].is_string()
            && claims["exp"].as_f64().is_some_and(|exp| exp > now().timestamp() as f64)
            && !future("nbf")
            && !future("iat")
            && (claims["aud"].is_null() || claims["aud"] == "api" || claims["aud"] == json!(["api"]))
            // a kid that is not of the ring names a key that is not there
            && !name.contains("kid");
        assert_eq!(verdict.is_ok(), good, "{name}: {verdict:?}");
        seen += 1;
    }
    assert!(seen >= 12, "{seen}");
    let rust = &vectors["rust_made"]["jsonwebtoken"];
    let ring = ring(rust["secret"].as_str().unwrap());
    assert!(ring.verify(rust["str"].as_str().unwrap(), now()).is_ok());
    assert!(ring.verify(rust["int"].as_str().unwrap(), now()).is_err());
    assert!(ring.verify(rust["noexp"].as_str().unwrap(), now()).is_err());
}

#[test]
fn what_is_signed_comes_back_as_it_was() {
    let ring = ring(SECRET);
    let service = Claims {
        kind: TokenKind::Service,
        sub: "things".to_owned(),
        ..claims()
    };
    for claims in [claims(), service] {
        assert_eq!(ring.verify(&ring.sign(&claims), now()), Ok(claims));
    }
}

#[test]
fn the_kind_is_written_for_services_only() {
    let body = |claims: &Claims| serde_json::to_value(claims).unwrap();
    assert_eq!(body(&claims()).get("kind"), None);
    assert_eq!(
        body(&Claims {
            kind: TokenKind::Service,
            ..claims()
        })["kind"],
        "service"
    );
    let board = json!({"sub": "1", "kind": "board", "exp": 4_102_444_800_i64});
    assert!(matches!(
        refused(&signed(Algorithm::HS256, &board, SECRET)),
        TokenError::Invalid(_)
    ));
}

#[test]
fn a_float_end_counts_as_its_whole_second() {
    let token = signed(
        Algorithm::HS256,
        &json!({"sub": "1", "exp": 4_102_444_800.75}),
        SECRET,
    );
    assert_eq!(
        ring(SECRET).verify(&token, now()).unwrap().exp,
        4_102_444_800
    );
}

#[test]
fn a_token_ends_five_seconds_after_its_end_and_not_before() {
    let ring = ring(SECRET);
    let token = ring.sign(&claims());
    let end = now() + chrono::Duration::seconds(900);
    assert!(
        ring.verify(&token, end + chrono::Duration::seconds(4))
            .is_ok()
    );
    assert_eq!(
        ring.verify(&token, end + chrono::Duration::seconds(5)),
        Err(TokenError::Expired)
    );
}

#[test]
fn a_token_of_the_future_is_refused_beyond_five_seconds() {
    let ring = ring(SECRET);
    for (name, claims) in [
        ("iat", |at| Claims {
            iat: at,
            ..claims()
        }),
        ("nbf", |at| Claims {
            nbf: Some(at),
            ..claims()
        }),
    ] as [(&str, fn(i64) -> Claims); 2]
    {
        assert!(
            ring.verify(&ring.sign(&claims(now().timestamp() + 5)), now())
                .is_ok(),
            "{name}"
        );
        let early = ring.verify(&ring.sign(&claims(now().timestamp() + 6)), now());
        assert!(matches!(early, Err(TokenError::Invalid(_))), "{name}");
    }
}

#[test]
fn no_algorithm_and_another_algorithm_are_refused() {
    let payload = json!({"sub": "1", "exp": 4_102_444_800_i64});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "NONE", ""] {
        let token = format!(
            "{}.{}.",
            encode(&json!({"alg": alg, "typ": "JWT"})),
            encode(&payload)
        );
        assert!(matches!(refused(&token), TokenError::Invalid(_)), "{alg}");
    }
    for alg in [Algorithm::HS384, Algorithm::HS512] {
        let error = refused(&signed(alg, &payload, SECRET));
        assert_eq!(
            error,
            TokenError::Invalid("another algorithm than the key's")
        );
    }
}

#[test]
fn a_changed_token_or_another_secret_is_refused() {
    let token = ring(SECRET).sign(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let forged = URL_SAFE_NO_PAD.encode(json!({"sub": "1", "exp": 4_102_444_800_i64}).to_string());
    let forged = format!("{}.{forged}.{}", parts[0], parts[2]);
    assert_eq!(
        refused(&forged),
        TokenError::Invalid("the signature is wrong")
    );
    assert_eq!(
        refused(&ring(OTHER).sign(&claims())),
        TokenError::Invalid("no key of this ring")
    );
    let without_kid = signed(
        Algorithm::HS256,
        &json!({"sub": "1", "exp": 4_102_444_800_i64}),
        OTHER,
    );
    assert_eq!(
        refused(&without_kid),
        TokenError::Invalid("the signature is wrong")
    );
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", ".", "..", "a.b.c", "a.b", &"x".repeat(100_000), "é.é.é"] {
        assert!(matches!(refused(text), TokenError::Invalid(_)));
    }
}

#[test]
fn another_audience_is_refused() {
    let ring = ring(SECRET);
    let token = ring.sign(&Claims {
        aud: Some("other".to_owned()),
        ..claims()
    });
    assert_eq!(
        ring.verify(&token, now()),
        Err(TokenError::Invalid("for another audience"))
    );
    let token = signed(
        Algorithm::HS256,
        &json!({"sub": "1", "exp": 4_102_444_800_i64, "aud": ["api", "x"]}),
        SECRET,
    );
    assert!(ring.verify(&token, now()).is_err());
}

#[test]
fn a_retiring_key_verifies_and_signs_no_more() {
    let old = ring(OTHER);
    let both = ring(SECRET)
        .and_retiring(&SecretString::from(OTHER))
        .unwrap();
    assert!(both.verify(&old.sign(&claims()), now()).is_ok());
    let without_kid = signed(
        Algorithm::HS256,
        &json!({"sub": "1", "exp": 4_102_444_800_i64}),
        OTHER,
    );
    assert!(both.verify(&without_kid, now()).is_ok());
    assert!(ring(SECRET).verify(&both.sign(&claims()), now()).is_ok());
    assert!(old.verify(&both.sign(&claims()), now()).is_err());
}

#[test]
fn a_remembered_token_is_the_same_and_ends_as_any() {
    let ring = ring(SECRET);
    let token = ring.sign(&claims());
    let first = ring.verify_cached(&token, now()).unwrap();
    let again = ring.clone().verify_cached(&token, now()).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &again), "verified twice");
    let after = now() + chrono::Duration::seconds(905);
    assert_eq!(
        ring.verify_cached(&token, after).unwrap_err(),
        TokenError::Expired
    );
    let anew = ring.verify_cached(&token, now()).unwrap();
    assert!(
        !std::sync::Arc::ptr_eq(&first, &anew),
        "not forgotten at its end"
    );
}

#[test]
fn a_refused_token_is_not_remembered() {
    let ring = ring(SECRET);
    let token = self::ring(OTHER).sign(&claims());
    for _ in 0..2 {
        assert!(ring.verify_cached(&token, now()).is_err());
    }
}

#[test]
fn short_and_published_secrets_are_refused_without_being_shown() {
    let error = |secret: &str| KeyRing::hs256(&SecretString::from(secret), "api").unwrap_err();
    assert_eq!(error("pUJ0lOnBfFDMdE3"), KeyError::TooShort(15));
    assert_eq!(
        error("your-secret-key-here-change-in-production"),
        KeyError::Placeholder
    );
    assert_eq!(error("changeme"), KeyError::Placeholder);
    assert!(!error("pUJ0lOnBfFDMdE3").to_string().contains("pUJ0"));
    assert!(!format!("{:?}", ring(SECRET)).contains("0123456789abcdef"));
}

#[test]
fn a_derived_secret_belongs_to_its_key_and_purpose_and_outlives_the_key_as_a_retiring_one() {
    let old = ring(SECRET).derived("links");
    assert_eq!((old.len(), &old), (1, &ring(SECRET).derived("links")));
    assert_ne!(old, ring(SECRET).derived("other links"));
    let after = ring(OTHER)
        .and_retiring(&SecretString::from(SECRET))
        .unwrap();
    let secrets = after.derived("links");
    assert_eq!(secrets, [ring(OTHER).derived("links")[0], old[0]]);
    assert_ne!(secrets[0], secrets[1]);
}
