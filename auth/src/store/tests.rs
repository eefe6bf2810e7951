//! What cannot be seen from outside: sweeping, lazy writes, steps whose caller has gone.

use backends::testing::TestDb;
use chrono::TimeDelta;
use contracts::{Role, Roles, UserId, events::RevokeReason};
use kit::{Clock as _, MockClock, RandomIds};

use super::{Listed, NewSession, Proof, ResetPassword, Store, Which, list::LIST, login_key};
use crate::{
    error::Error,
    links::LinkKind,
    model::{NewAccount, Origin, Session},
};

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

struct World {
    store: Store,
    clock: MockClock,
    user: UserId,
}

impl World {
    async fn open(db: &TestDb) -> Self {
        let clock = MockClock::default();
        let store = Store::open(
            (**db).clone(),
            clock.shared(),
            RandomIds::shared(clock.shared()),
        )
        .await
        .unwrap();
        let new = NewAccount {
            email: None,
            username: "ines".into(),
            first_name: String::new(),
            last_name: String::new(),
            roles: Roles::MEMBER.with(Role::Teacher),
            password_hash: Some(HASH.into()),
        };
        let user = store.create(new, Origin::default(), None).await.unwrap().id;
        Self { store, clock, user }
    }

    fn new_session(&self, proof: Option<Proof>) -> NewSession {
        NewSession {
            user: self.user,
            proof,
            idle: TimeDelta::days(7),
            absolute: TimeDelta::days(90),
            user_agent: None,
        }
    }

    async fn session(&self) -> Session {
        self.store
            .open_session(self.new_session(None), Origin::default())
            .await
            .unwrap()
            .0
    }
}

fn proof(hash: &str, rehashed: Option<&str>) -> Proof {
    Proof {
        hash: hash.into(),
        rehashed: rehashed.map(str::to_owned),
        must_change: false,
        name_key: login_key("ines"),
    }
}

