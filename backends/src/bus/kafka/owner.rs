//! What a consumer's library tells of its group: partitions come and go, positions move.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};
use serde::Deserialize;

use super::{
    broker::settled,
    handover::{Handover, Part},
    link::Link,
};

/// How long partitions are kept for the record at hand, while the rest of the group waits for them.
const LAST_RECORD: Duration = Duration::from_secs(3);

/// Hears the library on the thread that polls.
pub(super) struct Owner {
    pub(super) link: Link,
    pub(super) handover: Arc<Handover>,
    /// Where a partition is begun the first time it is ours, if not where the group is.
    pub(super) begin: Mutex<BTreeMap<Part, i64>>,
    /// The group has told us which partitions are ours.
    pub(super) joined: AtomicBool,
    /// What is fetched next, as the library said last.
    pub(super) fetched: Mutex<BTreeMap<Part, i64>>,
}

impl Owner {
    pub(super) fn new(link: Link, handover: Arc<Handover>, begin: BTreeMap<Part, i64>) -> Owner {
        Owner {
            link,
            handover,
            begin: Mutex::new(begin),
            joined: AtomicBool::new(false),
            fetched: Mutex::default(),
        }
    }

    /// Takes partitions over. Those that begin somewhere else than where the group is are committed there at once, so that the
    /// others, who know how far we are by what is committed, do not take what was applied in an earlier life for applied in this one.
    fn assigned(
        &self,
        consumer: &BaseConsumer<Owner>,
        list: &mut TopicPartitionList,
    ) -> KafkaResult<()> {
        let parts = self.parts(list);
        let mut told = Vec::new();
        for part in &parts {
            let begin = self.begin.lock().remove(part);
            if let Some(next) = begin {
                let topic = self.name(&part.0);
                list.set_partition_offset(&topic, part.1, Offset::Offset(next))?;
                told.push((part.clone(), next));
            }
        }
        tracing::debug!(?parts, "partitions are ours");
        self.handover.assign(&parts);
        self.joined.store(true, Ordering::Relaxed);
        if !told.is_empty() {
            let list = self.list(&told)?;
            let noted = settled(|| consumer.commit(&list, CommitMode::Sync));
            if let Err(error) = noted {
                tracing::debug!(%error, "the group does not know that reading began anew");
            }
        }
        Ok(())
    }

    fn revoked(&self, consumer: &BaseConsumer<Owner>, list: &TopicPartitionList) {
        let parts = self.parts(list);
        let applied = self.handover.revoke(&parts, LAST_RECORD);
        tracing::debug!(?parts, "partitions are somebody else's");
        for part in &parts {
            self.fetched.lock().remove(part);
        }
        // whoever has them already goes on from what was committed before
        if applied.is_empty() || consumer.assignment_lost() {
            return;
        }
        let committed = self
            .list(&applied)
            .and_then(|list| settled(|| consumer.commit(&list, CommitMode::Sync)));
        if let Err(error) = committed {
            tracing::debug!(%error, "the last positions were not stored; their records come again");
        }
    }

    /// The positions as the library wants them.
    pub(super) fn list(&self, positions: &[(Part, i64)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for ((topic, partition), next) in positions {
            list.add_partition_offset(&self.name(topic), *partition, Offset::Offset(*next))?;
        }
        Ok(list)
    }

    fn parts(&self, list: &TopicPartitionList) -> Vec<Part> {
        list.elements()
            .iter()
            .map(|one| (self.plain(one.topic()), one.partition()))
            .collect()
    }

    pub(super) fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.link.settings.prefix)
    }

    pub(super) fn plain(&self, name: &str) -> String {
        let prefix = self.link.settings.prefix.as_str();
        name.strip_prefix(prefix).unwrap_or(name).to_owned()
    }
}

impl ClientContext for Owner {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        self.link.log(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.link.error(error, reason);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics>(statistics) else {
            return;
        };
        let mut fetched = self.fetched.lock();
        for (name, topic) in statistics.topics {
            let topic_name = self.plain(&name);
            for (partition, figures) in topic.partitions {
                if let Ok(partition) = partition.parse()
                    && figures.next_offset >= 0
                {
                    fetched.insert((topic_name.clone(), partition), figures.next_offset);
                }
            }
        }
    }
}

/// The little that is used of the library's statistics.
#[derive(Deserialize)]
struct Statistics {
    #[serde(default)]
    topics: HashMap<String, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    #[serde(default)]
    partitions: HashMap<String, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    next_offset: i64,
}

impl ConsumerContext for Owner {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Owner>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let done = if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assigned(consumer, list)
                .and_then(|()| match cooperative {
                    true => consumer.incremental_assign(list),
                    false => consumer.assign(list),
                })
        } else {
            self.revoked(consumer, list);
            match cooperative {
                true => consumer.incremental_unassign(list),
                false => consumer.unassign(),
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the group's partitions could not be taken over as told");
        }
    }
}
