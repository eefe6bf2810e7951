//! The thread of a subscription: it polls the broker whatever the one who applies is doing, since a member that does not poll
//! holds up its group.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
};
use tokio::sync::watch;

use super::{
    super::Positions,
    broker::offsets,
    handover::{Handover, Part, parts},
    link::{Link, is_forbidden},
    owner::Owner,
    wire,
};
use crate::backoff::Backoff;

/// How long the broker is listened to at a time; also how soon the thread notices that it is to end.
const LISTEN: Duration = Duration::from_millis(100);
/// How long a full queue holds up the poll; afterwards its partitions are paused.
const ROOM: Duration = Duration::from_millis(200);
/// Between two rounds of what is done beside.
const ROUND: Duration = Duration::from_secs(1);
/// How long an answer may take; the thread does nothing else meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it may take at most after others took too long: on a busy machine a broker that is well may need more than
/// [`PATIENCE`] every time.
const MOST_PATIENCE: Duration = Duration::from_secs(4);
/// A right that is refused is asked for again within this.
const REFUSED: Duration = Duration::from_secs(5);
/// How long a partition is somebody else's until its commits are theirs.
const SETTLED: Duration = Duration::from_secs(2);
/// How often a reader outside a group looks for partitions that were added.
const NEW_PARTITIONS: Duration = Duration::from_secs(10);

/// What the thread works with.
pub(super) struct Pump {
    pub(super) consumer: Arc<BaseConsumer<Owner>>,
    pub(super) handover: Arc<Handover>,
    pub(super) topics: Vec<String>,
    /// Where it began, for every partition.
    pub(super) start: Positions,
    pub(super) in_group: bool,
    pub(super) elsewhere: watch::Sender<Positions>,
}

/// What changes while it works.
struct Course {
    stored: Vec<(Part, i64)>,
    /// When the statistics were looked at: what was fetched before that has been offered once nothing more comes.
    fetched: BTreeMap<Part, i64>,
    paused: bool,
    round: Instant,
    partitions: Instant,
    refused: Option<Instant>,
    /// How long whether anybody answers is waited for.
    patience: Backoff,
    /// Since when partitions are somebody else's.
    theirs: BTreeMap<Part, Instant>,
}

impl Pump {
    /// Until the other side closes. Dropping the consumer then gives the partitions back.
    pub(super) fn run(self) {
        let now = Instant::now();
        let mut course = Course {
            stored: Vec::new(),
            fetched: BTreeMap::new(),
            paused: false,
            round: now,
            partitions: now,
            refused: None,
            patience: Backoff::between(PATIENCE, MOST_PATIENCE),
            theirs: BTreeMap::new(),
        };
        while !self.handover.is_closed() {
            self.make_room(&mut course);
            self.listen(&mut course);
            if course.round.elapsed() >= ROUND {
                course.round = Instant::now();
                self.round(&mut course);
            }
        }
    }

    fn make_room(&self, course: &mut Course) {
        if self.handover.room(ROOM) {
            if course.paused && self.handover.is_low() {
                course.paused = false;
                self.every_partition(|list| self.consumer.resume(list));
            }
        } else {
            // again and again, since partitions may have come meanwhile
            course.paused = true;
            self.every_partition(|list| self.consumer.pause(list));
        }
    }

    fn every_partition(&self, act: impl Fn(&TopicPartitionList) -> KafkaResult<()>) {
        if let Err(error) = self.consumer.assignment().and_then(|list| act(&list)) {
            tracing::debug!(%error, "reading could not be paused or resumed");
        }
    }

    fn listen(&self, course: &mut Course) {
        let begun = Instant::now();
        match self.consumer.poll(LISTEN) {
            Some(Ok(message)) => {
                let prefix = &self.consumer.context().link.settings.prefix;
                self.handover.offer(wire::delivered(prefix, &message));
            }
            Some(Err(error)) => self.hear(&error, course),
            None if begun.elapsed() >= LISTEN && !course.paused => self.idle(course),
            None => {}
        }
    }

    /// Nothing more is there: what was fetched before has been offered. Where it is applied too, the position is where the
    /// fetching is, also when no record lies in between (the marks of transactions).
    fn idle(&self, course: &mut Course) {
        if course.fetched.is_empty() {
            return;
        }
        let passed: Vec<(Part, i64)> = std::mem::take(&mut course.fetched)
            .into_iter()
            .filter(|(part, next)| self.handover.is_through(part, *next))
            .collect();
        self.tell(&passed);
    }

