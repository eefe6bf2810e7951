//! One story in both topologies, and the same bytes in every answer.

use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Person, School, Topology};

/// What is compared of an answer: status, the headers that mean something, and the body byte by byte.
fn shown(answer: &Answer) -> String {
    let headers: Vec<_> = [
        "content-type",
        "etag",
        "link",
        "www-authenticate",
        "retry-after",
        "cache-control",
        "x-feed",
        "x-request-id",
    ]
    .iter()
    .filter_map(|name| Some(format!("{name}: {}\n", answer.header(name)?)))
    .collect();
    format!(
        "{}\n{}\n{}",
        answer.status,
        headers.concat(),
        String::from_utf8_lossy(&answer.bytes)
    )
}

/// Sends with a request id of the story's own, so that problems are comparable as well.
struct Teller<'a> {
    school: &'a School,
    told: Vec<String>,
}

impl Teller<'_> {
    async fn tell(
        &mut self,
        who: &Person,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let id = format!("story-{}", self.told.len());
        let mut request = who.request(method.clone(), path).header("X-Request-ID", id);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = who.send(request).await;
        self.told
            .push(format!("{method} {path}\n{}", shown(&answer)));
        self.school.caught_up().await;
        // Time passes between any two steps, the same in both topologies.
        self.school.clock.advance(chrono::TimeDelta::seconds(1));
        answer
    }
}

