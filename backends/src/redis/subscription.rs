//! Listening to channels. What is said while nobody listens is lost, so a listener is told when that may have happened.

use std::{sync::Arc, time::Duration};

use ::redis::{
    Msg, Value,
    aio::{PubSubSink, PubSubStream},
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Error, link::Link};
use crate::backoff::Backoff;

/// How often a silent connection is asked whether it is still one, and how long the answer may take.
const PING: Duration = Duration::from_secs(1);
/// How many messages wait for a slow listener; beyond, it is told that it missed some.
const WAITING: usize = 1024;

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Heard {
    /// It is listening now. Whatever was said before, it may have missed.
    Began,
    /// It is not listening any more, or cannot begin to; it goes on trying. Told once until it has begun.
    Lost(Error),
    /// Somebody said something.
    Message {
        /// The channel, without the prefix.
        channel: String,
        /// What was said.
        payload: Bytes,
    },
}

/// One listener.
#[derive(Debug)]
pub struct Subscription {
    heard: mpsc::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl Subscription {
    pub(super) fn start(link: Arc<Link>, prefix: usize, channels: Vec<String>) -> Subscription {
        let (say, heard) = mpsc::channel(WAITING);
        let ear = Ear {
            link,
            prefix,
            channels,
            say,
        };
        Subscription {
            heard,
            task: tokio::spawn(ear.run()),
        }
    }

    /// What is heard next; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            // its task ends only with the runtime
            None => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Ear {
    link: Arc<Link>,
    prefix: usize,
    channels: Vec<String>,
    say: mpsc::Sender<Heard>,
}

impl Ear {
    async fn run(self) {
        let mut backoff = Backoff::of_the_bus();
        let mut told = false;
        loop {
            let error = match self.begin().await {
                Ok((sink, stream)) => {
                    backoff.reset();
                    told = false;
                    if self.say.send(Heard::Began).await.is_err() {
                        return;
                    }
                    self.listen(sink, stream).await
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut told, true)
                && self.say.send(Heard::Lost(error)).await.is_err()
            {
                return;
            }
            sleep(backoff.next()).await;
        }
    }

    async fn begin(&self) -> Result<(PubSubSink, PubSubStream), Error> {
        let (mut sink, stream) = self.link.listener().await?.split();
        match timeout(PING, sink.subscribe(&self.channels)).await {
            Ok(Ok(())) => Ok((sink, stream)),
            Ok(Err(error)) => Err(Error::of(&self.link.address, &error)),
            Err(_) => Err(Error::slow(&self.link.address)),
        }
    }

    /// Hands on what is said until the connection is none any more.
    async fn listen(&self, mut sink: PubSubSink, mut stream: PubSubStream) -> Error {
        let mut asked = Instant::now();
        loop {
            tokio::select! {
                message = stream.next() => {
                    let Some(message) = message else {
                        return Error::unavailable(&self.link.address, "the connection has ended");
                    };
                    if self.say.try_send(self.heard(&message)).is_err() {
                        return Error::unavailable(&self.link.address, "more was said than could be taken in");
                    }
                }
                () = sleep_until(asked + PING) => {
                    // a connection whose other end has gone says nothing for ever
                    match timeout(PING, sink.ping::<Value>()).await {
                        Ok(Ok(_)) => asked = Instant::now(),
                        Ok(Err(error)) => return Error::of(&self.link.address, &error),
                        Err(_) => return Error::slow(&self.link.address),
                    }
                }
            }
        }
    }

    fn heard(&self, message: &Msg) -> Heard {
        let channel = message.get_channel_name();
        Heard::Message {
            channel: channel.get(self.prefix..).unwrap_or(channel).to_owned(),
            payload: Bytes::copy_from_slice(message.get_payload_bytes()),
        }
    }
}
