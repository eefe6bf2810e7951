//! Everything that is tested of the stream in memory, with the stream on a real Redis; and what only Redis brings: other
//! instances, and its own end. The model of live readers stays with memory: it counts on a stream that does all it can at once,
//! without a round trip. What a store tells live readers is compared with memory here, in `model`.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../it/atom.rs"]
mod atom;
#[path = "../it/bus.rs"]
mod bus;
#[path = "../it/events.rs"]
mod events;
#[path = "../it/fallback.rs"]
mod fallback;
#[path = "../it/live.rs"]
mod live;
#[path = "../it/rebuild.rs"]
mod rebuild;
#[path = "../it/rule24.rs"]
mod rule24;
#[path = "../it/store.rs"]
mod store;
#[path = "../it/stream.rs"]
mod stream;
#[path = "../it/support/mod.rs"]
mod support;
#[path = "../it/surface.rs"]
mod surface;
#[path = "../it/verify.rs"]
mod verify;

mod loss;
mod model;
mod several;

use std::sync::Arc;

use backends::testing::{self, TestRedis};
use feed::store::RedisStore;
use kit::clock::SystemClock;
use kit::ids::RandomIds;

use feed::{Change, Order};
use support::Opened;
use support::owner::{id, start};

/// An instance of its own on this Redis.
fn instance(redis: &TestRedis, window: usize) -> Arc<RedisStore> {
    let me = RandomIds::shared(SystemClock::shared()).uuid();
    Arc::new(RedisStore::new(
        redis.open(),
        support::limits(window),
        1 << 20,
        me,
    ))
}

fn backend(window: usize) -> Opened {
    let redis = testing::redis();
    Opened {
        store: instance(&redis, window),
        keeps: Some(Arc::new(redis)),
    }
}

/// The end of a post.
fn gone(number: u32, version: i64) -> Change {
    Change::Gone {
        id: id(number),
        order: Order::owned(version),
        at: start(),
    }
}
