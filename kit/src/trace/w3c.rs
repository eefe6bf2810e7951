//! The W3C `traceparent` (Trace Context, level 1): `00-<trace>-<span>-<flags>` in lower-case hexadecimal digits.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Length of what version 00 says; later versions may say more after it.
const LENGTH: usize = 55;

/// A span, as others know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traceparent {
    pub(super) trace: NonZeroU128,
    pub(super) span: NonZeroU64,
    pub(super) told: bool,
}

impl Traceparent {
    /// Reads one; none when it is not as the recommendation says, and then it is as if there were none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_ascii() || text.len() < LENGTH {
            return None;
        }
        let (known, rest) = text.split_at(LENGTH);
        let mut parts = known.split('-');
        let version = hex(parts.next()?, 2)?;
        let ends_well = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest.starts_with('-'),
        };
        let trace = NonZeroU128::new(hex(parts.next()?, 32)?)?;
        let span = NonZeroU64::new(u64::try_from(hex(parts.next()?, 16)?).ok()?)?;
        let flags = hex(parts.next()?, 2)?;
        (ends_well && parts.next().is_none()).then_some(Self {
            trace,
            span,
            told: flags & 1 == 1,
        })
    }

    /// That of a request. Several are none.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        match (all.next(), all.next()) {
            (Some(one), None) => Self::parse(one.to_str().ok()?),
            _ => None,
        }
    }

    /// As a header.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).expect("digits and hyphens are a header value")
    }

    /// The trace's id, for a line of the log.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace)
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.told);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }
}

fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    if text.len() != digits || !text.as_bytes().iter().all(is_digit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    proptest! {
        #[test]
        fn what_is_handed_on_is_read_as_it_was(trace in 1u128.., span in 1u64.., told in any::<bool>()) {
            let one = Traceparent { trace: trace.try_into().unwrap(), span: span.try_into().unwrap(), told };
            prop_assert_eq!(Traceparent::parse(&one.to_string()), Some(one));
        }

        #[test]
        fn no_text_at_all_brings_it_down(text in any::<String>()) {
            let _ = Traceparent::parse(&text);
        }
    }

    #[test]
    fn what_the_recommendation_refuses_is_none() {
        assert_eq!(Traceparent::parse(GOOD).unwrap().to_string(), GOOD);
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-\u{e9}bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Traceparent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_later_version_may_say_more_and_unknown_flags_are_passed_over() {
        let later = GOOD.replacen("00", "cc", 1) + "-what-the-future-will-be";
        assert_eq!(Traceparent::parse(&later).unwrap().to_string(), GOOD);
        let flags = |flags: &str| Traceparent::parse(&(GOOD[..53].to_owned() + flags));
        assert_eq!(flags("09").unwrap().to_string(), GOOD);
        assert!(!flags("08").unwrap().told);
    }

    #[test]
    fn of_two_headers_none_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(Traceparent::of(&headers), None);
        headers.insert(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(Traceparent::of(&headers).unwrap().header(), GOOD);
        headers.append(TRACEPARENT, HeaderValue::from_static(GOOD));
        assert_eq!(Traceparent::of(&headers), None);
    }
}
