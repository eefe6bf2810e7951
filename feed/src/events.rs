//! What the feed consumes: `posts-events` for the stream, `auth-events` and `profile-events` for the names in it.

use std::sync::Arc;

use async_trait::async_trait;
use backends::bus::Delivered;
use backends::consumer::{Failure, Handler};
use contracts::clients::Posts;
use contracts::events::{PostEvent, ProfileEvent, UserEvent};
use contracts::topics::{AUTH_EVENTS, POSTS_EVENTS, PROFILE_EVENTS};
use kit::clock::SharedClock;
use kit::metrics::Metrics;

use crate::change::{Change, Effect, Mark, Source};
use crate::pulse::Pulse;
use crate::store::{Store, StoreError};
use crate::verify::Tape;

/// All topics.
pub(crate) const TOPICS: [&str; 3] = [POSTS_EVENTS.name, AUTH_EVENTS.name, PROFILE_EVENTS.name];

/// Applies events to the store. Idempotent: what was applied before changes nothing.
#[derive(Clone)]
pub(crate) struct Projector {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) posts: Arc<dyn Posts>,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) tape: Arc<Tape>,
}

#[async_trait]
impl Handler for Projector {
    async fn apply(&self, delivered: &Delivered) -> Result<(), Failure> {
        let (before, change) = read(delivered)?;
        if let Some(before) = before {
            // Noted as read with the second one only.
            self.put(before, None).await?;
        }
        let held = match &change {
            Change::Touch(touch) => Some(touch.id),
            _ => None,
        };
        let effect = self.put(change, Some(delivered)).await?;
        if let (Effect::Held, Some(id)) = (effect, held) {
            // The owner may know the post although its creation never came by; if not, the update waits.
            match self.posts.find(id).await {
                Ok(Some(post)) => {
                    let asked = Change::owned(post, delivered.at, Source::Asked);
                    self.put(asked, Some(delivered)).await?;
                }
                Ok(None) => {}
                Err(problem) => {
                    tracing::info!(post = %id, code = problem.code(), "an update of an unknown post waits for its creation");
                }
            }
        }
        self.pulse.beat();
        Ok(())
    }
}

impl Projector {
    async fn put(&self, change: Change, delivered: Option<&Delivered>) -> Result<Effect, Failure> {
        let mark = delivered.map(|delivered| (mark(delivered), delivered.at));
        // Whoever compares the stream with its owner knows exactly which changes are in it.
        let mut tape = self.tape.note().await;
        let copy = tape.copy(&change);
        let applied = self.store.apply(change, mark, self.clock.now()).await;
        let effect = applied.map_err(|error| {
            if matches!(error, StoreError::Lost) {
                self.pulse.lose();
            }
            Failure::Retry(error.into())
        })?;
        tape.applied(copy);
        if effect == Effect::Thinned {
            self.pulse.thin();
        }
        Ok(effect)
    }
}

/// Where it was read.
pub(crate) fn mark(delivered: &Delivered) -> Mark {
    Mark {
        topic: delivered.record.topic.clone(),
        partition: delivered.partition,
        offset: delivered.offset,
    }
}

/// What an event changes; of an account two things.
pub(crate) fn read(delivered: &Delivered) -> Result<(Option<Change>, Change), Failure> {
    let topic = delivered.record.topic.as_str();
    if topic == POSTS_EVENTS.name {
        let event = PostEvent::read(delivered).map_err(|error| Failure::Poison(error.0))?;
        Ok((None, Change::of_post(event, delivered.at)))
    } else if topic == AUTH_EVENTS.name {
        let event = UserEvent::read(delivered).map_err(|error| Failure::Poison(error.0))?;
        let [rights, name] = Change::of_user(event);
        Ok((Some(rights), name))
    } else if topic == PROFILE_EVENTS.name {
        let event = ProfileEvent::read(delivered).map_err(|error| Failure::Poison(error.0))?;
        Ok((None, Change::of_profile(event)))
    } else {
        Err(Failure::Poison(format!("the feed does not read {topic}")))
    }
}
