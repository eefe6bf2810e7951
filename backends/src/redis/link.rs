//! The connection all calls share.
//!
//! Not the client's own manager: that one keeps an answer like "wrong password" for ever, and one connection until the
//! system gives it up, which may take minutes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::redis::{
    AsyncConnectionConfig, Client, RedisError, RedisResult,
    aio::{MultiplexedConnection, PubSub},
};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::{Error, address::Address};

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(2);
/// An attempt that failed is not repeated sooner: whoever asks meanwhile is told the same.
const PAUSE: Duration = Duration::from_millis(100);

/// One server, and the connection to it, if there is one.
pub(super) struct Link {
    pub(super) address: Arc<Address>,
    client: Client,
    state: Mutex<State>,
    /// Held by whoever connects.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    open: Option<MultiplexedConnection>,
    /// Counts the connections, so that one that broke is given up once.
    number: u64,
    failed: Option<(Instant, RedisError)>,
}

impl Link {
    pub(super) fn new(address: Arc<Address>) -> Result<Arc<Link>, Error> {
        let client =
            Client::open(address.info.clone()).map_err(|error| Error::of(&address, &error))?;
        Ok(Arc::new(Link {
            address,
            client,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }))
    }

    /// Does something with the connection, within this time.
    pub(super) async fn call<T>(
        self: &Arc<Self>,
        patience: Duration,
        work: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Error> {
        let mut used = None;
        let working = async {
            let (number, connection) = self.connection().await?;
            used = Some(number);
            work(connection).await
        };
        match timeout(patience, working).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() || error.is_timeout() {
                    self.give_up(used);
                }
                Err(Error::of(&self.address, &error))
            }
            Err(_) => {
                // perhaps nobody is at the other end; those who still wait on it go on waiting
                self.give_up(used);
                Err(Error::slow(&self.address))
            }
        }
    }

    /// A connection that only listens.
    pub(super) async fn listener(&self) -> Result<PubSub, Error> {
        match timeout(CONNECTING, self.client.get_async_pubsub()).await {
            Ok(Ok(listener)) => Ok(listener),
            Ok(Err(error)) => Err(Error::of(&self.address, &error)),
            Err(_) => Err(Error::slow(&self.address)),
        }
    }

    async fn connection(self: &Arc<Self>) -> RedisResult<(u64, MultiplexedConnection)> {
        if let Some(open) = self.state.lock().open() {
            return Ok(open);
        }
        let link = self.clone();
        // in a task of its own: one with little patience would else end the attempt for everybody
        match tokio::spawn(async move { link.connect().await }).await {
            Ok(connected) => connected,
            Err(error) => Err(std::io::Error::other(error).into()),
        }
    }

    async fn connect(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let _turn = self.turn.lock().await;
        {
            let state = self.state.lock();
            if let Some(open) = state.open() {
                return Ok(open);
            }
            if let Some((at, error)) = &state.failed
                && at.elapsed() < PAUSE
            {
                return Err(error.clone());
            }
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(None);
        let connected = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await;
        let mut state = self.state.lock();
        match connected {
            Ok(connection) => {
                state.number += 1;
                state.failed = None;
                state.open = Some(connection.clone());
                Ok((state.number, connection))
            }
            Err(error) => {
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn give_up(&self, used: Option<u64>) {
        let mut state = self.state.lock();
        if used == Some(state.number) {
            state.open = None;
        }
    }
}

impl State {
    fn open(&self) -> Option<(u64, MultiplexedConnection)> {
        self.open
            .as_ref()
            .map(|connection| (self.number, connection.clone()))
    }
}
