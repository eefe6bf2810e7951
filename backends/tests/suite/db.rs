use backends::{Db, Error, testing::TestDb};

use crate::common::migrations;

const TABLES: &str = "CREATE TABLE parent (id BIGINT NOT NULL PRIMARY KEY, name TEXT UNIQUE, n BIGINT NOT NULL);
    CREATE TABLE child (id BIGINT NOT NULL PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parent (id));
    INSERT INTO parent (id, name, n) VALUES (1, 'first', 0);";

async fn ready(db: &TestDb) -> Db {
    db.migrate(&migrations(&[TABLES])).await.unwrap();
    (**db).clone()
}

async fn n(db: &Db) -> i64 {
    db.query("SELECT n FROM parent WHERE id = 1")
        .scalar()
        .await
        .unwrap()
}

backends::on_every_database! {
    async fn a_commit_is_read_by_everyone_and_a_rollback_by_nobody(db: TestDb) {
        let db = ready(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.query("UPDATE parent SET n = 7 WHERE id = $1").bind(1_i64).execute().await.unwrap();
        assert_eq!(n(&db).await, 0, "not committed yet");
        tx.commit().await.unwrap();
        assert_eq!(n(&db).await, 7);
        let mut tx = db.begin().await.unwrap();
        tx.query("UPDATE parent SET n = 8").execute().await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(n(&db).await, 7);
    }

    async fn a_dropped_transaction_is_undone_before_the_next_one_begins(db: TestDb) {
        let db = ready(&db).await;
        for _ in 0..20 {
            let mut tx = db.begin().await.unwrap();
            tx.query("UPDATE parent SET n = n + 1").execute().await.unwrap();
            drop(tx);
            let mut next = db.begin().await.unwrap();
            assert_eq!(next.query("SELECT n FROM parent WHERE id = 1").scalar::<i64>().await.unwrap(), 0);
            next.commit().await.unwrap();
        }
    }

    async fn a_transaction_cancelled_at_any_await_leaves_nothing_behind(db: TestDb) {
        let db = ready(&db).await;
        for polls in 0..40 {
            let work = async {
                let mut tx = db.begin().await?;
                tx.query("UPDATE parent SET n = n + 1").execute().await?;
                tx.query("UPDATE parent SET n = n - 1").execute().await?;
                tx.rollback().await
            };
            tokio::select! {
                biased;
                done = work => done.unwrap(),
                () = yields(polls) => {}
            }
            let mut tx = db.begin().await.unwrap();
            assert_eq!(tx.query("SELECT n FROM parent WHERE id = 1").scalar::<i64>().await.unwrap(), 0);
            tx.commit().await.unwrap();
        }
    }

    async fn sixty_four_increments_at_once_are_all_counted(db: TestDb) {
        let db = ready(&db).await;
        let writers: Vec<_> = (0..64).map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut tx = db.begin().await.unwrap();
                tx.query("UPDATE parent SET n = n + 1 WHERE id = 1").execute().await.unwrap();
                tx.commit().await.unwrap();
            })
        }).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(n(&db).await, 64);
        db.synced().await.unwrap();
    }

    async fn violated_constraints_are_told_apart(db: TestDb) {
        let db = ready(&db).await;
        let mut tx = db.begin().await.unwrap();
        let twice = tx.query("INSERT INTO parent (id, name, n) VALUES (2, 'first', 0)").execute().await;
        assert!(matches!(twice, Err(Error::Unique)), "{twice:?}");
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        let orphan = tx.query("INSERT INTO child (id, parent) VALUES (1, 99)").execute().await;
        assert!(matches!(orphan, Err(Error::Foreign)), "{orphan:?}");
        drop(tx);
        let nonsense = db.query("SELECT nothing FROM nowhere").scalar::<i64>().await.unwrap_err();
        assert!(matches!(nonsense, Error::Other(_)), "{nonsense:?}");
        assert_eq!(kit::Problem::from(nonsense).code(), "internal");
        db.check().await.unwrap();
    }

    async fn what_was_put_off_is_there_for_the_next_statement_and_after_the_commit(db: TestDb) {
        let db = ready(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.later("INSERT INTO parent (id, name, n) VALUES ($1, $2, $3)").bind(2_i64).bind("a $1 'b'").bind(5_i64).put_off().await.unwrap();
        tx.later("INSERT INTO child (id, parent) VALUES ($2, $1)").bind(2_i64).bind(9_i64).put_off().await.unwrap();
        let sum: i64 = tx.query("SELECT CAST(SUM(p.n + c.id) AS BIGINT) FROM parent p JOIN child c ON c.parent = p.id WHERE p.id = $1 AND p.name <> '$1'")
            .bind(2_i64).scalar().await.unwrap();
        assert_eq!(sum, 14);
        tx.later("UPDATE parent SET n = $1 WHERE id = $2").bind(8_i64).bind(2_i64).put_off().await.unwrap();
        tx.later("DELETE FROM child").put_off().await.unwrap();
        assert_eq!(tx.query("UPDATE parent SET n = n + $1").bind(1_i64).execute().await.unwrap(), 2, "of the last statement only");
        tx.later("DELETE FROM parent WHERE id = $1").bind(1_i64).put_off().await.unwrap();
        tx.commit().await.unwrap();
        let left: Vec<(i64, String, i64)> = db.query("SELECT id, name, n FROM parent").all().await.unwrap();
        assert_eq!(left, [(2, "a $1 'b'".to_owned(), 9)]);
    }

    async fn when_a_statement_that_was_put_off_fails_nothing_of_its_transaction_is_committed(db: TestDb) {
        let db = ready(&db).await;
        for last in [true, false] {
            let outcome = async {
                let mut tx = db.begin().await?;
                tx.query("UPDATE parent SET n = 1").execute().await?;
                tx.later("INSERT INTO parent (id, name, n) VALUES (2, 'first', 0)").put_off().await?;
                if !last {
                    // whoever takes no notice of the failure must not get a half of it committed
                    let _ = tx.query("UPDATE parent SET n = 2").execute().await;
                }
                tx.commit().await
            };
            assert!(outcome.await.is_err());
            assert_eq!(n(&db).await, 0);
        }
        let mut tx = db.begin().await.unwrap();
        tx.later("UPDATE parent SET n = 3").put_off().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(n(&db).await, 3);
    }

    async fn what_was_put_off_and_given_up_is_not_committed_without_it(db: TestDb) {
        let db = ready(&db).await;
        for polls in 0..10 {
            let mut tx = db.begin().await.unwrap();
            tx.later("INSERT INTO parent (id, name, n) VALUES ($1, 'late', 0)").bind(100_i64 + polls).put_off().await.unwrap();
            // whoever gives the next statement up half-way goes on with the transaction all the same
            let given_up = tokio::select! {
                biased;
                _ = tx.query("UPDATE parent SET n = 1").execute() => false,
                () = yields(polls as usize) => true,
            };
            let committed = tx.commit().await.is_ok();
            let there: i64 = db.query("SELECT COUNT(*) FROM parent WHERE id = $1").bind(100_i64 + polls).scalar().await.unwrap();
            assert_eq!(there, i64::from(committed), "{given_up}");
        }
    }

    async fn what_was_put_off_and_given_up_at_any_await_is_all_there_or_not_at_all(db: TestDb) {
        let db = ready(&db).await;
        for polls in 0..40 {
            let before = n(&db).await;
            let work = async {
                let mut tx = db.begin().await?;
                tx.later("UPDATE parent SET n = n + 1").put_off().await?;
                tx.later("UPDATE parent SET n = n + 2").put_off().await?;
                tx.commit().await
            };
            tokio::select! {
                biased;
                done = work => done.unwrap(),
                () = yields(polls) => {}
            }
            let mut tx = db.begin().await.unwrap();
            let after = tx.query("SELECT n FROM parent WHERE id = 1").scalar::<i64>().await.unwrap();
            assert!([before, before + 3].contains(&after), "{before} {after}");
            tx.commit().await.unwrap();
        }
    }

    async fn without_its_condition_nothing_of_a_transaction_happens(db: TestDb) {
        let db = ready(&db).await;
        for (id, n_before, begun) in [(20, 0, false), (21, 7, false), (22, 0, true), (23, 14, true), (24, 9, false)] {
            let outcome = async {
                let mut tx = db.begin().await?;
                if begun {
                    tx.query("DELETE FROM child").execute().await?;
                }
                tx.condition("UPDATE parent SET n = $1 WHERE id = 1 AND n = $2").bind(n_before + 7).bind(n_before).put_off().await?;
                tx.later("INSERT INTO child (id, parent) VALUES ($1, $2)").bind(id).bind(1_i64).put_off().await?;
                tx.later("INSERT INTO parent (id, name, n) VALUES ($1, $2, 0)").bind(id).bind(format!("parent {id}")).put_off().await?;
                tx.commit().await
            };
            let (state, other) = (n(&db).await, children(&db).await);
            let outcome = outcome.await;
            if state == n_before {
                outcome.unwrap();
                assert_eq!((n(&db).await, children(&db).await), (state + 7, 1 + if begun { 0 } else { other }));
            } else {
                assert!(matches!(outcome, Err(Error::Unmet)), "{outcome:?}");
                assert_eq!((n(&db).await, children(&db).await), (state, other));
            }
        }
    }

    async fn of_64_transactions_at_once_with_one_condition_one_is_committed(db: TestDb) {
        let db = ready(&db).await;
        let all = (0..64_i64).map(|i| {
            let db = db.clone();
            async move {
                let mut tx = db.begin().await?;
                tx.condition("UPDATE parent SET n = $1 WHERE id = 1 AND n < $1").bind(1_i64).put_off().await?;
                tx.later("INSERT INTO child (id, parent) VALUES ($1, 1)").bind(i).put_off().await?;
                tx.commit().await
            }
        });
        let outcomes = futures_util::future::join_all(all.map(tokio::spawn)).await;
        let (met, others): (Vec<_>, Vec<_>) = outcomes.into_iter().map(Result::unwrap).partition(Result::is_ok);
        assert_eq!((met.len(), children(&db).await), (1, 1));
        assert!(others.iter().all(|other| matches!(other, Err(Error::Unmet))), "{others:?}");
    }

    async fn a_relaxed_commit_is_a_commit(db: TestDb) {
        let db = ready(&db).await;
        let mut tx = db.begin().await.unwrap();
        tx.query("UPDATE parent SET n = 3").execute().await.unwrap();
        tx.commit_relaxed().await.unwrap();
        assert_eq!(n(&db).await, 3);
    }

    async fn a_missing_row_is_none_where_it_was_asked_for(db: TestDb) {
        let db = ready(&db).await;
        let row: Option<(i64, String)> = db.query("SELECT id, name FROM parent WHERE id = $1").bind(5_i64).optional().await.unwrap();
        assert_eq!(row, None);
        assert!(db.query("SELECT id FROM parent WHERE id = $1").bind(5_i64).scalar::<i64>().await.is_err());
        let all: Vec<(i64, Option<String>)> = db.query("SELECT id, name FROM parent").all().await.unwrap();
        assert_eq!(all, [(1, Some("first".to_owned()))]);
    }
}

async fn children(db: &Db) -> i64 {
    db.query("SELECT COUNT(*) FROM child")
        .scalar()
        .await
        .unwrap()
}

/// Lets the other branch of a select be polled `polls` times.
async fn yields(polls: usize) {
    for _ in 0..polls {
        tokio::task::yield_now().await;
    }
}
