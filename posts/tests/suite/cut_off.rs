//! A process that is killed between any two of its writes: nothing that was acknowledged is lost, nothing is there by half, and
//! whatever began is completed or gone. Each test cuts its work off after the first write, after the second, and so on until
//! the work gets through.

use chrono::TimeDelta;
use contracts::PostId;
use contracts::clients::{ExportRow, PageFilters};
use kit::clock::MockClock;
use kit::ids::SeededIds;
use posts::store::{MongoStore, NewPost, Once, PageQuery, Part, Start, Store};
use posts::{Error, Post, Text};
use serde_json::Value;

use crate::gate::{Gate, Write};
use crate::mongo::TestMongo;
use crate::places::Place;
use crate::store::{edit, new_post, reader, removal};

/// A database, a store in it that works, and one that will be cut off.
pub struct Scene {
    pub place: Place,
    pub clock: MockClock,
    /// Of the process that goes on.
    pub survivor: MongoStore,
    /// Of the process that is killed.
    pub victim: MongoStore,
    pub gate: Gate,
}

impl Scene {
    pub async fn new() -> Self {
        let mongo = TestMongo::new().await;
        let clock = MockClock::default();
        let ids = |seed| SeededIds::shared(seed, clock.shared());
        let survivor = mongo.store(&clock, ids(1)).await;
        let gate = mongo.another_gate().await;
        let victim = mongo.store_behind(&gate, &clock, ids(2)).await;
        Self {
            place: Place::Mongo(mongo),
            clock,
            survivor,
            victim,
            gate,
        }
    }

    pub fn mongo(&self) -> &TestMongo {
        let Place::Mongo(mongo) = &self.place else {
            panic!("this test is MongoDB's")
        };
        mongo
    }

    /// The events of a post that wait, as (type, version).
    pub async fn events(&self, post: PostId) -> Vec<(String, i64)> {
        let of = |data: &Value| data["post_id"] == post.to_string();
        let events = self.place.outbox().await;
        events
            .into_iter()
            .filter(|(_, data)| of(data))
            .map(|(kind, data)| (kind, data["version"].as_i64().unwrap()))
            .collect()
    }

    async fn list(&self) -> Vec<Post> {
        let query = PageQuery {
            reader: reader(None, &["school"]),
            filters: PageFilters::default(),
            start: Start::Skip(0),
            limit: 100,
        };
        self.survivor.page(&query).await.unwrap().items
    }

    /// A post with so many versions that an edit moves an earlier text apart.
    async fn edited_often(&self, new: NewPost) -> Post {
        let mut post = self.survivor.publish(new, None).await.unwrap();
        for i in 2..24 {
            let text = Text {
                title: format!("t{i}"),
                ..post.text()
            };
            post = self
                .survivor
                .edit(&post, edit(text))
                .await
                .unwrap()
                .unwrap();
        }
        post
    }
}

fn is_away<T>(result: &Result<T, Error>) -> bool {
    matches!(
        result,
        Err(Error::Store(backends::db::Error::Unavailable(_)))
    )
}

#[tokio::test]
async fn a_publication_cut_off_anywhere_is_completed_by_its_repetition_and_never_doubled() {
    for writes in 0.. {
        let scene = Scene::new().await;
        let once = Once {
            key: "k".to_owned(),
            request: b"r".to_vec(),
        };
        let new = || new_post(1, "a", &[], &["school"]);
        scene.gate.allow(writes);
        let first = scene.victim.publish(new(), Some(once.clone())).await;
        let cut_off = scene.gate.is_shut();
        assert!(first.is_ok() || cut_off && is_away(&first), "{first:?}");

        let other = new_post(2, "b", &[], &["school"]);
        let other = scene.survivor.publish(other, None).await.unwrap();
        let again = scene.survivor.publish(new(), Some(once)).await.unwrap();
        if let Ok(first) = &first {
            assert_eq!(first, &again, "after {writes} writes");
        }
        let mut both = [other.clone(), again.clone()];
        both.sort_by_key(|post| std::cmp::Reverse(post.published_at));
        assert_eq!(scene.list().await, both, "after {writes} writes");
        assert_ne!(other.published_at, again.published_at);
        for post in both {
            let events = scene.events(post.id).await;
            assert_eq!(
                events,
                [("post.created".to_owned(), 1)],
                "after {writes} writes"
            );
        }
        if !cut_off {
            assert_eq!(writes, 4, "key, post, turn, publication");
            return;
        }
    }
}

