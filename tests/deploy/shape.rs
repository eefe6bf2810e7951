//! What the two files are: flat, alike, made of exact images, with nothing that ends.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{DOCKGE, LOCAL, bash, filled, raw, root, services, strings, text};

#[test]
fn both_files_are_what_assemble_writes() {
    let folder = tempfile::tempdir().unwrap();
    bash(&format!("docker/assemble {}", folder.path().display()));
    for path in [DOCKGE, LOCAL] {
        let written = std::fs::read_to_string(folder.path().join(path)).unwrap();
        assert!(
            written == text(path),
            "{path} is not what docker/assemble writes; run it"
        );
    }
}

#[test]
fn both_files_are_equal_but_for_ports_and_build() {
    let mut files = [raw(DOCKGE), raw(LOCAL)];
    for file in &mut files {
        for service in file["services"].as_object_mut().unwrap().values_mut() {
            let service = service.as_object_mut().unwrap();
            service.remove("ports");
            service.remove("build");
        }
    }
    assert_eq!(files[0], files[1]);
}

#[test]
fn a_dockge_stack_is_one_flat_file_that_is_built_by_nobody() {
    let folder: Vec<_> = std::fs::read_dir(root().join("dockge/schoolyard"))
        .unwrap()
        .collect();
    assert_eq!(
        folder.len(),
        1,
        "Dockge takes the first of several file names"
    );
    let file = raw(DOCKGE);
    let sections: BTreeSet<_> = file
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    // No `name`: Dockge finds a stack by its folder. No `include`: it shows no container of it.
    assert_eq!(
        sections,
        BTreeSet::from(["configs", "networks", "services", "volumes"])
    );
    for (name, service) in services(&file) {
        for refused in [
            "build",
            "extends",
            "env_file",
            "container_name",
            "secrets",
            "deploy",
            "privileged",
            "devices",
            "network_mode",
        ] {
            assert!(service.get(refused).is_none(), "{name}: {refused}");
        }
    }
}

#[test]
fn one_port_is_published_and_for_development_those_of_the_operator_on_this_machine_only() {
    let ports = |path: &str| -> Vec<(String, String)> {
        let file = filled(path);
        let all = services(&file).iter();
        let mut all: Vec<_> = all
            .flat_map(|(name, service)| {
                strings(&service["ports"])
                    .into_iter()
                    .map(|port| (name.clone(), port.to_owned()))
                    .collect::<Vec<_>>()
            })
            .collect();
        all.sort();
        all
    };
    let is = |name: &str, port: &str| (name.to_owned(), port.to_owned());
    assert_eq!(ports(DOCKGE), [is("traefik", "80:8000")]);
    assert_eq!(
        ports(LOCAL),
        [
            is("consul", "127.0.0.1:8500:8500"),
            is("grafana", "127.0.0.1:3000:3000"),
            is("traefik", "127.0.0.1:8080:8080"),
            is("traefik", "443:8443"),
            is("traefik", "80:8000"),
        ]
    );
}

#[test]
fn every_image_is_an_exact_version() {
    for (name, service) in services(&filled(LOCAL)) {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image
            .rsplit_once(':')
            .unwrap_or_else(|| panic!("{name}: {image} has no tag"));
        let version = tag.trim_start_matches('v').split('-').next().unwrap();
        let numbers: Vec<_> = version.split('.').collect();
        let exact =
            numbers.len() >= 2 && numbers.iter().all(|number| number.parse::<u32>().is_ok());
        assert!(exact, "{name}: {image}");
        if image.starts_with("schoolyard") {
            assert_eq!(version, env!("CARGO_PKG_VERSION"), "{name}");
        }
    }
    assert!(text("docker/Dockerfile").contains(concat!("schoolyard:", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn nothing_is_kept_in_a_folder_beside_the_file_and_every_volume_is_used_once() {
    let file = raw(DOCKGE);
    let mut used = Vec::new();
    for (name, service) in services(&file) {
        for volume in strings(&service["volumes"]) {
            let (source, _) = volume.split_once(':').unwrap();
            if source.starts_with(['/', '.', '~']) {
                // The list of containers, for their logs: no data, and no other container sees it.
                assert_eq!(
                    (name.as_str(), volume),
                    ("docker", "/var/run/docker.sock:/var/run/docker.sock:ro")
                );
                continue;
            }
            used.push(source.to_owned());
        }
    }
    used.sort();
    let declared: Vec<_> = file["volumes"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(used, declared);
}

#[test]
fn what_must_last_lies_in_a_volume() {
    let file = filled(DOCKGE);
    let volume = |service: &str| strings(&file["services"][service]["volumes"]).join(" ");
    assert_eq!(volume("postgres"), "postgres:/var/lib/postgresql/data");
    assert!(
        file["services"]["postgres"]["image"]
            .as_str()
            .unwrap()
            .contains(":17."),
        "18 keeps its data elsewhere"
    );
    assert_eq!(volume("mongodb"), "mongodb:/data/db");
    assert_eq!(volume("consul"), "consul:/consul/data");
    assert!(
        crate::files::content(&file, "consul-agent").contains("\"data_dir\": \"/consul/data\"")
    );
    assert_eq!(volume("kafka"), "kafka:/var/lib/kafka/data");
    let logs: Vec<_> = crate::files::content(&file, "kafka-server")
        .lines()
        .filter(|line| line.starts_with("log.dirs="))
        .collect();
    assert_eq!(logs, ["log.dirs=/var/lib/kafka/data"]);
}

#[test]
fn profiles_hold_what_watches_and_nothing_that_serves() {
    for path in [DOCKGE, LOCAL] {
        let file = raw(path);
        let watching: BTreeSet<_> = services(&file)
            .iter()
            .filter(|(_, service)| service.get("profiles").is_some())
            .map(|(name, service)| {
                assert_eq!(strings(&service["profiles"]), ["obs"], "{name}");
                name.as_str()
            })
            .collect();
        assert_eq!(
            watching,
            BTreeSet::from(["alloy", "disk", "docker", "grafana", "loki", "prometheus"])
        );
    }
}

#[test]
fn only_the_edge_reaches_out_and_only_what_is_published_is_on_it() {
    let file = raw(LOCAL);
    for (name, network) in file["networks"].as_object().unwrap() {
        assert_eq!(
            network
                .get("internal")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            name != "edge",
            "{name}"
        );
        assert!(network.get("ipam").is_none(), "{name}: no fixed addresses");
    }
    for (name, service) in services(&file) {
        let networks = strings(&service["networks"]);
        assert!(
            !networks.is_empty(),
            "{name} is on Docker's default network"
        );
        assert_eq!(
            networks.contains(&"edge"),
            service.get("ports").is_some(),
            "{name}"
        );
    }
    let stores = ["postgres", "mongodb", "redis", "kafka"];
    for store in stores {
        assert_eq!(
            strings(&file["services"][store]["networks"]),
            ["data"],
            "{store}"
        );
    }
    assert!(
        !strings(&file["services"]["traefik"]["networks"]).contains(&"data"),
        "the edge reaches no store"
    );
}
