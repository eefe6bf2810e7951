//! A school of its own for one story: in one process behind the gateway, or each service behind its own listener. The
//! services, their stores and the wiring are those of the binary; the clock is the story's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use backends::bus::{Bus, Record, dead_letters};
use backends::consumer::Progress;
use contracts::{Role, Roles, topics};
use futures_util::future::BoxFuture;
use kit::{MockClock, SeededIds};
use schoolyard::assembly::{self, Accounts, Assembly, Host, Plan, Stream};
use schoolyard::commands::admin::NewAdmin;
use schoolyard::data_dir::DataDir;
use schoolyard::settings::{SERVICES, Settings, Target};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Person;

/// Where the services run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One process, one listener.
    Together,
    /// Each with its own listener and store; HTTP between them.
    Apart,
    /// The same on real servers: PostgreSQL, MongoDB, Kafka.
    #[cfg(feature = "real-tests")]
    Servers,
    /// The same behind real Traefik, found in real Consul.
    #[cfg(feature = "real-tests")]
    Traefik,
}

const SECRET: &str = "a secret of the stories, 32 bytes or more";
const CREDENTIAL: &str = "what the feed shows to auth: 32 bytes or more";
/// How long a story waits for what must come; nothing waits this long that works.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many events wait in a store.
type Depth = Box<dyn Fn() -> BoxFuture<'static, i64> + Send + Sync>;

/// A running school.
pub struct School {
    pub clock: MockClock,
    bases: BTreeMap<&'static str, String>,
    /// Where people come in.
    front: String,
    accounts: Accounts,
    followed: Progress,
    applied: feed::Applied,
    stream: Stream,
    outboxes: Vec<Depth>,
    bus: Arc<dyn Bus>,
    admin: Person,
    stop: CancellationToken,
    running: Vec<JoinHandle<anyhow::Result<()>>>,
    #[cfg(feature = "real-tests")]
    _door: Option<super::door::Door>,
    _folder: TempDir,
}

impl School {
    /// The password of everybody.
    pub const PASSWORD: &str = "a password for stories";

    pub async fn start(topology: Topology) -> Self {
        Self::with(topology, &[]).await
    }

    /// As the CivilDIY stack behaved.
    pub async fn civildiy(topology: Topology) -> Self {
        Self::with(topology, &[("SCHOOLYARD_COMPAT__CIVILDIY", "true")]).await
    }

    /// With settings of the story's own.
    pub async fn with(topology: Topology, more: &[(&str, &str)]) -> Self {
        let mut builder = Builder::new(more).await;
        #[cfg(feature = "real-tests")]
        if matches!(topology, Topology::Servers | Topology::Traefik) {
            builder.on_servers(topology).await;
        }
        if topology == Topology::Together {
            builder.add("gateway", Target::All).await;
            return builder.finish().await;
        }
        for service in SERVICES {
            builder
                .add(service, Target::Only(vec![service.to_owned()]))
                .await;
        }
        builder.finish().await
    }

    pub fn base(&self) -> &str {
        &self.front
    }

    /// The address of a service's own listener.
    pub fn direct(&self, service: &str) -> String {
        self.bases[service].clone()
    }

    pub fn secret(&self) -> &str {
        SECRET
    }

    pub fn nobody(&self) -> Person {
        Person::nobody(self.base())
    }

    pub fn nobody_at(&self, service: &str) -> Person {
        Person::nobody(&self.bases[service])
    }

    pub fn admin(&self) -> &Person {
        &self.admin
    }

    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// Somebody with these roles, signed in; the account is made if it is not there.
    pub async fn sign_in(&self, username: &str, roles: &[&str]) -> Person {
        let roles: Roles = roles
            .iter()
            .map(|role| role.parse::<Role>().unwrap())
            .collect();
        let person = auth::Person {
            email: Some(format!("{username}@school.example")),
            username: username.to_owned(),
            first_name: String::new(),
            last_name: String::new(),
            roles,
            password: Self::PASSWORD.to_owned().into(),
        };
        match self.accounts.make_person(person).await {
            Ok(_) => {}
            Err(problem) => assert_eq!(problem.code(), "user_exists"),
        }
        self.nobody().login(username, Self::PASSWORD).await
    }

    pub async fn sign_in_teacher(&self) -> Person {
        self.sign_in("ines", &["teacher"]).await
    }

    pub async fn sign_in_student(&self) -> Person {
        self.sign_in("mia", &["student"]).await
    }

