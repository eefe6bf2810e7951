//! What several suites need.

use backends::{
    bus::{Retention, TopicPolicy},
    outbox::Message,
    testing::{self, TestBus},
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
use std::{collections::BTreeMap, time::Duration};

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

/// An embedded log with both topics.
pub async fn bus() -> TestBus {
    let test = testing::sqlite_bus().await;
    test.ensure(&[TOPIC, OTHER]).await;
    test
}