backends::on_every_database! {
    async fn what_is_over_is_swept_and_what_lives_stays(db: TestDb) {
        let world = World::open(&db).await;
        let (idle, ended) = (world.session().await, world.session().await);
        world.store.end(world.user, Which::One(ended.id), RevokeReason::Revoked, Origin::default()).await.unwrap();
        world.clock.advance(TimeDelta::days(6));
        let used = world.session().await;
        assert_eq!(world.store.sweep().await.unwrap().sessions, 0);
        world.clock.advance(TimeDelta::days(3));
        let swept = world.store.sweep().await.unwrap();
        assert_eq!((swept.sessions, swept.tokens), (1, 2), "the idle one; the ended one is kept for a while");
        let memory = world.store.memory();
        assert!(memory.session(idle.id).is_none() && memory.session(used.id).is_some());
        world.clock.advance(TimeDelta::days(25));
        world.store.sweep().await.unwrap();
        assert!(memory.session(ended.id).is_none() && memory.session(used.id).is_none());
        let left: i64 = db.query("SELECT COUNT(*) FROM sessions").scalar().await.unwrap();
        assert_eq!(left, 0);
    }

    async fn a_session_in_use_without_a_refresh_is_not_swept_while_its_token_may_live(db: TestDb) {
        let world = World::open(&db).await;
        let session = world.session().await;
        world.clock.advance(TimeDelta::days(8));
        world.store.memory().session(session.id).unwrap().seen(world.clock.now());
        assert_eq!(world.store.write_last_seen().await.unwrap(), 1);
        assert_eq!(world.store.sweep().await.unwrap().sessions, 0);
        world.clock.advance(TimeDelta::hours(25));
        assert_eq!(world.store.sweep().await.unwrap().sessions, 1);
    }

    async fn last_uses_are_written_down_later_and_never_go_back(db: TestDb) {
        let world = World::open(&db).await;
        let session = world.session().await;
        let live = world.store.memory().session(session.id).unwrap();
        world.clock.advance(TimeDelta::seconds(90));
        live.seen(world.clock.now());
        live.seen(world.clock.now() - TimeDelta::seconds(50));
        assert_eq!(world.store.sessions(world.user).await.unwrap()[0].last_seen_at, world.clock.now());
        assert_eq!(world.store.write_last_seen().await.unwrap(), 1);
        assert_eq!(world.store.write_last_seen().await.unwrap(), 0);
        let again = Store::open((*db).clone(), world.clock.shared(), RandomIds::shared(world.clock.shared())).await.unwrap();
        assert_eq!(again.memory().session(session.id).unwrap().last_seen(), world.clock.now());
    }

    async fn a_step_whose_caller_hangs_up_still_reaches_the_copy(db: TestDb) {
        let world = World::open(&db).await;
        let session = world.session().await;
        let mut step = Box::pin(world.store.deactivate(world.user, Origin::default()));
        // begun, and given up at the first wait
        assert!(futures_util::poll!(&mut step).is_pending());
        drop(step);
        let gone = async {
            while !world.store.memory().session(session.id).unwrap().is_revoked() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.unwrap();
        assert!(!world.store.memory().account(world.user).unwrap().account.active);
    }

    async fn a_password_that_changed_while_it_was_checked_opens_nothing(db: TestDb) {
        let world = World::open(&db).await;
        let stale = world.store.open_session(world.new_session(Some(proof("$2b$04$another", None))), Origin::default()).await;
        assert!(matches!(stale, Err(Error::HashChanged)));
        let rehashed = proof(HASH, Some("$2b$04$new"));
        world.store.open_session(world.new_session(Some(rehashed)), Origin::default()).await.unwrap();
        let second = world.store.open_session(world.new_session(Some(proof(HASH, Some("$2b$04$other")))), Origin::default()).await;
        assert!(matches!(second, Err(Error::HashChanged)), "a rehash does not undo another");
        let stored = world.store.credential("ines").await.unwrap().unwrap().password_hash;
        assert_eq!(stored.as_deref(), Some("$2b$04$new"));
        world.store.deactivate(world.user, Origin::default()).await.unwrap();
        let late = world.store.open_session(world.new_session(Some(proof("$2b$04$new", None))), Origin::default()).await;
        assert!(matches!(late, Err(Error::HashChanged)), "an inactive account opens nothing");
    }

    async fn links_that_have_expired_are_swept(db: TestDb) {
        let world = World::open(&db).await;
        world.store.make_reset_link(world.user, TimeDelta::minutes(30), Origin::default()).await.unwrap();
        let left = async || db.query("SELECT COUNT(*) FROM links").scalar::<i64>().await.unwrap();
        world.store.sweep().await.unwrap();
        assert_eq!(left().await, 1);
        world.clock.advance(TimeDelta::minutes(31));
        world.store.sweep().await.unwrap();
        assert_eq!(left().await, 0);
    }

    async fn a_link_whose_hash_took_too_long_is_refused_at_the_last_moment(db: TestDb) {
        let world = World::open(&db).await;
        let link = world.store.make_reset_link(world.user, TimeDelta::minutes(30), Origin::default()).await.unwrap();
        assert_eq!(world.store.waiting_link(LinkKind::Reset, link.id).await.unwrap(), Some(world.user));
        world.clock.advance(TimeDelta::minutes(30));
        let late = ResetPassword { link: link.id, user: world.user, new_hash: "$2b$04$new".into() };
        assert!(matches!(world.store.reset_password(late, Origin::default()).await, Err(Error::LinkGone)));
        let stored = world.store.credential("ines").await.unwrap().unwrap().password_hash;
        assert_eq!(stored.as_deref(), Some(HASH));
    }

    async fn accounts_from_before_there_was_a_search_are_found_after_the_next_start(db: TestDb) {
        let world = World::open(&db).await;
        let mut tx = db.begin().await.unwrap();
        for n in 100..1_300_i64 {
            tx.query("INSERT INTO users (id, username, username_norm, first_name, last_name, active, login_enabled, must_change, roles_version, version, created_at) \
                      VALUES ($1, $2, $2, 'Zoë', 'Weiß', TRUE, TRUE, FALSE, 1, 1, $3)")
                .bind(n).bind(format!("zoe{n}")).bind(world.clock.now()).execute().await.unwrap();
        }
        tx.query("UPDATE users SET search = NULL").execute().await.unwrap();
        tx.commit().await.unwrap();
        let again = Store::open((*db).clone(), world.clock.shared(), RandomIds::shared(world.clock.shared())).await.unwrap();
        let find = async |word: &str| {
            let listed = Listed { after: 0, roles: None, active: None, words: vec![word.to_owned()], limit: 2_000 };
            again.list(&listed).await.unwrap().len()
        };
        assert_eq!((find("weiss").await, find("zoe1299").await, find("ines").await), (1_200, 1, 1));
    }

    async fn the_reads_of_a_login_a_refresh_and_a_list_use_an_index(db: TestDb) {
        let world = World::open(&db).await;
        if world.store.db.kind() == backends::db::Kind::Postgres {
            return; // its planner prefers a scan of an empty table
        }
        for sql in [
            "EXPLAIN QUERY PLAN SELECT id FROM users WHERE username_norm = 'a' OR email_norm = 'a'",
            "EXPLAIN QUERY PLAN SELECT id FROM refresh_tokens WHERE hash = x'00'",
            "EXPLAIN QUERY PLAN SELECT id FROM sessions WHERE user_id = 1 AND revoked_at IS NULL",
            "EXPLAIN QUERY PLAN SELECT role FROM role_grants WHERE user_id = 1 AND until_at IS NULL",
            "EXPLAIN QUERY PLAN SELECT user_id FROM links WHERE id = x'00' AND used_at IS NULL",
            "EXPLAIN QUERY PLAN DELETE FROM links WHERE user_id = 1 AND kind = 'reset' AND used_at IS NULL",
            "EXPLAIN QUERY PLAN DELETE FROM links WHERE expires_at < 'x'",
            &format!("EXPLAIN QUERY PLAN {LIST}"),
        ] {
            let plan: Vec<(i64, i64, i64, String)> = db.query(sqlx::AssertSqlSafe(sql)).all().await.unwrap();
            assert!(plan.iter().all(|step| !step.3.starts_with("SCAN") && !step.3.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
    }
}
