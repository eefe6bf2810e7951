//! What the command line may do with the activity stream.

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use feed::{Inspector, Rebuilds, Report, Verdict};
use kit::Json;
use kit::problem::Problem;

use crate::commands::feed::{Progress, Rebuild, Verify};

/// The stream of the feed that runs in this process.
#[derive(Clone)]
pub struct Stream {
    rebuilds: Rebuilds,
    inspector: Inspector,
}

impl Stream {
    pub(super) fn new(rebuilds: Rebuilds, inspector: Inspector) -> Self {
        Self {
            rebuilds,
            inspector,
        }
    }

    /// Starts a rebuild; answers its job.
    ///
    /// # Errors
    /// 409 `rebuild_running`.
    pub fn rebuild(&self) -> Result<String, Problem> {
        self.rebuilds.start()
    }

    /// How the rebuild goes that is going on, or how the last one went.
    #[must_use]
    pub fn report(&self) -> Report {
        self.rebuilds.report()
    }

    /// Waits for the end of a rebuild; `None` when another one was begun after it.
    pub async fn rebuilt(&self, job: &str) -> Option<Report> {
        self.rebuilds.ended(job).await
    }

    /// Compares the stream with the posts.
    ///
    /// # Errors
    /// 409 `verify_running`; 503 where something that is needed does not answer.
    pub async fn verify(&self) -> Result<Verdict, Problem> {
        self.inspector.verify().await
    }

    /// The orders of the control socket.
    pub(super) fn orders(&self) -> Router {
        Router::new()
            .route(Rebuild::PATH, post(rebuild))
            .route(Progress::PATH, post(progress))
            .route(Verify::PATH, post(verify))
            .with_state(self.clone())
    }
}

async fn rebuild(
    State(stream): State<Stream>,
    Json(Rebuild {}): Json<Rebuild>,
) -> Result<Json<Report>, Problem> {
    stream.rebuild()?;
    Ok(Json(stream.report()))
}

async fn progress(
    State(stream): State<Stream>,
    Json(Progress {}): Json<Progress>,
) -> Result<Json<Report>, Problem> {
    Ok(Json(stream.report()))
}

async fn verify(
    State(stream): State<Stream>,
    Json(Verify {}): Json<Verify>,
) -> Result<Json<Verdict>, Problem> {
    stream.verify().await.map(Json)
}
