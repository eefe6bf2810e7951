//! What documents carry until a worker takes it on: events, delivered at least once and in order per post, and entries of the
//! audit, chained once each, whoever dies in between.

use std::sync::Arc;

use backends::audit::Verdict;
use backends::bus::{Bus, Start};
use backends::outbox::Outbox;
use backends::{audit, outbox};
use chrono::TimeDelta;
use contracts::topics::POSTS_EVENTS;
use contracts::{PostId, UserId};
use kit::ids::SeededIds;
use kit::metrics::Metrics;
use kit::service::Worker;
use mongodb::bson::{Document, doc};
use posts::store::{MongoStore, Store};
use posts::{Post, Text};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cut_off::Scene;
use crate::places::{at_once, sequential};
use crate::store::{edit, new_post, removal};

struct TestBus {
    bus: Arc<dyn Bus>,
    _folder: tempfile::TempDir,
}

impl TestBus {
    async fn new(scene: &Scene) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("bus.db").display());
        let bus = backends::bus::open(&url, scene.clock.shared())
            .await
            .unwrap();
        bus.ensure(&[POSTS_EVENTS]).await.unwrap();
        Self {
            bus,
            _folder: folder,
        }
    }

    /// The next events as (post, version), in the order in which the bus took them.
    async fn told(&self, count: usize) -> Vec<(String, i64)> {
        let mut reader = self
            .bus
            .subscribe("test", &[POSTS_EVENTS.name], Start::Earliest)
            .await
            .unwrap();
        let mut told = Vec::new();
        for _ in 0..count {
            let record = reader.next().await.unwrap().record;
            let event: Value = serde_json::from_slice(&record.payload).unwrap();
            let data = &event["data"];
            let post = data["post_id"].as_str().unwrap().to_owned();
            assert_eq!(record.key, Some(format!("post:{post}")));
            assert_eq!(
                record.headers["ce_id"],
                record.event_id.unwrap().to_string()
            );
            told.push((post, data["version"].as_i64().unwrap()));
        }
        told
    }
}

fn relay(scene: &Scene, store: &MongoStore, bus: &TestBus, seed: u64, metrics: Metrics) -> Worker {
    let ids = SeededIds::shared(seed, scene.clock.shared());
    outbox::relay(
        store.clone(),
        bus.bus.clone(),
        scene.clock.shared(),
        ids,
        metrics,
    )
}

fn chainer(scene: &Scene, store: &MongoStore, seed: u64) -> Worker {
    let ids = SeededIds::shared(seed, scene.clock.shared());
    audit::chainer(store.clone(), scene.clock.shared(), ids)
}

/// A worker that is stopped at once does what is there to do.
async fn once(worker: Worker) {
    let stopped = CancellationToken::new();
    stopped.cancel();
    worker.run(stopped).await.unwrap();
}

async fn retitled(store: &MongoStore, post: &Post, title: &str) -> Post {
    let text = Text {
        title: title.to_owned(),
        ..post.text()
    };
    store.edit(post, edit(text)).await.unwrap().unwrap()
}

fn versions(told: &[(String, i64)], post: PostId) -> Vec<i64> {
    let of = |(id, _): &&(String, i64)| *id == post.to_string();
    told.iter()
        .filter(of)
        .map(|(_, version)| *version)
        .collect()
}

#[tokio::test]
async fn a_relay_killed_after_any_write_has_lost_no_event_and_swapped_none() {
    for writes in 0.. {
        let scene = Scene::new().await;
        let bus = TestBus::new(&scene).await;
        let store = &scene.survivor;
        let a = store.publish(new_post(1, "a", &[], &["school"]), None);
        let a = retitled(store, &a.await.unwrap(), "a2").await;
        let b = store.publish(new_post(1, "b", &[], &["school"]), None);
        let b = b.await.unwrap();
        let a = retitled(store, &a, "a3").await;
        assert!(store.remove(&a, removal()).await.unwrap());
        assert_eq!(store.depth().await.unwrap(), 5);

        scene.gate.allow(writes);
        once(relay(&scene, &scene.victim, &bus, 7, Metrics::new())).await;
        let cut_off = scene.gate.is_shut();
        // Its lease has run out.
        scene.clock.advance(TimeDelta::seconds(4));
        once(relay(&scene, store, &bus, 8, Metrics::new())).await;
        assert_eq!(store.depth().await.unwrap(), 0, "after {writes} writes");
        assert!(store.is_empty().await.unwrap() && scene.place.outbox().await.is_empty());
        let told = bus.told(5).await;
        assert_eq!(versions(&told, a.id), [1, 2, 3, 4], "after {writes} writes");
        assert_eq!(versions(&told, b.id), [1], "after {writes} writes");
        if !cut_off {
            assert_eq!(
                writes, 6,
                "the lease and the disk, each asked for and made; the events; the end of the lease"
            );
            return;
        }
    }
}

