//! A channel in this process, which does to notices whatever may happen to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::instances::notice::{Ear, Heard, Notice, Notices, SharedNotices};

/// The channel. Clones are the same one.
#[derive(Clone, Default)]
pub struct Hub(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    ears: BTreeMap<Uuid, mpsc::UnboundedSender<Heard>>,
    /// What is said to them is lost, and they do not know it.
    silent: BTreeSet<Uuid>,
    /// They are cut off and know it: nothing is said by them or to them.
    cut: BTreeSet<Uuid>,
    /// Whether notices are kept back, and those that are.
    keeps: bool,
    kept: Vec<(Uuid, Heard)>,
    said: Vec<Notice>,
}

impl Hub {
    /// The channel as an instance holds it.
    pub fn notices(&self) -> SharedNotices {
        Arc::new(self.clone())
    }

    /// Whatever is said to it from now on is lost.
    pub fn silence(&self, instance: Uuid) {
        self.0.lock().silent.insert(instance);
    }

    /// It cannot be reached, and knows it.
    pub fn cut(&self, instance: Uuid) {
        let mut state = self.0.lock();
        if state.cut.insert(instance) {
            state.whisper(instance, Heard::Lost("the test cut it off".to_owned()));
        }
    }

    /// It is reached as all others.
    pub fn mend(&self, instance: Uuid) {
        let mut state = self.0.lock();
        state.silent.remove(&instance);
        if state.cut.remove(&instance) {
            state.whisper(instance, Heard::Began);
        }
    }

    /// Keeps back what is said from now on.
    pub fn keep(&self) {
        self.0.lock().keeps = true;
    }

    /// Delivers what was kept back, the last first, and some of it twice.
    pub fn deliver(&self) {
        let mut state = self.0.lock();
        state.keeps = false;
        let kept = std::mem::take(&mut state.kept);
        for (n, (to, heard)) in kept.into_iter().enumerate().rev() {
            if n % 3 == 0 {
                state.whisper(to, heard.clone());
            }
            state.whisper(to, heard);
        }
    }

    /// Says something that nobody understands.
    pub fn babble(&self, to: Uuid) {
        self.0
            .lock()
            .whisper(to, Heard::read(b"{\"kind\":\"of a newer program\"}"));
    }

    /// All that was said.
    pub fn said(&self) -> Vec<Notice> {
        self.0.lock().said.clone()
    }
}

impl State {
    fn whisper(&self, to: Uuid, heard: Heard) {
        if let Some(ear) = self.ears.get(&to) {
            // an instance that has gone hears nothing
            let _ = ear.send(heard);
        }
    }
}

#[async_trait]
impl Notices for Hub {
    async fn tell(&self, notice: &Notice) -> anyhow::Result<()> {
        let mut state = self.0.lock();
        let (from, to) = match notice {
            Notice::Changed { from, .. } | Notice::Made { from, .. } => (*from, None),
            Notice::Confirmed { from, to, .. } => (*from, Some(*to)),
        };
        anyhow::ensure!(!state.cut.contains(&from), "the test cut it off");
        state.said.push(notice.clone());
        let everybody: Vec<Uuid> = state.ears.keys().copied().collect();
        for ear in everybody {
            let meant = to.is_none_or(|to| to == ear);
            if !meant || state.silent.contains(&ear) || state.cut.contains(&ear) {
                continue;
            }
            // over the wire and back
            let heard = Heard::read(notice.to_string().as_bytes());
            if state.keeps {
                state.kept.push((ear, heard));
            } else {
                state.whisper(ear, heard);
            }
        }
        Ok(())
    }

    fn listen(&self, instance: Uuid) -> Box<dyn Ear> {
        let (say, heard) = mpsc::unbounded_channel();
        let mut state = self.0.lock();
        let first = if state.cut.contains(&instance) {
            Heard::Lost("the test cut it off".to_owned())
        } else {
            Heard::Began
        };
        // the receiver is here
        let _ = say.send(first);
        state.ears.insert(instance, say);
        Box::new(HubEar(heard))
    }
}

struct HubEar(mpsc::UnboundedReceiver<Heard>);

#[async_trait]
impl Ear for HubEar {
    async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}
