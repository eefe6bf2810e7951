//! No line of the log, at any level, holds a password, a hash or a token. A test of its own: it takes the process' log.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "http/school.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod school;

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use backends::testing;
use contracts::Role;
use http::Method;
use school::{PASSWORD, School};
use serde_json::json;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_at_its_most_talkative_holds_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let db = testing::sqlite().await;
    let school = School::open(&db).await;
    let setup = std::fs::read_to_string(school.folder.path().join("setup-token")).unwrap();
    let body = json!({"setup_token": setup.trim(), "email": "head@x.org", "username": "head", "password": PASSWORD});
    let session = school.post("/api/auth/setup", body).await;
    assert_eq!(session.status, 201);
    school.person("ines", &[Role::Teacher]).await;
    let (access, refresh) = (
        session.member("access_token"),
        session.member("refresh_token"),
    );
    school.validate(&access).await;
    school.login("ines", "a wrong password").await;
    school
        .set_stored_hash(
            2,
            "$2b$31$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        )
        .await;
    school.login("ines", PASSWORD).await;
    let next = school
        .post("/api/auth/refresh", json!({"refresh_token": refresh}))
        .await;
    school.advance(11);
    school
        .post("/api/auth/refresh", json!({"refresh_token": refresh}))
        .await;
    let again = school.login("head", PASSWORD).await.member("access_token");
    let change = json!({"old_password": PASSWORD, "new_password": "another good one"});
    school
        .call(
            Method::POST,
            "/api/auth/change-password",
            &again,
            Some(change),
        )
        .await;
    let head = school.login("head", "another good one").await;
    let link = school
        .call(
            Method::POST,
            "/api/auth/users/2/reset-password",
            &head.member("access_token"),
            None,
        )
        .await;
    let token = link.member("reset_url").split_off("/reset/".len());
    let by_link = json!({"token": token, "new_password": "a third good one"});
    assert_eq!(
        school
            .post("/api/auth/reset-password", by_link)
            .await
            .status,
        204
    );
    db.close().await.unwrap();
    assert_eq!(school.login("head", "another good one").await.status, 503);

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("a stored password cannot be used") && text.contains("store"),
        "the log was taken"
    );
    for secret in [
        PASSWORD,
        "another good one",
        "a third good one",
        &token,
        "a wrong password",
        "$2b$",
        setup.trim(),
        &access,
        &refresh,
        &again,
        &next.member("refresh_token"),
        school::SECRET,
    ] {
        let at = text.lines().find(|line| line.contains(secret));
        assert!(
            at.is_none(),
            "{:?}",
            at.map(|line| &line[..line.len().min(120)])
        );
    }
    for header in ["Bearer ey", "head@x.org"] {
        assert!(!text.contains(header), "{header}");
    }
}
