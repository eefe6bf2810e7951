//! Docker, and whether a container of ours runs in it.

use serde::Deserialize;

use super::machine::{Machine, Ran};
use super::{Finding, Wanted};

/// What `docker info` says, as far as it matters.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    driver: String,
    docker_root_dir: String,
    cgroup_version: String,
    memory_limit: bool,
    pids_limit: bool,
    #[serde(rename = "CpuCfsQuota", alias = "CPUCfsQuota")]
    cpu_cfs_quota: bool,
    server_errors: Vec<String>,
}

/// A container and a network by this name are made and removed again.
const NAME: &str = "schoolyard-preflight";
/// GiB that images, volumes and logs need at least, and for a year.
const LEAST_GIB: u64 = 6;
const ENOUGH_GIB: u64 = 20;

pub(super) fn all(machine: &dyn Machine, wanted: &Wanted) -> Vec<Finding> {
    let info = match info(machine) {
        Ok(info) => info,
        Err(finding) => return vec![finding],
    };
    let mut findings = vec![Finding::pass("Docker", "answers")];
    findings.push(api(machine));
    findings.push(compose(machine));
    findings.push(storage(&info));
    findings.push(limits(&info));
    findings.push(disk(machine, &info.docker_root_dir));
    let starts = starts(machine, &wanted.image);
    let works = starts.level == super::Level::Pass;
    findings.push(starts);
    if works {
        findings.push(names(machine, &wanted.image));
    }
    findings
}

fn info(machine: &dyn Machine) -> Result<Info, Finding> {
    const CHECK: &str = "Docker";
    let Some(ran) = machine.run("docker", &["info", "--format", "{{json .}}"]) else {
        return Err(Finding::fail(
            CHECK,
            "is not installed",
            "https://docs.docker.com/engine/install/ for this system",
        ));
    };
    let info: Info = serde_json::from_str(&ran.out).unwrap_or_default();
    if ran.ok && info.server_errors.is_empty() {
        return Ok(info);
    }
    let said = if ran.err.is_empty() {
        info.server_errors.join("; ")
    } else {
        ran.err
    };
    let cure = if said.contains("permission denied") {
        "this user may not: run this as root, or add the user to the group `docker`"
    } else {
        "start it: systemctl enable --now docker; journalctl -u docker says why it does not"
    };
    Err(Finding::fail(
        CHECK,
        format!("does not answer: {said}"),
        cure,
    ))
}

/// `1.41` as 1 and 41; what follows a number is passed over.
fn version(text: &str) -> Option<Vec<u64>> {
    let numbers = text.trim().trim_start_matches('v').split('.');
    let leading = |part: &str| {
        part.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .ok()
    };
    numbers.map(leading).collect()
}

/// Traefik is fed by Consul and asks Docker nothing; the profile `obs` and the health checks are what needs a version.
fn api(machine: &dyn Machine) -> Finding {
    const CHECK: &str = "Docker API";
    let ran = machine
        .run("docker", &["version", "--format", "{{.Server.APIVersion}}"])
        .filter(|ran| ran.ok);
    match ran.as_ref().and_then(|ran| version(&ran.out)) {
        Some(found) if found >= vec![1, 41] => Finding::pass(CHECK, ran.unwrap_or_default().out),
        Some(_) => Finding::fail(
            CHECK,
            ran.unwrap_or_default().out,
            "1.41 or later is needed: install Docker 20.10 or later",
        ),
        None => Finding::warn(
            CHECK,
            "its version cannot be read",
            "1.41 or later is needed",
        ),
    }
}

/// Configurations stand in the compose file itself, which older ones do not know.
fn compose(machine: &dyn Machine) -> Finding {
    const CHECK: &str = "docker compose";
    let ran = machine
        .run("docker", &["compose", "version", "--short"])
        .filter(|ran| ran.ok);
    match ran.as_ref().and_then(|ran| version(&ran.out)) {
        Some(found) if found >= vec![2, 23, 1] => Finding::pass(CHECK, ran.unwrap_or_default().out),
        Some(_) => Finding::fail(
            CHECK,
            ran.unwrap_or_default().out,
            "2.23.1 or later is needed: install docker-compose-plugin from Docker's own repository",
        ),
        None => Finding::fail(
            CHECK,
            "is not there",
            "install docker-compose-plugin from Docker's own repository",
        ),
    }
}

fn storage(info: &Info) -> Finding {
    const CHECK: &str = "storage driver";
    if info.driver == "vfs" {
        return Finding::warn(
            CHECK,
            "vfs: every layer is a whole copy, seven times the disk",
            "on ZFS in LXC: put /var/lib/docker on an ext4 volume of its own, or use a virtual machine; then overlay2 is chosen by itself",
        );
    }
    Finding::pass(CHECK, info.driver.clone())
}

fn limits(info: &Info) -> Finding {
    const CHECK: &str = "cgroup limits";
    let missing: Vec<_> = [
        ("memory", info.memory_limit),
        ("pids", info.pids_limit),
        ("cpu", info.cpu_cfs_quota),
    ]
    .into_iter()
    .filter(|(_, there)| !there)
    .map(|(name, _)| name)
    .collect();
    if !missing.is_empty() {
        return Finding::fail(
            CHECK,
            format!("{} cannot be limited", missing.join(", ")),
            "in LXC the host must be Proxmox 7 or later with nesting=1; on bare metal add cgroup_enable=memory to the kernel's command line",
        );
    }
    if info.cgroup_version != "2" {
        return Finding::warn(
            CHECK,
            format!("version {}", info.cgroup_version),
            "limits hold, swap is not counted; a newer system has version 2",
        );
    }
    Finding::pass(CHECK, "version 2: memory, pids, cpu")
}

