//! What the relay owes to the disk.

use std::{collections::BTreeMap, sync::Arc};

use kit::{
    clock::{Clock, MockClock},
    ids::SeededIds,
    metrics::Metrics,
};
use parking_lot::{Condvar, Mutex};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    bus::{self, Bus, Retention, Start, TopicPolicy},
    db::DbOptions,
};

const TOPIC: TopicPolicy = TopicPolicy {
    name: "things-events",
    retention: Retention::Days(7),
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_an_event_before_it_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let clock = MockClock::default();
    let ids = SeededIds::shared(1, clock.shared());
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let (began, mut begun) = mpsc::unbounded_channel();
    let sync = {
        let gate = Arc::clone(&gate);
        Box::new(move || {
            let mut open = gate.0.lock();
            if !*open {
                began.send(()).unwrap();
                gate.1.wait_while(&mut open, |open| !*open);
            }
            Ok(())
        })
    };
    let db = Db::open_with(&folder.path().join("a.db"), DbOptions::default(), sync)
        .await
        .unwrap();
    db.migrate(&sqlx::migrate::Migrator::with_migrations(Vec::new()))
        .await
        .unwrap();
    let bus: Arc<dyn Bus> = bus::open(
        &format!("sqlite:{}", folder.path().join("bus.db").display()),
        clock.shared(),
    )
    .await
    .unwrap();
    bus.ensure(&[TOPIC]).await.unwrap();

    *gate.0.lock() = false;
    let mut tx = db.begin().await.unwrap();
    let message = Message {
        topic: TOPIC.name,
        key: "thing:1".to_owned(),
        event_id: ids.uuid(),
        event_type: "thing.made".to_owned(),
        payload: b"{}".to_vec(),
        headers: BTreeMap::new(),
        at: clock.now(),
    };
    put(&mut tx, &message).await.unwrap();
    tx.commit_relaxed().await.unwrap();
    let stop = CancellationToken::new();
    let worker = relay(
        db.clone(),
        Arc::clone(&bus),
        clock.shared(),
        ids,
        Metrics::new(),
    );
    let running = tokio::spawn(worker.run(stop.clone()));
    let mut reader = bus
        .subscribe("test", &[TOPIC.name], Start::Earliest)
        .await
        .unwrap();
    tokio::select! {
        synced = begun.recv() => synced.unwrap(),
        _ = reader.next() => panic!("sent before it was on disk"),
    }
    assert_eq!(
        bus.ends(&[TOPIC.name]).await.unwrap().next(TOPIC.name, 0),
        0,
        "sent before it was on disk"
    );

    *gate.0.lock() = true;
    gate.1.notify_all();
    let mut reader = bus
        .subscribe("test", &[TOPIC.name], Start::Earliest)
        .await
        .unwrap();
    assert_eq!(
        reader.next().await.unwrap().record.event_id,
        Some(message.event_id)
    );
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(depth(&db).await.unwrap(), 0);
}
