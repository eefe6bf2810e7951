//! The command line: what it prints, how it ends, and that its messages tell what to do.

use std::path::Path;

use crate::support::process::{Finished, Running, finish, schoolyard};
use crate::support::{Person, School};

async fn run(data: &Path, args: &[&str], settings: &[(&str, &str)], input: &str) -> Finished {
    finish(schoolyard(data, args, settings), input).await
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

const QUIET: (&str, &str) = ("SCHOOLYARD_LOG__FILTER", "warn");

#[tokio::test]
async fn an_administrator_is_made_with_and_without_a_running_server_and_can_sign_in() {
    let data = folder();
    let password = format!("{}\n", School::PASSWORD);
    let first = run(
        data.path(),
        &["admin", "create", "--email", "first@school.example"],
        &[],
        &password,
    )
    .await;
    assert_eq!(
        (first.code, first.stdout.trim()),
        (0, "administrator first <first@school.example> made, id 1"),
        "{}",
        first.stderr
    );

    let server = Running::serve(data.path(), &[], &[QUIET]).await;
    let dry = run(
        data.path(),
        &[
            "admin",
            "create",
            "--email",
            "second@school.example",
            "--dry-run",
        ],
        &[],
        "",
    )
    .await;
    assert!(
        dry.stdout.contains("through the running server"),
        "{}",
        dry.stdout
    );
    let second = run(
        data.path(),
        &["admin", "create", "--email", "second@school.example"],
        &[],
        &password,
    )
    .await;
    assert_eq!(second.code, 0, "{}", second.stderr);
    let again = run(
        data.path(),
        &["admin", "create", "--email", "second@school.example"],
        &[],
        &password,
    )
    .await;
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("already exists"), "{}", again.stderr);
    let short = run(
        data.path(),
        &["admin", "create", "--email", "third@school.example"],
        &[],
        "short\n",
    )
    .await;
    assert_eq!(short.code, 1);
    assert!(short.stderr.contains("password"), "{}", short.stderr);

    for email in ["first@school.example", "second@school.example"] {
        let admin = Person::nobody(&server.base)
            .login(email, School::PASSWORD)
            .await;
        assert_eq!(
            admin.get("/api/auth/me").await.expect(200).json()["role"],
            "admin"
        );
    }
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn a_second_server_on_one_data_directory_ends_with_1_and_names_the_first() {
    let data = folder();
    let server = Running::serve(data.path(), &[], &[QUIET]).await;
    let pid = server.child.id().unwrap();
    let second = run(data.path(), &["serve"], &[], "").await;
    assert_eq!(second.code, 1);
    assert!(
        second.stderr.contains("data_dir_locked") && second.stderr.contains(&pid.to_string()),
        "{}",
        second.stderr
    );
    server.kill().await;
}

#[tokio::test]
async fn wrong_settings_end_with_2_and_name_the_setting_and_the_cure() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let key = "0123456789abcdef0123456789abcdef";
    for (args, settings, said) in [
        (
            &["serve", "auht"][..],
            vec![],
            "there are: auth, profile, posts, feed, gateway",
        ),
        (
            &["serve"],
            vec![("SCHOOLYARD_SERVER__LISTN", "x")],
            "SCHOOLYARD_SERVER__LISTEN",
        ),
        (
            &["serve"],
            vec![("SCHOOLYARD_SERVER__LISTEN", "here")],
            "server.listen",
        ),
        (
            &["serve"],
            vec![("SCHOOLYARD_SERVER__LISTEN", taken.as_str())],
            "server.listen",
        ),
        (
            &["serve"],
            vec![("SCHOOLYARD_POSTS__STORE", "mysql://x")],
            "sqlite:, postgres:",
        ),
        (
            &["serve"],
            vec![("SCHOOLYARD_BUS__URL", "carrier-pigeon:")],
            "sqlite:",
        ),
        (&["serve"], vec![("SECRET_KEY", "short")], "32"),
        (
            &["serve"],
            vec![("SECRET_KEY", "your-secret-key-here-change-in-production")],
            "SECRET_KEY",
        ),
        (
            &["serve", "posts"],
            vec![
                ("SCHOOLYARD_POSTS__STORE", "sqlite:/tmp/x.db"),
                ("SCHOOLYARD_BUS__URL", "sqlite:/tmp/y.db"),
            ],
            "SECRET_KEY",
        ),
        (
            &["serve", "posts"],
            vec![("SECRET_KEY", key)],
            "SCHOOLYARD_POSTS__STORE",
        ),
        (
            &["serve", "auth", "posts"],
            vec![("SECRET_KEY", key), ("DATABASE_URL", "sqlite:x.db")],
            "SCHOOLYARD_AUTH__STORE",
        ),
        (
            &["config", "check", "feed"],
            vec![
                ("SECRET_KEY", key),
                ("SCHOOLYARD_BUS__URL", "sqlite:/tmp/y.db"),
            ],
            "SCHOOLYARD_PEERS__POSTS",
        ),
        (&["paint"], vec![], "unrecognized subcommand"),
    ] {
        let data = folder();
        let ended = run(data.path(), args, &settings, "").await;
        assert_eq!(ended.code, 2, "{args:?} {settings:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(said),
            "{args:?} {settings:?}: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn the_settings_are_printed_with_their_origin_and_without_a_secret() {
    let data = folder();
    let settings = [
        ("SECRET_KEY", "0123456789abcdef0123456789abcdef"),
        ("SCHOOLYARD_POSTS__STORE", "postgres://p:hunter2@db/posts"),
    ];
    let printed = run(data.path(), &["config", "print"], &settings, "").await;
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    assert!(
        !printed.stdout.contains("0123456789abcdef") && !printed.stdout.contains("hunter2"),
        "{}",
        printed.stdout
    );
    for line in [
        "auth.secret_key",
        "# SECRET_KEY",
        "# SCHOOLYARD_POSTS__STORE",
        "server.listen",
        "# default",
    ] {
        assert!(
            printed.stdout.contains(line),
            "{line} is missing in {}",
            printed.stdout
        );
    }
    assert_eq!(
        run(data.path(), &["config", "check"], &settings[..1], "")
            .await
            .code,
        0
    );
}

#[tokio::test]
async fn a_fresh_environment_file_is_taken_and_no_two_are_alike() {
    let data = folder();
    let (one, two) = (
        run(data.path(), &["config", "init"], &[], "").await,
        run(data.path(), &["config", "init"], &[], "").await,
    );
    assert_ne!(one.stdout, two.stdout);
    let settings: Vec<(&str, &str)> = one
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    assert!(!settings.is_empty());
    let checked = run(data.path(), &["config", "check"], &settings, "").await;
    assert_eq!(checked.code, 0, "{}", checked.stderr);
}

#[tokio::test]
async fn the_health_check_tells_a_running_server_from_none() {
    let data = folder();
    let server = Running::serve(data.path(), &[], &[QUIET]).await;
    let url = format!("{}/health", server.base);
    let well = run(data.path(), &["healthcheck", &url], &[], "").await;
    assert_eq!(
        (well.code, well.stdout.trim()),
        (0, "healthy"),
        "{}",
        well.stderr
    );
    let missing = run(
        data.path(),
        &["healthcheck", &format!("{}/nothing", server.base)],
        &[],
        "",
    )
    .await;
    assert_eq!(missing.code, 1);
    assert_eq!(server.terminate().await, 0);
    assert_eq!(
        run(data.path(), &["healthcheck", &url], &[], "").await.code,
        1
    );
}

#[tokio::test]
async fn the_api_document_is_printed_without_any_data() {
    let data = folder();
    let printed = run(&data.path().join("not-made"), &["openapi"], &[], "").await;
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let document: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/api/auth/login",
        "/api/profile",
        "/api/posts",
        "/api/activity-stream",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is missing");
    }
    assert!(!data.path().join("not-made").exists());
    assert_eq!(
        run(data.path(), &["openapi", "nothing"], &[], "")
            .await
            .code,
        2
    );
}

#[tokio::test]
async fn the_demo_school_lets_its_people_in_and_shows_them_posts() {
    let data = folder();
    let server = Running::serve(data.path(), &["--demo"], &[QUIET]).await;
    let logins = std::fs::read_to_string(data.path().join("demo-password")).unwrap();
    let teacher = Person::nobody(&server.base)
        .login("ines", logins.trim())
        .await;
    assert!(teacher.stream().await.len() >= 3);
    assert_eq!(server.terminate().await, 0);
    // A second start fills nothing twice.
    let before = teacher;
    let server = Running::serve(data.path(), &["--demo"], &[QUIET]).await;
    let again = Person::nobody(&server.base).with_token(before.token());
    assert_eq!(
        again.stream().await.len(),
        again
            .get("/api/posts?limit=100")
            .await
            .expect(200)
            .json()
            .as_array()
            .unwrap()
            .len()
    );
    assert_eq!(server.terminate().await, 0);
}

#[tokio::test]
async fn help_names_every_command_and_the_exit_codes() {
    let data = folder();
    let help = run(data.path(), &["--help"], &[], "").await;
    assert_eq!(help.code, 0);
    for word in [
        "serve",
        "admin",
        "dlq",
        "feed",
        "config",
        "openapi",
        "healthcheck",
        "Exit codes",
    ] {
        assert!(
            help.stdout.contains(word),
            "{word} is missing in {}",
            help.stdout
        );
    }
}
