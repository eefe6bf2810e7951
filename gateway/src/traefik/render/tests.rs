//! Whatever the table is: what Traefik is told leads every request where the routes table leads it.

use std::collections::BTreeSet;

use http::{Method, Uri};
use kit::routes::{Access, Rate, RouteInfo, canonical_path};
use proptest::prelude::*;

use super::*;
use crate::table::{Found, Table, TableBuilder};
use crate::traefik::sim::{Request, Sim, Way};

pub(in crate::traefik) fn info(
    service: &'static str,
    method: Option<Method>,
    path: &str,
    access: Access,
) -> RouteInfo {
    RouteInfo {
        service,
        method,
        path: path.to_owned(),
        access,
        rate: Rate::General,
        guard: "test",
        summary: String::new(),
        body_limit: None,
        quiet: false,
    }
}

pub(in crate::traefik) fn settings() -> Settings {
    Settings {
        hosts: Vec::new(),
        rate_limit: 100,
        rate_burst: 200,
        in_flight: 1_000,
        proxies: 0,
        internal: Address::new("https://127.0.0.1:8003").unwrap(),
        auth: None,
        body_limit: 1024 * 1024,
    }
}

pub(in crate::traefik) fn trust() -> Trust {
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----");
    let trust = Trust::new(&pem("CERTIFICATE")).unwrap();
    trust
        .showing(&pem("CERTIFICATE"), &pem("PRIVATE KEY"))
        .unwrap()
}

const SERVICES: [&str; 3] = ["auth", "posts", "feed"];

/// The routes table itself, if the routes contradict each other in nothing.
pub(in crate::traefik) fn table_of(infos: &[RouteInfo]) -> Option<Table<()>> {
    let mut builder = TableBuilder::default();
    for info in infos {
        builder.add(info, &()).ok()?;
    }
    builder.build().ok()
}

pub(in crate::traefik) fn read(objects: &[Object]) -> Sim {
    let pairs = objects.iter().flat_map(|object| &object.pairs);
    Sim::read(pairs.map(|(key, value)| (key.as_str(), value.as_str()))).unwrap()
}

/// What a request must go through, by the routes table alone.
fn expected(
    table: &Table<()>,
    request: &Request,
    alive: &BTreeSet<&str>,
    trusted: bool,
    body_limit: usize,
) -> Way {
    let uri: Uri = request.path.parse().unwrap();
    let path = canonical_path(&uri).unwrap_or(uri);
    let method: Method = request.method.parse().unwrap();
    let found = table.find(&method, path.path());
    let route = match found {
        Found::Route(route) if trusted || route.access == Access::Public => Some(route),
        _ => None,
    };
    let exempt = route.is_some_and(|route| route.rate == Rate::Exempt);
    let mut middlewares = vec!["sy-headers".to_owned()];
    if !exempt {
        middlewares.push("sy-rate".to_owned());
    }
    middlewares.extend(["sy-in-flight", "sy-compress", "sy-errors"].map(str::to_owned));
    let service = match route.filter(|route| alive.contains(route.matched.service)) {
        None => {
            middlewares.push("sy-unrouted".to_owned());
            "gateway"
        }
        Some(route) => {
            match route.access {
                Access::Internal => unreachable!("it is in no table"),
                Access::Public => {}
                Access::Optional => middlewares.push("sy-auth-optional".to_owned()),
                Access::Authenticated => middlewares.push("sy-auth".to_owned()),
            }
            let reads = !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS");
            if reads {
                let limit = route.body_limit.unwrap_or(body_limit);
                middlewares.push(format!("sy-body-{limit}"));
            }
            route.matched.service
        }
    };
    if !alive.contains(service) {
        middlewares.pop();
        return Way {
            middlewares,
            service: "sy-nobody".to_owned(),
        };
    }
    middlewares.extend(["sy-breaker", "sy-retry"].map(str::to_owned));
    Way {
        middlewares,
        service: service.to_owned(),
    }
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "v1.2", "health"]).prop_map(str::to_owned),
        2 => Just("{id}".to_owned()),
    ]
}

