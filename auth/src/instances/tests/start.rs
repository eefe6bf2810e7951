//! Who may be on a store together.

use backends::{db::Share, testing::TestDb};
use std::time::Duration;

use super::school::School;
use crate::instances::{Place, hold, trust::LEASE};

backends::on_every_database! {
    async fn an_instance_without_the_setting_refuses_to_start_beside_another(db: TestDb) {
        let school = School::on(db);
        let alone = school.at(Place::Alone).await.unwrap();
        let here = school.db.again().await;
        let refused = async |share| {
            let claimed = hold::claim(&here, share, Duration::ZERO).await;
            claimed.err().map(|error| error.to_string()).unwrap_or_default()
        };
        assert!(refused(Share::Alone).await.contains("auth.redis is empty"));
        assert!(refused(Share::Together).await.contains("auth.redis is set"));
        assert!(alone.believes());
        drop(alone);
        // a start waits for one that is about to end
        let member = school.starting().await;
        assert!(refused(Share::Alone).await.contains("auth.redis is empty"));
        assert_eq!(refused(Share::Together).await, "");
        drop(member);
        school.at(Place::Alone).await.unwrap();
    }

    async fn a_start_that_is_refused_has_changed_nothing(db: TestDb) {
        // the schema is not made before the claim
        let here = db.again().await;
        let _held = hold::claim(&here, Share::Alone, Duration::ZERO).await.unwrap();
        let school = School::on(db);
        assert!(school.at(Place::Alone).await.is_err());
        let tables = school.db.query("SELECT next FROM counters").scalar::<i64>().await;
        assert!(tables.is_err());
    }

    async fn an_instance_that_ends_is_waited_for_by_nobody(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        b.stop().await;
        let began = std::time::Instant::now();
        a.end(&who).await;
        // who is waited for is waited out
        assert!(began.elapsed() < LEASE, "{:?}", began.elapsed());
        let rows: i64 = school.db.query("SELECT COUNT(*) FROM instances").scalar().await.unwrap();
        assert_eq!(rows, 1);
    }

    async fn who_alone_is_there_numbers_nothing_and_asks_nobody(db: TestDb) {
        let school = School::on(db);
        let alone = school.at(Place::Alone).await.unwrap();
        let ines = alone.person("ines", &[]).await;
        let who = alone.signed_in(ines).await;
        school.clock.advance(super::school::seconds(3000));
        assert!(alone.allows(&who).await);
        // from here on the store would say it
        alone.db.close().await.unwrap();
        assert!(alone.allows(&who).await);
        let number: i64 = school.db.query("SELECT next FROM counters WHERE name = 'changes'").scalar().await.unwrap();
        assert_eq!(number, 0);
    }
}
