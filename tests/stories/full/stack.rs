//! What `tests/real/up` starts, as a story holds it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use schoolyard::settings::SERVICES;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{Person, Run, School, script};

/// How long something may take that has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(60);
/// Loads come from one address; the limits have tests of their own.
const SETTINGS: [&str; 5] = [
    "SCHOOLYARD_GATEWAY__RATE_LIMIT=100000",
    "SCHOOLYARD_GATEWAY__RATE_BURST=100000",
    "SCHOOLYARD_GATEWAY__IN_FLIGHT=100000",
    "SCHOOLYARD_AUTH__REGISTERS_PER_MINUTE=0",
    "SCHOOLYARD_AUTH__FAILED_LOGINS_PER_MINUTE=0",
];

/// A running stack. It ends with the story, and its data with it.
pub struct FullStack {
    pub run: Run,
    _folder: TempDir,
}

impl FullStack {
    /// Starts everything, with so many instances of each service.
    pub async fn up(instances: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stack = Self {
            run: Run::at(folder.path().join("run")),
            _folder: folder,
        };
        // PostgreSQL is another user where root runs this.
        open_to_others(stack._folder.path());
        let instances = instances.to_string();
        let mut args = vec![OsStr::new("--instances"), OsStr::new(&instances)];
        args.push(stack.folder());
        args.extend(SETTINGS.iter().map(OsStr::new));
        run_script("up", &args).await;
        stack
    }

    /// Where people come in: Traefik.
    pub fn base(&self) -> String {
        format!("http://{}", self.run.address("traefik"))
    }

    /// An instance's own address.
    pub fn direct(&self, service: &str, number: usize) -> String {
        let name = format!("services/{service}-{number}");
        format!("http://{}", self.run.address(&name))
    }

    /// The run directory, as the scripts are told of it.
    fn folder(&self) -> &OsStr {
        self.run.folder().as_os_str()
    }

    /// The administrator, made if there is none, signed in through Traefik.
    pub async fn office(&self) -> Person {
        let mut command = real("as");
        command
            .arg(self.folder())
            .args([
                "auth",
                "admin",
                "create",
                "--email",
                "office@school.example",
            ])
            .stdin(Stdio::piped());
        let mut child = command.spawn().expect("the script starts");
        let mut stdin = child.stdin.take().expect("standard input");
        stdin
            .write_all(format!("{}\n", School::PASSWORD).as_bytes())
            .await
            .unwrap();
        drop(stdin);
        assert!(child.wait().await.unwrap().success(), "no administrator");
        let nobody = Person::nobody(&self.base());
        self.until("the administrator can sign in", async || {
            let request = nobody
                .request(reqwest::Method::POST, "/api/auth/login")
                .json(&json!({"email": "office@school.example", "password": School::PASSWORD}));
            let answer = nobody.try_send(request).await;
            answer.is_some_and(|answer| answer.status == 200)
        })
        .await;
        nobody
            .login("office@school.example", School::PASSWORD)
            .await
    }

    /// Somebody with these roles, made by the administrator and signed in.
    pub async fn person(&self, office: &Person, username: &str, roles: &[&str]) -> Person {
        let account = json!({
            "username": username, "first_name": username, "last_name": "of the story", "roles": roles,
        });
        let made = office.post("/api/auth/users", account).await.expect(201);
        let id = made.json()["id"].as_i64().unwrap();
        let path = format!("/api/auth/users/{id}/reset-password");
        let link = office.post(&path, json!({})).await.expect(201).json();
        let (_, token) = link["reset_url"]
            .as_str()
            .unwrap()
            .rsplit_once('/')
            .unwrap();
        let nobody = Person::nobody(&self.base());
        let password = json!({"token": token, "new_password": School::PASSWORD});
        nobody
            .post("/api/auth/reset-password", password)
            .await
            .expect(204);
        self.again(username).await
    }

    /// Another session of somebody.
    pub async fn again(&self, username: &str) -> Person {
        Person::nobody(&self.base())
            .login(username, School::PASSWORD)
            .await
    }

    /// Stops a server as an operator does.
    pub async fn stop_server(&self, name: &str) {
        run_script("stop", &[self.folder(), OsStr::new(name)]).await;
    }