#[tokio::test]
async fn a_publication_cut_off_that_nobody_repeats_is_published_before_anything_newer_or_swept_away()
 {
    for writes in 0.. {
        let scene = Scene::new().await;
        scene.gate.allow(writes);
        let abandoned = scene
            .victim
            .publish(new_post(1, "a", &[], &["school"]), None)
            .await;
        let seen_before = scene.list().await;
        scene.clock.advance(TimeDelta::hours(2));
        scene.survivor.sweep().await.unwrap();
        let newer = scene
            .survivor
            .publish(new_post(2, "b", &[], &["school"]), None)
            .await
            .unwrap();
        let seen = scene.list().await;
        assert_eq!(
            seen[0], newer,
            "nothing appears above or behind what was read"
        );
        assert!(seen[1..].ends_with(&seen_before));
        let states: Vec<_> = scene.mongo().documents("posts").await;
        let published =
            |post: &mongodb::bson::Document| post.get_str("state").unwrap() == "published";
        assert!(states.iter().all(published), "after {writes} writes");
        assert_eq!(scene.place.outbox().await.len(), seen.len());
        if !scene.gate.is_shut() {
            assert_eq!(seen[1], abandoned.unwrap());
            return;
        }
    }
}

#[tokio::test]
async fn a_turn_that_was_begun_is_finished_by_whoever_starts_next() {
    let scene = Scene::new().await;
    // Its post, its turn, and no more.
    scene.gate.allow(2);
    let begun = scene
        .victim
        .publish(new_post(1, "a", &[], &["school"]), None)
        .await;
    assert!(is_away(&begun) && scene.list().await.is_empty());
    let (_, _) = scene.place.open(3).await;
    let shown: Vec<_> = scene
        .list()
        .await
        .into_iter()
        .map(|post| post.title)
        .collect();
    assert_eq!(shown, ["a"]);
}

#[tokio::test]
async fn an_edit_cut_off_anywhere_is_made_whole_or_not_at_all_and_no_earlier_text_is_lost() {
    for writes in 0.. {
        let scene = Scene::new().await;
        let read = scene
            .edited_often(new_post(1, "t1", &[], &["school"]))
            .await;
        let text = Text {
            title: "new".to_owned(),
            ..read.text()
        };
        scene.gate.allow(writes);
        let edited = scene.victim.edit(&read, edit(text)).await;
        let cut_off = scene.gate.is_shut();
        let stands = scene.survivor.find(read.id, None).await.unwrap().unwrap();
        match &edited {
            Ok(edited) => assert_eq!(edited.as_ref(), Some(&stands)),
            Err(_) => assert!(cut_off && is_away(&edited) && stands == read),
        }
        let versions: Vec<_> = scene
            .place
            .revisions()
            .await
            .into_iter()
            .map(|(version, title, _)| (version, title))
            .collect();
        let expected: Vec<_> = (1..stands.version).map(|v| (v, format!("t{v}"))).collect();
        assert_eq!(versions, expected, "after {writes} writes");
        let told: Vec<_> = scene
            .events(read.id)
            .await
            .into_iter()
            .map(|(_, version)| version)
            .collect();
        assert_eq!(told, (1..=stands.version).collect::<Vec<_>>());
        if !cut_off {
            assert_eq!(writes, 3, "the post, the text apart, the text inside");
            let post = &scene.mongo().documents("posts").await[0];
            let inside = post.get_document("revisions").unwrap();
            assert_eq!(inside.len(), 20, "the last twenty stay inside");
            return;
        }
    }
}

