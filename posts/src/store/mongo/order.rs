//! The order of publication. A post's time is above that of every post before it, and posts become visible in the order of
//! their times, whoever publishes them: nothing ever appears behind a cursor already read.
//!
//! A server without transactions gives no two documents in one step, so publishing is a queue that everybody helps along:
//!
//! 1. The post is written as `pending`: nobody is shown it.
//! 2. The one document `clock` names the turn: the posts to be published next, with their times, above `latest`. It is changed
//!    only from the `latest` it was read at, and only by somebody who has seen every post of the turn before published.
//! 3. The posts of the turn are published in their order, each only if it is still pending.
//!
//! Step 3 is the same whoever takes it, as often as they like; so nobody waits for somebody who died after step 2: the next one
//! finishes that turn and goes on. Requests that wait at the same moment share a turn.

use std::collections::HashMap;

use backends::db;
use chrono::{DateTime, Utc};
use contracts::PostId;
use contracts::events::PostEvent;
use futures_util::TryStreamExt;
use kit::server::Carried;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::documents::{self, Stands, object_id, post_id, state, time};
use super::error::{copy_of, kind_of, unless_duplicate, within};
use super::statements::{Change, Made, update};
use super::{META, MongoStore, outbox};
use crate::error::Error;
use crate::model::Post;
use crate::store::keys::keys;

const CLOCK: &str = "clock";
/// Posts that share a turn.
const POSTS: usize = 64;
/// Characters that share a turn: one command takes 16 MB, and each is in it twice at worst.
const CHARACTERS: usize = 2 << 20;
/// How often a turn is asked for because another instance was first: each time one of them has had it.
const TRIES: usize = 100;

/// The posts that wait for a turn in this process.
#[derive(Debug, Default)]
pub(super) struct Order {
    waiting: Mutex<Vec<Waiting>>,
    /// Whoever has it makes the turns; within, the `latest` of the last one if it is this process's and finished.
    turn: tokio::sync::Mutex<Option<i64>>,
}

#[derive(Debug)]
struct Waiting {
    post: Post,
    /// The request that publishes it: somebody else's may make the turn.
    request: Carried,
    answer: oneshot::Sender<Result<Stands, db::Error>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Clock {
    #[serde(rename = "_id")]
    id: String,
    /// The time of the newest post.
    latest: i64,
    /// Whose turn it is.
    turn: Vec<Named>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Named {
    post: ObjectId,
    at: i64,
}

/// Publishes a post that is written as pending; it is on disk when this answers. Says how it stands then.
pub(super) async fn publish(store: &MongoStore, post: Post) -> Result<Stands, Error> {
    let (answer, answered) = oneshot::channel();
    let order = store.order();
    order.waiting.lock().push(Waiting {
        post,
        request: Carried::here(),
        answer,
    });
    let store = store.clone();
    // A request may be given up at any moment; a turn that others share is finished all the same.
    tokio::spawn(async move {
        let mut known = store.order().turn.lock().await;
        let waiting = next(&mut store.order().waiting.lock());
        if waiting.is_empty() {
            return;
        }
        let posts = waiting.iter().map(|waiting| waiting.post.clone());
        let requests = waiting
            .iter()
            .map(|waiting| (waiting.post.id, waiting.request.clone()));
        let done = turn(&store, &mut known, posts.collect(), &requests.collect()).await;
        drop(known);
        for waiting in waiting {
            let result = match &done {
                Ok(done) => done
                    .get(&waiting.post.id)
                    .cloned()
                    .ok_or_else(|| gone(waiting.post.id)),
                Err(error) => Err(copy_of(error)),
            };
            // Whoever gave up is not told.
            let _ = waiting.answer.send(result);
        }
    });
    match answered.await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::Store(db::Error::Other(anyhow::anyhow!(
            "a turn of publication ended without an answer"
        )))),
    }
}

/// As many of those that wait as share a turn, at least one.
fn next(waiting: &mut Vec<Waiting>) -> Vec<Waiting> {
    let mut characters = 0;
    let share = waiting
        .iter()
        .take(POSTS)
        .take_while(|waiting| {
            let fits = characters == 0 || characters < CHARACTERS;
            characters += waiting.post.content.len();
            fits
        })
        .count();
    waiting.drain(..share).collect()
}

fn gone(post: PostId) -> db::Error {
    db::Error::Unavailable(anyhow::anyhow!(
        "the post {post} was swept away before its turn came"
    ))
}

