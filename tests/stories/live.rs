//! The live stream, through the gateway and over sockets.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::process::{Running, finish, schoolyard};
use crate::support::{Live, Person, School, Seen, Topology};

async fn story(topology: Topology) {
    let school = School::start(topology).await;
    let head = school.sign_in("head", &["admin", "teacher"]).await;
    let colleague = school.sign_in("tom", &["teacher"]).await;
    let student = school.sign_in_student().await;
    school.caught_up().await;
    let mut tom = colleague.live(None).await;
    let mut mia = student.live(None).await;

    let trip = head.publish("a trip", &["school"]).await;
    let staff = head.publish("for teachers", &["role:teacher"]).await;
    // Of two posts, either may come first: they may go through two partitions.
    let both = [tom.next().await, tom.next().await];
    let mut both = both.each_ref().map(Seen::titled);
    both.sort_unstable();
    assert_eq!(both, [("item", "a trip"), ("item", "for teachers")]);
    let seen = mia.next().await;
    assert_eq!(seen.titled(), ("item", "a trip"));
    let page = student.get("/api/activity-stream").await.expect(200).json();
    assert_eq!(seen.data, page["items"][0], "as on the page");

    // Away, and back: what happened meanwhile comes first, once.
    let place = mia.last_id.clone();
    drop(mia);
    let edit = json!({"title": "a trip to the sea"});
    head.put(&format!("/api/posts/{trip}"), edit)
        .await
        .expect(200);
    let moved = json!({"audience": ["school"]});
    head.put(&format!("/api/posts/{staff}"), moved)
        .await
        .expect(200);
    head.delete(&format!("/api/posts/{trip}")).await.expect(200);
    let mut mia = student.live(place.as_deref()).await;
    // Events of one post come in their order, whatever comes between them.
    let mut of_trip = Vec::new();
    for _ in 0..3 {
        let seen = mia.next().await;
        if seen.data["id"] == json!(trip) {
            of_trip.push(seen);
        } else {
            assert_eq!(seen.titled(), ("item", "for teachers"));
        }
    }
    let [edited, gone] = of_trip.as_slice() else {
        panic!("an edit and a removal, not {of_trip:?}");
    };
    assert_eq!(edited.titled(), ("update", "a trip to the sea"));
    assert_eq!(
        (gone.event.as_str(), &gone.data),
        ("remove", &json!({"id": trip}))
    );
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(tom.next().await);
    }
    told.retain(|seen| seen.data["id"] == json!(trip));
    let told: Vec<&str> = told.iter().map(|seen| seen.event.as_str()).collect();
    assert_eq!(told, ["update", "remove"]);

    // A role goes: so do its items, and nothing of it comes any more.
    let secret = head.publish("for teachers again", &["role:teacher"]).await;
    assert_eq!(tom.next().await.event, "item");
    let roles = json!({"roles": ["student"], "reason": "back to school"});
    let path = format!("/api/auth/users/{}/roles", colleague.id);
    school.admin().put(&path, roles).await.expect(200);
    let gone = tom.next().await;
    assert_eq!(
        (gone.event.as_str(), &gone.data),
        ("remove", &json!({"id": secret}))
    );
    head.publish("for teachers only", &["role:teacher"]).await;
    head.publish("for all", &["school"]).await;
    assert_eq!(tom.next().await.titled(), ("item", "for all"));

    // A session goes, the other of the same person does not; then the account goes.
    let second = school.sign_in("tom", &["student"]).await;
    let mut other = second.live(None).await;
    let sessions = second.get("/api/auth/sessions").await.expect(200).json();
    let sessions = sessions["items"].as_array().unwrap().clone();
    let first = sessions
        .iter()
        .find(|session| session["current"] == false)
        .unwrap();
    let path = format!("/api/auth/sessions/{}", first["id"].as_str().unwrap());
    second.delete(&path).await.expect(204);
    ends_soon(&mut tom).await;
    head.publish("still here", &["school"]).await;
    assert_eq!(other.next().await.titled(), ("item", "still here"));
    let path = format!("/api/auth/users/{}", second.id);
    school.admin().delete(&path).await.expect(204);
    ends_soon(&mut other).await;

    // The school closes, and nobody keeps it open by listening.
    for expected in ["for all", "still here"] {
        assert_eq!(mia.next().await.titled(), ("item", expected));
    }
    school.stop().await;
    assert_eq!(mia.until_end().await, None);
}

/// Within the 5 s of spec/feed.md rule 20.
async fn ends_soon(live: &mut Live) {
    let end = tokio::time::timeout(Duration::from_secs(5), live.until_end()).await;
    assert_eq!(end.expect("the stream ends within 5 s"), None);
}

#[tokio::test]
async fn a_live_stream_tells_each_reader_what_is_theirs_for_as_long_as_it_is_in_one_process() {
    story(Topology::Together).await;
}

#[tokio::test]
async fn a_live_stream_tells_each_reader_what_is_theirs_for_as_long_as_it_is_across_services() {
    story(Topology::Apart).await;
}

/// The memory a process holds, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A stream as a bare socket, read up to the place it is told first.
async fn bare_stream(base: &str, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(base.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let request = format!(
        "GET /api/activity-stream/live HTTP/1.1\r\nHost: school\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains("id: ") {
        assert_ne!(
            socket.read_buf(&mut answer).await.unwrap(),
            0,
            "the stream ended"
        );
    }
    socket
}

/// Reads on until the text has come.
async fn read_until(socket: &mut TcpStream, text: &str) {
    let mut answer = Vec::new();
    while !String::from_utf8_lossy(&answer).contains(text) {
        assert_ne!(
            socket.read_buf(&mut answer).await.unwrap(),
            0,
            "the stream ended"
        );
    }
}

#[tokio::test]
async fn a_thousand_open_streams_cost_less_than_50_mb_and_all_are_told() {
    const STREAMS: usize = 1000;
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("SCHOOLYARD_FEED__LIVE_STREAMS_PER_PERSON", "2000"),
        ("SCHOOLYARD_GATEWAY__RATE_LIMIT", "100000"),
        ("SCHOOLYARD_GATEWAY__RATE_BURST", "100000"),
        ("SCHOOLYARD_LOG__FILTER", "warn"),
    ];
    let create = ["admin", "create", "--email", "office@school.example"];
    let made = finish(
        schoolyard(folder.path(), &create, &settings),
        School::PASSWORD,
    )
    .await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let server = Running::serve(folder.path(), &[], &settings).await;
    let pid = server.child.id().unwrap();
    let person = Person::nobody(&server.base)
        .login("office", School::PASSWORD)
        .await;
    let mut first = bare_stream(&server.base, person.token()).await;
    let before = resident(pid);
    let mut open = Vec::with_capacity(STREAMS);
    for _ in 0..STREAMS {
        open.push(bare_stream(&server.base, person.token()).await);
    }
    let idle = resident(pid) - before;
    person
        .publish("to everybody who listens", &["school"])
        .await;
    read_until(&mut first, "to everybody who listens").await;
    for socket in &mut open {
        read_until(socket, "to everybody who listens").await;
    }
    let told = resident(pid) - before;
    assert!(
        told < 50 * 1024,
        "{STREAMS} streams cost {idle} KiB idle, {told} KiB after an event"
    );
    assert_eq!(
        server.terminate().await,
        0,
        "a stop does not wait for streams"
    );
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn what_a_reader_may_see_is_pushed_once_and_in_order_on_real_servers() {
    story(Topology::Servers).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn what_a_reader_may_see_is_pushed_once_and_in_order_through_traefik_on_real_servers() {
    story(Topology::Traefik).await;
}
