//! A service as a process whose log is read while it runs, and the servers with rights that it is told of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kit::testing::required_env;
use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::process::schoolyard;

/// What must not take so long; nothing is measured by it.
const LONG: Duration = Duration::from_secs(60);

type Settings = Vec<(String, String)>;

/// The servers with rights in a run of `tests/real/start`, in the folder `secured` of `SCHOOLYARD_TEST_SERVERS`.
pub struct Secured {
    run: PathBuf,
}

impl Secured {
    pub fn of_run() -> Self {
        let run = PathBuf::from(required_env("SCHOOLYARD_TEST_SERVERS")).join("secured");
        Self { run }
    }

    pub fn at(&self, server: &str) -> String {
        format!("127.0.0.1:{}", read(&self.run.join(server).join("port")))
    }

    pub fn secret(&self, name: &str) -> String {
        read(&self.run.join("secrets").join(name))
    }

    /// What a service is told that is set right, but for its store.
    pub fn settings(&self, service: &str) -> Settings {
        let bus = self.secret(&format!("kafka.{service}"));
        let token = self.secret(&format!("consul.{service}"));
        let settings = [
            (
                "SECRET_KEY",
                "a secret of the stories, 32 bytes or more".to_owned(),
            ),
            ("SCHOOLYARD_LOG__FORMAT", "json".to_owned()),
            (
                "SCHOOLYARD_BUS__URL",
                format!("kafka://{service}:{bus}@{}", self.at("kafka")),
            ),
            (
                "SCHOOLYARD_CONSUL__ADDRESS",
                format!("http://{}", self.at("consul")),
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
            .env("PGPASSWORD", self.secret("postgres.admin"))
            .args(["-qX", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(format!(
                "postgres://postgres@{}/postgres",
                self.at("postgres")
            ))
            .args(["-c", statement])
            .status();
        assert!(done.await.expect("psql runs").success(), "{statement}");
    }

    pub fn postgres(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "postgres://{user}:{password}@{}/{database}",
            self.at("postgres")
        )
    }
}

fn read(file: &Path) -> String {
    let text = std::fs::read_to_string(file);
    let text = text.unwrap_or_else(|error| {
        panic!(
            "{}: {error}; tests/real/start --secured RUN/secured postgres=0 kafka=0 consul=0",
            file.display()
        )
    });
    text.trim().to_owned()
}

/// The settings with some of them otherwise.
pub fn but(mut settings: Settings, others: &[(&str, &str)]) -> Settings {
    for (name, value) in others {
        settings.retain(|(known, _)| known != name);
        settings.push(((*name).to_owned(), (*value).to_owned()));
    }
    settings
}

/// A running service.
pub struct Started {
    child: Child,
    base: String,
    log: watch::Receiver<Vec<String>>,
    http: Client,
    _folder: TempDir,
}

impl Started {
    /// Starts it, and waits until it says that it is alive.
    pub async fn serve(service: &str, settings: &Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let settings: Vec<(&str, &str)> = settings
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        let mut command = schoolyard(folder.path(), &["serve", service], &settings);
        command.env("SCHOOLYARD_SERVER__LISTEN", &address);
        let mut child = command.spawn().expect("the binary starts");
        let (lines, log) = watch::channel(Vec::new());
        let lines = Arc::new(lines);
        tokio::spawn(keep(child.stdout.take().unwrap(), Arc::clone(&lines)));
        tokio::spawn(keep(child.stderr.take().unwrap(), lines));
        let started = Self {
            child,
            base: format!("http://{address}"),
            log,
            http: kit::peer::client().unwrap(),
            _folder: folder,
        };
        let alive = async {
            while !matches!(started.ask("/health").await, Some((200, _))) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(LONG, alive)
            .await
            .unwrap_or_else(|_| panic!("{:?}", started.log.borrow()));
        started
    }

    /// Where it answers.
    pub fn base(&self) -> &str {
        &self.base
    }

    async fn ask(&self, path: &str) -> Option<(u16, Value)> {
        let answer = self
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.unwrap_or_default()))
    }

    /// An answer, and how long it asks to wait.
    pub async fn get(&self, path: &str) -> (u16, Value, Option<String>) {
        let answer = self
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        let wait = answer.headers().get("retry-after");
        let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default(), wait)
    }

    /// What readiness says once it says this.
    pub async fn until_ready(&self, so: impl Fn(u16, &Value) -> bool) -> Value {
        let mut last = None;
        let asking = async {
            loop {
                last = self.ask("/health/ready").await;
                if let Some((status, body)) = &last
                    && so(*status, body)
                {
                    return body.clone();
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        match timeout(LONG, asking).await {
            Ok(body) => body,
            Err(_) => panic!("{last:?} {:#?}", self.log.borrow()),
        }
    }

    /// Until readiness shows this check as failed with this setting; whether the service is degraded or not ready at all.
    pub async fn until_lacking(&self, check: &str, setting: &str) -> (String, String) {
        let body = self
            .until_ready(|_, body| {
                body["checks"][check]["ok"] == false && body["checks"][check]["setting"] == setting
            })
            .await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&body["status"]),
            text(&body["checks"][check]["error_code"]),
        )
    }

    /// The first line of the log with all of this in it.
    pub async fn logged(&self, texts: &[&str]) -> String {
        let with = |lines: &Vec<String>| {
            let found = lines
                .iter()
                .find(|line| texts.iter().all(|text| line.contains(text)));
            found.cloned()
        };
        let mut log = self.log.clone();
        let found = timeout(LONG, log.wait_for(|lines| with(lines).is_some())).await;
        let Ok(Ok(lines)) = found else {
            panic!("{texts:?} {:#?}", self.log.borrow());
        };
        with(&lines).unwrap()
    }

    /// It still runs, and has never said this.
    pub fn goes_on_without_a_word_of(&mut self, secret: &str) {
        assert!(self.child.try_wait().unwrap().is_none(), "it ended");
        let log = self.log.borrow();
        let told = log.iter().find(|line| line.contains(secret));
        assert!(told.is_none(), "{told:?}");
    }
}

async fn keep(output: impl AsyncRead + Unpin, log: Arc<watch::Sender<Vec<String>>>) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.send_modify(|log| log.push(line));
    }
}
