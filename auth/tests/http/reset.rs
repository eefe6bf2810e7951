//! Links by which a person chooses a new password.

use backends::testing::TestDb;
use contracts::Role;
use futures_util::future::join_all;
use http::Method;
use kit::testing;
use kit::testing::Answer;
use serde_json::json;

use crate::school::{PASSWORD, School};

const NEW: &str = "another good one";

async fn led(db: &TestDb) -> (School, String) {
    let school = School::open(db).await;
    school.person("head", &[Role::Admin]).await;
    let head = school.token("head").await;
    (school, head)
}

/// The token of a fresh link.
async fn link(school: &School, head: &str, user: i64) -> String {
    let path = format!("/api/auth/users/{user}/reset-password");
    let answer = school.call(Method::POST, &path, head, None).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let url = answer.member("reset_url");
    url.rsplit_once("/reset/").unwrap().1.to_owned()
}

async fn choose(school: &School, token: &str, password: &str) -> Answer {
    school
        .post(
            "/api/auth/reset-password",
            json!({"token": token, "new_password": password}),
        )
        .await
}

const GONE: (u16, &str) = (410, "token_used_or_expired");

backends::on_every_database! {
    async fn an_account_that_an_administrator_made_gets_its_first_password_by_a_link(db: TestDb) {
        let (school, head) = led(&db).await;
        let made = school.call(Method::POST, "/api/auth/users", &head, Some(json!({"username": "omar", "first_name": "Omar", "last_name": "Said", "roles": ["teacher"]}))).await;
        assert_eq!(made.status, 201);
        assert_eq!(school.login("omar", NEW).await.status, 401);
        let answer = school.call(Method::POST, "/api/auth/users/2/reset-password", &head, None).await;
        assert_eq!(answer.body["expires_at"], "2026-03-02T08:30:00Z");
        let url = answer.member("reset_url");
        let token = url.strip_prefix("/reset/").unwrap();
        let used = choose(&school, token, NEW).await;
        assert_eq!((used.status, &used.body), (204, &json!(null)));
        let session = school.login("omar", NEW).await;
        assert_eq!((session.status, &session.body["user"]["role"], &session.body["must_change"]), (200, &json!("teacher"), &json!(null)));
    }

    async fn sixty_four_uses_of_one_link_set_one_password_and_compute_one_hash(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let token = link(&school, &head, ines).await;
        let before = school.hashes();
        let answers = join_all((0..64).map(|n| {
            let (school, token) = (&school, &token);
            async move { (n, choose(school, token, &format!("the password of {n}")).await) }
        })).await;
        let set: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 204).collect();
        assert_eq!(set.len(), 1);
        assert!(answers.iter().filter(|(_, answer)| answer.status != 204).all(|(_, answer)| answer.problem() == GONE));
        assert_eq!(school.hashes() - before, 1);
        assert_eq!(school.login("ines", &format!("the password of {}", set[0].0)).await.status, 200);
        assert_eq!(school.login("ines", PASSWORD).await.status, 401);
    }

    async fn a_new_password_by_link_ends_every_session(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let sessions = [school.signed_in("ines").await, school.signed_in("ines").await];
        let token = link(&school, &head, ines).await;
        assert_eq!(school.validate(&sessions[0].member("access_token")).await.status, 200, "asking for a link ends nothing");
        assert_eq!(choose(&school, &token, NEW).await.status, 204);
        for session in &sessions {
            assert_eq!(school.validate(&session.member("access_token")).await.status, 401);
            assert_eq!(school.post("/api/auth/refresh", json!({"refresh_token": session.member("refresh_token")})).await.problem(), (401, "refresh_invalid"));
        }
        assert_eq!(school.validate(&head).await.status, 200);
    }

    async fn a_link_is_good_for_thirty_minutes_and_a_second_one_voids_it(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let first = link(&school, &head, ines).await;
        let second = link(&school, &head, ines).await;
        assert_eq!(choose(&school, &first, NEW).await.problem(), GONE);
        school.advance(30 * 60 - 1);
        let other = school.restarted(&db).await;
        assert_eq!(choose(&other, &second, NEW).await.status, 204, "after a restart as well");
        let third = link(&school, &head, ines).await;
        school.advance(30 * 60);
        assert_eq!(choose(&school, &third, "a third good one").await.problem(), GONE);
        assert_eq!(school.login("ines", NEW).await.status, 200);
    }

    async fn of_many_links_asked_for_at_once_one_is_good(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let tokens = join_all((0..64).map(|_| link(&school, &head, ines))).await;
        let waiting: i64 = db.query("SELECT COUNT(*) FROM links WHERE used_at IS NULL").scalar().await.unwrap();
        assert_eq!(waiting, 1);
        let mut good = 0;
        for token in &tokens {
            good += u32::from(choose(&school, token, NEW).await.status == 204);
        }
        assert_eq!(good, 1);
    }

    async fn a_password_that_does_not_fit_is_named_and_leaves_the_link_good(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines.roy.2027", &[]).await;
        let token = link(&school, &head, ines).await;
        let before = school.hashes();
        for bad in ["short", "password123", "a nul \0 inside", &"p".repeat(257), "Ines.Roy.2027", "ines.roy.2027@X.org"] {
            let answer = choose(&school, &token, bad).await;
            assert_eq!((answer.problem(), answer.body["fields"]["new_password"].is_string()), ((422, "validation"), true), "{bad}");
        }
        for (body, field) in [(json!({"token": token}), "new_password"), (json!({"new_password": NEW}), "token"), (json!({"token": 7, "new_password": NEW}), "token"),
            (json!({"token": token, "new_password": NEW, "user_id": 1}), "user_id")] {
            let answer = school.post("/api/auth/reset-password", body).await;
            assert_eq!((answer.status, answer.body["fields"][field].is_string()), (422, true), "{field}");
        }
        assert_eq!(school.hashes(), before);
        assert_eq!(choose(&school, &token, NEW).await.status, 204);
    }

    async fn a_token_that_was_not_made_here_opens_nothing_and_costs_no_hash(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let token = link(&school, &head, ines).await;
        let before = school.hashes();
        let id: (uuid::Uuid,) = db.query("SELECT id FROM links").one().await.unwrap();
        let mut turned = token.clone().into_bytes();
        turned.reverse();
        for bad in ["", "x", "\0", &token[1..], &format!("{token}A"), &String::from_utf8(turned).unwrap(), &id.0.to_string(), &id.0.simple().to_string(), &"A".repeat(64), &"A".repeat(15_000)] {
            let answer = choose(&school, bad, NEW).await;
            assert_eq!((answer.problem(), answer.body["fields"]["token"].is_string()), (GONE, true), "{bad:?}");
        }
        assert_eq!(school.hashes(), before);
    }

    async fn there_is_no_link_for_who_could_not_log_in_with_it(db: TestDb) {
        let (school, head) = led(&db).await;
        let (ines, omar) = (school.person("ines", &[]).await, school.person("omar", &[]).await);
        let (of_ines, of_omar) = (link(&school, &head, ines).await, link(&school, &head, omar).await);
        school.call(Method::DELETE, &format!("/api/auth/users/{ines}"), &head, None).await;
        school.send(testing::request(Method::PATCH, &format!("/api/auth/users/{omar}")).bearer(&head).header("if-match", "\"1\"").json(&json!({"login_enabled": false}))).await;
        for token in [of_ines, of_omar] {
            assert_eq!(choose(&school, &token, NEW).await.problem(), GONE);
        }
        let ask = async |id: &str| school.call(Method::POST, &format!("/api/auth/users/{id}/reset-password"), &head, None).await;
        assert_eq!(ask("2").await.problem(), (409, "user_inactive"));
        assert_eq!(ask("3").await.problem(), (409, "login_disabled"));
        assert_eq!(ask("999").await.problem(), (404, "user_not_found"));
        assert_eq!(ask("x").await.status, 404);
    }

    async fn a_changed_password_voids_the_link(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let token = link(&school, &head, ines).await;
        let here = school.token("ines").await;
        let change = json!({"old_password": PASSWORD, "new_password": NEW});
        assert_eq!(school.call(Method::POST, "/api/auth/change-password", &here, Some(change)).await.status, 204);
        assert_eq!(choose(&school, &token, "a third good one").await.problem(), GONE);
    }

    async fn who_is_locked_out_gets_in_with_the_new_password_at_once(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        for name in ["ines", "ines@x.org"] {
            for _ in 0..5 {
                school.login(name, "wrong password").await;
            }
            assert_eq!(school.login(name, PASSWORD).await.problem(), (429, "too_many_attempts"));
        }
        let token = link(&school, &head, ines).await;
        assert_eq!(choose(&school, &token, NEW).await.status, 204);
        for name in ["ines", "ines@x.org"] {
            assert_eq!(school.login(name, NEW).await.status, 200);
        }
    }

    async fn logins_with_the_old_password_during_a_reset_leave_no_session(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let token = link(&school, &head, ines).await;
        let (reset, logins) = tokio::join!(choose(&school, &token, NEW), join_all((0..16).map(|_| school.login("ines", PASSWORD))));
        assert_eq!(reset.status, 204);
        for login in logins.iter().filter(|login| login.status == 200) {
            assert_eq!(school.validate(&login.member("access_token")).await.status, 401);
        }
    }

    async fn the_address_of_a_link_is_the_schools_own_whatever_the_request_says(db: TestDb) {
        let school = School::with(&db, |config| config.public_url = "https://school.example/".to_owned()).await;
        school.person("head", &[Role::Admin]).await;
        let head = school.token("head").await;
        let ask = testing::request(Method::POST, "/api/auth/users/1/reset-password").bearer(&head)
            .header("host", "evil.example").header("x-forwarded-host", "evil.example");
        assert!(school.send(ask).await.member("reset_url").starts_with("https://school.example/reset/"));
    }

    async fn the_token_stands_nowhere_and_the_audit_says_who_made_and_used_the_link(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let session = school.signed_in("ines").await;
        let token = link(&school, &head, ines).await;
        assert_eq!(choose(&school, &token, NEW).await.status, 204);
        let rows: Vec<(String, Option<i64>, String)> = db.query("SELECT action, actor, object FROM audit").all().await.unwrap();
        let count = |action: &str, actor: i64, object: &str| rows.iter().filter(|row| row.0 == action && row.1 == Some(actor) && row.2.starts_with(object)).count();
        assert_eq!((count("reset_link.made", 1, "user:2"), count("password.reset", ines, "user:2"), count("session.revoked", ines, "session:")), (1, 1, 1));
        let links: Vec<(uuid::Uuid, String)> = db.query("SELECT id, kind FROM links").all().await.unwrap();
        let events: Vec<(String, Vec<u8>)> = db.query("SELECT key, payload FROM outbox").all().await.unwrap();
        let events: Vec<_> = events.into_iter().map(|(key, payload)| key + &String::from_utf8(payload).unwrap()).collect();
        let secrets: Vec<(String,)> = db.query("SELECT value FROM audit_secret").all().await.unwrap();
        let text = format!("{rows:?} {links:?} {events:?} {secrets:?}");
        assert!(!text.contains(&token) && !text.contains(&token[22..]) && !text.contains(NEW));
        assert!(text.contains("session.revoked") && text.contains("password_changed"));
        assert_eq!(school.validate(&session.member("access_token")).await.status, 401);
    }
}
