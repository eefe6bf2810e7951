//! An owner of posts that answers naively from a list, and can be down. Used by unit and integration tests alike.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::clients::{ExportOrder, ExportRow, PageQuery, Posts, Tombstone};
use contracts::events::PostState;
use contracts::{PostId, UserId};
use futures_util::stream::{self, BoxStream, StreamExt};
use kit::page::{Cursor, Page};
use kit::problem::Problem;
use parking_lot::Mutex;

/// The posts there are, and those that were.
#[derive(Debug, Default)]
pub struct Owner {
    pub posts: Mutex<BTreeMap<PostId, PostState>>,
    pub gone: Mutex<BTreeMap<PostId, Tombstone>>,
    pub down: AtomicBool,
    pub asked: AtomicUsize,
}

/// 2026-03-02T08:00:00Z, where the mock clock starts.
pub fn start() -> DateTime<Utc> {
    "2026-03-02T08:00:00Z".parse().unwrap()
}

/// A post id with this number at its end.
pub fn id(number: u32) -> PostId {
    let mut bytes = [0; 12];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    PostId(bytes)
}

/// A published post, `minutes` after [`start`], by user 7.
pub fn post(number: u32, minutes: i64, audience: &[&str]) -> PostState {
    PostState {
        post_id: id(number),
        user_id: UserId(7),
        title: format!("Post {number}"),
        content: format!("<p>Text {number}</p>"),
        username: "ines".to_owned(),
        audience: audience.iter().map(|key| key.parse().unwrap()).collect(),
        state: "published".to_owned(),
        tags: Vec::new(),
        published_at: start() + TimeDelta::minutes(minutes),
        edited_at: None,
        pinned_until: None,
        delivery: "normal".to_owned(),
        comment_count: 0,
        attachments: Vec::new(),
        version: 1,
    }
}

impl Owner {
    pub fn set(&self, post: &PostState) {
        self.posts.lock().insert(post.post_id, post.clone());
    }

    pub fn delete(&self, id: PostId, version: i64, at: DateTime<Utc>) {
        self.posts.lock().remove(&id);
        self.gone.lock().insert(
            id,
            Tombstone {
                id,
                version,
                deleted_at: at,
            },
        );
    }

    /// The posts that are wanted, newest first: the definition of the stream.
    pub fn newest(&self, wanted: impl Fn(&PostState) -> bool) -> Vec<PostState> {
        let mut posts: Vec<_> = self
            .posts
            .lock()
            .values()
            .filter(|post| wanted(post))
            .cloned()
            .collect();
        posts.sort_by_key(|post| std::cmp::Reverse((post.published_at, post.post_id)));
        posts
    }

    fn answer(&self) -> Result<(), Problem> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(Problem::unavailable(
                "posts_unavailable",
                "the owner is down",
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Posts for Owner {
    fn export(&self, order: ExportOrder) -> BoxStream<'static, Result<ExportRow, Problem>> {
        assert_eq!(order, ExportOrder::Newest);
        if let Err(problem) = self.answer() {
            return stream::iter([Err(problem)]).boxed();
        }
        let posts = self.newest(|_| true).into_iter().map(ExportRow::Post);
        let gone: Vec<_> = self
            .gone
            .lock()
            .values()
            .cloned()
            .map(ExportRow::Tombstone)
            .collect();
        stream::iter(posts.chain(gone).map(Ok).collect::<Vec<_>>()).boxed()
    }

    async fn page(&self, query: &PageQuery) -> Result<Page<PostState>, Problem> {
        self.answer()?;
        assert!(
            (1..=100).contains(&query.limit),
            "the owner refuses a limit of {}",
            query.limit
        );
        assert!(
            query.cursor.is_none() || query.skip == 0,
            "the owner refuses cursor and skip together"
        );
        let below = query.cursor.as_deref().map(Cursor::decode).transpose()?;
        let filters = &query.filters;
        let posts = self.newest(|post| {
            let place = (post.published_at, post.post_id.0.to_vec());
            let own = query.reader == Some(post.user_id);
            (own || post
                .audience
                .iter()
                .any(|key| query.audiences.contains(key)))
                && below
                    .as_ref()
                    .is_none_or(|below| place < (below.at, below.id.clone()))
                && filters.user_id.is_none_or(|user| post.user_id == user)
                && filters
                    .tag
                    .as_ref()
                    .is_none_or(|tag| post.tags.contains(tag))
                && filters.from.is_none_or(|from| post.published_at >= from)
                && filters.to.is_none_or(|to| post.published_at < to)
        });
        let (skip, limit) = (query.skip as usize, query.limit as usize);
        let items: Vec<_> = posts.iter().skip(skip).take(limit).cloned().collect();
        let more = posts.len() > skip + limit;
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|post| {
            Cursor {
                at: post.published_at,
                id: post.post_id.0.to_vec(),
            }
            .encode()
        });
        Ok(Page { items, next_cursor })
    }

    async fn find(&self, id: PostId) -> Result<Option<PostState>, Problem> {
        self.answer()?;
        Ok(self.posts.lock().get(&id).cloned())
    }
}
