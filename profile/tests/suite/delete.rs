//! `DELETE /api/profile`.

use chrono::TimeDelta;
use contracts::testing::{admin, student, teacher};
use futures_util::future::join;
use http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_deleted_profile_is_gone_for_everyone_and_nothing_of_it_is_kept() {
    let world = World::new().await;
    world.account(&student(), "mia", 1).await;
    let body = json!({"first_name": "marker", "city": "marker", "bio": "marker", "preferences": {"marker": 1}, "dob": "2012-01-01"});
    world.filled(&student(), &body).await;
    let gone = world.delete(&student()).await;
    assert_eq!(
        (gone.status, gone.body),
        (200, json!({"message": "Profile deleted successfully"}))
    );
    for answer in [
        world.own(&student()).await,
        world.delete(&student()).await,
        world.put(&student(), &json!({"city": "x"})).await,
        world.get(&teacher(), "/api/profile/4").await,
        world.get(&student(), "/api/profile/4").await,
    ] {
        assert_eq!(answer.problem(), (404, "profile_not_found"));
    }
    let names = world.get(&admin(), "/api/profile?ids=4").await;
    assert_eq!(names.body, json!({"items": []}));
    let kept: i64 = world
        .db
        .query(
            "SELECT COUNT(*) FROM profiles WHERE first_name IS NOT NULL OR city IS NOT NULL OR bio IS NOT NULL OR preferences IS NOT NULL \
             OR dob IS NOT NULL",
        )
        .scalar()
        .await
        .unwrap();
    assert_eq!(kept, 0);
    let last = world.events().await.pop().unwrap();
    assert_eq!(
        last,
        (
            "profile.deleted".to_owned(),
            json!({"user_id": 4, "version": 3})
        )
    );
}

#[tokio::test]
async fn its_end_is_written_down_without_a_word_of_it() {
    let world = World::new().await;
    world
        .filled(&student(), &json!({"first_name": "Mia"}))
        .await;
    world.delete(&student()).await;
    let rows: Vec<(String, Option<i64>, String, Option<String>)> = world
        .db
        .query("SELECT action, actor, object, reason FROM audit")
        .all()
        .await
        .unwrap();
    assert_eq!(
        rows,
        [(
            "profile.deleted".to_owned(),
            Some(4),
            "profile:4".to_owned(),
            None
        )]
    );
    let kept: Vec<(String,)> = world
        .db
        .query("SELECT value FROM audit_secret")
        .all()
        .await
        .unwrap();
    assert_eq!(kept, [(r#"{"version":2}"#.to_owned(),)]);
}

#[tokio::test]
async fn filled_in_again_a_profile_begins_anew_above_its_old_versions() {
    let world = World::new().await;
    world
        .filled(&teacher(), &json!({"first_name": "Ines", "city": "Lund"}))
        .await;
    world.delete(&teacher()).await;
    world.clock.advance(TimeDelta::days(1));
    let body = world.filled(&teacher(), &json!({"bio": "back"})).await;
    assert_eq!(
        (&body["first_name"], &body["city"], &body["bio"]),
        (&json!(null), &json!(null), &json!("back"))
    );
    assert_eq!(
        (&body["version"], &body["created_at"]),
        (&json!(3), &json!("2026-03-03T08:00:00Z"))
    );
}

#[tokio::test]
async fn a_stale_etag_deletes_nothing() {
    let world = World::new().await;
    world.filled(&teacher(), &json!({})).await;
    world.put(&teacher(), &json!({"city": "Lund"})).await;
    let delete = async |tag| {
        world
            .send(
                Some(&teacher()),
                Method::DELETE,
                "/api/profile",
                &[("if-match", tag)],
                None,
            )
            .await
    };
    assert_eq!(delete("\"v1\"").await.problem(), (412, "stale"));
    assert_eq!(delete("\"v2\"").await.status, 200);
}

#[tokio::test]
async fn changed_and_deleted_at_once_a_profile_ends_deleted() {
    let world = World::new().await;
    let who = teacher();
    for i in 0..16 {
        world.filled(&who, &json!({})).await;
        let body = json!({"city": format!("c{i}")});
        let (changed, deleted) = join(world.put(&who, &body), world.delete(&who)).await;
        assert!(
            changed.status == 200 || changed.problem() == (404, "profile_not_found"),
            "{}",
            changed.text
        );
        assert_eq!(deleted.status, 200);
        assert_eq!(world.own(&who).await.status, 404);
        assert_eq!(world.events().await.pop().unwrap().0, "profile.deleted");
    }
}
