//! What the service does about the events of others.

use backends::bus::{Delivered, Record};
use backends::consumer::{Failure, Handler};
use chrono::{DateTime, Utc};
use contracts::events::{User, UserEvent, UserEventKind, UserState};
use contracts::{Role, Roles, UserId};
use posts::AuthEvents;
use uuid::Uuid;

use crate::places::place;
use crate::store::{new_post, reader};
use contracts::clients::PageFilters;
use posts::store::{PageQuery, Start};

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

fn event(kind: UserEventKind, id: i64) -> Delivered {
    let user_data = User {
        id: UserId(id),
        email: None,
        username: "ines".to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        full_name: "ines".to_owned(),
        role: Role::Member,
        roles: Roles::MEMBER,
        user_type: None,
        is_active: kind != UserEventKind::Deleted,
        date_joined: DateTime::UNIX_EPOCH,
    };
    let state = UserState {
        user_id: UserId(id),
        user_type: None,
        user_data,
        version: 2,
    };
    delivered(
        UserEvent { kind, state }
            .message(Uuid::nil(), DateTime::UNIX_EPOCH)
            .payload,
    )
}

#[tokio::test]
async fn a_deleted_account_takes_its_name_off_its_posts_once() {
    let place = place().await;
    let (store, _) = place.open(1).await;
    for i in 0..150 {
        store
            .publish(new_post(1, &format!("t{i}"), &[], &["school"]), None)
            .await
            .unwrap();
    }
    let handler = AuthEvents::new(store.clone());
    let names = async || {
        let query = PageQuery {
            reader: reader(Some(1), &[]),
            filters: PageFilters::default(),
            start: Start::Skip(0),
            limit: 100,
        };
        let mut names: Vec<_> = store
            .page(&query)
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|post| (post.username, post.version))
            .collect();
        names.dedup();
        names
    };
    handler
        .apply(&event(UserEventKind::Updated, 1))
        .await
        .unwrap();
    handler
        .apply(&event(UserEventKind::Deleted, 2))
        .await
        .unwrap();
    assert_eq!(names().await, [("user1".to_owned(), 1)]);
    for _ in 0..2 {
        handler
            .apply(&event(UserEventKind::Deleted, 1))
            .await
            .unwrap();
        assert_eq!(names().await, [(posts::FORMER_MEMBER.to_owned(), 2)]);
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_poison_and_a_store_that_fails_is_retried() {
    let place = place().await;
    let (store, _) = place.open(1).await;
    let handler = AuthEvents::new(store);
    assert!(matches!(
        handler.apply(&delivered(b"x".to_vec())).await,
        Err(Failure::Poison(_))
    ));
    place.goes_away().await;
    assert!(matches!(
        handler.apply(&event(UserEventKind::Deleted, 1)).await,
        Err(Failure::Retry(_))
    ));
}
