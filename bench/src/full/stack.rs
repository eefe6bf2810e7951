//! What `tests/real/up` starts.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::measure::{fetch, sign_in};
use crate::server::{beside, memory_of, share_of};
use crate::wait::until;

const PASSWORD: &str = crate::measure::PASSWORD;
const SETTINGS: [&str; 6] = [
    "SCHOOLYARD_GATEWAY__RATE_LIMIT=1000000",
    "SCHOOLYARD_GATEWAY__RATE_BURST=1000000",
    "SCHOOLYARD_GATEWAY__IN_FLIGHT=1000000",
    "SCHOOLYARD_AUTH__FAILED_LOGINS_PER_MINUTE=0",
    "SCHOOLYARD_LOG__FORMAT=json",
    "SCHOOLYARD_SERVER__SHUTDOWN_DELAY=0",
];

/// Where posts are kept.
#[derive(Clone, Copy)]
pub enum PostsOn {
    MongoDb,
    Postgres,
}

impl PostsOn {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MongoDb => "MongoDB's stand-in",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// As `tests/real/up` is told.
    fn told(self) -> &'static str {
        match self {
            Self::MongoDb => "mongodb",
            Self::Postgres => "postgres",
        }
    }
}

/// A running stack; ends with this.
pub struct Stack {
    run: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stack {
    /// So many instances of each service.
    pub fn up(instances: usize, posts: PostsOn) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        // PostgreSQL is another user where root runs this.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))?;
        let stack = Self {
            run: folder.path().join("run"),
            _folder: folder,
        };
        let instances = instances.to_string();
        let mut args = vec![OsStr::new("--instances"), OsStr::new(&instances)];
        args.push(stack.run.as_os_str());
        args.extend(SETTINGS.iter().map(OsStr::new));
        let status = Command::new(real("up"))
            .args(args)
            .env("POSTS_ON", posts.told())
            .env("SCHOOLYARD_BIN", beside("schoolyard")?)
            .stdout(Stdio::null())
            .status()?;
        anyhow::ensure!(status.success(), "tests/real/up: {status}");
        Ok(stack)
    }

    /// The administrator's token.
    pub fn office(&self) -> anyhow::Result<String> {
        let mut child = Command::new(real("as"))
            .env("SCHOOLYARD_BIN", beside("schoolyard")?)
            .arg(&self.run)
            .args(["auth", "admin", "create", "--email", "bench@school.example"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        writeln!(
            child.stdin.take().context("no standard input")?,
            "{PASSWORD}"
        )?;
        anyhow::ensure!(child.wait()?.success(), "no administrator could be made");
        self.sign_in()
    }

    /// Another session of the administrator.
    pub fn sign_in(&self) -> anyhow::Result<String> {
        let began = Instant::now();
        loop {
            // Traefik is told of a route a moment after it is there.
            match sign_in(&self.web()?, "bench") {
                Err(_) if began.elapsed() < Duration::from_secs(20) => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                answer => return answer,
            }
        }
    }

    /// Waits until the feed has applied everything there is.
    pub fn caught_up(&self, token: &str) -> anyhow::Result<()> {
        let detail = format!(
            "{}/api/activity-stream/stats/detail",
            self.direct("feed", 1)?
        );
        let mut before = Value::Null;
        until("the feed has caught up", Duration::from_secs(1), || {
            let stats: Value = serde_json::from_slice(&fetch(&detail, token)?)?;
            // Nothing waits, twice in a row, with nothing applied between.
            let now = stats["applied"].clone();
            let waits = stats["lag_messages"].as_u64().unwrap_or(1);
            let last = std::mem::replace(&mut before, now);
            Ok((waits == 0 && last == before).then_some(()))
        })
    }

    /// Where people come in.
    pub fn web(&self) -> anyhow::Result<String> {
        Ok(format!("http://127.0.0.1:{}", self.text("traefik/port")?))
    }

    /// An instance's own address.
    pub fn direct(&self, service: &str, number: usize) -> anyhow::Result<String> {
        let port = self.text(&format!("services/{service}-{number}/port"))?;
        Ok(format!("http://127.0.0.1:{port}"))
    }

    /// The port of a server.
    pub fn port(&self, server: &str) -> anyhow::Result<String> {
        self.text(&format!("{server}/port"))
    }

    /// A secret that the stack made.
    pub fn secret(&self, name: &str) -> anyhow::Result<String> {
        self.text(&format!("secrets/{name}"))
    }

    /// The broker's address for one of its users.
    pub fn kafka(&self, user: &str) -> anyhow::Result<String> {
        let password = self.secret(&format!("kafka.{user}"))?;
        Ok(format!(
            "kafka://{user}:{password}@127.0.0.1:{}",
            self.port("kafka")?
        ))
    }

    /// Memory of an instance in MB: its [share](share_of), and all that is resident.
    pub fn memory(&self, service: &str, number: usize) -> anyhow::Result<(f64, f64)> {
        let pid = self.pid(&format!("services/{service}-{number}"))?;
        Ok((share_of(pid)?, memory_of(pid)?))
    }

    /// Keeps an instance on the first core.
    pub fn pin(&self, service: &str, number: usize) -> anyhow::Result<()> {
        pin(self.pid(&format!("services/{service}-{number}"))?)
    }

    /// Keeps a server on the first core.
    pub fn pin_server(&self, name: &str) -> anyhow::Result<()> {
        pin(self.pid(name)?)
    }

    fn pid(&self, folder: &str) -> anyhow::Result<u32> {
        let text = self.text(&format!("{folder}/pid"))?;
        Ok(text.lines().next().context("no pid")?.parse()?)
    }

    fn text(&self, file: &str) -> anyhow::Result<String> {
        let path = self.run.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().to_owned())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = Command::new(real("down"))
            .arg(&self.run)
            .stdout(Stdio::null())
            .status();
    }
}

fn pin(pid: u32) -> anyhow::Result<()> {
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", "0", &pid.to_string()])
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(status.success(), "taskset: {status}");
    Ok(())
}

fn real(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/real")
        .join(name)
}
