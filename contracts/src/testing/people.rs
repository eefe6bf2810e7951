use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use uuid::Uuid;

use crate::{Role, UserId, Verified};

/// Somebody the gateway has recognised.
pub type Person = Arc<Verified>;

/// Somebody with these roles, in a session that does not end while a test runs.
#[must_use]
pub fn person(id: i64, roles: &[Role]) -> Person {
    Arc::new(Verified {
        user: UserId(id),
        email: None,
        username: format!("user{id}"),
        roles: roles.iter().copied().collect(),
        session: Uuid::from_u128(1),
        expires_at: DateTime::UNIX_EPOCH + TimeDelta::days(40_000),
    })
}

/// An administrator, account 1.
#[must_use]
pub fn admin() -> Person {
    person(1, &[Role::Admin])
}

/// A teacher, account 2.
#[must_use]
pub fn teacher() -> Person {
    person(2, &[Role::Teacher])
}

/// One of the staff, account 3.
#[must_use]
pub fn staff() -> Person {
    person(3, &[Role::Staff])
}

/// A student, account 4.
#[must_use]
pub fn student() -> Person {
    person(4, &[Role::Student])
}

/// A guardian, account 5.
#[must_use]
pub fn guardian() -> Person {
    person(5, &[Role::Guardian])
}

/// Somebody without a role of the school, account 6.
#[must_use]
pub fn member() -> Person {
    person(6, &[])
}
