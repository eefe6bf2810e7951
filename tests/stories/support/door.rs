//! A Traefik and a Consul of one story's own, with the rights of production: routes and catalog hold everybody's names, so
//! two schools cannot share them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::{Run, script};

/// How long a story waits for what must come; nothing waits this long that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// The way in of one story. Its servers end with it.
pub struct Door {
    run: Run,
}

impl Door {
    /// Starts them, in a folder beside the other servers of the run.
    pub async fn open(story: &str) -> Self {
        let door = Self {
            run: Run::given().within(&format!("doors/{story}")),
        };
        let started = Command::new(script("start"))
            .arg("--secured")
            .arg(door.run.folder())
            .args(["consul=0", "traefik=0"])
            .status()
            .await
            .expect("tests/real/start runs");
        assert!(started.success(), "consul and traefik start");
        door
    }

    /// Where people come in.
    pub fn web(&self) -> String {
        format!("http://{}", self.run.address("traefik"))
    }

    fn consul(&self) -> String {
        format!("http://{}", self.run.address("consul"))
    }

    /// The settings by which a service takes part.
    pub fn settings(&self, service: &str) -> [(&'static str, String); 5] {
        let token = self.run.secret_file(&format!("consul.{service}"));
        let internal = self.run.port("traefik") + 3;
        [
            ("SCHOOLYARD_CONSUL__ADDRESS", self.consul()),
            ("SCHOOLYARD_CONSUL__TOKEN_FILE", token.display().to_string()),
            ("SCHOOLYARD_CONSUL__CHECK_INTERVAL", "1".to_owned()),
            (
                "SCHOOLYARD_GATEWAY__TRAEFIK_INTERNAL",
                format!("https://127.0.0.1:{internal}"),
            ),
            ("SCHOOLYARD_SERVER__SHUTDOWN_DELAY", "0".to_owned()),
        ]
    }

    /// Until Traefik leads to these services.
    pub async fn leads_to(&self, services: &[&str]) {
        let http = client();
        let waiting = async {
            for service in services {
                let path = match *service {
                    "gateway" => "/health".to_owned(),
                    other => format!("/api/{other}/health"),
                };
                let asked = || http.get(format!("{}{path}", self.web())).send();
                while asked().await.is_ok_and(|answer| answer.status() != 200) {
                    sleep(Duration::from_millis(50)).await;
                }
            }
        };
        timeout(PATIENCE, waiting)
            .await
            .expect("traefik routes to every service");
    }

    /// What its servers say beside the requests, and where.
    pub fn logs(&self) -> [(&'static str, PathBuf); 2] {
        ["consul", "traefik"].map(|name| (name, self.run.folder().join(name).join("log")))
    }

    /// The lines of Traefik's access log that have this in them, when the first is there.
    pub async fn logged(&self, text: &str) -> Vec<String> {
        lines(&self.run.folder().join("traefik/access.log"), text).await
    }

    /// Asks Consul as the gateway may.
    pub fn ask_consul(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        client()
            .request(method, format!("{}/v1/{path}", self.consul()))
            .header("X-Consul-Token", self.run.secret("consul.gateway"))
    }

    /// How many keys tell Traefik what to route.
    pub async fn keys(&self) -> usize {
        let answer = self
            .ask_consul(reqwest::Method::GET, "kv/traefik/?keys")
            .send()
            .await
            .expect("consul answers");
        if answer.status() == 404 {
            return 0;
        }
        let keys: Vec<String> = answer.json().await.expect("keys");
        keys.len()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let stopped = std::process::Command::new(script("stop"))
            .arg(self.run.folder())
            .stdout(std::process::Stdio::null())
            .status();
        if stopped.is_ok_and(|status| status.success()) {
            let _ = std::fs::remove_dir_all(self.run.folder());
        }
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The lines of a file that have this in them, when the first is there.
pub async fn lines(file: &Path, text: &str) -> Vec<String> {
    let waiting = async {
        loop {
            let all = std::fs::read_to_string(file).unwrap_or_default();
            // The last one may be half written.
            let whole = all.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let found: Vec<String> = whole
                .lines()
                .filter(|line| line.contains(text))
                .map(str::to_owned)
                .collect();
            if !found.is_empty() {
                return found;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .unwrap_or_else(|_| panic!("no line of {} has {text}", file.display()))
}
