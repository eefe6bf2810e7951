//! `PUT /api/posts/{id}`.

use chrono::TimeDelta;
use contracts::testing::{admin, member, person, student, teacher};
use contracts::{Duty, Role};
use http::Method;
use serde_json::json;

use crate::places::{Audited, at_once};
use crate::world::World;

#[tokio::test]
async fn an_edit_keeps_place_and_author_and_says_when_it_was() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    world.publish(&teacher(), "later", &["school"]).await;
    world.clock.advance(TimeDelta::seconds(5));
    let edited = world
        .put(
            &teacher(),
            &id,
            &json!({"title": "b", "content": "<i>new</i><script>x</script>", "tags": ["Zoo"]}),
        )
        .await;
    assert_eq!(
        (edited.status, edited.header("etag")),
        (200, Some("\"v2\""))
    );
    let body = &edited.body;
    assert_eq!(
        (
            &body["title"],
            &body["content"],
            &body["tags"],
            &body["version"]
        ),
        (
            &json!("b"),
            &json!("<i>new</i>"),
            &json!(["zoo"]),
            &json!(2)
        )
    );
    assert_eq!(body["edited_at"], "2026-03-02T08:00:05Z");
    assert_eq!(
        (&body["updated_at"], &body["published_at"]),
        (
            &json!("2026-03-02T08:00:05Z"),
            &json!("2026-03-02T08:00:00Z")
        )
    );
    assert_eq!(
        (&body["created_at"], &body["moderation"]),
        (&json!("2026-03-02T08:00:00Z"), &json!(null))
    );
    assert_eq!(world.titles(Some(&student()), "").await, ["later", "b"]);
    assert_eq!(world.titles(Some(&student()), "tag=zoo").await, ["b"]);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_makes_no_version_and_no_event() {
    let world = World::new().await;
    let created = world
        .post(
            &teacher(),
            &json!({"title": "a", "content": "<b>x", "tags": ["t"], "audience": ["school"]}),
        )
        .await;
    let id = created.body["id"].as_str().unwrap();
    world.clock.advance(TimeDelta::seconds(5));
    for body in [
        json!({}),
        json!({"title": "a"}),
        json!({"content": "<b onclick=1>x</b>", "tags": [" T "]}),
        json!({"audience": ["school", "school"], "title": null}),
    ] {
        let answer = world.put(&teacher(), id, &body).await;
        assert_eq!(
            (answer.status, answer.text),
            (200, created.text.clone()),
            "{body}"
        );
    }
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn fields_are_checked_as_in_a_new_post() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    for (body, code, field) in [
        (json!({"title": ""}), "validation", "title"),
        (json!({"content": "\u{0}"}), "validation", "content"),
        (json!({"tags": [""]}), "validation", "tags[0]"),
        (json!({"audience": []}), "validation", "audience"),
        (json!({"user_id": 1}), "unknown_field", "user_id"),
    ] {
        let answer = world.put(&teacher(), &id, &body).await;
        assert_eq!(
            (answer.problem(), answer.fields()),
            ((422, code), vec![field]),
            "{body}"
        );
    }
}

