//! Many at once, exactly one wins.

use std::collections::HashMap;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::{Answer, School, Topology};

fn count(answers: &[Answer]) -> HashMap<u16, usize> {
    answers.iter().fold(HashMap::new(), |mut counts, answer| {
        *counts.entry(answer.status.as_u16()).or_default() += 1;
        counts
    })
}

#[tokio::test]
async fn sixty_four_registrations_of_one_address_give_one_account_and_63_conflicts() {
    // whoever is hashed last waits for all the others, on a busy machine longer than a person would
    let settings = [
        ("SCHOOLYARD_COMPAT__CIVILDIY", "true"),
        ("SCHOOLYARD_AUTH__HASH_QUEUE_MS", "60000"),
    ];
    let school = School::with(Topology::Together, &settings).await;
    let nobody = school.nobody();
    let answers = join_all((0..64).map(|n| {
        let email = if n % 2 == 0 {
            "Mia@Example.org"
        } else {
            "mia@example.ORG "
        };
        nobody.post(
            "/api/auth/register",
            json!({"email": email, "password": "correct horse 3", "username": "mia"}),
        )
    }))
    .await;
    assert_eq!(count(&answers), HashMap::from([(200, 1), (409, 63)]));
    school.stop().await;
}

#[tokio::test]
async fn sixty_four_creations_with_one_idempotency_key_give_one_post() {
    let school = School::start(Topology::Together).await;
    let teacher = school.sign_in_teacher().await;
    let create = |key: &'static str, title: &'static str| {
        let request = teacher
            .request(Method::POST, "/api/posts")
            .header("Idempotency-Key", key);
        teacher.send(request.json(&json!({"title": title, "content": "c", "audience": ["school"]})))
    };
    let answers = join_all((0..64).map(|_| create("the-same-key", "once"))).await;
    assert_eq!(count(&answers), HashMap::from([(200, 64)]));
    let first = answers[0].json();
    assert!(answers.iter().all(|answer| answer.json() == first));
    assert_eq!(
        teacher
            .get("/api/posts")
            .await
            .expect(200)
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        create("the-same-key", "another body")
            .await
            .expect(422)
            .code(),
        "idempotency_mismatch"
    );
    school.caught_up().await;
    assert_eq!(teacher.stream().await, ["once"]);
    school.stop().await;
}

#[tokio::test]
async fn two_editors_with_one_etag_give_one_412() {
    let school = School::start(Topology::Together).await;
    let teacher = school.sign_in_teacher().await;
    let id = teacher.publish("draft", &["school"]).await;
    let path = format!("/api/posts/{id}");
    let etag = teacher
        .get(&path)
        .await
        .expect(200)
        .header("etag")
        .expect("an ETag")
        .to_owned();
    let edit = |title: &'static str| {
        let request = teacher
            .request(Method::PUT, &path)
            .header("If-Match", &etag);
        teacher.send(request.json(&json!({"title": title})))
    };
    let (one, two) = tokio::join!(edit("one"), edit("two"));
    let answers = [one, two];
    assert_eq!(count(&answers), HashMap::from([(200, 1), (412, 1)]));
    assert_eq!(
        answers
            .iter()
            .find(|answer| answer.status == 412)
            .unwrap()
            .code(),
        "stale"
    );
    school.stop().await;
}

#[tokio::test]
async fn fifty_refreshes_of_one_token_give_at_most_four_and_the_session_lives() {
    let school = School::start(Topology::Together).await;
    school.sign_in_teacher().await;
    let nobody = school.nobody();
    let login = json!({"username": "ines", "password": School::PASSWORD});
    let tokens = nobody
        .post("/api/auth/login", login)
        .await
        .expect(200)
        .json();
    let refresh = json!({"refresh_token": tokens["refresh_token"]});
    let answers =
        join_all((0..50).map(|_| nobody.post("/api/auth/refresh", refresh.clone()))).await;
    let counts = count(&answers);
    assert_eq!(counts.get(&200), Some(&4), "{counts:?}");
    assert_eq!(counts.get(&409), Some(&46), "{counts:?}");
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status == 409)
            .all(|answer| answer.code() == "refresh_in_progress")
    );
    let alive = answers
        .iter()
        .find(|answer| answer.status == 200)
        .unwrap()
        .json();
    nobody
        .with_token(alive["access_token"].as_str().unwrap())
        .get("/api/auth/me")
        .await
        .expect(200);
    nobody
        .with_token(tokens["access_token"].as_str().unwrap())
        .get("/api/auth/me")
        .await
        .expect(200);
    school.stop().await;
}
