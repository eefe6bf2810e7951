//! The stream on Redis against the stream in memory: whatever happens, in whatever order, both answer every question alike, byte for
//! byte, and every instance on the same Redis does.

use std::sync::Arc;

use backends::testing;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{Audience, Role, Roles, UserId};
use feed::store::{Batch, RedisStore, Store};
use feed::{
    Answer, Change, Effect, Filter, Gap, Heard, Line, Listener, Mark, NameSource, Order, Place,
    Position, Query, Rights, Scope, Source, Start, Touch, Tuned,
};
use proptest::prelude::*;

use crate::support::owner::{id, post, start};
use crate::support::{self, Opened};

const AUDIENCES: [&str; 5] = ["public", "school", "role:member", "user:1", "user:2"];

/// A change, and how many minutes pass before it.
#[derive(Clone, Debug)]
enum Step {
    Change(Change),
    Wait(i64),
    /// Fills up what has room with these posts of the owner, all of them or as many as fit.
    Refill(Vec<(u32, i64, Vec<usize>)>, bool),
    /// Builds another stream meanwhile: it starts, and after some steps it is shown or given up.
    Begin,
    /// Puts these in together, as the owner's export comes.
    Add(Vec<Change>),
    Publish,
    Abandon,
}

fn keys(numbers: &[usize]) -> Vec<Audience> {
    let keys = numbers
        .iter()
        .map(|number| AUDIENCES[*number].parse().unwrap());
    keys.collect()
}

fn audience() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..AUDIENCES.len(), 0..4)
}

