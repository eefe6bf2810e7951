//! The owner's export on its way into a stream that is built. Nearly all of it are posts nothing is known of yet, and those of
//! one batch go into their lines together, with a few commands for each line in place of some twenty for each post. What
//! every window is known to refuse goes there without its body. Everything else takes the way of [changes](super::changes).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::Audience;
use contracts::events::PostState;

use super::changes::{DAY, Read, changed};
use super::core::{Core, Said};
use super::pack::Map;
use super::text;
use crate::change::{Change, Order, Source};
use crate::item::{Body, Item};
use crate::position::Position;
use crate::projection::{Limits, Line};
use crate::store::{Batch, StoreError};

/// Changes applied one by one in one step: it takes as long as with a batch of posts.
const SINGLY: usize = 64;

/// How long Redis may take: nobody waits for a rebuild, and one that gives up has to begin anew.
const PATIENCE: Duration = Duration::from_secs(5);

/// The floors of the lines of the stream that is built, as far as they are known here. While it is filled they only rise, so
/// what is below one is refused for good.
#[derive(Debug, Default)]
pub(super) struct Floors {
    generation: u64,
    by_line: HashMap<Line, Position>,
}

impl Floors {
    /// Forgets those of another stream.
    fn of(&mut self, generation: u64) -> &mut HashMap<Line, Position> {
        if self.generation != generation {
            *self = Self {
                generation,
                by_line: HashMap::new(),
            };
        }
        &mut self.by_line
    }
}

/// Posts of the export that follow one another, each once.
#[derive(Default)]
struct Run {
    posts: usize,
    words: Vec<Vec<u8>>,
    lines: BTreeMap<Line, Vec<String>>,
}

impl Core {
    /// Puts a batch into the stream that is built.
    pub(super) async fn fill(
        &self,
        generation: u64,
        batch: &Batch,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut rest = batch.changes.as_slice();
        while !rest.is_empty() {
            let run = Run::of(rest, self.floors.lock().of(generation), self.limits, now);
            let known = run.posts > 0;
            rest = &rest[self.put(generation, run, now).await?..];
            // Behind a post that is known already others may be, and behind something else more of its kind.
            let singly = rest.iter().take(SINGLY);
            let singly = singly.take_while(|one| known || fresh(one, now).is_none());
            let (these, others) = rest.split_at(singly.count());
            if !these.is_empty() {
                self.singly(generation, these, &Read::new(), now).await?;
            }
            rest = others;
        }
        if batch.changes.is_empty() || !batch.read.is_empty() {
            self.singly(generation, &[], &batch.read, now).await?;
        }
        Ok(())
    }

    async fn singly(
        &self,
        generation: u64,
        changes: &[Change],
        read: &Read,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.change(Some(generation), changes.to_vec(), read, now)
            .await?;
        Ok(())
    }

    /// Puts in as many of these posts as nothing is known of; answers how many.
    async fn put(
        &self,
        generation: u64,
        run: Run,
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        if run.posts == 0 {
            return Ok(0);
        }
        let head = [
            self.limits.window.to_string(),
            text::time(now - self.limits.remember),
            text::time(now - DAY),
            generation.to_string(),
            run.posts.to_string(),
        ];
        let mut words: Vec<Vec<u8>> = head.map(String::into_bytes).into();
        words.extend(run.words);
        let lines: Vec<Line> = run.lines.keys().copied().collect();
        for (line, places) in run.lines {
            words.push(line.to_string().into());
            words.push(places.len().to_string().into());
            words.extend(places.into_iter().map(String::into_bytes));
        }
        let patient = self.redis.within(PATIENCE);
        let said = self.run_on(&patient, &self.scripts.fill, now, &words);
        let Said::Word(_, mut reply) = said.await? else {
            return Err(StoreError::Lost);
        };
        let done = reply.size()?;
        let mut floors = self.floors.lock();
        let floors = floors.of(generation);
        for line in lines {
            let floor = reply.text()?;
            if !floor.is_empty() {
                floors.insert(line, text::place_of(&floor)?);
            }
        }
        Ok(done.min(run.posts))
    }

    /// A line may reach further down again.
    pub(super) fn forget_floors(&self) {
        *self.floors.lock() = Floors::default();
    }
}

/// A post that shows and needs nothing beside its lines.
fn fresh(change: &Change, now: DateTime<Utc>) -> Option<(&PostState, Order, DateTime<Utc>)> {
    match change {
        Change::Post {
            post,
            order,
            arrived,
            source: Source::Export,
        } => {
            let shown = post.state == crate::PUBLISHED && !post.audience.is_empty();
            let pinned = post.pinned_until.is_some_and(|until| until > now);
            (shown && order.owned && !pinned).then_some((&**post, *order, *arrived))
        }
        _ => None,
    }
}

impl Run {
    fn of(
        changes: &[Change],
        floors: &HashMap<Line, Position>,
        limits: Limits,
        now: DateTime<Utc>,
    ) -> Self {
        let mut run = Self::default();
        let mut met = HashSet::with_capacity(changes.len());
        for change in changes {
            match fresh(change, now) {
                Some((post, order, arrived)) if met.insert(post.post_id) => {
                    run.take(post, order, arrived, floors, limits, now);
                }
                _ => break,
            }
        }
        run
    }

