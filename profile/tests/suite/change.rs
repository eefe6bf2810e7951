//! `PUT /api/profile`.

use chrono::TimeDelta;
use contracts::testing::{member, teacher};
use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn what_is_absent_stays_what_is_null_is_cleared_and_the_rest_is_new() {
    let world = World::new().await;
    world
        .filled(&member(), &json!({"city": "Lund", "phone": "1"}))
        .await;
    world.clock.advance(TimeDelta::seconds(5));
    let changed = world
        .put(&member(), &json!({"phone": null, "bio": "x"}))
        .await;
    assert_eq!(
        (changed.status, changed.header("etag")),
        (200, Some("\"v2\""))
    );
    let body = &changed.body;
    assert_eq!(
        (&body["city"], &body["phone"], &body["bio"]),
        (&json!("Lund"), &json!(null), &json!("x"))
    );
    assert_eq!(
        (&body["created_at"], &body["updated_at"]),
        (
            &json!("2026-03-02T08:00:00Z"),
            &json!("2026-03-02T08:00:05Z")
        )
    );
    assert_eq!(world.own(&member()).await.text, changed.text);
}

#[tokio::test]
async fn a_change_that_changes_nothing_makes_no_version_and_no_event() {
    let world = World::new().await;
    let created = world
        .filled(
            &member(),
            &json!({"city": "Lund", "dob": "1990-01-01", "language": "de-CH", "preferences": {"a": 1}}),
        )
        .await;
    world.clock.advance(TimeDelta::seconds(5));
    for body in [
        json!({}),
        json!({"city": " Lund "}),
        json!({"bio": null, "phone": ""}),
        json!({"language": "DE-ch", "dob": "1990-01-01"}),
        json!({"preferences": "{\"a\":1}"}),
        json!({"user_id": 6}),
    ] {
        let answer = world.put(&member(), &body).await;
        assert_eq!((answer.status, &answer.body), (200, &created), "{body}");
        assert_eq!(answer.header("etag"), Some("\"v1\""));
    }
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn a_display_name_of_ones_own_is_shown_until_it_is_cleared() {
    let world = World::new().await;
    world.account(&teacher(), "ines", 1).await;
    world
        .filled(&teacher(), &json!({"first_name": "Ines"}))
        .await;
    let shown = async |body| world.put(&teacher(), &body).await.body["display_name"].clone();
    assert_eq!(shown(json!({"last_name": "Roy"})).await, "Ines Roy");
    assert_eq!(shown(json!({"display_name": " Nessi "})).await, "Nessi");
    assert_eq!(shown(json!({"first_name": "Inés"})).await, "Nessi");
    assert_eq!(shown(json!({"display_name": null})).await, "Inés Roy");
    let nameless = json!({"first_name": null, "last_name": " "});
    assert_eq!(shown(nameless).await, "ines");
}

#[tokio::test]
async fn preferences_are_set_as_a_whole() {
    let world = World::new().await;
    world
        .filled(&member(), &json!({"preferences": {"a": 1, "b": 2}}))
        .await;
    let put = async |body| world.put(&member(), &body).await.body["preferences"].clone();
    assert_eq!(put(json!({"preferences": {"b": 3}})).await, json!({"b": 3}));
    assert_eq!(put(json!({"preferences": {}})).await, json!({}));
    assert_eq!(put(json!({"preferences": null})).await, json!(null));
}

#[tokio::test]
async fn a_stale_etag_changes_nothing_and_is_told_the_present_one() {
    let world = World::new().await;
    world.filled(&member(), &json!({"city": "Lund"})).await;
    let put = async |tag: &str, body| {
        let headers = [("if-match", tag)];
        world
            .send(
                Some(&member()),
                Method::PUT,
                "/api/profile",
                &headers,
                Some(&body),
            )
            .await
    };
    assert_eq!(put("\"v1\"", json!({"city": "Oslo"})).await.status, 200);
    for body in [json!({"city": "Rome"}), json!({})] {
        let stale = put("\"v1\"", body).await;
        assert_eq!(stale.problem(), (412, "stale"));
        assert_eq!(stale.header("etag"), Some("\"v2\""));
    }
    assert_eq!(put("*", json!({"city": "Rome"})).await.body["city"], "Rome");
}

#[tokio::test]
async fn of_two_editors_with_one_etag_one_is_told_that_it_is_stale() {
    let world = World::new().await;
    world.filled(&member(), &json!({})).await;
    let edits = join_all((0..64).map(|i| {
        let world = &world;
        async move {
            let body = json!({"city": format!("c{i}")});
            let headers = [("if-match", "\"v1\"")];
            world
                .send(
                    Some(&member()),
                    Method::PUT,
                    "/api/profile",
                    &headers,
                    Some(&body),
                )
                .await
        }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = edits.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    assert!(lost.iter().all(|answer| answer.problem() == (412, "stale")));
    assert_eq!(world.own(&member()).await.text, won[0].text);
}

const TEXTS: [&str; 11] = [
    "first_name",
    "last_name",
    "display_name",
    "pronouns",
    "address",
    "city",
    "state",
    "zip_code",
    "country",
    "phone",
    "bio",
];

#[tokio::test]
async fn changed_field_by_field_at_once_every_change_is_kept() {
    let world = World::new().await;
    world.filled(&member(), &json!({})).await;
    let edits = join_all((0..66).map(|i| {
        let world = &world;
        async move {
            let body = json!({TEXTS[i % TEXTS.len()]: format!("t{}", i / TEXTS.len())});
            world.put(&member(), &body).await
        }
    }))
    .await;
    assert!(edits.iter().all(|answer| answer.status == 200));
    let now = world.own(&member()).await.body;
    assert!(TEXTS.iter().all(|name| now[*name].is_string()), "{now}");
    // Two edits that say the same may meet, and then the second changes nothing.
    let versions: Vec<_> = world
        .events()
        .await
        .into_iter()
        .map(|(_, data)| data["version"].as_i64().unwrap())
        .collect();
    assert_eq!(versions, (1..=67).collect::<Vec<_>>());
    assert_eq!(now["version"], 67);
}
