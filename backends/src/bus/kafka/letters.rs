//! Dead letters, which can be taken out singly although a Kafka log gives nothing up.
//!
//! What is taken out is named by a later record of the same topic, without a value, whose header lists the offsets. Whoever
//! knows the topic to its end knows what lies there still; it has one partition and is kept 30 days, so that is little. Known
//! once, it is only followed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::sync::Mutex;
use uuid::Uuid;

use super::{
    super::{BusError, Delivered, Positions, Record},
    broker::{Broker, End},
    producer::{Place, Producer},
    read::read,
};

/// The header that lists offsets, separated by commas.
const REMOVED: &str = "dlq_removed";
/// Records read at once.
const CHUNK: usize = 1000;

/// What is known of the dead letters of all topics.
pub(super) struct Letters {
    broker: Broker,
    known: Mutex<HashMap<String, Known>>,
}

/// One topic of dead letters, up to a place.
#[derive(Debug, Default)]
struct Known {
    next: i64,
    live: BTreeSet<i64>,
    /// Letters are named by the place of what they were, so that it makes one however often it is read; also of those taken
    /// out.
    ids: BTreeMap<Uuid, i64>,
}

impl Known {
    fn pass(&mut self, one: &Delivered) {
        match one.record.headers.get(REMOVED) {
            Some(offsets) => {
                for offset in offsets.split(',').filter_map(|text| text.parse().ok()) {
                    self.live.remove(&offset);
                }
            }
            None => {
                self.live.insert(one.offset);
                if let Some(id) = one.record.event_id {
                    self.ids.insert(id, one.offset);
                }
            }
        }
        self.next = one.offset + 1;
    }

    /// The log begins at `first` and ends before `end`; true if this is a log that was known.
    fn fits(&mut self, first: i64, end: i64) -> bool {
        if end < self.next {
            *self = Known::default();
        }
        self.live = self.live.split_off(&first);
        self.ids.retain(|_, offset| *offset >= first);
        self.next >= end
    }
}

impl Letters {
    pub(super) fn new(broker: Broker) -> Letters {
        Letters {
            broker,
            known: Mutex::default(),
        }
    }

    /// How many letters lie there.
    pub(super) async fn kept(&self, topic: &str) -> Result<i64, BusError> {
        let mut known = self.known.lock().await;
        Ok(self.follow(&mut known, topic).await?.live.len() as i64)
    }

    /// The letters from `from` on, at most `limit`.
    pub(super) async fn read(
        &self,
        topic: &str,
        from: &Positions,
        limit: usize,
    ) -> Result<Vec<Delivered>, BusError> {
        let (live, end) = {
            let mut known = self.known.lock().await;
            let known = self.follow(&mut known, topic).await?;
            (known.live.clone(), known.next)
        };
        let mut from = from.clone();
        let mut found = Vec::new();
        while found.len() < limit {
            let Some(&next) = live.range(from.next(topic, 0)..).next() else {
                break;
            };
            from.set(topic, 0, next);
            let read = read(&self.broker, topic, &from, limit).await?;
            let Some(last) = read.last() else { break };
            from.pass(last);
            let letters = read
                .into_iter()
                .filter(|one| one.offset < end && live.contains(&one.offset));
            found.extend(letters.take(limit - found.len()));
        }
        Ok(found)
    }

    /// Takes letters out; answers how many there were.
    pub(super) async fn remove(
        &self,
        producer: &Producer,
        topic: &str,
        offsets: &[i64],
    ) -> Result<u64, BusError> {
        let mut known = self.known.lock().await;
        let known = self.follow(&mut known, topic).await?;
        let there: BTreeSet<i64> = offsets
            .iter()
            .copied()
            .filter(|offset| known.live.contains(offset))
            .collect();
        if there.is_empty() {
            return Ok(0);
        }
        let list: Vec<String> = there.iter().map(i64::to_string).collect();
        let marker = Record {
            topic: topic.to_owned(),
            key: None,
            payload: bytes::Bytes::new(),
            headers: BTreeMap::from([(REMOVED.to_owned(), list.join(","))]),
            event_id: None,
        };
        let places = producer.append(&[&marker]).await?;
        note(known, &marker, places[0]);
        Ok(there.len() as u64)
    }

