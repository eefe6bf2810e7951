//! Tokens and their rights, on a Consul that asks for them: SCHOOLYARD_TEST_CONSUL_SECURED is its URL, and
//! SCHOOLYARD_TEST_CONSUL_SECURED_TOKEN_FILE a file with a token that may do everything.

use http::Method;
use kit::consul::{Catalog, Consul, ConsulError, KeyValue};
use kit::testing::required_env;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::suite::{registration, set, tree, until_passing};
use crate::support::{eventually, member, named, own, work};

fn url() -> String {
    required_env("SCHOOLYARD_TEST_CONSUL_SECURED")
}

fn with(token: &str) -> Consul {
    Consul::new(&url(), &SecretString::from(token)).unwrap()
}

fn mighty() -> String {
    let path = required_env("SCHOOLYARD_TEST_CONSUL_SECURED_TOKEN_FILE");
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

async fn acl(what: &str, body: Value) -> Value {
    let client = kit::peer::client().unwrap();
    let answer = client
        .request(Method::PUT, format!("{}/v1/acl/{what}", url()))
        .header("x-consul-token", mighty())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert!(
        answer.status().is_success(),
        "{}",
        answer.text().await.unwrap()
    );
    answer.json().await.unwrap()
}

/// Runs `test` with a client whose token has these rights, and takes the token back.
async fn may(rules: &str, test: impl AsyncFnOnce(Consul)) {
    let policy = format!("test-{:016x}", fingerprint(rules));
    let client = kit::peer::client().unwrap();
    let made = client
        .put(format!("{}/v1/acl/policy", url()))
        .header("x-consul-token", mighty())
        .json(&json!({"Name": policy, "Rules": rules}))
        .send()
        .await
        .unwrap();
    // one of the same name has the same rules
    assert!(made.status().is_success() || made.text().await.unwrap().contains("already exists"));
    let token = acl("token", json!({"Policies": [{"Name": policy}]})).await;
    test(with(token["SecretID"].as_str().unwrap())).await;
    let accessor = token["AccessorID"].as_str().unwrap();
    let gone = client
        .delete(format!("{}/v1/acl/token/{accessor}", url()))
        .header("x-consul-token", mighty())
        .send();
    assert!(gone.await.unwrap().status().is_success());
}

fn fingerprint(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn refused<T: std::fmt::Debug>(asked: Result<T, ConsulError>, says: &str) {
    let error = asked.unwrap_err();
    assert!(
        matches!(&error, ConsulError::Refused(text) if text.contains(says)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_token_registers_its_own_service_and_no_other() {
    may(
        r#"service "rights-a" { policy = "write" }"#,
        async |consul| {
            consul
                .register(&registration("rights-a", "rights-a", 5000))
                .await
                .unwrap();
            assert!(consul.registered("rights-a").await.unwrap());
            let other = registration("rights-b", "rights-b", 5000);
            refused(
                consul.register(&other).await,
                r#"lacks permission 'service:write' on "rights-b""#,
            );
            refused(
                with("").register(&other).await,
                "anonymous token lacks permission 'service:write'",
            );
            refused(with("nonsense").register(&other).await, "ACL not found");
            consul.deregister("rights-a").await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn instances_a_token_may_not_see_are_a_refused_token() {
    let mighty = with(&mighty());
    let name = "rights-hidden";
    mighty
        .register(&registration(name, name, 5000))
        .await
        .unwrap();
    until_passing(&mighty, name, |found| found.len() == 1).await;
    may(
        r#"key_prefix "nothing" { policy = "read" }"#,
        async |blind| {
            refused(blind.passing(name, None).await, "'service:read'");
        },
    )
    .await;
    let sees = r#"service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }"#;
    may(sees, async |sees| {
        assert_eq!(sees.passing(name, None).await.unwrap().instances.len(), 1);
        refused(sees.deregister(name).await, "'service:write'");
    })
    .await;
    mighty.deregister(name).await.unwrap();
}

#[tokio::test]
async fn keys_are_written_by_whoever_may_write_them_and_a_foreign_token_is_told_the_right() {
    let key = "rights-keys/a";
    may(
        r#"key_prefix "rights-keys/" { policy = "write" }"#,
        async |writer| {
            writer.apply(&[set(key, "1")]).await.unwrap();
            refused(
                writer
                    .apply(&[set(key, "2"), set("rights-other/a", "1")])
                    .await,
                r#"lacks permission 'key:write' on "rights-other/a""#,
            );
            assert_eq!(writer.list(key, None).await.unwrap().pairs[0].value, b"1");
            refused(
                with("").apply(&[set(key, "2")]).await,
                "anonymous token lacks permission 'key:write'",
            );
            refused(
                with("nonsense").apply(&[set(key, "2")]).await,
                "ACL not found",
            );
            writer.apply(&[tree("rights-keys/")]).await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn a_service_with_a_wrong_token_says_so_and_works_on() {
    let member = member(&with("nonsense"));
    let mut service = named("rights-wrong", vec![]);
    member.join(&mut service, own(5000));
    let pool = member.discover("rights-other");
    let mut workers = member.workers();
    workers.extend(service.workers);
    let working = work(workers);
    eventually("it was noticed", || async {
        member.check().ask().await.is_err()
    })
    .await;
    let error = member.check().ask().await.unwrap_err();
    assert_eq!(
        (error.code.as_str(), error.setting),
        ("consul_token_refused", Some("consul.token")),
        "{error}"
    );
    assert!(error.detail.contains("ACL not found"), "{error}");
    assert!(pool.is_empty());
    working.stop().await;
}
