use backends::{Db, Error, db::Kind, testing::TestDb};

use crate::common::{migrations, none};

const LEDGER: &str = "CREATE TABLE ledger (id BIGINT NOT NULL PRIMARY KEY, amount BIGINT NOT NULL);
-- append_only: ledger
CREATE TABLE sealed (id BIGINT NOT NULL PRIMARY KEY, v BIGINT NOT NULL, seal TEXT);
-- append_only: sealed once seal is set
";

async fn run(db: &Db, sql: &'static str) -> Result<u64, Error> {
    let mut tx = db.begin().await?;
    let rows = tx.query(sql).execute().await?;
    tx.commit().await?;
    Ok(rows)
}

backends::on_every_database! {
    async fn migrating_twice_changes_nothing(db: TestDb) {
        let all = migrations(&["CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY)"]);
        db.migrate(&all).await.unwrap();
        run(&db, "INSERT INTO a (id) VALUES (1)").await.unwrap();
        db.migrate(&all).await.unwrap();
        assert_eq!(db.query("SELECT COUNT(*) FROM a").scalar::<i64>().await.unwrap(), 1);
    }

    async fn eight_processes_that_migrate_at_once_all_succeed(db: TestDb) {
        let mut handles = Vec::new();
        for _ in 0..8 {
            let other = db.again().await;
            handles.push(tokio::spawn(async move {
                let all = migrations(&["CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY)", "CREATE TABLE b (id BIGINT NOT NULL PRIMARY KEY)"]);
                let result = other.migrate(&all).await;
                other.close().await.unwrap();
                result
            }));
        }
        for handle in handles {
            handle.await.unwrap().unwrap();
        }
        assert_eq!(db.query("SELECT COUNT(*) FROM b").scalar::<i64>().await.unwrap(), 0);
    }

    async fn a_store_of_a_newer_binary_is_refused_with_both_versions(db: TestDb) {
        let (one, two) = ("CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY)", "CREATE TABLE b (id BIGINT NOT NULL PRIMARY KEY)");
        db.migrate(&migrations(&[one, two])).await.unwrap();
        let error = db.migrate(&migrations(&[one])).await.unwrap_err();
        assert!(matches!(error, Error::NewerSchema { found: 2, known: 1 }), "{error:?}");
        assert!(error.to_string().contains("version 2") && error.to_string().contains("up to 1"), "{error}");
        // and the failure leaves no lock behind
        db.migrate(&migrations(&[one, two])).await.unwrap();
    }

    async fn a_migration_that_fails_leaves_no_half_and_no_lock(db: TestDb) {
        let good = "CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY)";
        let bad = migrations(&[good, "CREATE TABLE b (id BIGINT NOT NULL PRIMARY KEY); INSERT INTO nowhere (id) VALUES (1)"]);
        let error = db.migrate(&bad).await.unwrap_err();
        assert!(error.to_string().contains("migration 2"), "{error}");
        assert!(db.query("SELECT id FROM b").all::<(i64,)>().await.is_err());
        db.again().await.migrate(&migrations(&[good, "CREATE TABLE b (id BIGINT NOT NULL PRIMARY KEY)"])).await.unwrap();
    }

    async fn a_changed_migration_is_refused(db: TestDb) {
        db.migrate(&migrations(&["CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY)"])).await.unwrap();
        assert!(db.migrate(&migrations(&["CREATE TABLE a (id BIGINT NOT NULL PRIMARY KEY, x TEXT)"])).await.is_err());
    }

    async fn an_append_only_table_refuses_update_and_delete(db: TestDb) {
        db.migrate(&migrations(&[LEDGER])).await.unwrap();
        run(&db, "INSERT INTO ledger (id, amount) VALUES (1, 5)").await.unwrap();
        let mut forbidden = vec![
            "UPDATE ledger SET amount = 6",
            "DELETE FROM ledger",
            "INSERT INTO ledger (id, amount) VALUES (1, 6) ON CONFLICT (id) DO UPDATE SET amount = excluded.amount",
        ];
        match db.kind() {
            Kind::Sqlite => forbidden.push("INSERT OR REPLACE INTO ledger (id, amount) VALUES (1, 6)"),
            Kind::Postgres => forbidden.push("TRUNCATE ledger"),
        }
        for sql in forbidden {
            let refused = run(&db, sql).await.unwrap_err();
            assert!(format!("{refused:?}").contains("ledger is append-only"), "{sql}: {refused:?}");
        }
        let rows: Vec<(i64, i64)> = db.query("SELECT id, amount FROM ledger").all().await.unwrap();
        assert_eq!(rows, [(1, 5)]);
    }

    async fn a_row_is_closed_once_its_column_is_set(db: TestDb) {
        db.migrate(&migrations(&[LEDGER])).await.unwrap();
        run(&db, "INSERT INTO sealed (id, v) VALUES (1, 1)").await.unwrap();
        assert_eq!(run(&db, "UPDATE sealed SET v = 2").await.unwrap(), 1);
        assert!(run(&db, "DELETE FROM sealed").await.is_err(), "never, sealed or not");
        assert_eq!(run(&db, "UPDATE sealed SET v = 3, seal = 'x'").await.unwrap(), 1);
        assert!(run(&db, "UPDATE sealed SET v = 4").await.is_err());
        assert!(run(&db, "UPDATE sealed SET seal = NULL").await.is_err());
        assert_eq!(db.query("SELECT v FROM sealed").scalar::<i64>().await.unwrap(), 3);
    }

    async fn the_numbers_of_the_outbox_are_never_given_twice(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let mut last = 0;
        for round in 0..3_u64 {
            let mut tx = db.begin().await.unwrap();
            backends::outbox::put(&mut tx, &crate::common::message(&*crate::common::ids(round), "k", 0)).await.unwrap();
            let seq = tx.query("SELECT MAX(seq) FROM outbox").scalar::<i64>().await.unwrap();
            assert!(seq > last, "{seq} after {last}");
            last = seq;
            tx.query("DELETE FROM outbox").execute().await.unwrap();
            tx.commit().await.unwrap();
        }
    }
}
