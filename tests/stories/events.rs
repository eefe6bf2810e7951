//! What comes from the bus: foreign messages become items, once each; what cannot be read stops nothing.

use serde_json::json;

use crate::support::{School, Topology, titles};

#[tokio::test]
async fn a_foreign_producers_message_becomes_one_item_also_when_it_is_replayed() {
    let school = School::start(Topology::Together).await;
    let teacher = school.sign_in_teacher().await;
    let created = json!({
        "event_type": "post.created", "timestamp": "2026-03-02T07:59:00.250000",
        "data": {"post_id": "672a26bab3a1f2c4d5e6f708", "user_id": 3, "title": "From the old stack", "content": "<p>Hello</p>", "username": "max"},
    });
    for _ in 0..3 {
        school.foreign(&created.to_string()).await;
    }
    school.caught_up().await;
    let page = teacher.get("/api/activity-stream").await.expect(200).json();
    assert_eq!(titles(&page), ["From the old stack"]);
    let item = &page["items"][0];
    assert_eq!(
        (&item["username"], &item["timestamp"], &item["user_id"]),
        (&json!("max"), &json!("2026-03-02T07:59:00.250Z"), &json!(3))
    );

    let deleted = json!({
        "event_type": "post.deleted", "timestamp": "2026-03-02T07:59:30",
        "data": {"post_id": "672a26bab3a1f2c4d5e6f708", "user_id": 3},
    });
    school.foreign(&deleted.to_string()).await;
    school.foreign(&created.to_string()).await;
    school.caught_up().await;
    assert!(teacher.stream().await.is_empty());
    school.stop().await;
}

#[tokio::test]
async fn a_message_that_does_not_parse_goes_to_the_dead_letters_and_the_next_one_is_applied() {
    let school = School::start(Topology::Together).await;
    let teacher = school.sign_in_teacher().await;
    school.foreign("this is no event").await;
    school.foreign(r#"{"event_type":"post.created","timestamp":"2026-03-02T08:00:00","data":{"post_id":"short","user_id":1}}"#).await;
    teacher.publish("after the bad ones", &["school"]).await;
    school.caught_up().await;
    assert_eq!(teacher.stream().await, ["after the bad ones"]);
    assert_eq!(school.dead_letters("posts-events").await, 2);
    school.stop_with_dead_letters().await;
}
