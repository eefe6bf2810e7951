//! The servers with rights, and what a service is told of them.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::process::Command;

use crate::support::Run;

/// The names and values that a process is told.
pub type Settings = Vec<(String, String)>;

/// The settings with some of them otherwise.
pub fn but(mut settings: Settings, others: &[(&str, &str)]) -> Settings {
    for (name, value) in others {
        settings.retain(|(known, _)| known != name);
        settings.push(((*name).to_owned(), (*value).to_owned()));
    }
    settings
}

/// The servers with rights in a run of `tests/real/start`, in the folder `secured` of `SCHOOLYARD_TEST_SERVERS`.
pub struct Secured {
    pub run: Run,
}

impl Secured {
    pub fn of_run() -> Self {
        Self {
            run: Run::given().within("secured"),
        }
    }

    /// What a service is told that is set right, but for its store.
    pub fn settings(&self, service: &str) -> Settings {
        let bus = self.run.secret(&format!("kafka.{service}"));
        let token = self.run.secret(&format!("consul.{service}"));
        let settings = [
            (
                "SECRET_KEY",
                "a secret of the stories, 32 bytes or more".to_owned(),
            ),
            ("SCHOOLYARD_LOG__FORMAT", "json".to_owned()),
            (
                "SCHOOLYARD_BUS__URL",
                format!("kafka://{service}:{bus}@{}", self.run.address("kafka")),
            ),
            (
                "SCHOOLYARD_CONSUL__ADDRESS",
                format!("http://{}", self.run.address("consul")),
            ),
            ("SCHOOLYARD_CONSUL__TOKEN", token),
        ];
        settings
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    /// A database with a role of this story's own; its name and password are the role's.
    pub async fn database(&self, password: &str) -> String {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("wrong_{}_{number}", std::process::id());
        self.sql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'"))
            .await;
        self.sql(&format!("CREATE DATABASE {name} OWNER {name}"))
            .await;
        self.sql(&format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"))
            .await;
        name
    }

    /// Says something to PostgreSQL as its administrator.
    pub async fn sql(&self, statement: &str) {
        let done = Command::new("psql")
            .env("PGPASSWORD", self.run.secret("postgres.admin"))
            .args(["-qX", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(format!(
                "postgres://postgres@{}/postgres",
                self.run.address("postgres")
            ))
            .args(["-c", statement])
            .status();
        assert!(done.await.expect("psql runs").success(), "{statement}");
    }

    pub fn postgres(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{user}:{password}@{}/{database}",
            self.run.address("postgres")
        )
    }
}
