//! Who may write to what (rules 2 and 3), as a table over HTTP.

use contracts::testing::{admin, guardian, member, person, staff, student, teacher};
use contracts::{Duty, Role};
use serde_json::json;

use crate::world::World;

const CLASS: &str = "class:01900000-0000-7000-8000-0000000000ab";

#[tokio::test]
async fn who_may_write_to_what_is_as_the_rules_say() {
    let world = World::with(&[("moderate", "")]).await;
    let (office, bursar) = (person(10, &[Role::Staff]), person(11, &[Role::Staff]));
    world.roster.duty(&office, Duty::Office);
    world.roster.duty(&bursar, Duty::Bursar);
    let head = person(12, &[Role::Teacher]);
    world.roster.duty(&head, Duty::Office);
    world.roster.writes(&teacher(), CLASS.parse().unwrap());
    world.roster.writes(&guardian(), "user:2".parse().unwrap());
    let other_class = "class:01900000-0000-7000-8000-0000000000cd";
    for (name, who, allowed, forbidden) in [
        (
            "admin",
            admin(),
            vec!["school", "role:member", "role:staff", "user:9", CLASS],
            vec![],
        ),
        (
            "office",
            office,
            vec!["school", "role:member", "role:guardian", "user:9", CLASS],
            vec![],
        ),
        (
            "teacher in the office",
            head,
            vec!["school", "role:member", other_class],
            vec![],
        ),
        (
            "teacher",
            teacher(),
            vec!["school", CLASS],
            vec![
                "role:member",
                "role:teacher",
                "user:2",
                "user:9",
                other_class,
            ],
        ),
        (
            "staff",
            staff(),
            vec!["role:member"],
            vec!["school", "role:staff", "user:3", CLASS],
        ),
        ("bursar", bursar, vec![], vec!["school", "role:member"]),
        (
            "student",
            student(),
            vec![],
            vec!["school", "role:member", "role:student", "user:4", CLASS],
        ),
        (
            "guardian",
            guardian(),
            vec!["user:2"],
            vec!["school", "role:member", "user:9"],
        ),
        (
            "member",
            member(),
            vec!["role:member"],
            vec!["school", "role:staff", "user:6"],
        ),
    ] {
        for key in allowed {
            let answer = world
                .post(
                    &who,
                    &json!({"title": "x", "content": "x", "audience": [key]}),
                )
                .await;
            assert_eq!(
                (answer.status, &answer.body["audience"]),
                (200, &json!([key])),
                "{name} may write to {key}"
            );
        }
        for key in forbidden {
            let answer = world
                .post(
                    &who,
                    &json!({"title": "x", "content": "x", "audience": [key]}),
                )
                .await;
            assert_eq!(
                (answer.problem(), answer.body["audience"].as_str()),
                ((403, "audience_forbidden"), Some(key)),
                "{name} must not write to {key}"
            );
        }
    }
}

#[tokio::test]
async fn one_forbidden_key_among_allowed_ones_is_named() {
    let world = World::new().await;
    let answer = world
        .post(
            &teacher(),
            &json!({"title": "x", "content": "x", "audience": ["school", "user:9", "role:staff"]}),
        )
        .await;
    assert_eq!(answer.problem(), (403, "audience_forbidden"));
    assert!(
        answer.body["detail"].as_str().unwrap().contains("user:9"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn a_post_that_names_no_audience_goes_where_the_rules_say() {
    let world = World::with(&[("moderate", "")]).await;
    for (who, expected) in [
        (admin(), Some(json!(["school"]))),
        (teacher(), Some(json!(["school"]))),
        (staff(), Some(json!(["role:member"]))),
        (member(), Some(json!(["role:member"]))),
        (student(), None),
        (guardian(), None),
    ] {
        let answer = world
            .post(&who, &json!({"title": "x", "content": "x"}))
            .await;
        match expected {
            Some(audience) => {
                assert_eq!((answer.status, &answer.body["audience"]), (200, &audience));
            }
            None => assert_eq!(answer.problem(), (422, "audience_required")),
        }
    }
}

#[tokio::test]
async fn the_set_default_audience_is_every_members_to_write_to() {
    let world = World::with(&[
        ("moderate", ""),
        ("default_audience", "role:member,role:student"),
    ])
    .await;
    let absent = world
        .post(&student(), &json!({"title": "x", "content": "x"}))
        .await;
    assert_eq!(
        absent.body["audience"],
        json!(["role:member", "role:student"])
    );
    let named = world
        .post(
            &guardian(),
            &json!({"title": "x", "content": "x", "audience": ["role:student"]}),
        )
        .await;
    assert_eq!(named.status, 200);
}

#[tokio::test]
async fn teachers_write_to_the_school_only_where_it_is_switched_on() {
    let world = World::with(&[("teachers_school_wide", "false")]).await;
    let answer = world
        .post(
            &teacher(),
            &json!({"title": "x", "content": "x", "audience": ["school"]}),
        )
        .await;
    assert_eq!(answer.problem(), (403, "audience_forbidden"));
    assert_eq!(
        world
            .post(
                &admin(),
                &json!({"title": "x", "content": "x", "audience": ["school"]})
            )
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_key_given_twice_is_one_key() {
    let world = World::new().await;
    let answer = world
        .post(
            &admin(),
            &json!({"title": "x", "content": "x", "audience": ["school", "user:9", "school"]}),
        )
        .await;
    assert_eq!(answer.body["audience"], json!(["school", "user:9"]));
}

#[tokio::test]
async fn a_roster_that_cannot_be_asked_is_never_allowed_and_never_empty() {
    let world = World::new().await;
    let id = world.publish(&teacher(), "x", &["school"]).await;
    world.roster.goes_down();
    let teacher = teacher();
    for answer in [
        world
            .post(&teacher, &json!({"title": "x", "content": "x"}))
            .await,
        world.get(Some(&teacher), "/api/posts").await,
        world.get(Some(&teacher), &format!("/api/posts/{id}")).await,
        world.put(&teacher, &id, &json!({"title": "y"})).await,
        world.delete(&teacher, &id).await,
    ] {
        assert_eq!(
            (answer.problem(), answer.header("retry-after")),
            ((503, "roster_unavailable"), Some("2"))
        );
    }
}
