//! `POST` and `GET /api/profile`.

use chrono::TimeDelta;
use contracts::testing::{member, person, student, teacher};
use futures_util::future::join_all;
use http::Method;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn a_profile_is_answered_whole_with_its_version_as_etag() {
    let world = World::new().await;
    let body = json!({
        "first_name": " Ines ", "last_name": "Roy", "dob": "1990-02-28", "address": "Main street 1\r\nFlat 2", "city": "Lund", "state": "Skåne",
        "zip_code": "22100", "country": "Sweden", "phone": "+46 1", "bio": "<b>I</b> teach", "preferences": {"theme": "dark", "n": [1, 2.5]},
        "pronouns": "she/her", "language": "SV-se", "time_zone": "Europe/Stockholm"
    });
    let answer = world.post(&teacher(), &body).await;
    assert_eq!(
        (answer.status, answer.header("etag")),
        (200, Some("\"v1\""))
    );
    insta::assert_json_snapshot!(answer.body, @r#"
    {
      "address": "Main street 1\nFlat 2",
      "bio": "<b>I</b> teach",
      "city": "Lund",
      "country": "Sweden",
      "created_at": "2026-03-02T08:00:00Z",
      "display_name": "Ines Roy",
      "dob": "1990-02-28",
      "first_name": "Ines",
      "id": 2,
      "language": "sv-SE",
      "last_name": "Roy",
      "phone": "+46 1",
      "photo_url": null,
      "preferences": {
        "n": [
          1,
          2.5
        ],
        "theme": "dark"
      },
      "pronouns": "she/her",
      "state": "Skåne",
      "time_zone": "Europe/Stockholm",
      "updated_at": "2026-03-02T08:00:00Z",
      "user_id": 2,
      "version": 1,
      "visibility": {
        "address": "self",
        "bio": "self",
        "display_name": "school",
        "dob": "self",
        "phone": "self",
        "photo_url": "self",
        "preferences": "self"
      },
      "zip_code": "22100"
    }
    "#);
    let again = world.own(&teacher()).await;
    assert_eq!((again.status, again.text), (200, answer.text));
    assert_eq!(again.headers["etag"], "\"v1\"");
}

#[tokio::test]
async fn an_empty_body_makes_a_profile_that_is_called_as_the_account() {
    let world = World::new().await;
    let body = world.filled(&member(), &json!({})).await;
    assert_eq!(
        (
            &body["display_name"],
            &body["first_name"],
            &body["preferences"]
        ),
        (&json!("user6"), &json!(null), &json!(null))
    );
}

#[tokio::test]
async fn preferences_come_as_a_text_from_clients_of_the_004_system_and_go_as_an_object() {
    let world = World::new().await;
    let body = json!({"preferences": "{\"theme\": \"dark\"}", "first_name": "", "dob": ""});
    let body = world.filled(&member(), &body).await;
    assert_eq!(body["preferences"], json!({"theme": "dark"}));
    assert_eq!(
        (&body["first_name"], &body["dob"]),
        (&json!(null), &json!(null))
    );
}

#[tokio::test]
async fn a_second_profile_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let first = world.filled(&member(), &json!({"city": "Lund"})).await;
    let second = world.post(&member(), &json!({"city": "Oslo"})).await;
    assert_eq!(second.problem(), (400, "profile_exists"));
    assert_eq!(
        second.body["detail"],
        "Profile already exists for this user"
    );
    assert_eq!(world.own(&member()).await.body, first);
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn created_64_times_at_once_there_is_one_profile_and_63_are_told_so() {
    let world = World::new().await;
    let who = member();
    let all = join_all((0..64).map(|i| {
        let (world, who) = (&world, &who);
        async move { world.post(who, &json!({"city": format!("c{i}")})).await }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = all.iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 63));
    assert!(
        lost.iter()
            .all(|answer| answer.problem() == (400, "profile_exists"))
    );
    assert_eq!(world.own(&who).await.text, won[0].text);
    assert_eq!(world.events().await.len(), 1);
}

#[tokio::test]
async fn a_shell_is_no_profile_for_its_owner_until_they_fill_it() {
    let world = World::new().await;
    world.account(&student(), "Mia Petrov", 1).await;
    for answer in [
        world.own(&student()).await,
        world.put(&student(), &json!({"city": "Lund"})).await,
        world.delete(&student()).await,
    ] {
        assert_eq!(answer.problem(), (404, "profile_not_found"));
        assert_eq!(answer.body["detail"], "Profile not found");
    }
    world.clock.advance(TimeDelta::hours(1));
    let body = world.filled(&student(), &json!({"city": "Lund"})).await;
    assert_eq!(
        (&body["created_at"], &body["display_name"], &body["version"]),
        (
            &json!("2026-03-02T09:00:00Z"),
            &json!("Mia Petrov"),
            &json!(2)
        )
    );
}

#[tokio::test]
async fn the_body_may_name_the_caller_and_nobody_else() {
    let world = World::new().await;
    for named in [json!(7), json!("6"), json!(6.0), json!([6]), json!(true)] {
        let refused = world.post(&member(), &json!({"user_id": named})).await;
        assert_eq!(refused.problem(), (403, "user_mismatch"), "{named}");
    }
    assert_eq!(world.own(&member()).await.status, 404);
    let body = json!({"user_id": 6, "city": "Lund"});
    assert_eq!(world.post(&member(), &body).await.status, 200);
    assert_eq!(world.put(&member(), &body).await.status, 200);
    let refused = world.put(&member(), &json!({"user_id": 7})).await;
    assert_eq!(refused.problem(), (403, "user_mismatch"));
    let absent = world.post(&person(9, &[]), &json!({"user_id": null})).await;
    assert_eq!(absent.status, 200);
}

#[tokio::test]
async fn everybody_has_a_profile_of_their_own() {
    let world = World::new().await;
    world.filled(&teacher(), &json!({"city": "Lund"})).await;
    world.filled(&student(), &json!({"city": "Oslo"})).await;
    assert_eq!(world.own(&teacher()).await.body["city"], "Lund");
    assert_eq!(world.own(&student()).await.body["city"], "Oslo");
    assert_eq!(world.own(&member()).await.status, 404);
}

#[tokio::test]
async fn without_a_token_nothing_is_answered() {
    let world = World::new().await;
    for (method, path, body) in [
        (Method::POST, "/api/profile", Some(json!({}))),
        (Method::GET, "/api/profile", None),
        (Method::PUT, "/api/profile", Some(json!({}))),
        (Method::DELETE, "/api/profile", None),
        (Method::GET, "/api/profile?ids=1", None),
        (Method::GET, "/api/profile/1", None),
    ] {
        let answer = world
            .send(None, method.clone(), path, &[], body.as_ref())
            .await;
        assert_eq!(answer.problem(), (401, "unauthorized"), "{method} {path}");
        assert_eq!(answer.body["detail"], "No authorization header");
    }
}

#[tokio::test]
async fn a_bearer_token_is_verified_by_the_service_itself() {
    let world = World::new().await;
    world.filled(&member(), &json!({"city": "Lund"})).await;
    let now = kit::Clock::now(&world.clock).timestamp();
    let claims = serde_json::from_value(json!({
        "iss": "schoolyard", "aud": "schoolyard", "sub": "6", "username": "user6", "roles": ["member"],
        "sid": "01900000-0000-7000-8000-000000000001", "iat": now, "exp": now + 60,
    }));
    let bearer = format!("Bearer {}", world.keys.sign(&claims.unwrap()));
    let read = async |headers: &[(&str, &str)]| {
        world
            .send(None, Method::GET, "/api/profile", headers, None)
            .await
    };
    assert_eq!(
        read(&[("authorization", &bearer)]).await.body["city"],
        "Lund"
    );
    assert_eq!(
        read(&[("authorization", &bearer), ("x-user-id", "1")])
            .await
            .problem(),
        (401, "identity_mismatch")
    );
    assert_eq!(read(&[("x-user-id", "6")]).await.status, 401);
}
