//! What the builder of routes makes and refuses.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use axum::extract::State;
use axum::response::Response;
use common::{Machine, Open, Person};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use kit::routes::{Access, Rate, RouteError, Routes};
use kit::testing::{get, json, post, request, text};
use kit::{Created, Json, NoContent, Page, Path, Problem, Query};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Thing {
    /// What it is called.
    name: String,
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize, ToSchema)]
struct Part {
    weight: i64,
}

#[derive(Deserialize, IntoParams)]
struct Filter {
    /// How many at most.
    limit: Option<u32>,
}

async fn list(_: Open, Query(filter): Query<Filter>) -> Result<Json<Page<Part>>, Problem> {
    let items = (0..i64::from(filter.limit.unwrap_or(2)))
        .map(|weight| Part { weight })
        .collect();
    Ok(Json(Page {
        items,
        next_cursor: None,
    }))
}

async fn read(_: Open, State(greeting): State<&'static str>, Path(name): Path<String>) -> String {
    format!("{greeting} {name}")
}

async fn create(
    _: Person,
    headers: HeaderMap,
    Json(thing): Json<Thing>,
) -> Result<Created<Thing>, Problem> {
    let _ = headers;
    Ok(Created(thing))
}

async fn replace(
    _: Person,
    Path(_): Path<String>,
    Json(thing): Json<Thing>,
) -> Result<([(HeaderName, HeaderValue); 1], Json<Thing>), Problem> {
    Ok((
        [(http::header::ETAG, HeaderValue::from_static("\"1\""))],
        Json(thing),
    ))
}

async fn remove(_: Person, Path(_): Path<i64>) -> NoContent {
    NoContent
}

async fn hook(_: Open, method: Method) -> Response {
    Response::new(method.to_string().into())
}

async fn export(_: Machine) -> Json<Vec<Part>> {
    Json(vec![])
}

async fn open(_: Open) -> NoContent {
    NoContent
}

async fn person(_: Person) -> NoContent {
    NoContent
}

fn things() -> Routes<&'static str> {
    Routes::new("things")
        .route(
            Method::GET,
            "/things",
            Access::Optional,
            Rate::General,
            list,
        )
        .says("List things")
        .route(
            Method::POST,
            "/things",
            Access::Authenticated,
            Rate::General,
            create,
        )
        .says("Make a thing")
        .body_limit(200)
        .route(
            Method::GET,
            "/things/{id}",
            Access::Public,
            Rate::General,
            read,
        )
        .route(
            Method::PUT,
            "/things/{id}",
            Access::Authenticated,
            Rate::General,
            replace,
        )
        .route(
            Method::DELETE,
            "/things/{id}",
            Access::Authenticated,
            Rate::General,
            remove,
        )
        .any("/things/hook", Access::Public, Rate::Exempt, hook)
        .quiet()
        .route(
            Method::GET,
            "/internal/things/export",
            Access::Internal,
            Rate::Exempt,
            export,
        )
}

