//! Rule 24 of spec/feed.md: after a rebuild every read answers what it answered before, byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::support::owner::{id, post, start};
use crate::support::{Setup, TestFeed};
use backends::bus::Record;
use chrono::TimeDelta;
use contracts::events::{DeleteReason, PostDeleted, PostEvent, PostState};
use contracts::testing::person;
use contracts::{Role, UserId, Verified};
use feed::Phase;
use serde_json::Value;

const EVENTS: u32 = 10_000;
const AUDIENCES: [&str; 6] = [
    "school",
    "role:member",
    "role:teacher",
    "role:student",
    "user:5",
    "public",
];
/// One event of this many is put on the bus at once.
const BATCH: usize = 500;

/// A number that looks like chance and is the same every time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u32) -> u32 {
        // Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(sides)).unwrap()
    }
}

fn audience(dice: &mut Dice) -> Vec<&'static str> {
    let first = AUDIENCES[dice.throw(6) as usize];
    match AUDIENCES[dice.throw(6) as usize] {
        second if second != first && dice.throw(3) == 0 => vec![first, second],
        _ => vec![first],
    }
}

struct School<'a> {
    feed: &'a TestFeed,
    told: Vec<Record>,
    living: Vec<PostState>,
    made: u32,
}

impl School<'_> {
    /// 5 % deletions, 10 % edits, one in five of those for others than before; the rest is new, one in a hundred of it from
    /// a foreign producer.
    fn event(&mut self, dice: &mut Dice) {
        let chosen = (!self.living.is_empty())
            .then(|| dice.throw(u32::try_from(self.living.len()).unwrap()) as usize);
        match (dice.throw(100), chosen) {
            (0..5, Some(index)) => {
                let gone = self.living.swap_remove(index);
                self.feed
                    .owner
                    .delete(gone.post_id, gone.version + 1, start());
                let gone = PostDeleted {
                    post_id: gone.post_id,
                    user_id: gone.user_id,
                    version: gone.version + 1,
                    reason: DeleteReason::Author,
                };
                self.tell(&PostEvent::deleted(&gone, self.feed.ids.uuid(), start()));
            }
            (5..15, Some(index)) => {
                let mut post = self.living[index].clone();
                post.version += 1;
                post.title.push('!');
                post.edited_at = Some(start() + TimeDelta::hours(9));
                if dice.throw(5) == 0 {
                    post.audience = audience(dice)
                        .iter()
                        .map(|key| key.parse().unwrap())
                        .collect();
                }
                self.living[index] = post.clone();
                self.own(&post);
            }
            _ if dice.throw(100) == 0 => self.foreign(dice),
            _ => {
                self.made += 1;
                let mut new = post(self.made, 0, &audience(dice));
                new.published_at = start() + TimeDelta::seconds(i64::from(self.made / 2));
                new.user_id = UserId(i64::from(dice.throw(8)) + 1);
                new.tags
                    .extend((dice.throw(4) == 0).then(|| "trip".to_owned()));
                self.living.push(new.clone());
                self.own(&new);
            }
        }
    }

    fn own(&mut self, post: &PostState) {
        self.feed.owner.set(post);
        self.tell(&PostEvent::state(post, self.feed.ids.uuid(), start()));
    }

    fn tell(&mut self, message: &backends::outbox::Message) {
        self.told.push(Record {
            topic: message.topic.to_owned(),
            key: Some(message.key.clone()),
            payload: message.payload.clone().into(),
            headers: message.headers.clone(),
            event_id: Some(message.event_id),
        });
    }

    fn foreign(&mut self, dice: &mut Dice) {
        let (number, second) = (dice.throw(60), dice.throw(5000));
        let kind = ["created", "created", "updated", "deleted"][dice.throw(4) as usize];
        let post = id(1_000_000 + number);
        // Of one post one creation: its time is its place.
        let second = if kind == "created" {
            number * 80
        } else {
            second
        };
        let at = (start() + TimeDelta::seconds(i64::from(second))).format("%Y-%m-%dT%H:%M:%S");
        let payload = format!(
            r#"{{"event_type":"post.{kind}","timestamp":"{at}","data":{{"post_id":"{post}","user_id":{},"title":"Foreign {number} at {second}"}}}}"#,
            number % 8 + 1
        );
        self.told.push(Record {
            topic: "posts-events".to_owned(),
            key: None,
            payload: payload.into(),
            headers: BTreeMap::new(),
            event_id: None,
        });
    }
}

fn readers() -> Vec<Option<Arc<Verified>>> {
    vec![
        None,
        Some(person(2, &[])),
        Some(person(3, &[Role::Teacher])),
        Some(person(4, &[Role::Student])),
        Some(person(5, &[Role::Teacher, Role::Student])),
        Some(person(6, &[Role::Admin])),
    ]
}

/// Everything every reader can read.
async fn everything(feed: &TestFeed) -> Vec<String> {
    let mut read = Vec::new();
    let mut one = async |path: &str, who: &Option<Arc<Verified>>| {
        let response = feed.get(path, who.clone()).await;
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.headers().contains_key("x-feed"), "{path}");
        let text = kit::testing::text(response).await;
        let page: Value = serde_json::from_str(&text).unwrap_or_default();
        read.push(format!("{path}: {text}"));
        page["next_cursor"].as_str().map(str::to_owned)
    };
    for who in &readers() {
        for (path, sign) in [
            ("?limit=100", '&'),
            ("?limit=100&tag=trip", '&'),
            ("?limit=100&audience=role:member", '&'),
            (
                "?limit=70&from=2026-03-02T08:20:00Z&to=2026-03-02T09:00:00Z",
                '&',
            ),
            ("/user?limit=100", '&'),
        ] {
            if who.is_none() && path.starts_with("/user") {
                continue;
            }
            let mut next = one(path, who).await;
            while let Some(cursor) = next {
                next = one(&format!("{path}{sign}cursor={cursor}"), who).await;
            }
        }
        for path in ["", "?skip=990&limit=20", "?skip=1500&limit=20&tag=trip"] {
            one(path, who).await;
        }
    }
    one("/stats", &None).await;
    one("/atom", &None).await;
    read
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_10_000_events_a_rebuild_changes_no_byte_of_any_answer() {
    let feed = TestFeed::start(Setup {
        public: true,
        ..Setup::default()
    })
    .await;
    let mut dice = Dice(24);
    let mut school = School {
        feed: &feed,
        told: Vec::new(),
        living: Vec::new(),
        made: 0,
    };
    for _ in 0..EVENTS {
        school.event(&mut dice);
    }
    for batch in school.told.chunks(BATCH) {
        feed.bus.publish(batch.to_vec()).await.unwrap();
    }
    feed.settled().await;
    assert_eq!(feed.inspector.verify().await.unwrap().differences, []);
    let before = everything(&feed).await;
    assert!(before.len() > 600, "{} answers", before.len());
    assert!(before.iter().any(|text| text.contains("\"total\":1000,")));
    assert!(before.iter().any(|text| text.contains("Foreign")));
    let report = feed.rebuild().await;
    assert_eq!(report.phase, Phase::Done, "{report:?}");
    let after = everything(&feed).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}
