//! What an operator does with events that could not be read: sees them, gives them a second chance, lets them go; with a
//! running server and without.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backends::bus::{self, Bus, Positions, Record, dead_letters};
use backends::dead_letters::{DeadLetters, Which};
use contracts::topics::{self, POSTS_EVENTS};
use kit::SystemClock;
use serde_json::{Value, json};

use crate::support::process::{Finished, Running, finish, free_address, schoolyard};
use crate::support::{Person, School, Topology};

const QUIET: (&str, &str) = ("SCHOOLYARD_LOG__FILTER", "off");

async fn dlq(data: &Path, args: &[&str]) -> Finished {
    let args: Vec<&str> = ["dlq"].iter().chain(args).copied().collect();
    finish(schoolyard(data, &args, &[]), "").await
}

/// What it printed, once it ended with 0.
async fn done(data: &Path, args: &[&str]) -> String {
    let ended = dlq(data, args).await;
    assert_eq!(ended.code, 0, "{args:?}: {}", ended.stderr);
    ended.stdout.trim_end().to_owned()
}

async fn listed(data: &Path) -> Vec<Value> {
    let listing: Value = serde_json::from_str(&done(data, &["list", "--json"]).await).unwrap();
    let letters = listing["dead_letters"].as_array().unwrap().clone();
    assert_eq!(listing["total"], letters.len());
    letters
}

/// The bus of this data directory, as a foreign producer has it.
async fn open(data: &Path) -> Arc<dyn Bus> {
    let url = format!("sqlite:{}", data.join("bus.db").display());
    let bus = bus::open(&url, SystemClock::shared()).await.unwrap();
    bus.ensure(&topics::ALL).await.unwrap();
    bus
}

fn record(topic: &str, payload: &str) -> Record {
    Record {
        topic: topic.to_owned(),
        key: None,
        payload: payload.to_owned().into(),
        headers: BTreeMap::new(),
        event_id: None,
    }
}

/// A letter that an older version left of an event which this one reads.
fn left_by_an_older_version(title: &str) -> Record {
    let event = json!({
        "event_type": "post.created", "timestamp": "2026-03-02T07:59:00",
        "data": {"post_id": "672a26bab3a1f2c4d5e6f708", "user_id": 3, "title": title, "content": "<p>Hello</p>", "username": "max"},
    });
    let mut letter = record(&dead_letters(POSTS_EVENTS.name), &event.to_string());
    letter.headers = BTreeMap::from([(
        "dlq_reason".to_owned(),
        "unknown event type post.created".to_owned(),
    )]);
    letter
}

/// Waits for what must come.
async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .is_ok(),
        "{what}"
    );
}

#[tokio::test]
async fn a_bad_event_is_listed_replayed_and_dropped_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let metrics = free_address();
    let server = Running::serve(
        data,
        &["--demo"],
        &[QUIET, ("SCHOOLYARD_SERVER__METRICS_LISTEN", &metrics)],
    )
    .await;
    let password = std::fs::read_to_string(data.join("demo-password")).unwrap();
    let teacher = Person::nobody(&server.base)
        .login("ines", password.trim())
        .await;
    until("the stream is filled", async || {
        teacher
            .get("/api/activity-stream")
            .await
            .header("x-feed")
            .is_none()
    })
    .await;
    assert_eq!(done(data, &["list"]).await, "no dead letters");

    let bus = open(data).await;
    bus.publish(vec![record(
        POSTS_EVENTS.name,
        "this is \u{1b}[31mno event",
    )])
    .await
    .unwrap();
    until("the bad event is a dead letter", async || {
        listed(data).await.len() == 1
    })
    .await;
    let table = done(data, &["list", "--topic", "posts-events"]).await;
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        (row[0], row[1], row[3]),
        ("posts-events", "0", "s"),
        "{table}"
    );
    assert!(
        table.contains("does not parse") && !table.contains("no event"),
        "{table}"
    );
    let shown = done(data, &["list", "--show"]).await;
    assert!(
        shown.contains("no event") && !shown.contains('\u{1b}'),
        "{shown}"
    );
    let scraped = Person::nobody(&format!("http://{metrics}"));
    for line in [
        "dlq_depth{topic=\"posts-events\"} 1\n",
        "outbox_depth{store=\"posts\"} 0\n",
        "consumer_lag{consumer=\"feed\",topic=\"posts-events\"} 0\n",
        "consumer_event_age_seconds{consumer=\"feed\"} ",
    ] {
        until(line, async || {
            String::from_utf8(scraped.get("/metrics").await.expect(200).bytes)
                .unwrap()
                .contains(line)
        })
        .await;
    }

    // The cause is still there: the second chance makes a second letter, and the first is gone.
    assert_eq!(
        done(data, &["replay", "posts-events", "--all", "--dry-run"]).await,
        "would replay 1 dead letter of posts-events"
    );
    assert_eq!(listed(data).await[0]["offset"], 0);
    assert_eq!(
        done(data, &["replay", "posts-events", "--all"]).await,
        "replayed 1 dead letter of posts-events"
    );
    until("it fails again", async || {
        listed(data)
            .await
            .iter()
            .map(|letter| &letter["offset"])
            .eq([1])
    })
    .await;

    // The cause is gone: the event is applied.
    bus.publish(vec![left_by_an_older_version("From the old stack")])
        .await
        .unwrap();
    assert_eq!(
        done(data, &["replay", "posts-events", "--offset", "2"]).await,
        "replayed dead letter 2 of posts-events"
    );
    until("it is in the stream", async || {
        teacher
            .stream()
            .await
            .iter()
            .any(|title| title == "From the old stack")
    })
    .await;
    assert_eq!(
        done(data, &["replay", "posts-events", "--offset", "2"]).await,
        "dead letter 2 of posts-events is gone already"
    );

    assert_eq!(
        done(
            data,
            &["drop", "posts-events", "--offset", "1", "--dry-run"]
        )
        .await,
        "would drop dead letter 1 of posts-events"
    );
    assert_eq!(
        done(data, &["drop", "posts-events.dlq", "--all"]).await,
        "dropped 1 dead letter of posts-events.dlq"
    );
    assert_eq!(
        done(data, &["drop", "posts-events", "--all"]).await,
        "no dead letters"
    );
    assert_eq!(done(data, &["list"]).await, "no dead letters");
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn without_a_server_the_orders_are_carried_out_on_the_data_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let bus = open(data).await;
    let letters = ["one", "two", "three"].map(left_by_an_older_version);
    bus.publish(letters.to_vec()).await.unwrap();
    let rows = listed(data).await;
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[0]["reason"], &rows[0]["payload"]),
        (&json!("unknown event type post.created"), &Value::Null)
    );

    assert_eq!(
        done(data, &["drop", "posts-events", "--offset", "1"]).await,
        "dropped dead letter 1 of posts-events"
    );
    assert_eq!(
        done(data, &["replay", "posts-events", "--all"]).await,
        "replayed 2 dead letters of posts-events"
    );
    assert_eq!(done(data, &["list"]).await, "no dead letters");
    let out = bus
        .read(POSTS_EVENTS.name, &Positions::default(), 10)
        .await
        .unwrap();
    let payloads: Vec<_> = out.iter().map(|one| &one.record.payload).collect();
    assert_eq!(payloads, [&letters[0].payload, &letters[2].payload]);
    assert!(
        out.iter()
            .all(|one| one.record.headers.is_empty() && one.record.event_id.is_none()),
        "as they were"
    );
}

