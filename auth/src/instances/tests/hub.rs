//! A channel in this process, which does to notices whatever may happen to them, and the second place for leases.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::instances::{
    notice::{Ear, Heard, Notice, Notices},
    standby::{Life, Standby},
    trust::LEASE,
};

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
    place: Option<Place>,
    lives: u128,
    renewals: BTreeMap<Uuid, usize>,
}

/// The second place, in one of its lives.
struct Place {
    life: Life,
    began: DateTime<Utc>,
    number: i64,
    until: BTreeMap<Uuid, DateTime<Utc>>,
}

impl Hub {
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

    /// Whether anybody cannot be reached, and knows it.
    pub fn is_cut(&self) -> bool {
        !self.0.lock().cut.is_empty()
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

    /// The second place loses what it holds, and nobody is told.
    pub fn flush(&self) {
        let mut state = self.0.lock();
        state.place = None;
        state.lives += 1;
    }

    /// How often its lease was renewed in the store.
    pub fn renewals(&self, instance: Uuid) -> usize {
        self.0.lock().renewals.get(&instance).copied().unwrap_or(0)
    }

    /// How often something of a kind was said.
    pub fn how_often(&self, kind: fn(&Notice) -> bool) -> usize {
        let state = self.0.lock();
        state.said.iter().filter(|notice| kind(notice)).count()
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

    fn place(&mut self, me: Uuid, number: i64, now: DateTime<Utc>) -> anyhow::Result<&mut Place> {
        anyhow::ensure!(!self.cut.contains(&me), "the test cut it off");
        let place = self.place.get_or_insert_with(|| Place {
            life: Life(Uuid::from_u128(self.lives)),
            began: now,
            number,
            until: BTreeMap::new(),
        });
        place.number = place.number.max(number);
        Ok(place)
    }
}

#[async_trait]
impl Standby for Hub {
    async fn renewed_in_store(
        &self,
        me: Uuid,
        number: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Life> {
        let mut state = self.0.lock();
        *state.renewals.entry(me).or_default() += 1;
        let place = state.place(me, number, now)?;
        place.until.remove(&me);
        Ok(place.life)
    }

    async fn renew(
        &self,
        me: Uuid,
        life: Life,
        until: DateTime<Utc>,
    ) -> anyhow::Result<Option<i64>> {
        let mut state = self.0.lock();
        anyhow::ensure!(!state.cut.contains(&me), "the test cut it off");
        let Some(place) = state.place.as_mut().filter(|place| place.life == life) else {
            return Ok(None);
        };
        place.until.insert(me, until);
        Ok(Some(place.number))
    }

    async fn changed(
        &self,
        me: Uuid,
        number: i64,
        now: DateTime<Utc>,
    ) -> anyhow::Result<Option<HashSet<Uuid>>> {
        let mut state = self.0.lock();
        let place = state.place(me, number, now)?;
        let others = place
            .until
            .iter()
            .filter(|(id, until)| **id != me && **until > now);
        let others = others.map(|(id, _)| *id).collect();
        Ok((now - place.began >= TimeDelta::from_std(LEASE)?).then_some(others))
    }

    async fn forget(&self) -> anyhow::Result<()> {
        self.flush();
        Ok(())
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
