//! The forward-auth decision.

use backends::testing::TestDb;
use contracts::{Decision, Presented, Role};
use http::{HeaderMap, HeaderValue, Method, header::AUTHORIZATION};
use kit::testing::Answer;
use kit::{
    Clock as _, testing,
    token::{Claims, KeyRing, TokenKind},
};
use serde_json::json;

use crate::school::School;

const FIVE: [&str; 5] = [
    "x-user-id",
    "x-user-email",
    "x-user-roles",
    "x-session-id",
    "authorization",
];

fn five(answer: &Answer) -> [Option<&str>; 5] {
    FIVE.map(|name| answer.header(name))
}

fn claims(school: &School, change: impl FnOnce(&mut Claims), from: &str) -> Claims {
    let mut claims = school.keys.verify(from, school.clock.now()).unwrap();
    change(&mut claims);
    claims
}

backends::on_every_database! {
    async fn every_method_gets_the_five_headers(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[Role::Teacher, Role::Guardian]).await;
        let token = school.token("ines").await;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
            let answer = school.call(Method::from_bytes(method.as_bytes()).unwrap(), "/api/v1/auth/validate/", &token, None).await;
            assert_eq!((answer.status, &answer.body), (200, &json!(null)), "{method}");
            let session = answer.header("x-session-id").unwrap().to_owned();
            assert_eq!(five(&answer), [Some("1"), Some("ines@x.org"), Some("guardian,member,teacher"), Some(session.as_str()), Some(format!("Bearer {token}").as_str())]);
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("set-cookie"), None);
        }
    }

    async fn a_person_without_an_address_has_an_empty_email_header(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let head = school.token("head").await;
        let omar = school.call(Method::POST, "/api/auth/users", &head, Some(json!({"username": "omar", "first_name": "", "last_name": "", "roles": []}))).await;
        let hash = school.stored_hash(1).await.unwrap();
        school.set_stored_hash(omar.body["id"].as_i64().unwrap(), &hash).await;
        let answer = school.validate(&school.token("omar").await).await;
        assert_eq!((answer.header("x-user-id"), answer.header("x-user-email"), answer.header("x-user-roles")), (Some("2"), Some(""), Some("member")));
    }

    async fn refusals_have_the_details_that_clients_read(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let token = school.token("ines").await;
        let with = |values: &[&str]| values.iter().fold(testing::get("/api/auth/validate"), |request, value| request.header("authorization", value));
        let good = format!("Bearer {token}");
        for (values, detail) in [
            (&[][..], "No authorization header"),
            (&["Basic aW5lczp4"], "Invalid authorization format"),
            (&["Bearer"], "Invalid authorization format"),
            (&[token.as_str()], "Invalid authorization format"),
            (&[good.as_str(), good.as_str()], "Invalid authorization format"),
            (&["Bearer a.b.c"], "Invalid token"),
        ] {
            let answer = school.send(with(values)).await;
            assert_eq!((answer.problem(), answer.body["detail"].as_str()), ((401, "unauthorized"), Some(detail)));
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(five(&answer), [None; 5]);
        }
        school.advance(3600 + 5);
        assert_eq!(school.validate(&token).await.body["detail"], "Token expired");
    }

    async fn nobody_is_good_enough_where_the_route_says_so_but_a_bad_credential_never_is(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let token = school.token("ines").await;
        let path = "/api/auth/validate?anonymous=1";
        let nobody = school.send(testing::get(path)).await;
        assert_eq!((nobody.status, five(&nobody)), (200, [None; 5]));
        assert_eq!(nobody.header("cache-control"), Some("no-store"));
        assert_eq!(school.get(path, &token).await.header("x-user-id"), Some("1"));
        assert_eq!(school.get(path, "a.b.c").await.status, 401);
        assert_eq!(school.send(testing::get("/api/auth/validate?anonymous=0")).await.status, 401);
    }

    async fn a_role_change_counts_on_the_next_validate_and_hands_on_a_fresh_token(db: TestDb) {
        let school = School::with(&db, |config| config.access_ttl = 86_400).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[Role::Teacher]).await;
        let (head, token) = (school.token("head").await, school.token("ines").await);
        assert_eq!(school.validate(&token).await.header("x-user-roles"), Some("member,teacher"));
        school.advance(20 * 3600);
        for (roles, header) in [(json!(["staff"]), "member,staff"), (json!([]), "member"), (json!(["teacher"]), "member,teacher")] {
            let put = school.call(Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(json!({"roles": roles, "reason": "r"}))).await;
            assert_eq!(put.status, 200);
            let answer = school.validate(&token).await;
            assert_eq!(answer.header("x-user-roles"), Some(header));
            let handed_on = answer.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
            let says = school.keys.verify(handed_on, school.clock.now()).unwrap();
            assert_eq!(says.roles.join(","), header);
            let before = school.keys.verify(&token, school.clock.now()).unwrap();
            assert_eq!((says.exp, says.sid), (before.exp, before.sid), "it lives no longer than the presented one");
            assert_eq!(handed_on == token, header == "member,teacher");
        }
    }

    async fn forged_and_foreign_tokens_are_refused(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        school.person("omar", &[Role::Admin]).await;
        let token = school.token("ines").await;
        let now = school.clock.now().timestamp();
        let sign = |change: fn(&mut Claims)| school.keys.sign(&claims(&school, change, &token));
        let other = KeyRing::hs256(&"another-key-another-key-of-32-bytes".into(), "schoolyard").unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let none = jsonwebtoken_none(parts[1]);
        let mut future = claims(&school, |_| {}, &token);
        future.nbf = Some(now + 60);
        for (what, forged) in [
            ("another key", other.sign(&claims(&school, |_| {}, &token))),
            ("no algorithm", none),
            ("no signature", format!("{}.{}.", parts[0], parts[1])),
            ("other claims under the signature", format!("{}.{}.{}", parts[0], school.keys.sign(&claims(&school, |c| c.sub = "2".into(), &token)).split('.').nth(1).unwrap(), parts[2])),
            ("another person's session", sign(|c| c.sub = "2".into())),
            ("no session", sign(|c| c.sid = None)),
            ("a session that never was", sign(|c| c.sid = Some(uuid::Uuid::nil()))),
            ("another audience", sign(|c| c.aud = Some("elsewhere".into()))),
            ("a sub that is no id", sign(|c| c.sub = "ines".into())),
            ("not yet valid", school.keys.sign(&future)),
        ] {
            let answer = school.validate(&forged).await;
            assert_eq!((answer.status, answer.body["detail"].as_str()), (401, Some("Invalid token")), "{what}");
        }
        let service = school.keys.sign(&claims(&school, |c| { c.kind = TokenKind::Service; c.sub = "feed".into(); }, &token));
        assert_eq!(school.validate(&service).await.problem(), (401, "wrong_token_kind"));
        assert_eq!(school.validate(&school.keys.sign(&claims(&school, |_| {}, &token))).await.status, 200, "the helper signs well");
    }

    async fn a_token_in_the_query_counts_only_where_the_operator_says_so(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let token = school.token("ines").await;
        let path = format!("/api/auth/validate?authorization=Bearer%20{token}");
        assert_eq!(school.send(testing::get(&path)).await.body["detail"], "No authorization header");
        let compatible = School::with(&db, |config| config.compat_query_token = true).await;
        let answer = compatible.send(testing::get(&path)).await;
        assert_eq!((answer.status, answer.header("authorization")), (200, Some(format!("Bearer {token}").as_str())));
        assert_eq!(compatible.send(testing::get("/api/auth/validate?authorization=Bearer%20a.b.c")).await.body["detail"], "Invalid token");
        assert_eq!(compatible.send(testing::get(&path).header("authorization", "Bearer a.b.c")).await.status, 401, "the header decides");
    }

    async fn the_gateway_in_the_same_process_gets_the_same_decision(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[Role::Teacher]).await;
        let token = school.token("ines").await;
        let decide = async |headers: &HeaderMap, anonymous| {
            let presented = Presented { headers, anonymous, method: &Method::GET, uri: "/api/posts?x=1", address: None };
            school.identity.validate(&presented).await
        };
        let mut headers = HeaderMap::new();
        assert_eq!(decide(&headers, false).await.unwrap_err().detail(), "No authorization header");
        assert!(matches!(decide(&headers, true).await.unwrap(), Decision::Anonymous));
        headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        headers.insert("x-user-id", HeaderValue::from_static("1"));
        let Decision::Identified { who, authorization, .. } = decide(&headers, false).await.unwrap() else { panic!("a person was presented") };
        assert_eq!((who.user.0, who.roles.contains(Role::Teacher), authorization.to_str().unwrap()), (ines, true, format!("Bearer {token}").as_str()));
        let head = school.token("head").await;
        school.call(Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(json!({"roles": [], "reason": "r"}))).await;
        let Decision::Identified { who, authorization, .. } = decide(&headers, false).await.unwrap() else { panic!("a person was presented") };
        assert!(!who.roles.contains(Role::Teacher));
        assert_ne!(authorization.to_str().unwrap(), format!("Bearer {token}"));
        headers.append(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        assert_eq!(decide(&headers, false).await.unwrap_err().detail(), "Invalid authorization format");
    }

    async fn a_direct_call_with_identity_headers_that_differ_is_a_mismatch(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        school.person("ines", &[Role::Teacher]).await;
        let token = school.token("ines").await;
        for (name, value) in [("x-user-id", "1"), ("x-user-roles", "admin"), ("x-user-email", "head@x.org"), ("x-session-id", "x")] {
            let answer = school.send(testing::get("/api/auth/me").bearer(&token).header(name, value)).await;
            assert_eq!(answer.problem(), (401, "identity_mismatch"), "{name}");
        }
        assert_eq!(school.send(testing::get("/api/auth/me").header("x-user-id", "1")).await.problem(), (401, "unauthorized"));
        assert_eq!(school.send(testing::get("/api/auth/me").bearer(&token).header("x-user-id", "2")).await.status, 200);
    }

    async fn verify_says_whose_token_it_is_and_marks_refusals(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[Role::Teacher]).await;
        let token = school.token("ines").await;
        let verified = school.get("/api/auth/verify", &token).await;
        assert_eq!((&verified.body["valid"], &verified.body["user"]["username"], &verified.body["expires_at"]), (&json!(true), &json!("ines"), &json!("2026-03-02T09:00:00Z")));
        for method in [Method::GET, Method::POST] {
            let answer = school.call(method, "/api/v1/users/validate-token/", &token, None).await;
            assert_eq!((answer.status, &answer.body["valid"]), (200, &json!(true)));
            for member in ["id", "username", "email", "first_name", "last_name", "user_type", "is_active", "date_joined"] {
                assert!(answer.body["user"].get(member).is_some(), "{member}");
            }
        }
        for path in ["/api/auth/verify", "/api/v1/users/validate-token/"] {
            let refused = school.get(path, "a.b.c").await;
            assert_eq!((refused.problem(), &refused.body["valid"]), ((401, "unauthorized"), &json!(false)));
            assert_eq!(school.send(testing::get(path)).await.body["valid"], json!(false));
        }
    }
}

/// The claims of a good token under `{"alg":"none"}`.
fn jsonwebtoken_none(payload: &str) -> String {
    format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.")
}
