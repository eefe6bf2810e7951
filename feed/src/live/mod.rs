//! The live stream (spec/feed.md section 5.3): what changes for a reader, as it happens, resumable.
//!
//! There is one change log per stream that is shown and no queue per reader: a reader is a place in the log. A reader sees
//! of a change what it is to their audiences of this moment ([`log`]), each item cut as on a page; the store tells it in
//! order ([`Heard`]), the connection waits, asks for rights and writes ([`reader`]), the hub seats and unseats ([`hub`]).

mod frame;
pub(crate) mod hub;
mod log;
mod place;
mod reader;
pub(crate) mod signals;

use contracts::{Audience, PostId, UserId};

use crate::change::Rights;

pub use log::Op;
pub(crate) use log::{ItemTold, Log, Shown, Told, meets};
pub use place::{NoPlace, Place};
pub(crate) use reader::{Live, Since, open};

/// A live reader as the store needs to know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Who.
    pub user: UserId,
    /// What they read.
    pub audiences: Vec<Audience>,
    /// The last change they were told of, or that was none of theirs.
    pub place: Place,
    /// The last change of their own rights that is in `audiences`.
    pub rights_seen: u64,
}

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tuned {
    /// Nowhere yet: there is no stream.
    Cold,
    /// Here.
    At {
        /// The place.
        place: Place,
        /// The end of the log, up to which `rights` are known.
        end: u64,
        /// Whether it is the place that was asked for, with nothing lost since; else the log goes on from its end.
        resumed: bool,
        /// What account events say the reader may.
        rights: Option<Rights>,
    },
}

/// What a reader hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// There is no stream.
    Cold,
    /// The place is of another stream, or further back than the log.
    Reset,
    /// Before anything else: the reader may something else since this change.
    Rights(u64, Rights),
    /// What happened, in order, and the place after it.
    News(Vec<Event>, Place),
}

/// What a change of a reader's audiences does to what they have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turned {
    /// They may read what they do not have: the stream is to be read again.
    Reset,
    /// They have these, which are not theirs any longer.
    Lost(Vec<PostId>),
}

/// A change, as one reader is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// What it is to the reader.
    pub op: Op,
    /// The item.
    pub id: PostId,
    /// The item as the reader sees it, JSON; empty where it went.
    pub item: Vec<u8>,
}
