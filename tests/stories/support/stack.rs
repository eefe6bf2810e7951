//! Every service as a process of its own behind a Traefik of the story's own, for what only processes can show: that one is
//! gone, and what each of them writes into its log.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use schoolyard::settings::SERVICES;
use tempfile::TempDir;
use tokio::process::Child;

use super::door::{Door, lines};
use super::process::{finish, free_address, schoolyard};
use super::school::common_settings;
use super::{Person, School, Servers};

/// How many lines of each log are shown of a story that fails.
const LAST_WORDS: usize = 20;

/// A running stack.
pub struct Stack {
    pub door: Door,
    settings: Vec<(String, String)>,
    addresses: BTreeMap<&'static str, String>,
    running: BTreeMap<&'static str, Child>,
    folder: TempDir,
}

impl Stack {
    /// Everything, one instance of each, with an administrator `office`.
    pub async fn start() -> Self {
        let servers = Servers::fresh().await;
        let door = Door::open(servers.story()).await;
        let folder = tempfile::tempdir().unwrap();
        let mut settings = common_settings();
        settings.extend(servers.settings());
        settings.push(("SCHOOLYARD_LOG__FORMAT", "json".to_owned()));
        // That auth lets somebody pass is said at debug only.
        let filter = "info,request=debug".to_owned();
        settings.push(("SCHOOLYARD_LOG__FILTER", filter));
        let settings = settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let mut stack = Self {
            door,
            settings: settings.collect(),
            addresses: SERVICES.map(|service| (service, free_address())).into(),
            running: BTreeMap::new(),
            folder,
        };
        let create = ["admin", "create", "--email", "office@school.example"];
        let admin = schoolyard(stack.folder.path(), &create, &stack.settings_of("auth"));
        let made = finish(admin, School::PASSWORD).await;
        assert_eq!(made.code, 0, "{}", made.stderr);
        for service in SERVICES {
            stack.run(service);
        }
        stack.door.leads_to(&SERVICES).await;
        stack
    }

    fn settings_of(&self, service: &'static str) -> Vec<(&str, &str)> {
        let known = self.settings.iter();
        known
            .filter(|(name, _)| service == "auth" || !name.contains("SERVICE_CREDENTIALS"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Starts the instance of a service.
    pub fn run(&mut self, service: &'static str) {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(service))
            .unwrap();
        let mut command = schoolyard(
            self.folder.path(),
            &["serve", service],
            &self.settings_of(service),
        );
        let child = command
            .envs(self.door.settings(service))
            .env("SCHOOLYARD_SERVER__LISTEN", &self.addresses[service])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.running.insert(service, child);
    }

    /// `kill -9`.
    pub async fn kill(&mut self, service: &str) {
        let mut child = self.running.remove(service).expect("it runs");
        child.kill().await.expect("it is killed");
    }

    pub fn nobody(&self) -> Person {
        Person::nobody(&self.door.web())
    }

    /// Until the gateway has written every key that it wants.
    pub async fn routes_written(&self) {
        let gateway = Person::nobody(&format!("http://{}", self.addresses["gateway"]));
        let waiting = async {
            loop {
                let ready = gateway.get("/health/ready").await;
                let text = String::from_utf8_lossy(&ready.bytes);
                if ready.status == 200 && !text.contains("routes_not_written") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .expect("the routes are written");
    }

    pub async fn admin(&self) -> Person {
        self.nobody()
            .login("office@school.example", School::PASSWORD)
            .await
    }

    fn log(&self, service: &str) -> PathBuf {
        self.folder.path().join(format!("{service}.log"))
    }

    /// The lines of a service's log that have this in them, when the first is there.
    pub async fn logged(&self, service: &str, text: &str) -> Vec<String> {
        lines(&self.log(service), text).await
    }
}

impl Drop for Stack {
    /// Of a story that fails: what its services, Consul and Traefik said last, beside the requests.
    #[expect(
        clippy::print_stderr,
        reason = "what a test prints is shown where it failed"
    )]
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let services = SERVICES.map(|service| (service, self.log(service)));
        for (who, log) in services.into_iter().chain(self.door.logs()) {
            let all = std::fs::read_to_string(log).unwrap_or_default();
            let request = r#""module":"request""#;
            let said: Vec<&str> = all.lines().filter(|line| !line.contains(request)).collect();
            let last = said.len().saturating_sub(LAST_WORDS);
            eprintln!("{who} said last:\n{}", said[last..].join("\n"));
        }
    }
}
