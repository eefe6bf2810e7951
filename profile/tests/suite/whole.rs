//! The service as it is hosted: its routes table, and its workers beside its requests.

use backends::bus::Start;
use contracts::events::{User, UserEvent, UserEventKind, UserState};
use contracts::testing::{Person, student, teacher};
use contracts::topics::PROFILE_EVENTS;
use contracts::{Role, Roles};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::World;

#[tokio::test]
async fn the_routes_table_says_who_may_call_what() {
    let world = World::new().await;
    let table: Vec<String> = world
        .table
        .iter()
        .map(|route| {
            format!(
                "{} {} {:?} {}",
                route.method.as_ref().unwrap(),
                route.path,
                route.access,
                route.guard
            )
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    POST /api/profile Authenticated Member
    GET /api/profile Authenticated Member
    PUT /api/profile Authenticated Member
    DELETE /api/profile Authenticated Member
    GET /api/profile/{user_id} Authenticated Member
    ");
}

fn account(who: &Person, version: i64) -> UserEvent {
    let user_data = User {
        id: who.user,
        email: None,
        username: who.username.clone(),
        first_name: "Mia".to_owned(),
        last_name: "Petrov".to_owned(),
        full_name: "Mia Petrov".to_owned(),
        role: Role::Student,
        roles: Roles::MEMBER,
        user_type: None,
        is_active: true,
        date_joined: chrono::DateTime::UNIX_EPOCH,
    };
    let state = UserState {
        user_id: who.user,
        user_type: None,
        user_data,
        version,
    };
    UserEvent {
        kind: UserEventKind::Created,
        state,
    }
}

#[tokio::test]
async fn from_the_account_to_the_end_a_profile_is_on_the_bus_in_its_order() {
    let mut world = World::new().await;
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for worker in std::mem::take(&mut world.workers) {
        workers.spawn(worker.run(stop.clone()));
    }
    let mut events = world
        .bus
        .bus
        .subscribe("test", &[PROFILE_EVENTS.name], Start::Committed)
        .await
        .unwrap();
    let made =
        account(&student(), 1).message(uuid::Uuid::from_u128(9), chrono::DateTime::UNIX_EPOCH);
    let record = backends::bus::Record {
        topic: made.topic.to_owned(),
        key: Some(made.key),
        payload: made.payload.into(),
        headers: made.headers,
        event_id: Some(made.event_id),
    };
    world.bus.bus.publish(vec![record]).await.unwrap();
    let mut seen = Vec::new();
    let mut next = async || {
        let delivered = events.next().await.unwrap();
        assert_eq!(delivered.record.key.as_deref(), Some("profile:4"));
        let event = contracts::events::ProfileEvent::read(&delivered).unwrap();
        seen.push(match event {
            contracts::events::ProfileEvent::Updated(state) => {
                format!("updated {} {}", state.version, state.display_name)
            }
            contracts::events::ProfileEvent::Deleted(gone) => format!("deleted {}", gone.version),
        });
    };
    next().await;
    let own = json!({"display_name": "Mimi"});
    assert_eq!(world.post(&student(), &own).await.status, 200);
    next().await;
    world.put(&student(), &json!({"display_name": null})).await;
    next().await;
    world.delete(&student()).await;
    next().await;
    assert_eq!(
        seen,
        [
            "updated 1 Mia Petrov",
            "updated 2 Mimi",
            "updated 3 Mia Petrov",
            "deleted 4"
        ]
    );
    stop.cancel();
    while let Some(ended) = workers.join_next().await {
        ended.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_store_that_is_gone_is_503_and_never_an_empty_profile() {
    let world = World::new().await;
    world.filled(&teacher(), &json!({"city": "Lund"})).await;
    world.db.close().await.unwrap();
    for answer in [
        world.own(&teacher()).await,
        world.post(&teacher(), &json!({})).await,
        world.put(&teacher(), &json!({"city": "x"})).await,
        world.delete(&teacher()).await,
        world.get(&teacher(), "/api/profile/2").await,
        world.get(&teacher(), "/api/profile?ids=2").await,
    ] {
        assert_eq!(
            (answer.problem(), answer.header("retry-after")),
            ((503, "store_unavailable"), Some("2"))
        );
    }
}
