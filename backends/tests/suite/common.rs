//! What several suites need.

use backends::{
    bus::{Bus, Retention, TopicPolicy},
    outbox::Message,
};
use chrono::{DateTime, Utc};
use kit::{
    clock::{Clock, MockClock},
    ids::{Ids, SeededIds, SharedIds},
    metrics::Metrics,
};
use sqlx::{
    AssertSqlSafe, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub const TOPIC: TopicPolicy = TopicPolicy {
    name: "things-events",
    retention: Retention::Days(7),
};
pub const OTHER: TopicPolicy = TopicPolicy {
    name: "others-events",
    retention: Retention::Compacted,
};

/// Migrations with the given texts, numbered from 1.
pub fn migrations(texts: &[&str]) -> Migrator {
    let all = (1..).zip(texts).map(|(version, text)| {
        Migration::new(
            version,
            "test".into(),
            MigrationType::Simple,
            AssertSqlSafe((*text).to_owned()).into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(all.collect())
}

/// Backends' own tables only.
pub fn none() -> Migrator {
    migrations(&[])
}

pub fn now() -> DateTime<Utc> {
    MockClock::default().now()
}

pub fn ids(seed: u64) -> SharedIds {
    SeededIds::shared(seed, MockClock::default().shared())
}

pub fn message(ids: &dyn Ids, key: &str, n: usize) -> Message {
    Message {
        topic: TOPIC.name,
        key: key.to_owned(),
        event_id: ids.uuid(),
        event_type: "thing.changed".to_owned(),
        payload: n.to_string().into_bytes(),
        headers: BTreeMap::new(),
        at: now(),
    }
}

/// Until the metrics hold this text.
pub async fn shown(metrics: &Metrics, text: &str) {
    let waiting = async {
        while !metrics.render().contains(text) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .is_err()
    {
        panic!("{text} is missing in\n{}", metrics.render());
    }
}

/// A bus in a folder of its own, with both topics.
pub struct TestBus {
    pub bus: Arc<dyn Bus>,
    pub clock: MockClock,
    folder: tempfile::TempDir,
}

impl TestBus {
    pub async fn new() -> TestBus {
        let folder = tempfile::tempdir().unwrap();
        let clock = MockClock::default();
        let bus = open_bus(&folder, &clock).await;
        TestBus { bus, clock, folder }
    }

    /// A second handle, as another process would have.
    pub async fn again(&self) -> Arc<dyn Bus> {
        open_bus(&self.folder, &self.clock).await
    }
}

async fn open_bus(folder: &tempfile::TempDir, clock: &MockClock) -> Arc<dyn Bus> {
    let url = format!("sqlite:{}", folder.path().join("bus.db").display());
    let bus = backends::bus::open(&url, clock.shared()).await.unwrap();
    bus.ensure(&[TOPIC, OTHER]).await.unwrap();
    bus
}
