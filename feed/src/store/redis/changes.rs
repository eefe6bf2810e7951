//! Changes on their way to Redis. Which of two is the later, and what that does to windows, the script decides; what an item
//! looks like is written here. Where that depends on what is known there (a foreign update on top of it, the time it keeps),
//! the script changes nothing and says so, and is called again with the body that is right.

use backends::redis::Value;
use chrono::{DateTime, Utc};
use contracts::PostId;
use contracts::events::PostState;

use super::core::{Core, Said, Seen};
use super::reply::{Reply, bytes, strange};
use super::tail;
use super::text;
use crate::change::{Change, Effect, Mark, NameSource, Order, Source, Touch};
use crate::item::{Body, Item};
use crate::projection::Limits;
use crate::store::StoreError;

/// How often a body is written anew: each time something else has come between.
const ROUNDS: usize = 100;
/// How long updates of unknown posts wait, and changes stay in the log.
pub(super) const DAY: chrono::TimeDelta = chrono::TimeDelta::hours(24);

/// What was read up to, and when those records reached the bus.
pub(super) type Read = Vec<(Mark, DateTime<Utc>)>;

struct Prepared {
    words: Vec<Vec<u8>>,
    /// What bodies are made from.
    made_of: MadeOf,
    /// By what they rest on.
    bodies: Vec<(String, Vec<u8>, usize)>,
}

enum MadeOf {
    Post(Box<Item>),
    Touch(Touch),
    Nothing,
}

impl Core {
    /// Applies changes to the stream that is shown and to the one that is built, or to the latter alone. The effect is that of
    /// the last one.
    pub(super) async fn change(
        &self,
        generation: Option<u64>,
        changes: Vec<Change>,
        read: &Read,
        now: DateTime<Utc>,
    ) -> Result<Effect, StoreError> {
        let mut left: Vec<_> = changes
            .into_iter()
            .map(|change| Prepared::new(change, self.limits, now))
            .collect();
        for _ in 0..ROUNDS {
            let before = self.seen();
            let mut words = self.frame(generation, before, now);
            words.push(read.len().to_string().into());
            for (mark, at) in read {
                let offset = mark.offset.to_string();
                let partition = mark.partition.to_string();
                words.extend(
                    [&*mark.topic, &*partition, &*offset, &*text::time(*at)].map(Into::into),
                );
            }
            left.iter().for_each(|change| change.say(&mut words));
            let Said::Word(word, mut reply) = self.run(&self.scripts.apply, now, &words).await?
            else {
                return Err(StoreError::Lost);
            };
            if word == "ok" {
                let effect = effect(&reply.text()?)?;
                let generation = reply.text()?;
                let version = reply.count()?;
                if let Ok(generation) = generation.parse() {
                    self.see(
                        before,
                        Seen {
                            generation,
                            version,
                        },
                    )?;
                }
                return Ok(effect);
            }
            let done = reply.size()?;
            left.drain(..done.min(left.len()));
            let basis = reply.text()?;
            let first = left.first_mut().ok_or_else(|| strange("a change"))?;
            first.write(basis, reply.list()?)?;
        }
        Err(StoreError::Unavailable(
            "a post changes faster than it can be written".to_owned(),
        ))
    }

    fn frame(&self, generation: Option<u64>, seen: Seen, now: DateTime<Utc>) -> Vec<Vec<u8>> {
        let words = [
            self.limits.window.to_string(),
            text::time(now - self.limits.remember),
            text::time(now - DAY),
            generation
                .map(|number| number.to_string())
                .unwrap_or_default(),
            seen.generation.to_string(),
            seen.version.to_string(),
        ];
        words.map(Into::into).into()
    }
}

impl Prepared {
    fn new(change: Change, limits: Limits, now: DateTime<Utc>) -> Self {
        let (kind, words, made_of) = match change {
            Change::Post {
                post,
                order,
                arrived,
                source,
            } => return Self::post(&post, order, arrived, source, limits, now),
            Change::Touch(touch) => {
                let words = [
                    touch.id.to_string(),
                    text::order(touch.order),
                    text::touch(&touch),
                ];
                ("T", words.to_vec(), MadeOf::Touch(touch))
            }
            Change::Gone { id, order, at } => {
                let words = [id.to_string(), text::order(order), text::time(at)];
                ("G", words.to_vec(), MadeOf::Nothing)
            }
            Change::Rights {
                user,
                rights,
                version,
            } => {
                let words = [
                    user.to_string(),
                    text::number(version),
                    tail::rights(rights),
                ];
                ("R", words.to_vec(), MadeOf::Nothing)
            }
            Change::Name {
                user,
                from,
                name,
                version,
            } => {
                let source = match from {
                    NameSource::Account => "a",
                    NameSource::Profile => "p",
                };
                let name = serde_json::Value::from(name).to_string();
                let words = [
                    user.to_string(),
                    source.to_owned(),
                    text::number(version),
                    name,
                ];
                ("N", words.to_vec(), MadeOf::Nothing)
            }
        };
        let words = std::iter::once(kind.to_owned()).chain(words);
        Self {
            words: words.map(String::into_bytes).collect(),
            made_of,
            bodies: Vec::new(),
        }
    }

