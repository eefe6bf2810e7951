//! `DELETE /api/posts/{id}`.

use contracts::testing::{admin, member, student, teacher};
use http::Method;
use serde_json::json;

use crate::places::{Audited, sequential};
use crate::world::{CIVILDIY, World};

#[tokio::test]
async fn a_deleted_post_is_gone_for_everyone_at_once_and_leaves_its_tombstone() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    let gone = world.delete(&teacher(), &id).await;
    assert_eq!(
        (gone.status, gone.body),
        (200, json!({"message": "Post deleted successfully"}))
    );
    for who in [teacher(), student(), admin()] {
        assert_eq!(
            world
                .get(Some(&who), &format!("/api/posts/{id}"))
                .await
                .problem(),
            (404, "post_not_found")
        );
        assert!(world.titles(Some(&who), "").await.is_empty());
    }
    assert_eq!(
        world.delete(&teacher(), &id).await.problem(),
        (404, "post_not_found")
    );
    assert_eq!(
        world
            .put(&teacher(), &id, &json!({"title": "b"}))
            .await
            .problem(),
        (404, "post_not_found")
    );
    let (kind, data) = world.events().await.pop().unwrap();
    assert_eq!(
        (kind.as_str(), data),
        (
            "post.deleted",
            json!({"post_id": id, "user_id": 2, "version": 2, "reason": "author"})
        )
    );
}

#[tokio::test]
async fn only_its_author_or_a_moderator_with_a_reason_deletes_a_post() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    assert_eq!(
        world.delete(&student(), &id).await.problem(),
        (403, "not_owner")
    );
    assert_eq!(
        world.delete(&member(), &id).await.problem(),
        (404, "post_not_found")
    );
    let without = world.delete(&admin(), &id).await;
    assert_eq!(
        (without.problem(), without.fields()),
        ((422, "validation"), vec!["reason"])
    );
    let gone = world
        .send(
            Some(&admin()),
            Method::DELETE,
            &format!("/api/posts/{id}?reason=a%20name"),
            &[],
            None,
        )
        .await;
    assert_eq!(gone.status, 200);
    assert_eq!(
        world.events().await.pop().unwrap().1["reason"],
        "moderation"
    );
    let entry = Audited {
        action: "post.deleted".to_owned(),
        actor: Some(1),
        object: format!("post:{id}"),
        reason: None,
    };
    assert_eq!(world.place.audit().await, [entry]);
    assert_eq!(
        world.place.secrets().await,
        [
            r#"{"audience":["school"],"author":2,"version":1}"#,
            r#"{"ground":"moderation","reason":"a name","version":2}"#,
        ]
    );
}

#[tokio::test]
async fn a_stale_etag_deletes_nothing() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    world.put(&teacher(), &id, &json!({"title": "b"})).await;
    let delete = async |tag| {
        world
            .send(
                Some(&teacher()),
                Method::DELETE,
                &format!("/api/posts/{id}"),
                &[("if-match", tag)],
                None,
            )
            .await
    };
    assert_eq!(delete("\"v1\"").await.problem(), (412, "stale"));
    assert_eq!(delete("\"v2\"").await.status, 200);
}

#[tokio::test]
async fn edited_and_deleted_at_once_a_post_ends_deleted() {
    let world = World::new().await;
    for _ in 0..16 {
        let id = world.publish(&teacher(), "a", &["school"]).await;
        let (who, body) = (teacher(), json!({"title": "b"}));
        let (edited, deleted) = if sequential() {
            let edited = world.put(&who, &id, &body).await;
            (edited, world.delete(&who, &id).await)
        } else {
            tokio::join!(world.put(&who, &id, &body), world.delete(&who, &id))
        };
        assert!(
            edited.status == 200 || edited.problem() == (404, "post_not_found"),
            "{}",
            edited.body
        );
        assert_eq!(deleted.status, 200);
        assert_eq!(
            world
                .get(Some(&who), &format!("/api/posts/{id}"))
                .await
                .status,
            404
        );
        assert_eq!(world.events().await.pop().unwrap().0, "post.deleted");
    }
}

#[tokio::test]
async fn no_earlier_text_of_a_deleted_post_is_left_in_the_store() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "marker-1", &["school"]).await;
    world
        .put(
            &teacher(),
            &id,
            &json!({"title": "marker-2", "tags": ["marker-3"]}),
        )
        .await;
    world.delete(&teacher(), &id).await;
    let place = &world.place;
    assert_eq!(place.texts().await, [(String::new(), String::new())]);
    assert!(place.revisions().await.is_empty() && place.keys().await.is_empty());
}

#[tokio::test]
async fn a_pupils_deleted_text_is_kept_for_safeguarding_but_shown_to_nobody() {
    let world = World::with(&CIVILDIY).await;
    let id = world.publish(&student(), "a", &["public"]).await;
    world.delete(&student(), &id).await;
    for who in [student(), admin()] {
        assert_eq!(
            world
                .get(Some(&who), &format!("/api/posts/{id}"))
                .await
                .status,
            404
        );
    }
    assert_eq!(world.place.kept_titles().await, ["a"]);
}
