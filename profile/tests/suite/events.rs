//! What the service does about the events of others.

use backends::bus::{Delivered, Record};
use backends::consumer::{Failure, Handler};
use chrono::{DateTime, Utc};
use contracts::events::{User, UserEvent, UserEventKind, UserState};
use contracts::{Role, Roles, UserId};
use profile::AuthEvents;
use profile::store::Reach;
use uuid::Uuid;

use crate::store::open;

fn delivered(payload: Vec<u8>) -> Delivered {
    let record = Record {
        topic: "auth-events".to_owned(),
        key: None,
        payload: payload.into(),
        headers: Default::default(),
        event_id: None,
    };
    Delivered {
        record,
        partition: 0,
        offset: 0,
        at: DateTime::<Utc>::UNIX_EPOCH,
    }
}

fn event(kind: UserEventKind, full_name: &str, version: i64, is_active: bool) -> Delivered {
    let user_data = User {
        id: UserId(7),
        email: None,
        username: "ines".to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        full_name: full_name.to_owned(),
        role: Role::Member,
        roles: Roles::MEMBER,
        user_type: None,
        is_active,
        date_joined: DateTime::UNIX_EPOCH,
    };
    let state = UserState {
        user_id: UserId(7),
        user_type: None,
        user_data,
        version,
    };
    delivered(
        UserEvent { kind, state }
            .message(Uuid::nil(), DateTime::UNIX_EPOCH)
            .payload,
    )
}

#[tokio::test]
async fn an_account_gives_a_name_whatever_its_first_event_is_and_takes_it_along() {
    use UserEventKind::{Created, Deleted, RolesChanged, Updated};
    for first in [Created, Updated, RolesChanged] {
        let db = backends::testing::sqlite().await;
        let (store, _) = open(&db).await;
        let handler = AuthEvents::new(store.clone());
        let name = async || {
            let shown = store.shown(&[UserId(7)], Reach::School).await.unwrap();
            shown.into_iter().next().map(|shown| shown.display_name)
        };
        for (event, shown) in [
            (event(first, "ines", 1, true), Some("ines")),
            (event(Updated, "Ines Roy", 2, true), Some("Ines Roy")),
            (event(first, "ines", 1, true), Some("Ines Roy")),
            (event(Updated, "Ines Roy", 3, false), None),
            (event(Updated, "Ines Roy", 4, true), Some("Ines Roy")),
            (event(Deleted, "Ines Roy", 5, true), None),
            (event(Created, "ines", 1, true), None),
        ] {
            for _ in 0..2 {
                handler.apply(&event).await.unwrap();
                assert_eq!(name().await.as_deref(), shown);
            }
        }
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_poison_and_a_store_that_fails_is_retried() {
    let db = backends::testing::sqlite().await;
    let (store, _) = open(&db).await;
    let handler = AuthEvents::new(store);
    assert!(matches!(
        handler.apply(&delivered(b"x".to_vec())).await,
        Err(Failure::Poison(_))
    ));
    db.close().await.unwrap();
    let event = event(UserEventKind::Created, "ines", 1, true);
    assert!(matches!(
        handler.apply(&event).await,
        Err(Failure::Retry(_))
    ));
}
