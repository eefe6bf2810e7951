//! A password, token or address that is wrong, missing or another's: the log and readiness say which setting to look at, the
//! secret is never shown, and the service keeps trying, so that it works as soon as somebody has set it right.

mod secured;
mod started;

use secured::{Secured, but};
use started::Started;

const WRONG: &str = "wr0ng-s3cr3t";
const NOBODY: &str = "127.0.0.1:1";

#[tokio::test]
async fn a_wrong_database_password_is_named_and_works_once_it_is_right_on_real_servers() {
    let secured = Secured::of_run();
    for (service, path) in [
        ("auth", "/api/auth/setup"),
        ("profile", "/api/profile?ids=1"),
    ] {
        let own = secured.database("right").await;
        let setting = format!("{service}.store");
        let variable = format!("SCHOOLYARD_{}__STORE", service.to_uppercase());
        let store = secured.postgres(&own, WRONG, &own);
        let settings = but(secured.settings(service), &[(&variable, &store)]);
        let mut started = Started::serve(service, &settings).await;
        let lacking = started.until_lacking("store", &setting).await;
        assert_eq!(
            lacking,
            ("unready".to_owned(), "store_unavailable".to_owned())
        );
        started
            .logged(&[&setting, &variable, "password authentication failed"])
            .await;
        let (status, body, wait) = started.get(path).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (503, Some("store_unavailable"))
        );
        assert!(wait.is_some());
        started.goes_on_without_a_word_of(WRONG);

        secured
            .sql(&format!("ALTER ROLE {own} PASSWORD '{WRONG}'"))
            .await;
        started
            .until_ready(|status, body| status == 200 && body["status"] == "ready")
            .await;
        assert_ne!(started.get(path).await.0, 503);
        started.goes_on_without_a_word_of(WRONG);
    }
}

#[tokio::test]
async fn a_database_of_another_service_a_missing_password_and_a_wrong_address_are_named_on_real_servers()
 {
    let secured = Secured::of_run();
    let password = secured.run.secret("postgres.auth");
    let others = secured.database("right").await;
    for (store, why) in [
        (
            secured.postgres("auth", &password, &others),
            "permission denied for database",
        ),
        (
            format!("postgres://auth@{}/auth", secured.run.address("postgres")),
            "auth.store",
        ),
        (
            secured.postgres("auth", &password, "nowhere"),
            "\\\"nowhere\\\" does not exist",
        ),
        (
            format!("postgres://auth:{password}@{NOBODY}/auth"),
            "auth.store",
        ),
    ] {
        let settings = but(
            secured.settings("auth"),
            &[("SCHOOLYARD_AUTH__STORE", &store)],
        );
        let mut started = Started::serve("auth", &settings).await;
        let lacking = started.until_lacking("store", "auth.store").await;
        assert_eq!(
            lacking,
            ("unready".to_owned(), "store_unavailable".to_owned()),
            "{store}"
        );
        started.logged(&["auth.store", why]).await;
        started.goes_on_without_a_word_of(&password);
    }
}

#[tokio::test]
async fn a_document_store_that_is_not_there_is_named_on_real_servers() {
    let secured = Secured::of_run();
    let store = format!("mongodb://ann:{WRONG}@{NOBODY}/posts");
    let settings = but(
        secured.settings("posts"),
        &[("SCHOOLYARD_POSTS__STORE", &store)],
    );
    let mut started = Started::serve("posts", &settings).await;
    let lacking = started.until_lacking("store", "posts.store").await;
    assert_eq!(lacking.0, "unready");
    started.logged(&["posts.store"]).await;
    started.goes_on_without_a_word_of(WRONG);
}

#[tokio::test]
async fn a_broker_that_is_wrong_or_refuses_degrades_and_everything_else_works_on_real_servers() {
    let secured = Secured::of_run();
    let at = secured.run.address("kafka");
    let others = secured.run.secret("kafka.posts");
    for (bus, secret, why) in [
        (
            format!("kafka://auth:{WRONG}@{at}"),
            WRONG,
            "the broker refuses user `auth`",
        ),
        (
            format!("kafka://auth:{WRONG}@{NOBODY}"),
            WRONG,
            "no answer from 127.0.0.1:1",
        ),
        (
            format!("kafka://posts:{others}@{at}"),
            &others,
            "user `posts` has no right",
        ),
        (format!("kafka://{at}"), WRONG, "bus.url"),
    ] {
        let own = secured.database("right").await;
        let store = secured.postgres(&own, "right", &own);
        let wrong = [
            ("SCHOOLYARD_AUTH__STORE", &*store),
            ("SCHOOLYARD_BUS__URL", &*bus),
        ];
        let settings = but(secured.settings("auth"), &wrong);
        let mut started = Started::serve("auth", &settings).await;
        let lacking = started.until_lacking("bus", "bus.url").await;
        assert_eq!(lacking.0, "degraded", "{bus}");
        started.logged(&["bus.url", why]).await;
        assert_eq!(started.get("/api/auth/setup").await.0, 200);
        started.goes_on_without_a_word_of(secret);
    }
}

