//! All that the bus keeps before some ends, read once and by one reader: each reader connects anew and reads ahead, and one for
//! each page took most of the time and of the memory of a rebuild.

use std::time::Duration;

use anyhow::Context;
use backends::bus::{Bus, BusError, Delivered, Positions, Start, Subscription};
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::events::TOPICS;

/// How long nothing may come although there is something.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts while the bus does not answer.
const PAUSE: Duration = Duration::from_millis(100);

/// A reader that is on its way to the ends.
pub(super) struct Stretch {
    reader: Box<dyn Subscription>,
    /// Places without a record are passed over by the reader.
    elsewhere: watch::Receiver<Positions>,
    reached: Positions,
    ends: Positions,
}

impl Stretch {
    /// Begins at the earliest record kept. In the name of the group, and not as a member of it.
    pub(super) async fn open(
        bus: &dyn Bus,
        group: &str,
        ends: Positions,
    ) -> Result<Self, BusError> {
        let start = Start::Alone(Positions::default());
        let reader = bus.subscribe(group, &TOPICS, start).await?;
        Ok(Self::over(reader, ends))
    }

    fn over(reader: Box<dyn Subscription>, ends: Positions) -> Self {
        Self {
            elsewhere: reader.elsewhere(),
            reached: reader.start(),
            reader,
            ends,
        }
    }

    /// How many places there are to the ends.
    pub(super) fn places(&self) -> u64 {
        self.reached.behind(&self.ends).unsigned_abs()
    }

    /// The records before the ends.
    pub(super) fn records(self) -> impl Stream<Item = anyhow::Result<Delivered>> + Send + 'static {
        let ended = self.reached.covers(&self.ends);
        stream::try_unfold((self, ended), |(mut stretch, ended)| async move {
            if ended {
                return Ok(None);
            }
            let next = timeout(PATIENCE, stretch.next()).await;
            let next = next.context("the bus does not tell what it keeps")?;
            Ok(next.map(|(delivered, ended)| (delivered, (stretch, ended))))
        })
    }

    /// The next record, and whether it is the last; `None` when none comes any more.
    async fn next(&mut self) -> Option<(Delivered, bool)> {
        loop {
            let read = tokio::select! {
                biased;
                read = self.reader.next() => Some(read),
                moved = self.elsewhere.changed() => {
                    if moved.is_err() {
                        sleep(PAUSE).await;
                    }
                    None
                }
            };
            match read {
                Some(Ok(delivered)) => {
                    let end = self.ends.next(&delivered.record.topic, delivered.partition);
                    self.reached.pass(&delivered);
                    // Only the last record of a partition can be the last of all.
                    let ended = delivered.offset + 1 >= end && self.reached.covers(&self.ends);
                    // What is told of from the ends on is applied as it comes.
                    if delivered.offset < end {
                        return Some((delivered, ended));
                    } else if ended {
                        return None;
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "the bus is asked again for what it keeps");
                    sleep(PAUSE).await;
                }
                None => {
                    self.pass();
                    if self.reached.covers(&self.ends) {
                        return None;
                    }
                }
            }
        }
    }

    fn pass(&mut self) {
        let elsewhere = self.elsewhere.borrow_and_update();
        for (topic, partition, next) in elsewhere.iter() {
            if next > self.reached.next(topic, partition) {
                self.reached.set(topic, partition, next);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use async_trait::async_trait;
    use backends::bus::Record;
    use futures_util::stream::TryStreamExt;

    use super::*;

    /// Hands out what it is given, and then nothing.
    struct Tape {
        tells: VecDeque<Result<Delivered, BusError>>,
        elsewhere: watch::Receiver<Positions>,
    }

    #[async_trait]
    impl Subscription for Tape {
        async fn next(&mut self) -> Result<Delivered, BusError> {
            match self.tells.pop_front() {
                Some(tells) => tells,
                None => std::future::pending().await,
            }
        }

        async fn commit(&mut self, _: &Delivered) -> Result<(), BusError> {
            panic!("what the group has read stays as it is")
        }

        async fn flush(&mut self) -> Result<(), BusError> {
            Ok(())
        }

        async fn close(self: Box<Self>) -> Result<(), BusError> {
            Ok(())
        }

        fn start(&self) -> Positions {
            at(&[(0, 2), (1, 0), (2, 7)])
        }

        fn elsewhere(&self) -> watch::Receiver<Positions> {
            self.elsewhere.clone()
        }
    }

    fn at(partitions: &[(i32, i64)]) -> Positions {
        let mut positions = Positions::default();
        for (partition, next) in partitions {
            positions.set(TOPICS[0], *partition, *next);
        }
        positions
    }

    fn record(partition: i32, offset: i64) -> Result<Delivered, BusError> {
        Ok(Delivered {
            record: Record {
                topic: TOPICS[0].to_owned(),
                key: None,
                payload: bytes::Bytes::new(),
                headers: std::collections::BTreeMap::new(),
                event_id: None,
            },
            partition,
            offset,
            at: chrono::DateTime::UNIX_EPOCH,
        })
    }

    fn stretch(
        tells: Vec<Result<Delivered, BusError>>,
        ends: &[(i32, i64)],
    ) -> (Stretch, watch::Sender<Positions>) {
        let (sender, elsewhere) = watch::channel(Positions::default());
        let tape = Tape {
            tells: tells.into(),
            elsewhere,
        };
        (Stretch::over(Box::new(tape), at(ends)), sender)
    }

    async fn told(stretch: Stretch) -> Vec<(i32, i64)> {
        let told = stretch.records();
        let told = told.map_ok(|one| (one.partition, one.offset));
        told.try_collect().await.expect("all is there")
    }

    #[tokio::test]
    async fn it_ends_with_the_last_record_before_the_ends_and_tells_nothing_behind_them() {
        let tells = vec![
            record(0, 2),
            record(1, 0),
            record(1, 1),
            record(1, 2),
            record(0, 3),
            record(0, 4),
        ];
        let (stretch, _sender) = stretch(tells, &[(0, 4), (1, 1), (2, 7)]);
        assert_eq!(stretch.places(), 3);
        assert_eq!(told(stretch).await, [(0, 2), (1, 0), (0, 3)]);
    }

    #[tokio::test]
    async fn places_without_a_record_are_passed_over_as_the_reader_says() {
        let (stretch, sender) = stretch(vec![record(0, 2)], &[(0, 3), (1, 4), (2, 7)]);
        sender.send_replace(at(&[(1, 4)]));
        assert_eq!(told(stretch).await, [(0, 2)]);
    }

    #[tokio::test]
    async fn a_bus_with_nothing_before_the_ends_is_not_waited_for() {
        let (stretch, _sender) = stretch(Vec::new(), &[(0, 2), (2, 7)]);
        assert_eq!(told(stretch).await, []);
    }

    #[tokio::test]
    async fn a_bus_that_is_away_for_a_moment_is_asked_again() {
        let away = || Err(BusError::Unavailable(anyhow::anyhow!("away")));
        let (stretch, _sender) = stretch(vec![away(), record(0, 2)], &[(0, 3), (2, 7)]);
        assert_eq!(told(stretch).await, [(0, 2)]);
    }
}
