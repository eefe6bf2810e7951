//! Notices that are lost, instances that stand still or are cut off: nobody allows what was answered as ended.

use std::sync::{Arc, atomic::Ordering};

use backends::testing::TestDb;
use contracts::Role;
use futures_util::FutureExt as _;

use super::school::{Instance, Said, School, SignedIn, seconds, until};
use crate::instances::trust::LEASE;

const REFUSED: Said = Said::Refused(401);
/// Who cannot know says so.
const LATER: Said = Said::Refused(503);

/// Its store goes away, once it has what it needs to go on, and it goes on.
async fn standing_by(school: &School, instance: &Instance) {
    let before = school.hub.renewals(instance.id());
    until(async || school.hub.renewals(instance.id()) > before + 2).await;
    instance.db.close().await.unwrap();
    // the lease in the store runs out, and counts no more
    school.clock.advance(seconds(3));
    instance.believing().await;
}

/// Ends a session on `a` while `b` is asked all the time: as soon as the end is answered, `b` says `then`.
async fn ended_while_asked(a: &Instance, b: &Instance, who: &SignedIn, then: Said) {
    let mut ending = Box::pin(a.end(who));
    let mut answered = false;
    for _ in 0..2_000_000 {
        let asked_after = answered;
        let said = b.says(who).await;
        assert!(
            !asked_after || said == then,
            "{said:?} after the end was answered"
        );
        if asked_after {
            return;
        }
        answered = answered || (&mut ending).now_or_never().is_some();
        tokio::task::yield_now().await;
    }
    panic!("the end was never answered");
}

