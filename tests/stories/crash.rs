//! kill -9 while 32 clients write, 20 rounds: every acknowledged write is there, none twice, and the stream equals what a
//! naive recomputation from the posts gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::process::{Running, finish, schoolyard};
use crate::support::{Person, School, all_posts, titles_by_id, whole_stream};

const ROUNDS: usize = 20;
const CLIENTS: usize = 32;
const SETTINGS: [(&str, &str); 3] = [
    ("SCHOOLYARD_GATEWAY__RATE_LIMIT", "100000"),
    ("SCHOOLYARD_GATEWAY__RATE_BURST", "100000"),
    ("SCHOOLYARD_LOG__FILTER", "warn"),
];

/// What the clients know: the newest acknowledged title of each post (`None`: its deletion was acknowledged), and what
/// was asked for and not answered.
#[derive(Default)]
struct Known {
    acknowledged: BTreeMap<String, Option<String>>,
    /// Creations without an answer: (idempotency key, title).
    open: Vec<(String, String)>,
    /// Posts whose last edit or deletion was not answered: either state is right.
    unsure: BTreeMap<String, Option<String>>,
}

type Shared = Arc<Mutex<Known>>;

fn body(title: &str) -> Value {
    json!({"title": title, "content": format!("<p>{title}</p>"), "audience": ["school"]})
}

/// One client: creates, and edits or deletes some of its own, until the server is gone.
async fn client(person: Person, name: String, known: Shared, done: Arc<AtomicUsize>) {
    for n in 0.. {
        let (key, title) = (format!("{name}-{n}"), format!("{name} {n}"));
        known
            .lock()
            .unwrap()
            .open
            .push((key.clone(), title.clone()));
        let request = person
            .request(Method::POST, "/api/posts")
            .header("Idempotency-Key", &key)
            .json(&body(&title));
        let Some(answer) = person.try_send(request).await else {
            return;
        };
        let id = answer.expect(200).json()["id"].as_str().unwrap().to_owned();
        {
            let mut known = known.lock().unwrap();
            known.open.retain(|(open, _)| *open != key);
            known.acknowledged.insert(id.clone(), Some(title.clone()));
        }
        let path = format!("/api/posts/{id}");
        let (request, after) = match n % 4 {
            1 => (
                person
                    .request(Method::PUT, &path)
                    .json(&json!({"title": format!("{title} edited")})),
                Some(format!("{title} edited")),
            ),
            3 => (person.request(Method::DELETE, &path), None),
            _ => {
                done.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        };
        known
            .lock()
            .unwrap()
            .unsure
            .insert(id.clone(), after.clone());
        let Some(answer) = person.try_send(request).await else {
            return;
        };
        answer.expect(200);
        let mut known = known.lock().unwrap();
        known.unsure.remove(&id);
        known.acknowledged.insert(id, after);
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Settles what was open when the server died, then compares.
async fn check(person: &Person, known: &Shared) {
    let open = std::mem::take(&mut known.lock().unwrap().open);
    for (key, title) in open {
        let request = person
            .request(Method::POST, "/api/posts")
            .header("Idempotency-Key", &key)
            .json(&body(&title));
        let id = person.send(request).await.expect(200).json()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        known.lock().unwrap().acknowledged.insert(id, Some(title));
    }
    let posts = all_posts(person).await;
    let stored: BTreeMap<String, String> = titles_by_id(&posts, "id").into_iter().collect();
    assert_eq!(stored.len(), posts.len(), "a post is listed twice");
    {
        let mut known = known.lock().unwrap();
        let unsure = std::mem::take(&mut known.unsure);
        for (id, after) in unsure {
            let now = stored.get(&id).cloned();
            let before = known.acknowledged[&id].clone();
            assert!(
                now == before || now == after,
                "{id}: {now:?} is neither {before:?} nor {after:?}"
            );
            known.acknowledged.insert(id, now);
        }
        let expected: BTreeMap<_, _> = known
            .acknowledged
            .iter()
            .filter_map(|(id, title)| Some((id.clone(), title.clone()?)))
            .collect();
        assert_eq!(stored, expected, "acknowledged and stored differ");
    }
    // The stream follows as soon as the events are applied: the same posts in the same order, each once.
    let expected = titles_by_id(&posts, "id");
    let mut seen = Vec::new();
    for _ in 0..1000 {
        seen = titles_by_id(&whole_stream(person).await, "post_id");
        if seen == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "the stream never became the posts: {} items, {} posts",
        seen.len(),
        expected.len()
    );
}

async fn round(data: &Path, round: usize, token: &mut Option<String>, known: &Shared) {
    let server = Running::serve(data, &[], &SETTINGS).await;
    let nobody = Person::nobody(&server.base);
    let person = match token {
        // The session outlives the crash as well.
        Some(token) => nobody.with_token(token),
        None => {
            nobody
                .login("office@school.example", School::PASSWORD)
                .await
        }
    };
    *token = Some(person.token().to_owned());
    check(&person, known).await;
    if round == ROUNDS {
        assert_eq!(server.terminate().await, 0);
        return;
    }
    let done = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| {
            tokio::spawn(client(
                person.clone(),
                format!("r{round}c{n}"),
                known.clone(),
                done.clone(),
            ))
        })
        .collect();
    // Killed in the middle of it, at another point every round.
    while done.load(Ordering::Relaxed) < 20 + round * 7 {
        assert!(
            !clients.iter().any(tokio::task::JoinHandle::is_finished),
            "a client ended before the kill"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.kill().await;
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_or_doubled_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let made = schoolyard(
        folder.path(),
        &["admin", "create", "--email", "office@school.example"],
        &[],
    );
    let made = finish(made, &format!("{}\n", School::PASSWORD)).await;
    assert_eq!(made.code, 0, "{}", made.stderr);
    let known = Shared::default();
    let mut token = None;
    for n in 0..=ROUNDS {
        round(folder.path(), n, &mut token, &known).await;
    }
    assert!(known.lock().unwrap().acknowledged.len() > 20 * ROUNDS);
}
