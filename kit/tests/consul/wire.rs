//! What the client sends, and what it makes of the answers.

use http::Method;
use kit::consul::{Catalog, Consul, ConsulError, Index, Instance, KeyValue, Operation};
use secrecy::SecretString;
use serde_json::json;
use std::collections::BTreeMap;
use tokio::net::TcpListener;

use crate::agent::Agent;
use crate::suite::{registration, set};

const INDEX: (&str, &str) = ("x-consul-index", "42");

#[tokio::test]
async fn a_registration_says_everything_the_agent_needs() {
    let agent = Agent::answering(200, &[], "").await;
    let mut own = registration("things", "things-one-5000", 5000);
    own.check.interval = std::time::Duration::from_secs(10);
    agent.client("secret").register(&own).await.unwrap();
    let asked = agent.asked();
    assert_eq!(
        (asked.method, asked.path.as_str(), asked.query.as_str()),
        (
            Method::PUT,
            "/v1/agent/service/register",
            "replace-existing-checks=true"
        )
    );
    assert_eq!(asked.token.as_deref(), Some("secret"));
    let mut body = asked.body;
    body["Check"]["CheckID"].take();
    assert_eq!(
        body,
        json!({
            "ID": "things-one-5000",
            "Name": "things",
            "Address": "127.0.0.1",
            "Port": 5000,
            "Tags": ["traefik.enable=true"],
            "Meta": {"tls_port": "8443"},
            "Check": {
                "CheckID": null,
                "HTTP": "http://127.0.0.1:5000/health",
                "Interval": "10000ms",
                "Timeout": "5000ms",
                "DeregisterCriticalServiceAfter": "600000ms",
                "Status": "passing",
            },
        })
    );
}

#[tokio::test]
async fn each_registration_has_a_check_that_the_agent_does_not_know() {
    let agent = Agent::answering(200, &[], "").await;
    let own = registration("things", "things-one-5000", 5000);
    let mut named = Vec::new();
    for _ in 0..3 {
        agent.client("").register(&own).await.unwrap();
        let id = agent.asked().body["Check"]["CheckID"].take();
        named.push(id.as_str().unwrap().to_owned());
    }
    named.dedup();
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named.iter().all(|id| id.starts_with("things-one-5000:")));
}

#[tokio::test]
async fn an_instance_that_does_not_pass_yet_begins_as_critical() {
    let agent = Agent::answering(200, &[], "").await;
    let mut own = registration("things", "t", 5000);
    own.check.passing = false;
    agent.client("").register(&own).await.unwrap();
    let asked = agent.asked();
    assert_eq!(asked.body["Check"]["Status"], "critical");
    assert_eq!(asked.token, None, "an empty token is not shown");
}

#[tokio::test]
async fn a_question_waits_only_when_it_says_after_what() {
    let agent = Agent::answering(200, &[INDEX], "[]").await;
    let consul = agent.client("");
    consul.passing("things", None).await.unwrap();
    assert_eq!(agent.asked().query, "passing=true");
    consul.passing("things", Some(Index::new(7))).await.unwrap();
    assert_eq!(agent.asked().query, "passing=true&index=7&wait=20s");
    consul.list("a b/", Some(Index::new(0))).await.unwrap();
    let asked = agent.asked();
    assert_eq!(
        (asked.path.as_str(), asked.query.as_str()),
        ("/v1/kv/a%20b/", "recurse=true&index=1&wait=20s"),
        "0 would not wait at all"
    );
}

