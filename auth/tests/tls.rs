//! The internal TLS address as a gateway meets it: auth as its host builds it, on real sockets.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use auth::{Accounts, Config, Deps, ISSUER, Person};
use backends::{bus, testing::TestDb};
use bytes::Bytes;
use contracts::{InternalCa, Role, Verifier, clients::HttpInternalCa};
use futures_util::future::join_all;
use http::{Method, StatusCode, Version};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit::{
    Clock as _, MockClock, Problem, RandomIds, SystemClock,
    metrics::Metrics,
    peer::{Peer, ServiceTokens},
    server::{Edge, Server, service_router},
    token::{Claims, KeyRing, TokenKind},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, rustls};
use tokio_util::sync::CancellationToken;

const SECRET: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";
const PASSWORD: &str = "correct horse battery";
const HOST: &str = "auth.internal";

/// Auth, listening.
struct School {
    plain: SocketAddr,
    tls: Option<SocketAddr>,
    ca: Arc<dyn InternalCa>,
    accounts: Accounts,
    keys: KeyRing,
    clock: MockClock,
    _folder: tempfile::TempDir,
}

impl School {
    async fn open(db: &TestDb) -> Self {
        Self::with(db, |config| config.tls_listen = "127.0.0.1:0".to_owned()).await
    }

    async fn with(db: &TestDb, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::for_tests();
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        // clients look at certificates by the machine's time
        let clock = MockClock::at(SystemClock::shared().now());
        let shared = clock.shared();
        let ids = RandomIds::shared(shared.clone());
        let keys = KeyRing::hs256(&SECRET.into(), "schoolyard").unwrap();
        let metrics = Metrics::new();
        let url = format!("sqlite:{}", folder.path().join("bus.db").display());
        let deps = Deps {
            db: (**db).clone(),
            bus: bus::open(&url, shared.clone()).await.unwrap(),
            keys: keys.clone(),
            verifier: Verifier::new(keys.clone(), shared.clone()),
            clock: shared.clone(),
            ids: ids.clone(),
            metrics: metrics.clone(),
            data_dir: None,
        };
        let built = auth::build(config, deps).await.unwrap();
        let edge = Edge::new(shared, ids, metrics);
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (mut doors, mut tls) = (Vec::new(), None);
        if let Some(address) = built.tls {
            let listener = TcpListener::bind(address.listen).await.unwrap();
            tls = Some(listener.local_addr().unwrap());
            doors.push(address.door(listener, edge.clone()));
        }
        let (router, workers) = service_router(built.service, &edge);
        let address = plain.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(Server::new("auth", router, edge).run_with(plain, doors, workers, stop));
        Self {
            plain: address,
            tls,
            ca: built.internal_ca,
            accounts: built.accounts,
            keys,
            clock,
            _folder: folder,
        }
    }

    /// A client that trusts what auth tells, asking at the TLS address.
    async fn client(
        &self,
        alter: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> reqwest::Client {
        let pem = self.ca.certificates().await.unwrap().pem().to_owned();
        let trusted = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).unwrap();
        let builder = reqwest::Client::builder()
            .tls_certs_only(trusted)
            .resolve(HOST, self.tls.unwrap());
        alter(builder).build().unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.tls.unwrap().port())
    }

    /// The access token of a teacher, signed in over the plain port.
    async fn token(&self) -> String {
        let person = Person {
            email: Some("ines@x.org".to_owned()),
            username: "ines".to_owned(),
            first_name: "Ines".to_owned(),
            last_name: "Roy".to_owned(),
            roles: [Role::Teacher].into_iter().collect(),
            password: PASSWORD.into(),
        };
        self.accounts.create_person(person).await.unwrap();
        let login = json!({"username": "ines", "password": PASSWORD});
        let answer = self
            .plainly(Method::POST, "/api/auth/login")
            .json(&login)
            .send()
            .await
            .unwrap();
        let tokens: Value = answer.json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// A request to the plain port.
    fn plainly(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let client = kit::peer::client().unwrap();
        client.request(method, format!("http://{}{path}", self.plain))
    }

    /// A token as auth gives it to a service.
    fn service_token(&self) -> String {
        let now = self.clock.now().timestamp();
        self.keys.sign(&Claims {
            iss: ISSUER.to_owned(),
            aud: Some(self.keys.audience().to_owned()),
            sub: "gateway".to_owned(),
            kind: TokenKind::Service,
            email: None,
            username: None,
            roles: Vec::new(),
            sid: None,
            jti: None,
            iat: now,
            exp: now + 300,
            nbf: None,
        })
    }
}