fn template() -> impl Strategy<Value = String> {
    let tail = prop_oneof![8 => Just(""), 1 => Just("/{*rest}")];
    (prop::collection::vec(segment(), 0..4), tail).prop_map(|(segments, tail)| {
        segments
            .iter()
            .fold("/api".to_owned(), |path, one| path + "/" + one)
            + tail
    })
}

pub(in crate::traefik) fn routes() -> impl Strategy<Value = Vec<RouteInfo>> {
    let methods = vec![
        None,
        Some(Method::GET),
        Some(Method::GET),
        Some(Method::HEAD),
        Some(Method::POST),
        Some(Method::DELETE),
    ];
    let accesses = vec![
        Access::Internal,
        Access::Public,
        Access::Optional,
        Access::Authenticated,
    ];
    let route = (
        prop::sample::select(SERVICES.to_vec()),
        prop::sample::select(methods),
        template(),
        prop::sample::select(accesses),
        prop::sample::select(vec![Rate::General, Rate::General, Rate::Exempt]),
        prop::sample::select(vec![None, None, Some(10), Some(20)]),
    );
    let route = route.prop_map(
        |(service, method, path, access, rate, body_limit)| RouteInfo {
            rate,
            body_limit,
            ..info(service, method, &path, access)
        },
    );
    prop::collection::vec(route, 1..14)
}

/// A path that leads to a route, or nearly so.
fn path(templates: &[String]) -> impl Strategy<Value = String> + use<> {
    let values = prop::sample::select(vec!["a", "b", "health", "x", "v1", "v1.2", "v1x2"]);
    let fill = (
        prop::sample::select(templates.to_vec()),
        prop::collection::vec(values, 6),
        any::<bool>(),
        prop::sample::select(vec!["", "/", "/x"]),
    );
    fill.prop_map(|(template, values, versioned, end)| {
        let mut values = values.into_iter();
        let parts = template.split('/').skip(2).map(|part| match part {
            "{id}" => values.next().unwrap_or("x").to_owned(),
            "{*rest}" => "r/s".to_owned(),
            other => other.to_owned(),
        });
        let head = if versioned { "/api/v1" } else { "/api" };
        parts.fold(head.to_owned(), |path, part| path + "/" + &part) + end
    })
}

fn requests(templates: &[String]) -> impl Strategy<Value = Vec<Request>> + use<> {
    let methods = vec!["GET", "HEAD", "POST", "DELETE", "PATCH", "OPTIONS"];
    let request = (
        prop::sample::select(vec!["web", "websecure"]),
        prop::sample::select(methods),
        path(templates),
    );
    let request = request.prop_map(|(entry_point, method, path)| Request {
        entry_point,
        host: "school.example".to_owned(),
        method: method.to_owned(),
        path,
    });
    prop::collection::vec(request, 24)
}

fn cases() -> impl Strategy<Value = (Vec<RouteInfo>, Vec<Request>)> {
    routes().prop_flat_map(|routes| {
        let templates: Vec<_> = routes.iter().map(|info| info.path.clone()).collect();
        let requests = requests(&templates);
        (Just(routes), requests)
    })
}

