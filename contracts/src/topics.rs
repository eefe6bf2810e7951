//! Every topic of the system with its policy (spec/operations.md section 4). Each service ensures those it writes or reads.

use backends::bus::{Retention, TopicPolicy};

/// Posts as they are published, edited and deleted. Neither state nor signals: it takes keyless messages of foreign
/// producers, so it is never compacted; a rebuild reads the owner's export first.
pub const POSTS_EVENTS: TopicPolicy = TopicPolicy {
    name: "posts-events",
    retention: Retention::Days(7),
};
/// The whole state of every account, key `user:<id>`.
pub const AUTH_EVENTS: TopicPolicy = TopicPolicy {
    name: "auth-events",
    retention: Retention::Compacted,
};
/// What others show of every person, key `profile:<user id>`.
pub const PROFILE_EVENTS: TopicPolicy = TopicPolicy {
    name: "profile-events",
    retention: Retention::Compacted,
};
/// What happened to sessions.
pub const AUTH_SIGNALS: TopicPolicy = TopicPolicy {
    name: "auth-signals",
    retention: Retention::Days(7),
};

/// All of them.
pub const ALL: [TopicPolicy; 4] = [POSTS_EVENTS, AUTH_EVENTS, PROFILE_EVENTS, AUTH_SIGNALS];
