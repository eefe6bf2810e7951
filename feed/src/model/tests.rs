//! The stream against a naive recomputation from the list of posts: whatever happened, in whatever order it was told, paging
//! through the stream shows what sorting the posts shows.

use std::sync::Arc;

use chrono::TimeDelta;
use contracts::UserId;
use kit::clock::MockClock;
use kit::metrics::Metrics;
use proptest::prelude::*;

use super::world::{World, keys, message, step};
use crate::Limits;
use crate::change::Change;
use crate::item::Item;
use crate::owner::{Owner, start};
use crate::page::StreamPage;
use crate::position::Position;
use crate::pulse::Pulse;
use crate::query::{Filter, Query, Scope, Start};
use crate::reading::Reading;
use crate::store::MemoryStore;

pub(super) fn reading(owner: &Arc<Owner>, window: usize) -> Reading {
    let limits = Limits {
        window,
        remember: TimeDelta::days(8),
    };
    let clock = MockClock::at(start() + TimeDelta::days(1));
    Reading {
        store: Arc::new(MemoryStore::new(limits, 1 << 20)),
        posts: owner.clone(),
        clock: clock.shared(),
        metrics: Metrics::new(),
        pulse: Arc::new(Pulse::new()),
    }
}

pub(super) async fn tell(reading: &Reading, changes: &[Change]) {
    let generation = reading.store.begin(reading.clock.now()).await.unwrap();
    reading.store.publish(generation).await.unwrap();
    more(reading, changes).await;
}

pub(super) async fn more(reading: &Reading, changes: &[Change]) {
    for change in changes {
        reading
            .store
            .apply(change.clone(), None, reading.clock.now())
            .await
            .unwrap();
    }
}

pub(super) async fn page(
    reading: &Reading,
    scope: &Scope,
    filter: &Filter,
    start: Start,
    limit: usize,
) -> StreamPage {
    let query = Query {
        scope: scope.clone(),
        filter: filter.clone(),
        start,
        limit,
    };
    serde_json::from_slice(&reading.page(&query).await.unwrap().json).unwrap()
}

/// All pages by cursor, each full but the last.
async fn walk(reading: &Reading, scope: &Scope, filter: &Filter, limit: usize) -> Vec<Item> {
    let mut items = Vec::new();
    let mut start = Start::Skip(0);
    loop {
        let page = page(reading, scope, filter, start, limit).await;
        assert!(
            page.next_cursor.is_none() || page.items.len() == limit,
            "a page is short before the end"
        );
        items.extend(page.items);
        let Some(cursor) = page.next_cursor else {
            return items;
        };
        start = Start::After(Position::from_cursor(&cursor).unwrap());
    }
}

/// What the reader must see, recomputed.
fn naive(
    owner: &Owner,
    scope: &Scope,
    filter: &Filter,
    now: chrono::DateTime<chrono::Utc>,
) -> Vec<Item> {
    let posts = owner.newest(|post| {
        let seen = match scope {
            Scope::Audiences(audiences) => post.audience.iter().any(|key| audiences.contains(key)),
            Scope::By(user) => post.user_id == *user,
        };
        seen && filter
            .tag
            .as_ref()
            .is_none_or(|tag| post.tags.contains(tag))
            && filter.from.is_none_or(|from| post.published_at >= from)
            && filter.to.is_none_or(|to| post.published_at < to)
    });
    let item = |post| {
        let mut item = Item::of(post, now);
        if let Scope::Audiences(audiences) = scope {
            item.audience.retain(|key| audiences.contains(key));
        }
        item
    };
    posts.iter().map(item).collect()
}

pub(super) fn scopes() -> Vec<Scope> {
    let readers = [&[0, 1][..], &[0, 1, 2, 3], &[2], &[3, 1]];
    readers
        .iter()
        .map(|numbers| Scope::reader(keys(numbers)))
        .chain([Scope::By(UserId(1)), Scope::By(UserId(9))])
        .collect()
}

pub(super) fn filters() -> [Filter; 3] {
    [
        Filter::default(),
        Filter {
            tag: Some("trip".to_owned()),
            ..Filter::default()
        },
        Filter {
            from: Some(start() + TimeDelta::minutes(1)),
            to: Some(start() + TimeDelta::minutes(4)),
            tag: None,
        },
    ]
}

