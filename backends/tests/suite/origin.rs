//! The request that an event comes of, over outbox and bus to whoever applies it.

use std::sync::Arc;

use async_trait::async_trait;
use backends::{
    Db,
    bus::{Delivered, Start},
    consumer::{Consumer, Failure, Handler},
    outbox,
    testing::TestDb,
};
use kit::{clock::MockClock, metrics::Metrics, server::of_message};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::common::{TOPIC, bus, ids, message, none};

fn at_hand() -> Option<String> {
    kit::server::request_id().map(|id| id.to_str().unwrap().to_owned())
}

/// The request id that was at hand when each record was applied.
#[derive(Default)]
struct Seen(Mutex<Vec<Option<String>>>);

#[async_trait]
impl Handler for Seen {
    async fn apply(&self, _: &Delivered) -> Result<(), Failure> {
        self.0.lock().push(at_hand());
        Ok(())
    }
}

async fn put(db: &Db, n: usize) {
    let ids = ids(n as u64);
    let mut tx = db.begin().await.unwrap();
    outbox::put(&mut tx, &message(&*ids, "k", n)).await.unwrap();
    tx.commit().await.unwrap();
}

backends::on_every_database! {
    async fn what_applies_an_event_belongs_to_the_request_that_it_comes_of(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        put(&db, 1).await;
        of_message(Some("r-7"), None, put(&db, 2)).await;
        // as a message of somebody else may say
        of_message(Some("no id!"), None, put(&db, 3)).await;
        let (test, clock) = (bus().await, MockClock::default().shared());
        let (stop, seen) = (CancellationToken::new(), Arc::new(Seen::default()));
        let relay = outbox::relay(db.clone(), test.bus.clone(), clock.clone(), ids(9), Metrics::new());
        let consumer = Consumer {
            name: "seen".to_owned(), bus: test.bus.clone(), group: "seen".to_owned(), topics: vec![TOPIC.name.to_owned()],
            start: Start::Committed, handler: seen.clone(), clock, metrics: Metrics::new(),
        };
        let (worker, progress) = consumer.into_worker();
        let running = [relay, worker].map(|worker| tokio::spawn(worker.run(stop.clone())));
        let mut watch = progress.watch();
        let _ = watch.wait_for(|_| seen.0.lock().len() == 3).await.unwrap();
        assert_eq!(*seen.0.lock(), [None, Some("r-7".to_owned()), None]);
        assert_eq!(at_hand(), None);
        stop.cancel();
        for worker in running {
            worker.await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn an_event_that_is_kept_as_it_is_sent_carries_its_request_as_well() {
    let of = async |request| {
        let record = of_message(request, None, async {
            message(&*ids(1), "k", 1).into_record()
        });
        record.await.headers.get("ce_requestid").cloned()
    };
    assert_eq!(of(Some("r-7")).await.as_deref(), Some("r-7"));
    assert_eq!(of(None).await, None);
}
