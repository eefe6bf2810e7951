//! What was once and only once on one instance is so on several.

use backends::testing::TestDb;
use chrono::TimeDelta;
use contracts::Role;
use futures_util::future::join_all;
use secrecy::SecretString;

use super::school::{Said, School, seconds};
use crate::{
    error::Error,
    links::LinkKind,
    model::{NewAccount, Origin},
    store::{ResetPassword, login_key},
};

fn idle() -> TimeDelta {
    TimeDelta::days(7)
}

backends::on_every_database! {
    async fn fifty_refreshes_of_one_token_on_two_instances_give_four_successors(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let who = a.signed_in(a.person("ines", &[]).await).await;
        let tries = (0..50).map(async |n| {
            let store = if n % 2 == 0 { &a.auth.store } else { &b.auth.store };
            store.refresh(&who.refresh, idle(), Origin::default()).await
        });
        let (mut done, mut busy) = (0, 0);
        for tried in join_all(tries).await {
            match tried {
                Ok(_) => done += 1,
                Err(Error::RefreshInProgress) => busy += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!((done, busy), (4, 46));
        assert!(a.allows(&who).await && b.allows(&who).await);
    }

    async fn a_refresh_token_that_was_used_there_ends_the_session_when_it_is_shown_here(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let who = a.signed_in(a.person("ines", &[]).await).await;
        let next = a.auth.store.refresh(&who.refresh, idle(), Origin::default()).await.unwrap();
        school.clock.advance(seconds(11));
        let reused = b.auth.store.refresh(&who.refresh, idle(), Origin::default()).await;
        assert!(matches!(reused, Err(Error::RefreshReused)));
        assert_eq!((a.says(&who).await, b.says(&who).await), (Said::Refused(401), Said::Refused(401)));
        let dead = a.auth.store.refresh(next.token.reveal(), idle(), Origin::default()).await;
        assert!(matches!(dead, Err(Error::RefreshInvalid)));
    }

    async fn the_fifth_failure_locks_whatever_instance_it_was_on(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let password: SecretString = "correct horse battery".into();
        let hash = a.auth.hash(&password).await.unwrap();
        let new = NewAccount { username: "ines".into(), email: None, first_name: String::new(), last_name: String::new(),
            roles: contracts::Roles::MEMBER, password_hash: Some(hash) };
        a.auth.store.create(new, Origin::default(), None).await.unwrap();
        let guesses = (0..40).map(async |n| {
            let auth = if n % 2 == 0 { &a.auth } else { &b.auth };
            auth.log_in("ines", &"a guess".into(), &Origin::default(), None).await.map(|_| ())
        });
        let (mut wrong, mut locked) = (0, 0);
        for guess in join_all(guesses).await {
            match guess {
                Err(Error::InvalidCredentials) => wrong += 1,
                Err(Error::Locked(_)) => locked += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((wrong, locked), (5, 35));
        for auth in [&a.auth, &b.auth] {
            let right = auth.log_in("ines", &password, &Origin::default(), None).await;
            assert!(matches!(right, Err(Error::Locked(60))), "{right:?}");
        }
        school.clock.advance(seconds(61));
        b.auth.log_in("ines", &password, &Origin::default(), None).await.unwrap();
        let left = a.auth.store.locked_for(login_key("ines"), a.auth.clock.now()).await.unwrap();
        assert_eq!(left, None);
    }

    async fn a_right_password_that_was_checked_while_the_name_was_locked_elsewhere_opens_nothing(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let hash = a.auth.store.credential_of(ines).await.unwrap().unwrap().password_hash.unwrap();
        let proof = crate::store::Proof { hash, rehashed: None, must_change: false, name_key: login_key("ines") };
        for _ in 0..5 {
            b.auth.store.count_failure(login_key("ines"), Some(ines), Origin::default()).await.unwrap();
        }
        let opened = a.auth.store.open_session(a.auth.new_session(ines, Some(proof), None), Origin::default()).await;
        assert!(matches!(opened, Err(Error::Locked(60))), "{opened:?}");
    }

    async fn a_reset_link_is_used_once_and_two_first_administrators_are_one(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        a.auth.store.set_setup_token("a token").await.unwrap();
        let new = |username: &str| NewAccount { username: username.into(), email: None, first_name: String::new(), last_name: String::new(),
            roles: contracts::Roles::MEMBER.with(Role::Admin), password_hash: None };
        let (one, two) = tokio::join!(
            a.auth.store.create_first_admin("a token", new("one"), Origin::default()),
            b.auth.store.create_first_admin("a token", new("two"), Origin::default()),
        );
        let (made, refused) = if one.is_ok() { (one, two) } else { (two, one) };
        assert!(matches!(refused, Err(Error::AlreadySetUp)), "{refused:?}");
        let head = made.unwrap().id;
        assert!(a.auth.store.has_admin().await.unwrap() && b.auth.store.has_admin().await.unwrap());
        let who = b.signed_in(head).await;
        let link = a.auth.store.make_reset_link(head, TimeDelta::minutes(30), Origin::default()).await.unwrap();
        let use_on = async |auth: &crate::state::Auth| {
            assert_eq!(auth.store.waiting_link(LinkKind::Reset, link.id).await.unwrap_or(None).unwrap_or(head), head);
            let reset = ResetPassword { link: link.id, user: head, new_hash: "$2b$04$new".into() };
            auth.store.reset_password(reset, Origin::default()).await.is_ok()
        };
        let (here, there) = tokio::join!(use_on(&a.auth), use_on(&b.auth));
        assert!(here != there);
        assert_eq!((a.says(&who).await, b.says(&who).await), (Said::Refused(401), Said::Refused(401)));
    }
}
