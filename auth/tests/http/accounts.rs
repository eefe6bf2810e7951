//! Accounts: registered, made, changed, given roles, deactivated.

use auth::Registration;
use backends::testing::TestDb;
use contracts::Role;
use futures_util::future::join_all;
use http::Method;
use kit::testing;
use serde_json::json;

use crate::school::{PASSWORD, School};

backends::on_every_database! {
    async fn sixty_four_registrations_of_one_address_give_one_user_and_63_conflicts(db: TestDb) {
        let school = School::open(&db).await;
        let answers = join_all((0..64).map(|n| {
            let email = if n % 2 == 0 { "Ines@X.org" } else { " ines@x.ORG" };
            school.post("/api/auth/register", json!({"email": email, "password": PASSWORD, "username": format!("ines{n}")}))
        })).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        let conflicts: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
        assert!(conflicts.iter().all(|answer| answer.problem() == (409, "user_exists") && answer.body["detail"] == "User already exists"));
        let count: i64 = db.query("SELECT COUNT(*) FROM users").scalar().await.unwrap();
        assert_eq!(count, 1);
    }

    async fn a_registration_answers_id_address_and_name_and_gives_member_only(db: TestDb) {
        let school = School::open(&db).await;
        let answer = school.post("/api/v1/users/register/", json!({"email": "Ines@x.org", "password": PASSWORD, "username": "Ines"})).await;
        insta::allow_duplicates! { insta::assert_json_snapshot!(answer.body, @r#"
        {
          "email": "Ines@x.org",
          "id": 1,
          "username": "Ines"
        }
        "#); }
        let me = school.get("/api/auth/me", &school.token("ines").await).await;
        assert_eq!(me.body["roles"], json!(["member"]));
        assert_eq!(me.body["user_type"], json!(null));
    }

    async fn registration_is_closed_unless_it_is_open(db: TestDb) {
        for mode in [Registration::Invite, Registration::Closed] {
            let school = School::with(&db, |config| config.registration = mode).await;
            let answer = school.post("/api/auth/register", json!({"email": "a@x.org", "password": PASSWORD, "username": "a"})).await;
            assert_eq!(answer.problem(), (403, "registration_closed"));
        }
    }

    async fn an_eleventh_registration_from_one_address_within_a_minute_waits(db: TestDb) {
        let school = School::with(&db, |config| { config.registration = Registration::Open; config.registers_per_minute = 10; }).await;
        let from = |n: u32, address: &str| testing::post("/api/auth/register", &json!({"email": format!("a{n}@x.org"), "password": PASSWORD, "username": format!("a{n}")}))
            .extension(contracts::access::ClientAddress(Some(address.parse().unwrap())));
        for n in 0..10 {
            assert_eq!(school.send(from(n, "192.0.2.7")).await.status, 200);
        }
        let refused = school.send(from(10, "192.0.2.7")).await;
        assert_eq!(refused.problem(), (429, "rate_limited"));
        assert_eq!(refused.header("retry-after"), Some("60"));
        assert_eq!(school.send(from(11, "192.0.2.8")).await.status, 200, "another address");
        school.advance(60);
        assert_eq!(school.send(from(12, "192.0.2.7")).await.status, 200);
    }

    async fn two_editors_with_one_version_give_one_stale(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[Role::Teacher]).await;
        let token = school.token("ines").await;
        let read = school.get("/api/auth/me", &token).await;
        let version = read.header("etag").unwrap().to_owned();
        let put = |name: &str| testing::request(Method::PUT, "/api/auth/me").bearer(&token).header("if-match", &version).json(&json!({"first_name": name}));
        let (one, two) = tokio::join!(school.send(put("Inés")), school.send(put("Inez")));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        let missing = school.call(Method::PUT, "/api/auth/me", &token, Some(json!({"first_name": "x"}))).await;
        assert_eq!(missing.problem(), (428, "precondition_required"));
        let stale = school.send(put("late")).await;
        assert_eq!((stale.problem(), &stale.body["version"]), ((412, "stale"), &json!(2)));
        let again = school.get("/api/auth/me", &token).await;
        assert_eq!(again.header("etag"), Some("\"2\""));
        assert_eq!(again.body["full_name"].as_str().unwrap().split(' ').next_back(), Some("Roy"));
    }

    async fn a_taken_username_is_a_conflict_and_changes_nothing(db: TestDb) {
        let school = School::open(&db).await;
        school.person("ines", &[]).await;
        school.person("Omar", &[]).await;
        let token = school.token("ines").await;
        let put = testing::request(Method::PUT, "/api/auth/me").bearer(&token).header("if-match", "\"1\"").json(&json!({"username": "OMAR"}));
        assert_eq!(school.send(put).await.problem(), (409, "user_exists"));
        assert_eq!(school.get("/api/auth/me", &token).await.body["username"], "ines");
    }

    async fn an_administrator_makes_an_account_once_per_idempotency_key(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let token = school.token("head").await;
        let make = |name: &str, key: &str| testing::post("/api/auth/users", &json!({"username": name, "first_name": "Omar", "last_name": "Said", "roles": ["teacher", "guardian"]}))
            .bearer(&token).header("idempotency-key", key);
        let answers = join_all((0..64).map(|_| school.send(make("omar", "k1")))).await;
        assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
        insta::allow_duplicates! { insta::assert_json_snapshot!(answers[0].body, @r#"
        {
          "date_joined": "2026-03-02T08:00:00Z",
          "email": null,
          "first_name": "Omar",
          "full_name": "Omar Said",
          "id": 2,
          "is_active": true,
          "last_name": "Said",
          "role": "teacher",
          "roles": [
            "teacher",
            "guardian",
            "member"
          ],
          "user_type": "2",
          "username": "omar"
        }
        "#); }
        assert_eq!(school.send(make("other", "k1")).await.problem(), (422, "idempotency_mismatch"));
        assert_eq!(school.send(make("omar", "k2")).await.problem(), (409, "user_exists"));
        let login = school.login("omar", PASSWORD).await;
        assert_eq!(login.problem(), (401, "invalid_credentials"), "no password was set");
    }

    async fn only_an_administrator_makes_accounts(db: TestDb) {
        let school = School::open(&db).await;
        school.person("omar", &[Role::Teacher, Role::Staff]).await;
        let token = school.token("omar").await;
        let body = json!({"username": "x", "first_name": "", "last_name": "", "roles": []});
        assert_eq!(school.call(Method::POST, "/api/auth/users", &token, Some(body)).await.problem(), (403, "forbidden"));
        assert_eq!(school.call(Method::PUT, "/api/auth/users/1/roles", &token, Some(json!({"roles": ["admin"], "reason": "me"}))).await.problem(), (403, "forbidden"));
        assert_eq!(school.call(Method::DELETE, "/api/auth/users/1", &token, None).await.problem(), (403, "forbidden"));
        assert_eq!(school.post("/api/auth/users", json!({})).await.problem(), (401, "unauthorized"));
    }

    async fn a_lost_role_counts_at_once_even_for_a_direct_call_with_the_old_token(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let second = school.person("second", &[Role::Admin]).await;
        let (head, old) = (school.token("head").await, school.token("second").await);
        let changed = school.call(Method::PUT, &format!("/api/auth/users/{second}/roles"), &head, Some(json!({"roles": ["teacher"], "reason": "left the office"}))).await;
        assert_eq!((changed.status, &changed.body["role"]), (200, &json!("teacher")));
        assert_eq!(school.call(Method::DELETE, "/api/auth/users/1", &old, None).await.problem(), (403, "forbidden"));
    }

    async fn the_last_active_administrator_stays(db: TestDb) {
        let school = School::open(&db).await;
        let head = school.person("head", &[Role::Admin]).await;
        let second = school.person("second", &[Role::Admin]).await;
        let (one, two) = (school.token("head").await, school.token("second").await);
        // each removes the other, at once
        let (of_second, of_head) = (format!("/api/auth/users/{second}"), format!("/api/auth/users/{head}/roles"));
        let (a, b) = tokio::join!(
            school.call(Method::DELETE, &of_second, &one, None),
            school.call(Method::PUT, &of_head, &two, Some(json!({"roles": [], "reason": "coup"}))),
        );
        assert_eq!(u8::from(a.status < 300) + u8::from(b.status < 300), 1, "{a:?} {b:?}");
        let left = if a.status < 300 { (head, one) } else { (second, two) };
        assert_eq!(school.call(Method::DELETE, &format!("/api/auth/users/{}", left.0), &left.1, None).await.problem(), (409, "last_admin"));
        let demoted = school.call(Method::PUT, &format!("/api/auth/users/{}/roles", left.0), &left.1, Some(json!({"roles": ["staff"], "reason": "r"}))).await;
        assert_eq!(demoted.problem(), (409, "last_admin"));
    }

    async fn a_deactivated_person_is_out_and_deactivating_twice_is_fine(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[Role::Student]).await;
        let (head, token) = (school.token("head").await, school.signed_in("ines").await);
        for _ in 0..2 {
            assert_eq!(school.call(Method::DELETE, &format!("/api/auth/users/{ines}"), &head, None).await.status, 204);
        }
        assert_eq!(school.validate(&token.member("access_token")).await.problem(), (401, "unauthorized"));
        assert_eq!(school.get("/api/auth/me", &token.member("access_token")).await.status, 401);
        assert_eq!(school.login("ines", PASSWORD).await.problem(), (401, "invalid_credentials"));
        let refresh = school.post("/api/auth/refresh", json!({"refresh_token": token.member("refresh_token")})).await;
        assert_eq!(refresh.problem(), (401, "refresh_invalid"));
        assert_eq!(school.call(Method::DELETE, "/api/auth/users/999", &head, None).await.problem(), (404, "user_not_found"));
    }

    async fn roles_granted_and_taken_within_a_moment_leave_the_last_state(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[]).await;
        let head = school.token("head").await;
        for roles in [json!(["teacher"]), json!([]), json!(["teacher"]), json!(["teacher", "staff"])] {
            let put = school.call(Method::PUT, &format!("/api/auth/users/{ines}/roles"), &head, Some(json!({"roles": roles, "reason": "r"}))).await;
            assert_eq!(put.status, 200);
        }
        let again = school.restarted(&db).await;
        assert_eq!(again.get("/api/auth/me", &again.token("ines").await).await.body["roles"], json!(["teacher", "staff", "member"]));
    }

    async fn sixteen_role_changes_at_once_leave_validate_and_the_store_agreeing(db: TestDb) {
        let school = School::open(&db).await;
        school.person("head", &[Role::Admin]).await;
        let ines = school.person("ines", &[]).await;
        let (head, token) = (school.token("head").await, school.token("ines").await);
        let path = format!("/api/auth/users/{ines}/roles");
        let sets = [json!(["teacher"]), json!(["staff", "guardian"]), json!([]), json!(["student"])];
        let puts = (0..16).map(|n| school.call(Method::PUT, &path, &head, Some(json!({"roles": sets[n % 4], "reason": "r"}))));
        for answer in join_all(puts).await {
            assert_eq!(answer.status, 200);
        }
        let seen = school.validate(&token).await.header("x-user-roles").unwrap().to_owned();
        let again = school.restarted(&db).await;
        assert_eq!(again.validate(&token).await.header("x-user-roles"), Some(seen.as_str()));
    }
}
