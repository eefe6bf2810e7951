//! What the feed asks of posts (spec/posts.md section 2, `/internal/posts/*`).

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use kit::page::Page;
use kit::peer::Peer;
use kit::problem::Problem;
use serde::{Deserialize, Serialize};

use crate::events::PostState;
use crate::{Audience, PostId, UserId};

/// In which order an export comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportOrder {
    /// Newest published first; tombstones after all posts.
    Newest,
    /// By id, posts and tombstones together.
    Id,
}

/// A post that is gone, so that no replay revives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Tombstone {
    /// The post.
    pub id: PostId,
    /// The version of its end.
    pub version: i64,
    /// When it ended.
    pub deleted_at: DateTime<Utc>,
}

/// One line of an export.
#[expect(
    clippy::large_enum_variant,
    reason = "lines are read one at a time, and nearly all are posts"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportRow {
    /// A published post, whole.
    Post(PostState),
    /// A post that is gone.
    Tombstone(Tombstone),
}

/// Which of the posts in reach are wanted. All that are set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PageFilters {
    /// By this author.
    pub user_id: Option<UserId>,
    /// With this tag.
    pub tag: Option<String>,
    /// For this audience.
    pub audience: Option<Audience>,
    /// Published at or after.
    pub from: Option<DateTime<Utc>>,
    /// Published before.
    pub to: Option<DateTime<Utc>>,
}

/// A page on a reader's behalf: posts of the audiences, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// The audiences the reader reads.
    pub audiences: Vec<Audience>,
    /// Whose own posts are in reach whatever their audience; `None`: nobody's.
    #[serde(default)]
    pub reader: Option<UserId>,
    /// Where to go on, as an earlier page said.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How many to pass over; not together with a cursor.
    #[serde(default)]
    pub skip: u64,
    /// How many at most, 1 to 100.
    pub limit: u64,
    /// Which of them.
    #[serde(default)]
    pub filters: PageFilters,
}

/// The owner of posts.
#[async_trait]
pub trait Posts: Send + Sync {
    /// Everything the owner holds, for a rebuild. The stream is not a snapshot: what changes meanwhile is on
    /// `posts-events`, whose position the caller notes before it starts.
    fn export(&self, order: ExportOrder) -> BoxStream<'static, Result<ExportRow, Problem>>;

    /// A page on a reader's behalf.
    ///
    /// # Errors
    /// 400 `bad_cursor`; 503 when the owner or its store cannot answer.
    async fn page(&self, query: &PageQuery) -> Result<Page<PostState>, Problem>;

    /// One published post; `None` if there is none.
    ///
    /// # Errors
    /// 503 when the owner or its store cannot answer.
    async fn find(&self, id: PostId) -> Result<Option<PostState>, Problem>;
}

/// Posts in another process.
#[derive(Clone, Debug)]
pub struct HttpPosts {
    peer: Arc<Peer>,
}

impl HttpPosts {
    /// Asks over this peer.
    #[must_use]
    pub fn new(peer: Peer) -> Self {
        Self {
            peer: Arc::new(peer),
        }
    }
}

#[async_trait]
impl Posts for HttpPosts {
    fn export(&self, order: ExportOrder) -> BoxStream<'static, Result<ExportRow, Problem>> {
        let order = match order {
            ExportOrder::Newest => "newest",
            ExportOrder::Id => "id",
        };
        let peer = self.peer.clone();
        let lines = async move {
            peer.get_lines(&format!("/internal/posts/export?order={order}"))
                .await
        };
        stream::once(lines)
            .try_flatten()
            .map(|line| {
                serde_json::from_str(&line?).map_err(|error| {
                    Problem::unavailable("posts_unavailable", "The export broke off").cause(error)
                })
            })
            .boxed()
    }

    async fn page(&self, query: &PageQuery) -> Result<Page<PostState>, Problem> {
        self.peer.post_json("/internal/posts/page", query).await
    }

    async fn find(&self, id: PostId) -> Result<Option<PostState>, Problem> {
        match self.peer.get(&format!("/internal/posts/{id}")).await {
            Ok(post) => Ok(Some(post)),
            Err(problem) if problem.status() == http::StatusCode::NOT_FOUND => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}
