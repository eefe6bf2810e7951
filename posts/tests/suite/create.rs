//! `POST /api/posts`.

use contracts::testing::{admin, guardian, member, person, student, teacher};
use http::Method;
use serde_json::{Value, json};

use crate::places::at_once;
use crate::world::{CIVILDIY, World};

#[tokio::test]
async fn a_post_is_answered_whole_with_its_version_as_etag() {
    let world = World::new().await;
    let answer = world
        .post(&teacher(), &json!({"title": "Trip <b>to</b> the zoo", "content": "Hi <b onclick=x>you</b>", "tags": [" Zoo ", "zoo", "Trip"]}))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("etag"), Some("\"v1\""));
    let id = answer.body["id"].as_str().unwrap();
    assert!(id.len() == 24 && id.bytes().all(|b| b.is_ascii_hexdigit()));
    let mut shape = answer.body.clone();
    shape["id"] = "[id]".into();
    insta::assert_json_snapshot!(shape, @r#"
    {
      "attachments": [],
      "audience": [
        "school"
      ],
      "comment_count": 0,
      "comments": "off",
      "content": "Hi <b>you</b>",
      "created_at": "2026-03-02T08:00:00Z",
      "delivery": "normal",
      "edited_at": null,
      "id": "[id]",
      "moderation": null,
      "pinned_until": null,
      "publish_at": null,
      "published_at": "2026-03-02T08:00:00Z",
      "state": "published",
      "tags": [
        "zoo",
        "trip"
      ],
      "title": "Trip <b>to</b> the zoo",
      "updated_at": "2026-03-02T08:00:00Z",
      "user_id": 2,
      "username": "user2",
      "version": 1
    }
    "#);
    let again = world
        .get(Some(&teacher()), &format!("/api/posts/{id}"))
        .await;
    assert_eq!((again.status, again.text), (200, answer.text));
    assert_eq!(again.headers["etag"], "\"v1\"");
}

#[tokio::test]
async fn the_fields_that_do_not_fit_are_named_and_nothing_is_published() {
    let world = World::new().await;
    for (body, code, field) in [
        (json!({"content": "x"}), "validation", "title"),
        (json!({"title": "x"}), "validation", "content"),
        (json!({"title": "", "content": "x"}), "validation", "title"),
        (
            json!({"title": "x".repeat(201), "content": "x"}),
            "validation",
            "title",
        ),
        (
            json!({"title": "a\nb", "content": "x"}),
            "validation",
            "title",
        ),
        (
            json!({"title": "a\u{0}b", "content": "x"}),
            "validation",
            "title",
        ),
        (
            json!({"title": "x", "content": "a\u{0}b"}),
            "validation",
            "content",
        ),
        (
            json!({"title": "x", "content": "x".repeat(50_001)}),
            "validation",
            "content",
        ),
        (
            json!({"title": "x", "content": "x", "tags": ["ok", ""]}),
            "validation",
            "tags[1]",
        ),
        (
            json!({"title": "x", "content": "x", "tags": "zoo"}),
            "validation",
            "tags",
        ),
        (
            json!({"title": "x", "content": "x", "user_id": 9}),
            "unknown_field",
            "user_id",
        ),
        (
            json!({"title": "x", "content": "x", "audience": []}),
            "validation",
            "audience",
        ),
        (
            json!({"title": "x", "content": "x", "audience": ["public"]}),
            "validation",
            "audience",
        ),
        (
            json!({"title": "x", "content": "x", "audience": ["school", "moon"]}),
            "validation",
            "audience[1]",
        ),
    ] {
        let answer = world.post(&admin(), &body).await;
        assert_eq!(answer.problem(), (422, code), "{body}");
        assert_eq!(answer.fields(), [field], "{body}");
    }
    let many: Vec<_> = (1..=21).map(|i| format!("user:{i}")).collect();
    let answer = world
        .post(
            &admin(),
            &json!({"title": "x", "content": "x", "audience": many}),
        )
        .await;
    assert_eq!(
        (answer.problem(), answer.fields()),
        ((422, "validation"), vec!["audience"])
    );
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn several_fields_are_named_at_once() {
    let world = World::new().await;
    let answer = world
        .post(
            &teacher(),
            &json!({"title": " ", "content": "\u{1}", "tags": [""]}),
        )
        .await;
    assert_eq!(answer.fields(), ["content", "tags[0]", "title"]);
}

#[tokio::test]
async fn the_longest_texts_are_taken() {
    let world = World::new().await;
    let body = json!({"title": "ü".repeat(200), "content": "ü".repeat(50_000), "tags": (0..20).map(|i| format!("{i:0>40}")).collect::<Vec<_>>()});
    let answer = world.post(&teacher(), &body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["content"], body["content"]);
    assert_eq!(answer.body["tags"], body["tags"]);
}

#[tokio::test]
async fn a_body_above_a_mebibyte_is_refused_before_it_is_parsed() {
    let world = World::new().await;
    let answer = world
        .post(
            &teacher(),
            &json!({"title": "x", "content": "x".repeat(1 << 20)}),
        )
        .await;
    assert_eq!(answer.problem(), (413, "body_too_large"));
}

#[tokio::test]
async fn nobody_publishes_without_signing_in() {
    let world = World::with(&CIVILDIY).await;
    let answer = world
        .send(
            None,
            Method::POST,
            "/api/posts",
            &[],
            Some(&json!({"title": "x", "content": "x"})),
        )
        .await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (401, Some("Bearer"))
    );
}