#[tokio::test]
async fn a_mistyped_order_changes_nothing_and_says_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let bus = open(data).await;
    bus.publish(vec![left_by_an_older_version("one")])
        .await
        .unwrap();
    for (args, code, said) in [
        (
            &["replay", "posts-event", "--all"][..],
            2,
            "there are: auth-events",
        ),
        (&["list", "--topic", "posts"], 2, "posts-events"),
        (&["drop", "posts-events"], 2, "--all"),
        (
            &["drop", "posts-events", "--all", "--offset", "0"],
            2,
            "--offset",
        ),
        (&["replay", "--all"], 2, "TOPIC"),
        (
            &["drop", "posts-events", "--offset", "1"],
            1,
            "`posts-events` has no dead letter 1",
        ),
        (
            &["replay", "posts-events", "--offset=-1", "--dry-run"],
            1,
            "no dead letter -1",
        ),
    ] {
        let ended = dlq(data, args).await;
        assert_eq!(
            ended.code, code,
            "{args:?}: {}{}",
            ended.stdout, ended.stderr
        );
        assert!(ended.stderr.contains(said), "{args:?}: {}", ended.stderr);
    }
    assert_eq!(listed(data).await.len(), 1);

    let nowhere = data.join("nowhere");
    let ended = dlq(&nowhere, &["list"]).await;
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("SCHOOLYARD_DATA") && !nowhere.exists(),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn the_running_server_refuses_a_mistyped_order_in_the_same_words() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Running::serve(data, &[], &[QUIET]).await;
    let (topic, letter) = (
        dlq(data, &["list", "--topic", "posts"]).await,
        dlq(data, &["drop", "posts-events", "--offset", "0"]).await,
    );
    assert_eq!(server.terminate().await, 0);
    for (with, args) in [
        (topic, &["list", "--topic", "posts"][..]),
        (letter, &["drop", "posts-events", "--offset", "0"]),
    ] {
        let without = dlq(data, args).await;
        assert_eq!((with.code, with.stderr), (without.code, without.stderr));
    }
}

#[tokio::test]
async fn an_age_is_told_by_the_schools_clock_and_a_replay_reaches_the_stream() {
    for topology in [Topology::Together, Topology::Apart] {
        let school = School::start(topology).await;
        school
            .bus()
            .publish(vec![left_by_an_older_version("From the old stack")])
            .await
            .unwrap();
        school.clock.advance(chrono::Duration::hours(3));
        let letters = DeadLetters::new(school.bus().clone(), school.clock.shared());
        let listing = letters.list(None, false).await.unwrap();
        assert_eq!(listing.dead_letters[0].age_seconds, 3 * 3600);
        let done = letters.replay(POSTS_EVENTS.name, Which::All).await.unwrap();
        assert_eq!(done.letters, 1);
        school.caught_up().await;
        let teacher = school.sign_in_teacher().await;
        assert_eq!(
            teacher.stream().await,
            ["From the old stack"],
            "{topology:?}"
        );
        school.stop_with_dead_letters().await;
    }
}
