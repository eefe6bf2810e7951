//! What is refused before anything happens (spec/auth.md section 6).

use backends::testing::TestDb;
use contracts::Role;
use http::Method;
use kit::testing;
use serde_json::json;

use crate::school::{PASSWORD, School};

backends::on_every_database! {
    async fn every_field_that_does_not_fit_is_named_at_once(db: TestDb) {
        let school = School::open(&db).await;
        let answer = school.post("/api/auth/register", json!({"email": "nobody", "password": "short", "username": "a@b"})).await;
        assert_eq!(answer.problem(), (422, "validation"));
        let fields: Vec<&String> = answer.body["fields"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["email", "password", "username"]);
        let long = format!("{}@{}.org", "l".repeat(64), "d".repeat(200));
        for (email, password, username, field) in [
            (long.as_str(), PASSWORD, "a", "email"),
            ("a@x.org", "password123", "a", "password"),
            ("long.address@x.org", "Long.Address@x.org", "a", "password"),
            ("a@x.org", "a nul \0 inside", "a", "password"),
            ("a@x.org", &"p".repeat(257), "a", "password"),
            ("a@x.org", PASSWORD, "", "username"),
        ] {
            let answer = school.post("/api/auth/register", json!({"email": email, "password": password, "username": username})).await;
            assert_eq!(answer.problem(), (422, "validation"), "{email}");
            assert!(answer.body["fields"][field].is_string(), "{field}");
        }
    }

    async fn a_role_cannot_be_registered(db: TestDb) {
        let school = School::open(&db).await;
        for field in ["role", "roles", "is_admin"] {
            let answer = school.post("/api/auth/register", json!({"email": "a@x.org", "password": PASSWORD, "username": "a", field: "admin"})).await;
            assert_eq!(answer.problem(), (422, "unknown_field"), "{field}");
        }
        assert!(school.accounts.is_empty());
    }

    async fn bodies_that_are_too_large_of_another_type_or_broken_are_told_apart(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[Role::Admin]).await;
        let token = school.token("ines").await;
        for (method, path) in [(Method::POST, "/api/auth/login"), (Method::POST, "/api/auth/register"), (Method::POST, "/api/auth/refresh"), (Method::POST, "/api/auth/logout"),
            (Method::POST, "/api/auth/change-password"), (Method::PUT, "/api/auth/me"), (Method::POST, "/api/auth/users"), (Method::POST, "/api/auth/setup"),
            (Method::PATCH, "/api/auth/users/1"), (Method::PATCH, "/api/v1/users/profile/"), (Method::POST, "/api/auth/reset-password")] {
            let request = || testing::request(method.clone(), path).bearer(&token).header("if-match", "\"1\"");
            let large = format!("{{\"x\":\"{}\"}}", "x".repeat(16 * 1024));
            let sent = school.send(request().header("content-type", "application/json").body(large)).await;
            assert_eq!(sent.problem(), (413, "body_too_large"), "{path}");
            assert_eq!(school.send(request().header("content-type", "text/plain").body("{}")).await.problem(), (415, "unsupported_media_type"), "{path}");
            assert_eq!(school.send(request().header("content-type", "application/json").body("{")).await.problem(), (400, "malformed_json"), "{path}");
            assert_eq!(school.send(request().json(&json!({"what": 1}))).await.problem(), (422, "unknown_field"), "{path}");
        }
    }

    async fn malformed_ids_and_keys_are_told(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[Role::Admin]).await;
        let token = school.token("ines").await;
        for id in ["abc", "1.5", "-1", "99999999999999999999", "0", "+1", "01"] {
            assert_eq!(school.call(Method::DELETE, &format!("/api/auth/users/{id}"), &token, None).await.status, 404, "{id}");
        }
        let user = json!({"username": "x", "first_name": "", "last_name": "", "roles": ["headmaster"]});
        assert_eq!(school.call(Method::POST, "/api/auth/users", &token, Some(user)).await.problem(), (422, "validation"));
        let roles = json!({"roles": ["staff"], "reason": "  "});
        assert_eq!(school.call(Method::PUT, "/api/auth/users/1/roles", &token, Some(roles)).await.body["fields"]["reason"], "must have 1 to 500 characters");
        let keyed = testing::post("/api/auth/users", &json!({"username": "x", "first_name": "", "last_name": "", "roles": []})).bearer(&token).header("idempotency-key", &"k".repeat(256));
        assert_eq!(school.send(keyed).await.problem(), (400, "bad_idempotency_key"));
    }

    async fn a_login_names_one_person(db: TestDb) {
        let school = School::open(&db).await;
        assert_eq!(school.post("/api/auth/login", json!({"password": "x"})).await.problem(), (422, "validation"));
        assert_eq!(school.post("/api/auth/login", json!({"email": "a@x.org", "username": "a", "password": "x"})).await.problem(), (422, "validation"));
        assert_eq!(school.post("/api/auth/login", json!({"email": "a@x.org"})).await.body["fields"]["password"], "is required");
        assert_eq!(school.hashes(), 0);
    }

    async fn health_answers_at_the_paths_of_all_systems(db: TestDb) {
        let school = School::open(&db).await;
        for path in ["/health", "/api/v1/users/health/", "/api/auth/health", "/api/v1/auth/health"] {
            let answer = school.send(testing::get(path)).await;
            assert_eq!((answer.status, &answer.body["status"], &answer.body["service"], &answer.body["timestamp"]), (200, &json!("healthy"), &json!("auth"), &json!("2026-03-02T08:00:00Z")));
        }
        assert_eq!(school.send(testing::get("/health/ready")).await.body["status"], "ready");
    }

    async fn a_store_that_is_gone_is_said_and_those_who_are_in_stay_in(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let token = school.token("ines").await;
        db.close().await.unwrap();
        let login = school.login("ines", PASSWORD).await;
        assert_eq!(login.problem(), (503, "store_unavailable"));
        assert!(login.header("retry-after").is_some());
        assert_eq!(school.call(Method::POST, "/api/auth/logout", &token, None).await.problem(), (503, "store_unavailable"));
        assert_eq!(school.validate(&token).await.status, 200, "what was not ended goes on");
        assert_eq!(school.send(testing::get("/health/ready")).await.status, 503);
    }
}
