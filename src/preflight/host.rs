//! The machine itself.

use std::io::ErrorKind;

use super::machine::Machine;
use super::{Finding, LEAST_MIB, LIMITS_MIB};

pub(super) fn all(machine: &dyn Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(nesting(machine));
    findings.push(processor(machine));
    findings.push(memory(machine));
    findings.extend(kernel(machine));
    findings.push(clock(machine));
    findings
}

/// In an LXC container only: whether it may hold containers itself.
fn nesting(machine: &dyn Machine) -> Option<Finding> {
    const CHECK: &str = "LXC nesting";
    let managed = machine
        .read("/run/systemd/container")
        .is_some_and(|kind| kind.trim() == "lxc");
    let started = || {
        machine
            .read("/proc/1/environ")
            .is_some_and(|environ| environ.split('\0').any(|entry| entry == "container=lxc"))
    };
    if !managed && !started() {
        return None;
    }
    let ran = machine.run(
        "unshare",
        &["--mount", "--pid", "--fork", "--mount-proc", "true"],
    );
    Some(match ran {
        Some(ran) if ran.ok => Finding::pass(CHECK, "this LXC container may hold others"),
        _ => Finding::fail(
            CHECK,
            "this LXC container may not hold others",
            "on the Proxmox host: pct set ID --features nesting=1,keyctl=1 and restart the container; a virtual machine needs neither",
        ),
    })
}

/// MongoDB dies of an unknown instruction (exit 132) without it.
fn processor(machine: &dyn Machine) -> Finding {
    const CHECK: &str = "processor for MongoDB";
    let Some(info) = machine.read("/proc/cpuinfo") else {
        return Finding::warn(
            CHECK,
            "/proc/cpuinfo cannot be read",
            "MongoDB needs AVX, or ARMv8.2 with atomics",
        );
    };
    let has = |list: &str, word: &str| {
        let lines = info.lines().filter(|line| line.starts_with(list));
        lines
            .flat_map(str::split_whitespace)
            .any(|found| found == word)
    };
    if has("flags", "avx") {
        return Finding::pass(CHECK, "has AVX");
    }
    if has("Features", "atomics") {
        return Finding::pass(CHECK, "has atomics");
    }
    Finding::fail(
        CHECK,
        "has neither AVX (x86) nor atomics (ARM): MongoDB ends with exit 132",
        "in a virtual machine set the CPU type to `host` or x86-64-v3; else keep posts in PostgreSQL: the comment at \
         SCHOOLYARD_POSTS__STORE in the compose file says how, and remove the service mongodb",
    )
}

fn memory(machine: &dyn Machine) -> Finding {
    const CHECK: &str = "memory";
    let kib = |text: String| {
        let line = text
            .lines()
            .find(|line| line.starts_with("MemTotal:"))?
            .to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let Some(total) = machine
        .read("/proc/meminfo")
        .and_then(kib)
        .map(|kib| kib / 1024)
    else {
        return Finding::warn(
            CHECK,
            "/proc/meminfo cannot be read",
            format!("the stack may use {LIMITS_MIB} MiB"),
        );
    };
    let found = format!("{total} MiB");
    if total < LEAST_MIB {
        let cure = format!(
            "give it {LIMITS_MIB} MiB, or run everything in one process: `schoolyard serve` needs a tenth of it"
        );
        return Finding::fail(CHECK, found, cure);
    }
    if total < LIMITS_MIB {
        let cure = format!(
            "the limits of all containers together are {LIMITS_MIB} MiB; with less, a busy day may end one of them"
        );
        return Finding::warn(CHECK, found, cure);
    }
    Finding::pass(CHECK, found)
}

/// Settings that belong to the host: a container cannot change them.
fn kernel(machine: &dyn Machine) -> Vec<Finding> {
    let mut findings = Vec::new();
    let number = |path: &str| {
        machine
            .read(path)
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    findings.push(match number("/proc/sys/vm/overcommit_memory") {
        Some(1) => Finding::pass("vm.overcommit_memory", "1"),
        found => Finding::warn(
            "vm.overcommit_memory",
            found.map_or_else(|| "cannot be read".to_owned(), |value| value.to_string()),
            "Redis asks for 1: sysctl -w vm.overcommit_memory=1 on the host, and a line in /etc/sysctl.d/",
        ),
    });
    findings.push(match number("/proc/sys/vm/max_map_count") {
        Some(value) if value >= 102_400 => Finding::pass("vm.max_map_count", value.to_string()),
        found => Finding::warn(
            "vm.max_map_count",
            found.map_or_else(|| "cannot be read".to_owned(), |value| value.to_string()),
            "MongoDB asks for 102400 or more: sysctl -w vm.max_map_count=262144 on the host, and a line in /etc/sysctl.d/",
        ),
    });
    let pages = machine
        .read("/sys/kernel/mm/transparent_hugepage/enabled")
        .unwrap_or_default();
    findings.push(if pages.contains("[always]") {
        Finding::warn(
            "transparent huge pages",
            "always",
            "they make Redis slow when it forks; on the host: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        )
    } else {
        Finding::pass("transparent huge pages", "only for those who ask")
    });
    findings
}

/// Tokens and certificates are judged by it.
fn clock(machine: &dyn Machine) -> Finding {
    const CHECK: &str = "clock";
    const CURE: &str = "let a time service keep it (apt install chrony); in an LXC container that is the host's part";
    if let Some(ran) = machine
        .run("chronyc", &["-c", "tracking"])
        .filter(|ran| ran.ok)
    {
        // The fifth of its fields is how far the clock is from the right time, in seconds.
        if let Some(offset) = ran
            .out
            .split(',')
            .nth(4)
            .and_then(|field| field.parse::<f64>().ok())
        {
            let found = format!("{offset:.3} s from the right time");
            return if offset.abs() < 2.0 {
                Finding::pass(CHECK, found)
            } else {
                Finding::fail(CHECK, found, CURE)
            };
        }
    }
    let synchronised = machine.run(
        "timedatectl",
        &["show", "--property=NTPSynchronized", "--value"],
    );
    match synchronised
        .filter(|ran| ran.ok)
        .map(|ran| ran.out)
        .as_deref()
    {
        Some("yes") => Finding::pass(CHECK, "kept by a time service"),
        Some(_) => Finding::warn(CHECK, "no time service keeps it", CURE),
        None => Finding::warn(
            CHECK,
            "neither chronyc nor timedatectl tells whether it is right",
            CURE,
        ),
    }
}

/// Whether a port can be published.
pub(super) fn port(machine: &dyn Machine, name: &str, port: u16) -> Finding {
    const CHECK: &str = "port";
    match machine.taken(port) {
        None => Finding::pass(CHECK, format!("{port} is free")),
        Some(ErrorKind::AddrInUse) if published_by_us(machine, port) => {
            Finding::pass(CHECK, format!("{port} is published by this stack"))
        }
        Some(ErrorKind::AddrInUse) => Finding::fail(
            CHECK,
            format!("{port} is taken by another program"),
            format!(
                "`ss -ltnp sport = :{port}` names it; stop it, or set {name} in .env to another port"
            ),
        ),
        Some(kind) => Finding::warn(
            CHECK,
            format!("{port} cannot be tried: {kind}"),
            "run this as root to try it; Docker itself may publish it",
        ),
    }
}

fn published_by_us(machine: &dyn Machine, port: u16) -> bool {
    let ours = machine.run(
        "docker",
        &[
            "ps",
            "--filter",
            "label=schoolyard.logs",
            "--format",
            "{{.Ports}}",
        ],
    );
    ours.is_some_and(|ran| ran.out.contains(&format!(":{port}->")))
}
