//! One reader of topics: a member of a group, or alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    thread::JoinHandle,
    time::Duration,
};

use async_trait::async_trait;
use rdkafka::{
    TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
};
use tokio::{sync::watch, time::timeout};

use super::{
    super::{BusError, Delivered, Positions, Start, Subscription},
    broker::{Broker, End, blocking, is_moving, settled},
    handover::{Handover, Next, Part, parts},
    link::Link,
    owner::Owner,
    pump::Pump,
};

/// How long the group's coordinator may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long commits at the end may take.
const FAREWELL: Duration = Duration::from_secs(3);
/// Between two looks whether a rebalance is over.
const REBALANCE: Duration = Duration::from_millis(50);

/// The side of a subscription that hands out records.
pub(super) struct Reader {
    link: Link,
    handover: Arc<Handover>,
    /// Held by the thread alone, so that it is the thread that leaves the group.
    consumer: Weak<BaseConsumer<Owner>>,
    thread: Option<JoinHandle<()>>,
    in_group: bool,
    start: Positions,
    elsewhere: watch::Receiver<Positions>,
}

/// Begins to read.
pub(super) async fn subscribe(
    broker: &Broker,
    group: &str,
    topics: &[&str],
    start: Start,
) -> Result<Reader, BusError> {
    let first = broker.ends(topics, End::First).await?;
    let last = broker.ends(topics, End::Last).await?;
    let in_group = !matches!(start, Start::Alone(_));
    let handover = Arc::new(Handover::default());
    let (sender, elsewhere) = watch::channel(Positions::default());
    let (link, topics) = (
        broker.link.clone(),
        topics.iter().map(|&topic| topic.to_owned()),
    );
    let (group, topics): (String, Vec<String>) = (group.to_owned(), topics.collect());

    blocking(move || {
        let what = || format!("group `{group}` of {}", topics.join(", "));
        let failed = |error: KafkaError| match error {
            KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => {
                BusError::Configuration(error.to_string())
            }
            error => link.unavailable(what(), &error),
        };
        let owner = Owner::new(link.clone(), Arc::clone(&handover), BTreeMap::new());
        let mut config = link.settings.consumer(&group);
        config.set("statistics.interval.ms", "1000");
        let consumer: BaseConsumer<Owner> = config.create_with_context(owner).map_err(failed)?;
        let committed = match in_group {
            true => Some(committed(&consumer, &last).map_err(failed)?),
            false => None,
        };
        let begin = begin(&start, committed.as_ref(), &first, &last);
        let pump = Pump {
            consumer: Arc::new(consumer),
            handover: Arc::clone(&handover),
            topics: topics.clone(),
            start: begin.positions.clone(),
            in_group,
            elsewhere: sender,
        };
        pump.join(begin.told).map_err(failed)?;
        let consumer = Arc::downgrade(&pump.consumer);
        let thread = std::thread::Builder::new()
            .name(format!("bus-{group}"))
            .spawn(move || pump.run())
            .map_err(|error| BusError::Unavailable(error.into()))?;
        Ok(Reader {
            link: link.clone(),
            handover,
            consumer,
            thread: Some(thread),
            in_group,
            start: begin.positions,
            elsewhere,
        })
    })
    .await
}

/// Where a subscription begins.
struct Begin {
    /// In every partition.
    positions: Positions,
    /// In those where that is not where the group is.
    told: BTreeMap<Part, i64>,
}

fn begin(
    start: &Start,
    committed: Option<&BTreeMap<Part, i64>>,
    first: &Positions,
    last: &Positions,
) -> Begin {
    let mut begin = Begin {
        positions: Positions::default(),
        told: BTreeMap::new(),
    };
    for ((topic, partition), end) in parts(last) {
        let earliest = first.next(&topic, partition);
        // what is gone, or was of a log before this one, cannot be read: the broker begins at the earliest then
        let there = |next: &i64| (earliest..=end).contains(next);
        let part = (topic.clone(), partition);
        let told = match start {
            Start::Committed => None,
            Start::Earliest => Some(earliest),
            Start::At(positions) => positions.get(&topic, partition),
            Start::Alone(positions) => Some(positions.get(&topic, partition).unwrap_or(earliest)),
        };
        let told = told.map(|next| Some(next).filter(there).unwrap_or(earliest));
        let noted = committed.and_then(|committed| committed.get(&part).copied());
        let next = told.or(noted.filter(there)).unwrap_or(earliest);
        begin.positions.set(&topic, partition, next);
        if let Some(told) = told {
            begin.told.insert(part, told);
        }
    }
    begin
}

/// What the group has committed in the partitions of these positions.
fn committed(
    consumer: &BaseConsumer<Owner>,
    positions: &Positions,
) -> KafkaResult<BTreeMap<Part, i64>> {
    let owner = consumer.context();
    let mut list = TopicPartitionList::new();
    for ((topic, partition), _) in parts(positions) {
        list.add_partition(&owner.name(&topic), partition);
    }
    if list.count() == 0 {
        return Ok(BTreeMap::new());
    }
    let mut found = BTreeMap::new();
    let list = settled(|| consumer.committed_offsets(list.clone(), PATIENCE))?;
    for one in list.elements() {
        one.error()?;
        // a group that committed nothing has no offset there
        if let Some(offset) = one.offset().to_raw().filter(|offset| *offset >= 0) {
            found.insert((owner.plain(one.topic()), one.partition()), offset);
        }
    }
    Ok(found)
}

