//! The image: what it is built from, and what it starts.

use crate::files::{LOCAL, filled, root, services, text};

/// The instructions of the last stage.
fn last_stage() -> Vec<String> {
    let dockerfile = text("docker/Dockerfile").replace("\\\n", " ");
    let stages: Vec<&str> = dockerfile.split("\nFROM ").collect();
    stages.last().unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_image_holds_the_program_and_nobody_is_root_in_it() {
    let stage = last_stage();
    assert_eq!(stage[0], "scratch");
    let has = |line: &str| assert!(stage.iter().any(|there| there == line), "{line}");
    has("ENTRYPOINT [\"/schoolyard\"]");
    has("USER 65532:65532");
    assert!(stage.iter().any(|line| line.starts_with("HEALTHCHECK ")
        && line.ends_with("CMD [\"/schoolyard\", \"healthcheck\"]")));
    for (name, service) in services(&filled(LOCAL)) {
        if service["image"]
            .as_str()
            .unwrap()
            .starts_with("schoolyard:")
        {
            assert_eq!(
                service["user"], "65532:65532",
                "{name}: the folders of the image are this user's"
            );
        }
    }
}

#[test]
fn the_program_in_the_image_speaks_to_every_server() {
    let dockerfile = text("docker/Dockerfile");
    assert!(dockerfile.contains("cargo build --locked --profile dist --features servers"));
    assert!(
        text("docker/image-files").contains("--features servers"),
        "the list of what is inside is of the same build"
    );
    let toolchain = text("rust-toolchain.toml");
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .unwrap()
        .trim_matches('"');
    assert!(
        dockerfile.contains(&format!("FROM rust:{channel}")),
        "the toolchain is {channel}"
    );
    assert!(
        dockerfile.contains(&format!("ENV RUSTUP_TOOLCHAIN={channel}\n")),
        "nothing but the toolchain {channel} of the image is asked for"
    );
}

#[test]
fn what_reads_the_dockerfile_is_part_of_docker() {
    assert!(
        !text("docker/Dockerfile").contains("# syntax="),
        "another reader of it would come from a registry"
    );
}

#[test]
fn the_build_is_given_the_whole_workspace_and_no_secret() {
    let ignored = text(".dockerignore");
    let ignored: Vec<&str> = ignored
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    for secret in [".env", "schoolyard-data", "target", ".git"] {
        assert!(ignored.contains(&secret), "{secret}");
    }
    for entry in std::fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().join("Cargo.toml").is_file() {
            assert!(
                !ignored.contains(&name.as_str()),
                "cargo refuses a workspace without {name}"
            );
        }
    }
}
