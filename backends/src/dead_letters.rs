//! What could not be applied, for an operator: look at it, give it a second chance, or let it go. Whatever the bus is.

mod error;
mod letter;
mod meter;

use std::{fmt, sync::Arc};

use kit::clock::SharedClock;
use serde::{Deserialize, Serialize};

pub(crate) use self::letter::of;
pub use self::{
    error::Error,
    letter::{DeadLetter, Origin},
    meter::meter,
};
use crate::bus::{Bus, Delivered, Positions, Republished, dead_letters, of_dead_letters};

/// Letters read at once; each may be as large as a record can be.
const PAGE: usize = 64;
/// Letters listed at most.
const LISTED: usize = 1000;

/// The dead letters of a bus.
#[derive(Clone)]
pub struct DeadLetters {
    bus: Arc<dyn Bus>,
    clock: SharedClock,
}

/// Some dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The oldest ones of each topic, in order of topic and offset; 1000 at most.
    pub dead_letters: Vec<DeadLetter>,
    /// How many there are.
    pub total: i64,
}

/// Which dead letters of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The one at this offset among the dead letters.
    One(i64),
    /// Those there are at this moment.
    All,
}

/// What was done. All zeros: there was nothing, or all of it was done before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Letters that were replayed or dropped, and are listed no more.
    pub letters: u64,
    /// Of those, the ones that were not published again because their topic is compacted and has newer state of their key.
    pub superseded: u64,
}

impl DeadLetters {
    /// Those of `bus`, their age by `clock`.
    pub fn new(bus: Arc<dyn Bus>, clock: SharedClock) -> DeadLetters {
        DeadLetters { bus, clock }
    }

    /// The dead letters of one topic (its own name, or `<topic>.dlq`) or of all; with the beginning of their payloads only
    /// on request.
    pub async fn list(&self, topic: Option<&str>, payload: bool) -> Result<Listing, Error> {
        let topics = match topic {
            Some(topic) => vec![self.known(topic).await?],
            None => self.topics().await?,
        };
        let now = self.clock.now();
        let mut listing = Listing::default();
        for topic in topics {
            let name = dead_letters(&topic);
            let mut from = Positions::default();
            let mut read = 0;
            loop {
                let limit = PAGE.min(LISTED - listing.dead_letters.len());
                if limit == 0 {
                    listing.total += self.bus.kept(&name).await?.max(read);
                    break;
                }
                let page = self.bus.read(&name, &from, limit).await?;
                let Some(last) = page.last() else {
                    // all of them; counted apart, one that comes meanwhile would be listed and not counted, or the other way round
                    listing.total += read;
                    break;
                };
                from.pass(last);
                read += page.len() as i64;
                listing.dead_letters.extend(
                    page.iter()
                        .map(|letter| DeadLetter::read(letter, now, payload)),
                );
            }
        }
        Ok(listing)
    }

    /// Publishes the records again, as they were: key, headers and event id. Then takes their letters away; a crash in
    /// between leaves letters whose replay is repeated, which the embedded log notices. A record that fails again becomes a
    /// new letter. Old state of a key that has newer state in a compacted topic is not published: see [`Done::superseded`].
    pub async fn replay(&self, topic: &str, which: Which) -> Result<Done, Error> {
        self.settle(topic, which, true).await
    }

    /// Takes the letters away for good.
    pub async fn discard(&self, topic: &str, which: Which) -> Result<Done, Error> {
        self.settle(topic, which, false).await
    }

    /// How many letters a replay or drop would settle now.
    pub async fn count(&self, topic: &str, which: Which) -> Result<u64, Error> {
        let topic = self.known(topic).await?;
        let name = dead_letters(&topic);
        let (from, end) = self.range(&topic, which).await?;
        if which == Which::All {
            return Ok(self.bus.kept(&name).await?.unsigned_abs());
        }
        let found = self.bus.read(&name, &from, 1).await?;
        Ok(found.iter().filter(|letter| letter.offset < end).count() as u64)
    }

    async fn settle(&self, topic: &str, which: Which, replay: bool) -> Result<Done, Error> {
        let topic = self.known(topic).await?;
        let name = dead_letters(&topic);
        let (mut from, end) = self.range(&topic, which).await?;
        let mut done = Done::default();
        loop {
            let mut page = self.bus.read(&name, &from, PAGE).await?;
            page.retain(|letter| letter.offset < end);
            let Some(last) = page.last() else { break };
            from.pass(last);
            if replay {
                done.superseded += self.publish_again(&page).await?;
            }
            let offsets: Vec<i64> = page.iter().map(|letter| letter.offset).collect();
            done.letters += self.bus.remove(&name, &offsets).await?;
        }
        if done.letters > 0 {
            tracing::info!(%topic, letters = done.letters, superseded = done.superseded, replay, "dead letters were settled");
        }
        Ok(done)
    }

    /// Where to begin and before which offset to stop. What is replayed and fails at once lies behind that, so that one order
    /// gives each record one chance.
    async fn range(&self, topic: &str, which: Which) -> Result<(Positions, i64), Error> {
        let name = dead_letters(topic);
        let end = self.bus.ends(&[&name]).await?.next(&name, 0);
        let (first, end) = match which {
            Which::All => (0, end),
            Which::One(offset) if (0..end).contains(&offset) => (offset, offset + 1),
            Which::One(offset) => {
                return Err(Error::UnknownLetter {
                    topic: topic.to_owned(),
                    offset,
                });
            }
        };
        let mut from = Positions::default();
        from.set(&name, 0, first);
        Ok((from, end))
    }

    async fn publish_again(&self, letters: &[Delivered]) -> Result<u64, Error> {
        let records = letters.iter().map(letter::again).collect();
        let results = self.bus.republish(records).await?;
        let superseded = results
            .iter()
            .filter(|result| **result == Republished::Superseded);
        Ok(superseded.count() as u64)
    }

    /// The topics that have dead letters of their own.
    async fn topics(&self) -> Result<Vec<String>, Error> {
        let all = self.bus.topics().await?;
        Ok(all
            .iter()
            .filter_map(|name| of_dead_letters(name))
            .map(str::to_owned)
            .collect())
    }

    async fn known(&self, topic: &str) -> Result<String, Error> {
        let known = self.topics().await?;
        let name = of_dead_letters(topic).unwrap_or(topic);
        if known.iter().any(|one| one == name) {
            return Ok(name.to_owned());
        }
        Err(Error::UnknownTopic {
            topic: topic.to_owned(),
            known,
        })
    }
}

impl fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeadLetters")
    }
}