    /// Until every event written so far is applied by the feed.
    pub async fn caught_up(&self) {
        let waiting = async {
            self.sent().await;
            // Profile makes events of its own out of those of auth.
            let accounts = self.bus.ends(&[topics::AUTH_EVENTS.name]).await.unwrap();
            assert!(self.followed.reached(&accounts).await, "profile has ended");
            self.sent().await;
            let read = [
                topics::POSTS_EVENTS,
                topics::AUTH_EVENTS,
                topics::PROFILE_EVENTS,
            ];
            let ends = self.bus.ends(&read.map(|topic| topic.name)).await.unwrap();
            self.applied.reached(&ends).await.unwrap();
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the feed catches up");
    }

    /// Until every event written so far is on the bus.
    async fn sent(&self) {
        for depth in &self.outboxes {
            while depth().await > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// Builds the stream anew, as an administrator does, and waits for the end of it.
    pub async fn rebuild(&self) {
        let asked = self
            .admin
            .post("/api/activity-stream/rebuild", serde_json::json!({}))
            .await;
        let job = asked.expect(202).json()["job"].as_str().unwrap().to_owned();
        let ended = tokio::time::timeout(PATIENCE, self.stream.rebuilt(&job))
            .await
            .expect("the rebuild ends")
            .expect("no other one begins");
        assert_eq!((ended.phase, ended.error), (feed::Phase::Done, None));
    }

    /// Puts a message on the bus as a foreign producer does: no key, no headers, no id.
    pub async fn foreign(&self, payload: &str) {
        let record = Record {
            topic: topics::POSTS_EVENTS.name.to_owned(),
            key: None,
            payload: payload.to_owned().into(),
            headers: BTreeMap::new(),
            event_id: None,
        };
        self.bus.publish(vec![record]).await.unwrap();
    }

    /// How many dead letters the topic has.
    pub async fn dead_letters(&self, topic: &str) -> i64 {
        let name = dead_letters(topic);
        self.bus.ends(&[&name]).await.unwrap().next(&name, 0)
    }

    /// Ends the school, and the story with it if something was left behind: an event that never left, a dead letter.
    pub async fn stop(self) {
        self.caught_up().await;
        for topic in topics::ALL {
            assert_eq!(
                self.dead_letters(topic.name).await,
                0,
                "{} has dead letters",
                topic.name
            );
        }
        self.stop_with_dead_letters().await;
    }

    /// The same for a story about dead letters.
    pub async fn stop_with_dead_letters(self) {
        self.stop.cancel();
        for running in self.running {
            let ended = tokio::time::timeout(PATIENCE, running)
                .await
                .expect("a server ends in time");
            ended
                .expect("a server does not panic")
                .expect("a server ends well");
        }
    }
}

struct Builder {
    env: Vec<(String, String)>,
    clock: MockClock,
    folder: TempDir,
    listeners: BTreeMap<&'static str, TcpListener>,
    bases: BTreeMap<&'static str, String>,
    bus: Option<Arc<dyn Bus>>,
    accounts: Option<Accounts>,
    followed: Option<Progress>,
    applied: Option<feed::Applied>,
    stream: Option<Stream>,
    outboxes: Vec<Depth>,
    /// Each opens the bus for itself.
    own_bus: bool,
    #[cfg(feature = "real-tests")]
    door: Option<super::door::Door>,
    stop: CancellationToken,
    running: Vec<JoinHandle<anyhow::Result<()>>>,
}

/// What is the same wherever the services run.
pub fn common_settings() -> Vec<(&'static str, String)> {
    vec![
        ("SECRET_KEY", SECRET.to_owned()),
        ("SCHOOLYARD_PEERS__CREDENTIAL", CREDENTIAL.to_owned()),
        (
            "SCHOOLYARD_AUTH__SERVICE_CREDENTIALS",
            format!("feed:{CREDENTIAL}"),
        ),
        // A service that runs alone believes its gateway about where a request comes from.
        (
            "SCHOOLYARD_GATEWAY__TRUSTED_PROXIES",
            "127.0.0.1".to_owned(),
        ),
        // The races and loads of the stories come from one address; the limits have tests of their own.
        ("SCHOOLYARD_AUTH__REGISTERS_PER_MINUTE", "0".to_owned()),
        ("SCHOOLYARD_AUTH__FAILED_LOGINS_PER_MINUTE", "0".to_owned()),
        ("SCHOOLYARD_GATEWAY__RATE_LIMIT", "100000".to_owned()),
        ("SCHOOLYARD_GATEWAY__RATE_BURST", "100000".to_owned()),
    ]
}

impl Builder {
    async fn new(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (mut listeners, mut bases) = (BTreeMap::new(), BTreeMap::new());
        for service in SERVICES {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bases.insert(
                service,
                format!("http://{}", listener.local_addr().unwrap()),
            );
            listeners.insert(service, listener);
        }
        let path = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
        let mut env: Vec<(String, String)> = [
            ("SCHOOLYARD_DATA", folder.path().display().to_string()),
            ("SCHOOLYARD_AUTH__STORE", path("auth.db")),
            ("SCHOOLYARD_PROFILE__STORE", path("profile.db")),
            ("SCHOOLYARD_POSTS__STORE", path("posts.db")),
            ("SCHOOLYARD_BUS__URL", path("bus.db")),
            ("SCHOOLYARD_PEERS__AUTH", bases["auth"].clone()),
            ("SCHOOLYARD_PEERS__PROFILE", bases["profile"].clone()),
            ("SCHOOLYARD_PEERS__POSTS", bases["posts"].clone()),
            ("SCHOOLYARD_PEERS__FEED", bases["feed"].clone()),
        ]
        .into_iter()
        .chain(common_settings())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        env.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        Self {
            env,
            clock: MockClock::default(),
            folder,
            listeners,
            bases,
            bus: None,
            accounts: None,
            followed: None,
            applied: None,
            stream: None,
            outboxes: Vec::new(),
            own_bus: false,
            #[cfg(feature = "real-tests")]
            door: None,
            stop: CancellationToken::new(),
            running: Vec::new(),
        }
    }

    /// Names stores and bus on the real servers, and lets the services find one another in Consul.
    #[cfg(feature = "real-tests")]
    async fn on_servers(&mut self, topology: Topology) {
        use backends::outbox::Outbox as _;
        let servers = super::Servers::fresh().await;
        if topology == Topology::Traefik {
            self.door = Some(super::door::Door::open(servers.story()).await);
            let is_address = |name: &str| {
                name.starts_with("SCHOOLYARD_PEERS__") && name != "SCHOOLYARD_PEERS__CREDENTIAL"
            };
            self.env.retain(|(name, _)| !is_address(name));
        }
        for (name, value) in servers.settings() {
            self.env.retain(|(known, _)| known != name);
            self.env.push((name.to_owned(), value));
        }
        self.own_bus = true;
        let mongo = posts::store::Mongo::open(&servers.posts()).await.unwrap();
        let ids = SeededIds::shared(8, self.clock.shared());
        let store = posts::store::MongoStore::open(mongo, self.clock.shared(), ids)
            .await
            .unwrap();
        self.outboxes.push(Box::new(move || {
            let store = store.clone();
            Box::pin(async move { store.depth().await.unwrap() })
        }));
    }

    /// The settings of one service.
    fn env_of(&self, service: &str) -> Vec<(String, String)> {
        let mut env = self.env.clone();
        #[cfg(feature = "real-tests")]
        if let Some(door) = &self.door {
            let own = door.settings(service).into_iter();
            env.extend(own.map(|(name, value)| (name.to_owned(), value)));
        }
        // A service is known to others by where it listens.
        let listen = self.bases[service].trim_start_matches("http://");
        env.push(("SCHOOLYARD_SERVER__LISTEN".to_owned(), listen.to_owned()));
        env
    }

    /// Builds what this target runs and lets it listen where `service` was promised.
    async fn add(&mut self, service: &'static str, target: Target) {
        let settings = Settings::load(self.env_of(service), &target, false).unwrap();
        let mut plan = Plan::of(&settings, &target).unwrap();
        // Many sign in; what a hash costs has its own tests and measurements.
        plan.auth.unsafe_bcrypt_cost = Some(4);
        let data = (target == Target::All).then(|| DataDir::lock(&settings.data).unwrap());
        let host = Host {
            clock: self.clock.shared(),
            ids: SeededIds::shared(7, self.clock.shared()),
            bus: self.bus.clone().filter(|_| !self.own_bus),
        };
        let Assembly {
            server,
            workers,
            accounts,
            followed,
            applied,
            stream,
            stores,
            bus,
            ..
        } = assembly::build(plan, data.as_ref(), host).await.unwrap();
        self.bus = self.bus.take().or(bus);
        self.accounts = self.accounts.take().or(accounts);
        self.followed = self.followed.take().or(followed);
        self.applied = self.applied.take().or(applied);
        self.stream = self.stream.take().or(stream);
        for (_, store) in stores {
            self.outboxes.push(Box::new(move || {
                let store = store.clone();
                Box::pin(async move { backends::outbox::depth(&store).await.unwrap() })
            }));
        }
        let listener = self.listeners.remove(service).unwrap();
        let stop = self.stop.clone();
        self.running.push(tokio::spawn(async move {
            let _data = data;
            server.run(listener, workers, stop).await
        }));
    }

    async fn finish(self) -> School {
        let accounts = self.accounts.expect("auth runs somewhere");
        let admin = NewAdmin {
            email: "office@school.example".to_owned(),
            username: "office".to_owned(),
            password: School::PASSWORD.to_owned(),
        };
        accounts.make_admin(admin).await.unwrap();
        let front = self.bases["gateway"].clone();
        #[cfg(feature = "real-tests")]
        let front = match &self.door {
            Some(door) => {
                door.leads_to(&SERVICES).await;
                door.web()
            }
            None => front,
        };
        let admin = Person::nobody(&front)
            .login("office", School::PASSWORD)
            .await;
        let school = School {
            clock: self.clock,
            bases: self.bases,
            front,
            accounts,
            followed: self.followed.expect("profile runs somewhere"),
            applied: self.applied.expect("the feed runs somewhere"),
            stream: self.stream.expect("the feed runs somewhere"),
            outboxes: self.outboxes,
            bus: self.bus.expect("a bus is open"),
            admin,
            stop: self.stop,
            running: self.running,
            #[cfg(feature = "real-tests")]
            _door: self.door,
            _folder: self.folder,
        };
        // From here on pages come from the feed, not from its fallback.
        tokio::time::timeout(PATIENCE, school.applied.filled())
            .await
            .expect("the feed fills")
            .unwrap();
        school
    }
}
