//! Posts of foreign producers on pages from the owner, who does not know them (spec/feed.md rule 12).

use contracts::events::PostState;
use kit::page::Page;

use crate::position::Position;
use crate::query::Query;
use crate::store::Store;

/// Puts those below a place at their places on the owner's page. A store that does not answer has none: the owner's page
/// stands.
pub(crate) async fn join(
    store: &dyn Store,
    page: Page<PostState>,
    query: &Query,
    below: Position,
    limit: usize,
) -> Page<PostState> {
    let foreign = store.foreign(query, below, limit + 1).await;
    match foreign.unwrap_or_default() {
        foreign if foreign.is_empty() => page,
        foreign => joined(page, foreign, limit),
    }
}

fn joined(page: Page<PostState>, mut foreign: Vec<PostState>, limit: usize) -> Page<PostState> {
    let Page {
        mut items,
        next_cursor,
    } = page;
    foreign.retain(|one| items.iter().all(|post| post.post_id != one.post_id));
    items.extend(foreign);
    items.sort_by_key(|post| std::cmp::Reverse(place(post)));
    let more = next_cursor.is_some() || items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|post| place(post).cursor());
    Page { items, next_cursor }
}

fn place(post: &PostState) -> Position {
    Position::new(post.published_at, post.post_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::post;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pages_of_both_are_those_of_one_list_sorted_and_cut(
            owned in prop::collection::btree_set(0..40_u32, 0..20), foreign in prop::collection::btree_set(40..80_u32, 0..20),
            limit in 1..12_usize,
        ) {
            let list = |numbers: &std::collections::BTreeSet<u32>| {
                let mut posts: Vec<_> = numbers.iter().map(|n| post(*n, i64::from(n * 7 % 40), &[])).collect();
                posts.sort_by_key(|post| std::cmp::Reverse(place(post)));
                posts
            };
            let (owned, foreign) = (list(&owned), list(&foreign));
            let more = owned.len() > limit;
            let page = Page {
                items: owned.iter().take(limit).cloned().collect(),
                next_cursor: more.then(|| place(&owned[limit - 1]).cursor()),
            };
            let mut all = [owned, foreign.clone()].concat();
            all.sort_by_key(|post| std::cmp::Reverse(place(post)));
            let joined = joined(page, foreign.into_iter().take(limit + 1).collect(), limit);
            prop_assert_eq!(joined.next_cursor.is_some(), all.len() > limit);
            all.truncate(limit);
            prop_assert_eq!(joined.items, all);
        }
    }
}
