//! Single tables, and where they lead.

use http::Method;
use kit::routes::{Access, Rate, RouteInfo};

use super::super::{Address, Routing, Settings, VALIDATE};
use super::{doors, info, read, settings, trust};
use crate::traefik::model::Socket;
use crate::traefik::sim::Request;
use crate::traefik::trust::Trust;

#[test]
fn the_number_of_routers_is_that_of_the_classes_and_not_of_the_routes() {
    let paths = ["a", "b", "c", "d", "e", "f"].map(|last| format!("/api/posts/{last}"));
    let infos: Vec<_> = paths
        .iter()
        .map(|path| info("posts", Some(Method::GET), path, Access::Optional))
        .collect();
    let count = |infos: &[RouteInfo]| {
        let routing = Routing::new(settings(), infos).unwrap();
        let objects = routing.objects(Some(&trust()), &[]).unwrap();
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
    let sim = read(&routing.objects(None, &[]).unwrap());
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
    let sim = read(&routing.objects(Some(&trust()), &[]).unwrap());
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
    let objects = routing.objects(Some(&trust()), &[]).unwrap();
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

/// What is written of connections that are handed on: keys behind the root, and values.
fn handed_on(settings: Settings, trust: &Trust, doors: &[Socket]) -> Vec<(String, String)> {
    let routing = Routing::new(settings, &[]).unwrap();
    let objects = routing.objects(Some(trust), doors).unwrap();
    let pairs = objects.into_iter().flat_map(|object| object.pairs);
    let tcp = pairs.filter_map(|(key, value)| {
        let key = key.strip_prefix("traefik/tcp/")?.to_owned();
        Some((key, value))
    });
    tcp.collect()
}

#[test]
fn forward_auths_connections_are_handed_on_to_auths_doors_by_the_name_that_it_asks_by() {
    let expected = [
        (
            "services/sy-doors-of-auth/loadBalancer/servers/0/address",
            "192.0.2.1:8443",
        ),
        (
            "services/sy-doors-of-auth/loadBalancer/servers/1/address",
            "192.0.2.2:8443",
        ),
        ("routers/sy-doors-of-auth/entryPoints/0", "internal"),
        ("routers/sy-doors-of-auth/service", "sy-doors-of-auth"),
        ("routers/sy-doors-of-auth/tls/passthrough", "true"),
        ("routers/sy-doors-of-auth/rule", "HostSNI(`localhost`)"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(handed_on(settings(), &trust(), &doors(2)), expected);
    // More than fit into a list of Traefik's are as good as those that do.
    assert_eq!(handed_on(settings(), &trust(), &doors(12)).len(), 10 + 4);
}

#[test]
fn nothing_is_handed_on_to_nobody_or_to_an_auth_that_is_not_believed_or_by_an_address() {
    assert_eq!(handed_on(settings(), &trust(), &[]), []);
    let without = Trust::new(trust().authority.as_str()).unwrap();
    assert_eq!(handed_on(settings(), &without, &doors(2)), []);
    // TLS says names only.
    for internal in [
        "https://127.0.0.1:8003",
        "https://[::1]:8003",
        "http://localhost:8003",
    ] {
        let mut settings = settings();
        settings.internal = Address::new(internal).unwrap();
        assert_eq!(handed_on(settings, &trust(), &doors(2)), [], "{internal}");
    }
}

#[test]
fn forward_auth_believes_the_entry_point_and_auth() {
    let of_auth = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n";
    let own = Trust::new(trust().authority.as_str()).unwrap();
    let both = format!("{}{of_auth}", own.authority.as_str());
    let trust = own.and_of_auth(of_auth).unwrap();
    let optional = info("posts", Some(Method::GET), "/api/posts", Access::Optional);
    let routing = Routing::new(settings(), &[optional]).unwrap();
    let sim = read(&routing.objects(Some(&trust), &[]).unwrap());
    let asks = |option: &str| sim.option("sy-auth-optional", option);
    assert_eq!(
        asks("forwardAuth/address"),
        Some("https://localhost:8003/api/auth/validate?anonymous=1")
    );
    assert_eq!(asks("forwardAuth/tls/ca"), Some(&*both));
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
