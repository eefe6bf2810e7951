use backends::{
    Db,
    idempotency::{self, KEPT, Outcome},
    testing::TestDb,
};
use chrono::{DateTime, Utc};

use crate::common::{migrations, now};

const TABLE: &str = "CREATE TABLE made (id BIGINT NOT NULL PRIMARY KEY)";

/// What a creation does: one row, once.
async fn create(db: &Db, key: &str, request: &[u8], id: i64, at: DateTime<Utc>) -> Outcome {
    let mut tx = db.begin().await.unwrap();
    let outcome = idempotency::begin(&mut tx, "user:1", key, request, at)
        .await
        .unwrap();
    if outcome == Outcome::Fresh {
        tx.query("INSERT INTO made (id) VALUES ($1)")
            .bind(id)
            .execute()
            .await
            .unwrap();
        idempotency::finish(&mut tx, "user:1", key, &id.to_string())
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    outcome
}

async fn made(db: &Db) -> i64 {
    db.query("SELECT COUNT(*) FROM made")
        .scalar()
        .await
        .unwrap()
}

backends::on_every_database! {
    async fn the_same_request_is_replayed_and_another_is_a_mismatch(db: TestDb) {
        db.migrate(&migrations(&[TABLE])).await.unwrap();
        assert_eq!(create(&db, "k", b"a", 1, now()).await, Outcome::Fresh);
        assert_eq!(create(&db, "k", b"a", 2, now()).await, Outcome::Replay("1".to_owned()));
        assert_eq!(create(&db, "k", b"b", 3, now()).await, Outcome::Mismatch);
        assert_eq!(create(&db, "other", b"a", 4, now()).await, Outcome::Fresh);
        assert_eq!(made(&db).await, 2);
        let problem = idempotency::mismatch();
        assert_eq!((problem.status().as_u16(), problem.code()), (422, "idempotency_mismatch"));
    }

    async fn keys_belong_to_their_owner(db: TestDb) {
        db.migrate(&migrations(&[TABLE])).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert_eq!(idempotency::begin(&mut tx, "user:1", "k", b"a", now()).await.unwrap(), Outcome::Fresh);
        assert_eq!(idempotency::begin(&mut tx, "user:2", "k", b"b", now()).await.unwrap(), Outcome::Fresh);
        tx.rollback().await.unwrap();
    }

    async fn sixty_four_creations_with_one_key_make_one_row(db: TestDb) {
        db.migrate(&migrations(&[TABLE])).await.unwrap();
        let all: Vec<_> = (0..64).map(|id| {
            let db = (*db).clone();
            tokio::spawn(async move { create(&db, "k", b"a", id, now()).await })
        }).collect();
        let mut outcomes = Vec::new();
        for one in all {
            outcomes.push(one.await.unwrap());
        }
        let fresh = outcomes.iter().filter(|outcome| **outcome == Outcome::Fresh).count();
        let replayed: std::collections::BTreeSet<_> = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::Replay(result) => Some(result.clone()),
            _ => None,
        }).collect();
        assert_eq!((fresh, replayed.len(), made(&db).await), (1, 1, 1), "{outcomes:?}");
    }

    async fn a_creation_that_was_rolled_back_can_be_tried_again(db: TestDb) {
        db.migrate(&migrations(&[TABLE])).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        idempotency::begin(&mut tx, "user:1", "k", b"a", now()).await.unwrap();
        drop(tx);
        assert_eq!(create(&db, "k", b"a", 1, now()).await, Outcome::Fresh);
    }

    async fn a_key_is_forgotten_after_a_day_swept_or_not(db: TestDb) {
        db.migrate(&migrations(&[TABLE])).await.unwrap();
        create(&db, "k", b"a", 1, now()).await;
        let almost = now() + KEPT - chrono::Duration::microseconds(1);
        assert_eq!(create(&db, "k", b"a", 2, almost).await, Outcome::Replay("1".to_owned()));
        assert_eq!(idempotency::sweep(&db, almost).await.unwrap(), 0);
        assert_eq!(create(&db, "k", b"b", 3, now() + KEPT).await, Outcome::Fresh);
        assert_eq!(idempotency::sweep(&db, now() + KEPT + KEPT).await.unwrap(), 1);
    }

    async fn a_result_without_a_claim_is_an_error(db: TestDb) {
        db.migrate(&migrations(&[TABLE])).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        assert!(idempotency::finish(&mut tx, "user:1", "k", "1").await.is_err());
    }
}
