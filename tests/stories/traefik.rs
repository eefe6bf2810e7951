//! What only a stack behind real Traefik can show: one request id from end to end, and what people see while parts of it are
//! gone. Every service is a process of its own here.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::{Answer, Person, Stack};

/// By when all is as it shall be again, beside other stories. Where nothing else goes on it is 5 s for the keys
/// (spec/operations.md), and 15 s for a service, as the stories of the full stack measure it.
const SOON: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is as it shall be, and gives all that came before it.
async fn until(person: &Person, path: &str, reached: impl Fn(&Answer) -> bool) -> Vec<Answer> {
    let end = Instant::now() + SOON;
    let mut before = Vec::new();
    loop {
        let answer = person.get(path).await;
        if reached(&answer) {
            return before;
        }
        assert!(Instant::now() < end, "{path} still answers {answer:?}");
        before.push(answer);
        sleep(Duration::from_millis(20)).await;
    }
}

#[track_caller]
fn unavailable(answer: &Answer, code: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(answer.code(), code);
}

fn json_of(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))
}

#[tokio::test]
async fn one_request_id_is_in_the_answer_and_in_every_log_through_traefik_on_real_servers() {
    let stack = Stack::start().await;
    let office = stack.admin().await;
    for (path, service, given) in [
        ("/api/activity-stream", "feed", Some("story-of-one-id")),
        ("/api/posts", "posts", None),
        ("/api/profile?ids=1", "profile", Some("not an id: replaced")),
    ] {
        let mut request = office.request(Method::GET, path);
        if let Some(given) = given {
            request = request.header("X-Request-ID", given);
        }
        let answer = office.send(request).await.expect(200);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(Some(id.as_str()) == given, given == Some("story-of-one-id"));
        for service in ["auth", service] {
            let lines = stack.logged(service, &id).await;
            let line = json_of(lines.last().unwrap());
            assert_eq!(line["request_id"], json!(id), "{service}: {lines:?}");
        }
        let lines = stack.door.logged(&id).await;
        let line = json_of(lines.last().unwrap());
        assert_eq!(line["origin_X-Request-Id"], json!(id));
        assert_eq!(
            line["RequestPath"],
            json!(path.split('?').next().unwrap()),
            "without its query"
        );
    }
    // A refusal of auth, and what nobody routes, have one as well.
    for (path, status, service) in [
        ("/api/auth/me", 401, "auth"),
        ("/api/nowhere", 404, "gateway"),
    ] {
        let answer = stack.nobody().get(path).await.expect(status);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_eq!(answer.json()["request_id"], json!(id));
        stack.logged(service, &id).await;
        stack.door.logged(&id).await;
    }
}

#[tokio::test]
async fn routes_that_are_lost_come_back_by_themselves_and_nothing_depends_on_the_gateways_process_on_real_servers()
 {
    let mut stack = Stack::start().await;
    let office = stack.admin().await;
    // Traefik leads to every service before the last key is written.
    stack.routes_written().await;
    let whole = stack.door.keys().await;
    assert!(whole > 50, "{whole} keys");
    for _ in 0..2 {
        let wiped = stack
            .door
            .ask_consul(Method::DELETE, "kv/traefik/?recurse")
            .send()
            .await
            .unwrap();
        assert_eq!(wiped.status(), 200);
        let began = Instant::now();
        loop {
            let keys = stack.door.keys().await;
            if keys == whole {
                break;
            }
            let in_time = began.elapsed() < SOON;
            assert!(in_time, "only {keys} of {whole} keys came back");
            sleep(Duration::from_millis(20)).await;
        }
        // Traefik hears of the loss and of the return one after the other. While it knows nothing it answers 404, and never as if
        // nobody had to sign in.
        let mut in_a_row = 0;
        while in_a_row < 20 {
            let before = until(&office, "/api/auth/me", |answer| answer.status == 200).await;
            let closed = until(&stack.nobody(), "/api/auth/me", |answer| {
                answer.status == 401
            })
            .await;
            let lost = [before, closed].concat();
            assert!(lost.iter().all(|answer| answer.status == 404), "{lost:?}");
            in_a_row = if lost.is_empty() { in_a_row + 1 } else { 0 };
            assert!(began.elapsed() < 2 * SOON, "the routes come and go");
            sleep(Duration::from_millis(50)).await;
        }
    }

    stack.kill("gateway").await;
    let gone = |answer: &Answer| answer.status == 503;
    until(&stack.nobody(), "/api/nowhere", gone).await;
    office.get("/api/auth/me").await.expect(200);
    office.publish("without a gateway", &["school"]).await;
    office.get("/api/activity-stream").await.expect(200);
    stack.nobody().get("/api/auth/me").await.expect(401);
    assert_eq!(stack.door.keys().await, whole);
    stack.run("gateway");
    until(&stack.nobody(), "/api/nowhere", |answer| {
        answer.status == 404 && answer.code() == "not_found"
    })
    .await;
    assert_eq!(
        stack.door.keys().await,
        whole,
        "what stood is what it writes"
    );
}

#[tokio::test]
async fn while_all_instances_of_a_service_are_gone_it_is_503_with_retry_after_and_never_404_on_real_servers()
 {
    let mut stack = Stack::start().await;
    let (office, nobody) = (stack.admin().await, stack.nobody());
    stack.kill("posts").await;
    // First it cannot be reached, then Consul knows that it is gone: the same for whoever asks.
    let asked_since = Instant::now();
    while asked_since.elapsed() < Duration::from_secs(4) {
        unavailable(&office.get("/api/posts").await, "unavailable");
        let made = json!({"title": "x", "content": "y", "audience": ["school"]});
        unavailable(&office.post("/api/posts", made).await, "unavailable");
    }
    nobody.get("/api/auth/health").await.expect(200);
    office.get("/api/auth/me").await.expect(200);
    let status = office
        .get("/api/v1/services/status")
        .await
        .expect(200)
        .json();
    assert_eq!(status["status"], "degraded");
    stack.run("posts");
    until(&office, "/api/posts", |answer| answer.status == 200).await;

    stack.kill("auth").await;
    let asked_since = Instant::now();
    while asked_since.elapsed() < Duration::from_secs(4) {
        unavailable(&office.get("/api/profile").await, "auth_unavailable");
        unavailable(&office.get("/api/auth/health").await, "unavailable");
    }
    nobody.get("/health").await.expect(200);
    nobody.get("/api/docs/").await.expect(200);
    stack.run("auth");
    until(&office, "/api/auth/me", |answer| answer.status == 200).await;
}
