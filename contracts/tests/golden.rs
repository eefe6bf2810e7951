//! Every event ever produced must load for ever, and what we produce today is what the files say.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use backends::bus::{Delivered, Record};
use backends::outbox::Message;
use chrono::{DateTime, Utc};
use contracts::events::{Change, PostEvent, ProfileEvent, SessionRevoked, UserEvent};
use uuid::Uuid;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(name);
    std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .trim_end()
        .to_owned()
}

fn names() -> Vec<String> {
    let folder = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")).unwrap();
    let mut names: Vec<_> = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn delivered(topic: &str, payload: &str) -> Delivered {
    Delivered {
        record: Record {
            topic: topic.to_owned(),
            key: None,
            payload: payload.to_owned().into(),
            headers: BTreeMap::new(),
            event_id: None,
        },
        partition: 0,
        offset: 0,
        at: DateTime::UNIX_EPOCH,
    }
}

fn timestamp(payload: &str) -> DateTime<Utc> {
    let value: serde_json::Value = serde_json::from_str(payload).unwrap();
    value["timestamp"].as_str().unwrap().parse().unwrap()
}

fn text(message: Message) -> String {
    String::from_utf8(message.payload).unwrap()
}

#[test]
fn every_golden_file_loads_and_what_is_ours_is_written_again_byte_for_byte() {
    let mut ours = 0;
    for name in names() {
        let payload = golden(&name);
        if name.starts_with("user.") {
            let event = UserEvent::read(&delivered("auth-events", &payload)).unwrap();
            assert_eq!(
                text(event.message(Uuid::nil(), timestamp(&payload))),
                payload,
                "{name}"
            );
        } else if name.starts_with("profile.") {
            let event = ProfileEvent::read(&delivered("profile-events", &payload)).unwrap();
            assert_eq!(
                text(event.message(Uuid::nil(), timestamp(&payload))),
                payload,
                "{name}"
            );
        } else if name.starts_with("session.") {
            let event = SessionRevoked::read(&delivered("auth-signals", &payload))
                .unwrap()
                .unwrap();
            assert_eq!(
                text(event.message(Uuid::nil(), timestamp(&payload))),
                payload,
                "{name}"
            );
        } else {
            let written = match PostEvent::read(&delivered("posts-events", &payload)).unwrap() {
                PostEvent::Created(post) | PostEvent::Updated(post) => {
                    PostEvent::state(&post, Uuid::nil(), timestamp(&payload))
                }
                PostEvent::Deleted(post) => {
                    PostEvent::deleted(&post, Uuid::nil(), timestamp(&payload))
                }
                PostEvent::Foreign(_) => {
                    assert!(
                        name.starts_with("foreign."),
                        "{name} is read as a foreign message"
                    );
                    continue;
                }
            };
            assert_eq!(text(written), payload, "{name}");
        }
        ours += 1;
    }
    assert_eq!(ours, 10);
}

#[test]
fn a_foreign_time_without_offset_is_utc_and_its_milliseconds_are_the_version() {
    let PostEvent::Foreign(post) = PostEvent::read(&delivered(
        "posts-events",
        &golden("foreign.post.created.first.json"),
    ))
    .unwrap() else {
        panic!("not foreign");
    };
    assert_eq!(post.change, Change::Created);
    assert_eq!(post.at.to_rfc3339(), "2024-11-05T14:03:22.518204+00:00");
    assert_eq!(post.version(), 1_730_815_402_518);
    assert_eq!(
        (post.title.as_deref(), post.content, post.username),
        (Some("Hello"), None, None)
    );
}

#[test]
fn a_replayed_foreign_message_has_the_same_event_id_and_another_message_has_not() {
    let id = |name: &str| match PostEvent::read(&delivered("posts-events", &golden(name))).unwrap()
    {
        PostEvent::Foreign(post) => post.event_id,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        id("foreign.post.created.later.json"),
        id("foreign.post.created.later.json")
    );
    assert_ne!(
        id("foreign.post.created.later.json"),
        id("foreign.post.deleted.json")
    );
}

#[test]
fn what_is_no_event_is_refused_with_its_reason() {
    for (payload, reason) in [
        ("not json", "does not parse"),
        (
            r#"{"event_type":"post.created","timestamp":"2026-03-02T08:00:00Z","data":{"post_id":"zz","user_id":1}}"#,
            "does not parse",
        ),
        (
            r#"{"event_type":"post.painted","timestamp":"2026-03-02T08:00:00Z","data":{"version":1}}"#,
            "unknown event type post.painted",
        ),
        (
            r#"{"event_type":"post.created","timestamp":"yesterday","data":{"post_id":"672a26bab3a1f2c4d5e6f708","user_id":1}}"#,
            "no ISO 8601",
        ),
    ] {
        let error = PostEvent::read(&delivered("posts-events", payload)).unwrap_err();
        assert!(error.to_string().contains(reason), "{payload}: {error}");
    }
}

#[test]
fn an_unknown_field_is_ignored_and_an_unknown_schema_version_is_refused() {
    let newer = golden("post.created.v1.json").replacen(
        "\"version\":1",
        "\"version\":1,\"mood\":\"sunny\"",
        1,
    );
    let mut message = delivered("posts-events", &newer);
    assert!(PostEvent::read(&message).is_ok());
    message
        .record
        .headers
        .insert("ce_dataschema".to_owned(), "v2".to_owned());
    assert!(
        PostEvent::read(&message)
            .unwrap_err()
            .to_string()
            .contains("unknown schema version v2")
    );
}

#[test]
fn the_content_of_a_foreign_message_is_cleaned_like_everybodys() {
    let payload = r#"{"event_type":"post.created","timestamp":"2025-02-01T10:00:00","data":{"post_id":"679dea00b3a1f2c4d5e6f709","user_id":3,"title":"x","content":"<p onclick=y>Hi<script>z</script></p>"}}"#;
    let PostEvent::Foreign(post) = PostEvent::read(&delivered("posts-events", payload)).unwrap()
    else {
        panic!("not foreign")
    };
    assert_eq!(post.content.as_deref(), Some("<p>Hi</p>"));
    let long = payload.replace("Hi", &"x".repeat(60_000));
    assert!(
        PostEvent::read(&delivered("posts-events", &long))
            .unwrap_err()
            .to_string()
            .contains("longer than 50000")
    );
}
