//! Each check on machines that are made up: one where it passes, and one for each thing that can be wrong.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::*;

/// A machine on which everything is as it should be, until a test changes it.
struct Made {
    files: BTreeMap<&'static str, String>,
    /// What begins so ends so; the longest beginning counts.
    programs: BTreeMap<&'static str, Ran>,
    taken: BTreeMap<u16, ErrorKind>,
    ran: RefCell<Vec<String>>,
}

fn said(out: &str) -> Ran {
    Ran {
        ok: true,
        out: out.to_owned(),
        err: String::new(),
    }
}

fn failed(err: &str) -> Ran {
    Ran {
        ok: false,
        out: String::new(),
        err: err.to_owned(),
    }
}

const INFO: &str = r#"{"Driver":"overlay2","DockerRootDir":"/docker","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CpuCfsQuota":true}"#;

impl Made {
    fn good() -> Self {
        let files = [
            (
                "/proc/cpuinfo",
                "processor\t: 0\nflags\t\t: fpu sse4_2 avx avx2\n",
            ),
            (
                "/proc/meminfo",
                "MemTotal:       16000000 kB\nMemFree: 1 kB\n",
            ),
            ("/proc/sys/vm/overcommit_memory", "1\n"),
            ("/proc/sys/vm/max_map_count", "262144\n"),
            (
                "/sys/kernel/mm/transparent_hugepage/enabled",
                "always [madvise] never\n",
            ),
        ];
        let programs = [
            (
                "chronyc -c tracking",
                said("A29FC87B,ntp,3,1795252,0.000012,0,0,0,0,0,0,0,0,Normal"),
            ),
            ("docker info", said(INFO)),
            ("docker version", said("1.51")),
            ("docker compose version", said("2.40.3")),
            (
                "df -Pk /docker",
                said(
                    "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 100000000 1 90000000 1% /",
                ),
            ),
            (
                "docker run --rm --pull=never --cap-drop=ALL",
                said("schoolyard 0.1.0"),
            ),
            ("docker run --detach", said("5c40")),
            ("docker run --rm --pull=never --network", said("healthy")),
            ("docker network create", said("5c41")),
            ("docker network rm", said("")),
            ("docker rm", said("")),
            ("docker ps", said("")),
        ];
        Self {
            files: files.map(|(path, text)| (path, text.to_owned())).into(),
            programs: programs.into(),
            taken: BTreeMap::new(),
            ran: RefCell::default(),
        }
    }

    fn file(mut self, path: &'static str, text: &str) -> Self {
        self.files.insert(path, text.to_owned());
        self
    }

    fn program(mut self, begins: &'static str, ran: Ran) -> Self {
        self.programs.insert(begins, ran);
        self
    }

    fn without(mut self, program: &str) -> Self {
        self.programs
            .retain(|begins, _| !begins.starts_with(program));
        self
    }

    fn info(self, from: &str, to: &str) -> Self {
        assert!(INFO.contains(from));
        self.program("docker info", said(&INFO.replace(from, to)))
    }

    fn port(mut self, port: u16, kind: ErrorKind) -> Self {
        self.taken.insert(port, kind);
        self
    }

    fn findings(&self) -> Vec<Finding> {
        let wanted = Wanted {
            image: "schoolyard:0.1.0".to_owned(),
            ports: vec![("SY_HTTP_PORT".to_owned(), 80)],
        };
        look(self, &wanted)
    }

    /// The one check that is not good; all others are.
    #[track_caller]
    fn only(&self, check: &str, level: Level, cure: &str) {
        let wrong: Vec<_> = self
            .findings()
            .into_iter()
            .filter(|finding| finding.level != Level::Pass)
            .collect();
        assert!(
            matches!(&wrong[..], [one] if one.check == check && one.level == level && one.cure.contains(cure)),
            "{wrong:#?}"
        );
    }
}

