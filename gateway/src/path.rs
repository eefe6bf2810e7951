//! Which request targets are let in. A path that two readers could read differently is refused, so that the route the
//! gateway asks auth about is the route the service answers (facts/traefik-consul.md A.8).

use std::str;

use http::{Uri, Version};

/// Why a request target is refused; the text is shown to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// Not the origin form `/path?query` (RFC 9112 section 3.2.1).
    #[error("the request target must begin with a slash")]
    NotOrigin,
    /// `//`.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `.` or `..`, plain, percent-encoded or with a path parameter.
    #[error("the path has a dot segment")]
    DotSegment,
    /// A character that may not stand there, plain or percent-encoded.
    #[error("the path has a character that is not allowed")]
    Character,
    /// `%` without two hexadecimal digits, or what they decode to is not UTF-8.
    #[error("the path has an invalid percent escape")]
    Escape,
}

/// Checks a request's target.
///
/// # Errors
/// The first reason to refuse it.
pub fn check_target(uri: &Uri, version: Version) -> Result<(), BadPath> {
    // HTTP/2 splits the target into pseudo-headers, so there it is always absolute here.
    if version < Version::HTTP_2 && uri.authority().is_some() {
        return Err(BadPath::NotOrigin);
    }
    check(uri.path())
}

/// Checks a path.
///
/// # Errors
/// The first reason to refuse it.
pub fn check(path: &str) -> Result<(), BadPath> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(BadPath::NotOrigin);
    }
    let mut segment = Segment::default();
    let mut beyond_ascii = false;
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'/' => {
                segment.end()?;
                segment = Segment::default();
            }
            b'%' => {
                let escaped = bytes.get(at..at + 2).and_then(hex).ok_or(BadPath::Escape)?;
                at += 2;
                // An escaped delimiter is data to one reader and structure to the next; `%25` is one more round of decoding.
                if matches!(escaped, b'/' | b'\\' | b';' | b'%' | b'?' | b'#')
                    || escaped.is_ascii_control()
                {
                    return Err(BadPath::Character);
                }
                beyond_ascii |= !escaped.is_ascii();
                segment.push(escaped);
            }
            b'\\' => return Err(BadPath::Character),
            byte if byte.is_ascii_control() => return Err(BadPath::Character),
            byte => {
                beyond_ascii |= !byte.is_ascii();
                segment.push(byte);
            }
        }
    }
    segment.end_last()?;
    if beyond_ascii && str::from_utf8(&decoded(bytes)).is_err() {
        return Err(BadPath::Escape);
    }
    Ok(())
}

/// What is known of the segment read so far.
#[derive(Default)]
struct Segment {
    begun: bool,
    dots: usize,
    other: bool,
    parameter: bool,
}

impl Segment {
    fn push(&mut self, byte: u8) {
        self.begun = true;
        match byte {
            b';' => self.parameter = true,
            _ if self.parameter => {}
            b'.' => self.dots += 1,
            _ => self.other = true,
        }
    }

    fn end(&self) -> Result<(), BadPath> {
        if !self.begun {
            Err(BadPath::EmptySegment)
        } else {
            self.end_last()
        }
    }

