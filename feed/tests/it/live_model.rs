//! Live readers against a naive model: whoever comes back with the id of the last event sees every event of theirs exactly
//! once and in order, whatever is written, edited, moved and deleted meanwhile and whatever they may read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::owner::{id, post};
use crate::support::{Live, Seen, Setup, TestFeed};
use contracts::events::PostState;
use contracts::testing::person;
use contracts::{Audience, PostId, Role, Verified};
use futures_util::{FutureExt, StreamExt};
use proptest::prelude::*;

/// How often every reader goes and comes back.
const ROUNDS: usize = 110;
const AUDIENCES: [&str; 4] = ["school", "role:teacher", "role:student", "user:21"];

#[derive(Clone, Debug)]
enum Step {
    Create(Vec<usize>),
    Edit(usize),
    Move(usize, Vec<usize>),
    Delete(usize),
    /// A reader becomes what is said by the number.
    Become(usize, usize),
}

/// What happens while all listen, how much each reads of it before they go, and what happens while they are away.
type Round = (Vec<Step>, Vec<usize>, Vec<Step>);

fn step() -> impl Strategy<Value = Step> {
    let audience = || prop::collection::vec(0..AUDIENCES.len(), 1..4);
    prop_oneof![
        4 => audience().prop_map(Step::Create),
        3 => any::<usize>().prop_map(Step::Edit),
        3 => (any::<usize>(), audience()).prop_map(|(which, to)| Step::Move(which, to)),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => (0..3_usize, 0..3_usize).prop_map(|(who, what)| Step::Become(who, what)),
    ]
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let round = (
        prop::collection::vec(step(), 0..3),
        prop::collection::vec(0..4_usize, 3),
        prop::collection::vec(step(), 0..3),
    );
    prop::collection::vec(round, ROUNDS)
}

/// An event as the model writes it: what, of which item, in which version, for which of the reader's audiences.
type Told = (String, String, i64, Vec<String>);

fn told(seen: &Seen) -> Told {
    let text = |name: &str| seen.data[name].as_str().unwrap_or_default().to_owned();
    let keys = seen.data["audience"].as_array().into_iter().flatten();
    let keys = keys.map(|key| key.as_str().unwrap().to_owned()).collect();
    let version = seen.data["version"].as_i64().unwrap_or_default();
    (seen.event.clone(), text("id"), version, keys)
}

fn bare(event: &str, id: &str) -> Told {
    (event.to_owned(), id.to_owned(), 0, Vec::new())
}

/// Lets the stream do what it can do now, and takes note of what has come and is no event.
fn settle(live: &mut Live) {
    while let Some(chunk) = live.body.next().now_or_never() {
        let chunk = chunk.expect("the stream goes on").unwrap();
        live.text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    while let Some((block, rest)) = live.text.split_once("\n\n") {
        let (block, rest) = (block.to_owned(), rest.to_owned());
        live.text = rest;
        assert_eq!(live.read(&block), None, "more than was expected");
    }
}

struct Reader {
    who: Arc<Verified>,
    version: i64,
    audiences: Vec<Audience>,
    live: Option<Live>,
    last_id: Option<String>,
    seen: Vec<Told>,
    expected: Vec<Told>,
    /// Their rights changed while they were away.
    other: bool,
}

fn roles(what: usize) -> &'static [Role] {
    [&[Role::Teacher][..], &[Role::Student], &[]][what]
}

fn readable(who: &Verified) -> Vec<Audience> {
    let mut audiences: Vec<_> = who.roles.iter().map(Audience::Role).collect();
    audiences.extend([Audience::Role(Role::Member), Audience::User(who.user)]);
    if !who.roles.contains(Role::Teacher) && !who.roles.contains(Role::Student) {
        return audiences;
    }
    audiences.push(Audience::School);
    audiences
}

impl Reader {
    fn sees(&self, post: &PostState) -> bool {
        post.audience.iter().any(|key| self.audiences.contains(key))
    }

    /// What the change of one post is to this reader.
    fn expect(&mut self, before: Option<&PostState>, after: Option<&PostState>, id: PostId) {
        let had = before.is_some_and(|post| self.sees(post));
        let has = after.filter(|post| self.sees(post));
        let event = match (had, has) {
            (false, None) => return,
            (true, None) => bare("remove", &id.to_string()),
            (had, Some(post)) => {
                let name = if had { "update" } else { "item" };
                let keys = post
                    .audience
                    .iter()
                    .filter(|key| self.audiences.contains(key));
                let mut keys: Vec<_> = keys.map(ToString::to_string).collect();
                let mut once = Vec::new();
                keys.retain(|key| {
                    !once.contains(key) && {
                        once.push(key.clone());
                        true
                    }
                });
                (name.to_owned(), id.to_string(), post.version, keys)
            }
        };
        self.expected.push(event);
    }

    async fn read(&mut self, most: usize) {
        let Some(live) = &mut self.live else { return };
        for _ in 0..most.min(self.expected.len() - self.seen.len()) {
            self.seen
                .push(told(&live.next().await.expect("the stream goes on")));
            let last = self.seen.len() - 1;
            assert_eq!(self.seen[last], self.expected[last]);
        }
    }

    async fn catch_up(&mut self) {
        self.read(usize::MAX).await;
        if let Some(live) = &mut self.live {
            settle(live);
        }
        assert_eq!(self.seen, self.expected);
    }

