//! `GET /api/posts/{id}`.

use contracts::testing::{Person, admin, guardian, member, person, staff, student, teacher};
use contracts::{Duty, Role};
use serde_json::json;

use crate::world::{CIVILDIY, World};

const CLASS: &str = "class:01900000-0000-7000-8000-0000000000ab";

#[tokio::test]
async fn a_reader_shares_an_audience_with_what_they_read() {
    let world = World::new().await;
    let read = async |who: Person, id: &str| {
        world
            .get(Some(&who), &format!("/api/posts/{id}"))
            .await
            .status
    };
    let school = world.publish(&admin(), "school", &["school"]).await;
    let students = world.publish(&admin(), "students", &["role:student"]).await;
    let everyone = world.publish(&admin(), "everyone", &["role:member"]).await;
    let one = world.publish(&admin(), "one", &["user:6"]).await;
    let both = world
        .publish(&admin(), "both", &["role:student", "user:6"])
        .await;
    for (who, expected) in [
        (student(), [200, 200, 200, 404, 200]),
        (teacher(), [200, 404, 200, 404, 404]),
        (guardian(), [200, 404, 200, 404, 404]),
        (staff(), [404, 404, 200, 404, 404]),
        (member(), [404, 404, 200, 200, 200]),
    ] {
        let mut seen = [0; 5];
        for (status, id) in seen
            .iter_mut()
            .zip([&school, &students, &everyone, &one, &both])
        {
            *status = read(who.clone(), id).await;
        }
        assert_eq!(seen, expected, "{:?}", who.roles);
    }
}

#[tokio::test]
async fn an_author_and_a_moderator_see_what_is_for_others() {
    let world = World::new().await;
    let office = person(10, &[Role::Staff]);
    world.roster.duty(&office, Duty::Office);
    let id = world.publish(&office, "x", &["role:student"]).await;
    for (who, status) in [
        (office, 200),
        (admin(), 200),
        (teacher(), 404),
        (staff(), 404),
    ] {
        assert_eq!(
            world
                .get(Some(&who), &format!("/api/posts/{id}"))
                .await
                .status,
            status,
            "{:?}",
            who.roles
        );
    }
}

#[tokio::test]
async fn what_is_malformed_absent_or_not_visible_is_the_same_404() {
    let world = World::new().await;
    let hidden = world.publish(&admin(), "x", &["role:student"]).await;
    let mut answers = Vec::new();
    for id in [
        "x",
        "65f0a1b2c3d4e5f60123456g",
        "65f0a1b2c3d4e5f601234567",
        "65f0a1b2c3d4e5f6012345670",
        "%00",
        &hidden,
    ] {
        let answer = world
            .get(Some(&teacher()), &format!("/api/posts/{id}"))
            .await;
        assert_eq!(
            (answer.problem(), answer.body["detail"].as_str()),
            ((404, "post_not_found"), Some("Post not found")),
            "{id}"
        );
        answers.push(answer.text);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn who_leaves_a_class_loses_its_posts_on_the_next_read() {
    let world = World::new().await;
    let pupil = student();
    let id = world.publish(&admin(), "x", &[CLASS]).await;
    let read = async || {
        world
            .get(Some(&pupil), &format!("/api/posts/{id}"))
            .await
            .status
    };
    assert_eq!(read().await, 404);
    world.roster.reads(&pupil, CLASS.parse().unwrap());
    assert_eq!(
        (read().await, world.titles(Some(&pupil), "").await),
        (200, vec!["x".to_owned()])
    );
    world.roster.leaves(&pupil, CLASS.parse().unwrap());
    assert_eq!(
        (read().await, world.titles(Some(&pupil), "").await),
        (404, vec![])
    );
}

#[tokio::test]
async fn without_signing_in_one_reads_public_posts_only_and_only_where_there_are_any() {
    let closed = World::new().await;
    for path in ["/api/posts", "/api/posts/65f0a1b2c3d4e5f601234567"] {
        assert_eq!(
            closed.get(None, path).await.problem(),
            (401, "unauthorized"),
            "{path}"
        );
    }
    let open = World::with(&CIVILDIY).await;
    let public = open.publish(&member(), "public", &["public"]).await;
    let members = open.publish(&admin(), "members", &["role:member"]).await;
    assert_eq!(
        open.get(None, &format!("/api/posts/{public}")).await.status,
        200
    );
    assert_eq!(
        open.get(None, &format!("/api/posts/{members}"))
            .await
            .problem(),
        (404, "post_not_found")
    );
    assert_eq!(open.titles(None, "").await, ["public"]);
    assert_eq!(
        open.titles(Some(&student()), "").await,
        ["members", "public"]
    );
}

#[tokio::test]
async fn a_bearer_token_is_verified_by_the_service_itself() {
    let world = World::with(&CIVILDIY).await;
    let id = world.publish(&admin(), "x", &["role:member"]).await;
    let now = kit::Clock::now(&world.clock).timestamp();
    let claims = serde_json::from_value(json!({
        "iss": "schoolyard", "aud": "schoolyard", "sub": "6", "username": "ines", "roles": ["member"],
        "sid": "01900000-0000-7000-8000-000000000001", "iat": now, "exp": now + 60,
    }));
    let bearer = format!("Bearer {}", world.keys.sign(&claims.unwrap()));
    let read = async |headers: &[(&str, &str)]| {
        world
            .send(
                None,
                http::Method::GET,
                &format!("/api/posts/{id}"),
                headers,
                None,
            )
            .await
    };
    assert_eq!(read(&[("authorization", &bearer)]).await.status, 200);
    assert_eq!(
        read(&[("authorization", &bearer), ("x-user-id", "1")])
            .await
            .problem(),
        (401, "identity_mismatch")
    );
    assert_eq!(read(&[("authorization", "Bearer x")]).await.status, 401);
    assert_eq!(
        read(&[("x-user-id", "1"), ("x-user-roles", "admin")])
            .await
            .status,
        404
    );
}
