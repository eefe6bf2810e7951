//! Schools at random: what happens to their posts, and what the owner tells of it.

use std::sync::Arc;

use chrono::TimeDelta;
use contracts::{Audience, UserId};
use proptest::prelude::*;

use crate::change::{Change, Order, Source, Touch};
use crate::owner::{Owner, id, post, start};

const AUDIENCES: [&str; 4] = [
    "school",
    "role:member",
    "user:1",
    "class:01900000-0000-7000-8000-0000000000ab",
];

/// What happens to the posts of the school.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        minute: i64,
        author: i64,
        audience: Vec<usize>,
        tag: bool,
    },
    Edit(usize),
    Move(usize, Vec<usize>),
    Delete(usize),
}

fn audience() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..AUDIENCES.len(), 1..4)
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let create = (0..6_i64, 1..3_i64, audience(), any::<bool>());
    prop_oneof![
        4 => create.prop_map(|(minute, author, audience, tag)| Step::Create { minute, author, audience, tag }),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::Edit(index.index(64))),
        2 => (0..64_usize, audience()).prop_map(|(index, audience)| Step::Move(index, audience)),
        1 => (0..64_usize).prop_map(Step::Delete),
    ]
}

pub(super) fn keys(numbers: &[usize]) -> Vec<Audience> {
    numbers
        .iter()
        .map(|number| AUDIENCES[*number].parse().unwrap())
        .collect()
}

/// The posts of a school, and what is told of them.
#[derive(Default)]
pub(super) struct World {
    pub(super) owner: Arc<Owner>,
    posts: u32,
    pub(super) told: Vec<Change>,
}

impl World {
    pub(super) fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    fn step(&mut self, step: &Step) {
        let now = start() + TimeDelta::hours(1) + TimeDelta::minutes(self.told.len() as i64);
        let living = self.owner.newest(|_| true);
        let chosen = |index: usize| living.get(index % living.len().max(1)).cloned();
        let changed = match step {
            Step::Create {
                minute,
                author,
                audience,
                tag,
            } => {
                self.posts += 1;
                let mut new = post(self.posts, *minute, &[]);
                (new.user_id, new.audience, new.version) = (UserId(*author), keys(audience), 0);
                new.tags.extend(tag.then(|| "trip".to_owned()));
                Some(new)
            }
            Step::Edit(index) => chosen(*index).map(|mut post| {
                post.title.push('!');
                post.edited_at = Some(now);
                post
            }),
            Step::Move(index, audience) => chosen(*index).map(|mut post| {
                post.audience = keys(audience);
                post
            }),
            Step::Delete(index) => {
                if let Some(post) = chosen(*index) {
                    self.owner.delete(post.post_id, post.version + 1, now);
                    let order = Order::owned(post.version + 1);
                    self.told.push(Change::Gone {
                        id: post.post_id,
                        order,
                        at: now,
                    });
                }
                None
            }
        };
        if let Some(mut post) = changed {
            post.version += 1;
            self.owner.set(&post);
            self.told.push(Change::owned(post, now, Source::Bus));
        }
    }

    /// What the owner exports at this moment.
    pub(super) fn export(&self) -> Vec<Change> {
        let posts = self
            .owner
            .newest(|_| true)
            .into_iter()
            .map(|post| Change::owned(post, start() + TimeDelta::days(1), Source::Export));
        let gone = self.owner.gone.lock().values().cloned().collect::<Vec<_>>();
        let gone = gone.into_iter().map(|gone| Change::Gone {
            id: gone.id,
            order: Order::owned(gone.version),
            at: gone.deleted_at,
        });
        posts.chain(gone).collect()
    }
}

pub(super) fn message() -> impl Strategy<Value = Change> {
    (1..4_u32, 0..5_i64, 0..3_u8).prop_map(|(number, millis, rank)| {
        let at = start() + TimeDelta::milliseconds(millis);
        let order = Order::foreign(at.timestamp_millis(), rank);
        match rank {
            0 => {
                let mut post = post(number, 0, &["role:member"]);
                (post.published_at, post.version) = (start(), order.version);
                Change::Post {
                    post: Box::new(post),
                    order,
                    arrived: start(),
                    source: Source::Bus,
                }
            }
            1 => Change::Touch(Touch {
                id: id(number),
                order,
                at,
                title: None,
                content: None,
            }),
            _ => Change::Gone {
                id: id(number),
                order,
                at,
            },
        }
    })
}
