//! Where posts are kept. One method is one business step: it is made whole or not at all, with its event, its audit entry
//! and, where asked for, its idempotency key; it is on disk when it returns.

mod changes;
mod keys;
#[cfg(feature = "mongodb")]
mod mongo;
mod sql;
mod storage;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use contracts::clients::{ExportRow, PageFilters};
use contracts::events::DeleteReason;
use contracts::{Audience, PostId, Role, UserId};
use kit::page::Cursor;

#[cfg(feature = "mongodb")]
pub use mongo::{Mongo, MongoStore};
pub use sql::SqlStore;
pub use storage::{Storage, open};

use crate::audience::Reader;
use crate::error::Error;
use crate::model::{Moderation, Post, Text};

/// A post that is to be published.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// The author.
    pub user_id: UserId,
    /// Their user name.
    pub username: String,
    /// Their first role.
    pub author_role: Role,
    /// Checked.
    pub title: String,
    /// Clean.
    pub content: String,
    /// In their one form.
    pub tags: Vec<String>,
    /// 1 to 20, which the author may write to.
    pub audience: Vec<Audience>,
}

/// A request that is carried out once however often it arrives.
#[derive(Clone, Debug)]
pub struct Once {
    /// What the caller named it.
    pub key: String,
    /// What it says, to notice a key used for something else.
    pub request: Vec<u8>,
}

/// Who does it, for the audit.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The person.
    pub user: UserId,
    /// Where the request came from, if known.
    pub from: Option<String>,
    /// The request.
    pub request_id: Option<String>,
}

/// A change of a post as it was read.
#[derive(Clone, Debug)]
pub struct Edit {
    /// Who changes it.
    pub actor: Actor,
    /// How it shall read.
    pub text: Text,
    /// Why, where it is another's post: this is written down.
    pub reason: Option<String>,
}

/// The end of a post as it was read.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Who removes it.
    pub actor: Actor,
    /// On what ground.
    pub ground: DeleteReason,
    /// Why, where it is another's post.
    pub reason: Option<String>,
}

/// Which posts a page shows.
#[derive(Clone, Debug)]
pub struct PageQuery {
    /// What is in reach.
    pub reader: Reader,
    /// Which of it is wanted.
    pub filters: PageFilters,
    /// Where it begins.
    pub start: Start,
    /// At most this many.
    pub limit: u32,
}

/// Where a page begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// Behind this post.
    After(Cursor),
    /// Behind this many posts.
    Skip(u32),
}

/// A page of posts, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posts {
    /// The posts.
    pub items: Vec<Post>,
    /// Whether there are more behind them.
    pub more: bool,
}

impl Posts {
    /// Where the next page goes on, if there is one.
    #[must_use]
    pub fn next(&self) -> Option<Cursor> {
        let last = self.items.last().filter(|_| self.more)?;
        Some(Cursor {
            at: last.published_at,
            id: last.id.0.to_vec(),
        })
    }
}

/// A part of the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Published posts, newest first.
    Published,
    /// Tombstones, newest first.
    Deleted,
    /// Everything by id.
    ById,
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync {
    /// Publishes a post. Its time is above that of every post there is. A repeated request answers the post as it stands.
    ///
    /// # Errors
    /// 422 `idempotency_mismatch`; [`Error::NotFound`] where a repeated request finds its post deleted.
    async fn publish(&self, new: NewPost, once: Option<Once>) -> Result<Post, Error>;

    /// One published post if it is in the reader's reach; `None` for the reader: whatever its audience.
    async fn find(&self, id: PostId, reader: Option<&Reader>) -> Result<Option<Post>, Error>;

    /// A page of published posts in the reader's reach, newest first.
    async fn page(&self, query: &PageQuery) -> Result<Posts, Error>;

    /// Changes a post that still is as it was read; the earlier text stays as a revision. `None`: somebody else was first.
    async fn edit(&self, read: &Post, edit: Edit) -> Result<Option<Post>, Error>;

    /// Ends a post that still is as it was read. `false`: somebody else was first.
    async fn remove(&self, read: &Post, removal: Removal) -> Result<bool, Error>;

    /// Up to `limit` rows of the export, behind a place, with the place behind them; no rows: the end.
    async fn export(
        &self,
        part: Part,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<(ExportRow, Cursor)>, Error>;

    /// The place of a post among the published ones, also of one that is deleted since.
    async fn place(&self, id: PostId) -> Result<Option<Cursor>, Error>;

    /// Takes the name of an author whose account is gone off up to `limit` of their posts; says how many it were.
    async fn forget_author(&self, user: UserId, limit: u32) -> Result<u32, Error>;

    /// Drops deleted texts that were kept until now, which the audit says; answers how many it were.
    async fn drop_texts(&self, now: DateTime<Utc>) -> Result<u64, Error>;

    /// Whether the store answers.
    async fn check(&self) -> Result<(), Error>;
}

impl Edit {
    /// What the post says about an edit by somebody else than its author.
    #[must_use]
    pub fn moderation(&self, at: DateTime<Utc>) -> Option<Moderation> {
        self.reason.clone().map(|reason| Moderation {
            by: self.actor.user,
            reason,
            at,
        })
    }
}
