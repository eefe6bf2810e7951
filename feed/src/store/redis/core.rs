//! The connection, and what this process knows of the stream that is shown.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use backends::redis::{Error, Redis, Script, Value};
use chrono::{DateTime, Utc};
use contracts::UserId;
use parking_lot::Mutex;

use super::fill::Floors;
use super::reply::{Reply, failed};
use super::scripts::Scripts;
use super::tail::Tail;
use super::text;
use crate::projection::Limits;
use crate::store::StoreError;

/// After a failure nobody waits for a server that is away: for so long everybody is told the same at once.
const AWAY: Duration = Duration::from_millis(500);

/// Shared by the store and its tasks.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) redis: Redis,
    pub(super) scripts: Scripts,
    pub(super) limits: Limits,
    pub(super) tail: Mutex<Tail>,
    pub(super) names: Mutex<Names>,
    pub(super) floors: Mutex<Floors>,
    seen: Mutex<Seen>,
    away: Mutex<Option<(Instant, String)>>,
}

/// The latest state of the stream that is shown that somebody here was told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// 0: none.
    pub(super) generation: u64,
    /// Grows with every change that a reader could see.
    pub(super) version: u64,
}

/// What authors are called, as long as nobody is called otherwise.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The generation, and its last change of a name.
    pub(super) at: (u64, u64),
    pub(super) by_user: HashMap<UserId, Option<String>>,
}

/// How many names are kept at most.
const NAMES: usize = 10_000;

/// A script's answer that is no failure.
pub(super) enum Said {
    /// It went on.
    Word(String, Reply),
    /// There is nothing to be shown yet: it is being built.
    Cold,
    /// There is nothing, and nobody builds it.
    Nothing,
}

impl Core {
    pub(super) fn new(redis: Redis, limits: Limits) -> Self {
        Self {
            redis,
            scripts: Scripts::new(),
            limits,
            tail: Mutex::default(),
            names: Mutex::default(),
            floors: Mutex::default(),
            seen: Mutex::default(),
            away: Mutex::default(),
        }
    }

    /// Runs a script with its arguments after the two that all have.
    pub(super) async fn run(
        &self,
        script: &Script,
        now: DateTime<Utc>,
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<Said, StoreError> {
        self.run_on(&self.redis, script, now, arguments).await
    }

    /// The same, for what may take longer than anybody else waits.
    pub(super) async fn run_on(
        &self,
        redis: &Redis,
        script: &Script,
        now: DateTime<Utc>,
        arguments: &[impl AsRef<[u8]>],
    ) -> Result<Said, StoreError> {
        self.is_away()?;
        let mut call = script.arg(self.redis.key(""));
        call.arg(text::time(now));
        for argument in arguments {
            call.arg(argument.as_ref());
        }
        let answer = redis.script::<Value>(&call).await;
        let mut reply = Reply::of(answer.map_err(|error| {
            // What it refuses to one (it is full, say) it may answer to another.
            if let Error::Unavailable { .. } = error {
                *self.away.lock() = Some((Instant::now(), error.to_string()));
            }
            failed(&error)
        })?)?;
        Ok(match reply.text()?.as_str() {
            "cold" => Said::Cold,
            "none" => Said::Nothing,
            "superseded" => return Err(StoreError::Superseded),
            "busy" => return Err(StoreError::Busy),
            word => Said::Word(word.to_owned(), reply),
        })
    }

    fn is_away(&self) -> Result<(), StoreError> {
        match &*self.away.lock() {
            Some((since, why)) if since.elapsed() < AWAY => {
                Err(StoreError::Unavailable(why.clone()))
            }
            _ => Ok(()),
        }
    }

    /// It answers again, as somebody found out otherwise.
    pub(super) fn back(&self) {
        *self.away.lock() = None;
    }

    pub(super) fn seen(&self) -> Seen {
        *self.seen.lock()
    }

    /// Takes note of a state that was told. One that is behind what was known before the question was asked has lost something:
    /// a server that was restored, or that ended before its last second was on disk.
    pub(super) fn see(&self, before: Seen, told: Seen) -> Result<(), StoreError> {
        if told.generation == before.generation && told.version < before.version {
            return Err(StoreError::Lost);
        }
        let mut seen = self.seen.lock();
        let newer = (told.generation, told.version) > (seen.generation, seen.version);
        if newer {
            *seen = told;
        }
        Ok(())
    }

    /// What it means that there is nothing: before anything was shown, nothing; afterwards, that it is gone.
    pub(super) fn nothing(&self) -> Result<(), StoreError> {
        if self.seen().generation == 0 {
            return Ok(());
        }
        Err(StoreError::Lost)
    }
}

impl Names {
    /// Forgets what is said of an earlier state.
    pub(super) fn go_to(&mut self, at: (u64, u64)) {
        if self.at < at || self.by_user.len() > NAMES {
            self.at = at.max(self.at);
            self.by_user.clear();
        }
    }
}
