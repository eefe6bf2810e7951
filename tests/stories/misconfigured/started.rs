//! A service as a process whose log is read while it runs.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

use super::secured::Settings;
use crate::support::process::{free_address, schoolyard};

/// What must not take so long; nothing is measured by it.
const LONG: Duration = Duration::from_secs(60);

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
        let address = free_address();
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
