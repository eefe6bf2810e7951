//! The routes of all services as one table: one look-up says everything the gateway needs to know of a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderValue, Method};
use kit::routes::{Access, Rate, RouteInfo};
use kit::server::Matched;

use crate::upstream::Target;

/// One route, ready to be called.
#[derive(Debug)]
pub struct Route<T = Target> {
    /// What log and metrics say of it.
    pub matched: Arc<Matched>,
    /// What auth is asked.
    pub access: Access,
    /// Whether it counts in the rate limit.
    pub rate: Rate,
    /// The most bytes of its body, where that differs from the server's limit.
    pub body_limit: Option<usize>,
    /// Who answers.
    pub target: T,
}

/// What the table says about a request.
#[derive(Debug)]
pub enum Found<'a, T = Target> {
    /// This route answers.
    Route(&'a Route<T>),
    /// The path is known, the method is not; the value of `Allow`.
    OtherMethods(&'a HeaderValue),
    /// No such path.
    Nothing,
}

/// Why a table cannot be built. Each is a mistake in the program, found at its start.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Two services answer the same.
    #[error("{method} {path} is answered by `{first}` and by `{second}`")]
    Twice {
        /// The method, `any` for all.
        method: String,
        /// The path template.
        path: String,
        /// The service that came first.
        first: &'static str,
        /// The service that came second.
        second: &'static str,
    },
    /// Two templates that no router can tell apart, or one that is malformed.
    #[error("{path} (of `{service}`): {reason}")]
    Path {
        /// The path template.
        path: String,
        /// The service.
        service: &'static str,
        /// What the matcher says.
        reason: String,
    },
}

/// Gathers routes for a [`Table`].
pub struct TableBuilder<T = Target> {
    paths: BTreeMap<String, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    methods: Vec<(Method, Route<T>)>,
    any: Option<Route<T>>,
}

impl<T> Default for TableBuilder<T> {
    fn default() -> Self {
        Self {
            paths: BTreeMap::new(),
        }
    }
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            methods: Vec::new(),
            any: None,
        }
    }
}

impl<T: Clone> TableBuilder<T> {
    /// Adds a route, answered by `target`. An internal one is left out: the gateway never routes it, so it does not
    /// exist here.
    ///
    /// # Errors
    /// [`TableError::Twice`].
    pub fn add(&mut self, info: &RouteInfo, target: &T) -> Result<(), TableError> {
        if info.access == Access::Internal {
            return Ok(());
        }
        let entry = self.paths.entry(info.path.clone()).or_default();
        let before = match &info.method {
            Some(method) => entry
                .methods
                .iter()
                .find(|(known, _)| known == method)
                .map(|(_, route)| route),
            None => entry.any.as_ref(),
        };
        if let Some(first) = before {
            return Err(TableError::Twice {
                method: info
                    .method
                    .as_ref()
                    .map_or("any", Method::as_str)
                    .to_owned(),
                path: info.path.clone(),
                first: first.matched.service,
                second: info.service,
            });
        }
        let route = Route {
            matched: Arc::new(Matched {
                service: info.service,
                template: info.path.clone(),
                quiet: info.quiet,
            }),
            access: info.access,
            rate: info.rate,
            body_limit: info.body_limit,
            target: target.clone(),
        };
        match &info.method {
            Some(method) => entry.methods.push((method.clone(), route)),
            None => entry.any = Some(route),
        }
        Ok(())
    }

    /// Whether a path is in the table already.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.paths.contains_key(path)
    }

    /// The table.
    ///
    /// # Errors
    /// [`TableError::Path`].
    pub fn build(self) -> Result<Table<T>, TableError> {
        let mut paths = matchit::Router::new();
        for (path, entry) in self.paths {
            let service = entry.first_service();
            let entry = Known {
                allow: entry.allow(),
                entry,
            };
            paths
                .insert(path.clone(), entry)
                .map_err(|error| TableError::Path {
                    path,
                    service,
                    reason: error.to_string(),
                })?;
        }
        Ok(Table { paths })
    }
}

