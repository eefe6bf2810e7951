//! What the command line may do with dead letters.

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use backends::dead_letters::{DeadLetters, Done, Listing};
use kit::Json;
use kit::problem::Problem;

use crate::commands::dlq::{List, Settle, Verb};
use crate::settings::{Bus, Settings, Target, store_url};

/// The dead letters of the bus that is open in this process.
#[derive(Clone, Debug)]
pub struct Letters(DeadLetters);

impl Letters {
    pub(super) fn new(letters: DeadLetters) -> Self {
        Self(letters)
    }

    /// Lists them.
    ///
    /// # Errors
    /// `unknown_topic`, or that the bus fails.
    pub async fn list(&self, order: List) -> Result<Listing, Problem> {
        Ok(self.0.list(order.topic.as_deref(), order.show).await?)
    }

    /// Replays or drops them, or counts those it would be.
    ///
    /// # Errors
    /// `unknown_topic`, `unknown_dead_letter`, or that the bus fails.
    pub async fn settle(&self, order: Settle) -> Result<Done, Problem> {
        let Settle {
            verb,
            topic,
            which,
            dry_run,
        } = order;
        Ok(match verb {
            _ if dry_run => Done {
                letters: self.0.count(&topic, which).await?,
                ..Done::default()
            },
            Verb::Replay => self.0.replay(&topic, which).await?,
            Verb::Drop => self.0.discard(&topic, which).await?,
        })
    }

    /// The orders of the control socket.
    pub(super) fn orders(&self) -> Router {
        Router::new()
            .route(List::PATH, post(list))
            .route(Settle::PATH, post(settle))
            .with_state(self.clone())
    }
}

async fn list(
    State(letters): State<Letters>,
    Json(order): Json<List>,
) -> Result<Json<Listing>, Problem> {
    letters.list(order).await.map(Json)
}

async fn settle(
    State(letters): State<Letters>,
    Json(order): Json<Settle>,
) -> Result<Json<Done>, Problem> {
    letters.settle(order).await.map(Json)
}

/// Opens the dead letters where no server runs: the bus itself.
///
/// # Errors
/// When the bus is not named or cannot be opened.
pub async fn letters(settings: &Settings, target: &Target) -> anyhow::Result<Letters> {
    let given: Bus = settings.section("bus")?;
    let default = (*target == Target::All).then_some((settings.data.as_path(), "bus.db"));
    let url = store_url("bus.url", &given.url, default)?;
    let clock = kit::SystemClock::shared();
    let bus = backends::bus::open(&url, clock.clone())
        .await
        .context("bus.url")?;
    Ok(Letters::new(DeadLetters::new(bus, clock)))
}
