//! What only SQLite promises: durability by shared syncs, and the one writer.

use std::{io, path::PathBuf, sync::mpsc, time::Duration};

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        Fixture {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("a.db")
    }

    async fn open(&self, options: DbOptions) -> Db {
        let db = Db::open(&format!("sqlite:{}", self.path().display()), options)
            .await
            .unwrap();
        make_table(&db).await;
        db
    }
}

async fn make_table(db: &Db) {
    let mut tx = db.begin().await.unwrap();
    tx.query("CREATE TABLE IF NOT EXISTS t (n BIGINT NOT NULL PRIMARY KEY, b BYTEA)")
        .execute()
        .await
        .unwrap();
    tx.commit_relaxed().await.unwrap();
}

async fn insert(db: &Db, n: i64) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    tx.query("INSERT INTO t (n) VALUES ($1)")
        .bind(n)
        .execute()
        .await?;
    tx.commit().await
}

async fn count(db: &Db) -> i64 {
    db.query("SELECT COUNT(*) FROM t").scalar().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_concurrent_commits_need_fewer_syncs_than_commits() {
    let fixture = Fixture::new();
    let (allow, allowed) = mpsc::channel::<()>();
    // the first sync takes until all have committed; the channel closed, the others take no time
    let sync = Box::new(move || {
        let _ = allowed.recv();
        Ok(())
    });
    let db = Db::open_with(&fixture.path(), DbOptions::default(), sync)
        .await
        .unwrap();
    make_table(&db).await;
    let before = db.counters().commits;
    let writers: Vec<_> = (0..64)
        .map(|n| {
            let db = db.clone();
            tokio::spawn(async move { insert(&db, n).await })
        })
        .collect();
    while db.counters().commits < before + 64 {
        tokio::task::yield_now().await;
    }
    drop(allow);
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(count(&db).await, 64);
    assert!(db.counters().syncs < 10, "{:?}", db.counters());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_visible_at_once_but_answers_only_after_its_sync() {
    let fixture = Fixture::new();
    let (allow, allowed) = mpsc::channel::<()>();
    let sync = Box::new(move || allowed.recv().map_err(io::Error::other));
    let db = Db::open_with(&fixture.path(), DbOptions::default(), sync)
        .await
        .unwrap();
    make_table(&db).await;
    let writer = tokio::spawn({
        let db = db.clone();
        async move { insert(&db, 1).await }
    });
    while count(&db).await == 0 {
        tokio::task::yield_now().await;
    }
    assert!(!writer.is_finished(), "nothing was synced yet");
    assert_eq!(db.counters().syncs, 0);
    allow.send(()).unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(db.counters().syncs, 1);
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_accepted_and_readiness_says_so_while_reads_go_on() {
    let fixture = Fixture::new();
    let sync = Box::new(|| Err(io::Error::other("no disk")));
    let db = Db::open_with(&fixture.path(), DbOptions::default(), sync)
        .await
        .unwrap();
    make_table(&db).await;
    assert!(matches!(insert(&db, 1).await, Err(Error::Unavailable(_))));
    assert!(matches!(insert(&db, 2).await, Err(Error::Unavailable(_))));
    assert!(matches!(db.synced().await, Err(Error::Unavailable(_))));
    assert!(matches!(db.check().await, Err(Error::Unavailable(_))));
    assert_eq!(
        count(&db).await,
        1,
        "the second was refused before it began"
    );
    assert_eq!(db.counters().syncs, 1);
}

#[tokio::test]
async fn with_full_sync_no_commit_asks_the_sync_thread() {
    let fixture = Fixture::new();
    let db = fixture
        .open(DbOptions {
            sync: Sync::Full,
            ..DbOptions::default()
        })
        .await;
    insert(&db, 1).await.unwrap();
    assert_eq!(db.counters().syncs, 0);
    let (level,): (i64,) = db
        .begin()
        .await
        .unwrap()
        .query("PRAGMA synchronous")
        .one()
        .await
        .unwrap();
    assert_eq!(level, 2, "FULL");
}

#[tokio::test]
async fn a_write_outside_a_transaction_fails() {
    let fixture = Fixture::new();
    let db = fixture.open(DbOptions::default()).await;
    assert!(
        db.query("INSERT INTO t (n) VALUES (1)")
            .execute()
            .await
            .is_err()
    );
    assert!(
        db.query("INSERT INTO t (n) VALUES (1) RETURNING n")
            .scalar::<i64>()
            .await
            .is_err()
    );
    assert_eq!(count(&db).await, 0);
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_the_writer_goes_on_afterwards() {
    let fixture = Fixture::new();
    let db = fixture.open(DbOptions::default()).await;
    let mut tx = db.begin().await.unwrap();
    tx.query("PRAGMA max_page_count = 20")
        .optional::<(i64,)>()
        .await
        .unwrap();
    let refused = tx
        .query("INSERT INTO t (n, b) VALUES (1, $1)")
        .bind(vec![0u8; 1_000_000])
        .execute()
        .await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Full(_)), "{refused}");
    let problem = kit::Problem::from(refused);
    assert_eq!(
        (problem.status().as_u16(), problem.code()),
        (507, "storage_full")
    );
    drop(tx);
    insert(&db, 2).await.unwrap();
    assert_eq!(count(&db).await, 1);
}

#[tokio::test]
async fn a_transaction_that_sqlite_undid_by_itself_cannot_be_committed_and_the_next_one_can() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();
    let db = fixture.open(DbOptions::default()).await;
    let inode = || {
        std::fs::metadata(format!("{}-wal", fixture.path().display()))
            .unwrap()
            .ino()
    };
    let before = inode();
    let mut tx = db.begin().await.unwrap();
    // what SQLite does by itself after some I/O errors
    tx.query("ROLLBACK").execute().await.unwrap();
    assert!(tx.commit().await.is_err());
    insert(&db, 1).await.unwrap();
    assert_eq!(count(&db).await, 1);
    assert_eq!(inode(), before, "the sync thread holds this file");
}

#[tokio::test]
async fn a_checkpoint_leaves_the_log_file_in_place() {
    use std::os::unix::fs::MetadataExt;
    let fixture = Fixture::new();
    let db = fixture.open(DbOptions::default()).await;
    let inode = || {
        std::fs::metadata(format!("{}-wal", fixture.path().display()))
            .unwrap()
            .ino()
    };
    let before = inode();
    insert(&db, 1).await.unwrap();
    let again = fixture.open(DbOptions::default()).await;
    insert(&again, 2).await.unwrap();
    again.close().await.unwrap();
    assert_eq!(
        inode(),
        before,
        "closing another handle must not remove the log"
    );
    insert(&db, 3).await.unwrap();
    assert_eq!(count(&db).await, 3);
}

#[tokio::test]
async fn a_transaction_inside_a_transaction_ends_in_an_error_and_not_in_silence() {
    let fixture = Fixture::new();
    let db = fixture
        .open(DbOptions {
            patience: Duration::from_millis(20),
            ..DbOptions::default()
        })
        .await;
    let tx = db.begin().await.unwrap();
    assert!(matches!(db.begin().await, Err(Error::Unavailable(_))));
    tx.rollback().await.unwrap();
    insert(&db, 1).await.unwrap();
}

#[tokio::test]
async fn an_address_that_names_no_store_is_refused_with_the_known_ones() {
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "mysql://u:secret@h/d",
        "nothing",
        "sqlite::memory:",
        "sqlite:",
        "postgres://[",
    ] {
        let error = Db::open(url, DbOptions::default()).await.unwrap_err();
        assert!(matches!(error, Error::Configuration(_)), "{url}: {error:?}");
        assert!(!format!("{error:?}").contains("secret"));
    }
    let unknown = Db::open("mysql:x", DbOptions::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        unknown.contains("sqlite:") && unknown.contains("postgres:"),
        "{unknown}"
    );
    let missing = format!("sqlite:{}/no/a.db", folder.path().display());
    assert!(matches!(
        Db::open(&missing, DbOptions::default()).await,
        Err(Error::Configuration(_))
    ));
    let refused = Db::open(
        "postgres://u:p@127.0.0.1:1/d",
        DbOptions {
            patience: Duration::from_secs(1),
            ..DbOptions::default()
        },
    )
    .await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_closed_database_answers_unavailable() {
    let fixture = Fixture::new();
    let db = fixture.open(DbOptions::default()).await;
    insert(&db, 1).await.unwrap();
    db.close().await.unwrap();
    assert!(matches!(db.begin().await, Err(Error::Unavailable(_))));
    assert!(matches!(db.check().await, Err(Error::Unavailable(_))));
    assert!(
        !fixture.path().with_extension("db-wal").exists(),
        "the log was folded into the file"
    );
    assert_eq!(count(&fixture.open(DbOptions::default()).await).await, 1);
}

#[tokio::test]
async fn a_refused_first_statement_leaves_a_transaction_that_can_go_on_or_be_undone() {
    let fixture = Fixture::new();
    let db = fixture.open(DbOptions::default()).await;
    insert(&db, 1).await.unwrap();
    let mut tx = db.begin().await.unwrap();
    let twice = tx.query("INSERT INTO t (n) VALUES (1)").execute().await;
    assert!(matches!(twice, Err(Error::Unique)), "{twice:?}");
    tx.query("INSERT INTO t (n) VALUES (2)")
        .execute()
        .await
        .unwrap();
    assert_eq!(count(&db).await, 1, "still inside the transaction");
    tx.rollback().await.unwrap();
    assert_eq!(count(&db).await, 1);
}
