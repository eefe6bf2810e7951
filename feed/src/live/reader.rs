//! One connection: waits, asks for rights, writes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::{Roles, Verified};
use futures_util::stream;
use kit::problem::Problem;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::hub::Seat;
use super::place::Place;
use super::{Heard, Listener, Tuned, Turned, frame};
use crate::audiences::audiences_of;
use crate::change::Rights;
use crate::routes::App;
use crate::store::StoreError;

/// When a store that failed is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Bytes written at once at most, give or take one item.
const CHUNK: usize = 32 * 1024;

/// Where a client wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// It comes for the first time.
    Now,
    /// After this change.
    Place(Place),
    /// After something that is no place here.
    Unknown,
}

/// An open stream.
pub(crate) struct Live(Connection);

impl Live {
    /// The bytes, until rights, session, token or patience end.
    pub(crate) fn body(self) -> Body {
        Body::from_stream(stream::unfold(self.0, |mut connection| async move {
            let bytes = connection.next().await?;
            Some((Ok::<_, Infallible>(bytes), connection))
        }))
    }
}

/// Opens a stream for this person.
///
/// # Errors
/// 401 when the session has ended, 503 `too_many_streams`, `store_unavailable` or `roster_unavailable`.
pub(crate) async fn open(app: App, who: Arc<Verified>, since: Since) -> Result<Live, Problem> {
    let seat = app.hub.sit(&who)?;
    // Before the log is looked at, so that nothing falls between.
    let news = app.pulse.subscribe();
    let mut connection = Connection {
        app,
        who,
        seat,
        news,
        listener: None,
        told_rights: false,
        sent: None,
        owes_place: false,
        out: Vec::new(),
        quiet_since: Instant::now(),
        failed: false,
    };
    let from = match since {
        Since::Place(place) => Some(place),
        Since::Now | Since::Unknown => None,
    };
    let resumed = connection.tune(from).await?;
    let place = connection.place();
    if connection.listener.is_some() && (resumed || since == Since::Now) {
        frame::hello(&mut connection.out, place);
    } else {
        frame::hello(&mut connection.out, None);
        if let Some(place) = place {
            frame::reset(&mut connection.out, place);
        }
    }
    connection.sent = place;
    Ok(Live(connection))
}

struct Connection {
    app: App,
    who: Arc<Verified>,
    seat: Seat,
    news: watch::Receiver<u64>,
    /// `None` while there is no stream to listen to.
    listener: Option<Listener>,
    /// Whether an event changed the reader's rights since they came.
    told_rights: bool,
    /// The last place the client was told.
    sent: Option<Place>,
    /// What waits has no place of its own: the place after it goes along.
    owes_place: bool,
    /// What waits to be taken.
    out: Vec<u8>,
    quiet_since: Instant,
    /// The store did not answer the last time.
    failed: bool,
}

/// The stream ends here.
struct End;

