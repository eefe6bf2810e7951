//! What is ended or changed on one instance is so on all of them with the next request.

use backends::testing::TestDb;
use contracts::{Role, Roles};

use super::school::{Said, School, until};
use crate::{
    instances::notice::Notice,
    model::Origin,
    store::{Changes, NewPassword},
};

const REFUSED: Said = Said::Refused(401);

fn roles(roles: &[Role]) -> Said {
    Said::Allowed(roles.iter().copied().collect::<Roles>().with(Role::Member))
}

backends::on_every_database! {
    async fn a_session_that_is_ended_here_is_refused_there_with_the_next_request(db: TestDb) {
        let school = School::on(db);
        let (a, b, c) = (school.instance().await, school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        for (opener, ender) in [(&a, &b), (&b, &c), (&c, &a), (&a, &a)] {
            let who = opener.signed_in(ines).await;
            for instance in [&a, &b, &c] {
                assert_eq!(instance.says(&who).await, roles(&[]));
            }
            ender.end(&who).await;
            for instance in [&a, &b, &c] {
                assert_eq!(instance.says(&who).await, REFUSED);
            }
        }
        // each end was confirmed by both others, so none of them was waited out
        until(async || school.hub.how_often(|notice| matches!(notice, Notice::Confirmed { .. })) == 8).await;
        for instance in [&a, &b, &c] {
            instance.believing().await;
        }
    }

    async fn sixty_four_sessions_that_are_ended_at_once_are_all_refused_there(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let mut all = Vec::new();
        for _ in 0..64 {
            all.push(a.signed_in(ines).await);
        }
        for who in &all {
            assert!(b.allows(who).await);
        }
        let ended = all.iter().enumerate().map(async |(n, who)| {
            let (here, there) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
            here.end(who).await;
            assert_eq!(there.says(who).await, REFUSED);
        });
        futures_util::future::join_all(ended).await;
    }

    async fn a_change_of_roles_is_seen_there_with_the_next_request(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        a.person("head", &[Role::Admin]).await;
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        for given in [&[Role::Teacher, Role::Admin][..], &[Role::Teacher], &[]] {
            a.give(ines, given).await;
            assert_eq!(b.says(&who).await, roles(given));
            let known = b.auth.store.account(ines).await.unwrap().unwrap();
            assert_eq!(Said::Allowed(known.account.roles), roles(given));
        }
        for given in [&[Role::Teacher][..], &[], &[Role::Staff]] {
            b.give(ines, given).await;
            assert_eq!(a.says(&who).await, roles(given));
        }
    }

    async fn who_is_deactivated_shut_out_or_has_a_new_password_is_out_everywhere(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let origin = Origin::default;
        for n in 0..3 {
            let ines = a.person(&format!("ines{n}"), &[]).await;
            let (one, other) = (a.signed_in(ines).await, b.signed_in(ines).await);
            assert!(b.allows(&one).await && a.allows(&other).await);
            match n {
                0 => a.auth.store.deactivate(ines, origin()).await.unwrap(),
                1 => {
                    let shut_out = Changes { login_enabled: Some(false), ..Changes::default() };
                    a.auth.store.change(ines, None, shut_out, origin()).await.unwrap();
                }
                _ => {
                    let old_hash = a.auth.store.credential_of(ines).await.unwrap().unwrap().password_hash.unwrap();
                    let new = NewPassword { user: ines, keep: one.session, old_hash, new_hash: "$2b$04$new".into() };
                    a.auth.store.change_password(new, origin()).await.unwrap();
                }
            }
            assert_eq!(b.says(&other).await, REFUSED);
            assert_eq!(b.allows(&one).await, n == 2, "who changes the password stays");
        }
    }

    async fn a_session_that_was_opened_there_a_moment_ago_is_looked_up_once(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        // b is told of nothing
        school.hub.silence(b.id());
        let ines = a.person("ines", &[Role::Teacher]).await;
        let who = a.signed_in(ines).await;
        assert_eq!(b.count("auth_decisions_from_store_total"), 0);
        for _ in 0..5 {
            assert_eq!(b.says(&who).await, roles(&[Role::Teacher]));
        }
        assert_eq!(b.count("auth_decisions_from_store_total"), 1);
        assert!(b.believes());
        let mut stranger = who.clone();
        stranger.user.0 += 1;
        let other = a.person("omar", &[]).await;
        assert_eq!(stranger.user, other, "a token of somebody else's session");
        let known = a.auth.store.account(other).await.unwrap().unwrap();
        let session = a.auth.store.memory().session(who.session).unwrap().session.clone();
        let forged = a.auth.fresh_bearer(&known.account, &session, school.clock_in(3600)).unwrap();
        stranger.token = forged.to_str().unwrap().trim_start_matches("Bearer ").to_owned();
        assert_eq!(b.says(&stranger).await, REFUSED);
    }

    async fn what_is_told_of_a_session_holds_nothing_of_its_person(db: TestDb) {
        let school = School::on(db);
        let (a, _b) = (school.instance().await, school.instance().await);
        let ines = a.person("ines", &[]).await;
        let who = a.signed_in(ines).await;
        a.give(ines, &[Role::Teacher]).await;
        a.end(&who).await;
        until(async || school.hub.said().len() >= 6).await;
        assert_eq!(school.hub.how_often(|notice| matches!(notice, Notice::Changed { .. })), 2);
        assert_eq!(school.hub.how_often(|notice| matches!(notice, Notice::Confirmed { .. })), 2);
        for notice in &school.hub.said() {
            let text = notice.to_string();
            assert!(!text.contains("ines") && !text.contains(&who.token) && !text.contains("teacher"), "{text}");
        }
    }

    async fn a_command_beside_the_instances_makes_accounts_that_all_of_them_know(db: TestDb) {
        let school = School::on(db);
        let (a, b) = (school.instance().await, school.instance().await);
        let command = school.at(crate::instances::Place::Guest).await.unwrap();
        let head = command.person("head", &[Role::Admin]).await;
        assert!(a.auth.store.has_admin().await.unwrap());
        let who = a.signed_in(head).await;
        assert_eq!(b.says(&who).await, roles(&[Role::Admin]));
        // and were it to end something, none would allow it
        command.end(&who).await;
        assert_eq!((a.says(&who).await, b.says(&who).await), (REFUSED, REFUSED));
    }
}
