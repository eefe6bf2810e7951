//! Which names the gateway answers for.

use axum::body::Body;
use http::header::HOST;
use http::{Request, StatusCode};
use kit::problem::Problem;

/// The configured names; none means any.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// Answers for these names, compared without case and port.
    #[must_use]
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// Whether the request is meant for this school.
    ///
    /// # Errors
    /// 421 `misdirected`. Health is answered under every name: probes ask by address.
    pub fn check(&self, req: &Request<Body>) -> Result<(), Problem> {
        if self.0.is_empty() || matches!(req.uri().path(), "/health" | "/health/ready") {
            return Ok(());
        }
        let mut named = req.headers().get_all(HOST).iter();
        let header = named
            .next()
            .and_then(|value| value.to_str().ok())
            .filter(|_| named.next().is_none());
        // HTTP/2 names the host in the target.
        let host = req
            .uri()
            .authority()
            .map(http::uri::Authority::as_str)
            .or(header)
            .map(without_port);
        if host.is_some_and(|host| self.0.iter().any(|known| known.eq_ignore_ascii_case(host))) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected",
            "this is not the address of this school",
        ))
    }
}

/// `[::1]:80` is `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(host: Option<&str>) -> bool {
        let hosts = Hosts::new(&["School.example".to_owned(), "[::1]".to_owned()]);
        let mut req = Request::builder().uri("/api/posts");
        if let Some(host) = host {
            req = req.header(HOST, host);
        }
        hosts.check(&req.body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn only_the_configured_names_are_answered_for() {
        for host in ["school.example", "SCHOOL.example:8080", "[::1]:80", "[::1]"] {
            assert!(answered(Some(host)), "{host}");
        }
        for host in [
            Some("evil.example"),
            Some("school.example.evil.example"),
            Some("school.example:x"),
            Some(""),
            None,
        ] {
            assert!(!answered(host), "{host:?}");
        }
    }
}
