//! A Redis that is emptied, goes back, or goes away: nothing is empty, nothing is doubled, and all is well again by itself.

use std::sync::Arc;
use std::time::Duration;

use backends::redis::{Redis, cmd};
use backends::testing::{self, Cable, TestRedis};
use contracts::Role;
use contracts::testing::person;
use feed::store::RedisStore;

use crate::instance;
use crate::support::owner::{id, post};
use crate::support::{Setup, TestFeed, limits};

/// What is promised: all is well again so soon.
const SOON: Duration = Duration::from_secs(15);

async fn filled(store: Arc<RedisStore>) -> TestFeed {
    let feed = TestFeed::start(Setup {
        store: Some(store),
        ..Setup::default()
    })
    .await;
    for number in 1..=4 {
        feed.publish(&post(number, i64::from(number), &["school"]))
            .await;
    }
    feed
}

/// What a teacher reads, and whether it comes from the stream.
async fn read(feed: &TestFeed) -> (Vec<String>, bool) {
    let who = person(5, &[Role::Teacher]);
    let response = feed.get("", Some(who)).await;
    let from_stream = !response.headers().contains_key("x-feed");
    let (status, page) = kit::testing::json(response).await;
    assert_eq!(status, 200, "{page}");
    let titles = page["items"].as_array().unwrap().iter();
    (
        titles
            .map(|item| item["title"].as_str().unwrap().to_owned())
            .collect(),
        from_stream,
    )
}

/// Reads until the stream answers again; whoever answers, it is always the same.
async fn well_again(feed: &TestFeed, expected: &[&str]) {
    let reading = async {
        loop {
            let (titles, from_stream) = read(feed).await;
            assert_eq!(titles, expected);
            if from_stream {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, reading)
        .await
        .expect("the stream does not come back");
}

/// As FLUSHALL does, for the keys of this test.
async fn flush(redis: &TestRedis) {
    let server = redis.open();
    let keys: Vec<String> = server.run(cmd("KEYS").arg(server.key("*"))).await.unwrap();
    server.run::<()>(cmd("DEL").arg(keys)).await.unwrap();
}

#[tokio::test]
async fn an_emptied_redis_is_filled_again_by_itself_and_no_page_is_empty_meanwhile() {
    let redis = testing::redis();
    let mut feed = filled(instance(&redis, 1000)).await;
    let mut second = TestFeed::cold_in(
        feed.world.clone(),
        Setup {
            store: Some(instance(&redis, 1000)),
            ..Setup::default()
        },
    )
    .await;
    second.run();
    for round in 0..5 {
        well_again(&second, &["Post 4", "Post 3", "Post 2", "Post 1"]).await;
        flush(&redis).await;
        let (one, other) = tokio::join!(read(&feed), read(&second));
        assert!(!one.1 || !other.1, "{round}: nobody noticed");
        well_again(&feed, &["Post 4", "Post 3", "Post 2", "Post 1"]).await;
        well_again(&second, &["Post 4", "Post 3", "Post 2", "Post 1"]).await;
    }
    feed.publish(&post(5, 5, &["school"])).await;
    feed.delete(id(4), 2).await;
    well_again(&second, &["Post 5", "Post 3", "Post 2", "Post 1"]).await;
    feed.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_redis_that_was_emptied_is_noticed_by_the_next_event_too() {
    let redis = testing::redis();
    let mut feed = filled(instance(&redis, 1000)).await;
    flush(&redis).await;
    // Waits until the event is applied, which is only once there is a stream again.
    feed.publish(&post(5, 5, &["school"])).await;
    feed.applied.filled().await.unwrap();
    assert_eq!(
        read(&feed).await.0,
        ["Post 5", "Post 4", "Post 3", "Post 2", "Post 1"]
    );
    feed.stop().await;
}

#[tokio::test]
async fn a_redis_that_went_back_is_not_believed_and_filled_again() {
    let redis = testing::redis();
    let mut feed = filled(instance(&redis, 1000)).await;
    let server = redis.open();
    let active: String = server
        .run(cmd("GET").arg(server.key("f:active")))
        .await
        .unwrap();
    let sums = server.key(&format!("f:{active}:m"));
    // It ended before its last second was on disk.
    server
        .run::<()>(cmd("HSET").arg(sums).arg("ver").arg(1))
        .await
        .unwrap();
    let (titles, from_stream) = read(&feed).await;
    assert_eq!((titles.len(), from_stream), (4, false));
    well_again(&feed, &["Post 4", "Post 3", "Post 2", "Post 1"]).await;
    let now: String = server
        .run(cmd("GET").arg(server.key("f:active")))
        .await
        .unwrap();
    assert_ne!(now, active, "it was built again");
    feed.stop().await;
}

#[tokio::test]
async fn while_redis_is_away_the_posts_answer_and_after_its_return_all_is_as_it_should_be() {
    let redis = testing::redis();
    let cable = Cable::to(&redis.place()).await;
    let server = Redis::open("feed.store", &redis.url_at(&cable.place())).unwrap();
    let me = uuid::Uuid::from_u128(7);
    let store = Arc::new(RedisStore::new(server, limits(1000), 1 << 20, me));
    let mut feed = filled(store).await;
    let who = person(5, &[Role::Teacher]);
    let mut live = feed.live(&who, None).await;
    assert!(live.more().await);
    for silent in [false, true] {
        if silent {
            cable.silence();
        } else {
            cable.cut();
        }
        let (titles, from_stream) = read(&feed).await;
        assert_eq!(
            (titles.last().unwrap().as_str(), from_stream),
            ("Post 1", false)
        );
        let (_, stats) = feed.read("/stats", None).await;
        assert_eq!(stats["redis_connected"], false);
        let number = if silent { 6 } else { 5 };
        let new = post(number, i64::from(number), &["school"]);
        feed.owner.set(&new);
        feed.tell(&new).await;
        assert_eq!(read(&feed).await.0.first().unwrap(), &new.title);
        cable.mend();
        let seen = tokio::time::timeout(SOON, live.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (seen.event.as_str(), &seen.data["title"]),
            ("item", &new.title.as_str().into())
        );
        let mut expected: Vec<_> = (1..=number)
            .rev()
            .map(|number| format!("Post {number}"))
            .collect();
        expected.truncate(20);
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        well_again(&feed, &expected).await;
    }
    drop(live);
    feed.stop().await;
}
