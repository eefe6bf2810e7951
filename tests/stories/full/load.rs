//! A school at work: some publish, some read, some sign in, all the time, and everything that comes back is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use super::stack::FullStack;
use crate::support::{Answer, Person, all_posts, titles_by_id, whole_stream};

/// How long one waits before the next request. A school, not a benchmark: what is under load is the machine of a story.
const PAUSE: Duration = Duration::from_millis(40);
/// How long one waits for an answer, as a browser's page would.
const ANSWER: Duration = Duration::from_secs(20);

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// POST /api/posts, with a key, again until it is acknowledged.
    Publish,
    /// The first page of the stream.
    Stream,
    /// The first page of the posts.
    Posts,
    /// One's own profile.
    Profile,
    /// Who one is.
    Me,
    /// Signing in.
    Login,
}

pub const KINDS: [Kind; 6] = [
    Kind::Publish,
    Kind::Stream,
    Kind::Posts,
    Kind::Profile,
    Kind::Me,
    Kind::Login,
];

/// One request and what came of it.
#[derive(Clone)]
pub struct Event {
    pub kind: Kind,
    pub began: Instant,
    pub took: Duration,
    /// 0: no answer.
    pub status: u16,
    pub body: String,
    pub retry_after: bool,
    /// Whether the page says that it does not come from the stream.
    pub from_owner: bool,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body: String = self.body.chars().take(300).collect();
        write!(
            f,
            "{:?} {} after {:?}: {body}",
            self.kind, self.status, self.took
        )
    }
}

impl Event {
    /// A problem that says when to come again.
    pub fn says_later(&self) -> bool {
        self.status == 503 && self.retry_after && self.body.contains("\"code\"")
    }
}

/// A load that goes on until it is ended.
pub struct Load {
    events: Arc<Mutex<Vec<Event>>>,
    published: Arc<Mutex<BTreeMap<String, String>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins. `person` is somebody who may publish to the school; `username` is theirs.
    pub fn begin(person: &Person, username: &str, password: &str) -> Self {
        let mut load = Self {
            events: Arc::default(),
            published: Arc::default(),
            stop: Arc::default(),
            tasks: Vec::new(),
        };
        for n in 0..4 {
            let one = One::of(&load, person);
            let published = load.published.clone();
            load.tasks.push(tokio::spawn(publisher(one, n, published)));
        }
        for (kind, path) in [
            (Kind::Stream, "/api/activity-stream"),
            (Kind::Posts, "/api/posts"),
            (Kind::Profile, "/api/profile"),
            (Kind::Me, "/api/auth/me"),
        ] {
            load.tasks
                .push(tokio::spawn(reader(One::of(&load, person), kind, path)));
        }
        let credentials = json!({"username": username, "password": password});
        load.tasks
            .push(tokio::spawn(visitor(One::of(&load, person), credentials)));
        load
    }

    /// What was asked in this time and answered, or not.
    pub fn between(&self, from: Instant, to: Instant) -> Vec<Event> {
        let events = self.events.lock().unwrap();
        let within = events
            .iter()
            .filter(|event| event.began >= from && event.began < to);
        within.cloned().collect()
    }

    /// Waits until everybody did everything well, once after this moment; answers when the last of them had.
    pub async fn well_since(&self, moment: Instant, stack: &FullStack) -> Instant {
        let mut at = moment;
        stack
            .until("everybody is served well again", async || {
                let events = self.between(moment, Instant::now());
                let firsts = KINDS.map(|kind| {
                    let good = events
                        .iter()
                        .find(|event| event.kind == kind && event.status == 200);
                    good.map(|event| event.began + event.took)
                });
                let all: Option<Vec<Instant>> = firsts.into_iter().collect();
                at = all.iter().flatten().copied().max().unwrap_or(moment);
                all.is_some()
            })
            .await;
        at
    }

