//! Authorities in a real store, and certificates that a real client looks at, by a clock that tests can set.

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use backends::testing::TestDb;
use chrono::TimeDelta;
use futures_util::future::join_all;
use kit::{
    Clock as _, MockClock, RandomIds,
    server::{Edge, Server},
    token::KeyRing,
};
use rustls::{CertificateError, ClientConfig, RootCertStore, time_provider::TimeProvider};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{Authorities, Keeper, Seals};
use crate::store::Store;

const SECRET: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";
const OTHER: &str = "nN3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";
const NAME: &str = "auth.internal";

/// An instance with these keys: the first signs, the others retire.
struct Instance {
    authorities: Authorities,
    clock: MockClock,
}

impl Instance {
    async fn open(db: &TestDb, clock: &MockClock, keys: &[&str]) -> Self {
        let ids = RandomIds::shared(clock.shared());
        let store = Store::open((**db).clone(), clock.shared(), ids)
            .await
            .unwrap();
        Self::with(store, clock, keys)
    }

    fn with(store: Store, clock: &MockClock, keys: &[&str]) -> Self {
        let mut ring = KeyRing::hs256(&keys[0].into(), "schoolyard").unwrap();
        for &retiring in &keys[1..] {
            ring = ring.and_retiring(&retiring.into()).unwrap();
        }
        let ids = RandomIds::shared(clock.shared());
        let seals = Seals::of(&ring).unwrap();
        Self {
            authorities: Authorities::new(store, seals, clock.shared(), ids),
            clock: clock.clone(),
        }
    }

    async fn keeper(&self) -> Keeper {
        let names = vec![NAME.to_owned(), "127.0.0.1".to_owned()];
        Keeper::start(self.authorities.clone(), names, self.clock.shared())
            .await
            .unwrap()
    }

    /// The generation that issues now.
    async fn issuer(&self) -> i64 {
        self.authorities
            .issuer()
            .await
            .unwrap()
            .described
            .generation
    }

    /// What is told.
    async fn told(&self) -> Vec<CertificateDer<'static>> {
        let bundle = self.authorities.bundle().await.unwrap();
        let pem = bundle.map_or(String::new(), |bundle| bundle.pem().to_owned());
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(Result::unwrap)
            .collect()
    }
}

async fn generations(db: &TestDb) -> Vec<i64> {
    let rows: Vec<(i64,)> = db
        .query("SELECT generation FROM authorities ORDER BY generation")
        .all()
        .await
        .unwrap();
    rows.into_iter().map(|(generation,)| generation).collect()
}

/// Action, object and reason of what was audited.
async fn audited(db: &TestDb) -> Vec<(String, String, String)> {
    let sql =
        "SELECT action, object, reason FROM audit WHERE object LIKE 'internal_ca:%' ORDER BY entry";
    db.query(sql).all().await.unwrap()
}

