//! A part of a real Redis for one test.

use kit::{clock::SystemClock, ids::RandomIds};

use crate::redis::{Redis, cmd};

/// The variable that names the Redis of the tests: `redis://host:port`, with the rights to everything.
pub const REDIS: &str = "SCHOOLYARD_TEST_REDIS";

/// Keys and channels of one test; the keys are gone when dropped.
#[derive(Debug)]
pub struct TestRedis {
    server: String,
    prefix: String,
}

/// A prefix of its own on the Redis named by [`REDIS`], which must be set: a missing server fails the test, it is never
/// skipped.
#[must_use]
pub fn redis() -> TestRedis {
    let id = RandomIds::shared(SystemClock::shared()).uuid();
    TestRedis {
        server: kit::testing::required_env(REDIS),
        prefix: format!("t{}:", id.simple()),
    }
}

impl TestRedis {
    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(&self.place())
    }

    /// Its address where the server is reached at another `host:port`, as through a [`Cable`](super::Cable).
    #[must_use]
    pub fn url_at(&self, place: &str) -> String {
        format!("redis://{place}?prefix={}", self.prefix)
    }

    /// `host:port` of the server.
    #[must_use]
    pub fn place(&self) -> String {
        let place = self.server.trim_start_matches("redis://");
        let place = place.split('/').next().unwrap_or(place);
        place.to_owned()
    }

    /// A handle as a service would have it.
    ///
    /// # Panics
    /// When the variable holds no address.
    #[must_use]
    pub fn open(&self) -> Redis {
        Redis::open("SCHOOLYARD_TEST_REDIS", &self.url()).expect("the tests' Redis has an address")
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let redis = self.open();
        // Drop cannot await, and the test's own runtime may be going down.
        let removing = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            else {
                return;
            };
            runtime.block_on(async {
                let keys = redis
                    .run::<Vec<String>>(cmd("KEYS").arg(redis.key("*")))
                    .await;
                let Ok(keys) = keys.inspect_err(
                    |error| tracing::warn!(%error, "the keys of a test are left behind"),
                ) else {
                    return;
                };
                if !keys.is_empty() {
                    // keys left behind harm nobody
                    let _ = redis.run::<u64>(cmd("DEL").arg(keys)).await;
                }
            });
        });
        let _ = removing.join();
    }
}
