//! Path templates as conditions: every spelling that leads to a template, and no other, matches it.

use std::cmp::Ordering;

use super::super::model::{Matcher, PathText, Pattern, Rule, Unwritable};

/// A path of the routes table: `/api/things/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// This text.
    Literal(String),
    /// `{id}`: one segment, whatever it is.
    Variable,
    /// `{*path}`: everything that follows, at least something.
    Rest,
}

impl Segment {
    /// The router of the routes table prefers text to variables, and those to the rest.
    fn rank(&self) -> u8 {
        match self {
            Self::Rest => 0,
            Self::Variable => 1,
            Self::Literal(_) => 2,
        }
    }
}

/// One or many characters of one segment.
const VARIABLE: &str = "[^/]+";
/// Something, then anything.
const REST: &str = "[^/](?s:.*)";

impl Template {
    /// Reads a path of the routes table.
    ///
    /// # Errors
    /// A variable that is a part of a segment, or the first segment; a character that stands for more than itself; what
    /// the versioned spelling would make another path.
    pub fn new(path: &str) -> Result<Self, Unwritable> {
        let refuse = |reason| Err(Unwritable::new("the path", path, reason));
        let Some(rest) = path.strip_prefix('/') else {
            return refuse("it begins with a slash");
        };
        if rest.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let mut segments = Vec::new();
        for part in rest.split('/') {
            if matches!(segments.last(), Some(Segment::Rest)) {
                return refuse("nothing follows the rest of a path");
            }
            segments.push(match part.strip_prefix('{') {
                Some(name) if name.ends_with('}') && name.starts_with('*') => Segment::Rest,
                Some(name) if name.ends_with('}') => Segment::Variable,
                _ => {
                    PathText::new(format!("/{part}"))?;
                    Segment::Literal(part.to_owned())
                }
            });
        }
        let literal = |at: usize, text: &str| matches!(segments.get(at), Some(Segment::Literal(found)) if found == text);
        if !matches!(segments.first(), Some(Segment::Literal(_))) {
            return refuse("its first segment is a text");
        }
        if segments
            .iter()
            .any(|one| *one == Segment::Literal(String::new()))
        {
            return refuse("no segment is empty");
        }
        if literal(0, "api") && literal(1, "v1") {
            return refuse("it is given without the version: both spellings answer");
        }
        Ok(Self(segments))
    }

    /// Whether some path fits both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut ours, mut theirs) = (self.0.iter(), other.0.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return true,
                (Some(Segment::Rest), Some(_)) | (Some(_), Some(Segment::Rest)) => return true,
                (Some(Segment::Literal(our)), Some(Segment::Literal(their))) if our != their => {
                    return false;
                }
                (Some(_), Some(_)) => {}
                (None, Some(_)) | (Some(_), None) => return false,
            }
        }
    }

    /// Whether a path that fits both is this one's: at the first place where they differ, the more exact one wins.
    #[must_use]
    pub fn beats(&self, other: &Self) -> bool {
        let ranks = |template: &Self| template.0.iter().map(Segment::rank).collect::<Vec<_>>();
        ranks(self).cmp(&ranks(other)) == Ordering::Greater
    }

    /// Every path that leads here: as it is and versioned, with and without a slash at its end.
    ///
    /// # Errors
    /// Never, after [`Template::new`].
    pub fn rule(&self) -> Result<Rule, Unwritable> {
        let is_text = |segment: &Segment| matches!(segment, Segment::Literal(_));
        if self.0.iter().all(is_text) {
            let texts: Result<Vec<_>, _> = self.spellings().into_iter().map(path).collect();
            return Ok(any(texts?));
        }
        match self.0.as_slice() {
            [Segment::Literal(first), second, ..] if first == "api" && !is_text(second) => {
                // A variable right behind /api would take the version for its value.
                let tail = self.tail(1);
                let versioned = pattern(format!("^/api/v1{tail}$"))?;
                let plain = pattern(format!("^/api{tail}$"))?;
                let version = any(vec![path("/api/v1".to_owned())?, prefix("/api/v1/")?]);
                Ok(any(vec![versioned, plain.and(version.negated())]))
            }
            [Segment::Literal(first), ..] if first == "api" => {
                pattern(format!("^/api(?:/v1)?{}$", self.tail(1)))
            }
            _ => pattern(format!("^{}$", self.tail(0))),
        }
    }

    /// The spellings of a path without variables.
    fn spellings(&self) -> Vec<String> {
        let text = |segments: &[Segment]| {
            let parts = segments.iter().filter_map(|segment| match segment {
                Segment::Literal(text) => Some(format!("/{text}")),
                _ => None,
            });
            parts.collect::<String>()
        };
        let mut bare = vec![text(&self.0)];
        if let Some((Segment::Literal(first), rest)) = self.0.split_first()
            && first == "api"
        {
            bare.push(format!("/api/v1{}", text(rest)));
        }
        let both = |path: String| [path.clone(), format!("{path}/")];
        let spelled = bare.into_iter().flat_map(both);
        spelled.filter(|path| !path.is_empty()).collect()
    }

    /// The pattern of the segments from this one on. A slash may follow, but after the rest, which takes it along.
    fn tail(&self, from: usize) -> String {
        let mut pattern = String::new();
        for segment in &self.0[from..] {
            pattern.push('/');
            match segment {
                Segment::Literal(text) => pattern.push_str(&text.replace('.', "\\.")),
                Segment::Variable => pattern.push_str(VARIABLE),
                Segment::Rest => {
                    pattern.push_str(REST);
                    return pattern;
                }
            }
        }
        pattern + "/?"
    }
}

fn path(text: String) -> Result<Rule, Unwritable> {
    Ok(Matcher::Path(PathText::new(text)?).into())
}

fn prefix(text: &str) -> Result<Rule, Unwritable> {
    Ok(Matcher::PathPrefix(PathText::new(text)?).into())
}

fn pattern(text: String) -> Result<Rule, Unwritable> {
    Ok(Matcher::PathRegexp(Pattern::new(text)?).into())
}

/// One of several, of which there is at least one.
fn any(rules: Vec<Rule>) -> Rule {
    Rule::any(rules.clone()).unwrap_or(Rule::Any(rules))
}
