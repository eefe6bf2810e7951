//! The suite every store of the stream passes: one test per method and per promise.

use std::sync::Arc;

use crate::support::Opened;
use crate::support::owner::{id, post, start};
use contracts::{PostId, UserId};
use feed::store::{Batch, Store, StoreError};
use feed::{
    Answer, Change, Effect, Filter, Line, Mark, NameSource, Order, Position, Query, Scope, Source,
    Start, StreamPage,
};

fn query(start: Start, limit: usize, audiences: &[&str]) -> Query {
    let audiences = audiences.iter().map(|key| key.parse().unwrap()).collect();
    Query {
        scope: Scope::reader(audiences),
        filter: Filter::default(),
        start,
        limit,
    }
}

fn created(number: u32, minute: i64, audience: &[&str]) -> Change {
    Change::owned(
        post(number, minute, audience),
        start() + chrono::TimeDelta::hours(1),
        Source::Bus,
    )
}

async fn apply(store: &Arc<dyn Store>, change: Change) -> Effect {
    store.apply(change, None, start()).await.unwrap()
}

/// Puts it into the stream that is being built.
async fn add(store: &Arc<dyn Store>, generation: u64, change: Change) {
    let batch = Batch {
        changes: vec![change],
        read: Vec::new(),
    };
    store.add(generation, batch, start()).await.unwrap();
}

/// The ids of a page that the store has all of.
async fn ids(store: &Arc<dyn Store>, query: &Query) -> Vec<PostId> {
    let items = match store.page(query, start()).await.unwrap() {
        Answer::Ready(json) => serde_json::from_slice::<StreamPage>(&json).unwrap().items,
        Answer::Part(part) => {
            serde_json::from_slice(&[b"[", part.items.as_slice(), b"]"].concat()).unwrap()
        }
        Answer::Cold => panic!("the store is cold"),
    };
    items.into_iter().map(|item| item.post_id).collect()
}

async fn shown(window: usize, open: fn(usize) -> Opened) -> Opened {
    let store = open(window);
    let generation = store.begin(start()).await.unwrap();
    store.publish(generation).await.unwrap();
    store
}

async fn it_is_cold_until_a_stream_is_published_and_shows_it_whole_then(open: fn(usize) -> Opened) {
    let store = open(9);
    let first = query(Start::Skip(0), 9, &["school"]);
    assert_eq!(store.page(&first, start()).await.unwrap(), Answer::Cold);
    assert!(
        store
            .apply(created(1, 0, &["school"]), None, start())
            .await
            .is_err(),
        "there is nothing to apply to"
    );
    let generation = store.begin(start()).await.unwrap();
    apply(&store, created(1, 0, &["school"])).await;
    assert_eq!(store.page(&first, start()).await.unwrap(), Answer::Cold);
    assert_eq!(store.version(id(1)).await.unwrap(), None);
    assert_eq!(store.windows().await.unwrap(), None);
    store.publish(generation).await.unwrap();
    assert_eq!(ids(&store, &first).await, [id(1)]);
    assert_eq!(store.version(id(1)).await.unwrap(), Some(1));
    store.check().await.unwrap();
}

async fn the_stream_that_is_shown_goes_on_while_another_is_filled(open: fn(usize) -> Opened) {
    let store = shown(9, open).await;
    let first = query(Start::Skip(0), 9, &["school"]);
    apply(&store, created(1, 0, &["school"])).await;
    let generation = store.begin(start()).await.unwrap();
    add(&store, generation, created(2, 1, &["school"])).await;
    assert_eq!(ids(&store, &first).await, [id(1)], "nobody sees it yet");
    apply(&store, created(3, 2, &["school"])).await;
    assert_eq!(ids(&store, &first).await, [id(3), id(1)]);
    let before = store.figures().await.unwrap().prefix;
    store.publish(generation).await.unwrap();
    assert_eq!(ids(&store, &first).await, [id(3), id(2)]);
    assert_ne!(store.figures().await.unwrap().prefix, before);
}

async fn an_unfinished_stream_is_dropped_by_the_next_and_by_who_gives_it_up(
    open: fn(usize) -> Opened,
) {
    let store = shown(9, open).await;
    let first = query(Start::Skip(0), 9, &["school"]);
    apply(&store, created(1, 0, &["school"])).await;
    let unfinished = store.begin(start()).await.unwrap();
    add(&store, unfinished, created(2, 1, &["school"])).await;
    let next = store.begin(start()).await.unwrap();
    assert_ne!(next, unfinished);
    for refused in [
        store.add(unfinished, Batch::default(), start()).await.err(),
        store.publish(unfinished).await.err(),
        store.gaps(Some(unfinished)).await.err(),
    ] {
        assert!(
            matches!(refused, Some(StoreError::Superseded)),
            "{refused:?}"
        );
    }
    store.abandon(unfinished).await.unwrap();
    add(&store, next, created(3, 2, &["school"])).await;
    store.abandon(next).await.unwrap();
    assert!(store.publish(next).await.is_err());
    assert_eq!(ids(&store, &first).await, [id(1)]);
    apply(&store, created(4, 3, &["school"])).await;
    assert_eq!(ids(&store, &first).await, [id(4), id(1)]);
}