fn state() -> impl Strategy<Value = Change> {
    let what = (
        1..9_u32,
        0..8_i64,
        audience(),
        1..3_i64,
        any::<bool>(),
        0..6_i64,
    );
    let how = (
        0..4_i64,
        prop::option::of(0..200_i64),
        0..3_u8,
        any::<bool>(),
        any::<bool>(),
    );
    (what, how).prop_map(
        |(
            (number, minute, audience, author, tag, version),
            (late, pinned, source, published, owned),
        )| {
            let mut new = post(number, minute, &[]);
            (new.user_id, new.audience, new.version) = (UserId(author), keys(&audience), version);
            new.tags.extend(tag.then(|| "trip".to_owned()));
            new.title = format!("{number} in {version}");
            new.pinned_until = pinned.map(|minutes| start() + TimeDelta::minutes(minutes));
            if !published {
                "draft".clone_into(&mut new.state);
            }
            let order = if owned {
                Order::owned(version)
            } else {
                Order::foreign(version, 0)
            };
            Change::Post {
                post: Box::new(new),
                order,
                arrived: start() + TimeDelta::minutes(late),
                source: [Source::Bus, Source::Export, Source::Asked][source as usize],
            }
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let touch = (
        1..9_u32,
        0..7_i64,
        prop::option::of("[a-z]{0,3}"),
        any::<bool>(),
    )
        .prop_map(|(number, version, title, content)| {
            Change::Touch(Touch {
                id: id(number),
                order: Order::foreign(version, 1),
                at: start() + TimeDelta::seconds(version),
                title,
                content: content.then(|| format!("<p>{version}</p>")),
            })
        });
    let gone = (1..9_u32, 0..7_i64, any::<bool>(), any::<bool>()).prop_map(
        |(number, version, owned, long_ago)| Change::Gone {
            id: id(number),
            order: if owned {
                Order::owned(version)
            } else {
                Order::foreign(version, 2)
            },
            // Else it is now.
            at: if long_ago {
                start() - TimeDelta::days(9)
            } else {
                start()
            },
        },
    );
    let name = (1..4_i64, any::<bool>(), "[\"a-c]{0,3}", 0..4_i64).prop_map(
        |(user, account, name, version)| Change::Name {
            user: UserId(user),
            from: if account {
                NameSource::Account
            } else {
                NameSource::Profile
            },
            name,
            version,
        },
    );
    let rights = (1..4_i64, any::<bool>(), any::<bool>(), 0..4_i64).prop_map(
        |(user, teacher, active, version)| {
            let roles: Roles = [Role::Member, Role::Teacher]
                .into_iter()
                .take(1 + usize::from(teacher))
                .collect();
            Change::Rights {
                user: UserId(user),
                rights: Rights { roles, active },
                version,
            }
        },
    );
    prop_oneof![8 => state(), 3 => touch, 2 => gone, 1 => name, 1 => rights]
}

/// What a batch of an export is like: posts above all, some of them twice, and whatever else a batch may hold.
fn export() -> impl Strategy<Value = Vec<Change>> {
    let exported = state().prop_map(|change| match change {
        Change::Post { post, arrived, .. } => {
            let post = Box::new(contracts::events::PostState {
                state: "published".to_owned(),
                ..*post
            });
            Change::Post {
                order: Order::owned(post.version),
                post,
                arrived,
                source: Source::Export,
            }
        }
        other => other,
    });
    prop::collection::vec(prop_oneof![12 => exported, 1 => change()], 1..12)
}

fn step() -> impl Strategy<Value = Step> {
    let minutes = prop_oneof![4 => 1..90_i64, 1 => 1_000..14_000_i64];
    let found = prop::collection::vec((20..26_u32, -20..8_i64, audience()), 0..6);
    prop_oneof![
        14 => change().prop_map(Step::Change),
        2 => minutes.prop_map(Step::Wait),
        2 => (found, any::<bool>()).prop_map(|(found, end)| Step::Refill(found, end)),
        1 => Just(Step::Begin),
        3 => export().prop_map(Step::Add),
        1 => Just(Step::Publish),
        1 => Just(Step::Abandon),
    ]
}

fn scopes() -> Vec<Scope> {
    let readers = [&[0][..], &[1, 2], &[0, 1, 2, 3, 4], &[3, 4]];
    readers
        .iter()
        .map(|numbers| Scope::reader(keys(numbers)))
        .chain([Scope::By(UserId(1)), Scope::By(UserId(9))])
        .collect()
}

fn filters() -> [Filter; 3] {
    [
        Filter::default(),
        Filter {
            tag: Some("trip".to_owned()),
            ..Filter::default()
        },
        Filter {
            from: Some(start() + TimeDelta::minutes(1)),
            to: Some(start() + TimeDelta::minutes(5)),
            tag: None,
        },
    ]
}

/// An answer in words; a page that is ready and one that is not may hold the same.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Ready(json) => String::from_utf8(json.to_vec()).unwrap(),
        Answer::Part(part) => format!("{part:?}"),
        Answer::Cold => "cold".to_owned(),
    }
}

/// Gaps without what only the store that told them knows.
fn gaps(gaps: &[Gap]) -> Vec<(Line, Position, usize)> {
    gaps.iter()
        .map(|gap| (gap.line, gap.below, gap.room))
        .collect()
}

struct Both {
    memory: Opened,
    redis: [Arc<RedisStore>; 2],
    now: DateTime<Utc>,
    turn: usize,
    building: Option<[u64; 2]>,
    /// Where a live reader is, in the one and in the other.
    listening: Option<[Listener; 2]>,
    heard: usize,
}

impl Both {
    fn one(&mut self) -> Arc<RedisStore> {
        self.turn += 1;
        self.redis[self.turn % 2].clone()
    }

    /// Memory forgets ends in the order in which they came, Redis each in its time; here that is the same.
    fn dated(&self, change: &Change) -> Change {
        match change {
            Change::Gone { id, order, at } if *at == start() => Change::Gone {
                id: *id,
                order: *order,
                at: self.now,
            },
            other => other.clone(),
        }
    }

