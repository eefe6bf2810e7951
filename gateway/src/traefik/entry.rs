//! What Traefik shows at its entry point `internal`, and whom it believes there: an authority and a certificate that every
//! gateway of the deployment makes alike out of `SECRET_KEY`, so that two of them never write against each other, nothing is
//! stored but what Traefik needs, and nobody has to be reached before the first route stands.

use std::fmt;
use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use contracts::{CaBundle, InternalCa};
use kit::clock::SharedClock;
use kit::token::KeyRing;
use parking_lot::Mutex;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
};
use rustls_pki_types::PrivatePkcs8KeyDer;
use time::OffsetDateTime;

use super::model::Address;
use super::trust::{Authority, Trust};
use crate::config::Config;

/// What this key material is for; another purpose has other keys.
const PURPOSE: &str = "schoolyard entry point internal of traefik";
/// An Ed25519 key in PKCS#8 is this and its 32 bytes (RFC 8410 section 7). Its signatures have no chance in them: of the same
/// key and text the same certificate is made everywhere.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const DAY: i64 = 24 * 60 * 60;
/// A certificate takes the place of the one before so often.
const PERIOD: i64 = 30 * DAY;
/// The authority is good from 2020 on, for a hundred years: it ends with `SECRET_KEY`.
const SINCE: i64 = 1_577_836_800;
const UNTIL: i64 = SINCE + 36_525 * DAY;

/// The authority of the entry point `internal`, and auth's own where that is known.
pub struct EntryAuthority {
    /// One for each key that signs tokens or did so until lately: the first issues, all are believed, so that what Traefik
    /// knows lives through a change of the key.
    roots: Vec<Prk>,
    host: String,
    auth: Option<Arc<dyn InternalCa>>,
    /// What auth told last.
    told: Mutex<Option<CaBundle>>,
    clock: SharedClock,
}

impl EntryAuthority {
    /// Makes certificates for the host of `gateway.traefik_internal`. With `auth`, forward-auth also believes the certificates
    /// that it tells, so that its connections can be handed on to auth.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(
        config: &Config,
        keys: &KeyRing,
        auth: Option<Arc<dyn InternalCa>>,
        clock: SharedClock,
    ) -> anyhow::Result<Self> {
        let address = Address::new(&config.traefik_internal).context("gateway.traefik_internal")?;
        let salt = Salt::new(HKDF_SHA256, PURPOSE.as_bytes());
        let derived = keys.derived(PURPOSE);
        Ok(Self {
            roots: derived.iter().map(|key| salt.extract(key)).collect(),
            host: address.host(),
            auth,
            told: Mutex::default(),
            clock,
        })
    }

    fn own(&self) -> anyhow::Result<Trust> {
        let made: Result<Vec<_>, _> = self.roots.iter().map(Root::of).collect();
        let made = made?;
        let bundle = CaBundle::of(made.iter().map(|root| root.certificate.as_slice()));
        let bundle = bundle.context("there is no key")?;
        let issuer = made.into_iter().next().context("there is no key")?;
        let (chain, key) = issuer.issue(&self.host, self.clock.now())?;
        Ok(Trust::new(bundle.pem())?.showing(&chain, &key)?)
    }
}

/// An authority with its key.
struct Root {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    secret: Prk,
}

impl Root {
    fn of(secret: &Prk) -> anyhow::Result<Self> {
        let (key, _) = key(secret, "authority")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "schoolyard traefik internal");
        params.not_before = OffsetDateTime::from_unix_timestamp(SINCE)?;
        params.not_after = OffsetDateTime::from_unix_timestamp(UNTIL)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
            secret: secret.clone(),
        })
    }

    /// The certificate of this time for a host, and its key: PEM.
    fn issue(&self, host: &str, now: DateTime<Utc>) -> anyhow::Result<(String, String)> {
        let number = now.timestamp().div_euclid(PERIOD);
        let (key, der) = key(&self.secret, &format!("certificate {number}"))?;
        let mut params = CertificateParams::new([host.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        // A clock may be behind, and a gateway may be away when the next one is due.
        params.not_before = OffsetDateTime::from_unix_timestamp(number * PERIOD - DAY)?;
        params.not_after = OffsetDateTime::from_unix_timestamp((number + 3) * PERIOD)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let chain = CaBundle::of([&**certificate.der()]).context("there is no certificate")?;
        let key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der)
        );
        Ok((chain.pem().to_owned(), key))
    }
}

/// A key for one use of the secret, and the same in PKCS#8.
fn key(secret: &Prk, purpose: &str) -> anyhow::Result<(KeyPair, Vec<u8>)> {
    let mut der = PKCS8.to_vec();
    let mut own = [0; 32];
    let info = [purpose.as_bytes()];
    let expanded = secret.expand(&info, HKDF_SHA256);
    expanded
        .and_then(|expanded| expanded.fill(&mut own))
        .map_err(|_| anyhow::anyhow!("a key cannot be derived"))?;
    der.extend(own);
    let pkcs8 = PrivatePkcs8KeyDer::from(der.as_slice());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ED25519)?;
    Ok((pair, der))
}

#[async_trait]
impl Authority for EntryAuthority {
    async fn trust(&self) -> anyhow::Result<Trust> {
        let own = self.own().context("gateway.traefik_internal")?;
        let Some(auth) = &self.auth else {
            return Ok(own);
        };
        match auth.certificates().await {
            Ok(bundle) => *self.told.lock() = Some(bundle),
            // Without them forward-auth asks at the entry point, where auth's instances stand as well.
            Err(problem) => tracing::debug!(
                target: "traefik",
                code = problem.code(),
                detail = problem.detail(),
                "auth's certificate authority is as it was"
            ),
        }
        let told = self.told.lock();
        Ok(match &*told {
            Some(bundle) => own.and_of_auth(bundle.pem())?,
            None => own,
        })
    }

    fn is_whole(&self) -> bool {
        self.auth.is_none() || self.told.lock().is_some()
    }
}

impl fmt::Debug for EntryAuthority {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EntryAuthority")
            .field("host", &self.host)
            .field("asks_auth", &self.auth.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
