//! The bus: what cannot be read, what fails for a while, what foreign producers send.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::owner::{id, post, start};
use crate::support::{Opened, Setup, TestFeed};
use async_trait::async_trait;
use backends::bus::Start;
use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::testing::person;
use contracts::{Audience, PostId, UserId};
use feed::store::{Batch, Store, StoreError};
use feed::{
    Answer, Change, Effect, Figures, Gap, Heard, Listener, Mark, Place, Position, Query, Tuned,
    Turned, Window,
};

#[tokio::test]
async fn an_event_that_does_not_parse_goes_to_the_dead_letters_and_the_next_one_is_applied() {
    let feed = TestFeed::start(Setup::default()).await;
    feed.raw("{\"event_type\":\"post.created\",").await;
    feed.raw(r#"{"event_type":"post.exploded","timestamp":"2026-03-02T08:00:00","data":{"post_id":"65f0a1b2c3d4e5f601234567","user_id":7}}"#).await;
    feed.publish(&post(1, 0, &["role:member"])).await;
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Post 1"]);
    let mut letters = feed
        .bus
        .subscribe("a test", &["posts-events.dlq"], Start::Earliest)
        .await
        .unwrap();
    for (offset, reason) in [
        ("0", "does not parse"),
        ("1", "unknown event type post.exploded"),
    ] {
        let letter = letters.next().await.unwrap().record;
        assert!(
            letter.headers["dlq_reason"].contains(reason),
            "{:?}",
            letter.headers
        );
        assert_eq!(
            (
                letter.headers["dlq_topic"].as_str(),
                letter.headers["dlq_offset"].as_str()
            ),
            ("posts-events", offset)
        );
    }
}

/// A store that fails, or loses its state, so many times.
#[derive(Debug)]
struct Failing {
    inner: Opened,
    fails: AtomicUsize,
    loses: AtomicUsize,
}

fn next(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

#[async_trait]
impl Store for Failing {
    async fn page(&self, query: &Query, now: DateTime<Utc>) -> Result<Answer, StoreError> {
        if next(&self.loses) {
            return Err(StoreError::Lost);
        }
        self.inner.page(query, now).await
    }

    async fn apply(
        &self,
        change: Change,
        mark: Option<(Mark, DateTime<Utc>)>,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError> {
        if next(&self.fails) {
            return Err(StoreError::Unavailable("a test".to_owned()));
        }
        self.inner.apply(change, mark, now).await
    }

    async fn begin(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        self.inner.begin(now).await
    }

    async fn add(
        &self,
        generation: u64,
        batch: Batch,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.inner.add(generation, batch, now).await
    }

    async fn publish(&self, generation: u64) -> Result<(), StoreError> {
        self.inner.publish(generation).await
    }

    async fn abandon(&self, generation: u64) -> Result<(), StoreError> {
        self.inner.abandon(generation).await
    }

    async fn gaps(&self, building: Option<u64>) -> Result<Vec<Gap>, StoreError> {
        self.inner.gaps(building).await
    }

    async fn refill(
        &self,
        gap: &Gap,
        found: &[PostState],
        end: bool,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.inner.refill(gap, found, end, now).await
    }

    async fn foreign(
        &self,
        query: &Query,
        below: Position,
        limit: usize,
    ) -> Result<Vec<PostState>, StoreError> {
        self.inner.foreign(query, below, limit).await
    }

    async fn windows(&self) -> Result<Option<Vec<Window>>, StoreError> {
        self.inner.windows().await
    }

    async fn tune(&self, user: UserId, from: Option<Place>) -> Result<Tuned, StoreError> {
        self.inner.tune(user, from).await
    }

    async fn hear(&self, listener: &Listener, most: usize) -> Result<Heard, StoreError> {
        self.inner.hear(listener, most).await
    }

    async fn turn(&self, listener: &Listener, to: &[Audience]) -> Result<Turned, StoreError> {
        self.inner.turn(listener, to).await
    }

    async fn version(&self, id: PostId) -> Result<Option<i64>, StoreError> {
        self.inner.version(id).await
    }

    async fn name_version(&self, user: UserId) -> Result<Option<i64>, StoreError> {
        self.inner.name_version(user).await
    }

    async fn names(&self, users: &[UserId]) -> Result<HashMap<UserId, String>, StoreError> {
        self.inner.names(users).await
    }

    async fn figures(&self) -> Result<Figures, StoreError> {
        self.inner.figures().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }
}

fn failing(fails: usize, loses: usize) -> Arc<Failing> {
    Arc::new(Failing {
        inner: crate::backend(1000),
        fails: fails.into(),
        loses: loses.into(),
    })
}

#[tokio::test]
async fn a_store_that_fails_is_tried_again_in_place_and_nothing_goes_to_the_dead_letters() {
    let store = failing(0, 0);
    let feed = TestFeed::start(Setup {
        store: Some(store.clone()),
        ..Setup::default()
    })
    .await;
    store.fails.store(2, Ordering::SeqCst);
    feed.publish(&post(1, 0, &["role:member"])).await;
    feed.publish(&post(2, 1, &["role:member"])).await;
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Post 2", "Post 1"]);
    let letters = feed.bus.ends(&["posts-events.dlq"]).await.unwrap();
    assert_eq!(letters.next("posts-events.dlq", 0), 0);
}

#[tokio::test]
async fn an_owner_that_fails_at_the_start_is_asked_again_until_the_stream_is_filled() {
    let mut feed = TestFeed::cold(Setup::default()).await;
    feed.owner.set(&post(1, 0, &["role:member"]));
    feed.owner.down.store(true, Ordering::SeqCst);
    feed.run();
    while feed.owner.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(feed.read("", Some(person(5, &[]))).await.0, 503);
    feed.owner.down.store(false, Ordering::SeqCst);
    feed.applied.filled().await.unwrap();
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Post 1"]);
}

#[tokio::test]
async fn a_state_that_is_lost_is_noticed_by_a_read_which_the_owner_answers_and_is_filled_again() {
    let store = failing(0, 0);
    let feed = TestFeed::start(Setup {
        store: Some(store.clone()),
        ..Setup::default()
    })
    .await;
    feed.publish(&post(1, 0, &["role:member"])).await;
    let before = store.figures().await.unwrap().prefix;
    store.loses.store(1, Ordering::SeqCst);
    let response = feed.get("", Some(person(5, &[]))).await;
    assert_eq!(response.headers()["x-feed"], "rebuilding");
    feed.owner.set(&post(2, 1, &["role:member"]));
    feed.publish(&post(3, 2, &["role:member"])).await;
    while store.figures().await.unwrap().prefix == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        feed.titles("", &person(5, &[])).await,
        ["Post 3", "Post 2", "Post 1"]
    );
}

#[tokio::test]
async fn messages_of_the_004_producer_make_items_for_every_account() {
    let feed = TestFeed::start(Setup::default()).await;
    let message = |event: &str, seconds: u32, more: &str| {
        format!(
            r#"{{"event_type":"post.{event}","timestamp":"2026-03-02T08:00:{seconds:02}.000123","data":{{"post_id":"65f0a1b2c3d4e5f601234567","user_id":3{more}}}}}"#
        )
    };
    let foreign: PostId = "65f0a1b2c3d4e5f601234567".parse().unwrap();
    let version = |seconds: i64| start().timestamp_millis() + seconds * 1000;
    feed.raw(&message("updated", 5, "")).await;
    feed.raw(&message("created", 1, r#","title":"Hello""#))
        .await;
    feed.applied.post(foreign, version(5)).await.unwrap();
    let (_, page) = feed.read("", Some(person(5, &[]))).await;
    insta::assert_json_snapshot!(page["items"], @r#"
    [
      {
        "aggregate": "post:65f0a1b2c3d4e5f601234567",
        "attachments": [],
        "audience": [
          "role:member"
        ],
        "comment_count": 0,
        "content": "",
        "edited_at": "2026-03-02T08:00:05.000123Z",
        "event_type": "post.updated",
        "id": "65f0a1b2c3d4e5f601234567",
        "kind": "post",
        "pinned_until": null,
        "post_id": "65f0a1b2c3d4e5f601234567",
        "tags": [],
        "timestamp": "2026-03-02T08:00:01.000123Z",
        "title": "Hello",
        "user_id": 3,
        "username": "User 3",
        "version": 1772438405000
      }
    ]
    "#);
    feed.raw(&message("deleted", 9, "")).await;
    feed.raw(&message("created", 1, r#","title":"Hello""#))
        .await;
    feed.applied.post(foreign, version(9)).await.unwrap();
    feed.publish(&post(1, 0, &["role:member"])).await;
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Post 1"]);
}

#[tokio::test]
async fn a_foreign_update_of_a_post_the_owner_knows_is_settled_by_asking() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut known = post(1, 0, &["role:member"]);
    (known.title, known.version) = ("As the owner has it".to_owned(), 4);
    feed.owner.set(&known);
    let text = format!(
        r#"{{"event_type":"post.updated","timestamp":"2026-03-02T09:00:00","data":{{"post_id":"{}","user_id":7}}}}"#,
        id(1)
    );
    feed.raw(&text).await;
    feed.applied.post(id(1), 4).await.unwrap();
    assert_eq!(
        feed.titles("", &person(5, &[])).await,
        ["As the owner has it"]
    );
}

#[tokio::test]
async fn what_happened_between_two_starts_is_in_the_second_stream() {
    let mut feed = TestFeed::cold(Setup::default()).await;
    let mut old = post(1, 0, &["role:member"]);
    feed.owner.set(&old);
    feed.tell(&old).await;
    old.version = 2;
    feed.owner.delete(id(1), 2, start());
    feed.owner.set(&post(2, 1, &["role:member"]));
    feed.run();
    feed.applied.filled().await.unwrap();
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Post 2"]);
    // A replay of what the export already ended.
    feed.tell(&post(1, 0, &["role:member"])).await;
    feed.publish(&post(3, 2, &["role:member"])).await;
    assert_eq!(feed.titles("", &person(5, &[])).await, ["Post 3", "Post 2"]);
}