backends::on_every_database! {
    async fn an_instance_that_hears_nothing_and_does_not_know_it_allows_nothing_that_was_answered_as_ended(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        assert!(b.allows(&who).await);
        school.hub.silence(b.id());
        ended_while_asked(&a, &b, &who, REFUSED).await;
        // it noticed by the numbers
        until(async || b.count("auth_notices_missed_total") > 0).await;
        b.believing().await;
        assert_eq!(b.says(&who).await, REFUSED);
    }

    async fn an_instance_that_knows_that_it_hears_nothing_asks_the_store_and_nobody_waits_for_it(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let (who, other) = (a.signed_in(ines).await, a.signed_in(ines).await);
        school.hub.cut(b.id());
        b.doubting().await;
        until(async || school.db.query("SELECT COUNT(*) FROM instances WHERE listening").scalar::<i64>().await.unwrap() == 1).await;
        let asked = b.count("auth_decisions_from_store_total");
        assert!(b.allows(&who).await && b.allows(&who).await);
        assert_eq!(b.count("auth_decisions_from_store_total"), asked + 2);
        let began = std::time::Instant::now();
        a.end(&who).await;
        assert_eq!(b.says(&who).await, REFUSED);
        a.give(ines, &[Role::Teacher]).await;
        assert_eq!(b.says(&other).await, a.says(&other).await);
        // also what it does itself is known to the others
        b.end(&other).await;
        assert_eq!(a.says(&other).await, REFUSED);
        // who is waited for is waited out, at each of the three
        assert!(began.elapsed() < 3 * LEASE, "{:?}", began.elapsed());
        school.hub.mend(b.id());
        b.believing().await;
        assert_eq!((b.says(&who).await, b.says(&other).await), (REFUSED, REFUSED));
    }

    async fn a_process_that_stood_still_does_not_believe_in_its_old_lease(db: TestDb) {
        let school = School::on(db);
        let (a, mut b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        assert!(b.allows(&who).await);
        b.pause();
        let waited = std::sync::atomic::AtomicBool::new(true);
        let ending = async {
            a.end(&who).await;
            waited.store(false, Ordering::SeqCst);
        };
        let passing = async {
            until(async || school.living().await == 0).await;
            // its lease still lasts, so its silence is waited out
            assert!(waited.load(Ordering::SeqCst));
            school.clock.advance(seconds(2));
        };
        tokio::join!(ending, passing);
        assert!(!b.believes());
        assert_eq!(b.says(&who).await, REFUSED);
        b.resume();
        b.believing().await;
        assert_eq!(b.says(&who).await, REFUSED);
    }

    async fn a_lease_ends_also_where_the_clock_stands_still(db: TestDb) {
        let school = School::on(db);
        let (a, mut b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        assert!(b.allows(&who).await);
        b.pause();
        ended_while_asked(&a, &b, &who, REFUSED).await;
    }

    async fn notices_that_come_late_twice_and_in_another_order_are_taken(db: TestDb) {
        let school = School::on(db);
        let (a, b, c) = (school.instance().await, school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let mut all = Vec::new();
        for _ in 0..12 {
            all.push(a.signed_in(ines).await);
        }
        school.hub.keep();
        let ending = futures_util::future::join_all(all.iter().map(|who| a.end(who)));
        let delivering = async {
            until(async || school.living().await == 0).await;
            school.hub.deliver();
        };
        tokio::join!(ending, delivering);
        for who in &all {
            assert_eq!((b.says(who).await, c.says(who).await), (REFUSED, REFUSED));
        }
        b.believing().await;
        c.believing().await;
    }

    async fn what_is_not_understood_makes_an_instance_load_everything(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let who = a.signed_in(a.person("ines", &[]).await).await;
        let loads = b.count("auth_copy_loads_total");
        school.hub.babble(b.id());
        until(async || b.count("auth_copy_loads_total") > loads).await;
        b.believing().await;
        assert!(b.allows(&who).await);
    }

    async fn an_instance_whose_store_is_away_goes_on_until_somebody_ends_something(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let (who, other) = (a.signed_in(ines).await, a.signed_in(ines).await);
        standing_by(&school, &b).await;
        for _ in 0..10 {
            school.clock.advance(seconds(3));
            b.believing().await;
            assert!(b.allows(&who).await && b.allows(&other).await);
        }
        // it is told, and cannot read what changed
        a.end(&who).await;
        assert_eq!((b.says(&who).await, b.says(&other).await), (LATER, LATER));
        assert!(a.allows(&other).await);
    }

    async fn while_the_store_is_away_who_is_told_nothing_sees_it_by_the_number(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let who = a.signed_in(a.person("ines", &[]).await).await;
        standing_by(&school, &b).await;
        school.hub.silence(b.id());
        ended_while_asked(&a, &b, &who, LATER).await;
        until(async || b.count("auth_notices_missed_total") > 0).await;
        assert_eq!(b.says(&who).await, LATER);
    }

    async fn while_the_store_is_away_nobody_goes_on_by_a_place_that_has_lost_something(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let who = a.signed_in(a.person("ines", &[]).await).await;
        standing_by(&school, &b).await;
        // the number is left there, and lost; nobody tells b
        school.hub.silence(b.id());
        let flushing = async {
            until(async || school.living().await == 0).await;
            school.hub.flush();
        };
        tokio::join!(a.end(&who), flushing);
        assert_eq!(b.says(&who).await, LATER);
    }

    async fn while_store_and_place_are_away_nobody_is_allowed(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let who = a.signed_in(a.person("ines", &[]).await).await;
        standing_by(&school, &b).await;
        school.hub.cut(b.id());
        b.doubting().await;
        assert_eq!(b.says(&who).await, LATER);
        // and nobody waits for it longer than it may believe
        a.end(&who).await;
    }

    async fn an_instance_that_starts_while_others_end_sessions_begins_with_what_is_true(db: TestDb) {
        let school = School::on(db);
        let a = Arc::new(school.instance().await);
        let ines = a.person("ines", &[]).await;
        for _ in 0..6 {
            let (who, other) = (a.signed_in(ines).await, a.signed_in(ines).await);
            let ending = tokio::spawn({
                let (a, who) = (a.clone(), who.clone());
                async move { a.end(&who).await }
            });
            let b = school.starting().await;
            until(async || {
                let ended = ending.is_finished();
                let said = b.says(&who).await;
                assert!(!ended || said == REFUSED);
                ended
            }).await;
            assert!(b.allows(&other).await);
            b.believing().await;
            assert!(b.allows(&other).await);
            assert_eq!(b.says(&who).await, REFUSED);
            b.stop().await;
        }
    }

    async fn a_store_that_went_back_is_believed_again_only_after_it_was_read(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        a.give(ines, &[Role::Teacher]).await;
        assert!(b.allows(&who).await);
        // as a standby that had not got the last change yet
        let mut tx = school.db.begin().await.unwrap();
        tx.query("UPDATE counters SET next = 0 WHERE name = 'changes'").execute().await.unwrap();
        tx.query("UPDATE role_grants SET until_at = from_at").execute().await.unwrap();
        tx.query("UPDATE users SET version = 1").execute().await.unwrap();
        tx.commit().await.unwrap();
        let loads = b.count("auth_copy_loads_total");
        until(async || b.count("auth_copy_loads_total") > loads && b.believes()).await;
        assert_eq!(b.says(&who).await, Said::Allowed(contracts::Roles::MEMBER));
    }
}
