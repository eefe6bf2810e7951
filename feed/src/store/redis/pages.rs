//! Pages. One question brings everything a page needs. A first page that is known is given out again once a look, which is
//! shared by all who ask at that moment, says that nothing has changed since.

use std::collections::HashMap;

use backends::redis::Value;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::events::PostState;
use contracts::{Audience, PostId};
use parking_lot::Mutex;

use super::changes;
use super::core::{Core, Said, Seen};
use super::reply::{Reply, bytes};
use super::tail::{Look, Looks, is_nil};
use super::text;
use super::totals::{LAG, Totals};
use crate::page;
use crate::position::Position;
use crate::query::{Answer, Part, Query, Rest, Scope, Start};
use crate::store::StoreError;
use crate::store::cache::{Key, PageCache, Stamp};

/// How many audiences, and how many sets of them, are remembered.
const MOST: usize = 50_000;

/// What is known of first pages.
#[derive(Debug)]
pub(super) struct Pages {
    pages: PageCache,
    totals: Totals,
    known: Mutex<Known>,
}

/// Which audiences have a line, and the state of sets of them.
#[derive(Debug, Default)]
struct Known {
    /// The generation, and how many lines have come and gone in it.
    at: (u64, u64),
    lines: HashMap<Audience, bool>,
    sets: HashMap<Vec<Audience>, State>,
}

/// When a set was last seen, and its stamp then.
#[derive(Clone, Copy, Debug)]
struct State {
    seen: Seen,
    stamp: Stamp,
    /// How many lines had come and gone.
    lines: u64,
}

impl State {
    /// As the script names it.
    fn name(&self) -> String {
        let Stamp { generation, newest } = self.stamp;
        format!("{generation} {newest} {}", self.lines)
    }
}

impl Pages {
    pub(super) fn new(most: usize) -> Self {
        Self {
            pages: PageCache::new(most),
            totals: Totals::default(),
            known: Mutex::default(),
        }
    }

    /// The page that was last rendered, under which state.
    fn find(&self, query: &Query, now: DateTime<Utc>) -> Option<(Key, State, Bytes)> {
        let Scope::Audiences(audiences) = &query.scope else {
            return None;
        };
        let known = self.known.lock();
        let mut there = Vec::with_capacity(audiences.len());
        for audience in audiences {
            if *known.lines.get(audience)? {
                there.push(*audience);
            }
        }
        let state = *known.sets.get(&there)?;
        let key = Key {
            audiences: there,
            limit: query.limit,
        };
        let page = self.pages.get(&key, state.stamp, now)?;
        Some((key, state, page))
    }

    /// Notes which of the audiences have a line, and what the set of those was when it was looked at.
    fn note(&self, audiences: &[Audience], there: &[bool], state: State) -> Vec<Audience> {
        let at = (state.seen.generation, state.lines);
        let of_them = audiences.iter().zip(there);
        let set: Vec<_> = of_them
            .clone()
            .filter(|(_, there)| **there)
            .map(|(key, _)| *key)
            .collect();
        let mut known = self.known.lock();
        known.go_to(at);
        if known.at == at {
            known
                .lines
                .extend(of_them.map(|(key, there)| (*key, *there)));
            let newer = known
                .sets
                .get(&set)
                .is_none_or(|old| old.seen.version <= state.seen.version);
            if newer {
                known.sets.insert(set.clone(), state);
            }
        }
        set
    }

    fn note_look(&self, look: &Look) {
        self.known.lock().go_to((look.seen.generation, look.lines));
    }
}

impl Known {
    /// Forgets what is said of an earlier state.
    fn go_to(&mut self, at: (u64, u64)) {
        if self.at < at || self.lines.len() > MOST || self.sets.len() > MOST {
            self.at = at.max(self.at);
            self.lines.clear();
            self.sets.clear();
        }
    }
}

impl Core {
    pub(super) async fn page(
        &self,
        pages: &Pages,
        looks: &Looks,
        query: &Query,
        now: DateTime<Utc>,
    ) -> Result<Answer, StoreError> {
        let is_first = matches!(query.scope, Scope::Audiences(_))
            && query.start == Start::Skip(0)
            && query.filter.is_open();
        let mut found = pages.find(query, now).filter(|_| is_first);
        if let Some((_, state, page)) = &found
            && state.seen == self.seen()
        {
            let Some(look) = looks.look().await? else {
                return Ok(Answer::Cold);
            };
            pages.note_look(&look);
            if look.seen == state.seen {
                return Ok(Answer::Ready(page.clone()));
            }
        }
        loop {
            let before = self.seen();
            let known = found.as_ref().map(|(_, state, _)| state.name());
            let asked = pages.totals.ask(query);
            let words = words(query, known, asked.word.clone());
            let said = self.run(&self.scripts.page, now, &words).await?;
            let Said::Word(word, mut reply) = said else {
                if matches!(said, Said::Nothing) {
                    self.nothing()?;
                }
                return Ok(Answer::Cold);
            };
            let seen = Seen {
                generation: reply.generation()?,
                version: reply.count()?,
            };
            let lines = reply.count()?;
            let stamp = Stamp {
                generation: seen.generation,
                newest: reply.count()?,
            };
            let there = reply.list()?.rest();
            let there: Vec<_> = there.map(|there| there == Value::Int(1)).collect();
            self.see(before, seen)?;
            let mut set = Vec::new();
            if let Scope::Audiences(audiences) = &query.scope {
                set = pages.note(audiences, &there, State { seen, stamp, lines });
            }
            if word == "same" {
                match found.take() {
                    Some((_, state, page)) if (state.stamp, state.lines) == (stamp, lines) => {
                        return Ok(Answer::Ready(page));
                    }
                    _ => continue,
                }
            }
            let (mut part, told) = part(reply, query)?;
            let state = State { seen, stamp, lines }.name();
            part.total = pages.totals.answer(query, &asked, &state, told);
            if asked.lags {
                // Counted anew soon, although nothing may have changed by then.
                let soon = now + LAG;
                part.until = Some(part.until.map_or(soon, |until| until.min(soon)));
            }
            if !is_first || part.rest.is_some() {
                return Ok(Answer::Part(part));
            }
            let page: Bytes = page::close(&part, query).into();
            let key = Key {
                audiences: set,
                limit: query.limit,
            };
            pages.pages.put(key, stamp, part.until, page.clone());
            return Ok(Answer::Ready(page));
        }
    }

