//! What instances tell one another: ids, versions and numbers, nothing of a person. Who hears it reads the rows in the store.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use async_trait::async_trait;
use contracts::UserId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An account and the version it has now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The account.
    pub id: UserId,
    /// Its version.
    pub version: i64,
}

/// One message. Old and new programs run side by side during an upgrade: members and kinds are only ever added, and who does
/// not understand one loads everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// A change that everybody must know before it is answered.
    Changed {
        /// The instance that made it and waits.
        from: Uuid,
        /// Its number.
        number: i64,
        /// Accounts that changed.
        accounts: Vec<Version>,
        /// Sessions that ended.
        ended: Vec<Uuid>,
    },
    /// A session was opened or an account made. It may be missed: what is unknown is looked up.
    Made {
        /// The instance that made it.
        from: Uuid,
        /// The account, as the session's or a new one.
        account: Version,
        /// The session.
        session: Option<Uuid>,
    },
    /// The copy of `from` holds a change.
    Confirmed {
        /// Who says so.
        from: Uuid,
        /// To whom.
        to: Uuid,
        /// The change.
        number: i64,
    },
}

/// A channel between the instances. It may lose what is said, deliver it twice and in another order; it says when it knows that it
/// may have lost something.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Says it to who is meant: [`Notice::Confirmed`] to one, anything else to all.
    ///
    /// # Errors
    /// When it surely or perhaps was not said.
    async fn tell(&self, notice: &Notice) -> anyhow::Result<()>;

    /// Listens as this instance.
    fn listen(&self, instance: Uuid) -> Box<dyn Ear>;
}

/// Notices as they are held.
pub type SharedNotices = Arc<dyn Notices>;

/// One listener.
#[async_trait]
pub trait Ear: Send + Sync {
    /// What is heard next. Dropping the future loses nothing.
    async fn next(&mut self) -> Heard;
}

/// What is heard.
#[cfg_attr(
    not(any(feature = "redis", test)),
    expect(dead_code, reason = "a program without Redis hears nothing")
)]
#[derive(Debug, Clone)]
pub enum Heard {
    /// It listens from now on; before, something may have been missed.
    Began,
    /// It does not listen any more, for this reason; it goes on trying.
    Lost(String),
    /// A notice.
    Notice(Notice),
    /// Something was said that is not understood.
    Garbled(String),
}

impl Heard {
    /// A notice as it came over the wire.
    #[cfg_attr(
        not(any(feature = "redis", test)),
        expect(dead_code, reason = "a program without Redis hears nothing")
    )]
    pub fn read(payload: &[u8]) -> Self {
        match serde_json::from_slice(payload) {
            Ok(notice) => Self::Notice(notice),
            Err(error) => Self::Garbled(error.to_string()),
        }
    }
}

impl Display for Notice {
    /// As it goes over the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_notice_is_read_as_it_was_first_written() {
        let (from, to) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let account = Version {
            id: UserId(7),
            version: 3,
        };
        let id = "00000000-0000-0000-0000-00000000000";
        let written = [
            (
                Notice::Changed {
                    from,
                    number: 12,
                    accounts: vec![account],
                    ended: vec![to],
                },
                format!(
                    r#"{{"kind":"changed","from":"{id}1","number":12,"accounts":[{{"id":7,"version":3}}],"ended":["{id}2"]}}"#
                ),
            ),
            (
                Notice::Made {
                    from,
                    account,
                    session: None,
                },
                format!(
                    r#"{{"kind":"made","from":"{id}1","account":{{"id":7,"version":3}},"session":null}}"#
                ),
            ),
            (
                Notice::Confirmed {
                    from,
                    to,
                    number: 12,
                },
                format!(r#"{{"kind":"confirmed","from":"{id}1","to":"{id}2","number":12}}"#),
            ),
        ];
        for (notice, text) in written {
            assert_eq!(notice.to_string(), text);
            assert!(
                matches!(Heard::read(text.as_bytes()), Heard::Notice(read) if read == notice),
                "{text}"
            );
        }
    }

    #[test]
    fn a_member_of_a_newer_program_is_passed_over_and_a_kind_of_one_is_not_understood() {
        let newer = r#"{"kind":"made","from":"00000000-0000-0000-0000-000000000001","account":{"id":7,"version":3},"session":null,"why":1}"#;
        assert!(matches!(Heard::read(newer.as_bytes()), Heard::Notice(_)));
        assert!(matches!(
            Heard::read(br#"{"kind":"forgotten"}"#),
            Heard::Garbled(_)
        ));
        assert!(matches!(Heard::read(b"hello"), Heard::Garbled(_)));
    }
}
