//! A MongoDB database for a test, and what lies in it.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use kit::clock::{MockClock, SystemClock};
use kit::ids::{RandomIds, SharedIds};
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Database};
use posts::store::{Mongo, MongoStore, Storage};

use crate::gate::Gate;
use crate::places::Audited;

/// The variable that names the server, `mongodb://127.0.0.1:PORT`: the tests make and drop databases there.
const SERVER: &str = "SCHOOLYARD_TEST_MONGODB";

/// A database of one test; dropped with it. Its stores reach the server through a gate that can be shut.
pub struct TestMongo {
    pub database: Database,
    server: String,
    pub gate: Gate,
}

impl TestMongo {
    pub async fn new() -> Self {
        let server = kit::testing::required_env(SERVER);
        let name = format!(
            "t{}",
            RandomIds::shared(SystemClock::shared()).uuid().simple()
        );
        let client = Client::with_uri_str(&server).await.unwrap();
        let gate = Gate::to(
            server
                .trim_start_matches("mongodb://")
                .trim_end_matches('/'),
        )
        .await;
        Self {
            database: client.database(&name),
            server,
            gate,
        }
    }

    /// Another gate before the same server.
    pub async fn another_gate(&self) -> Gate {
        Gate::to(host(&self.server)).await
    }

    /// The gate that was shut opens again.
    pub async fn comes_back(&mut self) {
        self.gate = Gate::at(self.gate.address, host(&self.server)).await;
    }

    /// The address of the database behind the gate.
    pub fn url(&self, gate: &Gate) -> String {
        format!(
            "mongodb://{}/{}?directConnection=true",
            gate.address,
            self.database.name()
        )
    }

    pub async fn storage(&self) -> Storage {
        posts::store::open(&self.url(&self.gate)).await.unwrap()
    }

    pub async fn store(&self, clock: &MockClock, ids: SharedIds) -> MongoStore {
        self.store_behind(&self.gate, clock, ids).await
    }

    /// A store that reaches the server through this gate and looks for it only a moment, as a process that is killed.
    pub async fn store_behind(&self, gate: &Gate, clock: &MockClock, ids: SharedIds) -> MongoStore {
        let url = format!("{}&serverSelectionTimeoutMS=200", self.url(gate));
        let mongo = Mongo::open(&url).await.unwrap();
        MongoStore::open(mongo, clock.shared(), ids).await.unwrap()
    }

    pub fn goes_away(&self) {
        self.gate.shut();
    }

    pub async fn documents(&self, collection: &str) -> Vec<Document> {
        let found = self.database.collection::<Document>(collection);
        let found = found.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
        found.try_collect().await.unwrap()
    }

    /// What documents carry under this field, oldest first, each with its id.
    async fn carried(&self, field: &str) -> Vec<(String, Document)> {
        let mut carried = Vec::new();
        for document in self.documents("posts").await {
            let Ok(cargo) = document.get_document(field) else {
                continue;
            };
            let held = cargo.get_document("held").unwrap();
            let pending = cargo.get_array("pending").unwrap();
            assert_eq!(held.len(), pending.len(), "what is held is listed: {cargo}");
            for entry in pending {
                let entry = entry.as_document().unwrap();
                let id = entry.get_str("id").unwrap();
                carried.push((
                    entry.get_i64("at").unwrap(),
                    id.to_owned(),
                    held.get_document(id).unwrap().clone(),
                ));
            }
        }
        carried.sort_by_key(|(at, _, _)| *at);
        carried
            .into_iter()
            .map(|(_, id, held)| (id, held))
            .collect()
    }

    pub async fn outbox(&self) -> Vec<Vec<u8>> {
        let events = self.carried("outbox").await;
        events
            .into_iter()
            .map(|(_, event)| event.get_binary_generic("payload").unwrap().clone())
            .collect()
    }

    pub async fn texts(&self) -> Vec<(String, String)> {
        let text = |post: &Document, field| post.get_str(field).unwrap().to_owned();
        let posts = self.documents("posts").await;
        posts
            .iter()
            .map(|post| (text(post, "title"), text(post, "content")))
            .collect()
    }

    pub async fn kept_titles(&self) -> Vec<String> {
        let posts = self.documents("posts").await;
        posts
            .iter()
            .filter(|post| post.contains_key("text_until"))
            .map(|post| post.get_str("title").unwrap().to_owned())
            .collect()
    }

    pub async fn keys(&self) -> Vec<String> {
        let posts = self.documents("posts").await;
        let keys = posts.iter().filter_map(|post| post.get_array("keys").ok());
        keys.flatten()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect()
    }

    /// Those inside and those apart; a text that is in both is one.
    pub async fn revisions(&self) -> Vec<(i64, String, i64)> {
        let mut found = BTreeMap::new();
        let read = |text: &Document| {
            (
                text.get_str("title").unwrap().to_owned(),
                text.get_i64("edited_by").unwrap(),
            )
        };
        for text in self.documents("revisions").await {
            found.insert(text.get_i64("version").unwrap(), read(&text));
        }
        for post in self.documents("posts").await {
            for (version, text) in post.get_document("revisions").into_iter().flatten() {
                found.insert(version.parse().unwrap(), read(text.as_document().unwrap()));
            }
        }
        found
            .into_iter()
            .map(|(version, (title, by))| (version, title, by))
            .collect()
    }

    pub async fn audit(&self) -> Vec<Audited> {
        let chained = self.documents("audit").await;
        let mut records: Vec<(Bson, Document)> = chained
            .into_iter()
            .map(|link| (link.get("entry").unwrap().clone(), link))
            .collect();
        for (id, held) in self.carried("audit").await {
            let id = Bson::String(id);
            if records.iter().all(|(known, _)| *known != id) {
                records.push((id, held));
            }
        }
        let text = |record: &Document, field| record.get_str(field).unwrap().to_owned();
        records
            .into_iter()
            .map(|(_, entry)| {
                let record = entry.get_document("record").unwrap();
                Audited {
                    action: text(record, "action"),
                    actor: record.get_i64("actor").ok(),
                    object: text(record, "object"),
                    reason: record.get_str("reason").ok().map(str::to_owned),
                }
            })
            .collect()
    }

    pub async fn secrets(&self) -> Vec<String> {
        let mut secrets = self.documents("audit_secret").await;
        for (_, held) in self.carried("audit").await {
            for secret in held.get_array("secrets").unwrap() {
                let secret = secret.as_document().unwrap();
                if secrets
                    .iter()
                    .all(|known| known.get("_id") != secret.get("_id"))
                {
                    secrets.push(secret.clone());
                }
            }
        }
        let value = |secret: &Document| secret.get_str("value").unwrap().to_owned();
        secrets.iter().map(value).collect()
    }
}

fn host(server: &str) -> &str {
    server
        .trim_start_matches("mongodb://")
        .trim_end_matches('/')
}

impl Drop for TestMongo {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.database.name().to_owned());
        // Drop cannot await, and the test's own runtime may be going down. A database left behind harms nobody.
        let dropping = std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
            else {
                return;
            };
            runtime.block_on(async {
                if let Ok(client) = Client::with_uri_str(&server).await {
                    let _ = client.database(&name).drop().await;
                }
            });
        });
        let _ = dropping.join();
    }
}
