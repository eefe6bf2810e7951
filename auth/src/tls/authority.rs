//! An authority and the certificates it issues: X.509, P-256, nothing stored.

use std::fmt;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret as _, SecretSlice};
use time::OffsetDateTime;
use uuid::Uuid;

use super::schedule::{AUTHORITY_LIFE, LEAF_LIFE, Life};

/// How far into the past certificates reach: clocks of other machines may be behind.
const BACKDATED: TimeDelta = TimeDelta::days(1);

/// Why no certificate is made.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A name or a key does not fit.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The clock shows a time that no certificate can name.
    #[error("a certificate cannot name this time")]
    Time(#[from] time::error::ComponentRange),
}

/// What is known of an authority without its key: a row of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Counted from 1; a later one takes over from the earlier.
    pub generation: i64,
    /// Its name in certificates, never that of another.
    pub subject: String,
    /// DER.
    pub certificate: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends, in whole seconds as the certificate says it.
    pub expires_at: DateTime<Utc>,
}

impl Described {
    /// Everything of it in one unambiguous text, for the seal of its key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = b"authority 1\0".to_vec();
        for number in [
            self.generation,
            self.created_at.timestamp_micros(),
            self.expires_at.timestamp_micros(),
        ] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend((self.subject.len() as u64).to_be_bytes());
        bytes.extend(self.subject.as_bytes());
        bytes.extend(&self.certificate);
        bytes
    }
}

/// An authority that can issue.
pub struct Authority {
    /// What is known of it.
    pub described: Described,
    /// PKCS#8.
    pub key: SecretSlice<u8>,
    /// Whether the present `SECRET_KEY` seals it in the store, not one that retires.
    pub is_current: bool,
}

/// A certificate of this instance with its key, which stands nowhere else.
pub struct Leaf {
    /// DER.
    pub certificate: CertificateDer<'static>,
    /// PKCS#8.
    pub key: PrivateKeyDer<'static>,
    /// The authority's.
    pub generation: i64,
    /// From when to when it is good.
    pub life: Life,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// [`Failed`].
    pub fn make(generation: i64, id: Uuid, now: DateTime<Utc>) -> Result<Self, Failed> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let subject = format!("schoolyard internal CA {}", id.as_simple());
        let expires_at = now.trunc_subsecs(0) + AUTHORITY_LIFE;
        let mut params = named(&subject);
        params.not_before = seconds(now - BACKDATED)?;
        params.not_after = seconds(expires_at)?;
        // it signs servers, not further authorities
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            described: Described {
                generation,
                subject,
                certificate: certificate.der().to_vec(),
                created_at: now,
                expires_at,
            },
            key: SecretSlice::from(key.serialize_der()),
            is_current: true,
        })
    }

    /// A certificate for a server of these names (host names and addresses), with a new key.
    ///
    /// # Errors
    /// [`Failed`], when a name is none.
    pub fn issue(&self, names: &[String], now: DateTime<Utc>) -> Result<Leaf, Failed> {
        let own = PrivatePkcs8KeyDer::from(self.key.expose_secret());
        let own = KeyPair::from_pkcs8_der_and_sign_algo(&own, &rcgen::PKCS_ECDSA_P256_SHA256)?;
        // name and key are all that a certificate takes from its issuer
        let issuer = Issuer::new(named(&self.described.subject), own);
        let life = Life {
            from: now,
            until: (now.trunc_subsecs(0) + LEAF_LIFE).min(self.described.expires_at),
        };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.not_before = seconds(now - BACKDATED)?;
        params.not_after = seconds(life.until)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Leaf {
            certificate: certificate.into(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            generation: self.described.generation,
            life,
        })
    }
}

fn named(subject: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, subject.to_owned());
    params
}

fn seconds(at: DateTime<Utc>) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp(at.timestamp())
}

impl fmt::Debug for Authority {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("described", &self.described)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Leaf {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("generation", &self.generation)
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}
