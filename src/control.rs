//! The control socket: how a command reaches the server that holds the data. A Unix socket in the data directory, mode
//! 0600, so that whoever may open the folder may give orders, and nobody else.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use axum::Router;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use kit::problem::Problem;
use kit::service::Worker;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// The socket's name in the data directory.
pub const NAME: &str = "control.sock";

/// Answers orders on the socket until told to stop. The caller holds the data directory's lock, so a socket that is
/// already there was left by a process that is gone.
///
/// # Errors
/// When the socket cannot be made.
pub fn worker(path: PathBuf, orders: Router) -> anyhow::Result<Worker> {
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).context("the old control socket cannot be removed");
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("the control socket {} cannot be made", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Worker::new(
        "control",
        move |stop: CancellationToken| async move {
            serve(&listener, &orders, &stop).await;
            let _ = std::fs::remove_file(&path);
            Ok(())
        },
    ))
}

async fn serve(listener: &UnixListener, orders: &Router, stop: &CancellationToken) {
    loop {
        let connection = tokio::select! {
            () = stop.cancelled() => return,
            connection = listener.accept() => connection,
        };
        let Ok((socket, _)) = connection else {
            continue;
        };
        let service = TowerToHyperService::new(orders.clone());
        let stop = stop.clone();
        tokio::spawn(async move {
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            tokio::select! {
                () = stop.cancelled() => {}
                _ = serving => {}
            }
        });
    }
}

/// A running server's control socket, if one answers.
pub struct Control(hyper::client::conn::http1::SendRequest<Full<Bytes>>);

impl Control {
    /// Connects to the server that holds this data directory; `None` when none runs.
    ///
    /// # Errors
    /// When there is one and this user may not give it orders.
    pub async fn connect(data: &Path) -> anyhow::Result<Option<Self>> {
        let path = data.join(NAME);
        let socket = match UnixStream::connect(&path).await {
            Ok(socket) => socket,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                ) =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("the control socket {} cannot be opened", path.display())
                });
            }
        };
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Some(Self(sender)))
    }

    /// Gives one order.
    ///
    /// # Errors
    /// What the server refused, in its words, or that it went away.
    pub async fn order<A: DeserializeOwned>(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<A> {
        let request = Request::post(path)
            .header(http::header::HOST, "control")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(serde_json::to_vec(body)?)))?;
        let answer = self
            .0
            .send_request(request)
            .await
            .context("the server went away before it answered")?;
        let (parts, body) = answer.into_parts();
        let bytes = body
            .collect()
            .await
            .context("the server went away before it answered")?
            .to_bytes();
        if parts.status != StatusCode::OK {
            return Err(Problem::from_wire(parts.status, &parts.headers, &bytes).into());
        }
        Ok(serde_json::from_slice(&bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;

    #[tokio::test]
    async fn an_order_reaches_the_running_server_and_only_its_owner_may_give_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let orders = Router::new()
            .route(
                "/double",
                post(|kit::Json(n): kit::Json<i64>| async move { kit::Json(n * 2) }),
            )
            .route(
                "/refuse",
                post(|| async { Problem::conflict("taken", "already there") }),
            );
        let stop = CancellationToken::new();
        let running = tokio::spawn(worker(path.clone(), orders).unwrap().run(stop.clone()));

        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let mut control = Control::connect(folder.path())
            .await
            .unwrap()
            .expect("a server runs");
        assert_eq!(control.order::<i64>("/double", &21).await.unwrap(), 42);
        let refused = control
            .order::<i64>("/refuse", &1)
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("already there"), "{refused}");

        stop.cancel();
        running.await.unwrap().unwrap();
        assert!(Control::connect(folder.path()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_socket_left_by_a_killed_server_is_no_server() {
        let folder = tempfile::tempdir().unwrap();
        drop(std::os::unix::net::UnixListener::bind(folder.path().join(NAME)).unwrap());
        assert!(Control::connect(folder.path()).await.unwrap().is_none());
    }
}
