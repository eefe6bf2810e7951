//! `contracts::Posts` over the store, for services in this process and for the routes of those that are not.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use contracts::PostId;
use contracts::clients::{ExportOrder, ExportRow, PageFilters, PageQuery, Posts};
use contracts::events::PostState;
use futures_util::future::{BoxFuture, FutureExt, MaybeDone, maybe_done};
use futures_util::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use kit::page::{Cursor, Page};
use kit::problem::Problem;

use crate::audience::Rules;
use crate::error::Error;
use crate::model::Post;
use crate::routes::list::{bounds, page};
use crate::store::{self, Part, Store};
use crate::validate;

/// Rows read at once.
const PAGE: u32 = 500;

/// The owner of posts, in this process.
#[derive(Clone)]
pub struct LocalPosts {
    store: Arc<dyn Store>,
    rules: Rules,
}

impl LocalPosts {
    /// Answers from this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, rules: Rules) -> Self {
        Self { store, rules }
    }
}

#[async_trait]
impl Posts for LocalPosts {
    fn export(&self, order: ExportOrder) -> BoxStream<'static, Result<ExportRow, Problem>> {
        pages(self.store.clone(), order, None)
            .map_ok(|rows| stream::iter(rows).map(Ok::<_, Error>))
            .try_flatten()
            .map_err(Problem::from)
            .boxed()
    }

    async fn page(&self, query: &PageQuery) -> Result<Page<PostState>, Problem> {
        let skip = Some(query.skip).filter(|skip| *skip > 0);
        let (start, limit) = bounds(query.cursor.as_deref(), skip, query.limit)?;
        let tag = query.filters.tag.as_deref().map(validate::tag_form);
        let asked = store::PageQuery {
            reader: self.rules.described(query.reader, query.audiences.clone()),
            filters: PageFilters {
                tag,
                ..query.filters.clone()
            },
            start,
            limit,
        };
        Ok(page(self.store.page(&asked).await?, |post| post.state()))
    }

    async fn find(&self, id: PostId) -> Result<Option<PostState>, Problem> {
        Ok(self
            .store
            .find(id, None)
            .await?
            .map(|post: Post| post.state()))
    }
}

/// The export in pieces, behind a place among the published posts or the ids. While one is on its way to whoever reads, the
/// store looks for the next one already.
pub(crate) fn pages(
    store: Arc<dyn Store>,
    order: ExportOrder,
    after: Option<Cursor>,
) -> impl Stream<Item = Result<Vec<ExportRow>, Error>> + Send + 'static {
    let first = match order {
        ExportOrder::Newest => Part::Published,
        ExportOrder::Id => Part::ById,
    };
    let begin = (first, asked(store.clone(), first, after));
    stream::try_unfold(begin, move |(mut part, mut page)| {
        let store = store.clone();
        async move {
            loop {
                page.as_mut().await;
                let rows = page.as_mut().take_output().expect("it was awaited")?;
                if let Some((_, last)) = rows.last() {
                    let mut next = asked(store, part, Some(last.clone()));
                    // Looked at once, it is asked; its answer is taken when it is wanted.
                    let _ = next.as_mut().now_or_never();
                    let rows = rows.into_iter().map(|(row, _)| row).collect();
                    return Ok(Some((rows, (part, next))));
                }
                if part != Part::Published {
                    return Ok(None);
                }
                part = Part::Deleted;
                page = asked(store.clone(), part, None);
            }
        }
    })
}

type Rows = Result<Vec<(ExportRow, Cursor)>, Error>;

/// A page that is asked for, and may have come.
type Asked = Pin<Box<MaybeDone<BoxFuture<'static, Rows>>>>;

fn asked(store: Arc<dyn Store>, part: Part, after: Option<Cursor>) -> Asked {
    let page = async move { store.export(part, after, PAGE).await };
    Box::pin(maybe_done(page.boxed()))
}