#[tokio::test]
async fn who_waits_while_an_instance_stays_says_what_it_knows_of_it() {
    let agent = Agent::answering(200, &[], r#"{"ID": "t", "ContentHash": "f00"}"#).await;
    let wait = std::time::Duration::from_secs(5);
    assert!(agent.client("").stays("t", wait).await.unwrap());
    let asked = agent.asked();
    assert_eq!(
        (asked.path.as_str(), asked.query.as_str(), agent.count()),
        ("/v1/agent/service/t", "hash=f00&wait=5000ms", 2)
    );
    let other = Agent::answering(200, &[], "{}").await;
    let error = other.client("").stays("t", wait).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn an_instance_without_an_address_is_at_its_node() {
    let body = r#"[
        {"Node": {"Address": "192.0.2.1"}, "Service": {"ID": "b", "Address": "", "Port": 2, "Meta": null}, "Checks": []},
        {"Node": {"Address": "192.0.2.1"}, "Service": {"ID": "a", "Address": "192.0.2.9", "Port": 1}}
    ]"#;
    let agent = Agent::answering(200, &[INDEX], body).await;
    let found = agent.client("").passing("things", None).await.unwrap();
    let of = |id: &str, address: &str, port| Instance {
        id: id.to_owned(),
        address: address.to_owned(),
        port,
        meta: BTreeMap::new(),
    };
    assert_eq!(
        found.instances,
        [of("a", "192.0.2.9", 1), of("b", "192.0.2.1", 2)]
    );
    assert_eq!(found.index.get(), 42);
}

#[tokio::test]
async fn a_transaction_is_sent_in_its_order() {
    let agent = Agent::answering(200, &[], r#"{"Results":[],"Errors":null}"#).await;
    let key = || "k".to_owned();
    let operations = [
        set("k", "v"),
        Operation::SetIf {
            key: key(),
            value: vec![0, 255],
            modify_index: 3,
        },
        Operation::Delete { key: key() },
        Operation::DeleteIf {
            key: key(),
            modify_index: 4,
        },
        Operation::DeleteTree {
            prefix: "k/".to_owned(),
        },
    ];
    agent.client("").apply(&operations).await.unwrap();
    let asked = agent.asked();
    assert_eq!(
        (asked.method, asked.path.as_str()),
        (Method::PUT, "/v1/txn")
    );
    assert_eq!(
        asked.body,
        json!([
            {"KV": {"Verb": "set", "Key": "k", "Value": "dg=="}},
            {"KV": {"Verb": "cas", "Key": "k", "Value": "AP8=", "Index": 3}},
            {"KV": {"Verb": "delete", "Key": "k"}},
            {"KV": {"Verb": "delete-cas", "Key": "k", "Index": 4}},
            {"KV": {"Verb": "delete-tree", "Key": "k/"}},
        ])
    );
}

#[tokio::test]
async fn more_than_64_operations_are_not_even_sent() {
    let agent = Agent::answering(200, &[], "{}").await;
    let many = vec![set("k", "v"); 65];
    let error = agent.client("").apply(&many).await.unwrap_err();
    assert_eq!(error, ConsulError::TooMany(65));
    assert_eq!(agent.count(), 0);
}

#[tokio::test]
async fn a_refused_token_is_an_error_that_names_the_setting_and_the_right() {
    let text = "Permission denied: token with AccessorID 'x' lacks permission 'service:write' on \"things\"\n";
    let agent = Agent::answering(403, &[], text).await;
    let own = registration("things", "t", 5000);
    let error = agent.client("foreign").register(&own).await.unwrap_err();
    assert_eq!(error.setting(), Some("consul.token"));
    let shown = error.to_string();
    assert!(
        shown.starts_with("consul.token: ")
            && shown.contains("'service:write' on \"things\"")
            && !shown.contains("foreign"),
        "{shown}"
    );
}

/// Seen: a transaction without the right is answered 409, as a condition that does not hold.
#[tokio::test]
async fn a_transaction_that_lacks_a_right_is_a_refused_token_and_no_conflict() {
    let body = r#"{"Results":null,"Errors":[{"OpIndex":0,"What":"Permission denied: token with AccessorID 'x' lacks permission 'key:write' on \"k\""}]}"#;
    let agent = Agent::answering(409, &[], body).await;
    let error = agent.client("").apply(&[set("k", "v")]).await.unwrap_err();
    assert!(
        matches!(&error, ConsulError::Refused(text) if text.contains("'key:write'")),
        "{error:?}"
    );
    let body = r#"{"Results":null,"Errors":[{"OpIndex":1,"What":"failed to set key \"k\", index is stale"}]}"#;
    let agent = Agent::answering(409, &[], body).await;
    let error = agent.client("").apply(&[set("k", "v")]).await.unwrap_err();
    assert!(
        matches!(&error, ConsulError::Conflict(text) if text.contains("operation 1: ")),
        "{error:?}"
    );
}

/// Consul leaves out what a token may not see; without this, a missing right would look like a service that is gone.
#[tokio::test]
async fn instances_that_a_token_may_not_see_are_a_refused_token_and_not_nobody() {
    let filtered = ("x-consul-results-filtered-by-acls", "true");
    let agent = Agent::answering(200, &[INDEX, filtered], "[]").await;
    let error = agent
        .client("foreign")
        .passing("things", None)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, ConsulError::Refused(text) if text.contains("'service:read' on \"things\"")),
        "{error:?}"
    );
}

#[tokio::test]
async fn what_is_not_there_is_said_by_404() {
    let agent = Agent::answering(404, &[INDEX], "unknown service ID").await;
    let consul = agent.client("");
    assert!(!consul.registered("a/b").await.unwrap());
    assert_eq!(agent.asked().path, "/v1/agent/service/a%2Fb");
    consul.deregister("t").await.unwrap();
    assert_eq!(agent.asked().path, "/v1/agent/service/deregister/t");
    assert_eq!(consul.list("none/", None).await.unwrap().pairs, []);
}

#[tokio::test]
async fn an_agent_without_a_leader_is_an_error_with_its_words_on_one_line() {
    let agent = Agent::answering(500, &[], "No cluster\nleader\n").await;
    let error = agent.client("").list("", None).await.unwrap_err();
    assert_eq!(error.to_string(), "consul answered 500: No cluster leader");
}

#[tokio::test]
async fn something_else_at_the_address_is_no_consul() {
    for (headers, body) in [
        (vec![INDEX], "<html>"),
        (vec![], "[]"),
        (vec![("x-consul-index", "x")], "[]"),
    ] {
        let agent = Agent::answering(200, &headers, body).await;
        let error = agent.client("").passing("things", None).await.unwrap_err();
        assert!(
            matches!(error, ConsulError::Other { status: 200, .. }),
            "{error:?}"
        );
    }
    let body = r#"[{"Key": "k", "Value": "no base64!", "ModifyIndex": 1}]"#;
    let agent = Agent::answering(200, &[INDEX], body).await;
    let error = agent.client("").list("", None).await.unwrap_err();
    assert!(error.to_string().contains("`k`"), "{error}");
}

#[tokio::test]
async fn a_token_is_not_carried_to_where_a_redirect_points() {
    let agent = Agent::answering(307, &[("location", "/v1/elsewhere")], "").await;
    let error = agent.client("secret").registered("t").await.unwrap_err();
    assert!(
        matches!(error, ConsulError::Other { status: 307, .. }),
        "{error:?}"
    );
    assert_eq!(agent.count(), 1);
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error_that_names_the_setting() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let consul = Consul::new(&url, &SecretString::from("secret")).unwrap();
    let error = consul.registered("t").await.unwrap_err();
    let shown = error.to_string();
    assert!(
        shown.starts_with("consul.address: ") && shown.contains("refused"),
        "{shown}"
    );
    assert_eq!(error.setting(), Some("consul.address"));
}