    /// Starts it again where it was, with its data.
    pub async fn start_server(&self, name: &str) {
        let args = ["--secured".as_ref(), self.folder(), name.as_ref()];
        run_script("start", &args).await;
    }

    /// Stops an instance with SIGTERM and waits for its end.
    pub async fn stop_service(&self, service: &str, number: usize) {
        let name = format!("{service}-{number}");
        run_script("down", &[self.folder(), name.as_ref()]).await;
    }

    /// Starts again whatever does not run.
    pub async fn bring_back(&self) {
        let mut args = vec![self.folder()];
        args.extend(SETTINGS.iter().map(OsStr::new));
        run_script("up", &args).await;
    }

    /// `kill -9` of an instance.
    pub async fn kill(&self, service: &str, number: usize) {
        let file = self.run.text(&format!("services/{service}-{number}/pid"));
        let pid = file.lines().next().unwrap();
        let killed = Command::new("kill").args(["-9", pid]).status().await;
        assert!(killed.unwrap().success(), "{service}-{number} did not run");
    }

    /// A command to Redis, as its administrator.
    pub async fn redis(&self, command: &[&str]) {
        let port = self.run.port("redis").to_string();
        let output = Command::new("redis-cli")
            .args(["-p", &port, "--user", "admin"])
            .args(command)
            .env("REDISCLI_AUTH", self.run.secret("redis.admin"))
            .output()
            .await
            .expect("redis-cli runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "OK");
    }

    /// Throws away what a stopped server stored.
    pub fn forget(&self, server: &str) {
        std::fs::remove_dir_all(self.run.folder().join(server).join("data")).unwrap();
    }

    /// Waits until Traefik routes to exactly so many instances of a service; of auth, also what forward-auth asks.
    pub async fn until_routed(&self, service: &str, instances: usize) {
        let known = format!("http/services/{service}@consulcatalog");
        self.until("Traefik routes to them", async || {
            self.servers(&known).await == Some(instances)
        })
        .await;
        if service == "auth" {
            self.until("forward-auth asks them", async || {
                self.servers("tcp/services/sy-doors-of-auth@consul").await == Some(instances)
            })
            .await;
        }
    }

    /// How many servers Traefik has for a service of its API.
    async fn servers(&self, service: &str) -> Option<usize> {
        let admin = self.run.port("traefik") + 1;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http
            .get(format!("http://127.0.0.1:{admin}/api/{service}"))
            .basic_auth("operator", Some(self.run.secret("traefik.dashboard")));
        let known: serde_json::Value = asked.send().await.ok()?.json().await.ok()?;
        Some(known["loadBalancer"]["servers"].as_array()?.len())
    }

    /// Waits until Consul's agent has itself asked every instance whether it lives.
    pub async fn until_consul_has_asked_all(&self) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = || {
            let url = format!("http://{}/v1/agent/checks", self.run.address("consul"));
            let token = self.run.secret("consul.bootstrap");
            http.get(url).header("X-Consul-Token", token).send()
        };
        self.until("consul has asked everybody", async || {
            let Ok(answer) = asked().await else {
                return false;
            };
            // Not JSON: it begins.
            let known: serde_json::Value = answer.json().await.unwrap_or_default();
            let checks: Vec<_> = known.as_object().into_iter().flatten().collect();
            checks.len() >= SERVICES.len() && checks.iter().all(|(_, check)| check["Output"] != "")
        })
        .await;
    }

    /// Waits until something holds; answers how long it took.
    pub async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
        let began = Instant::now();
        while !holds().await {
            assert!(
                began.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }
}

impl Drop for FullStack {
    fn drop(&mut self) {
        let ended = std::process::Command::new(script("down"))
            .arg(self.folder())
            .stdout(Stdio::null())
            .status();
        // A story that failed keeps its own message.
        assert!(
            std::thread::panicking() || ended.is_ok_and(|status| status.success()),
            "the stack did not end"
        );
    }
}

fn open_to_others(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let everybody_enters = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(folder, everybody_enters).unwrap();
}

fn real(name: &str) -> Command {
    let mut command = Command::new(script(name));
    command
        .env("SCHOOLYARD_BIN", env!("CARGO_BIN_EXE_schoolyard"))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

async fn run_script(name: &str, args: &[&OsStr]) {
    let status = real(name).args(args).status().await.expect("it starts");
    assert!(status.success(), "tests/real/{name} {args:?}: {status}");
}
