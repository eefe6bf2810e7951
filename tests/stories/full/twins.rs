//! Two instances of every service at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use super::plain::{Plain, header};
use super::stack::FullStack;
use crate::support::{Person, all_posts, titles_by_id, whole_stream};

const POSTS: usize = 200;
const SESSIONS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_of_every_service_do_each_thing_once_and_know_the_same() {
    let stack = FullStack::up(2).await;
    let office = stack.office().await;
    let person = stack.person(&office, "ines", &["teacher"]).await;
    let operator = Plain::user(&stack, "operator");

    // Consumers share the partitions.
    for group in ["feed-generator", "profile"] {
        stack
            .until("both members read", async || {
                operator.members(group) == (2, 2)
            })
            .await;
    }

    // Relays take turns: what both instances accept is sent once.
    let writers = (0..POSTS).map(|n| {
        let there = Person::nobody(&stack.direct("posts", 1 + n % 2)).with_token(person.token());
        async move { there.publish(&format!("post {n}"), &["school"]).await }
    });
    let ids = join_all(writers).await;
    stack
        .until("every post is in the stream", async || {
            whole_stream(&person).await.len() == POSTS
        })
        .await;
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for message in operator.all("posts-events") {
        *sent.entry(header(&message, "ce_id").unwrap()).or_default() += 1;
    }
    assert_eq!(sent.len(), ids.len());
    assert!(sent.values().all(|&times| times == 1), "{sent:?}");
    let posts = titles_by_id(&all_posts(&person).await, "id");
    assert_eq!(titles_by_id(&whole_stream(&person).await, "post_id"), posts);
    for number in [1, 2] {
        let there = Person::nobody(&stack.direct("feed", number)).with_token(person.token());
        assert_eq!(titles_by_id(&whole_stream(&there).await, "post_id"), posts);
    }

    // A session that ends at one has ended at the other with the next request.
    for n in 0..SESSIONS {
        let session = stack.again("ines").await;
        let at = |number: usize| {
            Person::nobody(&stack.direct("auth", number)).with_token(session.token())
        };
        let (here, there) = (at(1 + n % 2), at(2 - n % 2));
        there.get("/api/auth/validate").await.expect(200);
        here.post("/api/auth/logout", json!({})).await;
        there.get("/api/auth/validate").await.expect(401);
        session.get("/api/activity-stream").await.expect(401);
    }
    // So has a role that was taken away.
    let colleague = stack.person(&office, "tom", &["teacher"]).await;
    office.publish("for teachers", &["role:teacher"]).await;
    stack
        .until("the colleague sees it", async || {
            colleague
                .stream()
                .await
                .contains(&"for teachers".to_owned())
        })
        .await;
    let roles = json!({"roles": ["student"], "reason": "back to school"});
    office
        .put(&format!("/api/auth/users/{}/roles", colleague.id), roles)
        .await
        .expect(200);
    for _ in 0..10 {
        assert!(
            !colleague
                .stream()
                .await
                .contains(&"for teachers".to_owned())
        );
    }
}
