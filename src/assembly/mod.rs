//! Wiring: which services run here, what they store in, and how they reach one another. One function per topology would
//! say the same thing twice; here a peer is either a service built a few lines above or the HTTP client of the same trait.

mod accounts;
mod behind;
mod dead_letters;
mod orders;
mod plan;
mod registry;
mod stream;
pub mod upstreams;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use backends::Db;
use backends::bus::Bus;
use backends::consumer::Progress;
use backends::db::DbOptions;
use backends::dead_letters::DeadLetters;
use contracts::clients::{HttpIdentity, HttpPosts};
use contracts::{Identity, Posts, RolesOnly, Roster, TlsDoor, Verifier};
use gateway::TrustedProxies;
use kit::metrics::Metrics;
use kit::peer::{FetchedTokens, Peer, Pool};
use kit::routes::Direct;
use kit::server::{Edge, Server};
use kit::service::{Check, Service, Worker};
use kit::token::KeyRing;
use kit::{SharedClock, SharedIds};

pub use accounts::{Accounts, accounts};
pub use dead_letters::{Letters, letters};
pub use orders::Orders;
pub use plan::{Plan, TOKEN_AUDIENCE};
pub use stream::Stream;

use registry::Registry;

use crate::data_dir::DataDir;
use crate::settings::Target;

/// What is the same for everything in this process. Tests bring a clock of their own, and a bus that several processes'
/// worth of services share.
pub struct Host {
    /// The time.
    pub clock: SharedClock,
    /// Chance.
    pub ids: SharedIds,
    /// The bus, where it is shared; else the one the settings name is opened.
    pub bus: Option<Arc<dyn Bus>>,
}

impl Host {
    /// The system's own time and chance.
    #[must_use]
    pub fn system() -> Self {
        let clock = kit::SystemClock::shared();
        Self {
            ids: kit::RandomIds::shared(clock.clone()),
            clock,
            bus: None,
        }
    }
}

