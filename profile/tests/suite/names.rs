//! `GET /api/profile/{user_id}` and `GET /api/profile?ids=`: what people are called.

use contracts::testing::{admin, guardian, member, person, staff, student, teacher};
use contracts::{Duty, Role};
use profile::Account;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn the_school_is_told_what_somebody_is_called_and_nothing_else() {
    let world = World::new().await;
    world
        .filled(
            &student(),
            &json!({"first_name": "Mia", "phone": "1", "dob": "2012-01-01", "bio": "x"}),
        )
        .await;
    let shown = json!({"user_id": 4, "display_name": "Mia", "photo_url": null});
    for who in [admin(), teacher(), student(), guardian()] {
        let one = world.get(&who, "/api/profile/4").await;
        assert_eq!((one.status, &one.body), (200, &shown), "{:?}", who.roles);
        let many = world.get(&who, "/api/profile?ids=4").await;
        assert_eq!(many.body, json!({"items": [shown]}));
    }
}

#[tokio::test]
async fn who_does_not_belong_to_the_school_is_told_their_own_name_only() {
    let world = World::new().await;
    for who in [student(), staff(), member()] {
        world.account(&who, &who.username, 1).await;
    }
    for who in [staff(), member()] {
        assert_eq!(world.name(&who, &student()).await, Err(404));
        assert_eq!(world.name(&who, &who).await, Ok(who.username.clone()));
        let many = world.get(&who, "/api/profile?ids=3,4,6").await;
        let items = many.body["items"].as_array().unwrap();
        assert_eq!(items.len(), 1);
        assert_eq!(items[0]["user_id"], who.user.0);
    }
    let office = person(10, &[Role::Staff]);
    world.roster.duty(&office, Duty::Office);
    assert_eq!(
        world.name(&office, &student()).await,
        Ok("user4".to_owned())
    );
    let no_duty_for_members = person(11, &[]);
    world.roster.duty(&no_duty_for_members, Duty::Office);
    assert_eq!(world.name(&no_duty_for_members, &student()).await, Err(404));
}

#[tokio::test]
async fn names_come_by_id_once_each_and_who_is_not_there_is_left_out() {
    let world = World::new().await;
    for who in [teacher(), student(), member()] {
        world.account(&who, &who.username, 1).await;
    }
    let names = async |ids: &str| {
        let answer = world
            .get(&admin(), &format!("/api/profile?ids={ids}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let items = answer.body["items"].as_array().unwrap().clone();
        let ids = items.iter().map(|item| item["user_id"].as_i64().unwrap());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(names("6,2,4").await, [2, 4, 6]);
    assert_eq!(names("4,4,%204,9,777").await, [4]);
    assert_eq!(names("").await, [0; 0]);
    let hundred: Vec<_> = (1..=100).map(|i| i.to_string()).collect();
    assert_eq!(names(&hundred.join(",")).await, [2, 4, 6]);
}

#[tokio::test]
async fn a_list_of_ids_that_cannot_be_read_or_is_too_long_is_refused() {
    let world = World::new().await;
    let many: Vec<_> = (1..=101).map(|i| i.to_string()).collect();
    for ids in [
        "x",
        "1,",
        ",",
        "1,,2",
        "-1",
        "0",
        "1.0",
        "1;2",
        "%00",
        "99999999999999999999",
        &many.join(","),
    ] {
        let answer = world
            .get(&admin(), &format!("/api/profile?ids={ids}"))
            .await;
        assert_eq!(
            (answer.problem(), answer.fields()),
            ((422, "validation"), vec!["ids"]),
            "{ids}"
        );
    }
    for query in ["ids=1&ids=2", "id=1", "limit=0"] {
        let answer = world.get(&admin(), &format!("/api/profile?{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_malformed_id_is_404_as_is_one_of_nobody() {
    let world = World::new().await;
    let long = "1".repeat(40);
    for id in [
        "abc", "-1", "1.0", "0", "01", "+1", "%00", "%FF", "4%20", &long,
    ] {
        let answer = world.get(&admin(), &format!("/api/profile/{id}")).await;
        assert_eq!(answer.problem(), (404, "not_found"), "{id}");
    }
    let nobody = world.get(&admin(), "/api/profile/777").await;
    assert_eq!(nobody.problem(), (404, "profile_not_found"));
}

#[tokio::test]
async fn a_deactivated_account_is_hidden_from_others() {
    let world = World::new().await;
    world
        .filled(&student(), &json!({"first_name": "Mia"}))
        .await;
    assert_eq!(
        world.name(&teacher(), &student()).await,
        Ok("Mia".to_owned())
    );
    let gone = Account {
        name: "mia".to_owned(),
        version: 2,
        gone: true,
    };
    world.store.account(student().user, gone).await.unwrap();
    assert_eq!(world.name(&teacher(), &student()).await, Err(404));
    let many = world.get(&teacher(), "/api/profile?ids=4").await;
    assert_eq!(many.body, json!({"items": []}));
    let changed = world
        .put(&student(), &json!({"first_name": "Mia M."}))
        .await;
    assert_eq!(changed.status, 200);
    let kinds: Vec<_> = world
        .events()
        .await
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, ["profile.updated", "profile.deleted"]);
}

#[tokio::test]
async fn a_roster_that_cannot_be_asked_is_503_and_never_an_empty_list() {
    let world = World::new().await;
    world.account(&student(), "mia", 1).await;
    world.roster.goes_down();
    for path in ["/api/profile/4", "/api/profile?ids=4"] {
        let answer = world.get(&teacher(), path).await;
        assert_eq!(answer.problem(), (503, "roster_unavailable"), "{path}");
    }
}