async fn story(topology: Topology) -> Vec<String> {
    let school = School::start(topology).await;
    let teacher = school.sign_in_teacher().await;
    let student = school.sign_in_student().await;
    let nobody = school.nobody();
    let mut teller = Teller {
        school: &school,
        told: Vec::new(),
    };
    let t = &mut teller;
    t.tell(&teacher, Method::GET, "/api/auth/me", None, &[])
        .await;
    t.tell(
        &teacher,
        Method::GET,
        "/api/v1/users/validate-token/",
        None,
        &[],
    )
    .await;
    let ines = json!({"first_name": "Ines", "last_name": "Roy", "dob": "1985-04-01", "language": "de-ch", "preferences": {"theme": "dark"}});
    t.tell(&teacher, Method::GET, "/api/profile", None, &[])
        .await
        .expect(404);
    t.tell(
        &teacher,
        Method::POST,
        "/api/profile",
        Some(ines.clone()),
        &[],
    )
    .await
    .expect(200);
    t.tell(&teacher, Method::POST, "/api/v1/profile/", Some(ines), &[])
        .await
        .expect(400);
    t.tell(
        &teacher,
        Method::PUT,
        "/api/profile",
        Some(json!({"dob": null, "bio": "<b>"})),
        &[],
    )
    .await
    .expect(200);
    t.tell(
        &teacher,
        Method::PUT,
        "/api/profile",
        Some(json!({"bio": "x"})),
        &[("If-Match", "\"v1\"")],
    )
    .await
    .expect(412);
    t.tell(
        &teacher,
        Method::PUT,
        "/api/profile",
        Some(json!({"dob": "2027-02-29", "mood": 1})),
        &[],
    )
    .await
    .expect(422);
    t.tell(
        &student,
        Method::GET,
        &format!("/api/profile/{}", teacher.id),
        None,
        &[],
    )
    .await
    .expect(200);
    t.tell(
        &student,
        Method::GET,
        &format!("/api/profile?ids={},{},999", teacher.id, student.id),
        None,
        &[],
    )
    .await
    .expect(200);
    t.tell(&student, Method::GET, "/api/profile/nonsense", None, &[])
        .await
        .expect(404);
    let first = json!({"title": "Trip", "content": "<p onclick=x>Bring a <b>coat</b></p>", "tags": ["Trip", "friday"], "audience": ["school"]});
    let created = t
        .tell(
            &teacher,
            Method::POST,
            "/api/posts",
            Some(first.clone()),
            &[("Idempotency-Key", "k1")],
        )
        .await
        .expect(200)
        .json();
    t.tell(
        &teacher,
        Method::POST,
        "/api/v1/posts/",
        Some(first),
        &[("Idempotency-Key", "k1")],
    )
    .await
    .expect(200);
    t.tell(
        &teacher,
        Method::POST,
        "/api/posts",
        Some(json!({"title": "", "content": 7})),
        &[],
    )
    .await
    .expect(422);
    t.tell(
        &teacher,
        Method::POST,
        "/api/posts",
        Some(json!({"title": "x", "content": "y", "user_id": 1})),
        &[],
    )
    .await
    .expect(422);
    t.tell(
        &student,
        Method::POST,
        "/api/posts",
        Some(json!({"title": "x", "content": "y"})),
        &[],
    )
    .await
    .expect(403);
    t.tell(
        &teacher,
        Method::POST,
        "/api/posts",
        Some(json!({"title": "Second", "content": "two", "audience": ["school"]})),
        &[],
    )
    .await
    .expect(200);
    let path = format!("/api/posts/{}", created["id"].as_str().unwrap());
    t.tell(&student, Method::GET, &path, None, &[])
        .await
        .expect(200);
    t.tell(
        &student,
        Method::PUT,
        &path,
        Some(json!({"title": "mine"})),
        &[],
    )
    .await
    .expect(403);
    t.tell(
        &teacher,
        Method::PUT,
        &path,
        Some(json!({"title": "Trip on Friday"})),
        &[("If-Match", "\"v1\"")],
    )
    .await
    .expect(200);
    t.tell(
        &teacher,
        Method::PUT,
        &path,
        Some(json!({"title": "Trip on Monday"})),
        &[("If-Match", "\"v1\"")],
    )
    .await
    .expect(412);
    t.tell(&student, Method::GET, "/api/activity-stream", None, &[])
        .await
        .expect(200);
    t.tell(
        &teacher,
        Method::GET,
        "/api/activity-stream?limit=1",
        None,
        &[],
    )
    .await
    .expect(200);
    t.tell(
        &teacher,
        Method::GET,
        "/api/activity-stream/user?limit=1&skip=1",
        None,
        &[],
    )
    .await
    .expect(200);
    t.tell(&teacher, Method::GET, "/api/posts?limit=1", None, &[])
        .await
        .expect(200);
    t.tell(&teacher, Method::GET, "/api/posts?cursor=", None, &[])
        .await
        .expect(200);
    t.tell(
        &teacher,
        Method::GET,
        "/api/posts?cursor=nonsense",
        None,
        &[],
    )
    .await
    .expect(400);
    t.tell(
        &teacher,
        Method::GET,
        "/api/activity-stream?limit=0",
        None,
        &[],
    )
    .await
    .expect(422);
    t.tell(
        &teacher,
        Method::GET,
        "/api/activity-stream/stats",
        None,
        &[],
    )
    .await
    .expect(200);
    t.tell(&nobody, Method::GET, "/api/activity-stream", None, &[])
        .await
        .expect(401);
    t.tell(
        &nobody.with_token("nonsense"),
        Method::GET,
        "/api/posts",
        None,
        &[],
    )
    .await
    .expect(401);
    t.tell(&nobody, Method::GET, "/api/nowhere", None, &[])
        .await
        .expect(404);
    t.tell(&nobody, Method::PATCH, "/api/posts", None, &[])
        .await
        .expect(405);
    t.tell(&teacher, Method::DELETE, &path, None, &[])
        .await
        .expect(200);
    t.tell(&teacher, Method::GET, &path, None, &[])
        .await
        .expect(404);
    t.tell(&student, Method::GET, "/api/activity-stream", None, &[])
        .await
        .expect(200);
    t.tell(
        &teacher,
        Method::POST,
        "/api/auth/logout",
        Some(json!({})),
        &[],
    )
    .await
    .expect(200);
    t.tell(&teacher, Method::GET, "/api/activity-stream", None, &[])
        .await
        .expect(401);
    let told = teller.told;
    school.stop().await;
    told
}

#[tokio::test]
async fn one_story_answers_the_same_bytes_together_and_apart() {
    let (together, apart) = (
        story(Topology::Together).await,
        story(Topology::Apart).await,
    );
    assert_eq!(together.len(), apart.len());
    for (together, apart) in together.iter().zip(&apart) {
        assert_eq!(together, apart);
    }
}
