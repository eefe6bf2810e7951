use std::time::Duration;

use backends::{
    Db, Tx,
    audit::{self, Entry, Verdict},
    db::Kind,
    testing::TestDb,
};
use kit::{
    clock::MockClock,
    ids::{Ids, SharedIds},
    metrics::Metrics,
};
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use crate::common::{ids, none, now};

async fn enter(tx: &mut Tx, n: i64, ids: &dyn Ids) {
    let entry = Entry {
        actor: Some(7),
        before: Some(json!({"points": n})),
        after: Some(json!({"points": n + 1})),
        from: Some("192.0.2.7".to_owned()),
        request_id: Some(format!("r{n}")),
        ..Entry::of("thing.changed", format!("thing:{n}"), now(), ids)
    };
    audit::put(tx, entry).await.unwrap();
}

/// `count` entries, each of its own transaction, all chained.
async fn filled(db: &Db, count: i64) -> SharedIds {
    db.migrate(&none()).await.unwrap();
    let ids = ids(1);
    for n in 1..=count {
        let mut tx = db.begin().await.unwrap();
        enter(&mut tx, n, &*ids).await;
        tx.commit().await.unwrap();
    }
    chain(db, &ids).await;
    ids
}

/// A chainer that is stopped at once chains what is there.
async fn chain(db: &Db, ids: &SharedIds) {
    let stopped = CancellationToken::new();
    stopped.cancel();
    audit::chainer(db.clone(), MockClock::default().shared(), ids.clone())
        .run(stopped)
        .await
        .unwrap();
}

