//! What a published post is found by: its audiences, its author as `@7`, its tags as `#zoo`. Audience keys begin with a letter,
//! so the three kinds never meet.

use contracts::clients::PageFilters;
use contracts::{Audience, UserId};

use crate::audience::Reader;
use crate::model::Post;

/// The key of everything by an author.
pub(super) fn author_key(user: UserId) -> String {
    format!("@{user}")
}

/// The key of everything with a tag.
pub(super) fn tag_key(tag: &str) -> String {
    format!("#{tag}")
}

/// Every key a post is found under.
pub(super) fn keys(post: &Post) -> Vec<String> {
    let audience = post.audience.iter().map(Audience::to_string);
    std::iter::once(author_key(post.user_id))
        .chain(audience)
        .chain(post.tags.iter().map(|tag| tag_key(tag)))
        .collect()
}

/// Sets of keys: a post is wanted if it has a key of each set. The driver is read in order, the others are looked up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) driver: Vec<String>,
    pub(super) also: Vec<Vec<String>>,
}

impl Selection {
    /// What a page shows a reader.
    pub(super) fn of(reader: &Reader, filters: &PageFilters) -> Self {
        let mut sets: Vec<Vec<String>> = Vec::new();
        let mut in_reach = false;
        if let Some(tag) = &filters.tag {
            sets.push(vec![tag_key(tag)]);
        }
        if let Some(author) = filters.user_id {
            sets.push(vec![author_key(author)]);
            in_reach = reader.user == Some(author);
        }
        if let Some(audience) = filters.audience {
            sets.push(vec![audience.to_string()]);
            // An audience the reader does not read shows their own posts in it and no others', whoever else they are for.
            if reader.audiences.contains(&audience) {
                in_reach = true;
            } else if !in_reach {
                sets.push(reader.user.map(author_key).into_iter().collect());
                in_reach = true;
            }
        }
        if !in_reach {
            sets.push(reach(reader));
        }
        let driver = sets.remove(0);
        Self { driver, also: sets }
    }
}

/// The keys of everything in reach.
pub(super) fn reach(reader: &Reader) -> Vec<String> {
    let own = reader.user.map(author_key);
    own.into_iter()
        .chain(reader.audiences.iter().map(ToString::to_string))
        .collect()
}