const IDENTITY: [&str; 6] = [
    "x-user-id",
    "x-user-email",
    "x-user-roles",
    "x-session-id",
    "authorization",
    "cache-control",
];

fn identity(answer: &reqwest::Response) -> Vec<Option<String>> {
    let value = |name| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    IDENTITY.into_iter().map(value).collect()
}

struct Token(String);

#[async_trait]
impl ServiceTokens for Token {
    async fn bearer(&self) -> Result<String, Problem> {
        Ok(self.0.clone())
    }
}

backends::on_every_database! {
    async fn validate_answers_over_http2_and_http1_as_at_the_plain_port(db: TestDb) {
        let school = School::open(&db).await;
        let token = school.token().await;
        let plain = school.plainly(Method::GET, "/api/auth/validate").bearer_auth(&token).send().await.unwrap();
        assert_eq!(plain.status(), 200);
        let (http2, http1) = (school.client(|c| c).await, school.client(reqwest::ClientBuilder::http1_only).await);
        for (client, version) in [(http2, Version::HTTP_2), (http1, Version::HTTP_11)] {
            let answer = client.get(school.url("/api/auth/validate")).bearer_auth(&token).send().await.unwrap();
            assert_eq!((answer.version(), answer.status().as_u16()), (version, 200));
            assert_eq!(identity(&answer), identity(&plain));
            assert!(identity(&answer).iter().all(Option::is_some));
            assert!(answer.bytes().await.unwrap().is_empty());
        }
    }

    async fn a_refusal_over_http2_is_the_same_and_the_end_of_a_session_counts_on_the_next_request(db: TestDb) {
        let school = School::open(&db).await;
        let token = school.token().await;
        let client = school.client(|c| c).await;
        let ask = async |bearers: &[&str]| {
            let request = bearers.iter().fold(client.get(school.url("/api/auth/validate")), reqwest::RequestBuilder::bearer_auth);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            (answer.status().as_u16(), answer.headers().contains_key("www-authenticate"))
        };
        assert_eq!(ask(&[]).await, (401, true));
        assert_eq!(ask(&["nonsense"]).await, (401, true));
        assert_eq!(ask(&[&token, &token]).await, (401, true));
        assert_eq!(ask(&[&token]).await, (200, false));
        let ended = school.plainly(Method::POST, "/api/auth/logout").bearer_auth(&token).json(&json!({})).send().await.unwrap();
        assert_eq!(ended.status(), 200);
        assert_eq!(ask(&[&token]).await, (401, true));
    }

    async fn nothing_but_validate_and_health_is_served_there(db: TestDb) {
        let school = School::open(&db).await;
        let client = school.client(|c| c).await;
        let status = async |method: Method, path: &str| {
            let request = client.request(method, school.url(path)).bearer_auth(school.service_token());
            request.send().await.unwrap().status().as_u16()
        };
        for route in auth::api().unwrap().table {
            let path = route.path.replace("{id}", "1");
            if path != "/api/auth/validate" {
                let method = route.method.unwrap_or(Method::GET);
                assert_eq!(status(method, &path).await, 404, "{path}");
            }
        }
        for path in ["/metrics", "/api/auth/health", "/", "/internal/auth/ca/"] {
            assert_eq!(status(Method::GET, path).await, 404, "{path}");
        }
        for path in ["/health", "/health/ready", "/api/auth/validate?anonymous=1", "/api/v1/auth/validate?anonymous=1"] {
            let answer = client.get(school.url(path)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
        assert_eq!(status(Method::DELETE, "/api/auth/validate").await, 401, "any method is answered");
    }

    async fn who_trusts_another_authority_or_asks_by_another_name_is_not_served(db: TestDb) {
        let elsewhere = backends::testing::sqlite().await;
        let (school, other) = (School::open(&db).await, School::with(&elsewhere, |config| {
            config.tls_listen = "127.0.0.1:0".to_owned();
            config.tls_names = vec!["auth.example".to_owned()];
        }).await);
        let ask = async |client: &reqwest::Client, url: &str| client.get(url).send().await;
        let trusting = school.client(|c| c).await;
        assert_eq!(ask(&trusting, &school.url("/health")).await.unwrap().status(), 200);
        let strange = other.client(|c| c.resolve(HOST, school.tls.unwrap())).await;
        let refused = ask(&strange, &school.url("/health")).await.unwrap_err();
        assert!(refused.is_connect(), "{refused:?}");
        let misnamed = other.client(|c| c).await;
        let refused = ask(&misnamed, &other.url("/health")).await.unwrap_err();
        assert!(format!("{refused:?}").contains("NotValidForName"), "{refused:?}");
        let plain = ask(&trusting, &format!("http://{}/health", school.tls.unwrap())).await;
        assert!(plain.is_err(), "{plain:?}");
    }

    async fn two_hundred_validates_at_once_share_one_connection(db: TestDb) {
        let school = School::open(&db).await;
        let token = school.token().await;
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(school.ca.certificates().await.unwrap().pem().as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(school.tls.unwrap()).await.unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(HOST).unwrap(), stream).await.unwrap();
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let asked = (0..200).map(|_| {
            let mut sender = sender.clone();
            let request = http::Request::get(school.url("/api/auth/validate")).header("authorization", format!("Bearer {token}"));
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            tokio::spawn(async move { sender.send_request(request).await.unwrap().headers()["x-user-id"].clone() })
        });
        for answer in join_all(asked.collect::<Vec<_>>()).await {
            assert_eq!(answer.unwrap(), "1");
        }
    }

    async fn the_certificates_to_trust_are_told_to_services_only(db: TestDb) {
        let school = School::open(&db).await;
        let ask = async |bearer: Option<String>| {
            let request = school.plainly(Method::GET, "/internal/auth/ca");
            let request = match bearer { Some(bearer) => request.bearer_auth(bearer), None => request };
            request.send().await.unwrap()
        };
        assert_eq!(ask(None).await.status(), 401);
        let person = ask(Some(school.token().await)).await;
        assert_eq!(person.json::<Value>().await.unwrap()["code"], "wrong_token_kind");
        let answer = ask(Some(school.service_token())).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "application/x-pem-file"));
        let told = answer.text().await.unwrap();
        assert_eq!(told, school.ca.certificates().await.unwrap().pem());
        assert!(!told.contains("PRIVATE"));
        let peer = Peer::new("auth", &format!("http://{}", school.plain), Arc::new(Token(school.service_token()))).unwrap();
        assert_eq!(HttpInternalCa::new(peer).certificates().await.unwrap().pem(), told);
    }

    async fn without_a_tls_address_there_is_no_authority(db: TestDb) {
        let school = School::with(&db, |_| ()).await;
        assert!(school.tls.is_none());
        let problem = school.ca.certificates().await.unwrap_err();
        assert_eq!((problem.status(), problem.code()), (StatusCode::NOT_FOUND, "no_internal_ca"));
        let rows: i64 = db.query("SELECT COUNT(*) FROM authorities").scalar().await.unwrap();
        assert_eq!(rows, 0);
        let peer = Peer::new("auth", &format!("http://{}", school.plain), Arc::new(Token(school.service_token()))).unwrap();
        assert_eq!(HttpInternalCa::new(peer).certificates().await.unwrap_err().code(), "no_internal_ca");
    }
}