    fn take(
        &mut self,
        post: &PostState,
        order: Order,
        arrived: DateTime<Utc>,
        floors: &HashMap<Line, Position>,
        limits: Limits,
        now: DateTime<Utc>,
    ) {
        let position = Item::place(post, arrived);
        let mut lines: Vec<_> = post.audience.iter().copied().map(Line::Audience).collect();
        lines.push(Line::Person(post.user_id));
        lines.retain(|line| floors.get(line).is_none_or(|floor| position >= *floor));
        let dated = changed(post) + limits.remember <= now;
        let (kind, known, size, body) = match (lines.is_empty(), dated) {
            (true, true) => ("", Vec::new(), 0, Vec::new()),
            (true, false) => ("O", off(order, now), 0, Vec::new()),
            (false, _) => {
                let item = Item::of(post, arrived);
                let body = Body::of(&item);
                let size = body.json().len();
                let kind = if dated { "l" } else { "L" };
                let text = text::body(item.user_id, &item.audience, &body);
                (kind, live(&item, order, size), size, text)
            }
        };
        self.posts += 1;
        self.words.extend([
            post.post_id.to_string().into(),
            kind.into(),
            known,
            size.to_string().into(),
            body,
        ]);
        let place = text::place(position);
        for line in lines {
            let places = self.lines.entry(line).or_default();
            // An audience may be named twice.
            if places.last() != Some(&place) {
                places.push(place.clone());
            }
        }
    }
}

fn live(item: &Item, order: Order, size: usize) -> Vec<u8> {
    let audiences: Vec<_> = item.audience.iter().map(Audience::to_string).collect();
    Map::of(11)
        .text("k", "L")
        .text("s", &text::order(order))
        .text("o", "")
        .text("t", "")
        .text("at", &text::time(item.timestamp))
        .text("u", &item.user_id.to_string())
        .texts("a", &audiences)
        .texts("g", &item.tags)
        .text("pu", &text::time_or_none(item.pinned_until))
        .text("ku", "")
        .number("z", size)
        .bytes()
}

fn off(order: Order, now: DateTime<Utc>) -> Vec<u8> {
    Map::of(3)
        .text("k", "O")
        .text("s", &text::order(order))
        .text("si", &text::time(now))
        .bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use contracts::{PostId, UserId};

    fn start() -> DateTime<Utc> {
        "2026-03-02T08:00:00Z".parse().expect("a time")
    }

    /// Of user 7, published so many minutes after the start.
    fn exported(number: u8, minute: i64, audience: &[&str]) -> Change {
        let post = PostState {
            post_id: PostId([number; 12]),
            user_id: UserId(7),
            title: "a title".to_owned(),
            content: "<p>words</p>".to_owned(),
            username: "ines".to_owned(),
            audience: audience
                .iter()
                .map(|key| key.parse().expect("a key"))
                .collect(),
            state: crate::PUBLISHED.to_owned(),
            tags: Vec::new(),
            published_at: start() + chrono::TimeDelta::minutes(minute),
            edited_at: None,
            pinned_until: None,
            delivery: "normal".to_owned(),
            comment_count: 0,
            attachments: Vec::new(),
            version: 1,
        };
        Change::owned(post, start(), Source::Export)
    }

    fn run(changes: &[Change], floors: &[(Line, i64)]) -> Run {
        let floor = |minute| {
            let at = start() + chrono::TimeDelta::minutes(minute);
            Position::new(at, PostId([0; 12]))
        };
        let floors = floors
            .iter()
            .map(|(line, minute)| (*line, floor(*minute)))
            .collect();
        let limits = Limits {
            window: 9,
            remember: chrono::TimeDelta::days(8),
        };
        Run::of(changes, &floors, limits, start())
    }

    fn line(key: &str) -> Line {
        Line::Audience(key.parse().expect("a key"))
    }

    #[test]
    fn what_every_line_refuses_goes_without_its_body_and_is_remembered_only_if_it_is_new() {
        let changes = [
            exported(1, -1, &["school"]),
            exported(2, -9, &["school"]),
            exported(3, -60 * 24 * 9, &["school"]),
        ];
        let floors = [(line("school"), 5), (Line::Person(UserId(7)), -5)];
        let run = run(&changes, &floors);
        let of = |post: usize| &run.words[5 * post..5 * post + 5];
        let kinds: Vec<_> = (0..3).map(|post| of(post)[1].as_slice()).collect();
        assert_eq!(kinds, [b"L".as_slice(), b"O", b""]);
        let bodies: Vec<_> = (0..3).map(|post| of(post)[4].is_empty()).collect();
        assert_eq!(bodies, [false, true, true]);
        let lines: Vec<_> = run
            .lines
            .iter()
            .map(|(line, at)| (*line, at.len()))
            .collect();
        assert_eq!(
            lines,
            [(Line::Person(UserId(7)), 1)],
            "the school refuses all"
        );
    }

    #[test]
    fn a_run_ends_at_a_post_that_comes_again_and_at_whatever_is_no_such_post() {
        let changes = |last| {
            vec![
                exported(1, 1, &["school"]),
                exported(2, 2, &["school"]),
                last,
            ]
        };
        let again = changes(exported(1, 1, &["role:member"]));
        assert_eq!(run(&again, &[]).posts, 2);
        let nowhere = changes(exported(3, 1, &[]));
        assert_eq!(run(&nowhere, &[]).posts, 2);
        let gone = changes(Change::Gone {
            id: PostId([3; 12]),
            order: Order::owned(2),
            at: start(),
        });
        assert_eq!(run(&gone, &[]).posts, 2);
    }

    #[test]
    fn a_line_that_is_named_twice_gets_a_place_once() {
        let run = run(&[exported(1, 1, &["school", "school"])], &[]);
        assert_eq!(run.lines[&line("school")].len(), 1);
    }
}
