//! Accounts as administrators list, read and correct them.

use backends::testing::TestDb;
use contracts::Role;
use futures_util::future::join_all;
use http::Method;
use kit::testing;
use kit::testing::Answer;
use serde_json::{Value, json};

use crate::school::{PASSWORD, School};

/// A school with an administrator, and their token.
async fn led(db: &TestDb) -> (School, String) {
    let school = School::open(db).await;
    school.person("head", &[Role::Admin]).await;
    let head = school.token("head").await;
    (school, head)
}

fn patch(path: &str, token: &str, version: &str, body: &Value) -> testing::TestRequest {
    testing::request(Method::PATCH, path)
        .bearer(token)
        .header("if-match", version)
        .json(body)
}

fn names(page: &Answer) -> Vec<&str> {
    assert_eq!(page.status, 200, "{}", page.body);
    let items = page.body["items"].as_array().unwrap();
    items
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect()
}

backends::on_every_database! {
    async fn the_list_is_by_id_and_narrowed_by_role_name_and_state(db: TestDb) {
        let (school, head) = led(&db).await;
        school.person("zoe", &[Role::Student]).await;
        school.person("omar", &[Role::Teacher, Role::Guardian]).await;
        let gone = school.person("ines", &[Role::Student]).await;
        school.person("amir", &[]).await;
        school.send(patch("/api/auth/users/2", &head, "\"1\"", &json!({"first_name": "Zoë", "last_name": "Weiß"}))).await;
        school.call(Method::DELETE, &format!("/api/auth/users/{gone}"), &head, None).await;
        let list = async |query: &str| school.get(&format!("/api/auth/users?{query}"), &head).await;
        assert_eq!(names(&list("").await), ["head", "zoe", "omar", "ines", "amir"]);
        assert_eq!(names(&list("role=&q=&active=&cursor=&limit=").await).len(), 5, "what is empty narrows nothing");
        assert_eq!(names(&list("role=student").await), ["zoe", "ines"]);
        assert_eq!(names(&list("role=member").await).len(), 5);
        assert_eq!(names(&list("role=student&active=true").await), ["zoe"]);
        assert_eq!(names(&list("active=false").await), ["ines"]);
        assert_eq!(names(&list("q=WEISS+zo%C3%AB").await), ["zoe"], "words in any order, without case and accents");
        assert_eq!(names(&list("q=zoe%40x").await), ["zoe"], "a part of the address");
        assert_eq!(names(&list("q=%25").await), Vec::<&str>::new(), "a joker is meant as written");
        assert_eq!(names(&list("q=roy&role=guardian").await), ["omar"]);
        let item = &list("role=student").await.body["items"][0];
        insta::allow_duplicates! { insta::assert_json_snapshot!(item, @r#"
        {
          "date_joined": "2026-03-02T08:00:00Z",
          "email": "zoe@x.org",
          "first_name": "Zoë",
          "full_name": "Zoë Weiß",
          "id": 2,
          "is_active": true,
          "last_name": "Weiß",
          "login_enabled": true,
          "role": "student",
          "roles": [
            "student",
            "member"
          ],
          "user_type": "3",
          "username": "zoe"
        }
        "#); }
    }

    async fn pages_follow_one_another_and_the_last_has_no_cursor(db: TestDb) {
        let (school, head) = led(&db).await;
        for name in ["a", "b", "c", "d"] {
            school.person(name, &[]).await;
        }
        let first = school.get("/api/auth/users?limit=2", &head).await;
        let second = school.get(&format!("/api/auth/users?limit=2&cursor={}", first.member("next_cursor")), &head).await;
        let third = school.get(&format!("/api/auth/users?limit=2&cursor={}", second.member("next_cursor")), &head).await;
        assert_eq!([names(&first), names(&second), names(&third)].concat(), ["head", "a", "b", "c", "d"]);
        assert_eq!(third.body["next_cursor"], json!(null));
        assert_eq!(school.get("/api/auth/users?limit=5", &head).await.body["next_cursor"], json!(null), "exactly full");
    }

    async fn what_cannot_be_listed_by_is_refused_by_name(db: TestDb) {
        let (school, head) = led(&db).await;
        for (query, field) in [("limit=0", "limit"), ("limit=101", "limit"), ("limit=1000000000", "limit"), ("limit=-1", "limit"), ("limit=x", "limit"), ("role=headmaster", "role"),
            ("active=perhaps", "active"), ("q=a%00b", "q"), ("q=a+b+c+d+e+f", "q"), ("what=1", "what"), ("skip=3", "skip")] {
            let answer = school.get(&format!("/api/auth/users?{query}"), &head).await;
            assert_eq!(answer.status, 422, "{query}");
            assert!(answer.body["fields"][field].is_string(), "{query}: {}", answer.body);
        }
        let long = format!("/api/auth/users?q={}", "x".repeat(101));
        assert!(school.get(&long, &head).await.body["fields"]["q"].is_string());
        let foreign = kit::page::Cursor { at: chrono::DateTime::UNIX_EPOCH, id: vec![7; 12] }.encode();
        for cursor in ["x", "%00", foreign.as_str()] {
            assert_eq!(school.get(&format!("/api/auth/users?cursor={cursor}"), &head).await.problem(), (400, "bad_cursor"), "{cursor}");
        }
    }

    async fn an_account_is_read_with_its_version_and_one_that_is_not_there_is_not_found(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[Role::Teacher]).await;
        let read = school.get(&format!("/api/auth/users/{ines}"), &head).await;
        assert_eq!((read.status, read.header("etag"), &read.body["username"]), (200, Some("\"1\""), &json!("ines")));
        assert_eq!(school.get("/api/auth/users/999", &head).await.problem(), (404, "user_not_found"));
        for id in ["abc", "1.5", "-1", "99999999999999999999", "%00", "+1", "01"] {
            assert_eq!(school.get(&format!("/api/auth/users/{id}"), &head).await.status, 404, "{id}");
        }
    }

    async fn an_administrator_corrects_an_account_once_per_version(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[Role::Teacher]).await;
        let token = school.token("ines").await;
        let path = format!("/api/auth/users/{ines}");
        let puts = (0..64).map(|n| school.send(patch(&path, &head, "\"1\"", &json!({"username": format!("ines{n}")}))));
        let answers = join_all(puts).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert!(answers.iter().filter(|answer| answer.status != 200).all(|answer| answer.problem() == (412, "stale") && answer.body["version"] == 2));
        let body = json!({"first_name": " Inés ", "last_name": "Roi", "username": "ines", "email": "Ines.Roi@x.org"});
        let done = school.send(patch(&path, &head, "\"2\"", &body)).await;
        assert_eq!((done.status, done.header("etag"), &done.body["full_name"], &done.body["email"]), (200, Some("\"3\""), &json!("Inés Roi"), &json!("Ines.Roi@x.org")));
        assert_eq!(school.validate(&token).await.header("x-user-email"), Some("Ines.Roi@x.org"), "on the next request, and the session goes on");
        assert_eq!(school.post("/api/auth/login", json!({"email": "ines.roi@X.org", "password": PASSWORD})).await.status, 200);
        assert_eq!(school.post("/api/auth/login", json!({"email": "ines@x.org", "password": PASSWORD})).await.status, 401);
        assert_eq!(names(&school.get("/api/auth/users?q=roi", &head).await), ["ines"], "the search knows the new name");
        assert_eq!(names(&school.get("/api/auth/users?q=ines+roy", &head).await), Vec::<&str>::new());
        let none = school.send(patch(&path, &head, "\"3\"", &json!({"email": null}))).await;
        assert_eq!(none.body["email"], json!(null));
        let again = school.restarted(&db).await;
        assert_eq!(again.get(&path, &head).await.body, none.body);
        assert_eq!(school.send(patch("/api/auth/users/999", &head, "\"1\"", &json!({"first_name": "x"}))).await.problem(), (404, "user_not_found"));
        assert_eq!(school.call(Method::PATCH, &path, &head, Some(json!({"first_name": "x"}))).await.problem(), (428, "precondition_required"));
    }

    async fn a_correction_that_does_not_fit_is_refused_with_every_field_and_changes_nothing(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let path = format!("/api/auth/users/{ines}");
        let before = school.get(&path, &head).await.body;
        let wrong = school.send(patch(&path, &head, "\"1\"", &json!({"first_name": "a\u{0}b", "last_name": "x".repeat(151), "username": "a@b", "email": "nobody"}))).await;
        assert_eq!(wrong.problem(), (422, "validation"));
        let fields: Vec<&String> = wrong.body["fields"].as_object().unwrap().keys().collect();
        assert_eq!(fields, ["email", "first_name", "last_name", "username"]);
        for (body, field) in [(json!({"roles": ["admin"]}), "roles"), (json!({"is_active": true}), "is_active"), (json!({"password": PASSWORD}), "password"),
            (json!({"login_enabled": "no"}), "login_enabled"), (json!({"email": 7}), "email"), (json!({"email": ""}), "email"), (json!({"username": "  "}), "username")] {
            let answer = school.send(patch(&path, &head, "\"1\"", &body)).await;
            assert_eq!((answer.status, answer.body["fields"][field].is_string()), (422, true), "{body}: {}", answer.body);
        }
        for taken in [json!({"username": "HEAD"}), json!({"email": "Head@X.org"})] {
            assert_eq!(school.send(patch(&path, &head, "\"1\"", &taken)).await.problem(), (409, "user_exists"));
        }
        assert_eq!(school.get(&path, &head).await.body, before);
    }

    async fn a_correction_that_changes_nothing_keeps_the_version(db: TestDb) {
        let (school, head) = led(&db).await;
        for body in [json!({}), json!({"first_name": "head", "email": "head@x.org", "login_enabled": true})] {
            let answer = school.send(patch("/api/auth/users/1", &head, "\"1\"", &body)).await;
            assert_eq!((answer.status, answer.header("etag")), (200, Some("\"1\"")));
        }
        let told: i64 = db.query("SELECT COUNT(*) FROM outbox WHERE key = 'user:1'").scalar().await.unwrap();
        assert_eq!(told, 1, "that it was made");
    }

    async fn turning_the_login_off_ends_every_session_and_on_again_lets_in(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let session = school.signed_in("ines").await;
        let path = format!("/api/auth/users/{ines}");
        let off = school.send(patch(&path, &head, "\"1\"", &json!({"login_enabled": false}))).await;
        assert_eq!((off.status, &off.body["login_enabled"], &off.body["is_active"]), (200, &json!(false), &json!(true)));
        assert_eq!(school.validate(&session.member("access_token")).await.status, 401);
        assert_eq!(school.post("/api/auth/refresh", json!({"refresh_token": session.member("refresh_token")})).await.status, 401);
        assert_eq!(school.login("ines", PASSWORD).await.problem(), (401, "invalid_credentials"));
        let again = school.restarted(&db).await;
        assert_eq!(again.get(&path, &head).await.body["login_enabled"], false);
        assert_eq!(school.send(patch(&path, &head, "\"2\"", &json!({"login_enabled": true}))).await.status, 200);
        assert_eq!(school.login("ines", PASSWORD).await.status, 200);
    }

    async fn logins_and_turning_the_login_off_at_once_leave_no_session(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        let off = school.send(patch(&format!("/api/auth/users/{ines}"), &head, "\"1\"", &json!({"login_enabled": false})));
        let logins = join_all((0..16).map(|_| school.login("ines", PASSWORD)));
        let (off, logins) = tokio::join!(off, logins);
        assert_eq!(off.status, 200);
        for login in logins.iter().filter(|login| login.status == 200) {
            assert_eq!(school.validate(&login.member("access_token")).await.status, 401);
        }
        let alive: i64 = db.query("SELECT COUNT(*) FROM sessions WHERE user_id = 2 AND revoked_at IS NULL").scalar().await.unwrap();
        assert_eq!(alive, 0);
    }

    async fn the_last_administrator_who_may_log_in_cannot_be_locked_out(db: TestDb) {
        let (school, head) = led(&db).await;
        let off = |id: i64| patch(&format!("/api/auth/users/{id}"), &head, "\"1\"", &json!({"login_enabled": false}));
        assert_eq!(school.send(off(1)).await.problem(), (409, "last_admin"));
        let second = school.person("second", &[Role::Admin]).await;
        assert_eq!(school.send(off(second)).await.status, 200);
        assert_eq!(school.call(Method::DELETE, "/api/auth/users/1", &head, None).await.problem(), (409, "last_admin"), "one who may not log in is no help");
        let roles = json!({"roles": [], "reason": "r"});
        assert_eq!(school.call(Method::PUT, "/api/auth/users/1/roles", &head, Some(roles)).await.problem(), (409, "last_admin"));
        school.person("third", &[Role::Admin]).await;
        assert_eq!(school.send(off(1)).await.status, 200);
    }

    async fn two_administrators_who_lock_each_other_out_at_once_leave_one(db: TestDb) {
        for _ in 0..8 {
            let school = School::open(&db).await;
            let tag = school.hashes();
            let (one, two) = (format!("one{tag}"), format!("two{tag}"));
            let (a, b) = (school.person(&one, &[Role::Admin]).await, school.person(&two, &[Role::Admin]).await);
            let (ta, tb) = (school.token(&one).await, school.token(&two).await);
            let off = |id: i64, token: &str| patch(&format!("/api/auth/users/{id}"), token, "\"1\"", &json!({"login_enabled": false}));
            let (x, y) = tokio::join!(school.send(off(b, &ta)), school.send(off(a, &tb)));
            let mut statuses = [x.status, y.status];
            statuses.sort_unstable();
            // the loser is refused, or was out before the request was looked at
            assert!(statuses == [200, 409] || statuses == [200, 401], "{statuses:?}");
            let mut tx = db.begin().await.unwrap();
            for sql in ["DELETE FROM links", "DELETE FROM refresh_tokens", "DELETE FROM sessions", "DELETE FROM role_grants", "DELETE FROM users"] {
                tx.query(sql).execute().await.unwrap();
            }
            tx.commit().await.unwrap();
        }
    }

    async fn a_deactivated_account_is_not_corrected(db: TestDb) {
        let (school, head) = led(&db).await;
        let ines = school.person("ines", &[]).await;
        school.call(Method::DELETE, &format!("/api/auth/users/{ines}"), &head, None).await;
        let path = format!("/api/auth/users/{ines}");
        assert_eq!(school.get(&path, &head).await.body["is_active"], false);
        assert_eq!(school.send(patch(&path, &head, "\"2\"", &json!({"first_name": "x"}))).await.problem(), (409, "user_inactive"));
    }

    async fn nobody_but_an_administrator_of_now_sees_accounts(db: TestDb) {
        let (school, head) = led(&db).await;
        school.person("omar", &[Role::Teacher, Role::Staff]).await;
        let second = school.person("second", &[Role::Admin]).await;
        let (omar, late) = (school.token("omar").await, school.token("second").await);
        school.call(Method::PUT, &format!("/api/auth/users/{second}/roles"), &head, Some(json!({"roles": [], "reason": "r"}))).await;
        for (method, path) in [(Method::GET, "/api/auth/users"), (Method::GET, "/api/auth/users/1"), (Method::PATCH, "/api/auth/users/1"), (Method::GET, "/api/auth/users/1/sessions"),
            (Method::DELETE, "/api/auth/users/1/sessions"), (Method::POST, "/api/auth/users/1/reset-password"), (Method::GET, "/api/v1/users/students/"), (Method::GET, "/api/v1/users/staff/"),
            (Method::GET, "/api/v1/users/admins/"), (Method::GET, "/api/v1/users/user/1/")] {
            assert_eq!(school.call(method.clone(), path, &omar, Some(json!({}))).await.problem(), (403, "forbidden"), "{path}");
            assert_eq!(school.call(method.clone(), path, &late, Some(json!({}))).await.problem(), (403, "forbidden"), "{path} with a token that still says admin");
            assert_eq!(school.send(testing::request(method, path).json(&json!({}))).await.status, 401, "{path}");
        }
    }

    async fn clients_of_the_001_system_find_accounts_at_its_paths(db: TestDb) {
        let (school, head) = led(&db).await;
        school.person("zoe", &[Role::Student]).await;
        school.person("omar", &[Role::Teacher]).await;
        school.person("ines", &[Role::Staff]).await;
        let list = async |path: &str| school.get(&format!("/api/v1/users/{path}"), &head).await;
        assert_eq!(names(&list("students/").await), ["zoe"]);
        assert_eq!(names(&list("staff/").await), ["omar", "ines"]);
        assert_eq!(names(&list("staff/?q=ines").await), ["ines"]);
        assert_eq!(names(&list("admins/").await), ["head"]);
        assert_eq!(list("students/?role=admin").await.problem(), (422, "unknown_field"));
        let read = list("user/2/").await;
        assert_eq!((read.status, &read.body["user_type"]), (200, &json!("3")));
        assert_eq!([list("user/x/").await.status, list("user/999/").await.status, list("students/1/").await.status], [404; 3]);
    }

    async fn the_own_profile_at_the_001_path_needs_no_version_but_heeds_one(db: TestDb) {
        let school = School::open(&db).await;
        school.person("zoe", &[Role::Student]).await;
        let zoe = school.token("zoe").await;
        let path = "/api/v1/users/profile/";
        let read = school.get(path, &zoe).await;
        assert_eq!((read.status, &read.body["username"], read.header("etag")), (200, &json!("zoe"), Some("\"1\"")));
        let calls = (0..16).map(|n| school.call(Method::PATCH, path, &zoe, Some(json!({"first_name": format!("Zoë {n}")}))));
        assert!(join_all(calls).await.iter().all(|answer| answer.status == 200));
        assert_eq!(school.get(path, &zoe).await.header("etag"), Some("\"17\""), "none was lost");
        assert_eq!(school.send(patch(path, &zoe, "\"1\"", &json!({"first_name": "late"}))).await.problem(), (412, "stale"));
        for (field, value) in [("email", json!("other@x.org")), ("login_enabled", json!(true)), ("roles", json!(["admin"]))] {
            assert_eq!(school.call(Method::PATCH, path, &zoe, Some(json!({field: value}))).await.problem(), (422, "unknown_field"));
        }
    }
}