#[tokio::test]
async fn a_deletion_cut_off_anywhere_leaves_the_post_or_its_tombstone_and_no_text_of_a_deleted_one()
{
    for writes in 0.. {
        let scene = Scene::new().await;
        let read = scene
            .edited_often(new_post(1, "t1", &["marker"], &["school"]))
            .await;
        scene.gate.allow(writes);
        let removed = scene.victim.remove(&read, removal()).await;
        let cut_off = scene.gate.is_shut();
        scene.survivor.sweep().await.unwrap();
        let stands = scene.survivor.find(read.id, None).await.unwrap();
        match &removed {
            Ok(removed) => assert!(*removed && stands.is_none()),
            Err(_) => assert!(cut_off && is_away(&removed) && stands == Some(read.clone())),
        }
        let told = scene.events(read.id).await;
        let audited = scene.place.audit().await.len();
        if stands.is_none() {
            assert_eq!(scene.place.texts().await, [(String::new(), String::new())]);
            let (keys, revisions) = (scene.place.keys().await, scene.place.revisions().await);
            assert!(
                keys.is_empty() && revisions.is_empty(),
                "after {writes} writes"
            );
            assert_eq!(
                (told.last().unwrap().0.as_str(), audited),
                ("post.deleted", 1)
            );
        } else {
            assert_eq!(scene.place.revisions().await.len(), 22);
            assert_eq!((told.len(), audited), (23, 0));
        }
        if !cut_off {
            assert_eq!(writes, 2, "the post, the texts apart");
            return;
        }
    }
}

#[tokio::test]
async fn a_text_whose_time_is_over_goes_with_exactly_one_entry_of_the_audit_wherever_that_is_cut_off()
 {
    for writes in 0.. {
        let scene = Scene::new().await;
        let pupils = NewPost {
            author_role: contracts::Role::Student,
            ..new_post(1, "t1", &[], &["school"])
        };
        let read = scene.edited_often(pupils).await;
        scene.survivor.remove(&read, removal()).await.unwrap();
        scene.clock.advance(TimeDelta::days(91));
        let now = kit::Clock::now(&scene.clock);
        scene.gate.allow(writes);
        let dropped = scene.victim.drop_texts(now).await;
        let cut_off = scene.gate.is_shut();
        assert!(
            dropped.is_ok() || cut_off && is_away(&dropped),
            "{dropped:?}"
        );

        scene.survivor.drop_texts(now).await.unwrap();
        scene.survivor.sweep().await.unwrap();
        assert_eq!(scene.place.texts().await, [(String::new(), String::new())]);
        assert!(
            scene.place.revisions().await.is_empty(),
            "after {writes} writes"
        );
        let actions: Vec<_> = scene
            .place
            .audit()
            .await
            .into_iter()
            .map(|entry| entry.action)
            .collect();
        assert_eq!(actions, ["post.deleted", "retention.applied"]);
        let export = scene.survivor.export(Part::Deleted, None, 10).await;
        let [(ExportRow::Tombstone(_), _)] = &export.unwrap()[..] else {
            panic!("the tombstone stays")
        };
        if !cut_off {
            assert_eq!(dropped.unwrap(), 1);
            return;
        }
    }
}

#[tokio::test]
async fn what_is_answered_was_waited_for_on_the_disk() {
    let scene = Scene::new().await;
    let Scene { victim, gate, .. } = &scene;
    let once = Once {
        key: "k".to_owned(),
        request: b"r".to_vec(),
    };
    let new = || new_post(1, "a", &[], &["school"]);
    let passed = || {
        let writes = gate.passed();
        let shown = |write: &Write| {
            let durable = if write.durable { "!" } else { "" };
            format!("{} {}{durable}", write.command, write.collection)
        };
        writes.iter().map(shown).collect::<Vec<_>>()
    };
    passed();
    let post = victim.publish(new(), Some(once.clone())).await.unwrap();
    // The journal is one sequence: the last of them waits for all.
    let publication = [
        "insert idempotency",
        "insert posts",
        "update meta",
        "update posts!",
    ];
    assert_eq!(passed(), publication);
    victim.publish(new(), Some(once)).await.unwrap();
    let again = passed();
    assert_eq!(again[0], "insert idempotency", "the key is taken");
    assert!(
        again.len() > 1 && again[1..].iter().all(|write| write.ends_with("meta!")),
        "{again:?}"
    );
    let post = victim
        .edit(&post, edit(post.text()))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(passed(), ["update posts!"]);
    assert!(victim.remove(&post, removal()).await.unwrap());
    assert_eq!(passed(), ["update posts!", "delete revisions!"]);
    let events = backends::outbox::Outbox::oldest(victim, 10).await.unwrap();
    assert_eq!((events.events.len(), passed().len()), (3, 0));
    backends::outbox::Outbox::synced(victim).await.unwrap();
    assert!(passed().iter().all(|write| write.ends_with("meta!")));
}