#[tokio::test]
async fn another_reader_is_told_they_are_not_the_owner_and_nobody_else_is_told_anything() {
    let world = World::new().await;
    let id = world.publish(&admin(), "a", &["school"]).await;
    assert_eq!(
        world
            .put(&teacher(), &id, &json!({"title": "b"}))
            .await
            .problem(),
        (403, "not_owner")
    );
    assert_eq!(
        world
            .put(&member(), &id, &json!({"title": "b"}))
            .await
            .problem(),
        (404, "post_not_found")
    );
    assert_eq!(
        world
            .put(&member(), "x", &json!({"title": "b"}))
            .await
            .problem(),
        (404, "post_not_found")
    );
    assert_eq!(
        world
            .send(
                None,
                Method::PUT,
                &format!("/api/posts/{id}"),
                &[],
                Some(&json!({"title": "b"}))
            )
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn a_moderator_edits_with_a_reason_that_the_post_shows() {
    let world = World::new().await;
    let office = person(10, &[Role::Staff]);
    world.roster.duty(&office, Duty::Office);
    let id = world.publish(&teacher(), "a", &["school"]).await;
    let without = world.put(&office, &id, &json!({"title": "b"})).await;
    assert_eq!(
        (without.problem(), without.fields()),
        ((422, "validation"), vec!["reason"])
    );
    let edited = world
        .put(
            &office,
            &id,
            &json!({"title": "b", "reason": " a name was in it "}),
        )
        .await;
    assert_eq!(edited.status, 200);
    assert_eq!(
        edited.body["moderation"],
        json!({"by": 10, "reason": "a name was in it", "at": "2026-03-02T08:00:00Z"})
    );
    assert_eq!(
        (&edited.body["user_id"], &edited.body["username"]),
        (&json!(2), &json!("user2"))
    );
    let entry = Audited {
        action: "post.edited".to_owned(),
        actor: Some(10),
        object: format!("post:{id}"),
        reason: None,
    };
    assert_eq!(world.place.audit().await, [entry]);
    let kept = world.place.secrets().await;
    let says_why = |value: &&String| value.contains("a name was in it");
    assert_eq!(
        kept.iter().filter(says_why).count(),
        1,
        "the reason is kept where it can be erased"
    );
}

#[tokio::test]
async fn of_two_editors_with_one_etag_one_is_told_that_it_is_stale() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    let path = format!("/api/posts/{id}");
    let edits = at_once((0..64).map(|i| {
        let (world, path) = (&world, &path);
        async move {
            world
                .send(
                    Some(&teacher()),
                    Method::PUT,
                    path,
                    &[("if-match", "\"v1\"")],
                    Some(&json!({"title": format!("t{i}")})),
                )
                .await
        }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = edits.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    assert!(lost.iter().all(|answer| answer.problem() == (412, "stale")));
    assert_eq!(world.get(Some(&teacher()), &path).await.text, won[0].text);
}

#[tokio::test]
async fn without_etag_every_edit_is_made_and_the_later_wins() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    let edits = at_once((0..64).map(|i| {
        let (world, id) = (&world, &id);
        async move {
            world
                .put(&teacher(), id, &json!({"title": format!("t{i}")}))
                .await
        }
    }))
    .await;
    assert!(edits.iter().all(|answer| answer.status == 200));
    let now = world
        .get(Some(&teacher()), &format!("/api/posts/{id}"))
        .await;
    assert_eq!(now.body["version"], 65);
    let revisions = world.place.revisions().await;
    assert_eq!(
        revisions
            .iter()
            .map(|(version, _, _)| *version)
            .collect::<Vec<_>>(),
        (1..=64).collect::<Vec<_>>()
    );
    let versions: Vec<_> = world
        .events()
        .await
        .into_iter()
        .map(|(_, data)| data["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, (1..=65).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_changed_audience_counts_at_once_and_needs_the_right_to_what_is_new() {
    let world = World::new().await;
    let id = world.publish(&admin(), "a", &["school"]).await;
    assert_eq!(world.titles(Some(&student()), "").await, ["a"]);
    let changed = world
        .put(
            &admin(),
            &id,
            &json!({"audience": ["role:teacher", "user:6"]}),
        )
        .await;
    assert_eq!(
        (changed.status, &changed.body["audience"]),
        (200, &json!(["role:teacher", "user:6"]))
    );
    assert!(world.titles(Some(&student()), "").await.is_empty());
    assert_eq!(
        world
            .get(Some(&student()), &format!("/api/posts/{id}"))
            .await
            .status,
        404
    );
    assert_eq!(world.titles(Some(&member()), "").await, ["a"]);

    let own = world.publish(&teacher(), "b", &["school"]).await;
    assert_eq!(
        world
            .put(
                &teacher(),
                &own,
                &json!({"audience": ["school", "role:member"]})
            )
            .await
            .problem(),
        (403, "audience_forbidden")
    );
    let moved = world
        .put(
            &admin(),
            &own,
            &json!({"audience": ["school", "role:member"], "reason": "for all"}),
        )
        .await;
    assert_eq!(moved.status, 200);
    let narrowed = world
        .put(&teacher(), &own, &json!({"audience": ["role:member"]}))
        .await;
    assert_eq!(
        narrowed.status, 200,
        "a key the post had is kept without asking: {}",
        narrowed.body
    );
}

#[tokio::test]
async fn whose_posts_need_approval_cannot_slip_a_text_in_by_editing() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "a", &["school"]).await;
    let became_a_pupil = person(2, &[Role::Student]);
    assert_eq!(
        world
            .put(&became_a_pupil, &id, &json!({"title": "b"}))
            .await
            .problem(),
        (403, "audience_forbidden")
    );
    assert_eq!(world.delete(&became_a_pupil, &id).await.status, 200);
}
