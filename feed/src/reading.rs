//! Reading a page: from the store as far as it reaches, then from the owner of the posts; all of it from the owner while
//! there is no stream (spec/feed.md rules 12 and 13).

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use contracts::clients::{PageFilters, PageQuery, Posts};
use contracts::events::PostState;
use contracts::{Audience, UserId};
use kit::clock::SharedClock;
use kit::metrics::Metrics;
use kit::page::Page;
use kit::problem::Problem;

use crate::foreign;
use crate::item::Item;
use crate::page;
use crate::position::Position;
use crate::pulse::Pulse;
use crate::query::{Answer, Part, Query, Rest, Scope, Start};
use crate::store::{Store, StoreError};

/// What the owner gives at most at once.
const OWNER_PAGE: usize = 100;

/// A page as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// JSON, a [`StreamPage`](crate::page::StreamPage).
    pub json: Bytes,
    /// There is no stream at the moment: the owner answered.
    pub rebuilding: bool,
}

/// Reads pages.
#[derive(Clone)]
pub(crate) struct Reading {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) posts: Arc<dyn Posts>,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) pulse: Arc<Pulse>,
}

impl Reading {
    /// One page.
    ///
    /// # Errors
    /// 503 `feed_unavailable` when what is asked for is at the owner and the owner does not answer; never an empty page
    /// instead.
    pub(crate) async fn page(&self, query: &Query) -> Result<Rendered, Problem> {
        let now = self.clock.now();
        match self.store.page(query, now).await {
            Ok(Answer::Ready(json)) => Ok(Rendered {
                json,
                rebuilding: false,
            }),
            Ok(Answer::Part(part)) => self.complete(part, query, now).await,
            Ok(Answer::Cold) => self.cold(query, now).await,
            Err(error) => {
                tracing::warn!(%error, "a page is read from the posts instead");
                if matches!(error, StoreError::Lost) {
                    self.pulse.lose();
                }
                self.cold(query, now).await
            }
        }
    }

    async fn complete(
        &self,
        mut part: Part,
        query: &Query,
        now: DateTime<Utc>,
    ) -> Result<Rendered, Problem> {
        if let Some(rest) = part.rest.take() {
            self.count("past_window");
            self.append(&mut part, rest, query, now).await?;
        }
        Ok(Rendered {
            json: page::close(&part, query).into(),
            rebuilding: false,
        })
    }

    /// Appends what lies below the kept windows until the page is full and it is known whether more follows.
    async fn append(
        &self,
        part: &mut Part,
        rest: Rest,
        query: &Query,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let Rest {
            mut below,
            mut skip,
            except,
        } = rest;
        loop {
            let wanted = query.limit - part.count + skip + except.len();
            let page = self
                .ask(query, Some(below), 0, wanted.clamp(1, OWNER_PAGE))
                .await?;
            let names = self.names(&page.items).await;
            let Some(last) = page.items.last().map(place) else {
                return Ok(());
            };
            for post in page
                .items
                .iter()
                .filter(|post| !except.contains(&post.post_id))
            {
                if skip > 0 {
                    skip -= 1;
                } else if part.count < query.limit {
                    push(part, post, &names, query, now);
                    part.last = Some(place(post));
                } else {
                    part.more = true;
                    return Ok(());
                }
            }
            if page.next_cursor.is_none() {
                return Ok(());
            }
            // What follows could be a pinned post that is listed already, and nothing else.
            if part.count == query.limit && except.is_empty() {
                part.more = true;
                return Ok(());
            }
            below = last;
        }
    }

    async fn cold(&self, query: &Query, now: DateTime<Utc>) -> Result<Rendered, Problem> {
        self.count("rebuilding");
        let below = match query.start {
            Start::Skip(_) => None,
            Start::After(position) => Some(position),
        };
        let mut page = self.ask(query, below, query.skip(), query.limit).await?;
        let mut part = Part {
            last: page.items.last().map(place),
            more: page.next_cursor.is_some(),
            ..Part::default()
        };
        if query.start == Start::Skip(0) && matches!(query.scope, Scope::Audiences(_)) {
            // The owner does not tell which older posts are pinned: those on the page stand first, the others at their place.
            page.items
                .sort_by_key(|post| post.pinned_until.is_none_or(|until| until <= now));
        }
        let names = self.names(&page.items).await;
        for post in &page.items {
            push(&mut part, post, &names, query, now);
        }
        // The owner counts nothing; at the end of the list the number is known all the same.
        let known = !part.more && (part.count > 0 || query.skip() == 0);
        if known && matches!(query.start, Start::Skip(_)) {
            part.total = Some(query.skip() + part.count);
        }
        Ok(Rendered {
            json: page::close(&part, query).into(),
            rebuilding: true,
        })
    }

    async fn ask(
        &self,
        query: &Query,
        below: Option<Position>,
        skip: usize,
        limit: usize,
    ) -> Result<Page<PostState>, Problem> {
        let (audiences, author) = match &query.scope {
            Scope::Audiences(audiences) => (audiences.clone(), None),
            Scope::By(user) => (Vec::new(), Some(*user)),
        };
        if audiences.is_empty() && author.is_none() {
            return Ok(Page {
                items: Vec::new(),
                next_cursor: None,
            });
        }
        let filters = PageFilters {
            user_id: author,
            tag: query.filter.tag.clone(),
            audience: None,
            from: query.filter.from,
            to: query.filter.to,
        };
        let cursor = below.map(|position| position.cursor());
        let question = PageQuery {
            audiences,
            reader: author,
            cursor,
            skip: skip as u64,
            limit: limit as u64,
            filters,
        };
        let page = self.posts.page(&question).await.map_err(|problem| {
            Problem::unavailable(
                "feed_unavailable",
                "the activity stream cannot be read at the moment",
            )
            .cause(problem)
        })?;
        Ok(match below.filter(|_| skip == 0) {
            Some(below) => foreign::join(&*self.store, page, query, below, limit).await,
            None => page,
        })
    }

    /// Today's names; without them the posts' own stand.
    async fn names(&self, posts: &[PostState]) -> HashMap<UserId, String> {
        let users: Vec<_> = posts.iter().map(|post| post.user_id).collect();
        self.store.names(&users).await.unwrap_or_default()
    }

    fn count(&self, reason: &str) {
        self.metrics
            .counter("feed_fallback_total", &[("reason", reason)])
            .increment(1);
    }
}

/// Where the owner has it.
fn place(post: &PostState) -> Position {
    Position::new(post.published_at, post.post_id)
}

fn push(
    part: &mut Part,
    post: &PostState,
    names: &HashMap<UserId, String>,
    query: &Query,
    now: DateTime<Utc>,
) {
    let reader: Option<&[Audience]> = match &query.scope {
        Scope::Audiences(audiences) => Some(audiences),
        Scope::By(_) => None,
    };
    page::push(
        part,
        &Item::of(post, now),
        names.get(&post.user_id).map(String::as_str),
        reader,
    );
}
