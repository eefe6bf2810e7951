//! The relational store: one SQL text for SQLite and PostgreSQL.

mod edit;
mod export;
mod page;
mod publish;
mod rows;
mod upkeep;

use std::sync::Arc;

use async_trait::async_trait;
use backends::db::Db;
use chrono::{DateTime, Utc};
use contracts::clients::ExportRow;
use contracts::{PostId, UserId};
use kit::clock::SharedClock;
use kit::ids::SharedIds;
use kit::page::Cursor;
use tokio::sync::Mutex;

use super::{Edit, NewPost, Once, PageQuery, Part, Posts, Removal, Store};
use crate::audience::Reader;
use crate::error::Error;
use crate::model::Post;

/// Posts in SQLite or PostgreSQL.
#[derive(Clone, Debug)]
pub struct SqlStore {
    db: Db,
    clock: SharedClock,
    ids: SharedIds,
    /// The time of the newest post that this process knows of.
    latest: Arc<Mutex<DateTime<Utc>>>,
}

impl SqlStore {
    /// Brings the tables up to this version.
    ///
    /// # Errors
    /// The database cannot be reached, or holds a newer schema.
    pub async fn open(
        db: Db,
        clock: SharedClock,
        ids: SharedIds,
    ) -> Result<Self, backends::db::Error> {
        db.migrate(&sqlx::migrate!("./migrations")).await?;
        Ok(Self {
            db,
            clock,
            ids,
            latest: Arc::default(),
        })
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn publish(&self, new: NewPost, once: Option<Once>) -> Result<Post, Error> {
        publish::publish(self, new, once).await
    }

    async fn find(&self, id: PostId, reader: Option<&Reader>) -> Result<Option<Post>, Error> {
        page::find(&self.db, id, reader).await
    }

    async fn page(&self, query: &PageQuery) -> Result<Posts, Error> {
        page::page(&self.db, query).await
    }

    async fn edit(&self, read: &Post, edit: Edit) -> Result<Option<Post>, Error> {
        edit::edit(self, read, edit).await
    }

    async fn remove(&self, read: &Post, removal: Removal) -> Result<bool, Error> {
        edit::remove(self, read, removal).await
    }

    async fn export(
        &self,
        part: Part,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<(ExportRow, Cursor)>, Error> {
        export::export(&self.db, part, after, limit).await
    }

    async fn place(&self, id: PostId) -> Result<Option<Cursor>, Error> {
        export::place(&self.db, id).await
    }

    async fn forget_author(&self, user: UserId, limit: u32) -> Result<u32, Error> {
        upkeep::forget_author(self, user, limit).await
    }

    async fn drop_texts(&self, now: DateTime<Utc>) -> Result<u64, Error> {
        upkeep::drop_texts(self, now).await
    }

    async fn check(&self) -> Result<(), Error> {
        Ok(self.db.check().await?)
    }
}
