//! What a check may ask of the machine; tests bring one of their own.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

/// The machine that the stack shall run on.
pub trait Machine {
    /// A file's text, if it can be read.
    fn read(&self, path: &str) -> Option<String>;
    /// Runs a program to its end; `None` when there is no such program.
    fn run(&self, program: &str, args: &[&str]) -> Option<Ran>;
    /// Whether something listens on the port already, or this user may not.
    fn taken(&self, port: u16) -> Option<std::io::ErrorKind>;
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Whether with 0.
    pub ok: bool,
    /// What it printed.
    pub out: String,
    /// What it complained about.
    pub err: String,
}

/// This machine.
#[derive(Clone, Copy, Debug)]
pub struct System;

impl Machine for System {
    fn read(&self, path: &str) -> Option<String> {
        // Not all of them are text: the environment of a process has NUL between its entries.
        let bytes = std::fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn run(&self, program: &str, args: &[&str]) -> Option<Ran> {
        let output = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Some(Ran {
            ok: output.status.success(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        })
    }

    fn taken(&self, port: u16) -> Option<std::io::ErrorKind> {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
            .err()
            .map(|error| error.kind())
    }
}
