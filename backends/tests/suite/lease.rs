use std::time::Duration;

use backends::{lease, testing::TestDb};

use crate::common::{none, now};

const TEN: Duration = Duration::from_secs(10);

backends::on_every_database! {
    async fn a_lease_has_one_holder_until_it_runs_out(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let later = |seconds| now() + chrono::Duration::seconds(seconds);
        assert!(lease::take(&db, "job", "a", TEN, now()).await.unwrap());
        assert!(!lease::take(&db, "job", "b", TEN, later(9)).await.unwrap());
        assert!(lease::take(&db, "other", "b", TEN, now()).await.unwrap());
        assert!(lease::take(&db, "job", "a", TEN, later(9)).await.unwrap(), "renewed");
        assert!(!lease::take(&db, "job", "b", TEN, later(18)).await.unwrap());
        assert!(lease::take(&db, "job", "b", TEN, later(19)).await.unwrap());
        assert!(!lease::take(&db, "job", "a", TEN, later(19)).await.unwrap(), "lost");
    }

    async fn a_lease_given_up_is_free_and_only_its_holder_can_give_it_up(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        assert!(lease::take(&db, "job", "a", TEN, now()).await.unwrap());
        lease::release(&db, "job", "b").await.unwrap();
        assert!(!lease::take(&db, "job", "b", TEN, now()).await.unwrap());
        lease::release(&db, "job", "a").await.unwrap();
        assert!(lease::take(&db, "job", "b", TEN, now()).await.unwrap());
    }

    async fn of_sixty_four_that_ask_at_once_one_gets_it(db: TestDb) {
        db.migrate(&none()).await.unwrap();
        let asking: Vec<_> = (0..64).map(|n| {
            let db = (*db).clone();
            tokio::spawn(async move { lease::take(&db, "job", &n.to_string(), TEN, now()).await.unwrap() })
        }).collect();
        let mut taken = 0;
        for one in asking {
            taken += usize::from(one.await.unwrap());
        }
        assert_eq!(taken, 1);
    }
}
