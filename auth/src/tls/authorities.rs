//! The authorities in the store, opened.

use std::sync::Arc;

use anyhow::Context as _;
use contracts::CaBundle;
use kit::{SharedClock, SharedIds};
use secrecy::ExposeSecret as _;

use super::{
    authority::Authority,
    schedule::{self, Known, Why},
    seal::Seals,
};
use crate::store::Store;

/// Those that this instance can open; what it cannot open is neither used nor told of, so that whoever writes into the store
/// without `SECRET_KEY` makes nobody trust an authority of theirs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authorities {
    store: Store,
    seals: Arc<Seals>,
    clock: SharedClock,
    ids: SharedIds,
}

/// How often a lost race is run again: each time somebody else has made one, so once would do.
const TRIES: usize = 3;

impl Authorities {
    /// Over this store.
    #[must_use]
    pub fn new(store: Store, seals: Seals, clock: SharedClock, ids: SharedIds) -> Self {
        Self {
            store,
            seals: Arc::new(seals),
            clock,
            ids,
        }
    }

    /// The certificates to trust, the last first; `None` where there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn bundle(&self) -> Result<Option<CaBundle>, backends::db::Error> {
        let (now, stored) = (self.clock.now(), self.read().await?);
        let trusted = stored.opened.iter().rev();
        let trusted = trusted.filter(|authority| known(authority).lives(now));
        Ok(CaBundle::of(trusted.map(|authority| {
            authority.described.certificate.as_slice()
        })))
    }

    /// The one that issues at the moment. Makes the first, makes a successor when it is time, and forgets those whose time
    /// is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn issuer(&self) -> anyhow::Result<Authority> {
        let now = self.clock.now();
        for _ in 0..TRIES {
            let mut stored = self.read().await?;
            let schedule: Vec<Known> = stored.opened.iter().map(known).collect();
            if let Some(why) = schedule::due(&schedule, stored.count, now) {
                self.make(stored.last + 1, why).await?;
                continue;
            }
            if let Some(first) = schedule::needed_from(&schedule, now)
                && stored.first < first
            {
                self.store.forget_authorities(first).await?;
            }
            let issuer = schedule::issuer(&schedule, now).context("no authority lives")?;
            return Ok(stored.opened.swap_remove(issuer));
        }
        anyhow::bail!("an authority was made again and again and is not there")
    }

    async fn make(&self, generation: i64, why: Why) -> anyhow::Result<()> {
        let new = Authority::make(generation, self.ids.uuid(), self.clock.now())?;
        let about = new.described.to_bytes();
        let key = self.seals.seal(new.key.expose_secret(), &about)?;
        if !self.store.add_authority(&new.described, &key, why).await? {
            return Ok(());
        }
        let (subject, expires_at) = (&new.described.subject, new.described.expires_at);
        if why == Why::Lost {
            tracing::warn!(
                generation, subject, %expires_at,
                "the internal CA cannot be opened with auth.secret_key (SECRET_KEY) or one of auth.retiring_keys: another one was \
                 made, and the gateway takes it over by itself. If the key was not changed on purpose, give every instance the same; \
                 at a planned change, put the old key into auth.retiring_keys"
            );
        } else {
            tracing::info!(generation, subject, %expires_at, reason = why.reason(), "an internal CA was made");
        }
        Ok(())
    }

    async fn read(&self) -> Result<Stored, backends::db::Error> {
        let rows = self.store.authorities().await?;
        let generations = rows.iter().map(|(described, _)| described.generation);
        let (first, last) = (generations.clone().min(), generations.max());
        let count = rows.len();
        let opened = rows.into_iter().filter_map(|(described, sealed)| {
            let opened = self.seals.open(&sealed, &described.to_bytes())?;
            Some(Authority {
                described,
                key: opened.secret,
                is_current: opened.is_current,
            })
        });
        Ok(Stored {
            opened: opened.collect(),
            count,
            first: first.unwrap_or_default(),
            last: last.unwrap_or_default(),
        })
    }
}

struct Stored {
    /// By generation.
    opened: Vec<Authority>,
    /// How many there are in all,
    count: usize,
    /// from this generation
    first: i64,
    /// to this.
    last: i64,
}

fn known(authority: &Authority) -> Known {
    Known {
        generation: authority.described.generation,
        created_at: authority.described.created_at,
        expires_at: authority.described.expires_at,
        is_current: authority.is_current,
    }
}
