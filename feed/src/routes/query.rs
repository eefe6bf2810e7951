//! What the stream routes take, and what of it is refused.

use chrono::{DateTime, Utc};
use contracts::Audience;
use kit::problem::Problem;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::position::Position;
use crate::query::{Filter, Start};

/// Items of a page unless the client says otherwise [004].
const DEFAULT_LIMIT: usize = 20;
/// Items of a page at most.
const MAX_LIMIT: usize = 100;
/// Positions that may be passed over at most; who goes deeper uses the cursor.
const MAX_SKIP: usize = 10_000;

/// The page of the stream that is asked for. `group` comes with grouping: until then it is refused like any other unknown
/// parameter, since a page that ignored it would be another one than was asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Items at most, 1 to 100; 20 if absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
    /// Positions to pass over, at most 10,000; not together with `cursor`. May shift under inserts.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 10000)]
    pub(super) skip: Option<String>,
    /// Goes on where an earlier page ended, as its `next_cursor` said.
    pub(super) cursor: Option<String>,
    /// Only this kind; one that does not exist gives an empty page.
    pub(super) kind: Option<String>,
    /// Only items for this audience; one that the reader is not in gives an empty page.
    pub(super) audience: Option<String>,
    /// Only items with this tag.
    pub(super) tag: Option<String>,
    /// Published at or after.
    pub(super) from: Option<DateTime<Utc>>,
    /// Published before.
    pub(super) to: Option<DateTime<Utc>>,
}

/// The page of the own stream that is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OwnQuery {
    /// Items at most, 1 to 100; 20 if absent.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100)]
    pub(super) limit: Option<String>,
    /// Positions to pass over, at most 10,000; not together with `cursor`. May shift under inserts.
    #[param(value_type = Option<u32>, minimum = 0, maximum = 10000)]
    pub(super) skip: Option<String>,
    /// Goes on where an earlier page ended, as its `next_cursor` said.
    pub(super) cursor: Option<String>,
}

impl StreamQuery {
    pub(super) fn filter(&self) -> Filter {
        // The form in which tags are stored (spec/posts.md rule 13).
        let tag = self.tag.as_deref().map(|tag| tag.trim().to_lowercase());
        Filter {
            tag,
            from: self.from,
            to: self.to,
        }
    }

    /// # Errors
    /// 422 when it is no audience at all.
    pub(super) fn audience(&self) -> Result<Option<Audience>, Problem> {
        let read = |text: &str| {
            text.parse()
                .map_err(|_| Problem::invalid("audience", "is no audience"))
        };
        self.audience.as_deref().map(read).transpose()
    }
}

/// # Errors
/// 422 `invalid_limit`.
pub(super) fn limit(text: Option<&str>) -> Result<usize, Problem> {
    let Some(text) = text else {
        return Ok(DEFAULT_LIMIT);
    };
    match text.parse() {
        Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
        _ => Err(
            Problem::unprocessable("invalid_limit", "limit must be 1 to 100")
                .field("limit", "must be 1 to 100"),
        ),
    }
}

/// # Errors
/// 422 for a bad `skip` or both, 400 `bad_cursor`.
pub(super) fn start(skip: Option<&str>, cursor: Option<&str>) -> Result<Start, Problem> {
    let skip = skip.map(|text| match text.parse() {
        Ok(skip @ 0..=MAX_SKIP) => Ok(skip),
        _ => Err(Problem::invalid("skip", "must be 0 to 10000")),
    });
    match (skip.transpose()?, cursor.filter(|text| !text.is_empty())) {
        (Some(_), Some(_)) => Err(Problem::invalid(
            "skip",
            "cannot be given together with cursor",
        )),
        (_, Some(cursor)) => Position::from_cursor(cursor).map(Start::After),
        (skip, None) => Ok(Start::Skip(skip.unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_outside_of_1_to_100_is_refused_by_its_own_code() {
        for bad in [
            "0",
            "101",
            "-1",
            "x",
            "",
            "1.0",
            "+",
            "99999999999999999999",
        ] {
            assert_eq!(
                limit(Some(bad)).unwrap_err().code(),
                "invalid_limit",
                "{bad:?}"
            );
        }
        assert_eq!(
            (limit(None).unwrap(), limit(Some("100")).unwrap()),
            (20, 100)
        );
    }

    #[test]
    fn skip_and_cursor_exclude_each_other() {
        let cursor = Position::top().cursor();
        assert_eq!(start(Some("0"), Some(&cursor)).unwrap_err().status(), 422);
        assert_eq!(
            start(None, Some(&cursor)).unwrap(),
            Start::After(Position::top())
        );
        assert_eq!(start(Some("3"), Some("")).unwrap(), Start::Skip(3));
        assert_eq!(start(Some("-1"), None).unwrap_err().status(), 422);
        assert_eq!(
            start(None, Some("nonsense")).unwrap_err().code(),
            "bad_cursor"
        );
    }
}
