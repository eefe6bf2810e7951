//! What holds for every container.

use serde_json::Value;

use crate::files::{DOCKGE, LOCAL, content, filled, raw, services, strings};

/// Bytes of `256m`, `1g`, `160mb`.
fn bytes(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..].to_ascii_lowercase()[..] {
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        other => panic!("{text}: {other}?"),
    };
    digits.parse::<u64>().unwrap() * factor
}

fn each(check: impl Fn(&str, &Value)) {
    for path in [DOCKGE, LOCAL] {
        for (name, service) in services(&filled(path)) {
            check(name, service);
        }
    }
}

#[test]
fn every_container_has_no_right_it_does_not_need() {
    each(|name, service| {
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{name}");
        assert!(service.get("cap_add").is_none(), "{name}");
        assert_eq!(
            strings(&service["security_opt"]),
            ["no-new-privileges:true"],
            "{name}"
        );
        let user = service["user"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: no user"));
        let (uid, gid) = user.split_once(':').unwrap();
        assert!(
            uid.parse::<u32>().is_ok() && gid.parse::<u32>().is_ok(),
            "{name}: {user} depends on the image"
        );
        // The socket belongs to root, and root without capabilities is no more than its owner.
        assert_eq!(uid == "0", name == "docker", "{name}");
    });
}

#[test]
fn every_container_is_read_only_but_those_that_docker_lays_a_config_into() {
    each(|name, service| {
        let configs = service.get("configs").is_some();
        let read_only = service["read_only"].as_bool().unwrap_or(false);
        // Compose copies an inline config into the container, which a read-only one refuses.
        assert_eq!(read_only, !configs, "{name}");
    });
}

#[test]
fn a_folder_in_memory_is_its_users() {
    // The image's own folder lends it its mode, whatever is asked for; the owner is taken from here.
    each(|name, service| {
        let (uid, gid) = service["user"].as_str().unwrap().split_once(':').unwrap();
        for tmpfs in strings(&service["tmpfs"])
            .into_iter()
            .filter(|tmpfs| !tmpfs.starts_with("/tmp:"))
        {
            assert!(
                tmpfs.contains(&format!("uid={uid},gid={gid}")),
                "{name}: {tmpfs}"
            );
        }
    });
}

#[test]
fn every_container_has_limits_comes_back_and_leaves_in_peace() {
    each(|name, service| {
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert!(
            bytes(service["mem_limit"].as_str().unwrap_or_default()) >= 32 << 20,
            "{name}"
        );
        assert!(
            service["pids_limit"]
                .as_u64()
                .is_some_and(|pids| pids <= 512),
            "{name}"
        );
        assert_eq!(service["cpus"], "1", "{name}");
        assert_eq!(service["stop_grace_period"], "40s", "{name}");
        assert_eq!(service["logging"]["driver"], "json-file", "{name}");
        assert_eq!(service["logging"]["options"]["max-size"], "10m", "{name}");
        assert_eq!(service["logging"]["options"]["max-file"], "3", "{name}");
    });
}

#[test]
fn a_service_is_given_longer_to_leave_than_it_takes() {
    let server = |key: &str| -> u64 {
        let defaults = crate::files::text("kit/config.default.toml");
        let line = defaults.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_once("= ").unwrap().1.parse().unwrap()
    };
    // 5 s by the profile of Consul; the test of kit holds it.
    assert!(server("shutdown_grace") + 5 < 40);
}

#[test]
fn every_container_says_whether_it_is_well() {
    each(|name, service| {
        let check = &service["healthcheck"];
        assert!(strings(&check["test"]).len() >= 2, "{name}");
        for time in ["interval", "timeout", "start_period"] {
            assert!(
                check[time].as_str().is_some_and(|time| time.ends_with('s')),
                "{name}: {time}"
            );
        }
        assert!(check["retries"].as_u64().is_some(), "{name}");
        // Old engines refuse it.
        assert!(check.get("start_interval").is_none(), "{name}");
    });
}

#[test]
fn memory_is_set_by_value_and_below_the_limit() {
    let file = filled(DOCKGE);
    let limit = |name: &str| bytes(file["services"][name]["mem_limit"].as_str().unwrap());
    let heap = file["services"]["kafka"]["environment"]["KAFKA_HEAP_OPTS"]
        .as_str()
        .unwrap();
    let heap = heap.split("-Xmx").nth(1).unwrap();
    assert!(
        bytes(heap) * 3 / 2 <= limit("kafka"),
        "Java needs more than its heap"
    );
    let traefik = file["services"]["traefik"]["environment"]["GOMEMLIMIT"]
        .as_str()
        .and_then(|value| value.strip_suffix("iB"))
        .unwrap();
    assert!(
        bytes(&traefik.to_lowercase()) * 5 / 4 <= limit("traefik"),
        "Go counts its own memory only"
    );
    let redis = strings(&file["services"]["redis"]["command"]);
    let at = redis
        .iter()
        .position(|word| *word == "--maxmemory")
        .unwrap();
    assert!(bytes(redis[at + 1]) * 3 / 2 <= limit("redis"));
    assert!(
        redis
            .windows(2)
            .any(|pair| pair == ["--maxmemory-policy", "noeviction"]),
        "nothing is dropped in silence"
    );
    assert!(content(&file, "mongodb-start").contains("--wiredTigerCacheSizeGB 0.25"));
    for (name, service) in services(&file) {
        if strings(&service["command"]).first() == Some(&"serve") {
            assert_eq!(
                service["environment"]["TOKIO_WORKER_THREADS"], "2",
                "{name}"
            );
        }
    }
}

#[test]
fn preflight_asks_for_the_memory_that_the_limits_add_up_to() {
    let file = filled(DOCKGE);
    let serving = services(&file)
        .values()
        .filter(|service| service.get("profiles").is_none());
    let sum: u64 = serving
        .map(|service| bytes(service["mem_limit"].as_str().unwrap()))
        .sum();
    assert_eq!(sum >> 20, schoolyard::preflight::LIMITS_MIB);
}

#[test]
fn whatever_stands_in_the_environment_of_a_container_is_text() {
    // A bare number or `true` would be a type of YAML's, and `on` would become true.
    for path in [DOCKGE, LOCAL] {
        for (name, service) in services(&raw(path)) {
            for (key, value) in service["environment"].as_object().into_iter().flatten() {
                assert!(value.is_string(), "{name}: {key}");
            }
        }
    }
}
