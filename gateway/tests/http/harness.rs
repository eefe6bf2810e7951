//! A school of one fake service, hosted in this process or behind a socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use gateway::{Config, Gateway, GatewayDeps, Published, SECTION, Upstream};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kit::Ids;
use kit::clock::MockClock;
use kit::metrics::Metrics;
use kit::routes::RouteSet;
use kit::server::{Edge, Server};
use kit::service::Health;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::fakes::FakeAuth;
pub use crate::fakes::posts;

/// A gateway behind its edge, and what stands behind it.
pub struct School {
    pub server: Server,
    pub auth: Arc<FakeAuth>,
    pub calls: Arc<AtomicUsize>,
    pub clock: MockClock,
    pub metrics: Metrics,
    pub workers: Vec<kit::service::Worker>,
}

/// Where the fake service runs.
#[derive(Clone, Copy, Debug)]
pub enum Where {
    Together,
    Apart,
}

pub const BOTH: [Where; 2] = [Where::Together, Where::Apart];

pub fn config() -> Config {
    kit::config::Config::load(&[SECTION], None, vec![], &[])
        .unwrap()
        .section("gateway")
        .unwrap()
}

impl School {
    pub async fn start(place: Where) -> Self {
        Self::with(place, config()).await
    }

    pub async fn with(place: Where, config: Config) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let clock = MockClock::default();
        let routes = posts(&calls);
        let published = match place {
            Where::Together => {
                Published::local(routes, Health::new("posts", vec![], clock.shared()))
            }
            Where::Apart => {
                let health = Health::new("posts", vec![], clock.shared());
                let router = routes
                    .router
                    .clone()
                    .merge(health.router())
                    .merge(health.api_router());
                Published::at(
                    format!("http://{}", serve(router).await).parse().unwrap(),
                    routes,
                )
            }
        };
        Self::of(vec![published], config, calls, clock)
    }

    pub fn of(
        services: Vec<Published>,
        config: Config,
        calls: Arc<AtomicUsize>,
        clock: MockClock,
    ) -> Self {
        let (auth, metrics) = (Arc::<FakeAuth>::default(), Metrics::new());
        let deps = GatewayDeps {
            identity: auth.clone(),
            services,
            clock: clock.shared(),
            metrics: metrics.clone(),
        };
        let Gateway { app, workers } = gateway::build(config, deps).unwrap();
        let edge = Edge::new(
            clock.shared(),
            Arc::new(kit::SeededIds::new(1, clock.shared())) as Arc<dyn Ids>,
            metrics.clone(),
        );
        Self {
            server: Server::new("gateway", app, edge),
            auth,
            calls,
            clock,
            metrics,
            workers,
        }
    }

    /// One service at an address of the test's own.
    pub fn before(base: &str, routes: RouteSet) -> Self {
        let mut config = config();
        config.upstream_timeout = 1;
        let published = Published {
            name: "posts",
            table: routes.table,
            openapi: routes.openapi,
            upstream: Upstream::Http(base.parse().unwrap()),
        };
        Self::of(
            vec![published],
            config,
            Arc::default(),
            MockClock::default(),
        )
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn asked(&self) -> usize {
        self.auth.asked.load(Ordering::SeqCst)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(request(Method::GET, path, &[])).await
    }

    pub async fn get_as(&self, id: i64, path: &str) -> Answer {
        self.send(request(
            Method::GET,
            path,
            &[("authorization", &format!("Bearer of-{id}"))],
        ))
        .await
    }

    pub async fn send(&self, req: Request<Body>) -> Answer {
        Answer::read(self.server.call(req).await).await
    }

    /// The gateway on a socket of its own, for what only bytes can show.
    pub async fn listen(&self) -> SocketAddr {
        listen(self.server.clone()).await
    }
}

pub fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    from("192.0.2.1", method, path, headers)
}

pub fn from(peer: &str, method: Method, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut req = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        req = req.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let mut req = req.body(Body::empty()).unwrap();
    req.extensions_mut()
        .insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
    req
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Every value of a header as the service saw it.
    pub fn seen(&self, name: &str) -> Vec<String> {
        let headers = self.json()["headers"].clone();
        let headers = headers
            .as_array()
            .unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&self.body)));
        headers
            .iter()
            .filter(|pair| pair[0] == name)
            .map(|pair| pair[1].as_str().unwrap().to_owned())
            .collect()
    }

    /// The status and the code of a problem.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert!(body["request_id"].is_string());
        (
            self.status.as_u16(),
            body["code"].as_str().unwrap().to_owned(),
        )
    }
}

/// Serves a router on a port of its own until the test ends.
pub async fn serve(router: Router) -> SocketAddr {
    listen(Server::new("posts", router, Edge::system())).await
}

async fn listen(server: Server) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(server.run(listener, vec![], CancellationToken::new()));
    address
}
