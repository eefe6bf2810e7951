//! Whatever the table is: what Traefik is told leads every request where the routes table leads it.

mod examples;

use std::collections::BTreeSet;

use http::{Method, Uri};
use kit::routes::{Access, Rate, RouteInfo, canonical_path};
use proptest::prelude::*;

use super::*;
use crate::table::{Found, Table, TableBuilder};
use crate::traefik::sim::{Request, Sim, Way};

pub(in crate::traefik) use crate::table::tests::info;

pub(in crate::traefik) fn settings() -> Settings {
    Settings {
        hosts: Vec::new(),
        rate_limit: 100,
        rate_burst: 200,
        in_flight: 1_000,
        proxies: 0,
        internal: Address::new("https://localhost:8003").unwrap(),
        body_limit: 1024 * 1024,
    }
}

pub(in crate::traefik) fn trust() -> Trust {
    let pem = |kind: &str| format!("-----BEGIN {kind}-----\nAAAA\n-----END {kind}-----");
    let trust = Trust::new(&pem("CERTIFICATE")).unwrap();
    let trust = trust.showing(&pem("CERTIFICATE"), &pem("PRIVATE KEY"));
    trust.unwrap().and_of_auth(&pem("CERTIFICATE")).unwrap()
}

/// So many doors of auth.
pub(in crate::traefik) fn doors(count: usize) -> Vec<Socket> {
    let doors = (1..=count).map(|n| Socket::new(&format!("192.0.2.{n}"), 8443));
    doors.collect::<Result<_, _>>().unwrap()
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
                Access::Optional => {
                    middlewares.extend(["sy-ask-again", "sy-auth-optional"].map(str::to_owned));
                }
                Access::Authenticated => {
                    middlewares.extend(["sy-ask-again", "sy-auth"].map(str::to_owned));
                }
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
        let sim = read(&routing.objects(trusted.then(trust).as_ref(), &[]).unwrap());
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
        for object in routing.objects(trusted.then(trust).as_ref(), &[]).unwrap() {
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
            for object in routing.objects(Some(&trust()), &[]).unwrap() {
                for (key, value) in &object.pairs {
                    prop_assert!(crate::traefik::model::check(key, value).is_ok(), "{} = {}", key, value);
                }
            }
        }
    }
}