    async fn step(&mut self, step: &Step) {
        let one = self.one();
        match step {
            Step::Wait(minutes) => self.now += TimeDelta::minutes(*minutes),
            Step::Change(change) => {
                let change = &self.dated(change);
                let mark = Mark {
                    topic: "posts-events".to_owned(),
                    partition: 1,
                    offset: self.turn as i64,
                };
                let expected = self
                    .memory
                    .apply(change.clone(), Some((mark.clone(), self.now)), self.now)
                    .await
                    .unwrap();
                let effect = one
                    .apply(change.clone(), Some((mark, self.now)), self.now)
                    .await
                    .unwrap();
                assert_eq!(effect, expected, "{change:?}");
                if effect == Effect::Thinned {
                    self.same_gaps().await;
                }
            }
            Step::Refill(found, end) => self.refill(found, *end, &one).await,
            Step::Begin => {
                // A second one takes the place of the first, if it is the same instance that asks.
                let one = self.redis[0].clone();
                let both = [
                    self.memory.begin(self.now).await.unwrap(),
                    one.begin(self.now).await.unwrap(),
                ];
                self.building = Some(both);
            }
            Step::Add(changes) => {
                let Some([a, b]) = self.building else { return };
                let batch = Batch {
                    changes: changes.iter().map(|change| self.dated(change)).collect(),
                    read: Vec::new(),
                };
                self.memory.add(a, batch.clone(), self.now).await.unwrap();
                one.add(b, batch, self.now).await.unwrap();
            }
            Step::Publish => {
                let Some([a, b]) = self.building.take() else {
                    return;
                };
                self.memory.publish(a).await.unwrap();
                self.redis[0].publish(b).await.unwrap();
                self.tune().await;
            }
            Step::Abandon => {
                let Some([a, b]) = self.building.take() else {
                    return;
                };
                self.memory.abandon(a).await.unwrap();
                self.redis[0].abandon(b).await.unwrap();
            }
        }
    }

    async fn same_gaps(&self) -> [Vec<Gap>; 2] {
        let told = [
            self.memory.gaps(None).await.unwrap(),
            self.redis[0].gaps(None).await.unwrap(),
        ];
        assert_eq!(gaps(&told[1]), gaps(&told[0]));
        told
    }

    async fn refill(&self, found: &[(u32, i64, Vec<usize>)], end: bool, one: &RedisStore) {
        let [known, asked] = self.same_gaps().await;
        for (known, asked) in known.iter().zip(&asked) {
            let mut posts: Vec<_> = found
                .iter()
                .map(|(number, minute, audience)| {
                    let mut found = post(*number, *minute, &[]);
                    (found.audience, found.user_id) = (keys(audience), UserId(1));
                    match known.line {
                        Line::Audience(key) => found.audience.push(key),
                        Line::Person(user) => found.user_id = user,
                    }
                    found
                })
                .filter(|post| Position::new(post.published_at, post.post_id) < known.below)
                .collect();
            posts.sort_by_key(|post| {
                std::cmp::Reverse(Position::new(post.published_at, post.post_id))
            });
            posts.dedup_by_key(|post| post.post_id);
            let expected = self
                .memory
                .refill(known, &posts, end, self.now)
                .await
                .unwrap();
            let filled = one.refill(asked, &posts, end, self.now).await.unwrap();
            assert_eq!(filled, expected, "{asked:?}");
        }
    }

