//! Paging against a naive model, under inserts, edits and deletions.

use contracts::clients::PageFilters;
use contracts::{Audience, PostId, UserId};
use posts::audience::Reader;
use posts::store::{PageQuery, Start, Store};
use posts::{Post, Text};
use proptest::prelude::*;

use crate::places::Place;
use crate::store::{edit, new_post, reader, removal};

const AUDIENCES: [&str; 4] = ["school", "role:student", "user:7", "role:member"];
const TAGS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Publish {
        author: i64,
        audiences: usize,
        tags: usize,
    },
    Delete(prop::sample::Index),
    Move(prop::sample::Index, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..4i64, 1..16usize, 0..8usize).prop_map(|(author, audiences, tags)| Step::Publish { author, audiences, tags }),
        1 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => (any::<prop::sample::Index>(), 1..16usize).prop_map(|(post, audiences)| Step::Move(post, audiences)),
    ]
}

#[derive(Clone, Debug)]
struct Look {
    user: Option<i64>,
    audiences: usize,
    author: Option<i64>,
    tag: Option<usize>,
    audience: Option<usize>,
    limit: u32,
}

fn look() -> impl Strategy<Value = Look> {
    (
        prop::option::of(1..5i64),
        0..16usize,
        prop::option::weighted(0.3, 1..5i64),
        prop::option::weighted(0.3, 0..3usize),
        prop::option::weighted(0.3, 0..4usize),
        1..5u32,
    )
        .prop_map(|(user, audiences, author, tag, audience, limit)| Look {
            user,
            audiences,
            author,
            tag,
            audience,
            limit,
        })
}

