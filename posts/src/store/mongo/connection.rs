//! The address of a MongoDB, made a client.

use std::fmt;
use std::time::Duration;

use backends::db::Error;
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Database};

/// How long an operation looks for a server before it fails, and so how long a request waits while the server is away.
const SELECTION: Duration = Duration::from_secs(2);
/// How long one connection may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// Most connections, opened as needed, unless the address says otherwise.
const CONNECTIONS: u32 = 16;

/// A database on a MongoDB server. It need not answer yet: the client keeps looking for it.
#[derive(Clone)]
pub struct Mongo {
    pub(super) database: Database,
    /// Of what has to be on disk before anybody hears of it.
    pub(super) durable: WriteConcern,
    /// Of what a later durable write covers: the journal is one sequence, and keeps nothing without everything before it.
    pub(super) relaxed: WriteConcern,
}

impl fmt::Debug for Mongo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mongo").field(&self.database.name()).finish()
    }
}

impl Mongo {
    /// Reads `mongodb://user:password@host/database`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Configuration`] for an address that cannot be one; [`Error::Unavailable`] if the name of a `mongodb+srv:`
    /// address cannot be resolved.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let mut options = ClientOptions::parse(url)
            .await
            .map_err(|error| unreadable(url, &error))?;
        let Some(name) = options.default_database.clone() else {
            return Err(Error::Configuration(
                "the address names no database: mongodb://user:password@host/database".to_owned(),
            ));
        };
        let given = options.write_concern.take().unwrap_or_default();
        if given.journal == Some(false) || given.w == Some(Acknowledgment::Nodes(0)) {
            return Err(Error::Configuration(
                "journal=false and w=0 would lose posts that were acknowledged: leave them out"
                    .to_owned(),
            ));
        }
        let durable = WriteConcern::builder()
            .w(given.w.unwrap_or(Acknowledgment::Nodes(1)))
            .w_timeout(given.w_timeout)
            .journal(true)
            .build();
        let relaxed = WriteConcern::builder()
            .w(Acknowledgment::Nodes(1))
            .journal(false)
            .build();
        options.write_concern = Some(durable.clone());
        options.read_concern = Some(ReadConcern::local());
        options
            .app_name
            .get_or_insert("schoolyard-posts".to_owned());
        options.server_selection_timeout.get_or_insert(SELECTION);
        options.connect_timeout.get_or_insert(CONNECT);
        options.max_pool_size.get_or_insert(CONNECTIONS);
        let client = Client::with_options(options).map_err(|error| unreadable(url, &error))?;
        Ok(Self {
            database: client.database(&name),
            durable,
            relaxed,
        })
    }
}

/// The driver quotes pieces of the address, so what it says is shown only where there is no password in it.
fn unreadable(url: &str, error: &mongodb::error::Error) -> Error {
    if matches!(*error.kind, mongodb::error::ErrorKind::DnsResolve { .. }) {
        return Error::Unavailable(anyhow::anyhow!("posts.store: the host cannot be resolved"));
    }
    let detail = if url.contains('@') {
        "is the password percent-encoded, is every option known?".to_owned()
    } else {
        error.kind.to_string()
    };
    Error::Configuration(format!(
        "not an address like mongodb://user:password@host/database: {detail}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(url: &str) -> String {
        Mongo::open(url).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn what_is_acknowledged_is_on_disk_and_no_address_may_ask_for_less() {
        let mongo = Mongo::open("mongodb://h/posts").await.unwrap();
        assert_eq!(mongo.durable.journal, Some(true));
        assert_eq!(mongo.durable.w, Some(Acknowledgment::Nodes(1)));
        let majority = Mongo::open("mongodb://h/posts?w=majority").await.unwrap();
        assert_eq!(majority.durable.w, Some(Acknowledgment::Majority));
        for less in ["journal=false", "w=0"] {
            let error = refused(&format!("mongodb://h/posts?{less}")).await;
            assert!(error.contains("would lose posts"), "{less}: {error}");
        }
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_one_is_refused_without_its_password() {
        assert!(refused("mongodb://h").await.contains("names no database"));
        for url in [
            "mongodb://u:secret@h:secret/posts",
            "mongodb://u:se/cret@h/posts",
            "mongodb://u:sec@ret@h/posts?x=secret",
        ] {
            let error = refused(url).await;
            assert!(error.contains("percent-encoded"), "{error}");
            assert!(
                !error.contains("secret") && !error.contains("cret"),
                "{error}"
            );
        }
        let shown = format!("{:?}", Mongo::open("mongodb://u:secret@h/p").await.unwrap());
        assert_eq!(shown, r#"Mongo("p")"#);
    }
}
