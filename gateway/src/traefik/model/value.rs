//! The values that stand in keys. Each is made by a constructor that refuses what Traefik would not take, or would take for
//! something else: an element with a comma becomes two, blanks at the ends are cut.

use std::fmt;

use super::Unwritable;

/// A text as a value of its own: visible ASCII and blanks between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Checks it.
    ///
    /// # Errors
    /// A control character, one beyond ASCII, a blank at an end, or nothing at all: an empty value removes a header.
    pub fn new(text: impl Into<String>) -> Result<Self, Unwritable> {
        let text = text.into();
        let refuse = |reason| Err(Unwritable::new("the text", &text, reason));
        if text.is_empty() || text.trim() != text {
            return refuse("it is not empty and has no blank at its ends");
        }
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return refuse("it has visible ASCII characters only");
        }
        Ok(Self(text))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text as an element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item(Text);

impl Item {
    /// Checks it.
    ///
    /// # Errors
    /// As [`Text::new`], and a comma: Traefik joins the elements with commas and cuts them again.
    pub fn new(text: impl Into<String>) -> Result<Self, Unwritable> {
        let text = Text::new(text)?;
        if text.as_str().contains(',') {
            return Err(Unwritable::new(
                "the element",
                text.as_str(),
                "an element of a list has no comma",
            ));
        }
        Ok(Self(text))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A length of time, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(u32);

impl Duration {
    /// So many milliseconds.
    #[must_use]
    pub const fn millis(millis: u32) -> Self {
        Self(millis)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// An absolute path: letters, digits, `-._~` and slashes. What else a path may hold, Traefik compares in more than one form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathText(String);

impl PathText {
    /// Checks it.
    ///
    /// # Errors
    /// No slash at its beginning, or another character.
    pub fn new(path: impl Into<String>) -> Result<Self, Unwritable> {
        let path = path.into();
        let refuse = |reason| Err(Unwritable::new("the path", &path, reason));
        if !path.starts_with('/') {
            return refuse("it begins with a slash");
        }
        if !path.bytes().all(|byte| byte == b'/' || is_unreserved(byte)) {
            return refuse("it consists of a-z, A-Z, 0-9, - . _ ~ and slashes");
        }
        Ok(Self(path))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a byte may stand in a path as it is (RFC 3986 section 2.3).
pub(in crate::traefik) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A pattern for a whole path: anchored at both ends, made of unreserved characters, variables and groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// The constructs of which patterns are made, longest first. They mean the same in every dialect.
    const PIECES: [&str; 6] = ["[^/](?s:.*)", "[^/]+", "(?:/v1)?", "/?", "\\.", "/"];

    /// Checks it.
    ///
    /// # Errors
    /// Anything else than the pieces of which paths are described here.
    pub fn new(pattern: impl Into<String>) -> Result<Self, Unwritable> {
        let pattern = pattern.into();
        let refuse = |reason| Err(Unwritable::new("the pattern", &pattern, reason));
        let Some(mut rest) = pattern
            .strip_prefix("^/")
            .and_then(|rest| rest.strip_suffix('$'))
        else {
            return refuse("it describes a whole path");
        };
        while let Some(first) = rest.bytes().next() {
            let piece = Self::PIECES.iter().find(|piece| rest.starts_with(**piece));
            rest = match piece {
                Some(piece) => &rest[piece.len()..],
                None if is_unreserved(first) && first != b'.' => &rest[1..],
                None => return refuse("it has something else than segments and variables"),
            };
        }
        Ok(Self(pattern))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A host as requests name it, without port; an IPv6 address without brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// Checks it.
    ///
    /// # Errors
    /// A character that no host name has, or a wildcard.
    pub fn new(host: &str) -> Result<Self, Unwritable> {
        let plain = host.to_ascii_lowercase();
        let plain = plain
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(&plain);
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if plain.is_empty() || plain.len() > 253 || !plain.bytes().all(fits) {
            return Err(Unwritable::new(
                "the host",
                host,
                "it is a name or an address without port",
            ));
        }
        Ok(Self(plain.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A method of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(String);

impl Method {
    /// Checks it.
    ///
    /// # Errors
    /// Anything but capitals and dashes: Traefik compares in capitals.
    pub fn new(method: &str) -> Result<Self, Unwritable> {
        let fits = |byte: u8| byte.is_ascii_uppercase() || byte == b'-';
        if method.is_empty() || method.len() > 32 || !method.bytes().all(fits) {
            return Err(Unwritable::new(
                "the method",
                method,
                "it consists of capitals and dashes",
            ));
        }
        Ok(Self(method.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Statuses of HTTP, from one to another. Always written as two: a key that is a number would be taken for a place in a
/// list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses {
    from: u16,
    to: u16,
}

impl Statuses {
    /// From one to another, both included.
    ///
    /// # Errors
    /// What is no status, or none at all.
    pub fn new(from: u16, to: u16) -> Result<Self, Unwritable> {
        if from > to || !(100..=599).contains(&from) || to > 599 {
            return Err(Unwritable::new(
                "the statuses",
                &format!("{from}-{to}"),
                "they are within 100 and 599",
            ));
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}
