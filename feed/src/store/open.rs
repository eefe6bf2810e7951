//! Which store an address names.

use std::sync::Arc;

use super::{MemoryStore, Store};
use crate::projection::Limits;

/// Opens the store that `feed.store` names by the scheme of its address: `memory:`, or `redis:`, which is the only one that
/// several instances may share. A Redis that is away is waited for; meanwhile pages come from the owner. `page_cache` is
/// the bytes of rendered first pages that are kept.
///
/// # Errors
/// An address that cannot be one, a scheme this program does not know or was built without.
pub fn open(url: &str, limits: Limits, page_cache: usize) -> anyhow::Result<Arc<dyn Store>> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(MemoryStore::new(limits, page_cache))),
        Some(("memory", _)) => {
            anyhow::bail!("feed.store: `memory:` takes nothing after it: there is one per process")
        }
        Some(("redis" | "rediss", _)) => redis(url, limits, page_cache),
        other => {
            let scheme = other.map_or("", |(scheme, _)| scheme);
            anyhow::bail!(
                "feed.store: unknown scheme `{scheme}:`; known: memory:, redis://, rediss://"
            )
        }
    }
}

#[cfg(feature = "redis")]
fn redis(url: &str, limits: Limits, page_cache: usize) -> anyhow::Result<Arc<dyn Store>> {
    let redis = backends::redis::Redis::open("feed.store", url)?;
    let ids = kit::ids::RandomIds::shared(kit::clock::SystemClock::shared());
    let store = super::RedisStore::new(redis, limits, page_cache, ids.uuid());
    Ok(Arc::new(store))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str, _: Limits, _: usize) -> anyhow::Result<Arc<dyn Store>> {
    anyhow::bail!(
        "feed.store: this program was built without Redis: build it with `cargo build --release --features servers`, or set it to memory:"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        let limits = Limits {
            window: 9,
            remember: chrono::TimeDelta::days(8),
        };
        open(url, limits, 1 << 20).err().unwrap().to_string()
    }

    #[test]
    fn an_unknown_scheme_is_told_the_known_ones() {
        for url in ["mongodb://h", "feed.db", ""] {
            let error = refusal(url);
            assert!(
                error.starts_with("feed.store: ") && error.contains("known: memory:, redis://"),
                "{error}"
            );
        }
        assert!(refusal("memory:here").contains("nothing after it"));
    }

    #[cfg(not(feature = "redis"))]
    #[test]
    fn without_redis_built_in_its_address_says_how_to_build_it() {
        let error = refusal("redis://u:secret@h/1");
        assert!(
            error.contains("--features servers") && !error.contains("secret"),
            "{error}"
        );
    }

    #[cfg(feature = "redis")]
    #[test]
    fn an_address_that_is_none_is_refused_without_its_password() {
        let error = refusal("redis://u:secret@h:port");
        assert!(
            error.starts_with("feed.store: ") && !error.contains("secret"),
            "{error}"
        );
    }
}