    /// The last segment may be empty: a trailing slash is accepted.
    fn end_last(&self) -> Result<(), BadPath> {
        if !self.other && matches!(self.dots, 1 | 2) {
            Err(BadPath::DotSegment)
        } else {
            Ok(())
        }
    }
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*digits.first()?)?, digit(*digits.get(1)?)?);
    u8::try_from(high << 4 | low).ok()
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%')
            .then(|| bytes.get(at + 1..at + 3).and_then(hex))
            .flatten();
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_paths_pass() {
        for path in [
            "/",
            "/api/posts",
            "/api/posts/",
            "/api/v1/posts/65f0a1b2c3d4e5f601234567",
            "/a.b/..c/...",
            "/%C3%A9t%c3%a9",
            "/a%20b",
            "/été",
            "/a;b=1/c",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn every_spelling_of_a_way_out_is_refused() {
        let dot = [
            "/..",
            "/a/../b",
            "/a/./b",
            "/.",
            "/a/..",
            "/%2e%2e/b",
            "/a/%2E./b",
            "/a/.%2e",
            "/%2e",
            "/..;/admin",
            "/a/..;x=1/b",
            "/.;",
        ];
        let character = [
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a\0",
            "/a%0a",
            "/a\r\nb",
            "/a%7f",
            "/%252e%252e/",
            "/a%3bb",
            "/a%3fb",
            "/a%23b",
        ];
        let escape = [
            "/%",
            "/%2",
            "/%zz",
            "/a%2",
            "/%c0%ae%c0%ae/",
            "/%c0%af",
            "/%ff",
            "/%+1",
        ];
        for (paths, reason) in [
            (&dot[..], BadPath::DotSegment),
            (&character[..], BadPath::Character),
            (&escape[..], BadPath::Escape),
            (
                &["//", "/a//b", "//evil.example/a", "/a//"][..],
                BadPath::EmptySegment,
            ),
            (
                &["", "*", "a/b", "http://x/", "%2f"][..],
                BadPath::NotOrigin,
            ),
        ] {
            for path in paths {
                assert_eq!(check(path), Err(reason), "{path:?}");
            }
        }
    }

    #[test]
    fn an_absolute_target_is_refused_in_http_1_and_usual_in_http_2() {
        let uri = Uri::from_static("http://other.example/api/posts");
        assert_eq!(
            check_target(&uri, Version::HTTP_11),
            Err(BadPath::NotOrigin)
        );
        assert_eq!(check_target(&uri, Version::HTTP_2), Ok(()));
    }

    /// The rules once more, slowly: cut, decode, compare.
    fn allowed(path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else {
            return false;
        };
        let segments: Vec<&str> = rest.split('/').collect();
        segments.iter().enumerate().all(|(at, segment)| {
            let mut text = Vec::new();
            let mut left = segment.as_bytes();
            while let Some((&first, tail)) = left.split_first() {
                if first == b'%' {
                    let Some(value) = tail
                        .get(..2)
                        .and_then(|two| str::from_utf8(two).ok())
                        .filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()))
                    else {
                        return false;
                    };
                    let value = u8::from_str_radix(value, 16).unwrap();
                    if b"/\\;%?#".contains(&value) {
                        return false;
                    }
                    text.push(value);
                    left = &tail[2..];
                } else {
                    text.push(first);
                    left = tail;
                }
            }
            let Ok(text) = String::from_utf8(text) else {
                return false;
            };
            let name = text.split(';').next().unwrap_or_default();
            (!segment.is_empty() || at + 1 == segments.len())
                && name != "."
                && name != ".."
                && !text.chars().any(|c| c.is_ascii_control() || c == '\\')
        })
    }

    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => Just("/".to_owned()),
            4 => prop::sample::select(vec![".", "..", "%2e", "%2E", "a", "posts", ";", "é", "%c3%a9", "-"]).prop_map(str::to_owned),
            1 => prop::sample::select(vec!["%2f", "%5c", "\\", "%00", "%", "%zz", "%25", "%c3", "\u{1}", "%7F"]).prop_map(str::to_owned),
            1 => any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        ];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn one_pass_says_what_the_slow_reading_says(path in pieces()) {
            prop_assert_eq!(check(&path).is_ok(), allowed(&path), "{:?}", path);
        }

        #[test]
        fn no_text_makes_it_panic(path in ".{0,40}") {
            let _ = check(&path);
        }

        #[test]
        fn what_passes_reads_the_same_decoded(path in pieces()) {
            if check(&path).is_ok() {
                let once = String::from_utf8(decoded(path.as_bytes())).unwrap();
                prop_assert_eq!(once.matches('/').count(), path.matches('/').count());
                prop_assert!(!once.contains("/../") && !once.ends_with("/.."));
            }
        }
    }
}
