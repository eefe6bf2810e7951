//! A MongoDB that is away, comes back, or refuses the user: the service says so, goes on trying, and needs no hand.

use std::time::Duration;

use contracts::testing::teacher;
use kit::clock::MockClock;
use kit::ids::SeededIds;
use posts::store::{Mongo, MongoStore, Store};
use serde_json::json;
use tokio::time::timeout;

use crate::mongo::TestMongo;
use crate::places::Place;
use crate::world::World;

/// Far less than the half minute for which MongoDB's driver would wait by itself, and room for a busy machine.
const IN_TIME: Duration = Duration::from_secs(10);

fn mongo(world: &mut World) -> &mut TestMongo {
    let Place::Mongo(mongo) = &mut world.place else {
        panic!("this test is MongoDB's")
    };
    mongo
}

async fn is_503(world: &World) {
    let who = teacher();
    let read = timeout(IN_TIME, world.get(Some(&who), "/api/posts"));
    let read = read.await.expect("an answer in time");
    let unavailable = ((503, "store_unavailable"), Some("2"));
    assert_eq!((read.problem(), read.header("retry-after")), unavailable);
}

#[tokio::test]
async fn a_store_that_goes_away_is_503_in_time_and_serves_again_when_it_is_back() {
    let mut world = World::new().await;
    world.publish(&teacher(), "before", &["school"]).await;
    mongo(&mut world).goes_away();
    is_503(&world).await;
    let body = json!({"title": "b", "content": "x"});
    let written = world.post(&teacher(), &body).await;
    assert_eq!(written.problem(), (503, "store_unavailable"));
    mongo(&mut world).comes_back().await;
    world.publish(&teacher(), "after", &["school"]).await;
    let titles = world.titles(Some(&teacher()), "").await;
    assert_eq!(titles, ["after", "before"]);
}

#[tokio::test]
async fn a_service_started_before_its_store_waits_for_it_and_then_makes_its_indexes() {
    let mongo_db = TestMongo::new().await;
    mongo_db.goes_away();
    let mut world = World::on(Place::Mongo(mongo_db), &[]).await;
    is_503(&world).await;
    mongo(&mut world).comes_back().await;
    world.publish(&teacher(), "a", &["school"]).await;
    assert_eq!(world.titles(Some(&teacher()), "").await, ["a"]);
    let posts = mongo(&mut world)
        .database
        .collection::<mongodb::bson::Document>("posts");
    let indexes = posts.list_index_names().await.unwrap();
    assert_eq!(indexes.len(), 7, "{indexes:?}");
}

#[tokio::test]
async fn readiness_says_in_time_which_setting_names_the_store_that_is_away() {
    let place = TestMongo::new().await;
    let clock = MockClock::default();
    let ids = SeededIds::shared(1, clock.shared());
    let url = place.url(&place.gate);
    let store = MongoStore::open(Mongo::open(&url).await.unwrap(), clock.shared(), ids);
    let store = store.await.unwrap();
    store.check().await.unwrap();
    place.goes_away();
    // as its host asks it
    let asked = timeout(Duration::from_secs(1), store.check()).await;
    let error = asked.expect("an answer in time").unwrap_err().to_string();
    assert!(error.contains("posts.store"), "{error}");
}

#[tokio::test]
async fn a_refused_user_is_told_apart_and_names_the_setting_but_no_password() {
    let place = TestMongo::new().await;
    let clock = MockClock::default();
    let ids = SeededIds::shared(1, clock.shared());
    let url = place
        .url(&place.gate)
        .replace("mongodb://", "mongodb://posts:wrong-password@");
    let mongo = Mongo::open(&url).await.unwrap();
    let store = MongoStore::open(mongo, clock.shared(), ids).await.unwrap();
    let error = store.check().await.unwrap_err().to_string();
    assert!(
        error.contains("posts.store: the server refuses the user or the password"),
        "{error}"
    );
    assert!(!error.contains("wrong-password"), "{error}");
}

#[tokio::test]
async fn a_store_that_a_newer_program_has_changed_is_refused_with_both_versions() {
    let place = TestMongo::new().await;
    let clock = MockClock::default();
    let ids = || SeededIds::shared(1, clock.shared());
    place.store(&clock, ids()).await;
    let meta = place.database.collection::<mongodb::bson::Document>("meta");
    let newer = mongodb::bson::doc! { "$set": { "version": 9_i64 } };
    let schema = mongodb::bson::doc! { "_id": "schema" };
    meta.update_one(schema, newer).await.unwrap();
    let mongo = Mongo::open(&place.url(&place.gate)).await.unwrap();
    let error = MongoStore::open(mongo, clock.shared(), ids()).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("version 9") && error.contains("up to 1"),
        "{error}"
    );
}