impl<T> Entry<T> {
    fn first_service(&self) -> &'static str {
        let first = self
            .methods
            .first()
            .map(|(_, route)| route)
            .or(self.any.as_ref());
        first.map_or("gateway", |route| route.matched.service)
    }

    /// The methods of `Allow` (RFC 9110 section 15.5.6). Not needed where every method is answered.
    fn allow(&self) -> HeaderValue {
        let mut names: Vec<&str> = self
            .methods
            .iter()
            .map(|(method, _)| method.as_str())
            .collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        HeaderValue::try_from(names.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// All routes of all services.
#[derive(Debug)]
pub struct Table<T = Target> {
    paths: matchit::Router<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    entry: Entry<T>,
    allow: HeaderValue,
}

impl<T> Table<T> {
    /// Looks a request up by its canonical path. `HEAD` is answered by the route for `GET`, unless it has one of its own.
    #[must_use]
    pub fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        let Ok(matched) = self.paths.at(path) else {
            return Found::Nothing;
        };
        let Known { entry, allow } = matched.value;
        let of = |method: &Method| {
            entry
                .methods
                .iter()
                .find(|(known, _)| known == method)
                .map(|(_, route)| route)
        };
        let get = || (method == Method::HEAD).then(|| of(&Method::GET)).flatten();
        of(method)
            .or_else(get)
            .or(entry.any.as_ref())
            .map_or(Found::OtherMethods(allow), Found::Route)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use axum::Router;

    /// A route as the services tell it.
    pub(crate) fn info(
        service: &'static str,
        method: Option<Method>,
        path: &str,
        access: Access,
    ) -> RouteInfo {
        RouteInfo {
            service,
            method,
            path: path.to_owned(),
            access,
            rate: Rate::General,
            guard: "test",
            summary: String::new(),
            body_limit: None,
            quiet: false,
        }
    }

    fn table(routes: &[RouteInfo]) -> Result<Table, TableError> {
        let mut builder = TableBuilder::default();
        for route in routes {
            builder.add(route, &Target::Local(Router::new()))?;
        }
        builder.build()
    }

    fn found(table: &Table, method: &Method, path: &str) -> String {
        match table.find(method, path) {
            Found::Route(route) => route.matched.template.clone(),
            Found::OtherMethods(allow) => format!("405 {}", allow.to_str().unwrap()),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn the_most_exact_template_wins_and_head_is_answered_as_get() {
        let table = table(&[
            info(
                "posts",
                Some(Method::GET),
                "/api/posts/{id}",
                Access::Public,
            ),
            info(
                "posts",
                Some(Method::DELETE),
                "/api/posts/{id}",
                Access::Public,
            ),
            info(
                "posts",
                Some(Method::GET),
                "/api/posts/export",
                Access::Public,
            ),
            info("auth", None, "/api/auth/validate", Access::Public),
        ])
        .unwrap();
        assert_eq!(
            found(&table, &Method::GET, "/api/posts/7"),
            "/api/posts/{id}"
        );
        assert_eq!(
            found(&table, &Method::HEAD, "/api/posts/7"),
            "/api/posts/{id}"
        );
        assert_eq!(
            found(&table, &Method::GET, "/api/posts/export"),
            "/api/posts/export"
        );
        assert_eq!(
            found(&table, &Method::PATCH, "/api/posts/7"),
            "405 DELETE, GET, HEAD"
        );
        assert_eq!(
            found(&table, &Method::PATCH, "/api/auth/validate"),
            "/api/auth/validate"
        );
        assert_eq!(
            found(
                &table,
                &Method::from_bytes(b"BREW").unwrap(),
                "/api/auth/validate"
            ),
            "/api/auth/validate"
        );
        assert_eq!(found(&table, &Method::GET, "/api/posts/7/8"), "404");
        assert_eq!(found(&table, &Method::GET, "/api/posts/"), "404");
    }

    #[test]
    fn an_internal_route_does_not_exist() {
        let table = table(&[info(
            "posts",
            Some(Method::GET),
            "/internal/posts/export",
            Access::Internal,
        )])
        .unwrap();
        assert_eq!(found(&table, &Method::GET, "/internal/posts/export"), "404");
    }

    #[test]
    fn two_services_cannot_answer_the_same() {
        let error = table(&[
            info("posts", Some(Method::GET), "/api/posts", Access::Public),
            info("feed", Some(Method::GET), "/api/posts", Access::Public),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "GET /api/posts is answered by `posts` and by `feed`"
        );
        let error = table(&[
            info(
                "posts",
                Some(Method::GET),
                "/api/posts/{id}",
                Access::Public,
            ),
            info(
                "feed",
                Some(Method::GET),
                "/api/posts/{post}",
                Access::Public,
            ),
        ])
        .unwrap_err();
        assert!(matches!(error, TableError::Path { .. }), "{error}");
    }
}