    fn post(
        post: &PostState,
        order: Order,
        arrived: DateTime<Utc>,
        source: Source,
        limits: Limits,
        now: DateTime<Utc>,
    ) -> Self {
        let item = Item::of(post, arrived);
        let shown = post.state == crate::PUBLISHED && !item.audience.is_empty();
        let kept = (!order.owned).then(|| arrived + limits.remember);
        let dated = source == Source::Export && changed(post) + limits.remember <= now;
        let at = text::time(item.timestamp);
        let words = [
            "P".to_owned(),
            item.id.to_string(),
            text::order(order),
            at.clone(),
            item.user_id.to_string(),
            text::audiences(&item.audience),
            text::tags(&item.tags),
            text::time_or_none(item.pinned_until),
            text::time_or_none(kept),
            match source {
                Source::Bus => "b",
                Source::Export => "e",
                Source::Asked => "a",
            }
            .to_owned(),
            text::flag(shown),
            text::flag(dated),
        ];
        let mut prepared = Self {
            words: words.map(String::into_bytes).into(),
            bodies: Vec::new(),
            made_of: MadeOf::Nothing,
        };
        if shown {
            // What nearly every post rests on: nothing.
            prepared.keep(at, &item);
            prepared.made_of = MadeOf::Post(Box::new(item));
        }
        prepared
    }

    fn keep(&mut self, basis: String, item: &Item) {
        let body = Body::of(item);
        let bytes = text::body(item.user_id, &item.audience, &body);
        self.bodies.push((basis, bytes, body.json().len()));
    }

    /// Writes the body that was missing.
    fn write(&mut self, basis: String, mut needs: Reply) -> Result<(), StoreError> {
        let item = match &self.made_of {
            MadeOf::Post(item) => {
                let mut item = Item::clone(item);
                item.timestamp = text::time_of(&needs.text()?)?;
                let (order, update) = (needs.text()?, needs.text()?);
                if !order.is_empty() {
                    let order = text::order_of(&order)?;
                    item.overlay(&text::touch_of(item.id, order, &update)?);
                }
                item
            }
            MadeOf::Touch(touch) => {
                let mut item = text::body_of(&needs.bytes()?)?.body.item();
                item.overlay(touch);
                item
            }
            MadeOf::Nothing => return Err(strange("a change")),
        };
        self.keep(basis, &item);
        Ok(())
    }

    fn say(&self, words: &mut Vec<Vec<u8>>) {
        words.extend(self.words.iter().cloned());
        if matches!(self.words.first().map(Vec::as_slice), Some(b"P" | b"T")) {
            words.push(self.bodies.len().to_string().into());
            for (basis, body, size) in &self.bodies {
                words.push(basis.clone().into());
                words.push(size.to_string().into());
                words.push(body.clone());
            }
        }
    }
}

/// When the owner changed it last.
pub(super) fn changed(post: &PostState) -> DateTime<Utc> {
    post.edited_at
        .map_or(post.published_at, |edited| edited.max(post.published_at))
}

fn effect(word: &str) -> Result<Effect, StoreError> {
    Ok(match word {
        "applied" => Effect::Applied,
        "thinned" => Effect::Thinned,
        "unchanged" => Effect::Unchanged,
        "held" => Effect::Held,
        _ => return Err(strange("an effect")),
    })
}

/// Bodies as they are kept.
pub(super) fn bodies(values: impl Iterator<Item = Value>) -> Result<Vec<text::Kept>, StoreError> {
    values.map(|value| text::body_of(&bytes(value)?)).collect()
}

/// The id, for a script.
pub(super) fn id(id: PostId) -> Vec<u8> {
    id.to_string().into_bytes()
}
