//! One connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{Request, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::crumbs;
use super::edge::{Limits, Server};
use super::patient::Patient;
use super::preface::Prefaced;
use super::tls::HTTP2;

/// How a server's connections are to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Serve.
    Open,
    /// Finish the request that runs, take no other.
    Draining,
    /// End now.
    Cut,
}

/// How connections are spoken to, made once for each door.
#[derive(Clone)]
pub(super) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    limits: Limits,
}

impl Protocols {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_time)
            .max_buf_size(limits.headers.max(8 * 1024));
        // hyper's own bounds of resets (rapid reset) and of frames that continue headers are kept
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.headers).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.streams)
            .keep_alive_interval(limits.ping_interval)
            .keep_alive_timeout(limits.ping_time);
        Self {
            http1,
            http2,
            limits: limits.clone(),
        }
    }
}

/// Serves a connection without TLS.
pub(super) async fn serve(
    server: Server,
    protocols: Protocols,
    stream: Patient<TcpStream>,
    from: SocketAddr,
    phase: watch::Receiver<Phase>,
) {
    serve_http1(server, &protocols, stream, from, phase).await;
}

/// Serves a connection that has to begin with a handshake.
pub(super) async fn serve_tls(
    server: Server,
    protocols: Protocols,
    tls: TlsAcceptor,
    stream: Patient<TcpStream>,
    from: SocketAddr,
    mut phase: watch::Receiver<Phase>,
) {
    let Some(stream) = handshake(tls, stream, &protocols.limits, &mut phase).await else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
        return serve_http1(server, &protocols, stream, from, phase).await;
    }
    let stream = Prefaced::new(stream, protocols.limits.header_time);
    let answer = service_fn(move |req| answer(server.clone(), from, req));
    let connection = protocols
        .http2
        .serve_connection(TokioIo::new(stream), answer);
    drive(connection, http2::Connection::graceful_shutdown, phase).await;
}

/// `None` when it failed, took too long, or the server stops meanwhile: nothing was asked yet.
async fn handshake(
    tls: TlsAcceptor,
    stream: Patient<TcpStream>,
    limits: &Limits,
    phase: &mut watch::Receiver<Phase>,
) -> Option<TlsStream<Patient<TcpStream>>> {
    let greeted = tokio::select! {
        greeted = tokio::time::timeout(limits.header_time, tls.accept(stream)) => greeted,
        _ = phase.wait_for(|phase| *phase != Phase::Open) => return None,
    };
    match greeted {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(target: "connection", error = %error, "no TLS connection was made");
            None
        }
        Err(_elapsed) => None,
    }
}

async fn serve_http1<S>(
    server: Server,
    protocols: &Protocols,
    stream: S,
    from: SocketAddr,
    phase: watch::Receiver<Phase>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |req| answer(server.clone(), from, req));
    let connection = protocols
        .http1
        .serve_connection(TokioIo::new(stream), answer)
        .with_upgrades();
    drive(
        connection,
        http1::UpgradeableConnection::graceful_shutdown,
        phase,
    )
    .await;
}

async fn answer(
    server: Server,
    from: SocketAddr,
    req: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut req = req.map(|body| {
        if body.is_end_stream() {
            Body::empty()
        } else {
            Body::new(body)
        }
    });
    if req.version() == Version::HTTP_2 {
        crumbs::join(req.headers_mut());
    }
    req.extensions_mut().insert(ConnectInfo(from));
    Ok(server.call(req).await)
}

/// Lets the connection go on to its end, or to that of the server.
async fn drive<C>(connection: C, finish: impl Fn(Pin<&mut C>), mut phase: watch::Receiver<Phase>)
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(target: "connection", error = %error, "connection ended early");
                }
                return;
            }
            changed = phase.changed() => match *phase.borrow_and_update() {
                Phase::Draining if changed.is_ok() => finish(connection.as_mut()),
                Phase::Open if changed.is_ok() => {}
                _ => return,
            },
        }
    }
}
