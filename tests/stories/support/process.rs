//! The real binary in a process of its own, for what only a process can show: kill -9, exit codes, what it prints.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

/// `schoolyard` with these arguments, data directory and settings, and nothing else of this environment.
pub fn schoolyard(data: &Path, args: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_schoolyard"));
    command
        .args(args)
        .env_clear()
        .env("SCHOOLYARD_DATA", data)
        // who listens at the default address of this machine is no story's concern
        .env("SCHOOLYARD_SERVER__LISTEN", "127.0.0.1:0")
        .envs(settings.iter().copied())
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// An address where nobody listens at the moment, for a process that is known by it before it listens. Its port is below those
/// that the system gives to clients, so that nobody has it when the process was killed and comes back, and below those that
/// tests/real takes.
pub fn free_address() -> String {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // so that tests of two processes do not try the same ones
    let first = std::process::id().wrapping_mul(97);
    (0..PORTS)
        .map(|_| first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % PORTS)
        .map(|port| format!("127.0.0.1:{}", 10_000 + port))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("there are ports")
}

/// As many as [`free_address`] has to choose from.
const PORTS: u32 = 10_000;

/// What a command printed and how it ended.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end, with this text on its standard input.
pub async fn finish(mut command: Command, input: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("standard input");
    // A command that reads nothing closes its end at once.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let output = ended
        .expect("the command ends within a minute")
        .expect("its output is readable");
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running server.
pub struct Running {
    pub child: Child,
    pub base: String,
}

impl Running {
    /// Starts `serve` on a free port and waits until it says where it listens.
    pub async fn serve(data: &Path, args: &[&str], settings: &[(&str, &str)]) -> Self {
        let mut args: Vec<&str> = args.to_vec();
        args.insert(0, "serve");
        let mut command = schoolyard(data, &args, settings);
        let mut child = command
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let address = async {
            while let Some(line) = lines.next_line().await.expect("its output is text") {
                if let Some((_, address)) = line.split_once("http://") {
                    let end = address
                        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
                        .unwrap_or(address.len());
                    return format!("http://{}", &address[..end]);
                }
            }
            panic!("the server ended before it said where it listens");
        };
        let base = tokio::time::timeout(Duration::from_secs(60), address)
            .await
            .expect("the server starts within a minute");
        // The rest of what it prints is read away, so that it never waits for its reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, base }
    }

    /// `kill -9`.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// SIGTERM; gives the exit code.
    pub async fn terminate(mut self) -> i32 {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .expect("kill runs");
        assert!(sent.success());
        let ended = tokio::time::timeout(Duration::from_secs(40), self.child.wait()).await;
        ended
            .expect("it ends")
            .expect("its status is readable")
            .code()
            .unwrap_or(-1)
    }
}
