//! The real servers of a run of tests/real/start: each story gets databases, topics and groups of its own on them.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::process::Command;

use super::Run;

/// The part of the servers that belongs to one story.
pub struct Servers {
    run: Run,
    story: String,
}

static STORIES: AtomicU32 = AtomicU32::new(0);

impl Servers {
    /// Makes what must be there before a service connects. `SCHOOLYARD_TEST_SERVERS` is the run directory of
    /// `tests/real/start RUNDIR postgres redis kafka mongo`.
    pub async fn fresh() -> Self {
        let number = STORIES.fetch_add(1, Ordering::Relaxed);
        let servers = Self {
            run: Run::given(),
            story: format!("story_{}_{number}", std::process::id()),
        };
        for service in ["auth", "profile"] {
            let made = Command::new("psql")
                .args(["-qX", "-v", "ON_ERROR_STOP=1", "-d"])
                .arg(servers.postgres("postgres"))
                .arg("-c")
                .arg(format!("CREATE DATABASE {}_{service}", servers.story))
                .status()
                .await
                .expect("psql runs");
            assert!(made.success(), "no database could be made");
        }
        servers
    }

    /// What is this story's own is called so.
    pub fn story(&self) -> &str {
        &self.story
    }

    fn postgres(&self, database: &str) -> String {
        format!(
            "postgres://postgres@{}/{database}",
            self.run.address("postgres")
        )
    }

    /// Where posts are kept.
    pub fn posts(&self) -> String {
        format!("mongodb://{}/{}", self.run.address("mongo"), self.story)
    }

    /// The settings that name them.
    pub fn settings(&self) -> [(&'static str, String); 5] {
        let own = |service: &str| self.postgres(&format!("{}_{service}", self.story));
        [
            ("SCHOOLYARD_AUTH__STORE", own("auth")),
            ("SCHOOLYARD_PROFILE__STORE", own("profile")),
            ("SCHOOLYARD_POSTS__STORE", self.posts()),
            (
                "SCHOOLYARD_FEED__STORE",
                format!(
                    "redis://{}?prefix={}:",
                    self.run.address("redis"),
                    self.story
                ),
            ),
            (
                "SCHOOLYARD_BUS__URL",
                format!(
                    "kafka://{}?partitions=3&prefix={}-",
                    self.run.address("kafka"),
                    self.story
                ),
            ),
        ]
    }
}
