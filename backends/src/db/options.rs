//! How a database is opened.

use std::time::Duration;

use super::Error;

/// When a commit counts as durable on SQLite. PostgreSQL does as its server is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// `synchronous=NORMAL`; [`crate::Tx::commit`] waits for an `fdatasync` of the write-ahead log that began after
    /// its COMMIT and is shared with every commit waiting at that moment.
    #[default]
    Group,
    /// `synchronous=FULL`: SQLite syncs inside every COMMIT while the writer is held. What [`Sync::Group`] is measured against.
    Full,
}

/// Options of [`crate::Db::open`]; the defaults suit a service.
#[derive(Clone, Debug)]
pub struct DbOptions {
    /// Durability of a commit (SQLite only).
    pub sync: Sync,
    /// Most connections of the reader pool (SQLite only), opened as needed.
    pub readers: u32,
    /// Most connections of the pool (PostgreSQL only), opened as needed.
    pub connections: u32,
    /// How long an operation waits for the writer or for a free connection before it fails with
    /// [`crate::db::Error::Unavailable`]. A task that begins a second transaction while it holds one ends here too.
    pub patience: Duration,
    /// Whether the file can give free pages back (SQLite only, and only a file that is made with it).
    pub shrinks: bool,
}

impl Default for DbOptions {
    fn default() -> DbOptions {
        DbOptions {
            sync: Sync::Group,
            readers: 4,
            connections: 16,
            patience: Duration::from_secs(10),
            shrinks: false,
        }
    }
}

impl DbOptions {
    /// The path of an `sqlite:` address without its query, and the options as the query changes them.
    pub(super) fn of_address(self, rest: &str) -> Result<(&str, DbOptions), Error> {
        let Some((path, query)) = rest.split_once('?') else {
            return Ok((rest, self));
        };
        let sync = match query {
            "sync=full" => Sync::Full,
            "sync=group" => Sync::Group,
            other => {
                return Err(Error::Configuration(format!(
                    "`?{other}` is not known after sqlite:{path}; known: ?sync=group (the default), ?sync=full"
                )));
            }
        };
        Ok((path, DbOptions { sync, ..self }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_ask_for_a_sync_in_every_commit_and_for_nothing_unknown() {
        let of = |rest| {
            DbOptions::default()
                .of_address(rest)
                .map(|(path, options)| (path, options.sync))
        };
        assert_eq!(of("a.db").unwrap(), ("a.db", Sync::Group));
        assert_eq!(of("/x/a.db?sync=full").unwrap(), ("/x/a.db", Sync::Full));
        assert!(of("a.db?sync=never").is_err());
    }
}