/// Listens as long as the test runs.
async fn listen(keeper: &Keeper) -> SocketAddr {
    let (plain, secure) = (bind().await, bind().await);
    let address = secure.local_addr().unwrap();
    let server = Server::new("auth", Router::new(), Edge::system());
    let door = server.clone().at(secure).with_tls(keeper.tls());
    tokio::spawn(server.run_with(plain, vec![door], vec![], CancellationToken::new()));
    address
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

#[derive(Debug)]
struct At(MockClock);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

/// Connects by `name`, trusting what is given, at the time of the test's clock.
async fn connect(
    address: SocketAddr,
    name: &str,
    trusted: &[CertificateDer<'static>],
    clock: &MockClock,
) -> Result<TlsStream<TcpStream>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(At(clock.clone())))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(address).await.unwrap();
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    connected.map_err(|error| {
        let inner = error.into_inner().expect("TLS says why");
        *inner.downcast::<rustls::Error>().unwrap()
    })
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

backends::on_every_database! {
    async fn sixty_four_instances_that_start_at_once_make_one_authority(db: TestDb) {
        let clock = MockClock::default();
        let mut stores = Vec::new();
        for _ in 0..4 {
            let ids = RandomIds::shared(clock.shared());
            stores.push(Store::open(db.again().await, clock.shared(), ids).await.unwrap());
        }
        let start = |n: usize| {
            let instance = Instance::with(stores[n % stores.len()].clone(), &clock, &[SECRET]);
            tokio::spawn(async move { instance.authorities.issuer().await.unwrap().described })
        };
        let started: Vec<_> = (0..64).map(start).collect();
        let found: Vec<_> = join_all(started).await.into_iter().map(Result::unwrap).collect();
        assert!(found.iter().all(|described| *described == found[0]));
        assert_eq!(generations(&db).await, [1]);
        let created = ("internal_ca.created".to_owned(), "internal_ca:1".to_owned(), "there was none".to_owned());
        assert_eq!(audited(&db).await, [created]);
    }

    async fn sixty_four_instances_make_one_successor(db: TestDb) {
        let clock = MockClock::default();
        let instances = join_all((0..4).map(|_| Instance::open(&db, &clock, &[SECRET]))).await;
        instances[0].issuer().await;
        clock.advance(TimeDelta::days(9 * 365 + 1));
        let issuers = join_all((0..64).map(|n| instances[n % 4].issuer())).await;
        assert_eq!(issuers, [1; 64], "the successor is told first");
        assert_eq!(generations(&db).await, [1, 2]);
    }

    async fn no_key_is_in_the_store_in_clear(db: TestDb) {
        let instance = Instance::open(&db, &MockClock::default(), &[SECRET]).await;
        let key = {
            use secrecy::ExposeSecret as _;
            instance.authorities.issuer().await.unwrap().key.expose_secret().to_vec()
        };
        let (sealed,): (Vec<u8>,) = db.query("SELECT sealed_key FROM authorities").one().await.unwrap();
        assert_eq!(sealed.len(), 12 + key.len() + 16);
        assert!(!sealed.windows(16).any(|window| key.windows(16).any(|part| part == window)));
    }

    async fn what_somebody_else_wrote_into_the_store_is_not_told(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        instance.issuer().await;
        let own = instance.told().await;
        let stranger = Instance::open(&db, &clock, &[OTHER]).await;
        assert_eq!(stranger.issuer().await, 2, "it opens none");
        assert_eq!(instance.told().await, own);
        assert_eq!(instance.issuer().await, 1);
        // a certificate in the place of another one, beside its key
        let mut tx = db.begin().await.unwrap();
        tx.query("UPDATE authorities SET certificate = (SELECT certificate FROM authorities WHERE generation = 2) WHERE generation = 1")
            .execute().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(instance.told().await, []);
        assert_eq!(instance.issuer().await, 3);
    }

    async fn a_changed_secret_key_makes_another_one_and_the_old_is_trusted_no_more(db: TestDb) {
        let clock = MockClock::default();
        let before = Instance::open(&db, &clock, &[SECRET]).await;
        before.issuer().await;
        let old = before.told().await;
        let after = Instance::open(&db, &clock, &[OTHER]).await;
        assert_eq!(after.issuer().await, 2, "it issues at once: there is no other");
        assert_eq!(after.issuer().await, 2);
        let new = after.told().await;
        assert_eq!(new.len(), 1);
        assert!(!new.contains(&old[0]));
        let reasons: Vec<_> = audited(&db).await.into_iter().map(|(_, _, reason)| reason).collect();
        assert_eq!(reasons, ["there was none", "no key that is configured opens the ones before"]);
        // gone with the rest when nothing of it can be in use
        clock.advance(TimeDelta::days(63));
        after.issuer().await;
        assert_eq!(generations(&db).await, [2]);
    }

    async fn a_secret_key_that_retires_hands_over_without_a_gap(db: TestDb) {
        let clock = MockClock::default();
        let before = Instance::open(&db, &clock, &[SECRET]).await;
        before.issuer().await;
        let old = before.told().await;
        let after = Instance::open(&db, &clock, &[OTHER, SECRET]).await;
        assert_eq!(after.issuer().await, 1, "everybody knows the first one");
        let both = after.told().await;
        assert_eq!((both.len(), &both[1]), (2, &old[0]));
        assert_eq!(audited(&db).await[1].2, "SECRET_KEY was changed");
        clock.advance(TimeDelta::days(1));
        assert_eq!(after.issuer().await, 2);
        assert_eq!(after.told().await, both, "instances may still show what the first one issued");
        clock.advance(TimeDelta::days(61));
        after.issuer().await;
        assert_eq!(generations(&db).await, [1, 2]);
        clock.advance(TimeDelta::days(1));
        after.issuer().await;
        assert_eq!((after.told().await, generations(&db).await), (both[..1].to_vec(), vec![2]));
        assert_eq!(audited(&db).await[2].0, "internal_ca.removed");
        // and the old key is needed no more
        assert_eq!(Instance::open(&db, &clock, &[OTHER]).await.issuer().await, 2);
    }

    async fn a_client_takes_the_certificate_only_for_its_name_and_from_its_authority(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        let address = listen(&instance.keeper().await).await;
        let told = instance.told().await;
        connect(address, NAME, &told, &clock).await.unwrap();
        connect(address, "127.0.0.1", &told, &clock).await.unwrap();
        let refused = connect(address, "auth.example", &told, &clock).await.unwrap_err();
        assert!(matches!(refused, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })), "{refused}");
        let another = Instance::open(&db, &clock, &[OTHER]).await;
        another.issuer().await;
        let refused = connect(address, NAME, &another.told().await, &clock).await.unwrap_err();
        assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused}");
    }

    async fn a_certificate_is_renewed_at_half_its_life_and_refused_after_its_end(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        let (tended, left_alone) = (instance.keeper().await, instance.keeper().await);
        let (address, stale) = (listen(&tended).await, listen(&left_alone).await);
        let told = instance.told().await;
        let certificate = async || shown(&connect(address, NAME, &told, &clock).await.unwrap());
        let first = certificate().await;
        clock.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
        tended.round().await.unwrap();
        assert_eq!(certificate().await, first);
        clock.advance(TimeDelta::seconds(1));
        tended.round().await.unwrap();
        let second = certificate().await;
        assert_ne!(second, first);
        clock.advance(TimeDelta::days(30) + TimeDelta::seconds(1));
        let refused = connect(stale, NAME, &told, &clock).await.unwrap_err();
        assert!(matches!(refused, rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })), "{refused}");
        assert_eq!(certificate().await, second, "it has its whole life before it");
    }

    async fn a_client_whose_clock_is_behind_takes_a_new_certificate(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        let address = listen(&instance.keeper().await).await;
        let behind = MockClock::at(clock.now() - TimeDelta::hours(20));
        connect(address, NAME, &instance.told().await, &behind).await.unwrap();
    }

    async fn who_has_read_the_bundle_within_a_day_never_meets_a_stranger(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        let keeper = instance.keeper().await;
        let address = listen(&keeper).await;
        let first = instance.told().await;
        clock.advance(TimeDelta::days(9 * 365));
        keeper.round().await.unwrap();
        let both = instance.told().await;
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        connect(address, NAME, &first, &clock).await.unwrap();
        clock.advance(TimeDelta::days(1));
        keeper.round().await.unwrap();
        connect(address, NAME, &both, &clock).await.unwrap();
        connect(address, NAME, &both[..1], &clock).await.unwrap();
        assert!(connect(address, NAME, &first, &clock).await.is_err());
    }

    async fn an_authority_that_has_ended_is_not_told(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        instance.issuer().await;
        clock.advance(TimeDelta::days(3650) - TimeDelta::seconds(1));
        assert_eq!(instance.told().await.len(), 1);
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(instance.told().await, []);
        assert_eq!(instance.issuer().await, 2, "whoever comes back after that long has a new one");
    }

    async fn a_store_that_came_back_without_the_authority_is_healed_with_the_next_round(db: TestDb) {
        let clock = MockClock::default();
        let instance = Instance::open(&db, &clock, &[SECRET]).await;
        let keeper = instance.keeper().await;
        let address = listen(&keeper).await;
        let mut tx = db.begin().await.unwrap();
        tx.query("DELETE FROM authorities").execute().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(instance.told().await, []);
        keeper.round().await.unwrap();
        assert_eq!(generations(&db).await, [1], "another one with the same number");
        connect(address, NAME, &instance.told().await, &clock).await.unwrap();
    }
}
