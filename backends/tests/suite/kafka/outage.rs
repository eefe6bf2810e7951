//! A broker that dies, hangs, comes late, or comes back empty.

use std::{sync::Arc, time::Duration};

use backends::{
    bus::{self, Bus, BusError, Retention, TopicPolicy},
    outbox,
    testing::sqlite,
};
use kit::{clock::SystemClock, ids::RandomIds, metrics::Metrics};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Member, assert_whole, broker::Broker, once, records};
use crate::common::none;

const A: TopicPolicy = TopicPolicy {
    name: "a",
    retention: Retention::Days(7),
};

async fn open(broker: &Broker) -> Arc<dyn Bus> {
    bus::open(&broker.url(), SystemClock::shared())
        .await
        .unwrap()
}

fn message(n: u32) -> outbox::Message {
    let record = super::record("a", n);
    outbox::Message {
        topic: "a",
        key: record.key.unwrap(),
        event_id: RandomIds::shared(SystemClock::shared()).uuid(),
        event_type: "thing.changed".to_owned(),
        payload: record.payload.to_vec(),
        headers: record.headers,
        at: crate::common::now(),
    }
}

/// What ends by itself, whatever the broker does.
async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> T {
    let ended = timeout(limit, work).await;
    ended.unwrap_or_else(|_| panic!("{what}: not within {limit:?}"))
}

/// Until it is as wanted.
async fn until(what: &str, limit: Duration, wanted: impl AsyncFn() -> bool) {
    let waiting = async {
        while !wanted().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(what, limit, waiting).await;
}

const SOON: Duration = Duration::from_secs(15);
/// What the host of a check waits for it, and some more on a busy machine; less than another question may take.
const CHECKED: Duration = Duration::from_secs(3);

/// Publishing fails in time, with the setting in its words.
async fn publishing_fails(bus: &Arc<dyn Bus>) {
    let published = within("an answer", SOON, bus.publish(records("a", 0..1))).await;
    let error = published.unwrap_err();
    assert!(matches!(error, BusError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("bus.url"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_while_the_broker_is_dead_and_arrive_in_order_when_it_is_back() {
    let mut broker = Broker::running().await;
    let (bus, db) = (open(&broker).await, sqlite().await);
    bus.ensure(&[A]).await.unwrap();
    db.migrate(&none()).await.unwrap();
    let put = async |numbers: std::ops::Range<u32>| {
        for n in numbers {
            let mut tx = db.begin().await.unwrap();
            outbox::put(&mut tx, &message(n)).await.unwrap();
            tx.commit().await.unwrap();
        }
    };
    let (stop, clock) = (CancellationToken::new(), SystemClock::shared());
    let ids = RandomIds::shared(clock.clone());
    let relay = outbox::relay((*db).clone(), Arc::clone(&bus), clock, ids, Metrics::new());
    let relay = tokio::spawn(relay.run(stop.clone()));
    let member = Member::start(&bus, "a");
    let applied = |count: usize| {
        let keeper = Arc::clone(&member.keeper);
        async move || once(&keeper.applied()).len() >= count
    };
    put(0..50).await;
    until("the first events", SOON, applied(50)).await;

    broker.kill();
    until("the outage", SOON, async || bus.check().await.is_err()).await;
    publishing_fails(&bus).await;
    put(50..120).await;
    let mut watch = member.progress.watch();
    watch
        .wait_for(|applied| applied.failing.is_some())
        .await
        .unwrap();
    // while it is away, whoever is told to stop stops
    within("the stop", SOON, Member::start(&bus, "a").stop()).await;

    broker.start().await;
    until("readiness", SOON, async || bus.check().await.is_ok()).await;
    until("the stream", SOON, applied(120)).await;
    put(120..130).await;
    until("the last events", SOON, applied(130)).await;
    stop.cancel();
    relay.await.unwrap().unwrap();
    assert_eq!(outbox::depth(&db).await.unwrap(), 0);
    assert_whole(&member.stop().await, 130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_comes_after_its_clients_finds_them_waiting() {
    let mut broker = Broker::new();
    let bus = open(&broker).await;
    within("the start", SOON, bus.ensure(&[A])).await.unwrap();
    let member = Member::start(&bus, "a");
    publishing_fails(&bus).await;
    assert!(bus.check().await.is_err());
    broker.start().await;
    until("topics", SOON, async || bus.check().await.is_ok()).await;
    bus.publish(records("a", 0..20)).await.unwrap();
    member.reached_the_end(&bus, "a").await;
    assert_whole(&member.stop().await, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_hangs_hangs_nobody() {
    let broker = Broker::running().await;
    let bus = open(&broker).await;
    bus.ensure(&[A]).await.unwrap();
    bus.publish(records("a", 0..10)).await.unwrap();
    let member = Member::start(&bus, "a");
    member.reached_the_end(&bus, "a").await;
    broker.signal("STOP");
    assert!(within("the check", CHECKED, bus.check()).await.is_err());
    publishing_fails(&bus).await;
    broker.signal("CONT");
    until("readiness", SOON, async || bus.check().await.is_ok()).await;
    let published = async || bus.publish(records("a", 10..20)).await.is_ok();
    until("publishing", SOON, published).await;
    member.reached_the_end(&bus, "a").await;
    let applied = member.stop().await;
    // what was given up while the broker hung may have arrived all the same
    assert_whole(&applied, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_lost_its_data_is_used_again_from_its_beginning() {
    let mut broker = Broker::running().await;
    let bus = open(&broker).await;
    bus.ensure(&[A]).await.unwrap();
    bus.publish(records("a", 0..30)).await.unwrap();
    let member = Member::start(&bus, "a");
    member.reached_the_end(&bus, "a").await;
    broker.lose_everything();
    broker.start().await;
    // the topics are made again by whoever misses them first
    let published = async || bus.publish(records("a", 0..20)).await.is_ok();
    until("publishing", Duration::from_secs(30), published).await;
    let keeper = &member.keeper;
    until("reading", Duration::from_secs(40), async || {
        keeper.applied().len() >= 50
    })
    .await;
    let applied = member.stop().await;
    assert_whole(&applied[30..], 20);
}