async fn shows_what_the_posts_are(reading: &Reading, owner: &Owner) {
    for scope in scopes() {
        for filter in filters() {
            let expected = naive(owner, &scope, &filter, reading.clock.now());
            for limit in [1, 3, 100] {
                assert_eq!(
                    walk(reading, &scope, &filter, limit).await,
                    expected,
                    "{scope:?} {filter:?} by {limit}"
                );
            }
            for skip in [1, 4] {
                let page = page(reading, &scope, &filter, Start::Skip(skip), 2).await;
                let rest: Vec<_> = expected.iter().skip(skip).take(2).cloned().collect();
                assert_eq!(page.items, rest, "{scope:?} {filter:?} after {skip}");
            }
        }
    }
}

pub(super) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The same in another order, and some of it more than once.
fn told_otherwise(told: &[Change], order: &[prop::sample::Index]) -> Vec<Change> {
    let mut left: Vec<_> = told.to_vec();
    let mut otherwise = Vec::new();
    for index in order {
        let Some(change) = (!left.is_empty()).then(|| left[index.index(left.len())].clone()) else {
            break;
        };
        if index.index(3) > 0 {
            left.remove(index.index(left.len()));
        }
        otherwise.push(change);
    }
    otherwise.extend(left);
    otherwise
}

/// Everything every reader could see, totals included, as bytes.
pub(super) async fn everything(reading: &Reading) -> Vec<String> {
    let mut pages = Vec::new();
    for scope in scopes() {
        let query = Query {
            scope,
            filter: Filter::default(),
            start: Start::Skip(0),
            limit: 100,
        };
        pages.push(String::from_utf8(reading.page(&query).await.unwrap().json.to_vec()).unwrap());
    }
    let figures = reading.store.figures().await.unwrap();
    pages.push(format!(
        "{} items, {} bytes, {} timelines",
        figures.items, figures.bytes, figures.timelines
    ));
    pages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happened_paging_shows_the_posts_sorted(
        steps in prop::collection::vec(step(), 1..40), window in 1..6_usize, cut in any::<prop::sample::Index>(),
    ) {
        wait(async {
            let mut world = World::default();
            let cut = cut.index(steps.len());
            world.play(&steps[..cut]);
            let noted = world.told.len() / 2;
            let filled = reading(&world.owner, window);
            let generation = filled.store.begin(filled.clock.now()).await.unwrap();
            more(&filled, &world.export()).await;
            world.play(&steps[cut..]);
            // From where the bus was before the export: some of it is in the export already.
            more(&filled, &world.told[noted..]).await;
            filled.store.publish(generation).await.unwrap();
            shows_what_the_posts_are(&filled, &world.owner).await;

            let heard = reading(&world.owner, window);
            tell(&heard, &world.told).await;
            shows_what_the_posts_are(&heard, &world.owner).await;
        });
    }

    #[test]
    fn any_order_and_any_repetition_of_the_events_shows_the_same(
        steps in prop::collection::vec(step(), 1..30), order in prop::collection::vec(any::<prop::sample::Index>(), 0..80),
        window in 1..6_usize,
    ) {
        wait(async {
            let mut world = World::default();
            world.play(&steps);
            let otherwise = told_otherwise(&world.told, &order);
            let small = reading(&world.owner, window);
            tell(&small, &otherwise).await;
            shows_what_the_posts_are(&small, &world.owner).await;

            let (straight, shuffled) = (reading(&world.owner, 1000), reading(&world.owner, 1000));
            tell(&straight, &world.told).await;
            tell(&shuffled, &otherwise).await;
            assert_eq!(everything(&straight).await, everything(&shuffled).await);
        });
    }
}

proptest! {
    // Cheap, and what it found was rare.
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn foreign_messages_without_versions_give_one_state_in_any_order(
        messages in prop::collection::vec(message(), 1..14), order in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        wait(async {
            let owner = Arc::new(Owner::default());
            let (straight, shuffled) = (reading(&owner, 1000), reading(&owner, 1000));
            tell(&straight, &messages).await;
            tell(&shuffled, &told_otherwise(&messages, &order)).await;
            assert_eq!(everything(&straight).await, everything(&shuffled).await);
        });
    }
}
