//! What an operator does with the stream: builds it anew, asks whether it is right.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backends::bus::{self, Bus, Record};
use contracts::topics::{self, POSTS_EVENTS};
use kit::SystemClock;
use serde_json::{Value, json};

use crate::support::Person;
use crate::support::process::{Finished, Running, finish, schoolyard};

const QUIET: (&str, &str) = ("SCHOOLYARD_LOG__FILTER", "off");

async fn feed(data: &Path, args: &[&str]) -> Finished {
    let args: Vec<&str> = ["feed"].iter().chain(args).copied().collect();
    finish(schoolyard(data, &args, &[]), "").await
}

/// Somebody else's hand on the bus.
async fn open(data: &Path) -> Arc<dyn Bus> {
    let url = format!("sqlite:{}", data.join("bus.db").display());
    let bus = bus::open(&url, SystemClock::shared()).await.unwrap();
    bus.ensure(&topics::ALL).await.unwrap();
    bus
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(came.is_ok(), "{what}");
}

#[tokio::test]
async fn a_ghost_in_the_stream_is_found_by_verify_and_gone_after_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Running::serve(data, &["--demo"], &[QUIET]).await;
    let password = std::fs::read_to_string(data.join("demo-password")).unwrap();
    let teacher = Person::nobody(&server.base)
        .login("ines", password.trim())
        .await;
    let page = async || teacher.get("/api/activity-stream").await.expect(200);
    until("the stream is filled", async || {
        page().await.header("x-feed").is_none()
    })
    .await;
    let right = feed(data, &["verify"]).await;
    assert_eq!(right.code, 0, "{}{}", right.stdout, right.stderr);
    assert!(
        right.stdout.starts_with("the stream is what the posts are"),
        "{}",
        right.stdout
    );
    let before = page().await.bytes;

    // An event of ours about a post that the posts service does not have, as after a restore from an older backup.
    let ghost = "6b011a8b01ecf6e8c665f26a";
    let event = json!({
        "event_type": "post.created", "timestamp": "2026-03-02T08:00:00Z",
        "data": {
            "post_id": ghost, "user_id": 1, "title": "A ghost", "content": "", "username": "", "audience": ["school"], "state": "published", "tags": [],
            "published_at": "2026-03-02T08:00:00Z", "edited_at": null, "pinned_until": null, "delivery": "normal", "comment_count": 0, "attachments": [], "version": 1,
        },
    });
    let record = Record {
        topic: POSTS_EVENTS.name.to_owned(),
        key: Some(format!("post:{ghost}")),
        payload: event.to_string().into(),
        headers: BTreeMap::from([("ce_source".to_owned(), "/posts".to_owned())]),
        event_id: None,
    };
    open(data).await.publish(vec![record]).await.unwrap();
    let all = async || {
        let page = teacher.get("/api/activity-stream?limit=100").await;
        String::from_utf8(page.bytes).unwrap()
    };
    until("the ghost is shown", async || all().await.contains(ghost)).await;
    let wrong = feed(data, &["verify"]).await;
    assert_eq!(wrong.code, 1, "{}", wrong.stdout);
    let window = wrong
        .stdout
        .lines()
        .find(|line| line.starts_with("school:"));
    assert!(
        window.is_some_and(|line| line.ends_with(&format!("unexpected: {ghost}"))),
        "{}",
        wrong.stdout
    );
    assert!(
        !wrong.stdout.contains("A ghost") && wrong.stderr.contains("schoolyard feed rebuild"),
        "{}{}",
        wrong.stdout,
        wrong.stderr
    );
    let listed = feed(data, &["verify", "--json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["differences"][0]["unexpected"], json!([ghost]));

    let rebuilt = feed(data, &["rebuild"]).await;
    assert_eq!(rebuilt.code, 0, "{}", rebuilt.stderr);
    assert!(
        rebuilt.stdout.starts_with("the stream is rebuilt: "),
        "{}",
        rebuilt.stdout
    );
    assert!(
        !rebuilt.stderr.contains('\r') && !rebuilt.stderr.contains('\u{1b}'),
        "plain lines where no terminal is: {}",
        rebuilt.stderr
    );
    assert_eq!(page().await.bytes, before);
    assert_eq!(feed(data, &["verify"]).await.code, 0);
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn without_a_server_it_is_said_what_to_do_instead() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("nowhere");
    for order in ["rebuild", "verify"] {
        let ended = feed(&data, &[order]).await;
        assert_eq!(ended.code, 1, "{order}");
        assert!(
            ended.stderr.contains("no server runs") && ended.stderr.contains("schoolyard serve"),
            "{}",
            ended.stderr
        );
        assert!(!data.exists(), "nothing is made");
    }
    assert_eq!(feed(&data, &["rebuilt"]).await.code, 2);
    let help = feed(&data, &["--help"]).await;
    assert!(
        help.stdout.contains("rebuild") && help.stdout.contains("verify"),
        "{}",
        help.stdout
    );
}