    pub(super) async fn foreign(
        &self,
        query: &Query,
        below: Position,
        limit: usize,
    ) -> Result<Vec<PostState>, StoreError> {
        let upper = query
            .filter
            .to
            .map_or(below, |to| below.min(Position::first_at(to)));
        let (kind, lines) = scope(&query.scope);
        let words = [
            kind.to_owned(),
            lines,
            text::place(upper),
            place_at(query.filter.from),
            query.filter.tag.clone().unwrap_or_default(),
            limit.to_string(),
        ];
        let said = self
            .run(&self.scripts.foreign, DateTime::UNIX_EPOCH, &words)
            .await?;
        let Said::Word(_, reply) = said else {
            return Ok(Vec::new());
        };
        let bodies = changes::bodies(reply.rest())?;
        Ok(bodies
            .into_iter()
            .map(|kept| kept.body.item().state())
            .collect())
    }
}

fn scope(scope: &Scope) -> (&'static str, String) {
    match scope {
        Scope::Audiences(audiences) => ("a", text::audiences(audiences)),
        Scope::By(user) => ("b", format!("by:{user}")),
    }
}

fn place_at(at: Option<DateTime<Utc>>) -> String {
    at.map(|at| text::place(Position::first_at(at)))
        .unwrap_or_default()
}

fn words(query: &Query, known: Option<String>, counted: String) -> [String; 10] {
    let (kind, lines) = scope(&query.scope);
    let to = query.filter.to.map(Position::first_at);
    let (before, skip) = match query.start {
        Start::Skip(skip) => (None, skip.to_string()),
        Start::After(position) => (Some(position), String::new()),
    };
    let upper = before.into_iter().chain(to).min();
    [
        kind.to_owned(),
        lines,
        upper.map(text::place).unwrap_or_default(),
        place_at(query.filter.from),
        place_at(query.filter.to),
        query.filter.tag.clone().unwrap_or_default(),
        skip,
        query.limit.to_string(),
        known.unwrap_or_default(),
        counted,
    ]
}

/// The page, from the floor on, and what was counted.
fn part(mut reply: Reply, query: &Query) -> Result<(Part, i64), StoreError> {
    let (floor, last) = (reply.text()?, reply.text()?);
    let more = reply.int()? == 1;
    let skip = reply.size()?;
    let until = Some(reply.text()?).filter(|till| !till.is_empty());
    let total = reply.int()?;
    let pins = reply.texts()?;
    let bodies = reply.list()?.rest();
    let names = reply.list()?.rest();
    let reader = match &query.scope {
        Scope::Audiences(audiences) => Some(audiences.as_slice()),
        Scope::By(_) => None,
    };
    let mut part = Part {
        last: if last.is_empty() {
            None
        } else {
            Some(text::place_of(&last)?)
        },
        more,
        until: until.map(|till| text::time_of(&till)).transpose()?,
        ..Part::default()
    };
    for (body, name) in bodies.zip(names) {
        if is_nil(&body) {
            continue;
        }
        let kept = text::body_of(&bytes(body)?)?;
        let name = if is_nil(&name) {
            None
        } else {
            Some(bytes(name)?)
        };
        let name = name.as_deref().map(String::from_utf8_lossy);
        if part.count > 0 {
            part.items.push(b',');
        }
        kept.body
            .write(&mut part.items, name.as_deref(), &kept.audiences, reader);
        part.count += 1;
    }
    let lower = query.filter.from.map(Position::first_at);
    let floor = if floor.is_empty() {
        None
    } else {
        Some(text::place_of(&floor)?)
    };
    // With a lower bound at or above the floor nothing that is asked for is below it.
    if let Some(floor) = floor
        && !part.more
        && lower.is_none_or(|lower| lower < floor)
    {
        let before = match query.start {
            Start::After(position) => Some(position),
            Start::Skip(_) => None,
        };
        let upper = before
            .into_iter()
            .chain(query.filter.to.map(Position::first_at))
            .min();
        let except = pins.iter().map(|pin| Ok(text::place_of(pin)?.id));
        part.rest = Some(Rest {
            below: upper.map_or(floor, |upper| upper.min(floor)),
            skip,
            except: except.collect::<Result<Vec<PostId>, StoreError>>()?,
        });
    }
    Ok((part, total))
}