fn disk(machine: &dyn Machine, folder: &str) -> Finding {
    const CHECK: &str = "disk";
    let folder = if folder.is_empty() {
        "/var/lib/docker"
    } else {
        folder
    };
    let kib = |ran: Ran| {
        ran.out
            .lines()
            .nth(1)?
            .split_whitespace()
            .nth(3)?
            .parse::<u64>()
            .ok()
    };
    let Some(free) = machine
        .run("df", &["-Pk", folder])
        .filter(|ran| ran.ok)
        .and_then(kib)
        .map(|kib| kib >> 20)
    else {
        return Finding::warn(
            CHECK,
            format!("df says nothing of {folder}"),
            format!("{ENOUGH_GIB} GiB are enough"),
        );
    };
    let found = format!("{free} GiB free in {folder}");
    if free < LEAST_GIB {
        return Finding::fail(
            CHECK,
            found,
            format!(
                "{LEAST_GIB} GiB are the least, {ENOUGH_GIB} enough; docker system df says what is used"
            ),
        );
    }
    if free < ENOUGH_GIB {
        return Finding::warn(
            CHECK,
            found,
            format!("{ENOUGH_GIB} GiB are enough for a school's year"),
        );
    }
    Finding::pass(CHECK, found)
}

/// What runc and Docker say when they cannot start a container, and what that means.
const CAUSES: [(&str, &str, &str); 6] = [
    (
        "ip_unprivileged_port_start",
        "AppArmor of LXC refuses what runc 1.3.3 and later do",
        "update LXC on the host to 6.0.6 or later (Proxmox: apt full-upgrade); an older containerd would bring CVE-2025-52881 back",
    ),
    (
        "session key",
        "the LXC container may not use the kernel's key store",
        "on the Proxmox host: pct set ID --features nesting=1,keyctl=1 and restart the container",
    ),
    (
        "apparmor",
        "AppArmor refuses the container",
        "in LXC: nesting=1 on the host; else apt install apparmor and restart Docker",
    ),
    (
        "exec format error",
        "the image is for another processor",
        "build it on this machine: docker build -f docker/Dockerfile -t {image} .",
    ),
    (
        "no such image",
        "the image is not there",
        "build it: docker build -f docker/Dockerfile -t {image} . ; or docker load -i FILE; or set SY_IMAGE to where it can be pulled",
    ),
    (
        "cgroup",
        "the container's limits cannot be set",
        "in LXC: nesting=1 on the host, which must have cgroup v2 (Proxmox 7 or later)",
    ),
];

fn starts(machine: &dyn Machine, image: &str) -> Finding {
    const CHECK: &str = "a container starts";
    let args = [
        "run",
        "--rm",
        "--pull=never",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true",
        "--read-only",
        "--memory=64m",
        image,
        "--version",
    ];
    let ran = machine.run("docker", &args).unwrap_or_default();
    if ran.ok {
        return Finding::pass(CHECK, ran.out);
    }
    let said = ran.err.to_lowercase();
    // What follows is help for the command line.
    let shown = ran.err.lines().next().unwrap_or_default();
    for (sign, means, cure) in CAUSES {
        if said.contains(sign) {
            return Finding::fail(
                CHECK,
                format!("{means} ({shown})"),
                cure.replace("{image}", image),
            );
        }
    }
    Finding::fail(
        CHECK,
        format!("no: {shown}"),
        format!("`docker run --rm {image} --version` must print a version"),
    )
}

/// One container asks another by its name, as services and stores find each other.
fn names(machine: &dyn Machine, image: &str) -> Finding {
    const CHECK: &str = "names of containers";
    let docker = |args: &[&str]| machine.run("docker", args).unwrap_or_default();
    let clean = || {
        docker(&["rm", "--force", NAME]);
        docker(&["network", "rm", NAME]);
    };
    clean();
    let mut ran = docker(&["network", "create", "--internal", NAME]);
    if ran.ok {
        ran = docker(&[
            "run",
            "--detach",
            "--pull=never",
            "--network",
            NAME,
            "--name",
            NAME,
            "--tmpfs=/data:mode=0700,uid=65532,gid=65532",
            image,
            "serve",
        ]);
    }
    let asked = format!("http://{NAME}:8080/health");
    // It listens within a second; each attempt takes a part of that by itself.
    for _ in 0..10 {
        if !ran.ok && ran.err.contains("rror response from daemon") {
            break;
        }
        ran = docker(&[
            "run",
            "--rm",
            "--pull=never",
            "--network",
            NAME,
            image,
            "healthcheck",
            &asked,
        ]);
        if ran.ok {
            break;
        }
    }
    clean();
    if ran.ok {
        return Finding::pass(CHECK, "one finds another");
    }
    Finding::fail(
        CHECK,
        format!("one does not find another: {}", ran.err),
        "a firewall or a VPN on this machine may stand between Docker's networks: restart Docker after changing either; \
         in LXC, nesting=1 must be set",
    )
}
