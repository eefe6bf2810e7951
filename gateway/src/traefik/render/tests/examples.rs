//! Single tables, and where they lead.

use http::Method;
use kit::routes::{Access, Rate, RouteInfo};

use super::super::{Address, Routing, VALIDATE};
use super::{info, read, settings, trust};
use crate::traefik::sim::Request;

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
