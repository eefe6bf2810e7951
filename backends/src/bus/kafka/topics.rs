//! Makes the topics and keeps trying: a broker that is away, or that refuses, stops nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::sleep;

use super::{
    super::{BusError, TopicPolicy},
    admin::Admin,
    broker::{Broker, End},
    link::Link,
    policy::{Wanted, wanted},
};
use crate::backoff::Backoff;

/// How long the first attempt may hold up whoever starts.
const FIRST: Duration = Duration::from_secs(3);
/// How long a new topic may take until the broker tells of it.
const APPEARS: Duration = Duration::from_secs(3);

/// The topics that this process reads or writes.
pub(super) struct Topics {
    broker: Broker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wanted: BTreeMap<String, Wanted>,
    /// Those that were seen to be there.
    made: BTreeSet<String>,
    /// Topics of others that were seen.
    seen: BTreeSet<String>,
    /// Whether somebody is trying, and why it does not work.
    trying: bool,
    failing: Option<String>,
}

impl Topics {
    pub(super) fn new(broker: Broker) -> Arc<Topics> {
        Arc::new(Topics {
            broker,
            state: Mutex::default(),
        })
    }

    /// Makes the topics, or notes that they are to be made as soon as that is possible.
    pub(super) async fn ensure(self: &Arc<Self>, policies: &[TopicPolicy]) {
        {
            let mut state = self.state.lock();
            for policy in policies {
                for one in wanted(policy, &self.broker.link.settings) {
                    state.made.remove(&one.topic);
                    state.wanted.insert(one.topic.clone(), one);
                }
            }
            if state.trying {
                return;
            }
        }
        match tokio::time::timeout(FIRST, self.make()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.keep_trying(&Link::reason(&error)),
            Err(_) => self.keep_trying("no answer within 3 s"),
        }
    }

    /// Nothing where the topic can be written to and read.
    pub(super) async fn known(&self, topic: &str) -> Result<(), BusError> {
        {
            let state = self.state.lock();
            if state.made.contains(topic) || state.seen.contains(topic) {
                return Ok(());
            }
        }
        if self.broker.partitions(topic).await?.is_some() {
            self.state.lock().seen.insert(topic.to_owned());
            return Ok(());
        }
        Err(self.missing(topic))
    }

    /// What to say of a topic that is not there: soon, or never.
    pub(super) fn missing(&self, topic: &str) -> BusError {
        let state = self.state.lock();
        if !state.wanted.contains_key(topic) {
            return BusError::UnknownTopic(topic.to_owned());
        }
        let why = state.failing.as_deref().unwrap_or("it is being made");
        self.broker
            .link
            .not_yet(format!("topic `{topic}` is not there yet: {why}"))
    }

    /// Whether the topic was there and is gone: somebody removed it, or the broker lost its data. It is made again then.
    pub(super) async fn is_lost(self: &Arc<Self>, topic: &str) -> bool {
        if !self.broker.misses(topic).await {
            return false;
        }
        let wanted = {
            let mut state = self.state.lock();
            state.seen.remove(topic);
            state.made.remove(topic);
            state.wanted.contains_key(topic)
        };
        if wanted {
            self.keep_trying(&format!("topic `{topic}` is gone"));
        }
        true
    }

    /// Nothing where every topic is there.
    pub(super) fn check(&self) -> Result<(), BusError> {
        match &self.state.lock().failing {
            Some(why) => Err(self
                .broker
                .link
                .not_yet(format!("the topics cannot be made: {why}"))),
            None => Ok(()),
        }
    }

    /// One of the topics, for questions that need a name.
    pub(super) fn any(&self) -> Option<String> {
        let state = self.state.lock();
        state.made.first().map(|topic| self.broker.name(topic))
    }

    fn keep_trying(self: &Arc<Self>, why: &str) {
        let mut state = self.state.lock();
        state.failing = Some(why.to_owned());
        if std::mem::replace(&mut state.trying, true) {
            return;
        }
        tracing::warn!(%why, "the topics cannot be made yet; they are made as soon as the broker allows");
        tokio::spawn(until_made(Arc::downgrade(self)));
    }

    /// Makes what is wanted and not made yet.
    async fn make(&self) -> Result<(), BusError> {
        let due: Vec<Wanted> = {
            let state = self.state.lock();
            let due = |one: &&Wanted| !state.made.contains(&one.topic);
            state.wanted.values().filter(due).cloned().collect()
        };
        let (mut missing, mut there) = (Vec::new(), Vec::new());
        for one in due {
            match self.broker.partitions(&one.topic).await? {
                None => missing.push(one),
                Some(partitions) => there.push((one, partitions)),
            }
        }
        let admin = Admin::open(&self.broker)?;
        if !there.is_empty() {
            admin.adjust(&there).await;
        }
        if !missing.is_empty() {
            admin.create(&missing).await?;
            for one in &missing {
                self.appears(&one.topic).await?;
            }
        }
        let mut state = self.state.lock();
        let there = there.into_iter().map(|(one, _)| one);
        for one in missing.into_iter().chain(there) {
            // another policy may have come meanwhile
            if state.wanted.get(&one.topic) == Some(&one) {
                state.made.insert(one.topic);
            }
        }
        Ok(())
    }

    /// A topic is made by one broker and known to the others a moment later.
    async fn appears(&self, topic: &str) -> Result<(), BusError> {
        let waiting = async {
            // asked for an end, since a partition is known before it can be read
            while let Err(BusError::UnknownTopic(_)) = self.broker.ends(&[topic], End::Last).await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(APPEARS, waiting).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self
                .broker
                .link
                .not_yet(format!("topic `{topic}` was made and is not seen"))),
        }
    }

    fn is_done(&self) -> bool {
        let mut state = self.state.lock();
        let done = state.wanted.keys().all(|topic| state.made.contains(topic));
        if done {
            (state.trying, state.failing) = (false, None);
        }
        done
    }
}

/// Tries until everything is there, or nobody wants it any more.
async fn until_made(topics: Weak<Topics>) {
    let mut backoff = Backoff::new();
    loop {
        sleep(backoff.next()).await;
        let Some(topics) = topics.upgrade() else {
            return;
        };
        match topics.make().await {
            Ok(()) => {
                if topics.is_done() {
                    tracing::info!("the topics are there");
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the topics cannot be made yet");
                topics.state.lock().failing = Some(Link::reason(&error));
            }
        }
    }
}
