//! Members of one group, on several partitions.

use std::{sync::Arc, time::Duration};

use backends::{
    bus::{Bus, Positions, Retention, Start, TopicPolicy},
    testing::{TestBus, kafka_bus_of},
};

use super::{Keeper, Member, assert_shared, assert_whole, number, once, records};

const A: TopicPolicy = TopicPolicy {
    name: "a",
    retention: Retention::Days(7),
};

async fn bus(partitions: u32) -> TestBus {
    let test = kafka_bus_of(partitions).await;
    test.ensure(&[A]).await;
    test
}

/// Publishes until each of them has applied something; answers how many records there are.
async fn until_all_share(bus: &Arc<dyn Bus>, keepers: &[&Arc<Keeper>]) -> u32 {
    let mut count = 0;
    while keepers.iter().any(|keeper| keeper.applied().is_empty()) {
        bus.publish(records("a", count..count + 7)).await.unwrap();
        count += 7;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(count < 7 * 300, "they do not share");
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_the_partitions_and_each_knows_how_far_both_are() {
    let test = bus(6).await;
    let other = test.again().await;
    let (one, two) = (Member::start(&test.bus, "a"), Member::start(&other, "a"));
    let shared = until_all_share(&test.bus, &[&one.keeper, &two.keeper]).await;
    for member in [&one, &two] {
        member.reached_the_end(&test.bus, "a").await;
        member.caught_up().await;
    }
    test.bus
        .publish(records("a", shared..shared + 400))
        .await
        .unwrap();
    one.reached_the_end(&test.bus, "a").await;
    two.reached_the_end(&test.bus, "a").await;
    let (one, two) = (one.stop().await, two.stop().await);
    let late = |applied: &[u32]| applied.iter().filter(|n| **n >= shared).count();
    assert_eq!(late(&one) + late(&two), 400, "each record once");
    assert!(late(&one) > 0 && late(&two) > 0, "by both of them");
    assert_shared(&[one, two], shared + 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_in_mid_batch_lose_nothing_and_keep_the_order_of_every_key() {
    let test = bus(6).await;
    let total = 3000;
    test.bus.publish(records("a", 0..total)).await.unwrap();
    let mut applied = Vec::new();
    let mut members = vec![Member::start(&test.bus, "a")];
    for _ in 0..3 {
        let before = applied_by(&members) + applied.len();
        members.push(Member::start(&test.bus, "a"));
        while applied_by(&members) + applied.len() < total as usize
            && applied_by(&members) + applied.len() < before + 300
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        applied.extend(members.remove(0).stop().await);
    }
    members[0].reached_the_end(&test.bus, "a").await;
    for member in members {
        applied.extend(member.stop().await);
    }
    let mut sorted = once(&applied);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..total).collect::<Vec<_>>());
    // everybody left in good order: nothing had to come twice
    assert_eq!(applied.len(), total as usize);
}

fn applied_by(members: &[Member]) -> usize {
    members
        .iter()
        .map(|member| member.keeper.applied().len())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_stuck_holds_up_neither_its_group_nor_loses_its_record() {
    let test = bus(2).await;
    let stuck = Member::start(&test.bus, "a");
    stuck.keeper.gate.send_replace(false);
    test.bus.publish(records("a", 0..70)).await.unwrap();
    // the other one gets its share although the first never finishes anything
    let two = Member::start(&test.bus, "a");
    two.has_applied().await;
    stuck.keeper.gate.send_replace(true);
    two.reached_the_end(&test.bus, "a").await;
    stuck.reached_the_end(&test.bus, "a").await;
    assert_shared(&[stuck.stop().await, two.stop().await], 70);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_to_begin_counts_once_and_afterwards_what_the_group_committed() {
    let test = bus(3).await;
    test.bus.publish(records("a", 0..60)).await.unwrap();
    let first = Member::start(&test.bus, "a");
    first.reached_the_end(&test.bus, "a").await;
    first.stop().await;
    // all over again, with a second one who joins in the middle
    let begin = || Start::At(zero(3));
    let one = Member::start_at(&test.bus, "a", begin());
    one.reached_the_end(&test.bus, "a").await;
    let two = Member::start_at(&test.bus, "a", begin());
    two.has_applied().await;
    two.reached_the_end(&test.bus, "a").await;
    let two = two.stop().await;
    // what it lent comes back
    test.bus.publish(records("a", 60..80)).await.unwrap();
    one.reached_the_end(&test.bus, "a").await;
    let one = one.stop().await;
    assert_whole(&one, 80);
    assert_eq!(one.len(), 80, "never again what it has read");
    assert!(!two.is_empty() && two.len() == once(&two).len(), "{two:?}");
}

fn zero(partitions: i32) -> Positions {
    let mut positions = Positions::default();
    (0..partitions).for_each(|partition| positions.set("a", partition, 0));
    positions
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_a_key_lie_in_one_partition_and_reading_goes_over_all_of_them() {
    let test = bus(3).await;
    test.bus.publish(records("a", 0..70)).await.unwrap();
    let (mut from, mut all) = (Positions::default(), Vec::new());
    loop {
        let page = test.bus.read("a", &from, 8).await.unwrap();
        if page.is_empty() {
            break;
        }
        page.iter().for_each(|one| from.pass(one));
        all.extend(page);
    }
    assert!(from.covers(&test.bus.ends(&["a"]).await.unwrap()));
    let mut homes = std::collections::BTreeMap::new();
    for one in &all {
        let home = homes.entry(one.record.key.clone()).or_insert(one.partition);
        assert_eq!(*home, one.partition);
    }
    assert!(
        homes
            .values()
            .collect::<std::collections::BTreeSet<_>>()
            .len()
            > 1
    );
    assert_whole(&all.iter().map(number).collect::<Vec<_>>(), 70);
    assert_eq!(test.bus.kept("a").await.unwrap(), 70);
}
