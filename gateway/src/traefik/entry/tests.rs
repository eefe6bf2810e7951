//! Certificates that a real client looks at, by a clock that tests set.

use chrono::TimeDelta;
use kit::problem::Problem;
use kit::{Clock as _, MockClock};
use proptest::prelude::*;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

use super::*;

const SECRET: &str = "hH3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";
const OTHER: &str = "nN3c9Pz0vQm4sK7tWb2xYd5eRf8gJl1n";

/// A gateway with these keys: the first signs, the others retire.
fn gateway(keys: &[&str], clock: &MockClock) -> EntryAuthority {
    let mut ring = KeyRing::hs256(&keys[0].into(), "schoolyard").unwrap();
    for &retiring in &keys[1..] {
        ring = ring.and_retiring(&retiring.into()).unwrap();
    }
    let config = kit::config::Config::load(&[crate::SECTION], None, Vec::new(), &[]).unwrap();
    let config = config.section("gateway").unwrap();
    EntryAuthority::new(&config, &ring, None, clock.shared()).unwrap()
}

/// What a client that believes `by` says to the certificate of `shown`.
fn verify(by: &Trust, shown: &Trust, host: &str, clock: &MockClock) -> Result<(), rustls::Error> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(by.authority.as_str().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let certificate = shown.certificate.as_ref().unwrap();
    let leaf = CertificateDer::from_pem_slice(certificate.chain.as_str().as_bytes()).unwrap();
    let now = u64::try_from(clock.now().timestamp()).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    let host = ServerName::try_from(host).unwrap();
    let verified = verifier.build().unwrap();
    verified
        .verify_server_cert(&leaf, &[], &host, &[], now)
        .map(drop)
}

#[tokio::test]
async fn two_gateways_show_the_very_same_and_it_is_for_the_host_of_the_entry_point_and_no_other() {
    let clock = MockClock::default();
    let [one, two] = [gateway(&[SECRET], &clock), gateway(&[SECRET], &clock)];
    let trust = one.trust().await.unwrap();
    assert_eq!(trust, two.trust().await.unwrap());
    assert_eq!(trust.asked, trust.authority);
    verify(&trust, &trust, "localhost", &clock).unwrap();
    for other in ["127.0.0.1", "auth.internal"] {
        let refused = verify(&trust, &trust, other, &clock).unwrap_err();
        assert!(
            matches!(
                refused,
                rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })
            ),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn the_key_belongs_to_the_certificate() {
    let trust = gateway(&[SECRET], &MockClock::default())
        .trust()
        .await
        .unwrap();
    let certificate = trust.certificate.unwrap();
    let leaf = CertificateDer::from_pem_slice(certificate.chain.as_str().as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_str().as_bytes()).unwrap();
    let key = default_provider()
        .key_provider
        .load_private_key(key)
        .unwrap();
    rustls::sign::CertifiedKey::new(vec![leaf], key)
        .keys_match()
        .unwrap();
}

#[tokio::test]
async fn after_a_change_of_the_key_what_stood_before_is_believed_and_with_another_key_it_is_not() {
    let clock = MockClock::default();
    let before = gateway(&[OTHER], &clock).trust().await.unwrap();
    let changed = gateway(&[SECRET, OTHER], &clock).trust().await.unwrap();
    let after = gateway(&[SECRET], &clock).trust().await.unwrap();
    for shown in [&before, &changed, &after] {
        verify(&changed, shown, "localhost", &clock).unwrap();
    }
    assert_eq!(changed.certificate, after.certificate);
    let refused = verify(&after, &before, "localhost", &clock).unwrap_err();
    assert!(
        matches!(refused, rustls::Error::InvalidCertificate(_)),
        "{refused}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_made_at_any_time_is_good_for_a_month_and_by_a_clock_that_is_a_day_behind(
        hours in 0i64..24 * 365 * 20,
    ) {
        let clock = MockClock::default();
        clock.advance(TimeDelta::hours(hours));
        let trust = gateway(&[SECRET], &clock).own().unwrap();
        for at in [TimeDelta::days(-1), TimeDelta::zero(), TimeDelta::days(30)] {
            let other = MockClock::at(clock.now() + at);
            prop_assert!(verify(&trust, &trust, "localhost", &other).is_ok(), "{at}");
        }
        let late = MockClock::at(clock.now() + TimeDelta::days(91));
        prop_assert!(verify(&trust, &trust, "localhost", &late).is_err());
    }
}

/// Says what a test says.
#[derive(Default)]
struct FakeCa(Mutex<Option<&'static str>>);

#[async_trait]
impl InternalCa for FakeCa {
    async fn certificates(&self) -> Result<CaBundle, Problem> {
        let known = self
            .0
            .lock()
            .map(|der| CaBundle::of([der.as_bytes()]).unwrap());
        known.ok_or_else(|| Problem::not_found("no_internal_ca", "auth has no TLS address"))
    }
}

#[tokio::test]
async fn what_auth_tells_is_believed_as_well_also_while_auth_is_away() {
    let clock = MockClock::default();
    let own = gateway(&[SECRET], &clock);
    let alone = own.trust().await.unwrap();
    let ca = Arc::new(FakeCa::default());
    let with = EntryAuthority {
        auth: Some(ca.clone()),
        ..gateway(&[SECRET], &clock)
    };
    assert_eq!(with.trust().await.unwrap(), alone, "auth says nothing");
    assert!(!with.is_whole() && own.is_whole());
    *ca.0.lock() = Some("auth's");
    let trust = with.trust().await.unwrap();
    let of_auth = CaBundle::of([&b"auth's"[..]]).unwrap();
    assert_eq!(
        trust.asked.as_str(),
        format!("{}{}", alone.authority.as_str(), of_auth.pem())
    );
    assert_eq!(trust.authority, alone.authority);
    assert_eq!(trust.certificate, alone.certificate);
    assert!(with.is_whole());
    *ca.0.lock() = None;
    assert_eq!(with.trust().await.unwrap(), trust);
}
