//! A server's life: listen, serve, drain, stop.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Phase, Protocols};
use super::door::Door;
use super::edge::{Server, said};
use super::patient::Patient;
use super::tls::Tls;
use crate::metrics::Metrics;
use crate::service::Worker;
use crate::shutdown::Shutdown;

/// Time that those who announced this server have to take the announcement back.
const LEAVE: Duration = Duration::from_secs(3);
/// How often histograms are folded.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long to wait when the operating system has no file or memory for one more connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

impl Server {
    /// Serves connections and runs the workers until it is told to stop: softly, it is no longer ready, stops the workers
    /// that announce it, waits `limits.shutdown_delay` until those who heard of it have noticed, takes no more connections,
    /// finishes the requests that run, but for event streams, which it ends, then stops the other workers; after
    /// `limits.shutdown_grace` or a hard stop it waits no longer.
    ///
    /// A `CancellationToken` alone is a soft stop; the pair of [`on_signals`](crate::shutdown::on_signals) is both.
    ///
    /// # Errors
    /// When a worker failed or panicked (the server then stops as if it had been told to), and when not everything was
    /// finished at the hard stop.
    pub async fn run(
        self,
        listener: TcpListener,
        workers: Vec<Worker>,
        shutdown: impl Into<Shutdown>,
    ) -> anyhow::Result<()> {
        self.run_with(listener, Vec::new(), workers, shutdown).await
    }

    /// As [`run`](Self::run), with further doors, which open and close together with the first.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with(
        self,
        listener: TcpListener,
        mut doors: Vec<Door>,
        workers: Vec<Worker>,
        shutdown: impl Into<Shutdown>,
    ) -> anyhow::Result<()> {
        let shutdown = shutdown.into();
        let limits = self.inner.edge.limits.clone();
        let (phase, phases) = watch::channel(Phase::Open);
        let connections = TaskTracker::new();
        let stop_workers = CancellationToken::new();
        let stop_announcing = CancellationToken::new();
        let (announcing, workers): (Vec<_>, Vec<_>) =
            workers.into_iter().partition(Worker::is_announcing);
        let mut running = start(workers, &stop_workers);
        let mut announcing = start(announcing, &stop_announcing);
        let upkeep = tokio::spawn(upkeep(
            self.inner.edge.metrics.clone(),
            stop_workers.clone(),
        ));

        doors.push(self.clone().at(listener));
        let servers: Vec<Server> = doors.iter().map(|door| door.server.clone()).collect();
        let mut accepting = JoinSet::new();
        for door in doors {
            accepting.spawn(accept(door, connections.clone(), phases.clone()));
        }

        let mut outcome = Ok(());
        tokio::select! {
            () = shutdown.soft.cancelled() => {}
            () = shutdown.hard.cancelled() => {}
            error = first_failure(&mut running) => outcome = Err(error),
            error = first_failure(&mut announcing) => outcome = Err(error),
        }
        for server in &servers {
            server.inner.draining.store(true, Ordering::Relaxed);
        }
        stop_announcing.cancel();
        tokio::select! {
            () = ended(&mut announcing) => {}
            () = shutdown.hard.cancelled() => {}
        }
        if outcome.is_ok() && !limits.shutdown_delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(limits.shutdown_delay) => {}
                () = shutdown.hard.cancelled() => {}
            }
        }
        // they have dropped their listeners when this returns
        accepting.shutdown().await;
        phase.send_replace(Phase::Draining);
        for server in &servers {
            server.inner.finishing.cancel();
        }
        connections.close();
        let finish = async {
            connections.wait().await;
            stop_workers.cancel();
            let mut outcome = Ok(());
            while let Some(ended) = running.join_next().await {
                if let Err(error) = flatten(ended) {
                    outcome = Err(error);
                }
            }
            outcome
        };
        let finished = tokio::select! {
            finished = tokio::time::timeout(limits.shutdown_grace, finish) => finished.ok(),
            () = shutdown.hard.cancelled() => None,
        };
        phase.send_replace(Phase::Cut);
        stop_workers.cancel();
        upkeep.abort();
        match finished {
            Some(finished) => outcome.and(finished),
            None => {
                running.abort_all();
                outcome.and_then(|()| anyhow::bail!("stopped before everything was finished"))
            }
        }
    }
}

fn start(workers: Vec<Worker>, stop: &CancellationToken) -> JoinSet<anyhow::Result<()>> {
    let mut running = JoinSet::new();
    for worker in workers {
        let name = worker.name().to_owned();
        let work = AssertUnwindSafe(worker.run(stop.clone())).catch_unwind();
        running.spawn(async move {
            match work.await {
                Ok(done) => done,
                Err(panic) => Err(anyhow!("panic: {}", said(&*panic))),
            }
            .with_context(|| format!("worker `{name}` failed"))
        });
    }
    running
}

/// Waits until a worker fails; one that has nothing left to do is no failure.
async fn first_failure(running: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    while let Some(ended) = running.join_next().await {
        if let Err(error) = flatten(ended) {
            return error;
        }
    }
    std::future::pending().await
}

/// Waits until those who announced the server have taken that back. Their failure changes nothing anymore: it stops.
async fn ended(announcing: &mut JoinSet<anyhow::Result<()>>) {
    let all = async {
        while let Some(ended) = announcing.join_next().await {
            let _ = flatten(ended);
        }
    };
    if tokio::time::timeout(LEAVE, all).await.is_err() {
        tracing::warn!("stopping without having taken back the announcement: that took too long");
    }
}

fn flatten(ended: Result<anyhow::Result<()>, JoinError>) -> anyhow::Result<()> {
    let done = ended.context("a worker was cut off").and_then(|done| done);
    if let Err(error) = &done {
        tracing::error!(cause = format!("{error:#}"), "worker failed");
    }
    done
}

async fn accept(door: Door, connections: TaskTracker, phases: watch::Receiver<Phase>) {
    let Door {
        server,
        listener,
        tls,
    } = door;
    let limits = &server.inner.edge.limits;
    let (protocols, patience) = (Protocols::new(limits), limits.write_time);
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // small answers must not wait for the acknowledgement of the one before
                let _ = stream.set_nodelay(true);
                let stream = Patient::new(stream, patience);
                let (server, protocols) = (server.clone(), protocols.clone());
                let phase = phases.clone();
                match tls.as_ref().map(Tls::acceptor) {
                    None => {
                        connections.spawn(connection::serve(server, protocols, stream, from, phase))
                    }
                    Some(tls) => connections.spawn(connection::serve_tls(
                        server, protocols, tls, stream, from, phase,
                    )),
                };
            }
            // the client was gone before it was served
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(error = %error, "no connection can be accepted at the moment");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionRefused | ConnectionAborted | ConnectionReset
    )
}

async fn upkeep(metrics: Metrics, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        metrics.upkeep();
    }
}
