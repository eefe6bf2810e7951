//! The order in which things arrive.

use chrono::{DateTime, Utc};
use contracts::{Role, Roles, UserId};
use uuid::Uuid;

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn account(version: i64, roles: Roles) -> Account {
    Account {
        id: UserId(7),
        email: None,
        username: "ines".into(),
        first_name: String::new(),
        last_name: String::new(),
        roles,
        active: true,
        login_enabled: true,
        version,
        created_at: at(0),
    }
}

fn session() -> Session {
    Session {
        id: Uuid::from_u128(5),
        user: UserId(7),
        created_at: at(0),
        last_seen_at: at(0),
        absolute_expiry: at(1000),
        ip: None,
        user_agent: None,
        label: None,
    }
}

#[test]
fn an_older_version_that_arrives_late_changes_nothing() {
    let memory = Memory::default();
    memory.put_account(account(3, Roles::MEMBER));
    memory.put_account(account(2, Roles::MEMBER.with(Role::Admin)));
    assert!(!memory.has_admin());
    memory.put_account(account(4, Roles::MEMBER.with(Role::Admin)));
    assert!(memory.has_admin());
}

#[test]
fn a_session_whose_end_arrives_first_stays_ended() {
    let memory = Memory::default();
    memory.revoke(&[session()]);
    memory.put_session(session(), memory.epoch());
    assert!(memory.session(session().id).unwrap().is_revoked());
}

#[test]
fn what_a_load_does_not_find_has_ended_and_what_came_meanwhile_is_asked_about() {
    let memory = Memory::default();
    let other = Session {
        id: Uuid::from_u128(6),
        ..session()
    };
    memory.put_session(session(), memory.epoch());
    let reload = memory.reload();
    memory.put_session(other.clone(), memory.epoch());
    assert!(memory.reloaded(&reload, vec![], vec![]));
    assert!(memory.session(session().id).unwrap().is_revoked());
    assert!(memory.session(other.id).is_none());
}

#[test]
fn a_session_read_before_a_load_and_put_after_it_is_dropped() {
    let memory = Memory::default();
    let read = memory.epoch();
    let reload = memory.reload();
    memory.put_session(session(), read);
    assert!(memory.session(session().id).is_none());
    let read = memory.epoch();
    assert!(memory.reloaded(&reload, vec![], vec![]));
    memory.put_session(session(), read);
    assert!(memory.session(session().id).is_none());
    memory.put_session(session(), memory.epoch());
    assert!(memory.session(session().id).is_some());
}

#[test]
fn a_load_that_another_one_overtook_takes_nothing_and_an_end_outlives_every_load() {
    let memory = Memory::default();
    let first = memory.reload();
    let second = memory.reload();
    assert!(!memory.reloaded(&first, vec![], vec![session()]));
    memory.revoke(&[session()]);
    assert!(memory.reloaded(&second, vec![], vec![session()]));
    assert!(memory.session(session().id).unwrap().is_revoked());
}

#[test]
fn ended_sessions_are_forgotten_once_no_opening_can_be_late() {
    let memory = Memory::load(vec![], vec![session()]);
    memory.forget_ended(at(999), at(1));
    memory.revoke(&[session()]);
    memory.forget_ended(at(999), at(0));
    assert!(memory.session(session().id).is_some());
    memory.forget_ended(at(999), at(1));
    assert!(memory.session(session().id).is_none());
}

#[test]
fn a_use_is_handed_out_for_writing_once() {
    let memory = Memory::load(vec![], vec![session()]);
    assert_eq!(memory.take_seen(), vec![]);
    memory.session(session().id).unwrap().seen(at(60));
    memory.session(session().id).unwrap().seen(at(30));
    assert_eq!(memory.take_seen(), vec![(session().id, at(60))]);
    assert_eq!(memory.take_seen(), vec![]);
}
