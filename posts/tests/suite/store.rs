//! The store, on every database: one test for each method and one for each promise.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use contracts::clients::{ExportRow, PageFilters};
use contracts::events::DeleteReason;
use contracts::{Audience, PostId, Role, UserId};
use posts::audience::Reader;
use posts::store::{Actor, Edit, NewPost, Once, PageQuery, Part, Removal, Start, Store};
use posts::{Error, FORMER_MEMBER, Post, Text};

use crate::places::{Place, at_once, sequential};

pub fn new_post(author: i64, title: &str, tags: &[&str], audience: &[&str]) -> NewPost {
    NewPost {
        user_id: UserId(author),
        username: format!("user{author}"),
        author_role: Role::Teacher,
        title: title.to_owned(),
        content: "<p>ü</p>".to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        audience: audience.iter().map(|key| key.parse().unwrap()).collect(),
    }
}

fn actor() -> Actor {
    Actor {
        user: UserId(1),
        from: Some("192.0.2.1".to_owned()),
        request_id: Some("r1".to_owned()),
    }
}

pub fn edit(text: Text) -> Edit {
    Edit {
        actor: actor(),
        text,
        reason: None,
    }
}

pub fn removal() -> Removal {
    Removal {
        actor: actor(),
        ground: DeleteReason::Author,
        reason: None,
    }
}

pub fn reader(user: Option<i64>, audiences: &[&str]) -> Reader {
    Reader {
        user: user.map(UserId),
        audiences: audiences.iter().map(|key| key.parse().unwrap()).collect(),
    }
}

async fn list(store: &dyn Store, reader: Reader) -> Vec<Post> {
    let query = PageQuery {
        reader,
        filters: PageFilters::default(),
        start: Start::Skip(0),
        limit: 100,
    };
    store.page(&query).await.unwrap().items
}

async fn exported(store: &dyn Store, part: Part) -> Vec<ExportRow> {
    store
        .export(part, None, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|(row, _)| row)
        .collect()
}