    /// Adds letters, except those that are or were there. A user that may not read the topic cannot know: then there may be
    /// two of one.
    pub(super) async fn add(
        &self,
        producer: &Producer,
        topic: &str,
        letters: &[&Record],
    ) -> Result<(), BusError> {
        let mut known = self.known.lock().await;
        let known = match self.follow(&mut known, topic).await {
            Ok(known) => Some(known),
            Err(error) => {
                tracing::debug!(%error, %topic, "letters are added without a look at those there are");
                None
            }
        };
        let mut ids = BTreeSet::new();
        let fresh: Vec<&Record> = letters
            .iter()
            .copied()
            .filter(|letter| match (letter.event_id, &known) {
                (Some(id), Some(known)) => !known.ids.contains_key(&id) && ids.insert(id),
                _ => true,
            })
            .collect();
        let places = producer.append(&fresh).await?;
        if let Some(known) = known {
            for (letter, place) in fresh.iter().zip(places) {
                note(known, letter, place);
            }
        }
        Ok(())
    }

    /// Reads what came since the last look.
    async fn follow<'a>(
        &self,
        known: &'a mut HashMap<String, Known>,
        topic: &str,
    ) -> Result<&'a mut Known, BusError> {
        let known = known.entry(topic.to_owned()).or_default();
        let first = self.broker.ends(&[topic], End::First).await?;
        let end = self.broker.ends(&[topic], End::Last).await?;
        if known.fits(first.next(topic, 0), end.next(topic, 0)) {
            return Ok(known);
        }
        loop {
            let mut from = Positions::default();
            from.set(topic, 0, known.next);
            let read = read(&self.broker, topic, &from, CHUNK).await?;
            read.iter().for_each(|one| known.pass(one));
            if read.is_empty() || end.next(topic, 0) <= known.next {
                // places without a record
                known.next = known.next.max(end.next(topic, 0));
                return Ok(known);
            }
        }
    }
}

/// Notes what we appended ourselves, if nothing of others lies before it.
fn note(known: &mut Known, record: &Record, (partition, offset): Place) {
    if known.next == offset {
        known.pass(&Delivered {
            record: record.clone(),
            partition,
            offset,
            at: chrono::DateTime::UNIX_EPOCH,
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Letter(Option<u8>),
        Remove(Vec<i64>),
        /// The oldest records expire.
        Expire(i64),
        /// The topic is removed and made again.
        Anew,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => prop::option::of(any::<u8>()).prop_map(Step::Letter),
            3 => prop::collection::vec(0..20_i64, 1..4).prop_map(Step::Remove),
            1 => (0..5_i64).prop_map(Step::Expire),
            1 => Just(Step::Anew),
        ]
    }

    fn record(headers: &[(&str, String)], id: Option<u8>) -> Record {
        Record {
            topic: "a.dlq".to_owned(),
            key: None,
            payload: bytes::Bytes::new(),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone()))
                .collect(),
            event_id: id.map(|id| Uuid::from_u128(id.into())),
        }
    }

    proptest! {
        #[test]
        fn what_is_known_is_what_a_reader_from_the_beginning_finds(steps in prop::collection::vec((step(), any::<bool>()), 0..40)) {
            let (mut log, mut first, mut known) = (Vec::new(), 0, Known::default());
            for (step, look) in steps {
                // made anew and grown beyond what was known it would look the same
                let look = look || matches!(step, Step::Anew);
                match step {
                    Step::Letter(id) => log.push(record(&[], id)),
                    Step::Remove(offsets) => {
                        let list: Vec<String> = offsets.iter().map(i64::to_string).collect();
                        log.push(record(&[(REMOVED, list.join(","))], None));
                    }
                    Step::Expire(count) => first = (first + count).min(log.len() as i64),
                    Step::Anew => (log, first) = (Vec::new(), 0),
                }
                if !look {
                    continue;
                }
                let at = |offset: i64| Delivered {
                    record: log[offset as usize].clone(), partition: 0, offset, at: chrono::DateTime::UNIX_EPOCH,
                };
                let end = log.len() as i64;
                if !known.fits(first, end) {
                    (known.next.max(first)..end).for_each(|offset| known.pass(&at(offset)));
                }
                let mut fresh = Known::default();
                (first..end).for_each(|offset| fresh.pass(&at(offset)));
                prop_assert_eq!(&known.live, &fresh.live);
                prop_assert_eq!(&known.ids, &fresh.ids);
            }
        }
    }
}