    /// The titles of what was sent since this moment and acknowledged.
    pub fn published_since(&self, moment: Instant) -> BTreeSet<String> {
        let since = self.between(moment, Instant::now());
        let acknowledged = since
            .iter()
            .filter(|event| event.kind == Kind::Publish && event.status == 200);
        acknowledged
            .map(|event| {
                let post: serde_json::Value = serde_json::from_str(&event.body).unwrap();
                post["title"].as_str().unwrap().to_owned()
            })
            .collect()
    }

    /// Ends it once every publisher has its acknowledgement. What everybody saw, and what was acknowledged: id and title.
    pub async fn end(self) -> (Vec<Event>, BTreeMap<String, String>) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("nobody of the load failed");
        }
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        let published = std::mem::take(&mut *self.published.lock().unwrap());
        (events, published)
    }
}

struct One {
    person: Person,
    events: Arc<Mutex<Vec<Event>>>,
    stop: Arc<AtomicBool>,
}

impl One {
    fn of(load: &Load, person: &Person) -> Self {
        Self {
            person: person.clone(),
            events: load.events.clone(),
            stop: load.stop.clone(),
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    async fn ask(&self, kind: Kind, request: reqwest::RequestBuilder) -> Option<Answer> {
        let began = Instant::now();
        let answer = self.person.try_send(request.timeout(ANSWER)).await;
        let event = Event {
            kind,
            began,
            took: began.elapsed(),
            status: answer.as_ref().map_or(0, |answer| answer.status.as_u16()),
            body: answer.as_ref().map_or_else(String::new, |answer| {
                String::from_utf8_lossy(&answer.bytes).into_owned()
            }),
            retry_after: answer
                .as_ref()
                .is_some_and(|answer| answer.header("retry-after").is_some()),
            from_owner: answer
                .as_ref()
                .is_some_and(|answer| answer.header("x-feed").is_some()),
        };
        self.events.lock().unwrap().push(event);
        tokio::time::sleep(PAUSE).await;
        answer.filter(|answer| answer.status == 200)
    }
}

async fn publisher(one: One, n: usize, published: Arc<Mutex<BTreeMap<String, String>>>) {
    let mut turn = 0;
    while one.goes_on() {
        turn += 1;
        let title = format!("{n}: {turn}");
        let body = json!({"title": title, "content": "<p>at work</p>", "audience": ["school"]});
        let answer = loop {
            let request = one
                .person
                .request(Method::POST, "/api/posts")
                .header("Idempotency-Key", format!("load-{n}-{turn}"))
                .json(&body);
            if let Some(answer) = one.ask(Kind::Publish, request).await {
                break answer;
            }
        };
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        published.lock().unwrap().insert(id, title);
    }
}

async fn reader(one: One, kind: Kind, path: &str) {
    while one.goes_on() {
        one.ask(kind, one.person.request(Method::GET, path)).await;
    }
}

/// Signs in again and again, not too often: a hash costs a fifth of a second.
async fn visitor(one: One, credentials: serde_json::Value) {
    while one.goes_on() {
        let request = one
            .person
            .request(Method::POST, "/api/auth/login")
            .json(&credentials);
        one.ask(Kind::Login, request).await;
        tokio::time::sleep(10 * PAUSE).await;
    }
}

/// Whether everything acknowledged is there, once, in the posts as in the stream and in the same order.
pub async fn nothing_lost(
    stack: &FullStack,
    person: &Person,
    published: &BTreeMap<String, String>,
) {
    let posts = titles_by_id(&all_posts(person).await, "id");
    let stored: BTreeMap<String, String> = posts.iter().cloned().collect();
    assert_eq!(stored.len(), posts.len(), "a post is listed twice");
    let titles: BTreeSet<&String> = stored.values().collect();
    assert_eq!(titles.len(), stored.len(), "a post was stored twice");
    for (id, title) in published {
        assert_eq!(stored.get(id), Some(title), "{id} was acknowledged");
    }
    stack
        .until("the stream is the posts", async || {
            titles_by_id(&whole_stream(person).await, "post_id") == posts
        })
        .await;
}
