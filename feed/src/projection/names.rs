//! What authors are called today.

use std::collections::HashMap;

use contracts::UserId;

/// Names by account, ready as JSON.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_user: HashMap<UserId, (i64, Box<str>)>,
    /// Of the last change of a name that some item shows.
    pub(super) generation: u64,
}

impl Names {
    /// Sets a name unless a later one is known; tells whether it is a new one.
    pub(super) fn set(&mut self, user: UserId, name: &str, version: i64) -> bool {
        if self
            .by_user
            .get(&user)
            .is_some_and(|(known, _)| *known >= version)
        {
            return false;
        }
        let json = serde_json::Value::from(name).to_string().into_boxed_str();
        self.by_user.insert(user, (version, json));
        true
    }

    /// The name as JSON, if an account event told it.
    pub(super) fn json(&self, user: UserId) -> Option<&str> {
        self.by_user
            .get(&user)
            .map(|(_, json)| &**json)
            .filter(|json| *json != "\"\"")
    }

    /// The version of the account's state that is applied.
    pub(super) fn version(&self, user: UserId) -> Option<i64> {
        self.by_user.get(&user).map(|(version, _)| *version)
    }
}