async fn a_window_with_room_is_told_of_and_filled_up_from_what_lies_below_it(
    open: fn(usize) -> Opened,
) {
    let store = shown(2, open).await;
    for number in 1..=5 {
        apply(&store, created(number, i64::from(number), &["school"])).await;
    }
    assert_eq!(store.gaps(None).await.unwrap(), []);
    let gone = Change::Gone {
        id: id(5),
        order: Order::owned(2),
        at: start(),
    };
    assert_eq!(apply(&store, gone).await, Effect::Thinned);
    let gaps = store.gaps(None).await.unwrap();
    let school = Line::Audience("school".parse().unwrap());
    let lines: Vec<_> = gaps.iter().map(|gap| (gap.line, gap.room)).collect();
    assert_eq!(lines, [(school, 1), (Line::Person(UserId(7)), 1)]);
    let later = start() + chrono::TimeDelta::hours(1);
    for gap in &gaps {
        let found = [post(3, 3, &["school"])];
        assert!(store.refill(gap, &found, false, later).await.unwrap());
        assert!(
            !store.refill(gap, &found, false, later).await.unwrap(),
            "it is another gap by now"
        );
    }
    assert_eq!(store.gaps(None).await.unwrap(), []);
    let Answer::Part(part) = store
        .page(&query(Start::Skip(0), 9, &["school"]), start())
        .await
        .unwrap()
    else {
        panic!("the owner goes on");
    };
    assert_eq!((part.count, part.total), (2, Some(2)));
}

async fn a_foreign_post_is_there_below_every_window(open: fn(usize) -> Opened) {
    let store = shown(1, open).await;
    let mut foreign = post(1, 1, &["school"]);
    foreign.version = 9;
    let change = Change::Post {
        post: Box::new(foreign.clone()),
        order: Order::foreign(9, 0),
        arrived: start(),
        source: Source::Bus,
    };
    apply(&store, change).await;
    for number in 2..=4 {
        apply(&store, created(number, i64::from(number), &["school"])).await;
    }
    let first = query(Start::Skip(0), 9, &["school"]);
    let below = |minute| Position::new(start() + chrono::TimeDelta::minutes(minute), id(9));
    let found = store.foreign(&first, below(4), 5).await.unwrap();
    assert_eq!(found, [foreign]);
    assert_eq!(store.foreign(&first, below(0), 5).await.unwrap(), []);
    let others = query(Start::Skip(0), 9, &["role:teacher"]);
    assert_eq!(store.foreign(&others, below(4), 5).await.unwrap(), []);
}

async fn the_windows_are_told_whole(open: fn(usize) -> Opened) {
    let store = shown(2, open).await;
    for number in 1..=3 {
        apply(&store, created(number, i64::from(number), &["school"])).await;
    }
    let mut windows = store.windows().await.unwrap().unwrap();
    windows.sort_by_key(|window| window.line);
    let told: Vec<_> = windows
        .iter()
        .map(|window| {
            let ids: Vec<_> = window.items.iter().map(|kept| kept.id).collect();
            (window.line.to_string(), ids)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("school".to_owned(), vec![id(3), id(2)]),
            ("by:7".to_owned(), vec![id(3), id(2)])
        ]
    );
    let kept = &windows[0].items[0];
    assert!(kept.owned && kept.body.json().starts_with(b"{\"post_id\":"));
}

async fn a_change_is_applied_once_and_older_ones_change_nothing(open: fn(usize) -> Opened) {
    let store = shown(9, open).await;
    assert_eq!(
        apply(&store, created(1, 0, &["school"])).await,
        Effect::Applied
    );
    assert_eq!(
        apply(&store, created(1, 0, &["school"])).await,
        Effect::Unchanged
    );
    let gone = Change::Gone {
        id: id(1),
        order: Order::owned(3),
        at: start(),
    };
    assert_eq!(apply(&store, gone.clone()).await, Effect::Applied);
    assert_eq!(apply(&store, gone).await, Effect::Unchanged);
    assert_eq!(
        apply(&store, created(1, 0, &["school"])).await,
        Effect::Unchanged
    );
    assert_eq!(store.version(id(1)).await.unwrap(), Some(3));
}

async fn pages_by_cursor_neither_repeat_nor_skip_items_of_one_time(open: fn(usize) -> Opened) {
    let store = shown(100, open).await;
    for number in 1..=10 {
        apply(
            &store,
            created(number, 0, &[["school", "role:member"][number as usize % 2]]),
        )
        .await;
    }
    let mut all = Vec::new();
    let mut at = Start::Skip(0);
    while all.len() < 10 {
        let page = ids(&store, &query(at, 3, &["school", "role:member"])).await;
        all.extend(page);
        at = Start::After(Position::new(start(), *all.last().unwrap()));
    }
    assert_eq!(all, (1..=10).rev().map(id).collect::<Vec<_>>());
}