    async fn same_pages(&mut self) {
        let one = self.one();
        for scope in scopes() {
            for filter in filters() {
                let below = Position::new(start() + TimeDelta::minutes(3), id(4));
                for at in [
                    Start::Skip(0),
                    Start::Skip(2),
                    Start::After(below),
                    Start::After(Position::top()),
                ] {
                    for limit in [1, 3] {
                        let query = Query {
                            scope: scope.clone(),
                            filter: filter.clone(),
                            start: at,
                            limit,
                        };
                        let expected = self.memory.page(&query, self.now).await.unwrap();
                        let answer = one.page(&query, self.now).await.unwrap();
                        assert_eq!(said(&answer), said(&expected), "{query:?}");
                    }
                }
                let query = Query {
                    scope: scope.clone(),
                    filter: filter.clone(),
                    start: Start::Skip(0),
                    limit: 5,
                };
                let expected = self
                    .memory
                    .foreign(&query, Position::top(), 5)
                    .await
                    .unwrap();
                assert_eq!(
                    one.foreign(&query, Position::top(), 5).await.unwrap(),
                    expected,
                    "{query:?}"
                );
            }
        }
        let users = [UserId(1), UserId(2), UserId(9)];
        assert_eq!(
            one.names(&users).await.unwrap(),
            self.memory.names(&users).await.unwrap()
        );
        let expected = self.memory.figures().await.unwrap();
        let figures = one.figures().await.unwrap();
        assert_eq!(
            figures,
            feed::Figures {
                prefix: figures.prefix.clone(),
                ..expected
            }
        );
        for number in 1..9 {
            let expected = self.memory.version(id(number)).await.unwrap();
            assert_eq!(one.version(id(number)).await.unwrap(), expected, "{number}");
        }
        let sorted = |windows: Option<Vec<feed::Window>>| {
            let mut windows = windows.unwrap();
            windows.sort_by_key(|window| window.line);
            windows
        };
        let expected = sorted(self.memory.windows().await.unwrap());
        assert_eq!(sorted(one.windows().await.unwrap()), expected);
    }

    /// A reader sits down where both logs end.
    async fn tune(&mut self) {
        let audiences = keys(&[1, 3]);
        let mut both = Vec::new();
        for store in [&*self.memory.store as &dyn Store, &*self.redis[1]] {
            let Tuned::At { place, end, .. } = store.tune(UserId(1), None).await.unwrap() else {
                panic!("there is a stream");
            };
            both.push(Listener {
                user: UserId(1),
                audiences: audiences.clone(),
                place,
                rights_seen: end,
            });
        }
        self.listening = both.try_into().ok();
    }

    async fn same_news(&mut self) {
        let one = self.one();
        let Some([a, b]) = &mut self.listening else {
            return;
        };
        let turned = keys(&[[2, 3], [1, 3]][self.heard % 2]);
        let expected = self.memory.turn(a, &turned).await.unwrap();
        assert_eq!(one.turn(b, &turned).await.unwrap(), expected);
        let expected = self.memory.hear(a, 900).await.unwrap();
        let heard = one.hear(b, 900).await.unwrap();
        let moved = |place: Place, was: Place| place.seq - was.seq;
        match (expected, heard) {
            (Heard::News(expected, to), Heard::News(news, there)) => {
                assert_eq!(news.len(), expected.len());
                for (one, other) in news.iter().zip(&expected) {
                    assert_eq!(
                        (one.op, one.id, &one.item),
                        (other.op, other.id, &other.item)
                    );
                }
                assert_eq!(moved(there, b.place), moved(to, a.place));
                (a.place, b.place) = (to, there);
                self.heard += news.len();
            }
            (Heard::Rights(at, expected), Heard::Rights(there, rights)) => {
                assert_eq!(rights, expected);
                (a.rights_seen, b.rights_seen) = (at, there);
            }
            (expected, heard) => assert_eq!(heard, expected),
        }
    }
}

async fn play(steps: Vec<Step>, window: usize) {
    let redis = testing::redis();
    let mut both = Both {
        memory: support::memory(window),
        redis: [
            crate::instance(&redis, window),
            crate::instance(&redis, window),
        ],
        now: start() + TimeDelta::minutes(9),
        turn: 0,
        building: None,
        listening: None,
        heard: 0,
    };
    both.step(&Step::Begin).await;
    both.step(&Step::Publish).await;
    for step in &steps {
        both.step(step).await;
        both.same_news().await;
        if !matches!(step, Step::Add(_) | Step::Begin) {
            both.same_pages().await;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 150, ..ProptestConfig::default() })]

    #[test]
    fn two_instances_on_redis_answer_as_one_stream_in_memory(steps in prop::collection::vec(step(), 1..30), window in 1..5_usize) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(play(steps, window));
    }
}