impl Connection {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.seat.over().is_cancelled() || self.app.clock.now() >= self.who.expires_at {
                return None;
            }
            if !(self.out.is_empty() || self.owes_place) {
                self.quiet_since = Instant::now();
                return Some(std::mem::take(&mut self.out).into());
            }
            // Noted before the log is read: what is told afterwards wakes again.
            self.news.borrow_and_update();
            match self.listen().await {
                Ok(true) => {}
                Ok(false) => self.wait().await?,
                Err(End) => return None,
            }
        }
    }

    /// Takes from the log what there is; tells whether there may be more, or something to write.
    async fn listen(&mut self) -> Result<bool, End> {
        self.failed = false;
        let Some(listener) = &self.listener else {
            return self.begin_again().await;
        };
        let generation = listener.place.generation;
        match self.app.reading.store.hear(listener, CHUNK).await {
            Ok(Heard::News(events, place)) => {
                for event in &events {
                    frame::event(&mut self.out, generation, event);
                }
                let last = events.last().map(|event| Place {
                    generation,
                    seq: event.seq,
                });
                self.sent = last.or(self.sent);
                self.go_to(place);
                if std::mem::take(&mut self.owes_place) {
                    self.tell_place();
                }
                Ok(!self.out.is_empty())
            }
            Ok(Heard::Rights(seq, rights)) => self.turn(seq, rights).await,
            Ok(Heard::Reset | Heard::Cold) => {
                self.listener = None;
                self.begin_again().await
            }
            Err(error) => {
                self.fail(&error);
                Ok(false)
            }
        }
    }

    /// The reader's rights have changed: what they lose goes, and what they gain they read from their pages.
    async fn turn(&mut self, seq: u64, rights: Rights) -> Result<bool, End> {
        if !rights.active {
            return Err(End);
        }
        self.told_rights = true;
        let audiences = self.audiences(rights.roles).await.map_err(|_| End)?;
        let Some(listener) = &mut self.listener else {
            return Ok(true);
        };
        match self.app.reading.store.turn(listener, &audiences).await {
            Ok(Turned::Lost(ids)) => {
                listener.audiences = audiences;
                listener.rights_seen = seq;
                // Whoever comes back to a place after this change need not be reset for it.
                self.owes_place = true;
                for id in ids {
                    frame::lost(&mut self.out, id);
                }
                Ok(true)
            }
            Ok(Turned::Reset) => {
                self.listener = None;
                self.begin_again().await
            }
            Err(error) => {
                self.fail(&error);
                Ok(false)
            }
        }
    }

    /// Goes on from the end of the log, and says that something is missing.
    async fn begin_again(&mut self) -> Result<bool, End> {
        self.tune(None).await.map_err(|_| End)?;
        let Some(place) = self.place() else {
            return Ok(false);
        };
        frame::reset(&mut self.out, place);
        (self.sent, self.owes_place) = (Some(place), false);
        Ok(true)
    }

    /// Finds the place to listen from; tells whether it is the one asked for.
    async fn tune(&mut self, from: Option<Place>) -> Result<bool, Problem> {
        let tuned = self.app.reading.store.tune(self.who.user, from).await;
        let tuned = tuned.map_err(|error| {
            self.fail(&error);
            Problem::unavailable(
                "store_unavailable",
                "the store of the stream does not answer",
            )
            .cause(error)
        })?;
        let Tuned::At {
            place,
            end,
            resumed,
            rights,
        } = tuned
        else {
            return Ok(false);
        };
        // The event that said so may be in the log of a stream that is no more.
        if rights.is_some_and(|rights| !rights.active) {
            return Err(Problem::unauthorized("the account is not active"));
        }
        // What the gateway saw may be newer than what the events told so far, and a token may be older: a role counts once
        // both agree. The event that settles it comes by, and from then on events alone count.
        let roles = match rights {
            Some(rights) if self.told_rights => rights.roles,
            Some(rights) => both(rights.roles, self.who.roles),
            None => self.who.roles,
        };
        let audiences = self.audiences(roles).await?;
        self.listener = Some(Listener {
            user: self.who.user,
            audiences,
            place,
            rights_seen: end,
        });
        Ok(resumed)
    }

    async fn audiences(&self, roles: Roles) -> Result<Vec<contracts::Audience>, Problem> {
        let who = Verified {
            roles,
            ..Verified::clone(&self.who)
        };
        audiences_of(&*self.app.roster, self.app.public_audience, Some(&who)).await
    }

    fn place(&self) -> Option<Place> {
        self.listener.as_ref().map(|listener| listener.place)
    }

    fn go_to(&mut self, place: Place) {
        if let Some(listener) = &mut self.listener {
            listener.place = place;
        }
    }

    /// Lets the client resume from here although nothing of what happened since was for it.
    fn tell_place(&mut self) -> bool {
        let place = self.place();
        let moved = place != self.sent;
        if let Some(place) = place
            && moved
        {
            frame::here(&mut self.out, place);
            self.sent = Some(place);
        }
        moved
    }

    fn fail(&mut self, error: &StoreError) {
        self.failed = true;
        tracing::warn!(%error, "a live stream waits for its store");
        if matches!(error, StoreError::Lost) {
            self.app.pulse.lose();
        }
    }

    /// Until something happened, or it is time for a sign of life; `None` when the stream is over.
    async fn wait(&mut self) -> Option<()> {
        let now = Instant::now();
        // spec/feed.md rule 18
        let quiet = self.quiet_since + self.app.quiet;
        let mut until = quiet.min(now + left(self.who.expires_at, self.app.clock.now()));
        if self.failed {
            until = until.min(now + AGAIN);
        }
        tokio::select! {
            () = self.seat.over().cancelled() => return None,
            changed = self.news.changed() => changed.ok()?,
            () = sleep_until(until) => {}
        }
        if Instant::now() >= quiet {
            frame::comment(&mut self.out);
            if !self.tell_place() {
                self.out.push(b'\n');
            }
        }
        Some(())
    }
}

fn both(one: Roles, other: Roles) -> Roles {
    one.iter().filter(|role| other.contains(*role)).collect()
}

fn left(until: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (until - now).to_std().unwrap_or(Duration::ZERO)
}
