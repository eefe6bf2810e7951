//! What `redis://user:password@host:port/database?prefix=x:` says.

use ::redis::{ConnectionInfo, IntoConnectionInfo as _};

use super::Error;

/// What the address may say after `?`.
const PARAMETERS: &str = "prefix";

/// An address, taken apart.
pub(super) struct Address {
    /// The setting that gives it.
    pub(super) setting: &'static str,
    /// What the client connects by.
    pub(super) info: ConnectionInfo,
    /// `host:port`, for people.
    pub(super) place: String,
    /// Who we are there.
    pub(super) user: String,
    /// Stands before the names of keys and channels, so that several can share a server.
    pub(super) prefix: String,
}

impl Address {
    pub(super) fn parse(setting: &'static str, url: &str) -> Result<Address, Error> {
        let wrong = |what: &str| Error::Configuration {
            setting,
            what: what.to_owned(),
        };
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        match place.split_once("://") {
            Some(("redis" | "rediss", rest)) if !rest.is_empty() => {}
            Some(("redis" | "rediss", _)) => return Err(wrong("the address names no host")),
            other => {
                let scheme = other.map_or("", |(scheme, _)| scheme);
                return Err(wrong(&format!(
                    "unknown scheme `{scheme}:`; known: redis://, rediss://"
                )));
            }
        }
        let info = place.into_connection_info().map_err(|_| {
            wrong("the address is not redis://user:password@host:port/database?prefix=x: (in user and password, write % and what follows for /?#@:)")
        })?;
        let mut prefix = String::new();
        for parameter in query.split('&').filter(|text| !text.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name != "prefix" {
                return Err(wrong(&format!(
                    "unknown parameter `{name}`; known: {PARAMETERS}"
                )));
            }
            let fits = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
            if value.len() > 60 || !value.chars().all(fits) {
                return Err(wrong(&format!(
                    "`prefix={value}`: at most 60 letters, digits and `._:-`"
                )));
            }
            value.clone_into(&mut prefix);
        }
        let user = info.redis_settings().username().unwrap_or("default");
        Ok(Address {
            setting,
            place: info.addr().to_string(),
            user: user.to_owned(),
            prefix,
            info,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address, String> {
        Address::parse("auth.redis", url).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_taken_apart() {
        let full = parse("redis://auth:p%40ss@cache:6380/2?prefix=auth:").unwrap();
        assert_eq!(
            (&*full.place, &*full.user, &*full.prefix),
            ("cache:6380", "auth", "auth:")
        );
        let redis = full.info.redis_settings();
        assert_eq!((redis.password(), redis.db()), (Some("p@ss"), 2));
        let short = parse("redis://cache").unwrap();
        assert_eq!(
            (&*short.place, &*short.user, &*short.prefix),
            ("cache:6379", "default", "")
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_the_setting_and_without_the_password() {
        for (url, says) in [
            ("cache:6379", "unknown scheme `:`"),
            (
                "memcached://cache",
                "unknown scheme `memcached:`; known: redis:",
            ),
            ("redis://", "names no host"),
            ("redis://u:geheim@cache:port", "is not redis://"),
            ("redis://u:geheim@cache/place", "is not redis://"),
            ("redis://u:geheim@cache?pre=x", "unknown parameter `pre`"),
            ("redis://u:geheim@cache?prefix=a b", "letters, digits"),
        ] {
            let error = parse(url).err().unwrap();
            assert!(error.starts_with("auth.redis: "), "{error}");
            assert!(error.contains(says), "{url}: {error}");
            assert!(!error.contains("geheim"), "{error}");
        }
    }
}
