//! What is on a page.

use crate::support::owner::{id, post, start};
use crate::support::{Setup, TestFeed, titles};
use contracts::events::{
    ProfileDeleted, ProfileEvent, ProfileState, User, UserEvent, UserEventKind, UserState,
};
use contracts::testing::person;
use contracts::{Role, Roles, UserId};
use serde_json::json;

#[tokio::test]
async fn an_item_has_the_fields_of_004_first_and_then_ours() {
    let feed = TestFeed::start(Setup::default()).await;
    let mut new = post(1, 0, &["school", "user:9"]);
    (new.tags, new.comment_count) = (vec!["trip".to_owned()], 2);
    feed.publish(&new).await;
    let response = feed.get("", Some(person(7, &[Role::Teacher]))).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(!response.headers().contains_key("x-feed"));
    let text = kit::testing::text(response).await;
    insta::assert_snapshot!(text, @r#"{"items":[{"post_id":"000000000000000000000001","user_id":7,"username":"ines","event_type":"post.created","timestamp":"2026-03-02T08:00:00Z","title":"Post 1","content":"<p>Text 1</p>","id":"000000000000000000000001","kind":"post","aggregate":"post:000000000000000000000001","version":1,"audience":["school"],"tags":["trip"],"edited_at":null,"pinned_until":null,"comment_count":2,"attachments":[]}],"total":1,"limit":20,"skip":0,"next_cursor":null}"#);
}

#[tokio::test]
async fn the_edited_the_moved_and_the_deleted_are_nowhere_as_they_were() {
    let feed = TestFeed::start(Setup::default()).await;
    let (teacher, pupil) = (person(7, &[Role::Teacher]), person(9, &[Role::Student]));
    let mut changing = post(1, 0, &["school"]);
    feed.publish(&changing).await;
    feed.publish(&post(2, 1, &["school"])).await;
    for reader in [&teacher, &pupil] {
        assert_eq!(feed.titles("", reader).await, ["Post 2", "Post 1"]);
    }
    (changing.title, changing.version, changing.edited_at) = ("New".to_owned(), 2, Some(start()));
    feed.publish(&changing).await;
    for reader in [&teacher, &pupil] {
        assert_eq!(feed.titles("", reader).await, ["Post 2", "New"]);
        assert_eq!(feed.titles("?skip=1", reader).await, ["New"]);
    }
    (changing.audience, changing.version) = (vec!["role:teacher".parse().unwrap()], 3);
    feed.publish(&changing).await;
    assert_eq!(feed.titles("", &teacher).await, ["Post 2", "New"]);
    assert_eq!(feed.titles("", &pupil).await, ["Post 2"]);
    feed.delete(id(2), 2).await;
    assert_eq!(feed.titles("", &teacher).await, ["New"]);
    assert_eq!(
        feed.read("", Some(pupil)).await.1,
        json!({"items":[],"total":0,"limit":20,"skip":0,"next_cursor":null})
    );
    assert_eq!(feed.titles("/user", &teacher).await, ["New"]);
}

#[tokio::test]
async fn a_role_that_is_lost_is_lost_with_the_next_request() {
    let feed = TestFeed::start(Setup::default()).await;
    feed.publish(&post(1, 0, &["role:teacher"])).await;
    assert_eq!(
        feed.titles("", &person(5, &[Role::Teacher])).await,
        ["Post 1"]
    );
    assert_eq!(feed.titles("", &person(5, &[])).await, [""; 0]);
}

#[tokio::test]
async fn the_own_stream_holds_what_the_caller_published_for_whomever() {
    let feed = TestFeed::start(Setup {
        window: 2,
        ..Setup::default()
    })
    .await;
    for number in 1..=5 {
        feed.publish(&post(number, i64::from(number), &["user:1", "user:2"]))
            .await;
    }
    let mut other = post(9, 9, &["school"]);
    other.user_id = UserId(8);
    feed.publish(&other).await;
    let (_, page) = feed.read("/user?limit=3", Some(person(7, &[]))).await;
    assert_eq!(titles(&page), ["Post 5", "Post 4", "Post 3"]);
    assert_eq!(page["items"][0]["audience"], json!(["user:1", "user:2"]));
    assert_eq!(
        (
            page["total"].as_u64(),
            page["limit"].as_u64(),
            page["skip"].as_u64()
        ),
        (Some(2), Some(3), Some(0))
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, page) = feed
        .read(
            &format!("/user?limit=3&cursor={cursor}"),
            Some(person(7, &[])),
        )
        .await;
    assert_eq!(titles(&page), ["Post 2", "Post 1"]);
    assert!(page.get("total").is_none());
    assert_eq!(feed.titles("/user", &person(8, &[])).await, ["Post 9"]);
}

#[tokio::test]
async fn a_new_name_stands_on_old_items_wherever_they_come_from() {
    let feed = TestFeed::start(Setup {
        window: 1,
        ..Setup::default()
    })
    .await;
    feed.publish(&post(1, 0, &["role:member"])).await;
    feed.publish(&post(2, 1, &["role:member"])).await;
    let who = person(5, &[]);
    let _cached = feed.titles("?limit=2", &who).await;
    let user = User {
        id: UserId(7),
        email: None,
        username: "inés".to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        full_name: "inés".to_owned(),
        role: Role::Teacher,
        roles: Roles::MEMBER.with(Role::Teacher),
        user_type: None,
        is_active: true,
        date_joined: start(),
    };
    let state = UserState {
        user_id: user.id,
        user_type: None,
        user_data: user,
        version: 2,
    };
    feed.rename(&UserEvent {
        kind: UserEventKind::Updated,
        state,
    })
    .await;
    let names = async || {
        let (_, page) = feed.read("?limit=2", Some(who.clone())).await;
        let items = page["items"].as_array().unwrap().clone();
        let names = items.iter().map(|item| item["username"].as_str().unwrap());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["inés", "inés"]);
    let called = |name: &str, version| {
        ProfileEvent::Updated(ProfileState {
            user_id: UserId(7),
            display_name: name.to_owned(),
            photo_url: None,
            language: None,
            time_zone: None,
            version,
        })
    };
    let gone = ProfileEvent::Deleted(ProfileDeleted {
        user_id: UserId(7),
        version: 4,
    });
    for (event, name) in [
        (called("Inés Roy", 3), "Inés Roy"),
        (called("older", 2), "Inés Roy"),
        (gone, "former member"),
        (called("Inés Roy", 3), "former member"),
        (called("Inés", 5), "Inés"),
    ] {
        feed.profile(&event).await;
        assert_eq!(names().await, [name, name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_readers_at_once_none_sees_an_edit_undone() {
    let feed = TestFeed::start(Setup::default()).await;
    let feed = std::sync::Arc::new(feed);
    feed.publish(&post(1, 0, &["school", "role:member"])).await;
    let readers: Vec<_> = (0..64)
        .map(|reader| {
            let feed = feed.clone();
            let roles = if reader % 2 == 0 {
                vec![Role::Teacher]
            } else {
                Vec::new()
            };
            tokio::spawn(async move {
                for version in 2..=20 {
                    feed.applied.post(id(1), version).await.unwrap();
                    let (_, page) = feed.read("", Some(person(reader + 10, &roles))).await;
                    assert!(
                        page["items"][0]["version"].as_i64().unwrap() >= version,
                        "{page}"
                    );
                }
            })
        })
        .collect();
    for version in 2..=20 {
        let mut edited = post(1, 0, &["school", "role:member"]);
        (edited.version, edited.edited_at) = (version, Some(start()));
        feed.publish(&edited).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}
