//! What can go wrong, in words that name the setting.

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::address::Address;

/// A failed call. Nothing that is kept on Redis may be missed for good, so a caller goes on without.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The address is not usable as it is.
    #[error("{setting}: {what}")]
    Configuration {
        /// The setting that gives it.
        setting: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// Nobody answers there, or not in time.
    #[error("{setting}: redis at {place} cannot be reached: {why}")]
    Unavailable {
        /// The setting that names the place.
        setting: &'static str,
        /// `host:port`.
        place: String,
        /// As the client says it.
        why: String,
    },
    /// Wrong user or password, or none given.
    #[error("{setting}: redis at {place} refuses user `{user}`: {why}; check user and password")]
    Refused {
        /// The setting with the user and the password.
        setting: &'static str,
        /// `host:port`.
        place: String,
        /// Who we are there.
        user: String,
        /// As the server says it.
        why: String,
    },
    /// The user has no right to this command, key or channel.
    #[error(
        "{setting}: user `{user}` may not do this on redis at {place}: {why}; check the user's rights and `?prefix=`"
    )]
    Forbidden {
        /// The setting with the user and the prefix.
        setting: &'static str,
        /// `host:port`.
        place: String,
        /// Who we are there.
        user: String,
        /// As the server says it.
        why: String,
    },
    /// The server has no memory left and takes no writes.
    #[error("{setting}: redis at {place} is full: {why}")]
    Full {
        /// The setting that names the place.
        setting: &'static str,
        /// `host:port`.
        place: String,
        /// As the server says it.
        why: String,
    },
    /// Anything else: a mistake in a command or a script, a key of another type, an answer that does not decode.
    #[error("{setting}: redis at {place}: {why}")]
    Other {
        /// The setting that names the place.
        setting: &'static str,
        /// `host:port`.
        place: String,
        /// As the server or the client says it.
        why: String,
    },
}

impl Error {
    pub(super) fn of(address: &Address, error: &RedisError) -> Error {
        let (setting, place, user) = (address.setting, address.place.clone(), address.user.clone());
        let why = error.to_string();
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                Error::Refused {
                    setting,
                    place,
                    user,
                    why,
                }
            }
            (ErrorKind::Server(ServerErrorKind::NoPerm), _) | (_, Some("NOPERM")) => {
                Error::Forbidden {
                    setting,
                    place,
                    user,
                    why,
                }
            }
            (_, Some("OOM")) => Error::Full {
                setting,
                place,
                why,
            },
            // loading its file, or a replica whose master is away: it will come
            (
                ErrorKind::Io
                | ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::ReadOnly
                    | ServerErrorKind::TryAgain,
                ),
                _,
            ) => Error::Unavailable {
                setting,
                place,
                why,
            },
            _ => Error::Other {
                setting,
                place,
                why,
            },
        }
    }

    /// It took longer than the caller waits.
    pub(super) fn slow(address: &Address) -> Error {
        Error::unavailable(address, "no answer in time")
    }

    pub(super) fn unavailable(address: &Address, why: &str) -> Error {
        Error::Unavailable {
            setting: address.setting,
            place: address.place.clone(),
            why: why.to_owned(),
        }
    }
}
