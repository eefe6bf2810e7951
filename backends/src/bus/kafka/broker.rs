//! Questions to the broker. The library blocks while it waits, so they are asked off the async threads.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code},
};

use super::{
    super::{BusError, Positions},
    link::Link,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the broker has to show that it is there; readiness gives a second.
const GLANCE: Duration = Duration::from_millis(800);

/// How long it is asked again, and how long in between, while partitions move from broker to broker or are just being made.
const MOVES: Duration = Duration::from_secs(3);
const MOVING: Duration = Duration::from_millis(50);

/// One connection for questions.
#[derive(Clone)]
pub(super) struct Broker {
    pub(super) link: Link,
    client: Arc<BaseConsumer<Link>>,
}

/// An end of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The earliest record kept.
    First,
    /// After the newest record that readers may see.
    Last,
}

impl Broker {
    pub(super) fn open(link: Link) -> Result<Broker, BusError> {
        let mut config = link.settings.client();
        config.set("isolation.level", "read_committed");
        let client = config
            .create_with_context(link.clone())
            .map_err(|error| BusError::Configuration(error.to_string()))?;
        Ok(Broker {
            link,
            client: Arc::new(client),
        })
    }

    /// Whether anybody answers; asks about `topic`, since a list of all can be long.
    pub(super) async fn check(&self, topic: Option<String>) -> Result<(), BusError> {
        self.ask("its topics".to_owned(), move |client| {
            client.fetch_metadata(topic.as_deref(), GLANCE).map(drop)
        })
        .await
    }

    /// The names of the topics there are, without the broker's own.
    pub(super) async fn topics(&self) -> Result<Vec<String>, BusError> {
        let metadata = self
            .ask("its topics".to_owned(), |client| {
                client.fetch_metadata(None, PATIENCE)
            })
            .await?;
        let prefix = self.link.settings.prefix.as_str();
        let mut names: Vec<String> = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !topic.name().starts_with("__"))
            .filter_map(|topic| topic.name().strip_prefix(prefix).map(str::to_owned))
            .collect();
        names.sort();
        Ok(names)
    }

    /// How many partitions the topic has, if there is such a one.
    pub(super) async fn partitions(&self, topic: &str) -> Result<Option<i32>, BusError> {
        self.look(topic, PATIENCE).await
    }

    /// Whether the broker answers, and knows no such topic.
    pub(super) async fn misses(&self, topic: &str) -> bool {
        matches!(self.look(topic, GLANCE).await, Ok(None))
    }

    async fn look(&self, topic: &str, patience: Duration) -> Result<Option<i32>, BusError> {
        let name = self.name(topic);
        self.ask(format!("topic `{name}`"), move |client| {
            let metadata = client.fetch_metadata(Some(&name), patience)?;
            let Some(topic) = metadata.topics().first() else {
                return Ok(None);
            };
            match topic.error().map(Code::from) {
                None => Ok(i32::try_from(topic.partitions().len()).ok()),
                Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        })
        .await
    }

    /// The positions at one end of every partition of the topics.
    pub(super) async fn ends(&self, topics: &[&str], end: End) -> Result<Positions, BusError> {
        let mut partitions = Vec::new();
        for topic in topics {
            let Some(count) = self.partitions(topic).await? else {
                return Err(BusError::UnknownTopic((*topic).to_owned()));
            };
            partitions.extend((0..count).map(|partition| ((*topic).to_owned(), partition)));
        }
        let mut positions = Positions::default();
        if partitions.is_empty() {
            return Ok(positions);
        }
        let prefix = self.link.settings.prefix.clone();
        let found = self
            .ask(
                format!("the ends of {}", topics.join(", ")),
                move |client| {
                    let mut list = TopicPartitionList::with_capacity(partitions.len());
                    let end = match end {
                        End::First => Offset::Beginning,
                        End::Last => Offset::End,
                    };
                    for (topic, partition) in &partitions {
                        list.add_partition_offset(&format!("{prefix}{topic}"), *partition, end)?;
                    }
                    offsets(&client.offsets_for_times(list, PATIENCE)?)
                },
            )
            .await?;
        for (topic, partition, offset) in found {
            positions.set(self.plain(&topic), partition, offset);
        }
        Ok(positions)
    }

    /// The topic's name as the broker knows it.
    pub(super) fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.link.settings.prefix)
    }

    /// The topic's name as we know it.
    pub(super) fn plain<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.link.settings.prefix.as_str())
            .unwrap_or(name)
    }

    async fn ask<T: Send + 'static>(
        &self,
        what: String,
        question: impl Fn(&BaseConsumer<Link>) -> KafkaResult<T> + Send + 'static,
    ) -> Result<T, BusError> {
        let (client, link) = (Arc::clone(&self.client), self.link.clone());
        blocking(move || {
            let answer = settled(|| question(&client));
            // Nobody else listens to what this client says of its connection.
            for _ in 0..16 {
                client.poll(Duration::ZERO);
            }
            match answer {
                Ok(answer) => {
                    link.well();
                    Ok(answer)
                }
                Err(error) => Err(link.unavailable(what, &error)),
            }
        })
        .await
    }
}

/// Asks until it is decided who leads the partition, or looks after the group, of the question; for three seconds at most. It
/// blocks. The first group of a new broker is the one that sees it most: the topic that holds all groups is made for it.
pub(super) fn settled<T>(question: impl Fn() -> KafkaResult<T>) -> KafkaResult<T> {
    let end = Instant::now() + MOVES;
    loop {
        let answer = question();
        let code = answer
            .as_ref()
            .err()
            .and_then(KafkaError::rdkafka_error_code);
        if !code.is_some_and(is_moving) || Instant::now() >= end {
            return answer;
        }
        std::thread::sleep(MOVING);
    }
}

/// Nothing is wrong: who leads a partition, or looks after a group, is being decided.
pub(super) fn is_moving(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::PreferredLeaderNotAvailable
            | Code::NotCoordinator
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
    )
}

/// The entries of a list that is an answer.
pub(super) fn offsets(list: &TopicPartitionList) -> KafkaResult<Vec<(String, i32, i64)>> {
    list.elements()
        .iter()
        .map(|one| {
            one.error()?;
            let offset = one.offset().to_raw().unwrap_or_default();
            Ok((one.topic().to_owned(), one.partition(), offset))
        })
        .collect()
}

/// Runs what blocks where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BusError> + Send + 'static,
) -> Result<T, BusError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(BusError::Unavailable(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What becomes of a question that fails so the first two times, and how often it was asked.
    fn asked(code: Code) -> (KafkaResult<&'static str>, u32) {
        let times = Cell::new(0);
        let answer = settled(|| {
            times.set(times.get() + 1);
            match times.get() {
                1 | 2 => Err(KafkaError::MetadataFetch(code)),
                _ => Ok("decided"),
            }
        });
        (answer, times.get())
    }

    #[test]
    fn a_question_is_asked_again_while_a_coordinator_or_a_leader_is_being_decided() {
        for code in [
            Code::NotCoordinator,
            Code::CoordinatorLoadInProgress,
            Code::LeaderNotAvailable,
        ] {
            assert_eq!(asked(code), (Ok("decided"), 3), "{code:?}");
        }
    }

    #[test]
    fn what_no_waiting_mends_is_said_at_once() {
        for code in [Code::GroupAuthorizationFailed, Code::AllBrokersDown] {
            assert_eq!(
                asked(code),
                (Err(KafkaError::MetadataFetch(code)), 1),
                "{code:?}"
            );
        }
    }
}
