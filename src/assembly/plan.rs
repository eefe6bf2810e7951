//! What will run here, checked against the settings before anything is opened.

use std::net::SocketAddr;

use anyhow::Context;
use kit::ids::Ids;
use kit::token::KeyRing;
use secrecy::{ExposeSecret, SecretString};

use crate::data_dir::DataDir;
use crate::settings::{Bus, Peers, Settings, SettingsError, Target, store_url};

/// The audience of every token of this product (spec/auth.md rule 1).
pub const TOKEN_AUDIENCE: &str = "schoolyard";

/// The settings of everything that runs here, typed, with every URL resolved.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What runs here.
    pub target: Target,
    /// `[server]`
    pub server: kit::server::Config,
    /// `[gateway]`
    pub gateway: gateway::Config,
    /// `[auth]`
    pub auth: auth::Config,
    /// `[profile]`
    pub profile: profile::Config,
    /// `[posts]`
    pub posts: posts::Config,
    /// `[feed]`
    pub feed: feed::Config,
    /// `[peers]`
    pub peers: Peers,
    /// `[consul]`
    pub consul: kit::consul::Config,
    /// Where auth stores, if it runs here.
    pub auth_store: Option<String>,
    /// Where profile stores, if it runs here.
    pub profile_store: Option<String>,
    /// Where posts stores, if it runs here.
    pub posts_store: Option<String>,
    /// Where events go, if anything here has any.
    pub bus_url: Option<String>,
    /// Whether this process keeps the bus in order (retention).
    pub owns_bus: bool,
    /// Where `/metrics` has a listener of its own.
    pub metrics_listen: Option<SocketAddr>,
}

impl Plan {
    /// Checks the settings for what shall run. Nothing is opened or made.
    ///
    /// # Errors
    /// [`SettingsError`], naming the setting and what to do.
    pub fn of(settings: &Settings, target: &Target) -> Result<Self, SettingsError> {
        let server: kit::server::Config = settings.section("server")?;
        let auth: auth::Config = settings.section("auth")?;
        let profile: profile::Config = settings.section("profile")?;
        let posts: posts::Config = settings.section("posts")?;
        let bus: Bus = settings.section("bus")?;
        let peers: Peers = settings.section("peers")?;
        let embedded = *target == Target::All;
        let store = |service: &str, given: &str, file: &str| {
            let default = embedded.then_some((settings.data.as_path(), file));
            target
                .runs(service)
                .then(|| store_url(&format!("{service}.store"), given, default))
                .transpose()
        };
        let has_events = ["auth", "profile", "posts", "feed"]
            .iter()
            .any(|service| target.runs(service));
        let bus_default = embedded.then_some((settings.data.as_path(), "bus.db"));
        let plan = Self {
            auth_store: store("auth", &auth.store, "auth.db")?,
            profile_store: store("profile", &profile.store, "profile.db")?,
            posts_store: store("posts", &posts.store, "posts.db")?,
            bus_url: has_events
                .then(|| store_url("bus.url", &bus.url, bus_default))
                .transpose()?,
            owns_bus: target.runs("posts"),
            metrics_listen: metrics_listen(&server)?,
            target: target.clone(),
            gateway: settings.section("gateway")?,
            consul: settings.section("consul")?,
            feed: settings.section("feed")?,
            server,
            auth,
            profile,
            posts,
            peers,
        };
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let secret = self.auth.secret_key.expose_secret();
        if secret.is_empty() && self.target != Target::All {
            return Err(SettingsError::unfit(
                "auth.secret_key",
                "a service that runs alone must be told; set SECRET_KEY (or SECRET_KEY_FILE) to the same 32 bytes or more in every service, for example from `schoolyard config init`",
            ));
        }
        if !secret.is_empty() {
            ring(&self.auth.secret_key).map_err(|error| {
                SettingsError::unfit("auth.secret_key (SECRET_KEY)", error.to_string())
            })?;
        }
        if self.target == Target::All {
            return Ok(());
        }
        self.consul
            .client()
            .map_err(|error| SettingsError::unfit("consul.address", format!("{error:#}")))?;
        let runs = |service: &str| self.target.runs(service);
        let found = !self.consul.address.is_empty();
        let peer = |service: &str, url: &str, why: &str| {
            if found && url.is_empty() {
                return Ok(());
            }
            peer(service, url, why)
        };
        if runs("feed") && !runs("posts") {
            peer("posts", &self.peers.posts, "the feed reads posts")?;
            peer(
                "auth",
                &self.peers.auth,
                "the feed proves itself to posts with a token of auth",
            )?;
            if self.peers.credential.expose_secret().is_empty() {
                return Err(SettingsError::unfit(
                    "peers.credential",
                    "the feed proves itself to auth with it; set SCHOOLYARD_PEERS__CREDENTIAL, and SCHOOLYARD_AUTH__SERVICE_CREDENTIALS=feed:<the same> for auth",
                ));
            }
        }
        if runs("gateway") {
            let Peers {
                auth,
                profile,
                posts,
                feed,
                ..
            } = &self.peers;
            for (service, url) in [
                ("auth", auth),
                ("profile", profile),
                ("posts", posts),
                ("feed", feed),
            ] {
                if !runs(service) {
                    peer(service, url, "the gateway forwards to it")?;
                }
            }
        }
        Ok(())
    }

    /// The keys tokens are signed and verified with: `SECRET_KEY`, or a key of this data directory's own, made at first use.
    pub(super) fn keys(&self, data: Option<&DataDir>, ids: &dyn Ids) -> anyhow::Result<KeyRing> {
        let given = &self.auth.secret_key;
        let own;
        let secret = match data {
            Some(data) if given.expose_secret().is_empty() => {
                own = SecretString::from(data.secret("secret.key", || hex::encode(ids.secret()))?);
                &own
            }
            _ => given,
        };
        let mut keys = ring(secret).context("auth.secret_key")?;
        for retiring in &self.auth.retiring_keys {
            keys = keys.and_retiring(retiring).context("auth.retiring_keys")?;
        }
        Ok(keys)
    }
}

fn ring(secret: &SecretString) -> Result<KeyRing, kit::token::KeyError> {
    KeyRing::hs256(secret, TOKEN_AUDIENCE)
}

fn peer(service: &str, url: &str, why: &str) -> Result<(), SettingsError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(());
    }
    let variable = format!("SCHOOLYARD_PEERS__{}", service.to_uppercase());
    Err(SettingsError::unfit(
        format!("peers.{service}"),
        format!(
            "{why}; set {variable}, for example to http://{service}:8080, or SCHOOLYARD_CONSUL__ADDRESS to find it there"
        ),
    ))
}

fn metrics_listen(server: &kit::server::Config) -> Result<Option<SocketAddr>, SettingsError> {
    if server.metrics_listen.is_empty() {
        return Ok(None);
    }
    let parsed = server.metrics_listen.parse();
    parsed.map(Some).map_err(|_| {
        SettingsError::unfit(
            "server.metrics_listen",
            "is no address with port, for example 127.0.0.1:9090",
        )
    })
}