/// Everything that runs in this process, ready to listen.
pub struct Assembly {
    /// The outermost router with its edge.
    pub server: Server,
    /// What works beside the requests.
    pub workers: Vec<Worker>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The internal TLS address of auth, where it has one, with the edge it answers behind.
    pub tls: Option<(auth::TlsAddress, Edge)>,
    /// Where `/metrics` listens, if it has a place of its own, and what answers there.
    pub metrics: Option<(SocketAddr, Router)>,
    /// Accounts, where auth runs here.
    pub accounts: Option<Accounts>,
    /// How far profile follows the accounts, where it runs here.
    pub followed: Option<Progress>,
    /// The stream's progress, where the feed runs here.
    pub applied: Option<feed::Applied>,
    /// Rebuilds the stream and compares it, where the feed runs here.
    pub stream: Option<Stream>,
    /// The stores that are open here, by service.
    pub stores: Vec<(&'static str, Db)>,
    /// The bus.
    pub bus: Option<Arc<dyn Bus>>,
    /// What commands may ask of this process.
    pub orders: Orders,
}

/// Builds what the plan says. `data` is there when everything runs in this process, or a test gives one.
///
/// # Errors
/// A store or bus that cannot be opened or is newer than this program; settings that contradict each other.
pub async fn build(plan: Plan, data: Option<&DataDir>, host: Host) -> anyhow::Result<Assembly> {
    let Host { clock, ids, bus } = host;
    let metrics = Metrics::new();
    let keys = plan.keys(data, &*ids)?;
    let verifier = Verifier::new(keys.clone(), clock.clone());
    let edge = Edge {
        limits: plan.server.limits(),
        ..Edge::new(clock.clone(), ids.clone(), metrics.clone())
    };
    let bus = match (bus, &plan.bus_url) {
        (Some(bus), _) => Some(bus),
        (None, Some(url)) => Some(
            backends::bus::open(url, clock.clone())
                .await
                .context("bus.url")?,
        ),
        (None, None) => None,
    };
    let registry = Registry::of(&plan.consul, &clock)?;
    let mut parts = Parts {
        plan,
        registry,
        clock,
        ids,
        metrics: metrics.clone(),
        verifier,
        bus,
        stores: Vec::new(),
    };
    let behind = parts.behind_traefik(&keys)?;
    let (mut services, mut workers) = (Vec::new(), Vec::new());
    if let Some(bus) = parts.bus.as_ref().filter(|_| parts.plan.owns_bus) {
        workers.extend(bus.workers());
        workers.push(backends::dead_letters::meter(bus.clone(), metrics.clone()));
    }
    let mut orders = Orders::default();
    if let Some(bus) = &parts.bus {
        orders =
            orders.with(Letters::new(DeadLetters::new(bus.clone(), parts.clock.clone())).orders());
    }

    let roster: Arc<dyn Roster> = Arc::new(RolesOnly);
    let mut identity = None;
    let mut accounts = None;
    let mut tls = None;
    if parts.plan.target.runs("auth") {
        let (built, handle) = parts.auth(keys, data).await?;
        identity = Some(built.client);
        tls = built.tls.map(|address| (address, edge.clone()));
        orders = orders.with(handle.orders());
        accounts = Some(handle);
        services.push(built.service);
    }
    let mut followed = None;
    if parts.plan.target.runs("profile") {
        let built = parts.profile(roster.clone()).await?;
        followed = Some(built.followed);
        services.push(built.service);
    }
    let mut posts = None;
    if parts.plan.target.runs("posts") {
        let built = parts.posts(roster.clone()).await?;
        posts = Some(built.client);
        services.push(built.service);
    }
    let (mut applied, mut stream) = (None, None);
    if parts.plan.target.runs("feed") {
        let (posts, peers) = match posts {
            Some(posts) => (posts, Vec::new()),
            None => parts.remote_posts()?,
        };
        let mut built = parts.feed(posts, roster).await?;
        built.service.checks.extend(peers);
        applied = Some(built.applied);
        let handle = Stream::new(built.rebuilds, built.inspector);
        orders = orders.with(handle.orders());
        stream = Some(handle);
        services.push(built.service);
    }
    if data.is_some() {
        // The data directory is locked: whoever held a lease here was killed.
        for (_, store) in &parts.stores {
            backends::lease::forget(store).await?;
        }
    }
    let mut pages = None;
    if let Some((service, own)) = behind {
        services.push(service);
        pages = Some(own);
    }
    if parts.plan.target != Target::All {
        let (config, listen) = (&parts.plan.consul, parts.plan.server.listen);
        let doors = tls.as_ref().map(|(address, _)| address.told());
        parts
            .registry
            .join(&mut services, config, listen, |service| {
                let door = doors.as_ref().filter(|_| service == "auth");
                door.map(TlsDoor::meta).unwrap_or_default()
            })?;
    }
    workers.extend(parts.registry.workers());
    let (name, app) = if parts.plan.target.runs("gateway") && pages.is_none() {
        let identity = match identity {
            Some(identity) => identity,
            None => parts.remote_identity()?,
        };
        ("gateway", parts.gateway(services, identity, &mut workers)?)
    } else {
        let (name, router) = upstreams::alone(services, &edge, &mut workers);
        let router = router.merge(pages.unwrap_or_default());
        let proxies = TrustedProxies::new(parts.plan.gateway.trusted_proxies.clone());
        let app =
            Direct::from(router).after(move |request| upstreams::client_address(&proxies, request));
        // Traefik can replace headers of an answer and not add what is missing.
        let app = match parts.registry.agent() {
            Some(_) => app.then(|response| gateway::harden(response.headers_mut())),
            None => app,
        };
        (name, app)
    };
    let server = Server::new(name, app, edge);
    let plan = parts.plan;
    let own_metrics = plan
        .metrics_listen
        .map(|listen| (listen, kit::server::metrics_router(name, &metrics)));
    Ok(Assembly {
        server,
        workers,
        listen: plan.server.listen,
        tls,
        metrics: own_metrics,
        accounts,
        followed,
        applied,
        stream,
        stores: parts.stores,
        bus: parts.bus,
        orders,
    })
}

/// What the services are made from, in the order of the call graph.
struct Parts {
    plan: Plan,
    registry: Registry,
    clock: SharedClock,
    ids: SharedIds,
    metrics: Metrics,
    verifier: Verifier,
    bus: Option<Arc<dyn Bus>>,
    stores: Vec<(&'static str, Db)>,
}

impl Parts {
    fn bus(&self) -> anyhow::Result<Arc<dyn Bus>> {
        self.bus.clone().context("bus.url: no bus is open")
    }

    async fn store(&mut self, service: &'static str, url: Option<&String>) -> anyhow::Result<Db> {
        let url = url.with_context(|| format!("{service}.store: no store is named"))?;
        let db = Db::open(url, DbOptions::default())
            .await
            .with_context(|| format!("{service}.store"))?;
        self.stores.push((service, db.clone()));
        Ok(db)
    }

