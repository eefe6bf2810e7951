//! A command that writes the store of auth while instances of auth run on it, as on the full stack: they have no data directory
//! to be reached by, and see what it made at once.

use tempfile::TempDir;

use crate::support::process::{Running, finish, schoolyard};
use crate::support::{Person, School};

const CREDENTIAL: &str = "a credential of the feed: 32 bytes or more";

fn common() -> Vec<(&'static str, String)> {
    let secret = "a secret of the stories, 32 bytes or more";
    vec![
        ("SECRET_KEY", secret.to_owned()),
        ("SCHOOLYARD_LOG__FILTER", "warn".to_owned()),
    ]
}

/// With so many instances on these stores.
async fn administrators_sign_in_at_once(stores: Vec<(&'static str, String)>, instances: usize) {
    let folder = tempfile::tempdir().unwrap();
    let settings: Vec<_> = common().into_iter().chain(stores).collect();
    let told: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let credentials = format!("feed:{CREDENTIAL}");
    let serving = [
        &*told,
        &[("SCHOOLYARD_AUTH__SERVICE_CREDENTIALS", &*credentials)],
    ]
    .concat();
    let mut running = Vec::new();
    for _ in 0..instances {
        running.push(Running::serve(folder.path(), &["auth"], &serving).await);
    }
    for name in ["first", "second"] {
        let email = format!("{name}@school.example");
        let create = ["admin", "create", "--email", &email];
        let made = finish(
            schoolyard(&folder.path().join("elsewhere"), &create, &told),
            School::PASSWORD,
        );
        let made = made.await;
        assert_eq!(made.code, 0, "{}", made.stderr);
        for instance in &running {
            let admin = Person::nobody(&instance.base)
                .login(&email, School::PASSWORD)
                .await;
            let me = admin.get("/api/auth/me").await.expect(200).json();
            assert_eq!(me["role"], "admin");
            admin.get("/api/auth/users").await.expect(200);
            for other in &running {
                let there = Person::nobody(&other.base).with_token(admin.token());
                there.get("/api/auth/validate").await.expect(200);
            }
        }
    }
    // what only a server is told, a command does not take away
    for instance in &running {
        let url = format!("{}/internal/auth/service-token", instance.base);
        let request = kit::peer::client().unwrap().post(url);
        let answer = request.basic_auth("feed", Some(CREDENTIAL)).send().await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    for instance in running {
        assert_eq!(instance.terminate().await, 0);
    }
}

#[tokio::test]
async fn an_administrator_made_beside_a_running_auth_signs_in_at_once() {
    let stores: TempDir = tempfile::tempdir().unwrap();
    let file = |name: &str| format!("sqlite:{}", stores.path().join(name).display());
    let settings = vec![
        ("SCHOOLYARD_AUTH__STORE", file("auth.db")),
        ("SCHOOLYARD_BUS__URL", file("bus.db")),
    ];
    administrators_sign_in_at_once(settings, 1).await;
}

#[cfg(feature = "real-tests")]
#[tokio::test]
async fn an_administrator_made_beside_two_instances_of_auth_signs_in_at_once_on_real_servers() {
    let servers = crate::support::Servers::fresh().await;
    let redis = kit::testing::required_env("SCHOOLYARD_TEST_REDIS");
    let mut settings = servers.settings().to_vec();
    settings.retain(|(name, _)| ["SCHOOLYARD_AUTH__STORE", "SCHOOLYARD_BUS__URL"].contains(name));
    settings.push(("SCHOOLYARD_AUTH__REDIS", redis));
    administrators_sign_in_at_once(settings, 2).await;
}
