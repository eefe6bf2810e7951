//! The stream is built anew while people read and write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Person, School, Topology};

const CLIENTS: usize = 8;
const REBUILDS: usize = 5;
/// Posts that nobody changes: each must be on every reading of the whole stream.
const LASTING: usize = 60;

/// The whole stream, page by page, as ids; ends the story when a page says that it does not come from the stream.
async fn all(reader: &Person) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = "/api/activity-stream?limit=25".to_owned();
    loop {
        let answer = reader.get(&path).await.expect(200);
        assert_eq!(answer.header("x-feed"), None, "{answer:?}");
        let page = answer.json();
        for item in page["items"].as_array().unwrap() {
            ids.push(item["id"].as_str().unwrap().to_owned());
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/activity-stream?limit=25&cursor={cursor}"),
            None => return ids,
        }
    }
}

/// Reads and writes until it is told to stop; answers how often it read everything.
async fn client(
    n: usize,
    person: Person,
    lasting: Arc<[String]>,
    stop: Arc<AtomicBool>,
    read: Arc<AtomicUsize>,
) {
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let id = person.publish(&format!("{n}: {turn}"), &["school"]).await;
        let edit = json!({"title": format!("{n}: {turn}, said better")});
        person
            .put(&format!("/api/posts/{id}"), edit)
            .await
            .expect(200);
        let ids = all(&person).await;
        let held: Vec<&String> = ids.iter().filter(|id| lasting.contains(id)).collect();
        assert_eq!(
            held,
            lasting.iter().collect::<Vec<_>>(),
            "a hole, or one twice"
        );
        if turn % 3 != 0 {
            person.delete(&format!("/api/posts/{id}")).await.expect(200);
        }
        read.fetch_add(1, Ordering::Relaxed);
    }
}

async fn story(topology: Topology) {
    let school = School::start(topology).await;
    let head = school.sign_in("head", &["admin", "teacher"]).await;
    let mut lasting = Vec::new();
    for n in 0..LASTING {
        lasting.insert(0, head.publish(&format!("stays {n}"), &["school"]).await);
    }
    let lasting: Arc<[String]> = lasting.into();
    let mut people = Vec::new();
    for n in 0..CLIENTS {
        people.push(school.sign_in(&format!("teacher{n}"), &["teacher"]).await);
    }
    school.caught_up().await;
    let (stop, read) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let clients: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(n, person)| {
            tokio::spawn(client(
                n,
                person.clone(),
                lasting.clone(),
                stop.clone(),
                read.clone(),
            ))
        })
        .collect();
    for _ in 0..REBUILDS {
        let before = read.load(Ordering::Relaxed);
        school.rebuild().await;
        // somebody has read everything since, so that the rebuilds do not run ahead of the readers
        while read.load(Ordering::Relaxed) <= before + CLIENTS
            && !clients.iter().any(tokio::task::JoinHandle::is_finished)
        {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }

    // Nobody writes any more: what is built anew is the same to the last byte.
    school.caught_up().await;
    people.push(head);
    let paths = [
        "/api/activity-stream",
        "/api/activity-stream?limit=100",
        "/api/activity-stream?limit=7&skip=40",
        "/api/activity-stream/user?limit=100",
    ];
    let pages = async || {
        let mut pages = Vec::new();
        for person in &people {
            for path in paths {
                pages.push(person.get(path).await.expect(200).bytes);
            }
        }
        pages
    };
    let before = pages().await;
    school.rebuild().await;
    assert!(
        before == pages().await,
        "a rebuild changed what readers see"
    );
    school.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_built_anew_under_eight_readers_and_writers_shows_no_hole_in_one_process() {
    story(Topology::Together).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_built_anew_under_eight_readers_and_writers_shows_no_hole_across_services() {
    story(Topology::Apart).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_built_anew_under_eight_readers_and_writers_shows_no_hole_on_real_servers() {
    story(Topology::Servers).await;
}
