//! The rules of routers.

use std::fmt;

use super::{Host, Method, PathText, Pattern};

/// Which requests a router takes, in Traefik's syntax of version 3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// One condition.
    One(Matcher),
    /// All of them hold.
    All(Vec<Rule>),
    /// One of them holds.
    Any(Vec<Rule>),
    /// It does not hold.
    Not(Box<Rule>),
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// The host.
    Host(Host),
    /// The whole path.
    Path(PathText),
    /// The beginning of the path.
    PathPrefix(PathText),
    /// The whole path, by a pattern.
    PathRegexp(Pattern),
    /// The method.
    Method(Method),
}

impl Matcher {
    pub(super) const NAMES: [&str; 5] = ["Host", "Path", "PathPrefix", "PathRegexp", "Method"];

    fn parts(&self) -> (&'static str, &str) {
        let [host, path, prefix, pattern, method] = Self::NAMES;
        match self {
            Self::Host(text) => (host, text.as_str()),
            Self::Path(text) => (path, text.as_str()),
            Self::PathPrefix(text) => (prefix, text.as_str()),
            Self::PathRegexp(text) => (pattern, text.as_str()),
            Self::Method(text) => (method, text.as_str()),
        }
    }
}

impl Rule {
    /// All of these hold. Of one it is that one; none is not possible.
    #[must_use]
    pub fn all(rules: Vec<Rule>) -> Option<Self> {
        join(rules, Self::All, |rule| match rule {
            Self::All(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// One of these holds. Of one it is that one; none is not possible.
    #[must_use]
    pub fn any(rules: Vec<Rule>) -> Option<Self> {
        join(rules, Self::Any, |rule| match rule {
            Self::Any(inner) => Ok(inner),
            other => Err(other),
        })
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = vec![self, other];
        Self::all(both.clone()).unwrap_or(Self::All(both))
    }

    /// It does not hold.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    fn binds_loosely(&self) -> bool {
        matches!(self, Self::Any(_) | Self::All(_))
    }
}

/// Joins without needless nesting, so that what is written reads back the same.
fn join(
    rules: Vec<Rule>,
    wrap: fn(Vec<Rule>) -> Rule,
    open: fn(Rule) -> Result<Vec<Rule>, Rule>,
) -> Option<Rule> {
    let mut flat = Vec::with_capacity(rules.len());
    for rule in rules {
        match open(rule) {
            Ok(inner) => flat.extend(inner),
            Err(rule) => flat.push(rule),
        }
    }
    if flat.len() > 1 {
        return Some(wrap(flat));
    }
    flat.pop()
}

impl From<Matcher> for Rule {
    fn from(matcher: Matcher) -> Self {
        Self::One(matcher)
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, text) = self.parts();
        write!(f, "{name}(`{text}`)")
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rules, between) = match self {
            Self::One(matcher) => return matcher.fmt(f),
            Self::Not(inner) if inner.binds_loosely() => return write!(f, "!({inner})"),
            Self::Not(inner) => return write!(f, "!{inner}"),
            Self::All(rules) => (rules, " && "),
            Self::Any(rules) => (rules, " || "),
        };
        for (at, rule) in rules.iter().enumerate() {
            if at > 0 {
                f.write_str(between)?;
            }
            if rule.binds_loosely() {
                write!(f, "({rule})")?;
            } else {
                write!(f, "{rule}")?;
            }
        }
        Ok(())
    }
}