crate::on_every_store! {
    async fn a_published_post_is_read_back_as_it_was_answered_and_its_event_is_with_it(place: Place) {
        let (store, _) = place.open(1).await;
        let post = store.publish(new_post(1, "Ärger \"100%\" 'x'", &["zoo", "#tag", "@x"], &["school", "user:7"]), None).await.unwrap();
        assert_eq!(store.find(post.id, None).await.unwrap(), Some(post.clone()));
        assert_eq!(list(&*store, reader(None, &["user:7"])).await, std::slice::from_ref(&post));
        let events = place.outbox().await;
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].0.as_str(), &events[0].1), ("post.created", &serde_json::to_value(post.state()).unwrap()));
    }

    async fn a_post_is_found_by_who_shares_an_audience_and_by_its_author(place: Place) {
        let (store, _) = place.open(1).await;
        let post = store.publish(new_post(1, "x", &[], &["school", "user:7"]), None).await.unwrap();
        for (who, seen) in [
            (reader(Some(1), &[]), true),
            (reader(Some(2), &[]), false),
            (reader(Some(2), &["school"]), true),
            (reader(None, &["user:7"]), true),
            (reader(None, &["role:member", "user:1"]), false),
            (reader(None, &[]), false),
        ] {
            assert_eq!(store.find(post.id, Some(&who)).await.unwrap().is_some(), seen, "{who:?}");
            assert_eq!(list(&*store, who.clone()).await.len(), usize::from(seen), "{who:?}");
        }
        assert_eq!(store.find(PostId([0; 12]), None).await.unwrap(), None);
    }

    async fn sixty_four_creations_with_one_key_give_one_post(place: Place) {
        let (store, _) = place.open(1).await;
        let once = Once { key: "k".to_owned(), request: b"same".to_vec() };
        let all = at_once((0..64).map(|_| store.publish(new_post(1, "x", &[], &["school"]), Some(once.clone())))).await;
        let posts: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert!(posts.iter().all(|post| *post == posts[0]));
        assert_eq!(exported(&*store, Part::ById).await.len(), 1);
        assert_eq!(place.outbox().await.len(), 1);
    }

    async fn a_key_is_refused_for_another_request_and_free_again_after_a_day(place: Place) {
        let (store, clock) = place.open(1).await;
        let publish = async |request: &[u8]| {
            store.publish(new_post(1, "x", &[], &["school"]), Some(Once { key: "k".to_owned(), request: request.to_vec() })).await
        };
        let first = publish(b"a").await.unwrap();
        assert!(matches!(publish(b"b").await, Err(Error::Problem(problem)) if problem.code() == "idempotency_mismatch"));
        assert_eq!(publish(b"a").await.unwrap().id, first.id);
        clock.advance(TimeDelta::hours(25));
        assert_ne!(publish(b"b").await.unwrap().id, first.id);
    }

    async fn published_at_once_or_with_a_clock_that_goes_back_no_two_posts_have_one_time(place: Place) {
        let (store, clock) = place.open(1).await;
        let mut posts: Vec<_> = at_once((0..32).map(|_| store.publish(new_post(1, "x", &[], &["school"]), None))).await.into_iter().map(Result::unwrap).collect();
        posts.sort_by_key(|post| post.published_at);
        assert!(posts.windows(2).all(|pair| pair[0].published_at < pair[1].published_at));
        clock.set(kit::Clock::now(&clock) - TimeDelta::days(1));
        let after = store.publish(new_post(1, "x", &[], &["school"]), None).await.unwrap();
        assert!(after.published_at > posts[31].published_at);
        let (reopened, _) = place.open(2).await;
        let later = reopened.publish(new_post(1, "x", &[], &["school"]), None).await;
        assert!(later.unwrap().published_at > after.published_at, "the store remembers across a restart");
    }

    async fn posts_of_two_instances_become_visible_in_the_order_of_their_times_and_nothing_slips_in_behind(place: Place) {
        let ((one, _), (two, _)) = (place.open(1).await, place.open(2).await);
        let published = AtomicBool::new(false);
        let publish = async {
            at_once((0..64).map(|i| {
                let store = if i % 2 == 0 { &one } else { &two };
                store.publish(new_post(1, "x", &[], &["school"]), None)
            }))
            .await
            .into_iter()
            .for_each(|post| drop(post.unwrap()));
            published.store(true, Ordering::SeqCst);
        };
        let watch = async {
            let mut seen = Vec::new();
            loop {
                let last = published.load(Ordering::SeqCst);
                let now = list(&*one, reader(None, &["school"])).await;
                assert!(now.ends_with(&seen), "what was read is the end of what is read later");
                assert!(now.windows(2).all(|pair| pair[0].published_at > pair[1].published_at));
                seen = now;
                if last {
                    return seen.len();
                }
            }
        };
        let seen = if sequential() { publish.await; watch.await } else { tokio::join!(publish, watch).1 };
        assert_eq!(seen, 64);
    }

    async fn an_edit_keeps_the_earlier_text_and_moves_the_post_to_its_new_keys(place: Place) {
        let (store, clock) = place.open(1).await;
        let read = store.publish(new_post(1, "a", &["old", "both"], &["school", "user:7"]), None).await.unwrap();
        clock.advance(TimeDelta::seconds(1));
        let text = Text { title: "b".to_owned(), tags: vec!["both".to_owned(), "new".to_owned()], audience: vec![Audience::Role(Role::Staff), Audience::School], ..read.text() };
        let edited = store.edit(&read, edit(text.clone())).await.unwrap().unwrap();
        assert_eq!((edited.version, edited.edited_at, edited.published_at), (2, Some(read.published_at + TimeDelta::seconds(1)), read.published_at));
        assert_eq!((edited.text(), store.find(read.id, None).await.unwrap().unwrap()), (text, edited.clone()));
        assert_eq!(place.keys().await, ["#both", "#new", "@1", "role:staff", "school"]);
        assert_eq!(place.revisions().await, [(1, "a".to_owned(), 1)]);
        let events = place.outbox().await;
        assert_eq!((events[1].0.as_str(), &events[1].1), ("post.updated", &serde_json::to_value(edited.state()).unwrap()));
    }

    async fn of_many_edits_of_one_version_one_is_made(place: Place) {
        let (store, _) = place.open(1).await;
        let read = store.publish(new_post(1, "a", &[], &["school"]), None).await.unwrap();
        let edits = at_once((0..64).map(|i| store.edit(&read, edit(Text { title: format!("t{i}"), ..read.text() })))).await;
        assert_eq!(edits.into_iter().filter_map(Result::unwrap).count(), 1);
        assert_eq!((store.find(read.id, None).await.unwrap().unwrap().version, place.outbox().await.len()), (2, 2));
    }

    async fn a_removed_post_leaves_a_tombstone_and_nothing_else(place: Place) {
        let (store, clock) = place.open(1).await;
        let read = store.publish(new_post(1, "a", &["t"], &["school"]), None).await.unwrap();
        let read = store.edit(&read, edit(Text { title: "b".to_owned(), ..read.text() })).await.unwrap().unwrap();
        clock.advance(TimeDelta::seconds(1));
        assert!(store.remove(&read, removal()).await.unwrap());
        assert!(!store.remove(&read, removal()).await.unwrap());
        assert_eq!(store.edit(&read, edit(read.text())).await.unwrap(), None);
        assert_eq!(store.find(read.id, None).await.unwrap(), None);
        assert_eq!(place.texts().await, [(String::new(), String::new())]);
        assert!(place.keys().await.is_empty() && place.revisions().await.is_empty());
        let [ExportRow::Tombstone(tombstone)] = &exported(&*store, Part::Deleted).await[..] else { panic!("one tombstone") };
        assert_eq!((tombstone.id, tombstone.version, tombstone.deleted_at), (read.id, 3, read.published_at + TimeDelta::seconds(1)));
        assert_eq!(place.outbox().await[2].0, "post.deleted");
    }

    async fn a_pupils_deleted_text_is_dropped_after_90_days_and_not_before(place: Place) {
        let (store, clock) = place.open(1).await;
        let pupils = store.publish(NewPost { author_role: Role::Student, ..new_post(1, "a", &["t"], &["school"]) }, None).await.unwrap();
        let pupils = store.edit(&pupils, edit(Text { title: "b".to_owned(), ..pupils.text() })).await.unwrap().unwrap();
        store.remove(&pupils, removal()).await.unwrap();
        let titles = async || (place.texts().await[0].0.clone(), place.revisions().await.len());
        clock.advance(TimeDelta::days(90) - TimeDelta::seconds(1));
        assert_eq!(store.drop_texts(kit::Clock::now(&clock)).await.unwrap(), 0);
        assert_eq!(titles().await, ("b".to_owned(), 1));
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(store.drop_texts(kit::Clock::now(&clock)).await.unwrap(), 1);
        assert_eq!(titles().await, (String::new(), 0));
        let said: Vec<String> = place.audit().await.into_iter().map(|entry| entry.action).collect();
        assert_eq!(said, ["post.deleted", "retention.applied"]);
        assert_eq!(store.drop_texts(kit::Clock::now(&clock)).await.unwrap(), 0);
        assert_eq!(exported(&*store, Part::Deleted).await.len(), 1, "the tombstone stays");
    }

    async fn erasure_keeps_no_text_of_anybody(place: Place) {
        let (store, _) = place.open(1).await;
        let read = store.publish(NewPost { author_role: Role::Student, ..new_post(1, "a", &[], &["school"]) }, None).await.unwrap();
        store.remove(&read, Removal { ground: DeleteReason::Erasure, ..removal() }).await.unwrap();
        assert_eq!(place.texts().await, [(String::new(), String::new())]);
    }

    async fn an_author_who_is_gone_is_a_former_member_on_every_post_and_in_every_event(place: Place) {
        let (store, _) = place.open(1).await;
        for i in 0..5 {
            store.publish(new_post(1, &format!("t{i}"), &[], &["school"]), None).await.unwrap();
        }
        let others = store.publish(new_post(2, "other", &[], &["school"]), None).await.unwrap();
        assert_eq!(store.forget_author(UserId(1), 3).await.unwrap(), 3);
        assert_eq!(store.forget_author(UserId(1), 3).await.unwrap(), 2);
        assert_eq!(store.forget_author(UserId(1), 3).await.unwrap(), 0);
        let posts = list(&*store, reader(Some(1), &[])).await;
        assert!(posts.len() == 5 && posts.iter().all(|post| post.username == FORMER_MEMBER && post.version == 2 && post.edited_at.is_none()));
        assert_eq!(store.find(others.id, None).await.unwrap(), Some(others));
        let updates: Vec<_> = place.outbox().await.into_iter().filter(|(kind, _)| kind == "post.updated").collect();
        assert!(updates.len() == 5 && updates.iter().all(|(_, data)| data["username"] == FORMER_MEMBER));
    }

    async fn the_export_comes_in_pieces_without_gap_or_repeat(place: Place) {
        let (store, _) = place.open(1).await;
        let mut ids = Vec::new();
        for i in 0..10 {
            let post = store.publish(new_post(1, &format!("t{i}"), &[], &["school"]), None).await.unwrap();
            if i % 3 == 0 {
                store.remove(&post, removal()).await.unwrap();
            }
            ids.push(post.id);
        }
        let all = async |part| {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let rows = store.export(part, after, 2).await.unwrap();
                let Some((_, last)) = rows.last() else { return found };
                after = Some(last.clone());
                found.extend(rows.into_iter().map(|(row, _)| match row {
                    ExportRow::Post(post) => (post.post_id, false),
                    ExportRow::Tombstone(tombstone) => (tombstone.id, true),
                }));
            }
        };
        let expected = |deleted: Option<bool>, newest: bool| {
            let rows = ids.iter().enumerate().map(|(i, id)| (*id, i % 3 == 0)).filter(|(_, gone)| deleted.is_none_or(|wanted| wanted == *gone));
            let mut rows: Vec<_> = rows.collect();
            if newest { rows.reverse() } else { rows.sort() }
            rows
        };
        assert_eq!(all(Part::Published).await, expected(Some(false), true));
        let mut tombstones = all(Part::Deleted).await;
        tombstones.sort();
        let mut gone = expected(Some(true), false);
        gone.sort();
        assert_eq!(tombstones, gone);
        assert_eq!(all(Part::ById).await, expected(None, false));
    }

    async fn a_reader_of_more_audiences_than_the_query_has_branches_reads_them_all(place: Place) {
        let (store, _) = place.open(1).await;
        let keys: Vec<String> = (1..=450).map(|i| format!("user:{i}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for key in [keys[0], keys[199], keys[200], keys[449], "school"] {
            store.publish(new_post(999, key, &[], &[key]), None).await.unwrap();
        }
        let titles: Vec<_> = list(&*store, reader(Some(1), &keys)).await.into_iter().map(|post| post.title).collect();
        assert_eq!(titles, ["user:450", "user:201", "user:200", "user:1"]);
    }

    async fn opening_a_store_twice_changes_nothing(place: Place) {
        let (store, _) = place.open(1).await;
        store.publish(new_post(1, "x", &[], &["school"]), None).await.unwrap();
        let (again, _) = place.open(2).await;
        assert_eq!(exported(&*again, Part::ById).await.len(), 1);
        again.check().await.unwrap();
    }
}
