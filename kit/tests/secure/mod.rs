//! A server over TLS and clients that trust what they are told to, for the tests of kit.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kit::server::{Edge, Server, Tls};
use kit::shutdown::Shutdown;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The name the certificates are for.
pub const NAME: &str = "things.internal";

/// Signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate for [`NAME`] with its key.
    pub fn issue(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([NAME.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.into()], key)
    }

    pub fn tls(&self) -> Tls {
        let (chain, key) = self.issue();
        Tls::new(chain, key).unwrap()
    }

    /// How a client speaks that trusts this authority only.
    pub fn client(&self, alpn: &[u8]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !alpn.is_empty() {
            config.alpn_protocols = vec![alpn.to_vec()];
        }
        Arc::new(config)
    }
}

pub struct Running {
    /// Over TLS.
    pub address: SocketAddr,
    /// Without.
    pub plain: SocketAddr,
    pub shutdown: Shutdown,
    pub done: JoinHandle<anyhow::Result<()>>,
}

/// `router` at a door with TLS, beside an empty plain one.
pub async fn start(router: Router, edge: Edge, tls: Tls) -> Running {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addresses = (secure.local_addr().unwrap(), plain.local_addr().unwrap());
    let shutdown = Shutdown::default();
    let door = Server::new("secure", router, edge.clone())
        .at(secure)
        .with_tls(tls);
    let run = Server::new("test", Router::new(), edge).run_with(
        plain,
        vec![door],
        vec![],
        shutdown.clone(),
    );
    Running {
        address: addresses.0,
        plain: addresses.1,
        shutdown,
        done: tokio::spawn(run),
    }
}

/// A connection after its handshake.
pub async fn connect(
    address: SocketAddr,
    client: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(NAME).unwrap();
    TlsConnector::from(client).connect(name, stream).await
}

/// A connection that speaks HTTP/2.
pub async fn http2(
    address: SocketAddr,
    authority: &Authority,
) -> (SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = connect(address, authority.client(b"h2")).await.unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    (sender, tokio::spawn(connection))
}

/// `GET path`.
pub fn get(path: &str) -> http::request::Builder {
    http::Request::get(format!("https://{NAME}{path}"))
}
