//! Reading a stretch of a topic, without a group and without waiting.

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};

use super::{
    super::{BusError, Delivered, Positions},
    broker::{Broker, End, blocking},
    link::{Link, is_forbidden},
    wire,
};

/// How long nothing may come although there is something.
const PATIENCE: Duration = Duration::from_secs(5);
/// The group a reader names; it never joins it.
const NOBODY: &str = "reader";

/// The records that are there now, from `from` on, at most `limit`: of every partition as many as came first, in order of
/// partition and offset.
pub(super) async fn read(
    broker: &Broker,
    topic: &str,
    from: &Positions,
    limit: usize,
) -> Result<Vec<Delivered>, BusError> {
    let first = broker.ends(&[topic], End::First).await?;
    let last = broker.ends(&[topic], End::Last).await?;
    let stretches: Vec<(i32, i64)> = last
        .iter()
        .map(|(topic, partition, end)| {
            let begin = from
                .next(topic, partition)
                .max(first.next(topic, partition));
            (partition, begin, end)
        })
        .filter(|(_, begin, end)| begin < end)
        .map(|(partition, begin, _)| (partition, begin))
        .collect();
    if stretches.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    let (link, name) = (broker.link.clone(), broker.name(topic));
    blocking(move || {
        let read = stretch(&link, &name, &stretches, limit);
        read.map_err(|error| link.unavailable(format!("reading `{name}`"), &error))
    })
    .await
}

fn stretch(
    link: &Link,
    name: &str,
    stretches: &[(i32, i64)],
    limit: usize,
) -> KafkaResult<Vec<Delivered>> {
    let mut config = link.settings.consumer(NOBODY);
    config.set("enable.partition.eof", "true");
    let consumer: BaseConsumer<Link> = config.create_with_context(link.clone())?;
    let mut list = TopicPartitionList::with_capacity(stretches.len());
    for (partition, begin) in stretches {
        list.add_partition_offset(name, *partition, Offset::Offset(*begin))?;
    }
    consumer.assign(&list)?;
    let (mut read, mut open) = (Vec::new(), stretches.len());
    let mut deadline = Instant::now() + PATIENCE;
    while open > 0 && read.len() < limit {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => read.push(wire::delivered(&link.settings.prefix, &message)),
            Some(Err(KafkaError::PartitionEOF(_))) => open -= 1,
            Some(Err(error)) => {
                // What is said of the group counts for nothing: it is none of ours and never joined. Whoever may read the topic
                // may read it here.
                let forbidden = error.rdkafka_error_code().is_some_and(|code| {
                    code != RDKafkaErrorCode::GroupAuthorizationFailed && is_forbidden(code)
                });
                if forbidden && matches!(&error, KafkaError::MessageConsumption(_)) {
                    return Err(error);
                }
                if Instant::now() > deadline {
                    return Err(error);
                }
                continue;
            }
            None if Instant::now() > deadline => {
                let code = RDKafkaErrorCode::OperationTimedOut;
                return Err(KafkaError::MessageConsumption(code));
            }
            None => continue,
        }
        deadline = Instant::now() + PATIENCE;
    }
    read.sort_by_key(|one| (one.partition, one.offset));
    Ok(read)
}
