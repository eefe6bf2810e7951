//! `posts-events` is read and written by others: by CivilDIY's consumers and producers.

use serde_json::json;

use super::plain::{Plain, value};
use super::stack::FullStack;
use crate::support::titles;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_events_are_wire_compatible_both_ways() {
    let stack = FullStack::up(1).await;
    let office = stack.office().await;
    let person = stack.person(&office, "ines", &["teacher"]).await;
    let operator = Plain::user(&stack, "operator");

    // Ours, read by who expects no more than the three fields.
    let id = person.publish("read by others", &["school"]).await;
    let ours = async || {
        let messages = operator.all("posts-events");
        messages
            .iter()
            .map(value)
            .find(|event| event["data"]["post_id"] == json!(id))
    };
    let mut event = None;
    stack
        .until("a consumer finds the post", async || {
            event = ours().await;
            event.is_some()
        })
        .await;
    let event = event.unwrap();
    assert_eq!(event["event_type"], "post.created");
    assert_eq!(event["data"]["title"], "read by others");
    assert_eq!(event["data"]["user_id"], json!(person.id));
    let at = event["timestamp"].as_str().unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(at).is_ok(), "{at}");

    // Theirs, as their producer sends it; replayed, once.
    let created = json!({
        "event_type": "post.created", "timestamp": "2026-03-02T07:59:00.250000",
        "data": {"post_id": "672a26bab3a1f2c4d5e6f708", "user_id": 3, "title": "From the old stack", "content": "<p>Hello</p>", "username": "max"},
    });
    for _ in 0..3 {
        operator.produce("posts-events", &created.to_string()).await;
    }
    let after = person.publish("after it", &["school"]).await;
    stack
        .until("both are in the stream", async || {
            let page = person.get("/api/activity-stream").await.expect(200).json();
            page["items"][0]["post_id"] == json!(after)
                && titles(&page).contains(&"From the old stack".to_owned())
        })
        .await;
    let stream = person.stream().await;
    assert_eq!(stream, ["after it", "read by others", "From the old stack"]);
    operator.produce("posts-events", &created.to_string()).await;
    person.publish("after the replay", &["school"]).await;
    stack
        .until("the next one is in the stream", async || {
            person.stream().await[0] == "after the replay"
        })
        .await;
    let stream = person.stream().await;
    let theirs = stream.iter().filter(|title| *title == "From the old stack");
    assert_eq!(theirs.count(), 1, "{stream:?}");
}
