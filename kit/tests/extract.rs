//! What a request is refused with.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use bytes::Bytes;
use common::{Open, server};
use http::Method;
use kit::routes::{Access, Rate, Routes};
use kit::server::Server;
use kit::testing::{TestRequest, get, json, post, request};
use kit::{Json, NoContent, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read from JSON")]
struct Thing {
    name: String,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read from JSON")]
struct Part {
    weight: i64,
}

#[derive(Deserialize, IntoParams)]
#[expect(dead_code, reason = "only read from a query")]
struct Filter {
    limit: Option<u8>,
    #[serde(default)]
    tag: Vec<String>,
}

async fn create(_: Open, Json(_): Json<Thing>) -> NoContent {
    NoContent
}
async fn raw(_: Open, bytes: Bytes) -> String {
    bytes.len().to_string()
}
async fn list(_: Open, Query(filter): Query<Filter>) -> String {
    filter.tag.join("+")
}
async fn read(_: Open, Path((_, number)): Path<(String, u32)>) -> String {
    number.to_string()
}

fn things() -> Server {
    let set = Routes::new("things")
        .route(
            Method::POST,
            "/things",
            Access::Public,
            Rate::General,
            create,
        )
        .body_limit(100)
        .route(Method::POST, "/large", Access::Public, Rate::General, raw)
        .body_limit(3 * 1024 * 1024)
        .route(Method::POST, "/usual", Access::Public, Rate::General, raw)
        .route(Method::GET, "/things", Access::Public, Rate::General, list)
        .route(
            Method::GET,
            "/things/{kind}/{number}",
            Access::Public,
            Rate::General,
            read,
        )
        .build(())
        .unwrap();
    server(set.router)
}

async fn refused(req: TestRequest) -> (u16, Value, Value) {
    let (status, mut body) = json(req.send(&things()).await).await;
    (status, body["code"].take(), body["fields"].take())
}

#[tokio::test]
async fn another_media_type_is_415_and_json_with_a_suffix_or_charset_is_taken() {
    let body = r#"{"name":"a"}"#;
    let send = |media: &'static str| {
        request(Method::POST, "/api/things")
            .body(body)
            .header("content-type", media)
    };
    assert_eq!(
        refused(send("text/plain")).await,
        (415, json!("unsupported_media_type"), Value::Null)
    );
    assert_eq!(
        refused(request(Method::POST, "/api/things").body(body))
            .await
            .0,
        415
    );
    for media in [
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/cloudevents+json",
    ] {
        assert_eq!(send(media).send(&things()).await.status(), 204, "{media}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_400() {
    for body in ["", "{", "{\"name\":\"a\"} x", "nonsense"] {
        let req = request(Method::POST, "/api/things")
            .header("content-type", "application/json")
            .body(body);
        assert_eq!(
            refused(req).await,
            (400, json!("malformed_json"), Value::Null),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_field_that_does_not_fit_is_named_by_its_path() {
    let fields = |body: Value| async move { refused(post("/api/things", &body)).await };
    assert_eq!(
        fields(json!({"name": "a", "parts": [{"weight": 1}, {"weight": "x"}]})).await,
        (
            422,
            json!("validation"),
            json!({"parts[1].weight": "invalid type: string \"x\", expected i64"})
        )
    );
    assert_eq!(
        fields(json!({"parts": []})).await,
        (422, json!("validation"), json!({"name": "is required"}))
    );
    assert_eq!(
        fields(json!({"name": "a", "parts": [{}]})).await,
        (
            422,
            json!("validation"),
            json!({"parts[0].weight": "is required"})
        )
    );
    assert_eq!(fields(json!([1])).await.0, 422);
    assert_eq!(
        fields(json!("a")).await.2,
        json!({"body": "invalid type: string \"a\", expected struct Thing"})
    );
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_name() {
    assert_eq!(
        refused(post("/api/things", &json!({"name": "a", "colour": 1}))).await,
        (
            422,
            json!("unknown_field"),
            json!({"colour": "unknown field"})
        )
    );
    assert_eq!(
        refused(post(
            "/api/things",
            &json!({"name": "a", "parts": [{"weight": 1, "x": 2}]})
        ))
        .await,
        (
            422,
            json!("unknown_field"),
            json!({"parts[0].x": "unknown field"})
        )
    );
}

#[tokio::test]
async fn a_body_over_the_limit_of_its_route_is_413() {
    let body = json!({"name": "x".repeat(100)});
    assert_eq!(
        refused(post("/api/things", &body)).await,
        (413, json!("body_too_large"), Value::Null)
    );
}

#[tokio::test]
async fn a_route_may_take_more_than_the_servers_limit_and_others_may_not() {
    let body = vec![b'x'; 2_500_000];
    let large = request(Method::POST, "/api/large")
        .body(body.clone())
        .send(&things())
        .await;
    assert_eq!(json(large).await, (200, json!(2_500_000)));
    assert_eq!(
        refused(request(Method::POST, "/api/usual").body(body))
            .await
            .1,
        json!("body_too_large")
    );
    let body = vec![b'x'; 1024 * 1024];
    assert_eq!(
        request(Method::POST, "/api/usual")
            .body(body)
            .send(&things())
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_422_and_a_repeated_name_is_a_list() {
    let (status, code, fields) = refused(get("/api/things?limit=many")).await;
    assert_eq!((status, code), (422, json!("validation")));
    assert!(fields["limit"].is_string(), "{fields}");
    let answer = get("/api/things?tag=a&tag=b%20c").send(&things()).await;
    assert_eq!(kit::testing::text(answer).await, "a+b c");
}

#[tokio::test]
async fn a_path_that_cannot_be_read_names_nothing_that_exists() {
    for path in [
        "/api/things/a/x",
        "/api/things/a/-1",
        "/api/things/a/99999999999",
        "/api/things/%ff/1",
    ] {
        assert_eq!(
            refused(get(path)).await,
            (404, json!("not_found"), Value::Null),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_list_is_no_object_even_when_its_items_would_fit_the_fields() {
    for body in [json!(["a"]), json!(["a", []]), json!([])] {
        let (status, code, _) = refused(post("/api/things", &body)).await;
        assert_eq!((status, code), (422, json!("validation")), "{body}");
    }
}
