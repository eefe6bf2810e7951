//! `/v1/agent/service` and `/v1/health/service`.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use serde::{Deserialize, Serialize};

use super::{Consul, waiting, whole};
use crate::consul::{Catalog, ConsulError, Index, Instance, Instances, Registration, chance};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Service<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    address: &'a str,
    port: u16,
    tags: &'a [String],
    meta: &'a BTreeMap<String, String>,
    check: Check<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Check<'a> {
    #[serde(rename = "CheckID")]
    id: String,
    #[serde(rename = "HTTP")]
    http: &'a str,
    interval: String,
    timeout: String,
    deregister_critical_service_after: String,
    status: &'static str,
}

/// What the agent says of one instance changes with this.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Known {
    content_hash: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Node,
    service: Found,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    #[serde(rename = "ID")]
    id: String,
    address: String,
    port: u16,
    /// Consul says `null` for none.
    meta: Option<BTreeMap<String, String>>,
}

/// A duration as Go reads it.
fn go(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

impl Consul {
    /// The question what the agent knows of an instance.
    fn of_instance(&self, id: &str) -> RequestBuilder {
        self.request(Method::GET, ["agent", "service", id])
    }

    /// What it answers to that: nothing when it knows none.
    async fn known(&self, request: RequestBuilder) -> Result<Option<Known>, ConsulError> {
        let answer = self.send(request).await?;
        if answer.is(StatusCode::NOT_FOUND) {
            return Ok(None);
        }
        answer.good()?.json().map(Some)
    }
}

#[async_trait]
impl Catalog for Consul {
    async fn register(&self, registration: &Registration) -> Result<(), ConsulError> {
        let check = &registration.check;
        let service = Service {
            id: &registration.id,
            name: &registration.service,
            address: &registration.address,
            port: registration.port,
            tags: &registration.tags,
            meta: &registration.meta,
            check: Check {
                // An agent gives a check that it knows its last status, whatever is said of it: who was dead would stay so until
                // the next question. It knows none of this name, and forgets the one before.
                id: format!("{}:{:08x}", registration.id, chance::number()),
                http: &check.url,
                interval: go(check.interval),
                timeout: go(check.timeout),
                deregister_critical_service_after: go(check.deregister_after),
                status: if check.passing { "passing" } else { "critical" },
            },
        };
        let request = self
            .request(Method::PUT, ["agent", "service", "register"])
            .query(&[("replace-existing-checks", "true")])
            .json(&service);
        self.send(request).await?.good().map(drop)
    }

    async fn deregister(&self, id: &str) -> Result<(), ConsulError> {
        let request = self.request(Method::PUT, ["agent", "service", "deregister", id]);
        let answer = self.send(request).await?;
        if answer.is(StatusCode::NOT_FOUND) {
            return Ok(());
        }
        answer.good().map(drop)
    }

    async fn registered(&self, id: &str) -> Result<bool, ConsulError> {
        let known = self.known(self.of_instance(id)).await?;
        Ok(known.is_some())
    }

    async fn stays(&self, id: &str, wait: Duration) -> Result<bool, ConsulError> {
        let Some(known) = self.known(self.of_instance(id)).await? else {
            return Ok(false);
        };
        let request = self
            .of_instance(id)
            .query(&[("hash", known.content_hash), ("wait", go(wait))])
            .timeout(whole(wait));
        Ok(self.known(request).await?.is_some())
    }

    async fn passing(&self, service: &str, after: Option<Index>) -> Result<Instances, ConsulError> {
        let request = self
            .request(Method::GET, ["health", "service", service])
            .query(&[("passing", "true")]);
        let answer = self.send(waiting(request, after)).await?;
        let entries: Vec<Entry> = answer.good()?.json()?;
        if entries.is_empty() && answer.is_filtered() {
            return Err(ConsulError::Refused(format!(
                "the token lacks permission 'service:read' on \"{service}\" or 'node:read' on its nodes"
            )));
        }
        let mut instances: Vec<_> = entries.into_iter().map(instance).collect();
        instances.sort_unstable();
        Ok(Instances {
            index: answer.index()?,
            instances,
        })
    }
}

fn instance(entry: Entry) -> Instance {
    let Entry { node, service } = entry;
    // one that said no address answers at its node's
    let address = if service.address.is_empty() {
        node.address
    } else {
        service.address
    };
    Instance {
        id: service.id,
        address,
        port: service.port,
        meta: service.meta.unwrap_or_default(),
    }
}