    fn go(&mut self) {
        // A reset that is not read is owed still.
        let next = self.expected.get(self.seen.len());
        self.other |= next.is_some_and(|(event, ..)| event == "reset");
        if let Some(live) = self.live.take() {
            self.last_id = live.last_id.or(self.last_id.take());
        }
    }

    async fn come_back(&mut self, feed: &TestFeed) {
        let mut live = feed.live(&self.who, self.last_id.as_deref()).await;
        if self.last_id.is_none() {
            // The place of a first visit is told before anything else.
            assert!(live.more().await);
            settle(&mut live);
        }
        if std::mem::take(&mut self.other) {
            self.expected.truncate(self.seen.len());
            self.expected.push(bare("reset", ""));
        }
        self.live = Some(live);
    }
}

struct World {
    feed: TestFeed,
    posts: BTreeMap<PostId, PostState>,
    made: u32,
    readers: Vec<Reader>,
}

impl World {
    async fn step(&mut self, step: &Step) {
        let keys = |numbers: &[usize]| {
            let keys = numbers
                .iter()
                .map(|number| AUDIENCES[*number].parse().unwrap());
            keys.collect::<Vec<Audience>>()
        };
        let chosen = |which: usize| {
            self.posts
                .values()
                .nth(which % self.posts.len().max(1))
                .cloned()
        };
        let (before, after) = match step {
            Step::Create(audience) => {
                self.made += 1;
                let mut new = post(self.made, i64::from(self.made), &[]);
                new.audience = keys(audience);
                (None, Some(new))
            }
            Step::Edit(which) => {
                let Some(old) = chosen(*which) else { return };
                let mut new = old.clone();
                (new.version, new.title) = (old.version + 1, format!("{}!", old.title));
                (Some(old), Some(new))
            }
            Step::Move(which, to) => {
                let Some(old) = chosen(*which) else { return };
                let mut new = old.clone();
                (new.version, new.audience) = (old.version + 1, keys(to));
                (Some(old), Some(new))
            }
            Step::Delete(which) => {
                let Some(old) = chosen(*which) else { return };
                (Some(old), None)
            }
            Step::Become(who, what) => return self.become_(*who, roles(*what)).await,
        };
        let id = before
            .as_ref()
            .or(after.as_ref())
            .map(|post| post.post_id)
            .unwrap();
        for reader in &mut self.readers {
            reader.expect(before.as_ref(), after.as_ref(), id);
        }
        if let Some(new) = after {
            self.feed.publish(&new).await;
            self.posts.insert(id, new);
        } else {
            self.feed.delete(id, before.unwrap().version + 1).await;
            self.posts.remove(&id);
        }
    }

    async fn become_(&mut self, which: usize, roles: &[Role]) {
        let posts: Vec<_> = self.posts.values().cloned().collect();
        let reader = &mut self.readers[which];
        let before = reader.audiences.clone();
        let changed = person(reader.who.user.0, roles);
        if changed.roles == reader.who.roles {
            return;
        }
        // Rights count at once for whatever the stream has not looked at, so the model lets it look at everything first.
        reader.catch_up_if_here().await;
        reader.who = changed;
        reader.version += 1;
        reader.audiences = readable(&reader.who);
        if reader.live.is_none() {
            reader.other = true;
        } else {
            let had = |post: &&PostState| post.audience.iter().any(|key| before.contains(key));
            let gained = posts.iter().any(|post| !had(&post) && reader.sees(post));
            let mut lost: Vec<_> = posts
                .iter()
                .filter(had)
                .filter(|post| !reader.sees(post))
                .collect();
            lost.sort_by_key(|post| std::cmp::Reverse(post.post_id));
            if gained {
                reader.expected.push(bare("reset", ""));
            } else {
                reader.expected.extend(
                    lost.iter()
                        .map(|post| bare("remove", &post.post_id.to_string())),
                );
            }
        }
        self.feed.account(&reader.who, reader.version, true).await;
        let reader = &mut self.readers[which];
        reader.catch_up_if_here().await;
    }
}

impl Reader {
    async fn catch_up_if_here(&mut self) {
        if self.live.is_some() {
            self.catch_up().await;
        }
    }
}

async fn play(rounds: Vec<Round>) {
    let feed = TestFeed::start(Setup::default()).await;
    let mut readers = Vec::new();
    for number in 0..3 {
        let who = person(21 + number as i64, roles(number));
        feed.account(&who, 1, true).await;
        readers.push(Reader {
            audiences: readable(&who),
            who,
            version: 1,
            live: None,
            last_id: None,
            seen: Vec::new(),
            expected: Vec::new(),
            other: false,
        });
    }
    let mut world = World {
        feed,
        posts: BTreeMap::new(),
        made: id_zero(),
        readers,
    };
    for reader in &mut world.readers {
        reader.come_back(&world.feed).await;
    }
    for (here, reads, away) in rounds {
        for step in &here {
            world.step(step).await;
        }
        for (reader, most) in world.readers.iter_mut().zip(reads) {
            reader.read(most).await;
            reader.go();
        }
        for step in &away {
            world.step(step).await;
        }
        for reader in &mut world.readers {
            reader.come_back(&world.feed).await;
        }
    }
    for reader in &mut world.readers {
        reader.catch_up().await;
    }
    world.feed.stop().await;
}

fn id_zero() -> u32 {
    assert_eq!(id(0), PostId([0; 12]));
    0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 8, ..ProptestConfig::default() })]

    #[test]
    fn over_110_reconnects_every_event_is_seen_exactly_once_and_in_order(rounds in rounds()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(rounds));
    }
}