    fn round(&self, course: &mut Course) {
        self.store(course);
        if self.handover.has_trouble() {
            self.probe(course);
        }
        course.fetched = self.consumer.context().fetched.lock().clone();
        if self.in_group {
            self.others(course);
        } else if course.partitions.elapsed() >= NEW_PARTITIONS {
            course.partitions = Instant::now();
            if let Err(error) = self.new_partitions() {
                tracing::debug!(%error, "new partitions were not looked for");
            }
        }
    }

    /// Stores what was applied since the last time; the library commits it beside the work, and again when that failed.
    fn store(&self, course: &mut Course) {
        let positions = self.handover.positions();
        if !self.in_group || positions == course.stored {
            return;
        }
        let owner = self.consumer.context();
        let stored = owner
            .list(&positions)
            .and_then(|list| self.consumer.store_offsets(&list));
        match stored {
            Ok(()) => course.stored = positions,
            Err(error) => tracing::debug!(%error, "positions were not stored"),
        }
    }

    fn hear(&self, error: &KafkaError, course: &mut Course) {
        tracing::debug!(%error, "the consumer says");
        if error.rdkafka_error_code().is_some_and(is_forbidden) {
            course.refused = Some(Instant::now());
            let what = format!("reading {}", self.topics.join(", "));
            let refused = self.consumer.context().link.unavailable(what, error);
            self.handover.trouble(Some(Link::reason(&refused)));
        } else {
            // One connection of several, or one that was idle, says nothing about the others.
            self.probe(course);
        }
    }

    /// Asks whether anybody answers.
    fn probe(&self, course: &mut Course) {
        if course.refused.is_some_and(|at| at.elapsed() < REFUSED) {
            return;
        }
        course.refused = None;
        let owner = self.consumer.context();
        let topic = self.topics.first().map(|topic| owner.name(topic));
        match self
            .consumer
            .fetch_metadata(topic.as_deref(), course.patience.next())
        {
            Ok(_) => {
                course.patience.reset();
                owner.link.well();
                self.handover.trouble(None);
            }
            Err(error) => {
                let away = owner.link.unavailable("reading", &error);
                self.handover.trouble(Some(Link::reason(&away)));
            }
        }
    }

    /// Where the other members of the group are, by what they committed. Who takes a partition over may have to commit first
    /// that it begins anew.
    fn others(&self, course: &mut Course) {
        let owner = self.consumer.context();
        if !owner.joined.load(Ordering::Relaxed) {
            return;
        }
        let (now, before) = (Instant::now(), std::mem::take(&mut course.theirs));
        let not_ours = parts(&self.start).filter(|(part, _)| !self.handover.is_ours(part));
        course.theirs = not_ours
            .map(|(part, _)| {
                let since = before.get(&part).copied().unwrap_or(now);
                (part, since)
            })
            .collect();
        let settled = course
            .theirs
            .iter()
            .filter(|(_, since)| since.elapsed() >= SETTLED);
        let theirs: Vec<(Part, i64)> = settled.map(|(part, _)| (part.clone(), 0)).collect();
        if theirs.is_empty() || self.handover.has_trouble() {
            return;
        }
        let asked = owner
            .list(&theirs)
            .and_then(|list| self.consumer.committed_offsets(list, PATIENCE));
        let Ok(Ok(found)) = asked.map(|list| offsets(&list)) else {
            return;
        };
        let mut passed = Vec::new();
        for (name, partition, next) in found {
            let part = (owner.plain(&name), partition);
            if next > self.start.next(&part.0, partition) {
                passed.push((part, next));
            }
        }
        self.tell(&passed);
    }

    fn tell(&self, passed: &[(Part, i64)]) {
        self.elsewhere.send_if_modified(|positions| {
            let mut moved = false;
            for ((topic, partition), next) in passed {
                if positions.get(topic, *partition) != Some(*next) {
                    positions.set(topic, *partition, *next);
                    moved = true;
                }
            }
            moved
        });
    }

    fn new_partitions(&self) -> KafkaResult<()> {
        let owner = self.consumer.context();
        let ours = self.handover.ours();
        for topic in &self.topics {
            let name = owner.name(topic);
            let metadata = self.consumer.fetch_metadata(Some(&name), PATIENCE)?;
            let Some(found) = metadata.topics().first() else {
                continue;
            };
            for partition in found.partitions() {
                let partition = partition.id();
                let part = (topic.clone(), partition);
                if ours.contains(&part) {
                    continue;
                }
                let mut list = TopicPartitionList::with_capacity(1);
                list.add_partition_offset(&name, partition, Offset::Beginning)?;
                self.handover.assign(&[part]);
                self.consumer.incremental_assign(&list)?;
                tracing::info!(%topic, partition, "a new partition is read");
            }
        }
        Ok(())
    }
}
