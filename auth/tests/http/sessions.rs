//! Sessions: listed, ended, and what a change of password does to them.

use backends::testing::TestDb;
use contracts::Role;
use http::Method;
use kit::testing;
use serde_json::json;

use crate::school::{PASSWORD, School};

backends::on_every_database! {
    async fn a_person_sees_the_own_sessions_and_ends_one_on_the_next_request(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let phone = testing::post("/api/auth/login", &json!({"username": "ines", "password": PASSWORD}))
            .header("user-agent", "Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36")
            .extension(contracts::access::ClientAddress(Some("192.0.2.7".parse().unwrap())));
        let phone = school.send(phone).await.member("access_token");
        school.advance(60);
        let here = school.token("ines").await;
        school.advance(60);
        school.validate(&phone).await;
        let list = school.get("/api/auth/sessions", &here).await;
        let items = list.body["items"].as_array().unwrap();
        assert_eq!(items.len(), 2);
        assert_eq!((&items[0]["current"], &items[1]["current"]), (&json!(true), &json!(false)));
        assert_eq!(items[1]["device_label"], "Chrome on Android");
        assert_eq!(items[1]["ip"], "192.0.2.7");
        assert_eq!(items[1]["last_seen_at"], "2026-03-02T08:02:00Z");
        let id = items[1]["id"].as_str().unwrap();
        assert_eq!(school.call(Method::DELETE, &format!("/api/auth/sessions/{id}"), &here, None).await.status, 204);
        assert_eq!(school.validate(&phone).await.body["detail"], "Invalid token");
        assert_eq!(school.validate(&here).await.status, 200);
        assert_eq!(school.call(Method::DELETE, &format!("/api/auth/sessions/{id}"), &here, None).await.problem(), (404, "session_not_found"));
    }

    async fn another_persons_session_is_not_found(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        school.person("omar", &[]).await;
        let (ines, omar) = (school.token("ines").await, school.token("omar").await);
        let id = school.get("/api/auth/sessions", &ines).await.body["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(school.call(Method::DELETE, &format!("/api/auth/sessions/{id}"), &omar, None).await.problem(), (404, "session_not_found"));
        assert_eq!(school.call(Method::DELETE, "/api/auth/sessions/7", &omar, None).await.status, 404);
        assert_eq!(school.validate(&ines).await.status, 200);
    }

    async fn an_administrator_sees_and_ends_the_sessions_of_a_person_and_is_written_down(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[]).await;
        let head = school.token("head").await;
        let (one, two) = (school.signed_in("ines").await, school.token("ines").await);
        let path = format!("/api/auth/users/{ines}/sessions");
        let list = school.get(&path, &head).await;
        let items = list.body["items"].as_array().unwrap();
        assert_eq!((list.status, items.len()), (200, 2));
        assert!(items.iter().all(|item| item["current"] == false));
        let own = school.get("/api/auth/users/1/sessions", &head).await;
        assert_eq!(own.body["items"][0]["current"], true);
        for _ in 0..2 {
            assert_eq!(school.call(Method::DELETE, &path, &head, None).await.status, 204);
        }
        for token in [&one.member("access_token"), &two] {
            assert_eq!(school.validate(token).await.status, 401);
        }
        assert_eq!(school.post("/api/auth/refresh", json!({"refresh_token": one.member("refresh_token")})).await.problem(), (401, "refresh_invalid"));
        assert_eq!(school.get(&path, &head).await.body["items"], json!([]));
        school.signed_in("ines").await;
        let rows: Vec<(String, Option<i64>, String)> = db.query("SELECT action, actor, object FROM audit WHERE actor = 1").all().await.unwrap();
        let count = |action: &str, object: &str| rows.iter().filter(|row| row.0 == action && row.2.starts_with(object)).count();
        assert_eq!((count("sessions.read", "user:2"), count("sessions.read", "user:1"), count("session.revoked", "session:")), (2, 1, 2));
        for id in ["999", "x", "-1"] {
            let path = format!("/api/auth/users/{id}/sessions");
            assert_eq!(school.get(&path, &head).await.status, 404, "{id}");
            assert_eq!(school.call(Method::DELETE, &path, &head, None).await.status, 404, "{id}");
        }
    }

    async fn logging_out_ends_the_session_and_twice_is_fine(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let other = school.signed_in("ines").await;
        let session = school.signed_in("ines").await;
        let token = session.member("access_token");
        for _ in 0..2 {
            let answer = school.call(Method::POST, "/api/auth/logout", &token, None).await;
            assert_eq!((answer.status, answer.body), (200, json!({"success": true, "message": "Logged out"})));
        }
        assert_eq!(school.validate(&token).await.status, 401);
        assert_eq!(school.post("/api/auth/refresh", json!({"refresh_token": session.member("refresh_token")})).await.problem(), (401, "refresh_invalid"));
        assert_eq!(school.validate(&other.member("access_token")).await.status, 200);
        assert_eq!(school.post("/api/auth/logout", json!({})).await.body["detail"], "No authorization header");
    }

    async fn logging_out_everywhere_ends_every_session_and_a_refresh_token_ends_its_own(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let [a, b, c, d] = [school.signed_in("ines").await, school.signed_in("ines").await, school.signed_in("ines").await, school.signed_in("ines").await];
        let body = json!({"refresh_token": b.member("refresh_token")});
        assert_eq!(school.call(Method::POST, "/api/v1/users/logout/", &a.member("access_token"), Some(body)).await.status, 200);
        let alive = async |answer: &testing::Answer| school.validate(&answer.member("access_token")).await.status == 200;
        assert_eq!([alive(&a).await, alive(&b).await, alive(&c).await, alive(&d).await], [false, false, true, true]);
        assert_eq!(school.call(Method::POST, "/api/auth/logout", &c.member("access_token"), Some(json!({"everywhere": true}))).await.status, 200);
        assert!(!alive(&d).await);
    }

    async fn a_new_password_ends_every_other_session(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let (other, here) = (school.signed_in("ines").await, school.token("ines").await);
        let change = |old: &str, new: &str, again: &str| json!({"old_password": old, "new_password": new, "confirm_password": again});
        let call = async |body| school.call(Method::POST, "/api/v1/users/change-password/", &here, Some(body)).await;
        assert_eq!(call(change("wrong", "another good one", "another good one")).await.body["fields"], json!({"old_password": "is not the present password"}));
        assert_eq!(call(change(PASSWORD, "another good one", "another bad one")).await.body["fields"].as_object().unwrap().len(), 1);
        assert_eq!(call(change(PASSWORD, "password123", "password123")).await.problem(), (422, "validation"));
        assert_eq!(call(change(PASSWORD, "another good one", "another good one")).await.status, 204);
        assert_eq!(school.validate(&other.member("access_token")).await.status, 401);
        assert_eq!(school.post("/api/auth/refresh", json!({"refresh_token": other.member("refresh_token")})).await.status, 401);
        assert_eq!(school.validate(&here).await.status, 200);
        assert_eq!(school.login("ines", PASSWORD).await.status, 401);
        assert_eq!(school.login("ines", "another good one").await.status, 200);
    }

    async fn guessing_the_old_password_locks_the_change(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let here = school.token("ines").await;
        let call = async |old: &str| school.call(Method::POST, "/api/auth/change-password", &here, Some(json!({"old_password": old, "new_password": "another good one"}))).await;
        for _ in 0..5 {
            assert_eq!(call("a guess").await.status, 422);
        }
        assert_eq!(call(PASSWORD).await.problem(), (429, "too_many_attempts"));
        assert_eq!(school.login("ines", PASSWORD).await.status, 200, "the login itself is not locked by it");
    }

    async fn sessions_and_revocations_survive_a_restart(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        let (kept, ended) = (school.token("ines").await, school.token("ines").await);
        school.call(Method::POST, "/api/auth/logout", &ended, None).await;
        let again = school.restarted(&db).await;
        assert_eq!(again.validate(&kept).await.status, 200);
        assert_eq!(again.validate(&ended).await.status, 401);
    }
}