#[tokio::test]
async fn those_whose_posts_need_approval_cannot_post_until_somebody_can_approve() {
    let world = World::new().await;
    for who in [
        student(),
        guardian(),
        member(),
        person(7, &[contracts::Role::Student, contracts::Role::Guardian]),
    ] {
        let answer = world
            .post(
                &who,
                &json!({"title": "x", "content": "x", "audience": ["role:member"]}),
            )
            .await;
        assert_eq!(answer.problem(), (403, "audience_forbidden"));
    }
    let compatible = World::with(&CIVILDIY).await;
    for who in [student(), guardian(), member()] {
        let answer = compatible
            .post(&who, &json!({"title": "x", "content": "x"}))
            .await;
        assert_eq!(
            (answer.status, &answer.body["audience"]),
            (200, &json!(["public"]))
        );
    }
}

fn keyed(key: &str) -> [(&str, &str); 1] {
    [("idempotency-key", key)]
}

#[tokio::test]
async fn sixty_four_creations_with_one_key_give_one_post() {
    let world = World::new().await;
    let (who, body) = (teacher(), json!({"title": "once", "content": "x"}));
    let all = at_once((0..64).map(|_| {
        world.send(
            Some(&who),
            Method::POST,
            "/api/posts",
            &[("idempotency-key", "k1")],
            Some(&body),
        )
    }))
    .await;
    assert!(all.iter().all(|answer| answer.status == 200
        && answer.text == all[0].text
        && answer.header("etag") == Some("\"v1\"")));
    assert_eq!(world.titles(Some(&who), "limit=100").await, ["once"]);
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused_and_a_key_is_its_owners() {
    let world = World::new().await;
    let send = async |who, key, body: Value| {
        world
            .send(
                Some(who),
                Method::POST,
                "/api/posts",
                &keyed(key),
                Some(&body),
            )
            .await
    };
    let (teacher, admin) = (teacher(), admin());
    let first = send(&teacher, "k1", json!({"title": "a", "content": "x"})).await;
    let other = send(&teacher, "k1", json!({"title": "b", "content": "x"})).await;
    assert_eq!(other.problem(), (422, "idempotency_mismatch"));
    let spelled_otherwise = send(
        &teacher,
        "k1",
        json!({"tags": [], "content": "x", "title": "a"}),
    )
    .await;
    assert_eq!(spelled_otherwise.text, first.text);
    let anothers = send(&admin, "k1", json!({"title": "b", "content": "x"})).await;
    assert_eq!(anothers.status, 200);
    assert_ne!(anothers.body["id"], first.body["id"]);
    let bad = send(
        &teacher,
        "with space",
        json!({"title": "a", "content": "x"}),
    )
    .await;
    assert_eq!(
        (bad.problem(), bad.fields()),
        ((422, "validation"), vec!["Idempotency-Key"])
    );
}

#[tokio::test]
async fn a_repeated_creation_answers_the_post_as_it_stands_and_never_a_deleted_text() {
    let world = World::new().await;
    let (who, body) = (teacher(), json!({"title": "a", "content": "x"}));
    let send = async || {
        world
            .send(
                Some(&who),
                Method::POST,
                "/api/posts",
                &keyed("k1"),
                Some(&body),
            )
            .await
    };
    let id = send().await.body["id"].as_str().unwrap().to_owned();
    world.put(&who, &id, &json!({"title": "b"})).await;
    let after_edit = send().await;
    assert_eq!(
        (
            after_edit.body["title"].as_str().unwrap(),
            after_edit.header("etag")
        ),
        ("b", Some("\"v2\""))
    );
    world.delete(&who, &id).await;
    assert_eq!(send().await.problem(), (404, "post_not_found"));
}

#[tokio::test]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let world = World::new().await;
    let who = teacher();
    let refused = world
        .send(
            Some(&who),
            Method::POST,
            "/api/posts",
            &keyed("k1"),
            Some(&json!({"title": "", "content": "x"})),
        )
        .await;
    assert_eq!(refused.status, 422);
    let taken = world
        .send(
            Some(&who),
            Method::POST,
            "/api/posts",
            &keyed("k1"),
            Some(&json!({"title": "a", "content": "x"})),
        )
        .await;
    assert_eq!(taken.status, 200);
}