    async fn auth(
        &mut self,
        keys: KeyRing,
        data: Option<&DataDir>,
    ) -> anyhow::Result<(auth::Built, Accounts)> {
        let url = self.plan.auth_store.clone();
        let deps = auth::Deps {
            db: self.store("auth", url.as_ref()).await?,
            bus: self.bus()?,
            keys,
            verifier: self.verifier.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            metrics: self.metrics.clone(),
            data_dir: data.map(|data| data.path().to_owned()),
        };
        let built = auth::build(self.plan.auth.clone(), deps)
            .await
            .context("auth")?;
        let accounts = Accounts::new(built.accounts.clone());
        Ok((built, accounts))
    }

    async fn profile(&mut self, roster: Arc<dyn Roster>) -> anyhow::Result<profile::Built> {
        let url = self.plan.profile_store.clone();
        let deps = profile::Deps {
            db: self.store("profile", url.as_ref()).await?,
            bus: self.bus()?,
            roster,
            verifier: self.verifier.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            metrics: self.metrics.clone(),
        };
        profile::build(self.plan.profile.clone(), deps)
            .await
            .context("profile")
    }

    async fn posts(&mut self, roster: Arc<dyn Roster>) -> anyhow::Result<posts::Built> {
        let url = self.plan.posts_store.as_ref();
        let url = url.context("posts.store: no store is named")?;
        let store = posts::store::open(url).await.context("posts.store")?;
        if let Some(db) = store.relational() {
            self.stores.push(("posts", db.clone()));
        }
        let deps = posts::Deps {
            store,
            bus: self.bus()?,
            roster,
            verifier: self.verifier.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            metrics: self.metrics.clone(),
        };
        posts::build(self.plan.posts.clone(), deps)
            .await
            .context("posts")
    }

    async fn feed(
        &self,
        posts: Arc<dyn Posts>,
        roster: Arc<dyn Roster>,
    ) -> anyhow::Result<feed::Built> {
        let deps = feed::Deps {
            bus: self.bus()?,
            posts,
            roster,
            verifier: self.verifier.clone(),
            public_audience: self.plan.posts.public_audience,
            public_url: self.plan.auth.public_url.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        feed::build(self.plan.feed.clone(), deps)
            .await
            .context("feed")
    }

    /// What `service` shows to others, had from the auth of this pool.
    fn tokens(&self, auth: Pool, service: &'static str) -> anyhow::Result<FetchedTokens> {
        let peers = &self.plan.peers;
        let tokens =
            FetchedTokens::of(auth, service, peers.credential.clone(), self.clock.clone())?;
        Ok(tokens.of_settings(setting("peers.auth", &peers.auth), "peers.credential"))
    }

    /// The owner of the posts elsewhere, and how it and auth are reached.
    fn remote_posts(&self) -> anyhow::Result<(Arc<dyn Posts>, Vec<Check>)> {
        let peers = &self.plan.peers;
        let auth = self.registry.pool("auth", &peers.auth)?;
        let tokens = self.tokens(auth, "feed")?;
        let issuer = tokens.readiness();
        let posts = self.registry.pool("posts", &peers.posts)?;
        let posts =
            Peer::of(posts, Arc::new(tokens))?.of_setting(setting("peers.posts", &peers.posts));
        let checks = vec![issuer, posts.readiness()];
        Ok((Arc::new(HttpPosts::new(posts)), checks))
    }

    fn remote_identity(&self) -> anyhow::Result<Arc<dyn Identity>> {
        Ok(Arc::new(HttpIdentity::new(
            &self.plan.peers.auth,
            kit::peer::client()?,
            self.verifier.clone(),
        )))
    }

    fn gateway(
        &self,
        services: Vec<Service>,
        identity: Arc<dyn Identity>,
        workers: &mut Vec<Worker>,
    ) -> anyhow::Result<Direct> {
        let published = upstreams::published(services, &self.plan, &self.clock, workers)?;
        let deps = gateway::GatewayDeps {
            identity,
            services: published,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let built = gateway::build(self.plan.gateway.clone(), deps).context("gateway")?;
        workers.extend(built.workers);
        Ok(built.app)
    }
}

/// Where to look when a service that was found there is not reached.
fn setting(own: &'static str, url: &str) -> &'static str {
    if url.is_empty() {
        "consul.address"
    } else {
        own
    }
}
