//! What authors are called today.

use std::collections::HashMap;

use contracts::UserId;

use crate::change::NameSource;

/// A name ready as JSON, with the version of the state that says it.
type Said = Option<(i64, Box<str>)>;

/// What is said of one person, each by its own versions: so the order in which both are told does not matter.
#[derive(Debug, Default)]
struct Called {
    account: Said,
    profile: Said,
}

/// Names by account.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_user: HashMap<UserId, Called>,
    /// Of the last change of a name that some item shows.
    pub(super) generation: u64,
}

impl Names {
    /// Sets a name unless a later one is known of the same source; tells whether it is a new one.
    pub(super) fn set(&mut self, user: UserId, from: NameSource, name: &str, version: i64) -> bool {
        let called = self.by_user.entry(user).or_default();
        let said = match from {
            NameSource::Account => &mut called.account,
            NameSource::Profile => &mut called.profile,
        };
        if said.as_ref().is_some_and(|(known, _)| *known >= version) {
            return false;
        }
        let json = serde_json::Value::from(name).to_string().into_boxed_str();
        *said = Some((version, json));
        true
    }

    /// The name as JSON, if a profile or else an account told it.
    pub(super) fn json(&self, user: UserId) -> Option<&str> {
        let called = self.by_user.get(&user)?;
        [&called.profile, &called.account]
            .into_iter()
            .flatten()
            .map(|(_, json)| &**json)
            .find(|json| *json != "\"\"")
    }

    /// The version of the account's state that is applied.
    pub(super) fn version(&self, user: UserId) -> Option<i64> {
        let (version, _) = self.by_user.get(&user)?.account.as_ref()?;
        Some(*version)
    }
}
