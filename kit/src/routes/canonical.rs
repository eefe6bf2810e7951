//! One spelling for every path.

use http::Uri;
use http::uri::PathAndQuery;

/// The address under which a request is routed: `/api/v1/x` is `/api/x` and a trailing slash is dropped; the query
/// stays. `None` means that it is canonical already.
#[must_use]
pub fn canonical_path(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let trimmed = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    let rest = match trimmed.strip_prefix("/api/v1") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Some(rest),
        _ => None,
    };
    if rest.is_none() && trimmed.len() == path.len() {
        return None;
    }
    let (head, tail) = rest.map_or(("", trimmed), |rest| ("/api", rest));
    let text = match uri.query() {
        Some(query) => format!("{head}{tail}?{query}"),
        None => format!("{head}{tail}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(text.into_bytes()).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(path: &str) -> Option<String> {
        canonical_path(&path.parse().unwrap()).map(|uri| uri.to_string())
    }

    #[test]
    fn the_versioned_spelling_and_a_trailing_slash_lead_to_one_path() {
        assert_eq!(
            canonical("/api/v1/things/7?a=/b/").as_deref(),
            Some("/api/things/7?a=/b/")
        );
        assert_eq!(canonical("/api/things/").as_deref(), Some("/api/things"));
        assert_eq!(
            canonical("/api/v1/things//").as_deref(),
            Some("/api/things")
        );
        assert_eq!(canonical("/api/v1").as_deref(), Some("/api"));
        assert_eq!(canonical("//").as_deref(), Some("/"));
    }

    #[test]
    fn a_canonical_path_is_left_alone() {
        for path in [
            "/",
            "/api/things",
            "/api/v1x/things",
            "/api/v10",
            "/v1/api",
            "/api/things?x=/",
        ] {
            assert_eq!(canonical(path), None, "{path}");
        }
    }
}
