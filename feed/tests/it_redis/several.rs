//! Several instances on one Redis.

use std::sync::Arc;

use backends::redis::{Redis, cmd};
use backends::testing::{self, TestRedis};
use chrono::TimeDelta;
use contracts::Role;
use contracts::testing::person;
use feed::store::{Store, StoreError};
use feed::{Answer, Change, Filter, Query, Scope, Source, Start, StreamPage};

use crate::support::owner::{id, post, start};
use crate::support::{Opened, Setup, TestFeed, limits};
use crate::{gone, instance};

/// Two feeds of one school on one Redis, both running.
async fn two(redis: &TestRedis) -> [TestFeed; 2] {
    let setup = || Setup {
        store: Some(instance(redis, 1000)),
        ..Setup::default()
    };
    let first = TestFeed::start(setup()).await;
    let mut second = TestFeed::cold_in(first.world.clone(), setup()).await;
    second.run();
    let job = second.rebuilds.report().job;
    second.rebuilds.ended(&job).await.unwrap();
    [first, second]
}

async fn first_page(store: &dyn Store, audience: &str) -> Vec<feed::Item> {
    let query = Query {
        scope: Scope::reader(vec![audience.parse().unwrap()]),
        filter: Filter::default(),
        start: Start::Skip(0),
        limit: 100,
    };
    match store.page(&query, start()).await.unwrap() {
        Answer::Ready(json) => serde_json::from_slice::<StreamPage>(&json).unwrap().items,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_one_instance_applied_no_page_of_another_shows_as_it_was() {
    let redis = testing::redis();
    let [one, other] = [instance(&redis, 9), instance(&redis, 9)];
    let generation = one.begin(start()).await.unwrap();
    one.publish(generation).await.unwrap();
    for version in 1..=20 {
        let mut changing = post(1, 0, &["school"]);
        (changing.version, changing.title) = (version, format!("Version {version}"));
        let change = Change::owned(changing, start(), Source::Bus);
        one.apply(change, None, start()).await.unwrap();
        for store in [&other, &one, &other] {
            let items = first_page(&**store, "school").await;
            let titles: Vec<_> = items.iter().map(|item| item.title.clone()).collect();
            assert_eq!(titles, [format!("Version {version}")]);
        }
    }
    one.apply(gone(1, 21), None, start()).await.unwrap();
    assert_eq!(first_page(&*other, "school").await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_versions_applied_at_once_by_two_instances_the_newest_stays() {
    let redis = testing::redis();
    let both = [instance(&redis, 9), instance(&redis, 9)];
    let generation = both[0].begin(start()).await.unwrap();
    both[0].publish(generation).await.unwrap();
    let applying: Vec<_> = (1..=64_i64)
        .map(|version| {
            let store = both[version as usize % 2].clone();
            let mut one = post(1, 0, &[["school", "role:teacher"][version as usize % 2]]);
            (one.version, one.title) = (version * 7 % 65, format!("Version {}", version * 7 % 65));
            let change = Change::owned(one, start(), Source::Bus);
            tokio::spawn(async move { store.apply(change, None, start()).await.unwrap() })
        })
        .collect();
    for one in applying {
        one.await.unwrap();
    }
    let newest = (1..=64_i64).max_by_key(|version| version * 7 % 65).unwrap();
    let audience = ["school", "role:teacher"];
    for store in &both {
        let there = first_page(&**store, audience[newest as usize % 2]).await;
        assert_eq!(
            there.iter().map(|item| item.version).collect::<Vec<_>>(),
            [64]
        );
        assert_eq!(
            first_page(&**store, audience[(newest as usize + 1) % 2]).await,
            []
        );
        assert_eq!(store.figures().await.unwrap().items, 1);
    }
}

#[tokio::test]
async fn one_builds_at_a_time_and_who_is_gone_is_no_obstacle() {
    let redis = testing::redis();
    let [one, other] = [instance(&redis, 9), instance(&redis, 9)];
    let building = one.begin(start()).await.unwrap();
    assert!(matches!(other.begin(start()).await, Err(StoreError::Busy)));
    one.abandon(building).await.unwrap();
    let building = other.begin(start()).await.unwrap();
    assert!(matches!(one.begin(start()).await, Err(StoreError::Busy)));
    // It was killed: nobody renews what it holds, so Redis lets go of it.
    drop(other);
    let server = redis.open();
    server
        .run::<()>(cmd("DEL").arg(server.key("f:lease")))
        .await
        .unwrap();
    let next = one.begin(start()).await.unwrap();
    assert!(next > building);
    one.publish(next).await.unwrap();
    // What was never shown is dropped beside the work.
    let mut left = vec![String::new(); 2];
    while left.len() > 1 {
        left = server
            .run(cmd("SMEMBERS").arg(server.key("f:generations")))
            .await
            .unwrap();
    }
    let keys: Vec<String> = server
        .run(cmd("KEYS").arg(server.key(&format!("f:{building}:*"))))
        .await
        .unwrap();
    assert_eq!((left, keys), (vec![next.to_string()], Vec::<String>::new()));
}

#[tokio::test]
async fn a_live_stream_goes_on_at_another_instance_where_it_was_at_the_first() {
    let redis = testing::redis();
    let [mut first, mut second] = two(&redis).await;
    let who = person(5, &[Role::Teacher]);
    let mut live = first.live(&who, None).await;
    assert!(live.more().await, "the place of a first visit");
    first.publish(&post(1, 1, &["school"])).await;
    let seen = live.next().await.unwrap();
    assert_eq!(
        (seen.event.as_str(), &seen.data["title"]),
        ("item", &"Post 1".into())
    );
    let last = live.last_id.clone();
    drop(live);
    first.publish(&post(2, 2, &["school"])).await;
    first.publish(&post(3, 3, &["user:6"])).await;
    first.delete(id(1), 2).await;
    let mut live = second.live(&who, last.as_deref()).await;
    let mut events = Vec::new();
    for _ in 0..2 {
        let seen = live.next().await.unwrap();
        events.push((seen.event, seen.data["id"].as_str().unwrap().to_owned()));
    }
    let expected = [
        ("item".to_owned(), id(2).to_string()),
        ("remove".to_owned(), id(1).to_string()),
    ];
    assert_eq!(events, expected);
    // And hears what only the other one may have applied.
    first.publish(&post(4, 4, &["school"])).await;
    assert_eq!(live.next().await.unwrap().data["title"], "Post 4");
    assert_eq!(second.titles("", &who).await, ["Post 4", "Post 2"]);
    drop(live);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn the_rights_that_the_feed_has_on_a_secured_redis_are_enough_and_no_others_are_needed() {
    let redis = testing::redis();
    let server = redis.open();
    let grants = include_str!("../../../tests/real/lib/grants.sh");
    let commands = grants
        .lines()
        .find_map(|line| line.strip_prefix("redis_commands='"));
    let commands = commands.unwrap().trim_end_matches('\'');
    let user = server.key("feed").replace(':', "");
    let mut grant = cmd("ACL");
    grant
        .arg("SETUSER")
        .arg(&user)
        .arg("on")
        .arg(">secret")
        .arg("resetchannels");
    grant
        .arg(format!("~{}", server.key("f:*")))
        .arg(format!("&{}", server.key("f:*")));
    server
        .run::<()>(grant.arg(commands.split(' ').collect::<Vec<_>>()))
        .await
        .unwrap();
    let url = redis.url_at(&format!("{user}:secret@{}", redis.place()));
    let theirs = Redis::open("feed.store", &url).unwrap();
    assert!(theirs.run::<()>(cmd("KEYS").arg("*")).await.is_err());
    let me = uuid::Uuid::from_u128(7);
    let store = Arc::new(feed::store::RedisStore::new(theirs, limits(2), 1 << 20, me));
    let setup = Setup {
        window: 2,
        store: Some(store),
        ..Setup::default()
    };
    let mut feed = TestFeed::start(setup).await;
    let who = person(5, &[Role::Teacher]);
    for number in 1..=4 {
        feed.publish(&post(number, i64::from(number), &["school"]))
            .await;
    }
    let mut live = feed.live(&who, None).await;
    assert!(live.more().await);
    feed.delete(id(4), 2).await;
    assert_eq!(live.next().await.unwrap().event, "remove");
    drop(live);
    assert_eq!(feed.titles("", &who).await, ["Post 3", "Post 2", "Post 1"]);
    assert_eq!(feed.rebuild().await.phase, feed::Phase::Done);
    assert_eq!(feed.inspector.verify().await.unwrap().differences, []);
    feed.stop().await;
    server
        .run::<()>(cmd("ACL").arg("DELUSER").arg(&user))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_replay_of_everything_by_a_second_instance_changes_nothing() {
    let redis = testing::redis();
    let both = [instance(&redis, 3), instance(&redis, 3)];
    let Opened { store: alone, .. } = crate::support::memory(3);
    let generation = both[0].begin(start()).await.unwrap();
    both[0].publish(generation).await.unwrap();
    let generation = alone.begin(start()).await.unwrap();
    alone.publish(generation).await.unwrap();
    let mut told: Vec<_> = (1..=9)
        .map(|number| {
            Change::owned(
                post(number, i64::from(number), &["school"]),
                start(),
                Source::Bus,
            )
        })
        .collect();
    told.extend([gone(9, 2), gone(3, 2), gone(8, 5)]);
    for change in &told {
        alone.apply(change.clone(), None, start()).await.unwrap();
        for store in [&both[0], &both[1]] {
            store.apply(change.clone(), None, start()).await.unwrap();
        }
    }
    for change in &told {
        both[1]
            .apply(change.clone(), None, start() + TimeDelta::hours(1))
            .await
            .unwrap();
    }
    let windows = |mut windows: Vec<feed::Window>| {
        windows.sort_by_key(|window| window.line);
        windows
    };
    let expected = windows(alone.windows().await.unwrap().unwrap());
    assert_eq!(windows(both[0].windows().await.unwrap().unwrap()), expected);
}
