//! Publishing a record again that the log has taken before.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    super::{Again, BusError, Positions, Record, Republished},
    KafkaBus,
    admin::Admin,
    broker::End,
    read::read,
};

/// Attempts remembered, so that many who replay at once in this process publish once.
const REMEMBERED: usize = 10_000;
/// Records looked at in one go.
const CHUNK: usize = 1000;

/// The attempts of this process that went out.
#[derive(Default)]
pub(super) struct Taken(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    ids: HashSet<Uuid>,
    order: VecDeque<Uuid>,
}

impl Remembered {
    fn note(&mut self, id: Uuid) {
        if self.ids.insert(id) {
            self.order.push_back(id);
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
    }
}

/// Where newer state of a key may lie: from the record's first place on, or anywhere.
type First = Option<(i32, i64)>;

impl KafkaBus {
    /// Appends what was not superseded, and remembers the attempts once all of it is there.
    pub(super) async fn again(&self, records: &[Again]) -> Result<Vec<Republished>, BusError> {
        let mut taken = self.taken.0.lock().await;
        let fresh: Vec<&Again> = records
            .iter()
            .filter(|again| !taken.ids.contains(&again.once))
            .collect();
        let superseded = self.superseded(&fresh).await?;
        let due: Vec<&Record> = fresh
            .iter()
            .filter(|again| !superseded.contains(&again.once))
            .map(|again| &again.record)
            .collect();
        self.append(&due).await?;
        Ok(records
            .iter()
            .map(|again| {
                if superseded.contains(&again.once) {
                    return Republished::Superseded;
                }
                taken.note(again.once);
                Republished::Appended
            })
            .collect())
    }

    /// The attempts whose topic is compacted and holds newer state of their key.
    async fn superseded(&self, records: &[&Again]) -> Result<BTreeSet<Uuid>, BusError> {
        let mut topics: BTreeMap<&str, Vec<&Again>> = BTreeMap::new();
        for again in records {
            let of_topic = topics.entry(again.record.topic.as_str()).or_default();
            of_topic.push(again);
        }
        let mut superseded = BTreeSet::new();
        for (topic, records) in topics {
            self.topics.known(topic).await?;
            if Admin::open(&self.broker)?.is_compacted(topic).await? {
                superseded.extend(self.superseded_in(topic, &records).await?);
            }
        }
        Ok(superseded)
    }

    async fn superseded_in(&self, topic: &str, records: &[&Again]) -> Result<Vec<Uuid>, BusError> {
        let mut keys: BTreeMap<&str, Vec<(First, Uuid)>> = BTreeMap::new();
        for again in records {
            if let Some(key) = again.record.key.as_deref() {
                keys.entry(key).or_default().push((again.first, again.once));
            }
        }
        let ends = self.broker.ends(&[topic], End::Last).await?;
        let mut from = begin(topic, records, &ends);
        let mut found = Vec::new();
        loop {
            let read = read(&self.broker, topic, &from, CHUNK).await?;
            if read.is_empty() {
                return Ok(found);
            }
            for one in &read {
                from.pass(one);
                let Some(key) = one.record.key.as_deref() else {
                    continue;
                };
                let older = keys.get(key).into_iter().flatten();
                found.extend(
                    older
                        .filter(|(first, _)| is_behind(*first, one.partition, one.offset))
                        .map(|(_, once)| *once),
                );
            }
        }
    }
}

/// Whether the record at this place is newer than the one that lay at `first`. Keys of a compacted topic never move to another
/// partition.
fn is_behind(first: First, partition: i32, offset: i64) -> bool {
    first.is_none_or(|(first_partition, first)| first_partition == partition && offset > first)
}

/// Where newer state of these records may begin.
fn begin(topic: &str, records: &[&Again], ends: &Positions) -> Positions {
    let mut from = ends.clone();
    for again in records {
        match again.first {
            Some((partition, offset)) => {
                let begin = from.next(topic, partition).min(offset + 1);
                from.set(topic, partition, begin);
            }
            None => return Positions::default(),
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_state_lies_behind_the_first_place_in_its_partition_or_anywhere_if_that_is_unknown() {
        assert!(is_behind(Some((1, 5)), 1, 6));
        assert!(!is_behind(Some((1, 5)), 1, 5));
        assert!(!is_behind(Some((1, 5)), 0, 6));
        assert!(is_behind(None, 0, 0));
    }

    #[test]
    fn only_the_last_attempts_are_remembered() {
        let mut remembered = Remembered::default();
        for id in 0..=REMEMBERED as u128 {
            remembered.note(Uuid::from_u128(id));
            remembered.note(Uuid::from_u128(id));
        }
        assert_eq!(remembered.ids.len(), REMEMBERED);
        assert!(!remembered.ids.contains(&Uuid::from_u128(0)));
    }
}
