//! Rebuilds: beside what is shown, one at a time, and nobody notices.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::owner::{id, post};
use crate::support::{Live, Setup, TestFeed, titles};
use contracts::testing::person;
use contracts::{Role, Verified};
use feed::{Phase, Report};
use http::Method;
use kit::testing::{json, request};
use serde_json::{Value, json};

fn admin() -> Arc<Verified> {
    person(1, &[Role::Admin])
}

async fn asked(feed: &TestFeed, who: &Arc<Verified>) -> (u16, Value) {
    let ask = request(Method::POST, "/api/activity-stream/rebuild").extension(who.clone());
    json(ask.send(&feed.router).await).await
}

async fn prefix(feed: &TestFeed) -> String {
    let (_, detail) = feed.read("/stats/detail", Some(admin())).await;
    detail["prefix"].as_str().unwrap().to_owned()
}

/// Some posts, newest last.
async fn posts(feed: &TestFeed, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        let new = post(number, i64::from(number), &["role:member", "school"]);
        feed.publish(&new).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_who_ask_for_a_rebuild_at_once_one_gets_it() {
    let feed = Arc::new(TestFeed::start(Setup::default()).await);
    posts(&feed, 1..=3).await;
    assert_eq!(asked(&feed, &person(9, &[Role::Teacher])).await.0, 403);
    let halt = feed.world.exports.halt(2);
    let all: Vec<_> = (0..64)
        .map(|_| {
            let feed = feed.clone();
            tokio::spawn(async move { asked(&feed, &admin()).await })
        })
        .collect();
    let mut jobs = Vec::new();
    for one in all {
        match one.await.unwrap() {
            (202, started) => jobs.push(started["job"].as_str().unwrap().to_owned()),
            (status, problem) => {
                assert_eq!((status, &problem["code"]), (409, &json!("rebuild_running")));
            }
        }
    }
    assert_eq!(jobs.len(), 1);
    halt.came().await;
    assert_eq!(feed.read("/stats", None).await.1["rebuilding"], true);
    let (_, detail) = feed.read("/stats/detail", Some(admin())).await;
    let going_on = &detail["rebuild"];
    assert_eq!(
        (&going_on["job"], &going_on["phase"], &going_on["cause"]),
        (&json!(jobs[0]), &json!("export"), &json!("asked"))
    );
    halt.go_on();
    let report = feed.rebuilds.ended(&jobs[0]).await.unwrap();
    assert_eq!((report.phase, report.items), (Phase::Done, 3 + 3));
    assert_eq!(feed.read("/stats", None).await.1["rebuilding"], false);
    assert_eq!(asked(&feed, &admin()).await.0, 202, "and the next one may");
}

#[tokio::test]
async fn what_is_written_during_a_rebuild_is_in_it_and_no_reader_sees_a_hole() {
    let feed = TestFeed::start(Setup {
        window: 5,
        ..Setup::default()
    })
    .await;
    posts(&feed, 1..=9).await;
    let (teacher, before) = (person(8, &[Role::Teacher]), prefix(&feed).await);
    for after in [0, 1, 5, 100] {
        let halt = feed.world.exports.halt(after);
        let job = feed.rebuilds.start().unwrap();
        halt.came().await;
        let number = 100 + 10 * after as u32;
        let shows = async |expected: Vec<u32>| {
            let expected: Vec<_> = expected.iter().map(|n| format!("Post {n}")).collect();
            let response = feed.get("?limit=4", Some(teacher.clone())).await;
            assert!(!response.headers().contains_key("x-feed"));
            let (_, page) = json(response).await;
            assert_eq!((titles(&page), &page["total"]), (expected, &json!(5)));
        };
        posts(&feed, number..=number).await;
        shows(vec![number, 9, 8, 7]).await;
        let mut edited = post(8, 8, &["role:member", "school"]);
        (edited.version, edited.title) = (2 + i64::from(number), "Post 8".to_owned());
        feed.publish(&edited).await;
        shows(vec![number, 9, 8, 7]).await;
        feed.delete(id(number), 2).await;
        posts(&feed, number + 1..=number + 1).await;
        shows(vec![number + 1, 9, 8, 7]).await;
        halt.go_on();
        let report = feed.rebuilds.ended(&job).await.unwrap();
        assert_eq!(report.phase, Phase::Done, "{report:?}");
        shows(vec![number + 1, 9, 8, 7]).await;
        let (_, page) = feed.read("?limit=4", Some(teacher.clone())).await;
        assert_eq!(page["items"][2]["version"], edited.version);
        feed.delete(id(number + 1), 2).await;
    }
    assert_ne!(prefix(&feed).await, before);
    let verdict = feed.inspector.verify().await.unwrap();
    assert_eq!(verdict.differences, []);
}

#[tokio::test]
async fn a_rebuild_that_breaks_off_leaves_what_is_shown_and_the_next_one_works() {
    let feed = TestFeed::start(Setup::default()).await;
    posts(&feed, 1..=9).await;
    let (teacher, before) = (person(8, &[Role::Teacher]), prefix(&feed).await);
    let page = feed.read("", Some(teacher.clone())).await;
    for after in [0, 4, 100] {
        feed.world.exports.fail(after);
        let report = feed.rebuild().await;
        assert_eq!(report.phase, Phase::Failed);
        assert!(report.error.unwrap().contains("broke off"));
        assert_eq!(prefix(&feed).await, before);
        assert_eq!(feed.read("", Some(teacher.clone())).await, page);
    }
    posts(&feed, 10..=10).await;
    assert_eq!(
        feed.titles("?limit=1", &teacher).await,
        ["Post 10"],
        "events go on"
    );
    assert_eq!(feed.rebuild().await.phase, Phase::Done);
    assert_eq!(feed.titles("?limit=1", &teacher).await, ["Post 10"]);
}

#[tokio::test]
async fn a_feed_that_is_stopped_during_a_rebuild_answers_as_before_and_says_so() {
    let mut feed = TestFeed::start(Setup::default()).await;
    posts(&feed, 1..=9).await;
    let teacher = person(8, &[Role::Teacher]);
    let page = feed.read("", Some(teacher.clone())).await;
    let halt = feed.world.exports.halt(4);
    let job = feed.rebuilds.start().unwrap();
    halt.came().await;
    feed.stop().await;
    let Report { phase, error, .. } = feed.rebuilds.ended(&job).await.unwrap();
    assert_eq!(phase, Phase::Failed);
    assert!(error.unwrap().contains("stopped"));
    assert_eq!(feed.read("", Some(teacher)).await, page);
    assert_eq!(
        asked(&feed, &admin()).await.0,
        503,
        "nobody is there to do it"
    );
}

#[tokio::test]
async fn live_streams_are_told_once_to_read_anew_and_then_everything_that_follows() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    let next = async |live: &mut Live| {
        let seen = live.next().await.expect("the stream goes on");
        let id = seen.data["id"].as_str().unwrap_or_default().to_owned();
        (seen.event, id)
    };
    let seen = |event: &str, number: u32| (event.to_owned(), id(number).to_string());
    let reset = ("reset".to_owned(), String::new());
    posts(&feed, 1..=1).await;
    let mut live = feed.live(&who, None).await;
    let halt = feed.world.exports.halt(0);
    let job = feed.rebuilds.start().unwrap();
    halt.came().await;
    posts(&feed, 2..=3).await;
    for number in 2..=3 {
        assert_eq!(
            next(&mut live).await,
            seen("item", number),
            "while it is built"
        );
    }
    let place = live.last_id.clone();
    halt.go_on();
    feed.rebuilds.ended(&job).await.unwrap();
    posts(&feed, 4..=4).await;
    feed.delete(id(3), 2).await;
    assert_eq!(next(&mut live).await, reset);
    // It was told to read anew after the switch: so what happened since is on its pages, or comes as an event.
    let (_, page) = feed.read("", Some(who.clone())).await;
    assert_eq!(titles(&page), ["Post 4", "Post 2", "Post 1"]);
    posts(&feed, 5..=6).await;
    let mut later = Vec::new();
    while later.last() != Some(&seen("item", 6)) {
        later.push(next(&mut live).await);
    }
    let told: Vec<_> = later
        .iter()
        .filter(|one| **one == seen("item", 5))
        .collect();
    assert_eq!(told.len(), 1, "{later:?}");
    let mut once = later.clone();
    once.sort();
    once.dedup();
    assert_eq!((once.len(), later.contains(&reset)), (later.len(), false));

    let mut again = feed.live(&who, place.as_deref()).await;
    assert_eq!(next(&mut again).await, reset, "a place of another stream");
    let mut resumed = feed.live(&who, live.last_id.as_deref()).await;
    posts(&feed, 7..=7).await;
    assert_eq!(next(&mut again).await, seen("item", 7));
    assert_eq!(next(&mut resumed).await, seen("item", 7));
    assert_eq!(next(&mut live).await, seen("item", 7));
}