#[tokio::test]
async fn an_event_written_while_a_batch_is_sent_stays_for_the_next_one() {
    let scene = Scene::new().await;
    let store = &scene.survivor;
    let post = store.publish(new_post(1, "a", &[], &["school"]), None);
    let post = post.await.unwrap();
    let sent = store.oldest(10).await.unwrap();
    retitled(store, &post, "b").await;
    let places: Vec<_> = sent.events.into_iter().map(|(place, _)| place).collect();
    for _ in 0..2 {
        store.discard(&places).await.unwrap();
        let left: Vec<_> = scene.events(post.id).await;
        assert_eq!(left, [("post.updated".to_owned(), 2)]);
    }
}

#[tokio::test]
async fn of_all_relays_one_may_send_until_it_lets_go_or_its_time_is_over() {
    let scene = Scene::new().await;
    let stores = [&scene.survivor, &scene.victim];
    let take = async |i: usize| {
        let claim = backends::lease::Claim {
            holder: &format!("relay {i}"),
            duration: std::time::Duration::from_secs(3),
            now: kit::Clock::now(&scene.clock),
        };
        stores[i % 2].take(claim).await.unwrap()
    };
    let taken = at_once((0..64).map(&take)).await;
    let holders: Vec<usize> = (0..64).filter(|i| taken[*i]).collect();
    let [first] = holders[..] else {
        panic!("{holders:?} hold one lease")
    };
    let other = first + 1;
    scene.clock.advance(TimeDelta::seconds(2));
    assert_eq!((take(first).await, take(other).await), (true, false));
    scene.clock.advance(TimeDelta::seconds(2));
    assert!(!take(other).await, "it was renewed");
    scene.clock.advance(TimeDelta::seconds(1));
    assert_eq!((take(other).await, take(first).await), (true, false));
    let release = async |i: usize| Outbox::release(stores[0], &format!("relay {i}")).await;
    release(first).await.unwrap();
    assert!(!take(first).await, "who does not hold it lets nothing go");
    release(other).await.unwrap();
    assert!(take(first).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_beside_two_writers_deliver_every_event_in_the_order_of_its_post() {
    const POSTS: i64 = 8;
    const EDITS: i64 = 6;
    let scene = Scene::new().await;
    let bus = TestBus::new(&scene).await;
    let stop = CancellationToken::new();
    let metrics = Metrics::new();
    let stores = [scene.survivor.clone(), scene.victim.clone()];
    let start = |i: usize| {
        let relay = relay(&scene, &stores[i], &bus, 7 + i as u64, metrics.clone());
        tokio::spawn(relay.run(stop.clone()))
    };
    let mut relays = Vec::new();
    if !sequential() {
        relays.extend([start(0), start(1)]);
    }
    let posts = at_once((0..POSTS).map(|i| {
        let store = &stores[(i % 2) as usize];
        async move {
            let new = new_post(i + 1, "t", &[], &["school"]);
            let mut post = store.publish(new, None).await.unwrap();
            for n in 0..EDITS {
                post = retitled(store, &post, &format!("t{n}")).await;
            }
            post
        }
    }))
    .await;
    if sequential() {
        relays.push(start(0));
    }
    let told = bus.told((POSTS * (EDITS + 1)) as usize).await;
    for post in &posts {
        let expected: Vec<_> = (1..=EDITS + 1).collect();
        assert_eq!(versions(&told, post.id), expected);
    }
    let name = scene.mongo().database.name().to_owned();
    shown(&metrics, &format!("outbox_depth{{store=\"{name}\"}} 0")).await;
    stop.cancel();
    for relay in relays {
        relay.await.unwrap().unwrap();
    }
    assert_eq!(scene.survivor.depth().await.unwrap(), 0);
}

/// Until the metrics hold this line.
async fn shown(metrics: &Metrics, line: &str) {
    let waiting = async {
        while !metrics.render().lines().any(|shown| shown == line) {
            tokio::task::yield_now().await;
        }
    };
    let shown = tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await;
    assert!(shown.is_ok(), "{line} is missing in\n{}", metrics.render());
}

/// As many entries of the audit as there are authors, each with its clear values.
async fn audited(scene: &Scene, authors: i64) -> Vec<UserId> {
    let mut all = Vec::new();
    for author in 1..=authors {
        let new = new_post(author, "t", &[], &["school"]);
        let post = scene.survivor.publish(new, None).await.unwrap();
        scene.survivor.remove(&post, removal()).await.unwrap();
        all.push(post.user_id);
    }
    all
}

fn good(checked: i64) -> Verdict {
    Verdict {
        ok: true,
        checked,
        first_bad: None,
    }
}

#[tokio::test]
async fn a_chainer_killed_after_any_write_has_lost_no_entry_and_chained_none_twice() {
    for writes in 0.. {
        let scene = Scene::new().await;
        audited(&scene, 3).await;
        let secrets = scene.place.secrets().await;
        assert_eq!(secrets.len(), 9, "before, after and address of each");
        scene.gate.allow(writes);
        once(chainer(&scene, &scene.victim, 7)).await;
        let cut_off = scene.gate.is_shut();
        scene.clock.advance(TimeDelta::seconds(4));
        once(chainer(&scene, &scene.survivor, 8)).await;
        let verdict = scene.survivor.verify_audit().await.unwrap();
        assert_eq!(verdict, good(3), "after {writes} writes");
        assert_eq!(scene.place.audit().await.len(), 3, "after {writes} writes");
        assert_eq!(scene.mongo().documents("audit_secret").await.len(), 9);
        assert_eq!(scene.place.secrets().await, secrets);
        let posts = scene.mongo().documents("posts").await;
        let carries = |post: &Document| {
            let audit = post.get_document("audit").unwrap();
            !audit.get_array("pending").unwrap().is_empty()
        };
        assert!(!posts.iter().any(carries), "after {writes} writes");
        if !cut_off {
            assert_eq!(
                writes, 6,
                "the lease, asked for and made; the values; the chain; the documents; the lease's end"
            );
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_chainers_without_a_lease_between_them_make_one_chain() {
    let scene = Scene::new().await;
    audited(&scene, 12).await;
    // Clocks that differ by more than a lease: both believe that they hold it.
    let late = kit::clock::MockClock::default();
    late.advance(TimeDelta::hours(1));
    let ids = SeededIds::shared(9, late.shared());
    let other = audit::chainer(scene.victim.clone(), late.shared(), ids);
    at_once([once(chainer(&scene, &scene.survivor, 7)), once(other)]).await;
    once(chainer(&scene, &scene.survivor, 8)).await;
    assert_eq!(scene.survivor.verify_audit().await.unwrap(), good(12));
}

#[tokio::test]
async fn whoever_changes_the_chain_or_a_clear_value_is_found() {
    let scene = Scene::new().await;
    audited(&scene, 3).await;
    once(chainer(&scene, &scene.survivor, 7)).await;
    let database = &scene.mongo().database;
    let chain = database.collection::<Document>("audit");
    let secrets = database.collection::<Document>("audit_secret");
    let first_bad = async || scene.survivor.verify_audit().await.unwrap().first_bad;
    assert_eq!(first_bad().await, None);

    let second = doc! { "_id": 2_i64 };
    let link = chain.find_one(second.clone()).await.unwrap().unwrap();
    let change = doc! { "$set": { "record.actor": 99_i64 } };
    chain.update_one(second.clone(), change).await.unwrap();
    assert_eq!(first_bad().await, Some(2));
    chain.delete_one(second).await.unwrap();
    assert_eq!(first_bad().await, Some(2));
    chain.insert_one(&link).await.unwrap();
    assert_eq!(first_bad().await, None);

    let commitment = link.get_document("record").unwrap();
    let commitment = commitment.get("after_c").unwrap().clone();
    let value = doc! { "_id": commitment };
    let change = doc! { "$set": { "value": "{}" } };
    secrets.update_one(value.clone(), change).await.unwrap();
    assert_eq!(first_bad().await, Some(2));
    secrets.delete_one(value).await.unwrap();
    assert_eq!(
        first_bad().await,
        None,
        "an erased value leaves the chain whole"
    );
}

#[tokio::test]
async fn of_posts_that_share_a_turn_each_event_names_the_request_of_its_own_post() {
    let scene = Scene::new().await;
    let store = &scene.survivor;
    let posts = at_once((0..64).map(|n| {
        let id = format!("r-{n}");
        async move {
            let publishing =
                store.publish(new_post(1, &format!("post {n}"), &[], &["school"]), None);
            let published = kit::server::of_message(Some(&id), None, publishing).await;
            (published.unwrap().id, id)
        }
    }))
    .await;
    let waiting = store.oldest(64).await.unwrap().events;
    assert_eq!(waiting.len(), 64);
    for (post, id) in posts {
        let key = format!("post:{post}");
        let (_, record) = waiting
            .iter()
            .find(|(_, record)| record.key.as_ref() == Some(&key))
            .unwrap();
        assert_eq!(record.headers["ce_requestid"], id);
    }
}
