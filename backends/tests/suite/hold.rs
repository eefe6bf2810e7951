//! Claims on a whole database.

use backends::{
    db::{Kind, Share},
    testing::TestDb,
};

backends::on_every_database! {
    async fn who_is_alone_is_alone_until_it_has_gone(db: TestDb) {
        let other = db.again().await;
        let mut alone = db.hold("service", Share::Alone).await.unwrap().unwrap();
        assert!(other.hold("service", Share::Alone).await.unwrap().is_none());
        assert!(other.hold("service", Share::Together).await.unwrap().is_none());
        assert!(other.hold("another", Share::Alone).await.unwrap().is_some());
        assert!(alone.check().await.unwrap());
        drop(alone);
        // the server notices that a connection has ended a moment later
        let mut second = other.hold("service", Share::Alone).await.unwrap();
        while second.is_none() {
            second = other.hold("service", Share::Alone).await.unwrap();
        }
        assert!(db.hold("service", Share::Together).await.unwrap().is_none());
    }

    async fn those_who_share_keep_out_who_wants_to_be_alone(db: TestDb) {
        let other = db.again().await;
        let one = db.hold("service", Share::Together).await.unwrap().unwrap();
        let two = other.hold("service", Share::Together).await.unwrap().unwrap();
        assert!(db.hold("service", Share::Alone).await.unwrap().is_none());
        drop(one);
        assert!(db.hold("service", Share::Alone).await.unwrap().is_none());
        drop(two);
        while db.hold("service", Share::Alone).await.unwrap().is_none() {}
    }

    async fn a_claim_that_ended_with_its_connection_is_made_again_unless_somebody_was_faster(db: TestDb) {
        if db.kind() == Kind::Sqlite {
            return; // a lock of the system ends with its process only
        }
        let end_all = async || {
            let sql = "SELECT COUNT(*) FILTER (WHERE pg_terminate_backend(l.pid, 20000)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                       WHERE l.locktype = 'advisory' AND d.datname = current_database() AND \
                       (CAST(l.classid AS BIGINT) << 32) | CAST(l.objid AS BIGINT) = hashtextextended(current_schema() || '.service', 0)";
            let ended: i64 = db.query(sql).scalar().await.unwrap();
            assert_eq!(ended, 1);
        };
        let mut held = db.hold("service", Share::Alone).await.unwrap().unwrap();
        end_all().await;
        assert!(held.check().await.unwrap());
        assert!(db.hold("service", Share::Alone).await.unwrap().is_none(), "made again");
        end_all().await;
        let faster = db.hold("service", Share::Alone).await.unwrap();
        assert!(faster.is_some());
        assert!(!held.check().await.unwrap());
        assert!(!held.check().await.unwrap(), "and not by asking again");
        drop(faster);
        while !held.check().await.unwrap() {}
    }
}
