//! Event logs for tests, and [`crate::on_every_bus`], which runs one test on each kind.

use std::{sync::Arc, time::Duration};

use kit::clock::MockClock;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::{
    bus::{self, Bus, TopicPolicy},
    db::DbOptions,
};

/// The variable that names the Kafka of the tests: `host:port` of a broker on which they may make and remove topics.
pub const KAFKA: &str = "SCHOOLYARD_TEST_KAFKA";

/// An event log of one test, with topics of its own; gone when dropped.
pub struct TestBus {
    /// The log.
    pub bus: Arc<dyn Bus>,
    /// What an embedded log goes by. On Kafka it begins at the present, and the broker goes by its own.
    pub clock: MockClock,
    url: String,
    topics: Mutex<Vec<TopicPolicy>>,
    place: Place,
}

enum Place {
    Folder {
        _folder: TempDir,
    },
    #[cfg(feature = "kafka")]
    Broker,
}

impl TestBus {
    /// Its address, to open it a second time as another process would.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a record taken before is noticed, and time is the test's.
    pub fn is_embedded(&self) -> bool {
        matches!(self.place, Place::Folder { .. })
    }

    /// Makes topics.
    pub async fn ensure(&self, topics: &[TopicPolicy]) {
        self.topics.lock().extend_from_slice(topics);
        ready(&self.bus, topics).await;
    }

    /// A second handle, as another process would have.
    pub async fn again(&self) -> Arc<dyn Bus> {
        let bus = open(&self.url, &self.clock).await;
        let topics = self.topics.lock().clone();
        ready(&bus, &topics).await;
        bus
    }
}

/// A fresh embedded log in a folder of its own.
pub async fn sqlite_bus() -> TestBus {
    let folder = tempfile::tempdir().expect("a test can make a temporary folder");
    let url = format!("sqlite:{}", folder.path().join("bus.db").display());
    let clock = MockClock::default();
    TestBus {
        bus: open(&url, &clock).await,
        clock,
        url,
        topics: Mutex::default(),
        place: Place::Folder { _folder: folder },
    }
}

/// Fresh topics on the Kafka named by [`KAFKA`], which must be set: a missing server fails the test, it is never skipped.
/// Their one partition makes offsets and order those of the embedded log; `kafka_bus_of` takes more.
#[cfg(feature = "kafka")]
pub async fn kafka_bus() -> TestBus {
    kafka_bus_of(1).await
}

/// [`kafka_bus`] with so many partitions.
#[cfg(feature = "kafka")]
pub async fn kafka_bus_of(partitions: u32) -> TestBus {
    use kit::{
        clock::{Clock, SystemClock},
        ids::RandomIds,
    };

    let broker = kit::testing::required_env(KAFKA);
    let (system, now) = (SystemClock::shared(), SystemClock::default().now());
    let prefix = format!("t{}-", RandomIds::shared(system).uuid().simple());
    let url = format!("kafka://{broker}?partitions={partitions}&prefix={prefix}");
    let clock = MockClock::at(now);
    TestBus {
        bus: open(&url, &clock).await,
        clock,
        url,
        topics: Mutex::default(),
        place: Place::Broker,
    }
}

async fn open(url: &str, clock: &MockClock) -> Arc<dyn Bus> {
    // 64 at once wait for each other, on a busy machine longer than a service would
    let options = DbOptions {
        patience: Duration::from_secs(60),
        ..DbOptions::default()
    };
    match bus::open_with(url, clock.shared(), options).await {
        Ok(bus) => bus,
        Err(error) => panic!("the bus of a test cannot be opened: {error}"),
    }
}

async fn ready(bus: &Arc<dyn Bus>, topics: &[TopicPolicy]) {
    bus.ensure(topics).await.expect("a test may make topics");
    let names: Vec<&str> = topics.iter().map(|topic| topic.name).collect();
    // a broker that is away stops nobody but a test
    if let Err(error) = bus.ends(&names).await {
        panic!("the topics of a test cannot be made: {error}");
    }
}

#[cfg(feature = "kafka")]
impl Drop for TestBus {
    fn drop(&mut self) {
        if matches!(self.place, Place::Broker) {
            let url = self.url.clone();
            // Drop cannot await, and the test's own runtime may be going down.
            let removing = std::thread::spawn(move || bus::kafka::remove_all(&url));
            // Topics left behind harm nobody.
            let _ = removing.join();
        }
    }
}

/// Runs each test on the embedded log, and on Kafka when the *calling* crate has its feature `kafka-tests` on:
///
/// ```ignore
/// backends::on_every_bus! {
///     async fn a_record_is_read_back(test: TestBus) { test.ensure(&[TOPIC]).await; .. }
/// }
/// ```
/// makes `sqlite::a_record_is_read_back` and `kafka::a_record_is_read_back`. The argument is a [`TestBus`] of its own,
/// without any topic. Once per module.
#[macro_export]
macro_rules! on_every_bus {
    ($($(#[$meta:meta])* async fn $name:ident($test:ident : $kind:ty) $body:block)+) => {
        $(async fn $name($test: $kind) $body)+

        mod sqlite {
            $($(#[$meta])* #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::testing::sqlite_bus().await).await;
            })+
        }

        #[cfg(feature = "kafka-tests")]
        mod kafka {
            $($(#[$meta])* #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::testing::kafka_bus().await).await;
            })+
        }
    };
}
