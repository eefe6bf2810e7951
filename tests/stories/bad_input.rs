//! Every route against the whole list of bad input. The routes come from the tables of the services and the fields from the
//! API document, so a new route is in it without anyone remembering.

use jsonwebtoken::{EncodingKey, Header, encode};
use kit::routes::{Access, RouteInfo};
use reqwest::Method;
use schoolyard::assembly::upstreams;
use serde_json::{Value, json};

use crate::support::{Answer, Person, School, Topology};

/// A route with what its API document says of it.
struct Route {
    info: RouteInfo,
    method: Method,
    /// The path with ids that exist nowhere but are well formed.
    path: String,
    /// The properties of its JSON body.
    fields: Vec<(String, Value)>,
    /// Its query parameters.
    query: Vec<String>,
}

fn routes(document: &Value) -> Vec<Route> {
    let tables = upstreams::SERVICES
        .into_iter()
        .flat_map(|service| upstreams::api(service).unwrap().table);
    tables
        .filter(|info| info.access != Access::Internal)
        .map(|info| {
            let method = info.method.clone().unwrap_or(Method::POST);
            let operation = &document["paths"][&info.path][method.as_str().to_lowercase()];
            let schema = resolve(
                document,
                &operation["requestBody"]["content"]["application/json"]["schema"],
            );
            let fields = schema["properties"].as_object().into_iter().flatten();
            let fields = fields
                .map(|(name, schema)| (name.clone(), resolve(document, schema).clone()))
                .collect();
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let query = parameters
                .filter(|parameter| parameter["in"] == "query")
                .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                .collect();
            let path = fill(&info.path, "999999");
            Route {
                method,
                path,
                fields,
                query,
                info,
            }
        })
        .collect()
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

fn fill(template: &str, id: &str) -> String {
    template
        .split('/')
        .map(|part| if part.starts_with('{') { id } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

/// One bad request: what is wrong with it, the field an answer should name (if there is one), and the request.
struct Bad {
    what: String,
    field: Option<String>,
    request: reqwest::RequestBuilder,
}

fn bodies(who: &Person, route: &Route) -> Vec<Bad> {
    let request = || who.request(route.method.clone(), &route.path);
    let mut list = Vec::new();
    let mut raw = |what: &str, media: &str, body: Vec<u8>| {
        list.push(Bad {
            what: what.to_owned(),
            field: None,
            request: request().header("Content-Type", media).body(body),
        });
    };
    raw("not JSON", "application/json", b"{\"a\":".to_vec());
    raw(
        "invalid UTF-8",
        "application/json",
        b"{\"a\":\"\xff\xfe\"}".to_vec(),
    );
    raw("another media type", "text/plain", b"{}".to_vec());
    raw(
        "a form",
        "application/x-www-form-urlencoded",
        b"a=b".to_vec(),
    );
    raw(
        "10 MB",
        "application/json",
        [b"{\"a\":\"".as_slice(), &vec![b'x'; 10 << 20], b"\"}"].concat(),
    );
    raw("a list", "application/json", b"[]".to_vec());
    raw("a number", "application/json", b"7".to_vec());
    raw("nothing", "application/json", Vec::new());
    raw(
        "deeply nested",
        "application/json",
        [vec![b'['; 100_000], vec![b']'; 100_000]].concat(),
    );
    let mut field = |what: &str, name: &str, body: Value| {
        list.push(Bad {
            what: format!("{what}: {body}"),
            field: Some(name.to_owned()),
            request: request().json(&body),
        });
    };
    field("an unknown field", "zzz", json!({"zzz": 1}));
    for (name, schema) in &route.fields {
        let takes = |kind: &str| {
            schema["type"] == kind
                || schema["type"]
                    .as_array()
                    .is_some_and(|types| types.contains(&json!(kind)))
        };
        let wrong = if takes("object") || schema["type"].is_null() {
            json!(7)
        } else {
            json!({"deep": [1]})
        };
        field("a wrong type", name, json!({name: wrong}));
        let text = takes("string");
        if text {
            field("a NUL", name, json!({name: "a\u{0}b"}));
            field("a control character", name, json!({name: "a\u{7}b"}));
            field("far too long", name, json!({name: "x".repeat(14_000)}));
        }
        if name.contains("password") && text {
            field(
                "a password of 257 bytes",
                name,
                json!({name: "x".repeat(257)}),
            );
        }
    }
    list
}

fn queries(who: &Person, route: &Route) -> Vec<Bad> {
    let mut list = Vec::new();
    let mut add = |name: &str, value: &str| {
        let request = who.request(
            route.method.clone(),
            &format!("{}?{name}={value}", route.path),
        );
        list.push(Bad {
            what: format!("?{name}={value}"),
            field: Some(name.to_owned()),
            request,
        });
    };
    for name in &route.query {
        match name.as_str() {
            "limit" => ["0", "1000000000", "-1", "x", "1.5", "99999999999999999999"]
                .iter()
                .for_each(|value| add(name, value)),
            "skip" => ["-1", "x", "99999999999999999999"]
                .iter()
                .for_each(|value| add(name, value)),
            "cursor" => [
                "nonsense",
                "AAAA",
                "%00",
                "AQAGYMGXRuGsawEaiwHs9ujGZfJpUFhS3B",
            ]
            .iter()
            .for_each(|value| add(name, value)),
            "user_id" => ["x", "-1", "1e3"].iter().for_each(|value| add(name, value)),
            "audience" => add(name, "planet:7"),
            "from" | "to" => add(name, "yesterday"),
            _ => {}
        }
    }
    if !route.query.is_empty() {
        add("zzz", "1");
    }
    list
}

fn ids(who: &Person, route: &Route) -> Vec<Bad> {
    if !route.info.path.contains('{') {
        return Vec::new();
    }
    let long = "9".repeat(300);
    [
        "x",
        "0",
        "-1",
        "%C3%BC",
        "1e3",
        "999999",
        &long,
        "6b011a8b01ecf6e8c665f26g",
    ]
    .iter()
    .map(|id| {
        let request = who.request(route.method.clone(), &fill(&route.info.path, id));
        let request = if takes_body(route) {
            request.json(&json!({"reason": "x", "roles": ["member"]}))
        } else {
            request
        };
        Bad {
            what: format!("the id {id}"),
            field: None,
            request,
        }
    })
    .collect()
}

fn takes_body(route: &Route) -> bool {
    !route.fields.is_empty()
}

/// What is wrong with the answer, if anything: it must be a 4xx problem that names the field.
fn complaint(route: &Route, bad: &str, field: Option<&str>, answer: &Answer) -> Option<String> {
    // Signing out always works: without a body, and with a refresh token that is no more or never was one.
    let signs_out = route.info.path.ends_with("/logout")
        && (bad == "nothing" || field == Some("refresh_token"));
    if signs_out && answer.status.is_success() {
        return None;
    }
    let name = format!(
        "{} {} with {}",
        route.method,
        route.path,
        bad.chars().take(80).collect::<String>()
    );
    if !answer.status.is_client_error() {
        return Some(format!("{name}: {answer:?}"));
    }
    if answer.header("content-type") != Some("application/problem+json") {
        return Some(format!(
            "{name}: no problem but {:?}",
            answer.header("content-type")
        ));
    }
    let problem = answer.json();
    if problem["code"].as_str().is_none_or(str::is_empty)
        || problem["request_id"].as_str().is_none_or(str::is_empty)
    {
        return Some(format!("{name}: {problem}"));
    }
    // 400, 401, 403, 404, 409 and 413 are decided before, or without, looking at single fields.
    let named = |field: &str| {
        problem["fields"]
            .as_object()
            .is_some_and(|fields| fields.keys().any(|key| key.starts_with(field)))
    };
    match field {
        Some(field)
            if answer.status == 422
                && !named(field)
                && problem["fields"]
                    .as_object()
                    .is_none_or(serde_json::Map::is_empty) =>
        {
            Some(format!("{name}: the field is not named: {problem}"))
        }
        _ => None,
    }
}

/// Everything that could have changed.
async fn state(admin: &Person) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in [
        "/api/auth/me",
        "/api/posts?limit=100",
        "/api/activity-stream?limit=100",
        "/api/auth/users?limit=100",
    ] {
        seen.push(admin.get(path).await.expect(200).json());
    }
    seen
}

#[tokio::test]
async fn no_route_takes_bad_input_or_changes_anything_by_it() {
    let school = School::start(Topology::Together).await;
    let admin = school.admin().clone();
    school.sign_in_student().await;
    admin.publish("stays as it is", &["school"]).await;
    school.caught_up().await;
    let document = admin.get("/api/schema").await.expect(200).json();
    let before = state(&admin).await;

    let (mut complaints, mut tried) = (Vec::new(), 0);
    for route in routes(&document) {
        // What signs out gets a session of its own, so that the routes after it are still tried as somebody.
        let who = if route.info.path.ends_with("/logout") {
            school.nobody().login("office", School::PASSWORD).await
        } else {
            admin.clone()
        };
        let mut list = ids(&who, &route);
        list.extend(queries(&who, &route));
        if takes_body(&route) {
            list.extend(bodies(&who, &route));
        }
        for Bad {
            what,
            field,
            request,
        } in list
        {
            let answer = admin.send(request).await;
            tried += 1;
            complaints.extend(complaint(&route, &what, field.as_deref(), &answer));
        }
    }
    assert!(
        complaints.is_empty(),
        "{} of {tried}:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
    assert!(tried > 300, "only {tried} requests were tried");
    assert_eq!(state(&admin).await, before);
    school.stop().await;
}

#[tokio::test]
async fn no_protected_route_takes_a_missing_or_a_foreign_credential() {
    let school = School::start(Topology::Together).await;
    let document = school.nobody().get("/api/schema").await.expect(200).json();
    let claims = json!({"iss": "schoolyard", "aud": "schoolyard", "sub": "1", "roles": ["admin"], "iat": 1, "exp": 4_102_444_800_i64});
    let foreign = encode(
        &Header::default(),
        &claims,
        &EncodingKey::from_secret(b"a key of another school, 32 bytes!"),
    )
    .unwrap();
    let (nobody, foreigner) = (school.nobody(), school.nobody().with_token(&foreign));
    for route in routes(&document) {
        let ask = |who: &Person| {
            who.request(route.method.clone(), &route.path)
                .json(&json!({}))
        };
        if route.info.access == Access::Authenticated {
            let answer = nobody.send(ask(&nobody)).await;
            assert_eq!(
                answer.status, 401,
                "{} {}: {answer:?}",
                route.method, route.path
            );
        }
        if matches!(route.info.access, Access::Authenticated | Access::Optional) {
            let answer = foreigner.send(ask(&foreigner)).await;
            assert_eq!(
                answer.status, 401,
                "{} {}: {answer:?}",
                route.method, route.path
            );
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer"),
                "{} {}",
                route.method,
                route.path
            );
        }
    }
    school.stop().await;
}