/// One turn: names the posts, publishes them, says how each stands.
async fn turn(
    store: &MongoStore,
    known: &mut Option<i64>,
    posts: Vec<Post>,
    requests: &HashMap<PostId, Carried>,
) -> Result<HashMap<PostId, Stands>, db::Error> {
    let mut posts: Vec<Post> = {
        let mut by_id = HashMap::new();
        let first_of_each = posts
            .into_iter()
            .filter(|post| by_id.insert(post.id, ()).is_none());
        first_of_each.collect()
    };
    let latest = name(store, known, &mut posts).await?;
    let statements = posts
        .iter()
        .map(|post| {
            let request = requests.get(&post.id).cloned().unwrap_or_default();
            request.enter(|| publication(store, post))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let count = statements.len();
    let published = update(store, statements, Made::InOrder).await?;
    *known = Some(latest);
    store.tell_outbox();
    if published == count {
        return Ok(posts
            .into_iter()
            .map(|post| (post.id, Stands::Published(Box::new(post))))
            .collect());
    }
    // Another instance helped: what it wrote may not be on disk yet.
    store.sync().await?;
    let ids = posts.iter().map(|post| object_id(post.id)).collect();
    Ok(standing(store, ids).await?.into_iter().collect())
}

/// Gives the posts their times and makes theirs the turn; answers the last time.
async fn name(
    store: &MongoStore,
    known: &mut Option<i64>,
    posts: &mut [Post],
) -> Result<i64, db::Error> {
    let clocks = clocks(store);
    for _ in 0..TRIES {
        let latest = match known.take() {
            Some(latest) => latest,
            None => finish(store).await?,
        };
        let first = store.clock().now().timestamp_micros().max(latest + 1);
        let mut at = first;
        let mut named = Vec::with_capacity(posts.len());
        for post in posts.iter_mut() {
            let published_at = time(at)?;
            (post.created_at, post.updated_at, post.published_at) =
                (published_at, published_at, published_at);
            named.push(doc! { "post": object_id(post.id), "at": at });
            at += 1;
        }
        let last = at - 1;
        let as_read = doc! { "_id": CLOCK, "latest": latest };
        let turn = doc! { "$set": { "latest": last, "turn": named } };
        let taken = within(clocks.update_one(as_read, turn))
            .await
            .map_err(kind_of)?;
        if taken.matched_count > 0 {
            return Ok(last);
        }
    }
    Err(db::Error::Unavailable(anyhow::anyhow!(
        "too many instances publish at once"
    )))
}

/// Publishes what is left of the turn that the clock names, whoever began it; answers its `latest`.
pub(super) async fn finish(store: &MongoStore) -> Result<i64, db::Error> {
    let read = within(clocks(store).find_one(doc! { "_id": CLOCK }))
        .await
        .map_err(kind_of)?;
    let Some(clock) = read else {
        let first = Clock {
            id: CLOCK.to_owned(),
            latest: 0,
            turn: Vec::new(),
        };
        unless_duplicate(within(clocks(store).insert_one(first)).await).map_err(kind_of)?;
        return Ok(0);
    };
    let ids = clock.turn.iter().map(|named| named.post).collect();
    let mut pending: HashMap<ObjectId, Post> = standing(store, ids)
        .await?
        .into_iter()
        .filter_map(|(id, stands)| match stands {
            Stands::Pending(post) => Some((object_id(id), *post)),
            Stands::Published(_) | Stands::Deleted(_) => None,
        })
        .collect();
    let mut statements = Vec::with_capacity(pending.len());
    for named in clock.turn {
        if let Some(post) = pending.remove(&named.post) {
            let at = time(named.at)?;
            let post = Post {
                created_at: at,
                updated_at: at,
                published_at: at,
                ..post
            };
            statements.push(publication(store, &post)?);
        }
    }
    if update(store, statements, Made::InOrder).await? > 0 {
        store.tell_outbox();
    }
    Ok(clock.latest)
}

/// How the posts of these identities stand; those that are not there are missing.
async fn standing(
    store: &MongoStore,
    ids: Vec<ObjectId>,
) -> Result<Vec<(PostId, Stands)>, db::Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<Document> = within(async {
        store
            .posts()
            .find(doc! { "_id": { "$in": ids } })
            .projection(documents::without_cargo())
            .await?
            .try_collect()
            .await
    })
    .await
    .map_err(kind_of)?;
    found
        .into_iter()
        .map(|document| {
            let id = post_id(
                document
                    .get_object_id("_id")
                    .map_err(|_| super::error::unreadable("_id"))?,
            );
            match documents::read(document) {
                Ok(stands) => Ok((id, stands)),
                Err(Error::Store(error)) => Err(error),
                Err(other) => Err(db::Error::Other(other.into())),
            }
        })
        .collect()
}

/// Makes a pending post a published one, with its event.
fn publication(store: &MongoStore, post: &Post) -> Result<(Document, Document), db::Error> {
    let at: DateTime<Utc> = post.published_at;
    let micros = at.timestamp_micros();
    let mut change = Change {
        set: doc! {
            "state": state::PUBLISHED,
            "created_at": micros,
            "updated_at": micros,
            "published_at": micros,
            "keys": keys(post),
        },
        ..Change::default()
    };
    outbox::put(
        &mut change,
        PostEvent::state(&post.state(), store.ids().uuid(), at),
    )?;
    let pending = doc! { "_id": object_id(post.id), "state": state::PENDING };
    Ok((pending, change.document()))
}

fn clocks(store: &MongoStore) -> Collection<Clock> {
    store.relaxed(META).clone_with_type()
}
