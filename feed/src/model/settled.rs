//! Whatever happened: once windows are filled up, everything that is read is what a stream built anew answers (spec/feed.md rules
//! 11 and 24), byte for byte, foreign posts included.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use contracts::{Audience, PostId, UserId};
use proptest::prelude::*;

use super::tests::{everything, filters, more, page, reading, scopes, tell, wait};
use super::world::{World, keys, message, step};
use crate::change::{Change, Source};
use crate::owner::{Owner, id};
use crate::position::Position;
use crate::query::{Filter, Scope, Start};
use crate::reading::Reading;
use crate::rebuild::refill::Refiller;

fn refiller(reading: &Reading) -> Refiller {
    Refiller {
        store: reading.store.clone(),
        posts: reading.posts.clone(),
        clock: reading.clock.clone(),
        pulse: reading.pulse.clone(),
        public: true,
    }
}

/// Foreign messages about posts of their own numbers, some audiences apart, and some about posts of the owner.
fn foreign() -> impl Strategy<Value = Change> {
    (
        message(),
        any::<bool>(),
        prop::collection::vec(0..4_usize, 1..3),
    )
        .prop_map(|(change, owned, audience)| {
            let shift = |old: PostId| id(u32::from(old.0[11]) + if owned { 0 } else { 1000 });
            match change {
                Change::Post {
                    mut post,
                    order,
                    arrived,
                    ..
                } => {
                    post.post_id = shift(post.post_id);
                    post.audience = keys(&audience);
                    // Of one post its place is what its creation says, whatever the number of creations.
                    let minutes = i64::from(post.post_id.0[11]);
                    post.published_at = crate::owner::start() + TimeDelta::minutes(minutes);
                    Change::Post {
                        post,
                        order,
                        arrived: arrived + TimeDelta::hours(1),
                        source: Source::Bus,
                    }
                }
                Change::Touch(mut touch) => {
                    touch.id = shift(touch.id);
                    Change::Touch(touch)
                }
                Change::Gone { id, order, at } => Change::Gone {
                    id: shift(id),
                    order,
                    at,
                },
                other => other,
            }
        })
}

/// One stream that heard it all, looked after now and then, and one built from the owner and what foreign producers told.
async fn both(
    world: &World,
    told: &[Change],
    foreign: &[Change],
    window: usize,
) -> (Reading, Reading) {
    let heard = reading(&world.owner, window);
    tell(&heard, &[]).await;
    for chunk in told.chunks(3) {
        more(&heard, chunk).await;
        refiller(&heard).shown().await.unwrap();
    }
    let rebuilt = reading(&world.owner, window);
    let generation = rebuilt.store.begin(rebuilt.clock.now()).await.unwrap();
    more(&rebuilt, &world.export()).await;
    more(&rebuilt, foreign).await;
    refiller(&rebuilt).built(generation).await.unwrap();
    rebuilt.store.publish(generation).await.unwrap();
    (heard, rebuilt)
}

/// Every page of every reader under every filter.
async fn all_pages(reading: &Reading) -> Vec<String> {
    let mut pages = everything(reading).await;
    for scope in scopes() {
        for filter in filters() {
            for limit in [1, 3] {
                let mut start = Start::Skip(0);
                loop {
                    let page = page(reading, &scope, &filter, start, limit).await;
                    pages.push(serde_json::to_string(&page).unwrap());
                    let Some(cursor) = page.next_cursor else {
                        break;
                    };
                    start = Start::After(Position::from_cursor(&cursor).unwrap());
                }
            }
        }
    }
    pages
}