impl Machine for Made {
    fn read(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    fn run(&self, program: &str, args: &[&str]) -> Option<Ran> {
        let line = format!("{program} {}", args.join(" "));
        let found = self
            .programs
            .iter()
            .filter(|(begins, _)| line.starts_with(*begins))
            .max_by_key(|(begins, _)| begins.len());
        self.ran.borrow_mut().push(line.clone());
        found.map(|(_, ran)| ran.clone())
    }

    fn taken(&self, port: u16) -> Option<ErrorKind> {
        self.taken.get(&port).copied()
    }
}

#[test]
fn on_a_good_machine_everything_passes_and_nothing_is_left_behind() {
    let machine = Made::good();
    let findings = machine.findings();
    assert!(
        findings
            .iter()
            .all(|finding| finding.level == Level::Pass && finding.cure.is_empty()),
        "{findings:#?}"
    );
    assert!(findings.len() >= 13, "{findings:#?}");
    let ran = machine.ran.borrow();
    let last: Vec<_> = ran.iter().rev().take(2).collect();
    assert_eq!(
        last,
        [
            "docker network rm schoolyard-preflight",
            "docker rm --force schoolyard-preflight"
        ]
    );
}

#[test]
fn whatever_is_not_good_says_what_to_do() {
    let nothing = Made {
        files: BTreeMap::new(),
        programs: BTreeMap::new(),
        taken: BTreeMap::new(),
        ran: RefCell::default(),
    };
    for finding in nothing.findings() {
        assert_eq!(
            finding.level == Level::Pass,
            finding.cure.is_empty(),
            "{finding}"
        );
    }
}

#[test]
fn lxc_without_nesting_is_found_by_either_sign_and_with_it_passes() {
    let plain =
        || Made::good().program("unshare", failed("unshare failed: Operation not permitted"));
    plain().file("/run/systemd/container", "lxc\n").only(
        "LXC nesting",
        Level::Fail,
        "nesting=1,keyctl=1",
    );
    plain()
        .file("/proc/1/environ", "TERM=linux\0container=lxc\0")
        .only("LXC nesting", Level::Fail, "pct set");
    let nested = Made::good()
        .program("unshare", said(""))
        .file("/run/systemd/container", "lxc\n");
    assert!(
        nested
            .findings()
            .iter()
            .any(|finding| finding.check == "LXC nesting" && finding.level == Level::Pass)
    );
    // Elsewhere nobody asks.
    assert!(
        plain()
            .file("/run/systemd/container", "docker\n")
            .findings()
            .iter()
            .all(|finding| finding.check != "LXC nesting")
    );
}

#[test]
fn a_processor_without_avx_fails_and_names_the_way_around() {
    Made::good()
        .file("/proc/cpuinfo", "flags : fpu sse4_2 avxx\n")
        .only("processor for MongoDB", Level::Fail, "PostgreSQL");
    let arm = Made::good().file("/proc/cpuinfo", "Features : fp asimd atomics\n");
    assert!(
        arm.findings()
            .iter()
            .all(|finding| finding.level == Level::Pass)
    );
    Made::good()
        .file("/proc/cpuinfo", "Features : fp asimd\n")
        .only("processor for MongoDB", Level::Fail, "");
}

#[test]
fn too_little_memory_fails_and_little_warns() {
    let with =
        |mib: u64| Made::good().file("/proc/meminfo", &format!("MemTotal: {} kB\n", mib * 1024));
    with(LEAST_MIB - 1).only("memory", Level::Fail, "one process");
    with(LEAST_MIB).only("memory", Level::Warn, "4352");
    with(LIMITS_MIB - 1).only("memory", Level::Warn, "");
    assert!(
        with(LIMITS_MIB)
            .findings()
            .iter()
            .all(|finding| finding.level == Level::Pass)
    );
}

#[test]
fn settings_of_the_host_are_warned_of_and_never_fail() {
    Made::good()
        .file("/proc/sys/vm/overcommit_memory", "0\n")
        .only("vm.overcommit_memory", Level::Warn, "sysctl -w");
    Made::good()
        .file("/proc/sys/vm/max_map_count", "65530\n")
        .only("vm.max_map_count", Level::Warn, "sysctl -w");
    Made::good()
        .file(
            "/sys/kernel/mm/transparent_hugepage/enabled",
            "[always] madvise never\n",
        )
        .only("transparent huge pages", Level::Warn, "madvise");
}

#[test]
fn a_clock_two_seconds_off_fails_and_one_that_nobody_keeps_warns() {
    let off = |seconds: &str| {
        Made::good().program(
            "chronyc -c tracking",
            said(&format!("A,ntp,3,1,{seconds},0")),
        )
    };
    off("-2.1").only("clock", Level::Fail, "chrony");
    off("2.0").only("clock", Level::Fail, "chrony");
    assert!(
        off("-1.9")
            .findings()
            .iter()
            .all(|finding| finding.level == Level::Pass)
    );
    let kept = |how: &str| {
        Made::good()
            .without("chronyc")
            .program("timedatectl", said(how))
    };
    assert!(
        kept("yes")
            .findings()
            .iter()
            .all(|finding| finding.level == Level::Pass)
    );
    kept("no").only("clock", Level::Warn, "chrony");
    Made::good()
        .without("chronyc")
        .only("clock", Level::Warn, "chrony");
}

#[test]
fn without_docker_its_other_checks_are_not_made() {
    for (machine, cure) in [
        (Made::good().without("docker"), "docs.docker.com"),
        (
            Made::good().program(
                "docker info",
                failed("permission denied while trying to connect"),
            ),
            "group `docker`",
        ),
        (
            Made::good().program("docker info", failed("Cannot connect to the Docker daemon")),
            "systemctl",
        ),
        // The client answers for itself, with the error inside and exit code 0 or 1 as its version likes.
        (
            Made::good().program(
                "docker info",
                said(r#"{"ServerErrors":["Cannot connect to the Docker daemon"]}"#),
            ),
            "systemctl",
        ),
    ] {
        machine.only("Docker", Level::Fail, cure);
        assert!(
            !machine
                .ran
                .borrow()
                .iter()
                .any(|line| line.starts_with("docker run"))
        );
    }
}

#[test]
fn old_versions_fail() {
    Made::good()
        .program("docker version", said("1.40"))
        .only("Docker API", Level::Fail, "20.10");
    Made::good()
        .program("docker compose version", said("2.23.0"))
        .only("docker compose", Level::Fail, "2.23.1");
    Made::good().without("docker compose").only(
        "docker compose",
        Level::Fail,
        "docker-compose-plugin",
    );
    for good in ["v2.23.1", "2.24.0-desktop.1", "5.6.0"] {
        let machine = Made::good().program("docker compose version", said(good));
        assert!(
            machine
                .findings()
                .iter()
                .all(|finding| finding.level == Level::Pass),
            "{good}"
        );
    }
}

#[test]
fn the_storage_driver_vfs_is_warned_of() {
    Made::good()
        .info("overlay2", "vfs")
        .only("storage driver", Level::Warn, "ext4");
}

#[test]
fn limits_that_do_not_hold_fail_and_the_old_cgroups_warn() {
    for name in ["MemoryLimit", "PidsLimit", "CpuCfsQuota"] {
        Made::good()
            .info(&format!("\"{name}\":true"), &format!("\"{name}\":false"))
            .only("cgroup limits", Level::Fail, "nesting=1");
    }
    Made::good()
        .info("\"CgroupVersion\":\"2\"", "\"CgroupVersion\":\"1\"")
        .only("cgroup limits", Level::Warn, "version 2");
}

#[test]
fn a_disk_that_is_nearly_full_fails_and_a_small_one_warns() {
    let free = |gib: u64| {
        Made::good().program(
            "df -Pk /docker",
            said(&format!("Filesystem ..\n/dev/sda1 1 1 {} 1% /", gib << 20)),
        )
    };
    free(5).only("disk", Level::Fail, "docker system df");
    free(19).only("disk", Level::Warn, "20 GiB");
    assert!(
        free(20)
            .findings()
            .iter()
            .all(|finding| finding.level == Level::Pass)
    );
}

#[test]
fn why_a_container_does_not_start_is_told_with_its_cause() {
    for (said, cure) in [
        (
            "runc create failed: open sysctl net.ipv4.ip_unprivileged_port_start file: permission denied",
            "6.0.6",
        ),
        (
            "join session keyring: create session key: operation not permitted",
            "keyctl=1",
        ),
        (
            "AppArmor enabled on system but the docker-default profile could not be loaded",
            "apparmor",
        ),
        ("exec /schoolyard: exec format error", "docker build"),
        (
            "docker: Error response from daemon: No such image: schoolyard:0.1.0",
            "SY_IMAGE",
        ),
        ("failed to write to cgroup.procs", "cgroup v2"),
        (
            "something that nobody saw before",
            "docker run --rm schoolyard:0.1.0 --version",
        ),
    ] {
        let machine =
            Made::good().program("docker run --rm --pull=never --cap-drop=ALL", failed(said));
        machine.only("a container starts", Level::Fail, cure);
        assert!(
            machine
                .findings()
                .iter()
                .any(|finding| finding.found.contains(said)),
            "what Docker said is shown"
        );
        assert!(
            !machine
                .ran
                .borrow()
                .iter()
                .any(|line| line.contains("network create")),
            "there is nothing to ask names with"
        );
    }
}

#[test]
fn containers_that_do_not_find_one_another_fail_and_are_removed() {
    let error = "schoolyard: http://schoolyard-preflight:8080/health does not answer: dns error";
    let machine = Made::good().program("docker run --rm --pull=never --network", failed(error));
    machine.only("names of containers", Level::Fail, "firewall");
    assert!(
        machine
            .ran
            .borrow()
            .iter()
            .rev()
            .take(1)
            .any(|line| line == "docker network rm schoolyard-preflight")
    );
    Made::good()
        .program(
            "docker network create",
            failed("Error response from daemon: could not find an available address pool"),
        )
        .only("names of containers", Level::Fail, "firewall");
}

#[test]
fn a_port_taken_by_others_fails_with_the_name_that_moves_it() {
    Made::good()
        .port(80, ErrorKind::AddrInUse)
        .only("port", Level::Fail, "SY_HTTP_PORT");
    Made::good()
        .port(80, ErrorKind::PermissionDenied)
        .only("port", Level::Warn, "root");
    let again = Made::good()
        .port(80, ErrorKind::AddrInUse)
        .program("docker ps", said("0.0.0.0:80->8000/tcp, [::]:80->8000/tcp"));
    assert!(
        again
            .findings()
            .iter()
            .all(|finding| finding.level == Level::Pass),
        "the stack itself is no obstacle"
    );
}