proptest! {
    #[test]
    fn every_request_goes_where_the_routes_table_leads_it(
        (infos, requests) in cases(),
        alive in prop::sample::subsequence(vec!["auth", "feed", "gateway", "posts"], 0..=4),
        trusted: bool,
    ) {
        let table = table_of(&infos);
        prop_assume!(table.is_some());
        let table = table.unwrap();
        let routing = Routing::new(settings(), &infos).unwrap();
        let sim = read(&routing.objects(trusted.then(trust).as_ref()).unwrap());
        let alive: BTreeSet<&str> = alive.into_iter().collect();
        let live = sim.with(&alive);
        for request in requests {
            let wanted = expected(&table, &request, &alive, trusted, settings().body_limit);
            let way = live.way(&request);
            // Only a method that nobody knows may be told to keep its body short.
            let mut way = way.unwrap();
            if matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
                way.middlewares.retain(|name| !name.starts_with("sy-body-"));
            }
            prop_assert_eq!(way, wanted, "{:?}", request);
        }
    }

    #[test]
    fn whatever_the_table_every_value_is_one_that_traefik_takes(infos in routes(), trusted: bool) {
        let routing = Routing::new(settings(), &infos).unwrap();
        for object in routing.objects(trusted.then(trust).as_ref()).unwrap() {
            prop_assert!(object.pairs.len() <= 64, "{:?}", object);
            for (key, value) in &object.pairs {
                prop_assert!(crate::traefik::model::check(key, value).is_ok(), "{} = {}", key, value);
            }
            if object.kind == crate::traefik::model::Kind::Router {
                prop_assert!(object.pairs.last().unwrap().0.ends_with("/rule"));
            }
        }
    }

    #[test]
    fn a_table_that_cannot_be_told_is_refused_and_never_written(path in "/api/[a-z{}*@,` .%é/]{0,12}", service in "[a-z@,` ]{0,6}") {
        let service: &'static str = Box::leak(service.into_boxed_str());
        let infos = [info(service, Some(Method::GET), &path, Access::Authenticated)];
        if let Ok(routing) = Routing::new(settings(), &infos) {
            for object in routing.objects(Some(&trust())).unwrap() {
                for (key, value) in &object.pairs {
                    prop_assert!(crate::traefik::model::check(key, value).is_ok(), "{} = {}", key, value);
                }
            }
        }
    }
}

#[test]
fn the_number_of_routers_is_that_of_the_classes_and_not_of_the_routes() {
    let paths = ["a", "b", "c", "d", "e", "f"].map(|last| format!("/api/posts/{last}"));
    let infos: Vec<_> = paths
        .iter()
        .map(|path| info("posts", Some(Method::GET), path, Access::Optional))
        .collect();
    let count = |infos: &[RouteInfo]| {
        let routing = Routing::new(settings(), infos).unwrap();
        let objects = routing.objects(Some(&trust())).unwrap();
        let routers = objects
            .iter()
            .filter(|object| object.pairs.last().unwrap().0.ends_with("/rule"));
        routers.count()
    };
    assert_eq!(count(&infos), count(&infos[..1]));
}

#[test]
fn hosts_that_are_not_answered_for_go_to_the_gateway_and_health_is_answered_under_every_name() {
    let mut settings = settings();
    settings.hosts = vec!["School.example".to_owned(), "[::1]".to_owned()];
    let health = RouteInfo {
        rate: Rate::Exempt,
        ..info("gateway", Some(Method::GET), "/health", Access::Public)
    };
    let posts = info("posts", Some(Method::GET), "/api/posts", Access::Public);
    let routing = Routing::new(settings, &[health, posts]).unwrap();
    let sim = read(&routing.objects(None).unwrap());
    let to = |host: &str, path: &str, alive: &[&'static str]| {
        let request = Request {
            entry_point: "web",
            host: host.to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
        };
        let way = sim
            .with(&alive.iter().copied().collect())
            .way(&request)
            .unwrap();
        let unrouted = way.middlewares.contains(&"sy-unrouted".to_owned());
        (way.service, unrouted)
    };
    let all = ["gateway", "posts"];
    for host in ["school.example", "::1"] {
        assert_eq!(
            to(host, "/api/posts", &all),
            ("posts".to_owned(), false),
            "{host}"
        );
    }
    assert_eq!(
        to("evil.example", "/api/posts", &all),
        ("gateway".to_owned(), true)
    );
    assert_eq!(
        to("10.0.0.1", "/health/", &all),
        ("gateway".to_owned(), false)
    );
    assert_eq!(
        to("evil.example", "/api/posts", &["posts"]),
        ("sy-nobody".to_owned(), false),
        "closed, also without a gateway that says why"
    );
}

