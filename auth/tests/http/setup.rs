//! The first administrator.

use backends::testing::TestDb;
use contracts::Role;
use futures_util::future::join_all;
use kit::testing;
use serde_json::{Value, json};

use crate::school::{PASSWORD, School};

fn token(school: &School) -> String {
    std::fs::read_to_string(school.folder.path().join("setup-token"))
        .unwrap()
        .trim()
        .to_owned()
}

fn body(token: &str, name: &str) -> Value {
    json!({"setup_token": token, "email": format!("{name}@x.org"), "username": name, "password": PASSWORD})
}

backends::on_every_database! {
    async fn the_token_in_the_data_directory_makes_one_administrator(db: TestDb) {
        let school = School::open(&db).await;
        assert_eq!(school.send(testing::get("/api/auth/setup")).await.body, json!({"needed": true}));
        let good = token(&school);
        assert_eq!(school.post("/api/auth/setup", body("wrong", "head")).await.problem(), (403, "setup_token_invalid"));
        assert_eq!(school.hashes(), 0, "a wrong token costs no hash");
        let bodies: Vec<Value> = (0..16).map(|n| body(&good, &format!("head{n}"))).collect();
        let answers = join_all(bodies.into_iter().map(|body| school.post("/api/auth/setup", body))).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(made.len(), 1);
        assert!(answers.iter().filter(|answer| answer.status != 201).all(|answer| matches!(answer.problem(), (409, "already_set_up") | (403, "setup_token_invalid"))));
        assert_eq!(made[0].body["user"]["role"], "admin");
        assert_eq!(school.validate(&made[0].member("access_token")).await.header("x-user-roles"), Some("admin,member"));
        assert_eq!(school.send(testing::get("/api/auth/setup")).await.body, json!({"needed": false}));
        assert!(!school.folder.path().join("setup-token").exists());
        assert_eq!(school.post("/api/auth/setup", body(&good, "late")).await.problem(), (409, "already_set_up"));
    }

    async fn the_file_is_private_and_a_restart_keeps_a_token_that_waits(db: TestDb) {
        use std::os::unix::fs::PermissionsExt as _;
        let school = School::open(&db).await;
        let mode = std::fs::metadata(school.folder.path().join("setup-token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = school.restarted(&db).await;
        assert_ne!(token(&other), token(&school), "another data directory gets another token");
        assert_eq!(other.post("/api/auth/setup", body(&token(&school), "head")).await.problem(), (403, "setup_token_invalid"), "and the first means nothing any more");
    }

    async fn an_administrator_made_by_the_operator_ends_the_setup(db: TestDb) {
        let school = School::open(&db).await;
        let good = token(&school);
        let head = school.accounts.create_admin("head@x.org", "head", PASSWORD.into()).await.unwrap();
        assert_eq!(head.role, Role::Admin);
        assert!(!school.folder.path().join("setup-token").exists());
        assert_eq!(school.post("/api/auth/setup", body(&good, "late")).await.problem(), (409, "already_set_up"));
        school.signed_in("head").await;
        assert_eq!(school.accounts.create_admin("HEAD@x.org", "other", PASSWORD.into()).await.unwrap_err().code(), "user_exists");
        assert_eq!(school.accounts.create_admin("second@x.org", "second", "short".into()).await.unwrap_err().code(), "validation");
    }
}