#[tokio::test]
async fn rights_that_changed_before_a_rebuild_count_after_it() {
    let feed = TestFeed::start(Setup::default()).await;
    let (teacher, member) = (person(9, &[Role::Teacher]), person(9, &[]));
    feed.account(&teacher, 1, true).await;
    let mut live = feed.live(&teacher, None).await;
    feed.account(&member, 2, true).await;
    assert_eq!(feed.rebuild().await.phase, Phase::Done);
    assert_eq!(live.next().await.unwrap().event, "reset");
    feed.publish(&post(1, 1, &["role:teacher"])).await;
    feed.publish(&post(2, 2, &["role:member"])).await;
    assert_eq!(live.next().await.unwrap().data["title"], "Post 2");
}

#[tokio::test]
async fn an_account_that_was_deactivated_before_a_rebuild_hears_nothing_after_it() {
    let feed = TestFeed::start(Setup::default()).await;
    let who = person(9, &[Role::Teacher]);
    feed.account(&who, 1, true).await;
    let mut live = feed.live(&who, None).await;
    feed.account(&who, 2, false).await;
    assert_eq!(feed.rebuild().await.phase, Phase::Done);
    feed.publish(&post(1, 1, &["school"])).await;
    assert_eq!(live.next().await, None);
}

#[tokio::test]
async fn after_a_deletion_the_total_is_what_it_was_and_fills_up_once_the_owner_is_back() {
    let feed = TestFeed::start(Setup {
        window: 3,
        ..Setup::default()
    })
    .await;
    posts(&feed, 1..=9).await;
    let teacher = person(8, &[Role::Teacher]);
    let total = async || {
        let (_, page) = feed.read("?limit=1", Some(teacher.clone())).await;
        page["total"].as_u64().unwrap()
    };
    assert_eq!(total().await, 3);
    feed.owner.down.store(true, Ordering::SeqCst);
    let asked = feed.owner.asked.load(Ordering::SeqCst);
    feed.delete(id(9), 2).await;
    feed.delete(id(8), 2).await;
    while feed.owner.asked.load(Ordering::SeqCst) == asked {
        tokio::task::yield_now().await;
    }
    feed.owner.down.store(false, Ordering::SeqCst);
    while total().await < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        feed.titles("", &teacher).await,
        (1..=7)
            .rev()
            .map(|n| format!("Post {n}"))
            .collect::<Vec<_>>()
    );
    feed.delete(id(3), 2).await;
    for number in [7, 6, 5, 4, 2] {
        feed.delete(id(number), 2).await;
    }
    while total().await > 1 {
        tokio::task::yield_now().await;
    }
    let (_, detail) = feed.read("/stats/detail", Some(admin())).await;
    assert_eq!(
        (&detail["items"], &detail["timelines"]),
        (&json!(1), &json!(2))
    );
}