#[tokio::test]
async fn a_feed_that_starts_without_its_broker_is_degraded_on_real_servers() {
    let secured = Secured::of_run();
    let bus = format!("kafka://feed:{WRONG}@{NOBODY}");
    let nobody = format!("http://{NOBODY}");
    let wrong = [
        ("SCHOOLYARD_BUS__URL", &*bus),
        ("SCHOOLYARD_PEERS__AUTH", &*nobody),
        ("SCHOOLYARD_PEERS__POSTS", &*nobody),
        ("SCHOOLYARD_PEERS__CREDENTIAL", WRONG),
    ];
    let mut started = Started::serve("feed", &but(secured.settings("feed"), &wrong)).await;
    let lacking = started.until_lacking("bus", "bus.url").await;
    assert_eq!(lacking.0, "degraded");
    // it knows its routes, and who may use them
    assert_eq!(started.get("/api/activity-stream").await.0, 401);
    started
        .logged(&["bus.url", "no answer from 127.0.0.1:1"])
        .await;
    started.goes_on_without_a_word_of(WRONG);
}

#[tokio::test]
async fn a_consul_that_is_wrong_or_refuses_degrades_and_everything_else_works_on_real_servers() {
    let secured = Secured::of_run();
    let others = secured.run.secret("consul.posts");
    let address = format!("http://{}", secured.run.address("consul"));
    let nobody = format!("http://{NOBODY}");
    let unknown = "00000000-1111-2222-3333-444444444444";
    for (address, token, setting, code) in [
        (&address, unknown, "consul.token", "consul_token_refused"),
        (&address, &others, "consul.token", "consul_token_refused"),
        (&address, "", "consul.token", "consul_token_refused"),
        (&nobody, unknown, "consul.address", "consul_unavailable"),
    ] {
        let own = secured.database("right").await;
        let store = secured.postgres(&own, "right", &own);
        let wrong = [
            ("SCHOOLYARD_AUTH__STORE", &*store),
            ("SCHOOLYARD_CONSUL__ADDRESS", address),
            ("SCHOOLYARD_CONSUL__TOKEN", token),
        ];
        let mut started = Started::serve("auth", &but(secured.settings("auth"), &wrong)).await;
        let lacking = started.until_lacking("consul", setting).await;
        assert_eq!(lacking, ("degraded".to_owned(), code.to_owned()));
        started.logged(&[setting, code]).await;
        assert_eq!(started.get("/api/auth/setup").await.0, 200);
        if !token.is_empty() {
            started.goes_on_without_a_word_of(token);
        }
    }
}

#[tokio::test]
async fn a_peer_that_is_not_there_or_refuses_degrades_and_is_named_on_real_servers() {
    let secured = Secured::of_run();
    let own = secured.database("right").await;
    let store = secured.postgres(&own, "right", &own);
    let auth = but(
        secured.settings("auth"),
        &[("SCHOOLYARD_AUTH__STORE", &store)],
    );
    let auth = Started::serve("auth", &auth).await;
    auth.until_ready(|status, _| status == 200).await;
    let nobody = format!("http://{NOBODY}");
    for (there, setting, check) in [
        (auth.base(), "peers.credential", "auth"),
        (&*nobody, "peers.auth", "auth"),
    ] {
        let wrong = [
            ("SCHOOLYARD_PEERS__AUTH", there),
            ("SCHOOLYARD_PEERS__POSTS", &*nobody),
            ("SCHOOLYARD_PEERS__CREDENTIAL", WRONG),
        ];
        let mut feed = Started::serve("feed", &but(secured.settings("feed"), &wrong)).await;
        let lacking = feed.until_lacking(check, setting).await;
        assert_eq!(lacking.0, "degraded");
        feed.logged(&[setting]).await;
        feed.goes_on_without_a_word_of(WRONG);
    }
}
