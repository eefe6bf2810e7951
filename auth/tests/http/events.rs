//! What is left beside the rows: events and audit entries.

use backends::testing::TestDb;
use contracts::Role;
use http::Method;
use kit::testing;
use serde_json::{Value, json};

use crate::school::{PASSWORD, School};

async fn outbox(db: &TestDb) -> Vec<(String, String, Value)> {
    let rows: Vec<(String, String, Vec<u8>)> = db
        .query("SELECT topic, key, payload FROM outbox ORDER BY seq")
        .all()
        .await
        .unwrap();
    rows.into_iter()
        .map(|(topic, key, payload)| (topic, key, serde_json::from_slice(&payload).unwrap()))
        .collect()
}

backends::on_every_database! {
    async fn every_change_of_an_account_is_told_with_its_whole_state(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[Role::Teacher]).await;
        let (head, token) = (school.token("head").await, school.token("ines").await);
        school.send(testing::request(Method::PUT, "/api/auth/me").bearer(&token).header("if-match", "\"1\"").json(&json!({"first_name": "Inés"}))).await;
        school.call(Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(json!({"roles": ["student"], "reason": "r"}))).await;
        school.send(testing::request(Method::PATCH, &format!("/api/auth/users/{ines}")).bearer(&head).header("if-match", "\"3\"").json(&json!({"email": "ines.roy@x.org"}))).await;
        school.call(Method::DELETE, &format!("/api/auth/users/{ines}"), &head, None).await;
        let events: Vec<_> = outbox(&db).await.into_iter().filter(|(topic, key, _)| topic == "auth-events" && *key == format!("user:{ines}")).map(|event| event.2).collect();
        let seen: Vec<_> = events.iter().map(|event| (event["event_type"].as_str().unwrap(), event["data"]["version"].as_i64().unwrap())).collect();
        assert_eq!(seen, [("user.created", 1), ("user.updated", 2), ("user.roles_changed", 3), ("user.updated", 4), ("user.deleted", 5)]);
        insta::allow_duplicates! { insta::assert_json_snapshot!(events[4], @r#"
        {
          "data": {
            "user_data": {
              "date_joined": "2026-03-02T08:00:00Z",
              "email": "ines.roy@x.org",
              "first_name": "Inés",
              "full_name": "Inés Roy",
              "id": 2,
              "is_active": false,
              "last_name": "Roy",
              "role": "student",
              "roles": [
                "student",
                "member"
              ],
              "user_type": "3",
              "username": "ines"
            },
            "user_id": 2,
            "user_type": "3",
            "version": 5
          },
          "event_type": "user.deleted",
          "timestamp": "2026-03-02T08:00:00Z"
        }
        "#); }
        let signals: Vec<_> = outbox(&db).await.into_iter().filter(|(topic, ..)| topic == "auth-signals").map(|event| event.2).collect();
        assert_eq!(signals.len(), 1);
        assert_eq!((&signals[0]["event_type"], &signals[0]["data"]["user_id"], &signals[0]["data"]["reason"]), (&json!("session.revoked"), &json!(ines), &json!("deactivated")));
    }

    async fn what_changes_nothing_tells_nothing(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let head = school.token("head").await;
        let before = outbox(&db).await.len();
        school.call(Method::PUT, "/api/auth/users/1/roles", &head, Some(json!({"roles": ["admin"], "reason": "r"}))).await;
        school.post("/api/auth/register", json!({"email": "head@x.org", "password": PASSWORD, "username": "x"})).await;
        school.call(Method::DELETE, "/api/auth/users/999", &head, None).await;
        assert_eq!(outbox(&db).await.len(), before);
    }

    async fn who_did_what_is_in_the_audit(db: TestDb) {
        let school = School::with(&db, |config| config.service_credentials = vec!["feed:feed-secret-feed-secret-feed-secret".into()]).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[]).await;
        let head = school.token("head").await;
        for _ in 0..5 {
            school.login("ines", "wrong password").await;
        }
        school.login("nobody", "wrong password").await;
        school.call(Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(json!({"roles": ["teacher"], "reason": "hired"}))).await;
        school.call(Method::POST, "/api/auth/change-password", &head, Some(json!({"old_password": PASSWORD, "new_password": "another good one"}))).await;
        school.call(Method::POST, "/api/auth/logout", &head, None).await;
        let basic = testing::request(Method::POST, "/internal/auth/service-token").header("authorization", "Basic ZmVlZDpmZWVkLXNlY3JldC1mZWVkLXNlY3JldC1mZWVkLXNlY3JldA==");
        assert_eq!(school.send(basic).await.status, 200);
        let rows: Vec<(String, Option<i64>, String, Option<String>)> = db.query("SELECT action, actor, object, reason FROM audit").all().await.unwrap();
        let count = |action: &str, actor: Option<i64>, object: &str| rows.iter().filter(|row| row.0 == action && row.1 == actor && row.2.starts_with(object)).count();
        assert_eq!(count("user.created", None, "user:"), 2);
        assert_eq!(count("login.ok", Some(1), "session:"), 1);
        assert_eq!(count("login.failed", None, "user:2"), 4);
        assert_eq!(count("login.locked", None, "user:2"), 1);
        assert_eq!(count("login.failed", None, "login:unknown"), 1);
        assert_eq!(count("roles.changed", Some(1), "user:2"), 1);
        assert_eq!(count("password.changed", Some(1), "user:1"), 1);
        assert_eq!(count("logout", Some(1), "session:"), 1);
        assert_eq!(count("service_token.issued", None, "service:feed"), 1);
        assert!(rows.iter().any(|row| row.0 == "roles.changed" && row.3.as_deref() == Some("hired")));
    }

    async fn no_table_but_the_accounts_holds_a_password_hash_and_none_a_password_or_token(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let session = school.signed_in("head").await;
        let token = school.post("/api/auth/refresh", json!({"refresh_token": session.member("refresh_token")})).await;
        school.call(Method::POST, "/api/auth/change-password", &token.member("access_token"), Some(json!({"old_password": PASSWORD, "new_password": "another good one"}))).await;
        let key = testing::post("/api/auth/users", &json!({"username": "x", "first_name": "", "last_name": "", "roles": []})).bearer(&token.member("access_token")).header("idempotency-key", "k");
        assert_eq!(school.send(key).await.status, 201);
        let mut text = String::new();
        for (_, key, payload) in outbox(&db).await {
            text += &format!("{key} {payload}\n");
        }
        let secrets: Vec<(String,)> = db.query("SELECT value FROM audit_secret").all().await.unwrap();
        let audit: Vec<(String, String, Option<String>)> = db.query("SELECT action, object, reason FROM audit").all().await.unwrap();
        let replays: Vec<(Option<String>,)> = db.query("SELECT result FROM idempotency").all().await.unwrap();
        text += &format!("{secrets:?} {audit:?} {replays:?}");
        for secret in [PASSWORD, "another good one", "$2b$", &session.member("refresh_token"), &token.member("refresh_token"), &session.member("access_token"), &token.member("access_token")] {
            assert!(!text.contains(secret), "found in an event, audit entry or replay");
        }
        let stored: Vec<(Vec<u8>,)> = db.query("SELECT hash FROM refresh_tokens").all().await.unwrap();
        assert!(stored.iter().all(|(hash,)| hash.len() == 32));
    }
}