/// The newest of each audience, each once: what the total counts.
fn naive_total(owner: &Owner, audiences: &[Audience], window: usize) -> usize {
    let newest = |key: &Audience| {
        let posts = owner.newest(|post| post.audience.contains(key));
        posts.into_iter().take(window).map(|post| post.post_id)
    };
    audiences
        .iter()
        .flat_map(newest)
        .collect::<BTreeSet<_>>()
        .len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_total_counts_the_newest_of_each_audience_whatever_was_removed(
        steps in prop::collection::vec(step(), 1..40), window in 1..6_usize,
    ) {
        wait(async {
            let mut world = World::default();
            let heard = reading(&world.owner, window);
            tell(&heard, &[]).await;
            for step in &steps {
                let told = world.told.len();
                world.play(std::slice::from_ref(step));
                more(&heard, &world.told[told..]).await;
                refiller(&heard).shown().await.unwrap();
                for scope in scopes() {
                    let page = page(&heard, &scope, &Filter::default(), Start::Skip(0), 1).await;
                    let expected = match &scope {
                        Scope::Audiences(audiences) => naive_total(&world.owner, audiences, window),
                        Scope::By(user) => world.owner.newest(|post| post.user_id == *user).len().min(window),
                    };
                    assert_eq!(page.total, Some(expected as u64), "{scope:?}");
                }
            }
        });
    }

    #[test]
    fn a_rebuilt_stream_answers_byte_for_byte_what_the_one_before_answered(
        steps in prop::collection::vec(step(), 1..40), foreign in prop::collection::vec(foreign(), 0..12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 12), window in 1..6_usize,
    ) {
        wait(async {
            let mut world = World::default();
            world.play(&steps);
            let mut told = world.told.clone();
            for (change, place) in foreign.iter().zip(&places) {
                told.insert(place.index(told.len() + 1), change.clone());
            }
            // In the order in which the bus has them.
            let foreign: Vec<_> = told.iter().filter(|change| is_foreign(change)).cloned().collect();
            let (heard, rebuilt) = both(&world, &told, &foreign, window).await;
            assert_eq!(all_pages(&heard).await, all_pages(&rebuilt).await);
        });
    }
}

fn is_foreign(change: &Change) -> bool {
    match change {
        Change::Post { order, .. } | Change::Gone { order, .. } => !order.owned,
        Change::Touch(_) => true,
        Change::Rights { .. } | Change::Name { .. } => false,
    }
}

#[tokio::test]
async fn a_window_is_not_filled_with_what_moved_while_the_owner_was_asked() {
    let owner = Arc::new(Owner::default());
    let reading = reading(&owner, 2);
    let school = crate::owner::post;
    let changes: Vec<_> = (1..=5)
        .map(|number| school(number, i64::from(number), &["school"]))
        .collect();
    changes.iter().for_each(|post| owner.set(post));
    let told = |post: &contracts::events::PostState| {
        Change::owned(post.clone(), reading.clock.now(), Source::Bus)
    };
    tell(&reading, &changes.iter().map(told).collect::<Vec<_>>()).await;
    let gone = Change::Gone {
        id: id(5),
        order: crate::Order::owned(2),
        at: reading.clock.now(),
    };
    more(&reading, &[gone]).await;
    owner.delete(id(5), 2, reading.clock.now());
    let gaps = reading.store.gaps(None).await.unwrap();
    let answered = owner.newest(|post| post.post_id < id(4));
    // After the owner answered: an old post of others becomes the school's, and the newest of the answer is the school's no
    // longer.
    let mut came = school(9, 3, &["user:1"]);
    (came.audience, came.version) = (keys(&[0]), 2);
    let mut left = answered[0].clone();
    (left.audience, left.version) = (keys(&[2]), 2);
    owner.set(&came);
    owner.set(&left);
    more(&reading, &[told(&came), told(&left)]).await;
    for gap in gaps {
        let filled = reading
            .store
            .refill(&gap, &answered, true, reading.clock.now())
            .await
            .unwrap();
        assert!(!filled, "{gap:?}");
    }
    refiller(&reading).shown().await.unwrap();
    for scope in [
        Scope::reader(keys(&[0])),
        Scope::reader(keys(&[2])),
        Scope::By(UserId(7)),
    ] {
        let first = page(&reading, &scope, &Filter::default(), Start::Skip(0), 2).await;
        let expected = owner.newest(|post| match &scope {
            Scope::Audiences(keys) => post.audience.iter().any(|key| keys.contains(key)),
            Scope::By(user) => post.user_id == *user,
        });
        let expected: Vec<_> = expected.iter().map(|post| post.post_id).take(2).collect();
        let shown: Vec<_> = first.items.iter().map(|item| item.post_id).collect();
        assert_eq!(
            (shown, first.total),
            (expected.clone(), Some(expected.len() as u64)),
            "{scope:?}"
        );
    }
}