#[test]
fn at_the_internal_entry_point_auth_is_asked_and_a_gone_auth_is_said_to_be_gone() {
    let routing = Routing::new(settings(), &[]).unwrap();
    let sim = read(&routing.objects(Some(&trust())).unwrap());
    let to = |path: &str, alive: &[&'static str]| {
        let request = Request {
            entry_point: "internal",
            host: "127.0.0.1".to_owned(),
            method: "GET".to_owned(),
            path: path.to_owned(),
        };
        let way = sim
            .with(&alive.iter().copied().collect())
            .way(&request)
            .unwrap();
        (way.service, way.middlewares.first().cloned())
    };
    let first = |name: &str| Some(name.to_owned());
    assert_eq!(
        to(VALIDATE, &["auth", "gateway"]),
        ("auth".to_owned(), first("sy-auth-errors"))
    );
    assert_eq!(
        to(VALIDATE, &["gateway"]),
        ("gateway".to_owned(), first("sy-auth-gone"))
    );
    assert_eq!(to(VALIDATE, &[]), ("sy-nobody".to_owned(), None));
    assert_eq!(
        to("/api/posts", &["auth", "gateway", "posts"]),
        ("sy-nobody".to_owned(), None)
    );
    assert_eq!(
        sim.option("sy-auth-gone", "replacePath/path"),
        Some("/internal/gateway/problem/auth-unavailable")
    );
}

#[test]
fn no_log_shows_a_path_with_a_token_and_every_other_one_is_logged() {
    let secret = info(
        "posts",
        Some(Method::GET),
        "/api/board/{token}",
        Access::Public,
    );
    let hook = RouteInfo {
        rate: Rate::Exempt,
        ..info(
            "feed",
            Some(Method::POST),
            "/api/hook/{token}",
            Access::Public,
        )
    };
    let plain = info(
        "posts",
        Some(Method::GET),
        "/api/posts/{id}",
        Access::Public,
    );
    let routing = Routing::new(settings(), &[secret, hook, plain]).unwrap();
    let objects = routing.objects(Some(&trust())).unwrap();
    let value = |router: &str, key: &str| {
        let key = format!("traefik/http/routers/{router}/{key}");
        let pairs = objects.iter().flat_map(|object| &object.pairs);
        let mut found = pairs.filter(|(known, _)| *known == key);
        found.next().map(|(_, value)| value.as_str())
    };
    for (class, parent) in [
        ("sy-posts-public-secret", "sy-secret"),
        (
            "sy-feed-public-body-1048576-secret-exempt",
            "sy-secret-exempt",
        ),
    ] {
        assert_eq!(value(class, "parentRefs/0"), Some(parent));
        assert_eq!(value(parent, "observability/accessLogs"), Some("false"));
        assert_eq!(value(class, "rule"), value(parent, "rule"));
    }
    assert_eq!(value("sy-posts-public", "parentRefs/0"), Some("sy-web"));
    assert_eq!(value("sy-web", "observability/accessLogs"), None);
}

#[test]
fn where_auth_itself_is_asked_its_address_and_authority_stand_and_the_entry_point_keeps_its_own() {
    let mut settings = settings();
    settings.auth = Some(Address::new("https://auth.internal:8443").unwrap());
    let of_auth = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";
    let trust = trust().asking(of_auth).unwrap();
    let secret = info("posts", Some(Method::GET), "/api/posts", Access::Optional);
    let routing = Routing::new(settings, &[secret]).unwrap();
    let sim = read(&routing.objects(Some(&trust)).unwrap());
    let asks = |option: &str| sim.option("sy-auth-optional", option);
    assert_eq!(
        asks("forwardAuth/address"),
        Some("https://auth.internal:8443/api/auth/validate?anonymous=1")
    );
    assert_eq!(asks("forwardAuth/tls/ca"), Some(of_auth));
    assert_ne!(trust.authority.as_str(), of_auth);
}

#[test]
fn a_setting_that_cannot_be_written_is_refused_at_the_start() {
    let mut wrong = settings();
    wrong.hosts = vec!["*.example".to_owned()];
    let error = Routing::new(wrong, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the host `*.example` cannot be written for traefik: it is a name or an address without port"
    );
}