impl Pump {
    /// Joins the group, or takes every partition.
    fn join(&self, begin: BTreeMap<Part, i64>) -> KafkaResult<()> {
        let owner = self.consumer.context();
        if self.in_group {
            *owner.begin.lock() = begin;
            let topics: Vec<String> = self.topics.iter().map(|topic| owner.name(topic)).collect();
            let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
            return self.consumer.subscribe(&topics);
        }
        let positions: Vec<(Part, i64)> = begin.into_iter().collect();
        let parts: Vec<Part> = positions.iter().map(|(part, _)| part.clone()).collect();
        self.handover.assign(&parts);
        self.consumer.incremental_assign(&owner.list(&positions)?)
    }
}

impl Reader {
    /// Stores the positions of partitions that are ours. In the middle of a rebalance nobody can: what goes to others is then
    /// stored as it goes, and the rest afterwards.
    async fn store(&self) -> Result<(), BusError> {
        if !self.in_group {
            return Ok(());
        }
        let storing = async {
            loop {
                let positions = self.handover.positions();
                if positions.is_empty() || self.commit_now(positions).await? {
                    return Ok(());
                }
                tokio::time::sleep(REBALANCE).await;
            }
        };
        match timeout(FAREWELL, storing).await {
            Ok(stored) => stored,
            Err(_) => Err(self
                .link
                .not_yet("the positions were not stored within 3 s")),
        }
    }

    /// False in the middle of a rebalance, and while it is being decided who looks after the group.
    async fn commit_now(&self, positions: Vec<(Part, i64)>) -> Result<bool, BusError> {
        let (consumer, link) = (self.consumer.clone(), self.link.clone());
        blocking(move || {
            let Some(consumer) = consumer.upgrade() else {
                return Ok(true);
            };
            let stored = consumer
                .context()
                .list(&positions)
                .and_then(|list| consumer.commit(&list, CommitMode::Sync));
            let passes = |code| is_rebalancing(code) || is_moving(code);
            match stored {
                Ok(()) => Ok(true),
                Err(error) if error.rdkafka_error_code().is_some_and(passes) => Ok(false),
                Err(error) => Err(link.unavailable("storing positions", &error)),
            }
        })
        .await
    }
}

/// The group is being divided anew.
fn is_rebalancing(code: Code) -> bool {
    matches!(
        code,
        Code::RebalanceInProgress | Code::IllegalGeneration | Code::UnknownMemberId
    )
}

#[async_trait]
impl Subscription for Reader {
    async fn next(&mut self) -> Result<Delivered, BusError> {
        match self.handover.next().await {
            Next::Record(delivered) => Ok(*delivered),
            Next::Trouble(text) => Err(self.link.not_yet(text)),
        }
    }

    async fn commit(&mut self, delivered: &Delivered) -> Result<(), BusError> {
        // the thread stores it within a second, or when the partition goes
        if !self.handover.applied(delivered) {
            tracing::debug!(
                topic = %delivered.record.topic, partition = delivered.partition, offset = delivered.offset,
                "a record was applied whose partition went to another member, which may apply it again"
            );
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), BusError> {
        self.store().await
    }

    async fn close(mut self: Box<Self>) -> Result<(), BusError> {
        let stored = self.store().await;
        self.handover.close();
        if let Some(thread) = self.thread.take() {
            let ending = tokio::task::spawn_blocking(move || thread.join());
            // not waited for longer: without an answer the group misses us by itself
            let _ = timeout(FAREWELL, ending).await;
        }
        stored
    }

    fn start(&self) -> Positions {
        self.start.clone()
    }

    fn elsewhere(&self) -> watch::Receiver<Positions> {
        self.elsewhere.clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.handover.close();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(next: Option<i64>) -> Positions {
        let mut positions = Positions::default();
        if let Some(next) = next {
            positions.set("a", 0, next);
        }
        positions
    }

    proptest! {
        #[test]
        fn a_partition_begins_where_it_was_told_or_where_the_group_is_or_at_the_earliest(
            earliest in 0..5_i64, length in 0..5_i64, noted in prop::option::of(-1..12_i64), asked in prop::option::of(-1..12_i64), kind in 0..4,
        ) {
            let end = earliest + length;
            let start = match kind {
                0 => Start::Committed,
                1 => Start::Earliest,
                2 => Start::At(at(asked)),
                _ => Start::Alone(at(asked)),
            };
            let committed = noted.map(|next| (("a".to_owned(), 0), next)).into_iter().collect();
            let begin = begin(&start, Some(&committed), &at(Some(earliest)), &at(Some(end)));
            let there = |next: Option<i64>| next.filter(|next| (earliest..=end).contains(next)).unwrap_or(earliest);
            let (next, told) = match kind {
                0 => (there(noted), false),
                1 => (earliest, true),
                2 if asked.is_none() => (there(noted), false),
                _ => (there(asked), true),
            };
            prop_assert_eq!(begin.positions.get("a", 0), Some(next));
            let expected = told.then_some((("a".to_owned(), 0), next));
            prop_assert_eq!(begin.told.into_iter().next(), expected);
        }
    }
}
