//! The servers under test: processes of their own, pinned to the first core.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::wait::settled;

/// A running server; ends with this.
pub struct Server {
    child: Child,
    /// `http://address`
    pub base: String,
    /// The folder of its data; gone with this.
    pub data: tempfile::TempDir,
}

/// How a server is started.
#[derive(Default)]
pub struct Setup<'a> {
    /// Arguments after `serve`.
    pub args: &'a [&'a str],
    /// Settings.
    pub env: Vec<(String, String)>,
    /// A library to preload, for a slowed disk.
    pub preload: Option<PathBuf>,
}

impl Server {
    /// Starts `schoolyard serve` of the build that this is of.
    pub fn schoolyard(setup: &Setup<'_>) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        Self::schoolyard_in(setup, data)
    }

    /// The same on data that is there.
    pub fn schoolyard_in(setup: &Setup<'_>, data: tempfile::TempDir) -> anyhow::Result<Self> {
        let mut command = pinned(&beside("schoolyard")?);
        command.arg("serve").args(setup.args);
        command
            .env("SCHOOLYARD_DATA", data.path())
            .env("SCHOOLYARD_SERVER__LISTEN", "127.0.0.1:0");
        // One address sends all the load.
        command
            .env("SCHOOLYARD_GATEWAY__RATE_LIMIT", "1000000")
            .env("SCHOOLYARD_GATEWAY__RATE_BURST", "1000000");
        command.envs(setup.env.iter().map(|(name, value)| (name, value)));
        if let Some(library) = &setup.preload {
            command.env("LD_PRELOAD", library);
        }
        Self::start(command, data)
    }

    /// Starts one of the bare limits of this crate.
    pub fn bare(args: &[&str]) -> anyhow::Result<Self> {
        let mut command = pinned(&beside("bench")?);
        command.args(args);
        Self::start(command, tempfile::tempdir()?)
    }

    fn start(mut command: Command, data: tempfile::TempDir) -> anyhow::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .context("the server does not start")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let base = loop {
            let line = lines
                .next()
                .context("the server ended before it said where it listens")??;
            if let Some((_, address)) = line.split_once("http://") {
                let end = address
                    .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
                    .unwrap_or(address.len());
                break format!("http://{}", &address[..end]);
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, base, data })
    }

    /// The same, on whichever core is free.
    #[cfg(feature = "full-stack")]
    pub fn bare_anywhere(args: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new(beside("bench")?);
        command.args(args);
        Self::start(command, tempfile::tempdir()?)
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> anyhow::Result<f64> {
        memory_of(self.child.id())
    }

    /// Waits until its memory no longer moves.
    pub fn settle(&self) -> anyhow::Result<()> {
        settled(|| self.memory())
    }

    /// Stops it and keeps its data.
    pub fn stop(mut self) -> anyhow::Result<tempfile::TempDir> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        self.child.wait()?;
        Ok(std::mem::replace(&mut self.data, tempfile::tempdir()?))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process in MB.
pub fn memory_of(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    kib(&status, "VmRSS:")
}

/// Memory in MB that would be free if this process were not there: its own, and its share of the pages that it has in common
/// with others, as those of a program that runs several times.
#[cfg(feature = "full-stack")]
pub fn share_of(pid: u32) -> anyhow::Result<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    kib(&rollup, "Pss:")
}

fn kib(text: &str, name: &str) -> anyhow::Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("no {name}"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}

/// Makes an administrator in a data directory that no server holds.
pub fn admin(data: &Path, email: &str, password: &str) -> anyhow::Result<()> {
    let mut command = Command::new(beside("schoolyard")?);
    command
        .args(["admin", "create", "--email", email])
        .env("SCHOOLYARD_DATA", data);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    writeln!(
        child.stdin.take().context("no standard input")?,
        "{password}"
    )?;
    anyhow::ensure!(child.wait()?.success(), "no administrator could be made");
    Ok(())
}

fn pinned(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program);
    command
}

/// A program of the same build: each profile is measured beside limits of the same profile.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