/// Changes rows as somebody with the database's password would.
async fn tamper(db: &Db, statements: &[&str]) {
    let mut tx = db.begin().await.unwrap();
    let on = match db.kind() {
        Kind::Sqlite => "",
        Kind::Postgres => " ON audit",
    };
    for trigger in ["update", "delete"] {
        let drop = format!("DROP TRIGGER IF EXISTS audit_append_only_{trigger}{on}");
        tx.query(AssertSqlSafe(drop)).execute().await.unwrap();
    }
    for statement in statements {
        tx.query(AssertSqlSafe((*statement).to_owned()))
            .execute()
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
}

fn bad(checked: i64, seq: i64) -> Verdict {
    Verdict {
        ok: false,
        checked,
        first_bad: Some(seq),
    }
}

fn good(checked: i64) -> Verdict {
    Verdict {
        ok: true,
        checked,
        first_bad: None,
    }
}

backends::on_every_database! {
    async fn entries_are_chained_in_the_order_of_their_arrival_and_verify(db: TestDb) {
        let ids = filled(&db, 5).await;
        assert_eq!(audit::verify(&db).await.unwrap(), good(5));
        let order: Vec<(i64, String)> = db.query("SELECT seq, object FROM audit ORDER BY seq").all().await.unwrap();
        assert_eq!(order, (1..=5).map(|n| (n, format!("thing:{n}"))).collect::<Vec<_>>());
        let mut tx = db.begin().await.unwrap();
        enter(&mut tx, 6, &*ids).await;
        tx.commit().await.unwrap();
        assert_eq!(audit::verify(&db).await.unwrap(), good(5), "the sixth waits for the chainer");
        chain(&db, &ids).await;
        assert_eq!(audit::verify(&db).await.unwrap(), good(6));
    }

    async fn a_commit_wakes_the_chainer(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let ids = ids(2);
        let stop = CancellationToken::new();
        let worker = tokio::spawn(audit::chainer((*db).clone(), MockClock::default().shared(), ids.clone()).run(stop.clone()));
        let mut tx = db.begin().await.unwrap();
        enter(&mut tx, 1, &*ids).await;
        tx.commit().await.unwrap();
        let chained = async {
            while audit::verify(&db).await.unwrap().checked == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), chained).await.unwrap();
        stop.cancel();
        worker.await.unwrap().unwrap();
    }

    async fn the_watcher_tells_whether_the_chain_holds(db: TestDb) {
        filled(&db, 3).await;
        for broken in [0, 1] {
            let metrics = Metrics::new();
            let stop = CancellationToken::new();
            let worker = tokio::spawn(audit::watcher((*db).clone(), metrics.clone()).run(stop.clone()));
            let told = async {
                while !metrics.render().contains("audit_checked{") {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), told).await.unwrap();
            let line = format!("audit_broken{{store=\"{}\"}} {broken}\n", db.name());
            assert!(metrics.render().contains(&line), "{line}{}", metrics.render());
            stop.cancel();
            worker.await.unwrap().unwrap();
            tamper(&db, &["DELETE FROM audit WHERE seq = 2"]).await;
        }
    }

    async fn a_chained_entry_can_be_neither_changed_nor_deleted(db: TestDb) {
        filled(&db, 2).await;
        for sql in ["UPDATE audit SET action = 'x'", "UPDATE audit SET seq = 9 WHERE seq = 1", "DELETE FROM audit WHERE seq = 2"] {
            let mut tx = db.begin().await.unwrap();
            assert!(tx.query(sql).execute().await.is_err(), "{sql}");
        }
        assert_eq!(audit::verify(&db).await.unwrap(), good(2));
    }

    async fn every_changed_column_is_found_at_its_entry(db: TestDb) {
        filled(&db, 3).await;
        for (column, value) in [
            ("at", "'2026-03-02 09:00:00+00:00'"), ("actor", "8"), ("on_behalf_of", "8"), ("action", "'x'"), ("object", "'x'"),
            ("reason", "'x'"), ("before_c", "after_c"), ("after_c", "NULL"), ("from_c", "after_c"), ("request_id", "NULL"),
            ("prev_hash", "hash"), ("hash", "prev_hash"),
        ] {
            let mut tx = db.begin().await.unwrap();
            tx.query("CREATE TABLE kept AS SELECT * FROM audit WHERE seq = 2").execute().await.unwrap();
            tx.commit().await.unwrap();
            tamper(&db, &[&format!("UPDATE audit SET {column} = {value} WHERE seq = 2")]).await;
            assert_eq!(audit::verify(&db).await.unwrap(), bad(2, 2), "{column}");
            let back = format!("UPDATE audit SET {column} = (SELECT {column} FROM kept) WHERE seq = 2");
            tamper(&db, &[&back, "DROP TABLE kept"]).await;
            assert_eq!(audit::verify(&db).await.unwrap(), good(3), "{column} restored");
        }
    }

    async fn a_deleted_entry_is_found_at_its_number(db: TestDb) {
        filled(&db, 4).await;
        tamper(&db, &["DELETE FROM audit WHERE seq = 2"]).await;
        assert_eq!(audit::verify(&db).await.unwrap(), bad(2, 2));
    }

    async fn a_deleted_first_entry_is_found(db: TestDb) {
        filled(&db, 2).await;
        tamper(&db, &["DELETE FROM audit WHERE seq = 1"]).await;
        assert_eq!(audit::verify(&db).await.unwrap(), bad(1, 1));
    }

    async fn swapped_entries_are_found_at_the_first(db: TestDb) {
        filled(&db, 4).await;
        tamper(&db, &[
            "UPDATE audit SET seq = 99 WHERE seq = 2", "UPDATE audit SET seq = 2 WHERE seq = 3", "UPDATE audit SET seq = 3 WHERE seq = 99",
        ]).await;
        assert_eq!(audit::verify(&db).await.unwrap(), bad(2, 2));
    }

    async fn an_inserted_entry_is_found(db: TestDb) {
        filled(&db, 2).await;
        tamper(&db, &[
            "INSERT INTO audit (seq, at, action, object, prev_hash, hash) SELECT 3, at, action, object, prev_hash, hash FROM audit WHERE seq = 2",
        ]).await;
        assert_eq!(audit::verify(&db).await.unwrap(), bad(3, 3));
    }

    async fn an_entry_taken_out_of_the_chain_is_found(db: TestDb) {
        filled(&db, 3).await;
        tamper(&db, &["UPDATE audit SET seq = NULL, prev_hash = NULL, hash = NULL WHERE seq = 2"]).await;
        assert_eq!(audit::verify(&db).await.unwrap(), bad(2, 2));
    }

    async fn erasing_clear_values_keeps_the_chain_and_leaves_nothing_to_read(db: TestDb) {
        filled(&db, 3).await;
        let mut tx = db.begin().await.unwrap();
        assert_eq!(audit::erase(&mut tx, "thing:2").await.unwrap(), 2);
        assert_eq!(audit::erase(&mut tx, "actor:7").await.unwrap(), 3, "the addresses");
        tx.commit().await.unwrap();
        assert_eq!(audit::verify(&db).await.unwrap(), good(3));
        let left: Vec<(String, String)> = db.query("SELECT object, value FROM audit_secret ORDER BY object").all().await.unwrap();
        assert!(left.iter().all(|(object, value)| object != "thing:2" && !value.contains("192.0.2.7")), "{left:?}");
        assert_eq!(left.len(), 4);
    }

    async fn a_changed_clear_value_is_found_at_its_entry(db: TestDb) {
        filled(&db, 3).await;
        tamper(&db, &["UPDATE audit_secret SET value = '{\"points\":100}' WHERE object = 'thing:3'"]).await;
        let verdict = audit::verify(&db).await.unwrap();
        assert_eq!(verdict, bad(3, 3));
    }

    async fn equal_values_have_different_commitments(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let ids = ids(3);
        let mut tx = db.begin().await.unwrap();
        for _ in 0..3 {
            let entry = Entry { before: Some(json!(true)), after: Some(json!(true)), ..Entry::of("a.b", "c:1", now(), &*ids) };
            audit::put(&mut tx, entry).await.unwrap();
        }
        tx.commit().await.unwrap();
        let distinct: i64 = db.query("SELECT COUNT(DISTINCT commitment) FROM audit_secret").scalar().await.unwrap();
        assert_eq!(distinct, 6);
    }

    async fn a_rolled_back_change_leaves_no_entry(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        enter(&mut tx, 1, &*ids(4)).await;
        tx.rollback().await.unwrap();
        assert_eq!(db.query("SELECT COUNT(*) FROM audit").scalar::<i64>().await.unwrap(), 0);
    }

    async fn two_chainers_make_one_chain_of_what_many_write(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let ids = ids(5);
        let stop = CancellationToken::new();
        let mut chainers = Vec::new();
        for _ in 0..2 {
            let other = db.again().await;
            chainers.push(tokio::spawn(audit::chainer(other, MockClock::default().shared(), ids.clone()).run(stop.clone())));
        }
        let writers: Vec<_> = (0..64).map(|n| {
            let (db, ids) = ((*db).clone(), ids.clone());
            tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                enter(&mut tx, n, &*ids).await;
                tx.commit().await.unwrap();
            })
        }).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        stop.cancel();
        for chainer in chainers {
            chainer.await.unwrap().unwrap();
        }
        chain(&db, &ids).await;
        assert_eq!(audit::verify(&db).await.unwrap(), good(64));
    }
}
