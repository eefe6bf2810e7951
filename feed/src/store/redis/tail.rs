//! The change log as far as it is known here: live readers are places in it, and however many there are, each change is read
//! from Redis once.

use std::collections::HashSet;
use std::sync::Arc;

use backends::redis::Value;
use chrono::{DateTime, Utc};
use contracts::{Audience, PostId, UserId};
use tokio::sync::{mpsc, oneshot};

use super::core::{Core, Said, Seen};
use super::reply::{Reply, bytes, strange};
use super::text;
use crate::change::Rights;
use crate::live::{Heard, ItemTold, Listener, Log, Place, Shown, Told, Tuned, Turned};
use crate::store::{StoreError, hearing};

/// How many wait for the same look.
const WAITING: usize = 1024;

/// What is known of the change log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// `None` until somebody listens.
    log: Option<Log>,
    /// Somebody listens, or did.
    wanted: bool,
}

/// Where the stream that is shown is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) seen: Seen,
    /// Grows when a line comes or goes.
    pub(super) lines: u64,
    /// The last change of its log.
    pub(super) end: u64,
}

/// What a question about one reader brings beside the look.
#[derive(Debug, Default)]
struct Extra {
    rights: String,
    shown: Vec<(PostId, Vec<Audience>)>,
}

type Answer = Result<Option<Look>, StoreError>;

/// Looks that many ask for at once are one: what began after somebody asked is new enough for them.
#[derive(Debug)]
pub(super) struct Looks(mpsc::Sender<oneshot::Sender<Answer>>);

impl Looks {
    pub(super) fn over(core: Arc<Core>) -> Self {
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<Answer>>(WAITING);
        tokio::spawn(async move {
            let mut waiting = Vec::new();
            while asked.recv_many(&mut waiting, WAITING).await > 0 {
                // All whose requests are here ask first, and not the first of them alone.
                tokio::task::yield_now().await;
                while waiting.len() < WAITING
                    && let Ok(one) = asked.try_recv()
                {
                    waiting.push(one);
                }
                let answer = core
                    .look("", "")
                    .await
                    .map(|found| found.map(|(look, _)| look));
                for one in waiting.drain(..) {
                    // Who asked may have gone.
                    let _ = one.send(answer.clone());
                }
            }
        });
        Self(ask)
    }

    /// Where the stream is; `None`: there is none to be shown yet.
    pub(super) async fn look(&self) -> Answer {
        let gone = || StoreError::Unavailable("the stream's store is closed".to_owned());
        let (answer, waiting) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| gone())?;
        waiting.await.map_err(|_| gone())?
    }
}

impl Core {
    /// Looks, and reads what the log has that is not known here, if somebody listens.
    async fn look(&self, user: &str, lines: &str) -> Result<Option<(Look, Extra)>, StoreError> {
        loop {
            let before = self.seen();
            let (generation, known) = self.tail.lock().place();
            let arguments = [&*generation, &*known, user, lines];
            let said = self
                .run(&self.scripts.look, DateTime::UNIX_EPOCH, &arguments)
                .await?;
            let Said::Word(_, mut reply) = said else {
                if matches!(said, Said::Nothing) {
                    self.nothing()?;
                }
                return Ok(None);
            };
            let seen = Seen {
                generation: reply.generation()?,
                version: reply.count()?,
            };
            let (names, lines) = (reply.count()?, reply.count()?);
            let (end, _first, from) = (reply.count()?, reply.count()?, reply.count()?);
            let entries = reply.list()?;
            self.see(before, seen)?;
            self.names.lock().go_to((seen.generation, names));
            let look = Look { seen, lines, end };
            let whole = self.tail.lock().take(&look, from, entries)?;
            if !whole {
                continue;
            }
            let rights = reply.text()?;
            let shown = reply.texts()?;
            let shown = shown.iter().map(|text| {
                let (id, keys) = text.split_at_checked(24).ok_or_else(|| strange("a post"))?;
                Ok((text::post(id)?, text::audiences_of(keys)?))
            });
            let shown = shown.collect::<Result<_, StoreError>>()?;
            return Ok(Some((look, Extra { rights, shown })));
        }
    }

    pub(super) async fn tune(
        &self,
        user: UserId,
        from: Option<Place>,
    ) -> Result<Tuned, StoreError> {
        self.tail.lock().wanted = true;
        let Some((look, extra)) = self.look(&user.to_string(), "").await? else {
            return Ok(Tuned::Cold);
        };
        let rights = if extra.rights.is_empty() {
            None
        } else {
            Some(rights_of(&extra.rights)?)
        };
        let end = Place {
            generation: look.seen.generation,
            seq: look.end,
        };
        let tail = self.tail.lock();
        Ok(match &tail.log {
            Some(log) => hearing::tune(log, end, rights, user, from),
            None => Tuned::Cold,
        })
    }

    pub(super) async fn turn(
        &self,
        listener: &Listener,
        audiences: &[Audience],
    ) -> Result<Turned, StoreError> {
        let lines: Vec<_> = hearing::differing(&listener.audiences, audiences)
            .copied()
            .collect();
        self.tail.lock().wanted = true;
        let Some((_, extra)) = self.look("", &text::audiences(&lines)).await? else {
            return Ok(Turned::Reset);
        };
        let shown = extra.shown.iter().map(|(id, keys)| (*id, keys.as_slice()));
        let tail = self.tail.lock();
        Ok(match &tail.log {
            Some(log) => hearing::turn(shown, log, listener, audiences),
            None => Turned::Reset,
        })
    }

