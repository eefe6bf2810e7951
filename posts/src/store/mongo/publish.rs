//! Publishing a post, once where that is asked for.

use contracts::PostId;
use mongodb::bson::doc;

use super::documents::{self, Stands, object_id};
use super::error::{unless_duplicate, within};
use super::idempotency::{Claim, claim};
use super::{MongoStore, order};
use crate::error::Error;
use crate::model::Post;
use crate::store::{NewPost, Once, changes};

pub(super) async fn publish(
    store: &MongoStore,
    new: NewPost,
    once: Option<Once>,
) -> Result<Post, Error> {
    let claimed = match &once {
        Some(once) => claim(store, new.user_id, once).await?,
        None => Claim::Fresh(PostId(store.ids().object_id())),
    };
    let stands = match claimed {
        Claim::Fresh(id) => write(store, new, id).await?,
        Claim::Again(id) => match stands(store, id).await? {
            Some(stands) => stands,
            None => write(store, new, id).await?,
        },
    };
    let stands = match stands {
        Stands::Pending(post) => order::publish(store, *post).await?,
        stands => {
            // What was read may not be on disk yet, and this answer must not be the only thing that lasts.
            store.sync().await?;
            stands
        }
    };
    match stands {
        Stands::Published(post) => Ok(*post),
        // Of a repeated request: it answers the post as it stands.
        Stands::Deleted(_) => Err(Error::NotFound),
        Stands::Pending(post) => Err(Error::Store(backends::db::Error::Other(anyhow::anyhow!(
            "the post {} had its turn and is not published",
            post.id
        )))),
    }
}

/// Writes the post as pending, and says how it stands: another request with the same key may have been faster. The
/// publication covers it on disk.
async fn write(store: &MongoStore, new: NewPost, id: PostId) -> Result<Stands, Error> {
    let post = changes::published(new, id, store.clock().now());
    let document = documents::pending(&post)?;
    let posts = store.relaxed(super::POSTS);
    if unless_duplicate(within(posts.insert_one(document)).await)? {
        return Ok(Stands::Pending(Box::new(post)));
    }
    stands(store, id).await?.ok_or(Error::Contended)
}

/// How the post of that identity stands.
async fn stands(store: &MongoStore, id: PostId) -> Result<Option<Stands>, Error> {
    let found = within(
        store
            .posts()
            .find_one(doc! { "_id": object_id(id) })
            .projection(documents::without_cargo()),
    )
    .await?;
    found.map(documents::read).transpose()
}