#[tokio::test]
async fn the_router_answers_under_api_and_internal_paths_as_they_are() {
    let router = things().build("hello").unwrap().router;
    assert_eq!(
        text(get("/api/things/you").send(&router).await).await,
        "hello you"
    );
    assert_eq!(get("/things/you").send(&router).await.status(), 404);
    assert_eq!(
        get("/internal/things/export").send(&router).await.status(),
        200
    );
    assert_eq!(
        get("/api/internal/things/export")
            .send(&router)
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn a_route_for_any_method_answers_every_one() {
    let router = things().build("hello").unwrap().router;
    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
        let answer = text(
            request(method.clone(), "/api/things/hook")
                .send(&router)
                .await,
        )
        .await;
        assert_eq!(answer, method.as_str());
    }
}

#[tokio::test]
async fn a_route_called_by_itself_answers_as_through_the_router_and_one_with_variables_has_no_such_call()
 {
    let set = things().build("hello").unwrap();
    for (info, direct) in set.table.iter().zip(&set.direct) {
        assert_eq!(
            direct.is_none(),
            info.path.contains('{') || info.body_limit.is_some(),
            "{}",
            info.path
        );
    }
    let hook = set
        .table
        .iter()
        .position(|info| info.path == "/api/things/hook");
    let direct = set.direct[hook.unwrap()].clone().unwrap();
    for method in [Method::GET, Method::DELETE] {
        let asked = || request(method.clone(), "/api/things/hook");
        let (alone, routed) = (common::server(direct.clone()), set.router.clone());
        assert_eq!(
            text(asked().send(&alone).await).await,
            text(asked().send(&routed).await).await
        );
    }
}

#[tokio::test]
async fn created_is_201_with_the_thing_and_no_content_is_204_with_nothing() {
    let router = things().build("hello").unwrap().router;
    let thing = json!({"name": "a", "parts": [{"weight": 1}]});
    let answer = post("/api/things", &thing)
        .header("x-person", "1")
        .send(&router)
        .await;
    assert_eq!(json(answer).await, (201, thing));
    let answer = request(Method::DELETE, "/api/things/7")
        .header("x-person", "1")
        .send(&router)
        .await;
    assert_eq!(json(answer).await, (204, serde_json::Value::Null));
}

#[tokio::test]
async fn the_guard_is_asked_before_the_body_is_read() {
    let router = things().build("hello").unwrap().router;
    let (status, body) = json(post("/api/things", &json!("nonsense")).send(&router).await).await;
    assert_eq!((status, body["code"].as_str()), (401, Some("unauthorized")));
}

#[test]
fn the_table_says_what_was_registered_in_order() {
    let table = things().build("hello").unwrap().table;
    let lines: Vec<String> = table
        .iter()
        .map(|r| {
            let method = r.method.as_ref().map_or("ANY", Method::as_str);
            format!(
                "{method} {} {:?} {:?} {} {:?} {}",
                r.path, r.access, r.rate, r.guard, r.body_limit, r.quiet
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "GET /api/things Optional General open None false",
            "POST /api/things Authenticated General person Some(200) false",
            "GET /api/things/{id} Public General open None false",
            "PUT /api/things/{id} Authenticated General person None false",
            "DELETE /api/things/{id} Authenticated General person None false",
            "ANY /api/things/hook Public Exempt open None true",
            "GET /internal/things/export Internal Exempt machine None false",
        ]
    );
    assert!(table.iter().all(|r| r.service == "things"));
    assert_eq!(table[1].summary, "Make a thing");
}

#[test]
fn the_api_document_is_inferred_from_the_signatures() {
    let mut openapi = things().build("hello").unwrap().openapi;
    assert_eq!(openapi.info.version, kit::VERSION);
    openapi.info.version = "any".to_owned();
    insta::assert_json_snapshot!(openapi);
}

#[test]
fn a_guard_that_disagrees_with_the_access_is_refused() {
    let build = |access, person_route: bool| {
        let routes = Routes::<()>::new("things");
        let path = if access == Access::Internal {
            "/internal/things"
        } else {
            "/things"
        };
        let routes = if person_route {
            routes.route(Method::GET, path, access, Rate::General, person)
        } else {
            routes.route(Method::GET, path, access, Rate::General, open)
        };
        routes.build(()).map(|_| ())
    };
    assert_eq!(build(Access::Public, false), Ok(()));
    assert_eq!(build(Access::Optional, false), Ok(()));
    assert_eq!(build(Access::Authenticated, true), Ok(()));
    for (access, person_route) in [
        (Access::Authenticated, false),
        (Access::Internal, false),
        (Access::Public, true),
        (Access::Optional, true),
        (Access::Internal, true),
    ] {
        assert!(
            matches!(build(access, person_route), Err(RouteError::Access { .. })),
            "{access:?}"
        );
    }
}

#[test]
fn the_same_route_twice_is_refused_also_under_another_name_of_its_variable() {
    let two = |first: (Method, &str), second: (Method, &str)| {
        Routes::<()>::new("things")
            .route(first.0, first.1, Access::Public, Rate::General, open)
            .route(second.0, second.1, Access::Public, Rate::General, open)
            .build(())
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    assert_eq!(
        two((Method::GET, "/things"), (Method::GET, "/things")),
        Err("GET /api/things is registered twice".to_owned())
    );
    assert_eq!(
        two(
            (Method::GET, "/things/{id}"),
            (Method::PUT, "/things/{name}")
        ),
        Err("PUT /api/things/{name} is registered twice".to_owned())
    );
    assert_eq!(
        two((Method::GET, "/things"), (Method::PUT, "/things")),
        Ok(())
    );
    assert_eq!(
        two((Method::GET, "/things/{id}"), (Method::GET, "/things/new")),
        Ok(())
    );
}

#[test]
fn a_path_that_is_not_in_the_agreed_form_is_refused() {
    for (path, access) in [
        ("things", Access::Public),
        ("/api/things", Access::Public),
        ("/v1/things", Access::Public),
        ("/things/", Access::Public),
        ("/internal/things", Access::Public),
    ] {
        let built = Routes::<()>::new("things")
            .route(Method::GET, path, access, Rate::General, open)
            .build(());
        assert!(matches!(built, Err(RouteError::Path { .. })), "{path}");
    }
    async fn machine(_: Machine) -> NoContent {
        NoContent
    }
    let built = Routes::<()>::new("things")
        .route(
            Method::GET,
            "/things",
            Access::Internal,
            Rate::General,
            machine,
        )
        .build(());
    assert!(matches!(built, Err(RouteError::Path { .. })));
}

#[test]
fn two_types_of_one_name_are_refused_and_two_kinds_of_page_are_not() {
    mod other {
        #[derive(serde::Serialize, utoipa::ToSchema)]
        pub struct Part {
            size: String,
        }
    }
    async fn parts(_: Open) -> Json<Page<Part>> {
        Json(Page {
            items: vec![],
            next_cursor: None,
        })
    }
    async fn things(_: Open) -> Json<Page<Thing>> {
        Json(Page {
            items: vec![],
            next_cursor: None,
        })
    }
    async fn others(_: Open) -> Json<Page<other::Part>> {
        Json(Page {
            items: vec![],
            next_cursor: None,
        })
    }
    let both = Routes::<()>::new("things")
        .route(Method::GET, "/parts", Access::Public, Rate::General, parts)
        .route(
            Method::GET,
            "/things",
            Access::Public,
            Rate::General,
            things,
        );
    assert!(both.build(()).is_ok());
    let same = Routes::<()>::new("things")
        .route(Method::GET, "/parts", Access::Public, Rate::General, parts)
        .route(
            Method::GET,
            "/others",
            Access::Public,
            Rate::General,
            others,
        );
    assert_eq!(
        same.build(()).map(|_| ()),
        Err(RouteError::Schema("Part".to_owned()))
    );
}