async fn a_full_window_says_where_the_owner_goes_on(open: fn(usize) -> Opened) {
    let store = shown(2, open).await;
    for number in 1..=5 {
        apply(&store, created(number, i64::from(number), &["school"])).await;
    }
    let Answer::Part(part) = store
        .page(&query(Start::Skip(1), 3, &["school", "user:1"]), start())
        .await
        .unwrap()
    else {
        panic!("the store has not all of it");
    };
    assert_eq!((part.count, part.more, part.total), (1, false, Some(2)));
    let floor = Position::new(start() + chrono::TimeDelta::minutes(4), id(4));
    assert_eq!(
        part.rest.map(|rest| (rest.below, rest.skip)),
        Some((floor, 0))
    );
}

async fn names_are_known_by_their_newest_version(open: fn(usize) -> Opened) {
    let store = shown(9, open).await;
    for (name, version) in [("b", 2), ("a", 1)] {
        apply(
            &store,
            Change::Name {
                user: UserId(7),
                from: NameSource::Account,
                name: name.to_owned(),
                version,
            },
        )
        .await;
    }
    let names = store.names(&[UserId(7), UserId(8)]).await.unwrap();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        [(UserId(7), "\"b\"".to_owned())]
    );
    assert_eq!(store.name_version(UserId(7)).await.unwrap(), Some(2));
}

async fn it_keeps_where_it_read_with_what_it_read(open: fn(usize) -> Opened) {
    let store = shown(9, open).await;
    let mark = Mark {
        topic: "posts-events".to_owned(),
        partition: 2,
        offset: 41,
    };
    store
        .apply(
            created(1, 0, &["school", "role:member"]),
            Some((mark, start())),
            start(),
        )
        .await
        .unwrap();
    let figures = store.figures().await.unwrap();
    assert_eq!(
        (figures.items, figures.timelines, figures.published),
        (1, 2, true)
    );
    assert_eq!(figures.applied["posts-events"][&2], 41);
    assert_eq!(figures.last_event_at, Some(start()));
}

/// The owner's states of twenty posts, six of each, in batches that each hold another state of every post; every third one is
/// gone in the end.
fn overlapping() -> Vec<Batch> {
    let state = |number: u32, version: i64| {
        let key = if version % 2 == 0 {
            "school"
        } else {
            "role:teacher"
        };
        let mut state = post(number, i64::from(number), &[key]);
        state.version = version;
        Change::owned(state, start() + chrono::TimeDelta::hours(1), Source::Export)
    };
    let changes = |turn: u32| {
        (1..=20_u32).map(move |number| match i64::from((number + turn) % 6) + 1 {
            6 if number % 3 == 0 => Change::Gone {
                id: id(number),
                order: Order::owned(6),
                at: start(),
            },
            version => state(number, version),
        })
    };
    let batch = |turn| Batch {
        changes: changes(turn).collect(),
        read: Vec::new(),
    };
    (0..6).map(batch).collect()
}

async fn of_each_post_the_newest_state_stays_whichever_batch_brings_it(open: fn(usize) -> Opened) {
    let store = open(40);
    let generation = store.begin(start()).await.unwrap();
    let adding = overlapping()
        .into_iter()
        .map(|batch| store.add(generation, batch, start()));
    for added in futures_util::future::join_all(adding).await {
        added.unwrap();
    }
    store.publish(generation).await.unwrap();
    let left: Vec<_> = (1..=20)
        .rev()
        .filter(|number| number % 3 != 0)
        .map(id)
        .collect();
    let all = query(Start::Skip(0), 40, &["school", "role:teacher"]);
    assert_eq!(ids(&store, &all).await, left);
    assert_eq!(
        ids(&store, &query(Start::Skip(0), 40, &["role:teacher"])).await,
        []
    );
    for number in 1..=20 {
        assert_eq!(store.version(id(number)).await.unwrap(), Some(6));
    }
}

macro_rules! store_suite {
    ($backend:ident, $open:expr) => {
        mod $backend {
            store_suite!(@ $open; it_is_cold_until_a_stream_is_published_and_shows_it_whole_then
                of_each_post_the_newest_state_stays_whichever_batch_brings_it
                the_stream_that_is_shown_goes_on_while_another_is_filled
                an_unfinished_stream_is_dropped_by_the_next_and_by_who_gives_it_up
                a_window_with_room_is_told_of_and_filled_up_from_what_lies_below_it
                a_foreign_post_is_there_below_every_window
                the_windows_are_told_whole
                a_change_is_applied_once_and_older_ones_change_nothing
                pages_by_cursor_neither_repeat_nor_skip_items_of_one_time
                a_full_window_says_where_the_owner_goes_on
                names_are_known_by_their_newest_version
                it_keeps_where_it_read_with_what_it_read);
        }
    };
    (@ $open:expr; $($test:ident)*) => {$(
        #[tokio::test]
        async fn $test() {
            super::$test($open).await;
        }
    )*};
}

store_suite!(each, crate::backend);