fn subset(of: &[&'static str], bits: usize) -> Vec<&'static str> {
    of.iter()
        .enumerate()
        .filter(|(i, _)| bits >> i & 1 == 1)
        .map(|(_, name)| *name)
        .collect()
}

impl Look {
    fn reader(&self) -> Reader {
        reader(self.user, &subset(&AUDIENCES, self.audiences))
    }

    fn query(&self, start: Start) -> PageQuery {
        let filters = PageFilters {
            user_id: self.author.map(UserId),
            tag: self.tag.map(|i| TAGS[i].to_owned()),
            audience: self.audience.map(|i| AUDIENCES[i].parse().unwrap()),
            from: None,
            to: None,
        };
        PageQuery {
            reader: self.reader(),
            filters,
            start,
            limit: self.limit,
        }
    }

    /// What the rules say, one post at a time.
    fn shows(&self, post: &Post) -> bool {
        let reader = self.reader();
        let own = reader.user == Some(post.user_id);
        let shares = |key: &Audience| post.audience.contains(key);
        let visible = match self.audience.map(|i| AUDIENCES[i].parse().unwrap()) {
            Some(key) => shares(&key) && (own || reader.audiences.contains(&key)),
            None => own || reader.audiences.iter().any(shares),
        };
        visible
            && self
                .author
                .is_none_or(|author| post.user_id == UserId(author))
            && self
                .tag
                .is_none_or(|tag| post.tags.iter().any(|held| held == TAGS[tag]))
    }
}

/// Takes the step in the store and in the model, which is in the order of publishing.
async fn take(store: &dyn Store, model: &mut Vec<Post>, step: &Step) {
    match step {
        Step::Publish {
            author,
            audiences,
            tags,
        } => {
            let new = new_post(
                *author,
                "x",
                &subset(&TAGS, *tags),
                &subset(&AUDIENCES, *audiences),
            );
            model.push(store.publish(new, None).await.unwrap());
        }
        Step::Delete(index) if !model.is_empty() => {
            let post = model.remove(index.index(model.len()));
            assert!(store.remove(&post, removal()).await.unwrap());
        }
        Step::Move(index, audiences) if !model.is_empty() => {
            let post = index.get_mut(model);
            let audience = subset(&AUDIENCES, *audiences)
                .iter()
                .map(|key| key.parse().unwrap())
                .collect();
            *post = store
                .edit(
                    post,
                    edit(Text {
                        audience,
                        ..post.text()
                    }),
                )
                .await
                .unwrap()
                .unwrap();
        }
        Step::Delete(_) | Step::Move(..) => {}
    }
}

fn shown(model: &[Post], look: &Look) -> Vec<PostId> {
    model
        .iter()
        .rev()
        .filter(|post| look.shows(post))
        .map(|post| post.id)
        .collect()
}

async fn run(place: Place, before: Vec<Step>, during: Vec<Step>, looks: Vec<Look>) {
    let (store, _) = place.open(1).await;
    let mut model = Vec::new();
    for step in &before {
        take(&*store, &mut model, step).await;
    }
    for look in &looks {
        let expected = shown(&model, look);
        let (mut by_cursor, mut by_skip) = (Vec::new(), Vec::new());
        let mut start = Start::Skip(0);
        loop {
            let page = store.page(&look.query(start)).await.unwrap();
            assert!(
                page.items.len() == look.limit as usize || !page.more,
                "a page is short only at the end"
            );
            by_cursor.extend(page.items.iter().map(|post| post.id));
            let Some(next) = page.next() else { break };
            start = Start::After(next);
        }
        loop {
            let page = store
                .page(&look.query(Start::Skip(by_skip.len() as u32)))
                .await
                .unwrap();
            by_skip.extend(page.items.iter().map(|post| post.id));
            if !page.more {
                break;
            }
        }
        assert_eq!((&by_cursor, &by_skip), (&expected, &expected), "{look:?}");
    }
    // While somebody pages, others write: what was there all the time is shown once and in order, what is new is not.
    let look = Look {
        author: None,
        tag: None,
        audience: None,
        limit: 2,
        ..looks[0].clone()
    };
    let at_first = shown(&model, &look);
    let (mut seen, mut start, mut steps) = (Vec::new(), Start::Skip(0), during.iter());
    loop {
        let page = store.page(&look.query(start)).await.unwrap();
        seen.extend(page.items.iter().map(|post| post.id));
        let Some(next) = page.next() else { break };
        start = Start::After(next);
        if let Some(step) = steps.next().filter(|step| !matches!(step, Step::Move(..))) {
            take(&*store, &mut model, step).await;
        }
    }
    let at_last = shown(&model, &look);
    let throughout: Vec<_> = at_first
        .iter()
        .copied()
        .filter(|id| at_last.contains(id))
        .collect();
    let stayed: Vec<_> = seen
        .iter()
        .copied()
        .filter(|id| throughout.contains(id))
        .collect();
    assert_eq!(stayed, throughout, "no gap and no repeat among the rest");
    assert!(
        seen.iter().all(|id| at_first.contains(id)),
        "nothing new appears behind a cursor"
    );
}

fn property(open: impl AsyncFn() -> Place) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let given = (
        prop::collection::vec(step(), 0..30),
        prop::collection::vec(step(), 0..12),
        prop::collection::vec(look(), 1..8),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    };
    proptest::test_runner::TestRunner::new(config)
        .run(&given, |(before, during, looks)| {
            runtime.block_on(async { run(open().await, before, during, looks).await });
            Ok(())
        })
        .unwrap();
}

#[test]
fn pages_by_cursor_and_by_skip_show_what_a_naive_model_shows_on_sqlite() {
    property(async || Place::sqlite().await);
}

#[cfg(feature = "postgres-tests")]
#[test]
fn pages_by_cursor_and_by_skip_show_what_a_naive_model_shows_on_postgres() {
    property(async || Place::postgres().await);
}

#[cfg(feature = "mongodb-tests")]
#[test]
fn pages_by_cursor_and_by_skip_show_what_a_naive_model_shows_on_mongodb() {
    property(async || Place::Mongo(crate::mongo::TestMongo::new().await));
}