    /// What a reader hears of a log that is known as far as this look saw it.
    pub(super) async fn hear(&self, listener: &Listener, most: usize) -> Result<Heard, StoreError> {
        loop {
            let mut unknown = HashSet::new();
            let at = {
                let (tail, names) = (self.tail.lock(), self.names.lock());
                let Some(log) = &tail.log else {
                    return Ok(Heard::Cold);
                };
                let name_of = |user: UserId| match names.by_user.get(&user) {
                    Some(name) => name.as_deref(),
                    None => {
                        unknown.insert(user);
                        None
                    }
                };
                let heard = hearing::hear(log, name_of, listener, most);
                if unknown.is_empty() {
                    return Ok(heard);
                }
                names.at
            };
            let unknown: Vec<_> = unknown.into_iter().collect();
            let told = self.names(&unknown).await?;
            let mut names = self.names.lock();
            if names.at == at {
                for user in unknown {
                    names.by_user.insert(user, told.get(&user).cloned());
                }
            }
        }
    }

    /// From now on the log is read.
    pub(super) fn listen(&self) {
        self.tail.lock().wanted = true;
    }
}

impl Tail {
    /// What the script is asked for: the generation, and the last change that is known.
    fn place(&self) -> (String, String) {
        match &self.log {
            Some(log) => {
                let end = log.end();
                (end.generation.to_string(), end.seq.to_string())
            }
            None if self.wanted => ("0".to_owned(), "0".to_owned()),
            None => (String::new(), "0".to_owned()),
        }
    }

    /// Takes in what the log has from this change on; tells whether it is known up to the end of the look.
    fn take(&mut self, look: &Look, from: u64, entries: Reply) -> Result<bool, StoreError> {
        if !self.wanted {
            return Ok(true);
        }
        let generation = look.seen.generation;
        // Another answer, to a question asked before this one, may have come earlier, and one asked later too.
        if let Some(log) = &self.log
            && log.end().generation > generation
        {
            return Ok(true);
        }
        if from == 0 {
            // Nobody listened when this was asked.
            return Ok(false);
        }
        let known = self.log.take().filter(|log| {
            let end = log.end();
            end.generation == generation && end.seq + 1 >= from
        });
        let mut log = known.unwrap_or_else(|| Log::starting(generation, from));
        let mut failed = None;
        for (seq, entry) in (from..).zip(entries.rest()) {
            if seq <= log.end().seq {
                continue;
            }
            match bytes(entry).and_then(|entry| told_of(&entry)) {
                Ok((at, told)) => log.push(told, at),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        let whole = log.end().seq >= look.end;
        self.log = Some(log);
        failed.map_or(Ok(whole), Err)
    }
}

pub(super) fn rights(rights: Rights) -> String {
    let roles: Vec<_> = rights.roles.iter().map(|role| role.to_string()).collect();
    format!("{}{}", u8::from(rights.active), roles.join(","))
}

fn rights_of(text: &str) -> Result<Rights, StoreError> {
    let wrong = || strange("what an account may");
    let (active, roles) = text.split_at_checked(1).ok_or_else(wrong)?;
    let roles = roles.split(',').filter(|role| !role.is_empty());
    let roles = roles.map(|role| role.parse().map_err(|_| wrong()));
    Ok(Rights {
        roles: roles.collect::<Result<_, _>>()?,
        active: active == "1",
    })
}

/// An entry of the log: I(tem) or R(ights), the time, and then what it is about.
fn told_of(entry: &[u8]) -> Result<(DateTime<Utc>, Told), StoreError> {
    let wrong = || strange("a change");
    let part = |range: std::ops::Range<usize>| {
        let part = entry.get(range).ok_or_else(wrong)?;
        std::str::from_utf8(part).map_err(|_| wrong())
    };
    let at = text::time_of(part(1..17)?)?;
    if entry.first() == Some(&b'R') {
        let (user, rights) = part(17..entry.len())?.split_once(' ').ok_or_else(wrong)?;
        let told = Told::Rights {
            user: user.parse().map_err(|_| wrong())?,
            rights: rights_of(rights)?,
        };
        return Ok((at, told));
    }
    let id = text::post(part(17..41)?)?;
    let end = entry.iter().position(|byte| *byte == b'\n');
    let end = end.ok_or_else(wrong)?;
    let before = text::audiences_of(part(41..end)?)?;
    let body = &entry[end + 1..];
    let after = if body.is_empty() {
        None
    } else {
        let kept = text::body_of(body)?;
        Some(Shown {
            to: kept.audiences.into(),
            by: kept.user,
            body: Arc::new(kept.body),
        })
    };
    Ok((
        at,
        Told::Item(ItemTold::after_those(id, before.into(), after)),
    ))
}

/// A list that was not asked for.
pub(super) fn is_nil(value: &Value) -> bool {
    matches!(value, Value::Nil)
}
