//! Certificates of the deployment's own authority, as they travel.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{PemObject as _, SectionKind};

/// Longer than any bundle made here (a handful of certificates of 500 bytes); what is longer is not read.
pub(crate) const LONGEST: usize = 64 * 1024;
/// Characters of a line of PEM (RFC 7468 section 2).
const LINE: usize = 64;

/// Certificates to trust, as PEM: public key material, no secret. At least one, and nothing else in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaBundle(String);

/// Why a text is no bundle of certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBundle {
    /// It has none.
    #[error("there is no certificate in it")]
    Empty,
    /// It is not PEM.
    #[error("it is not PEM")]
    Malformed,
    /// Something else is in it, such as a private key.
    #[error("there is something else than certificates in it")]
    Foreign,
    /// It is longer than any bundle made here.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

impl CaBundle {
    /// Of certificates in DER, in this order; `None` without any.
    #[must_use]
    pub fn of<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let mut pem = String::new();
        for certificate in certificates {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            let mut rest = &*STANDARD.encode(certificate);
            while !rest.is_empty() {
                let (line, more) = rest.split_at(rest.len().min(LINE));
                pem.push_str(line);
                pem.push('\n');
                rest = more;
            }
            pem.push_str("-----END CERTIFICATE-----\n");
        }
        (!pem.is_empty()).then_some(Self(pem))
    }

    /// Reads what [`of`](Self::of) wrote. What comes back is written anew: nothing that stood around the certificates is
    /// handed on.
    ///
    /// # Errors
    /// [`NoBundle`].
    pub fn parse(pem: &str) -> Result<Self, NoBundle> {
        if pem.len() > LONGEST {
            return Err(NoBundle::TooLong);
        }
        let mut certificates = Vec::new();
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.as_bytes()) {
            match section {
                Ok((SectionKind::Certificate, der)) => certificates.push(der),
                Ok(_) => return Err(NoBundle::Foreign),
                Err(_) => return Err(NoBundle::Malformed),
            }
        }
        Self::of(certificates.iter().map(Vec::as_slice)).ok_or(NoBundle::Empty)
    }

    /// As PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bundle_with_anything_else_in_it_is_refused() {
        let bundle = CaBundle::of([&[1_u8, 2, 3][..]]).unwrap();
        let key = "-----BEGIN PRIVATE KEY-----\nAQID\n-----END PRIVATE KEY-----\n";
        for (text, why) in [
            (String::new(), NoBundle::Empty),
            ("no certificate here\n".to_owned(), NoBundle::Empty),
            (format!("{}{key}", bundle.pem()), NoBundle::Foreign),
            (bundle.pem().replace("AQID", "AQ!D"), NoBundle::Malformed),
            (bundle.pem().replace("END", "FIN"), NoBundle::Malformed),
            ("x".repeat(LONGEST + 1), NoBundle::TooLong),
        ] {
            assert_eq!(CaBundle::parse(&text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_stands_around_the_certificates_is_not_handed_on() {
        let bundle = CaBundle::of([&[1_u8, 2, 3][..]]).unwrap();
        let around = format!("# the school's own\n{}\n", bundle.pem());
        assert_eq!(CaBundle::parse(&around), Ok(bundle));
    }

    proptest! {
        #[test]
        fn certificates_come_back_as_they_were(certificates in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 1..5)) {
            let bundle = CaBundle::of(certificates.iter().map(Vec::as_slice)).unwrap();
            prop_assert!(bundle.pem().lines().all(|line| line.len() <= LINE));
            prop_assert_eq!(CaBundle::parse(bundle.pem()), Ok(bundle));
        }
    }
}
