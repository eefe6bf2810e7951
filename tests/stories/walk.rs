//! The walk of a CivilDIY client: the paths, methods, fields and status codes it knows (facts/origins.md section 1.3), with
//! that system's defects corrected. It runs with `compat.civildiy=true`, in every topology, and nobody else writes there meanwhile.

use serde_json::{Value, json};

use crate::support::{Person, Place, School, Topology};

fn names(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect()
}

pub async fn walk(school: impl Place) {
    let nobody = school.nobody();

    // register, and the corrected defect: the same again is 409, not 500
    let max = json!({"email": "max@example.org", "password": "correct horse 1", "username": "max"});
    let account = nobody
        .post("/api/auth/register", max.clone())
        .await
        .expect(200)
        .json();
    assert_eq!(names(&account), ["email", "id", "username"]);
    let again = nobody.post("/api/auth/register", max).await.expect(409);
    assert_eq!(again.json()["detail"], "User already exists");
    let other =
        json!({"email": "eva@example.org", "password": "correct horse 2", "username": "eva"});
    nobody.post("/api/auth/register", other).await.expect(200);

    // login
    let wrong = json!({"email": "max@example.org", "password": "wrong"});
    assert_eq!(
        nobody
            .post("/api/auth/login", wrong)
            .await
            .expect(401)
            .json()["detail"],
        "Invalid credentials"
    );
    let login = json!({"email": "max@example.org", "password": "correct horse 1"});
    let tokens = nobody
        .post("/api/auth/login", login)
        .await
        .expect(200)
        .json();
    assert_eq!(tokens["token_type"], "bearer");
    assert!(tokens["expires_in"].as_i64().unwrap() > 0);
    let max = nobody.with_token(tokens["access_token"].as_str().unwrap());
    let eva = nobody.login("eva@example.org", "correct horse 2").await;

    // validate: GET as its code has it, POST as its documents have it, by the header and not by the query string
    for answer in [
        max.get("/api/auth/validate").await,
        max.post("/api/auth/validate", json!({})).await,
    ] {
        let answer = answer.expect(200);
        assert!(answer.bytes.is_empty());
        assert_eq!(
            answer.header("x-user-id"),
            Some(account["id"].to_string().as_str())
        );
        assert_eq!(answer.header("x-user-email"), Some("max@example.org"));
    }
    let missing = nobody.get("/api/auth/validate").await.expect(401);
    assert_eq!(missing.json()["detail"], "No authorization header");

    // profile: one's own, by the token alone; a second one is 400
    let fields = json!({
        "first_name": "Max", "last_name": "Mustermann", "dob": "1990-05-17", "address": "Main street 1", "city": "Springfield", "state": "IL",
        "zip_code": "62701", "country": "USA", "phone": "+1 555 0100", "bio": "Builds things", "preferences": "{\"theme\": \"dark\"}",
    });
    assert_eq!(
        max.get("/api/profile").await.expect(404).json()["detail"],
        "Profile not found"
    );
    let profile = max
        .post("/api/profile", fields.clone())
        .await
        .expect(200)
        .json();
    for (name, value) in fields
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| *name != "preferences")
    {
        assert_eq!(&profile[name], value, "{name}");
    }
    assert_eq!(
        (&profile["id"], &profile["user_id"]),
        (&account["id"], &account["id"])
    );
    assert_eq!(profile["preferences"], json!({"theme": "dark"}));
    for name in ["created_at", "updated_at"] {
        assert!(profile[name].as_str().unwrap().ends_with('Z'), "{name}");
    }
    assert_eq!(
        max.post("/api/profile", fields).await.expect(400).json()["detail"],
        "Profile already exists for this user"
    );
    assert_eq!(max.get("/api/profile").await.expect(200).json(), profile);
    school.a_second_later().await;
    let moved = max
        .put(
            "/api/profile",
            json!({"user_id": account["id"], "city": "Chicago", "phone": null}),
        )
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&moved["city"], &moved["phone"], &moved["bio"]),
        (&json!("Chicago"), &json!(null), &profile["bio"])
    );
    assert_eq!(moved["created_at"], profile["created_at"]);
    assert_ne!(moved["updated_at"], profile["updated_at"]);
    max.put("/api/profile", json!({"user_id": eva.id, "city": "Mine"}))
        .await
        .expect(403);
    eva.get("/api/profile").await.expect(404);
    eva.post("/api/profile", json!({})).await.expect(200);
    assert_eq!(
        eva.delete("/api/profile").await.expect(200).json(),
        json!({"message": "Profile deleted successfully"})
    );
    for answer in [
        eva.get("/api/profile").await,
        eva.put("/api/profile", json!({})).await,
        eva.delete("/api/profile").await,
    ] {
        assert_eq!(answer.expect(404).json()["detail"], "Profile not found");
    }
    assert_eq!(
        nobody.get("/api/profile").await.expect(401).json()["detail"],
        "No authorization header"
    );

    // posts: written with a token, read without
    let post = json!({"title": "Hello", "content": "<p>First <script>x</script>post</p>", "tags": ["intro"]});
    let post = max.post("/api/posts", post).await.expect(200).json();
    let id = post["id"].as_str().unwrap();
    assert_eq!(id.len(), 24);
    for name in [
        "id",
        "user_id",
        "title",
        "content",
        "tags",
        "created_at",
        "updated_at",
    ] {
        assert!(!post[name].is_null(), "{name} is missing");
    }
    assert_eq!(post["content"], "<p>First post</p>");
    assert!(post["created_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        nobody
            .post("/api/posts", json!({"title": "x", "content": "y"}))
            .await
            .expect(401)
            .json()["detail"],
        "No authorization header"
    );
    assert_eq!(
        nobody
            .get(&format!("/api/posts/{id}"))
            .await
            .expect(200)
            .json(),
        post
    );
    let list = nobody
        .get("/api/posts?limit=10&skip=0")
        .await
        .expect(200)
        .json();
    assert_eq!(list, json!([post]));
    let by_max = format!("/api/posts?user_id={}", account["id"]);
    assert_eq!(
        nobody
            .get(&by_max)
            .await
            .expect(200)
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // a missing or malformed id is 404, not 500
    for missing in ["65f0a1b2c3d4e5f601234567", "nonsense"] {
        let answer = nobody
            .get(&format!("/api/posts/{missing}"))
            .await
            .expect(404);
        assert_eq!(answer.json()["detail"], "Post not found");
    }

    // the stream
    let path = "/api/activity-stream?limit=20&skip=0";
    let page = school
        .once(&nobody, path, |page| {
            page["total"] == 1 && !page["items"][0]["username"].is_null()
        })
        .await;
    assert_eq!(
        (&page["total"], &page["limit"], &page["skip"]),
        (&json!(1), &json!(20), &json!(0))
    );
    let item = &page["items"][0];
    for name in [
        "post_id",
        "user_id",
        "username",
        "event_type",
        "timestamp",
        "title",
        "content",
    ] {
        assert!(!item[name].is_null(), "{name} is missing");
    }
    assert_eq!(
        (&item["post_id"], &item["event_type"], &item["title"]),
        (&json!(id), &json!("post.created"), &json!("Hello"))
    );
    let own = max
        .get("/api/activity-stream/user?limit=20&skip=0")
        .await
        .expect(200)
        .json();
    assert_eq!(own["total"], 1);
    assert_eq!(
        eva.get("/api/activity-stream/user")
            .await
            .expect(200)
            .json()["total"],
        0
    );
    nobody.get("/api/activity-stream/user").await.expect(401);
    let stats = nobody
        .get("/api/activity-stream/stats")
        .await
        .expect(200)
        .json();
    assert_eq!(stats["global_activity_count"], 1);
    assert_eq!(
        (&stats["redis_connected"], &stats["kafka_consumer_active"]),
        (&json!(true), &json!(true))
    );

    // edit: the owner only
    let path = format!("/api/posts/{id}");
    eva.put(&path, json!({"title": "Mine"})).await.expect(403);
    let edited = max
        .put(&path, json!({"title": "Hello again"}))
        .await
        .expect(200)
        .json();
    assert_eq!(
        (&edited["title"], &edited["content"]),
        (&json!("Hello again"), &post["content"])
    );
    let page = school
        .once(&nobody, "/api/activity-stream", |page| {
            page["items"][0]["title"] == "Hello again"
        })
        .await;
    let item = &page["items"][0];
    assert_eq!(
        (&item["title"], &item["event_type"]),
        (&json!("Hello again"), &json!("post.updated"))
    );

    // delete: the owner only, and the corrected defect: the post leaves the stream
    eva.delete(&path).await.expect(403);
    assert_eq!(
        max.delete(&path).await.expect(200).json(),
        json!({"message": "Post deleted successfully"})
    );
    max.delete(&path).await.expect(404);
    nobody.get(&path).await.expect(404);
    let page = school
        .once(&nobody, "/api/activity-stream", |page| page["total"] == 0)
        .await;
    assert_eq!((&page["items"], &page["total"]), (&json!([]), &json!(0)));

    // health, also where that system's documents use it
    for path in [
        "/health",
        "/api/auth/health",
        "/api/profile/health",
        "/api/posts/health",
    ] {
        assert_eq!(
            nobody.get(path).await.expect(200).json()["status"],
            "healthy",
            "{path}"
        );
    }
    school.leave().await;
}

#[tokio::test]
async fn a_civildiy_client_walks_through_one_process() {
    walk(School::civildiy(Topology::Together).await).await;
}

#[tokio::test]
async fn a_civildiy_client_walks_through_services_apart() {
    walk(School::civildiy(Topology::Apart).await).await;
}

#[tokio::test]
async fn without_the_compatibility_switch_nobody_reads_without_a_token() {
    let school = School::start(Topology::Together).await;
    let nobody: Person = school.nobody();
    nobody.get("/api/posts").await.expect(401);
    nobody.get("/api/activity-stream").await.expect(401);
    let refused = nobody
        .post(
            "/api/auth/register",
            json!({"email": "a@b.example", "password": "correct horse", "username": "a"}),
        )
        .await
        .expect(403);
    assert_eq!(refused.code(), "registration_closed");
    school.stop().await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn the_civildiy_walk_on_real_servers() {
    walk(School::civildiy(Topology::Servers).await).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn the_civildiy_walk_through_traefik_on_real_servers() {
    walk(School::civildiy(Topology::Traefik).await).await;
}
