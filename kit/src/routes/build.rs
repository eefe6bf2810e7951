//! The builder itself.

use std::collections::HashSet;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::Method;
use utoipa::openapi::OpenApi;

use super::describe::Description;
use super::direct::Direct;
use super::endpoint::Endpoint;
use super::marked::Marked;
use super::openapi;
use super::table::{Access, Api, GuardKind, Rate, RouteInfo, RouteSet};
use crate::server::Matched;

/// Why [`Routes::build`] refused. Each is a mistake in the program, found at its start and by any test.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RouteError {
    /// The same method and path, or two paths that differ in the names of their variables only.
    #[error("{0} is registered twice")]
    Twice(String),
    /// The access extractor lets in others than the route's access says.
    #[error(
        "{route}: the access extractor `{guard}` cannot stand on a route with access {access:?}"
    )]
    Access {
        /// Method and path.
        route: String,
        /// The access extractor's name.
        guard: &'static str,
        /// The route's access.
        access: Access,
    },
    /// The path is not one that the builder takes.
    #[error("{route}: {reason}")]
    Path {
        /// Method and path.
        route: String,
        /// What is wrong and what to write instead.
        reason: &'static str,
    },
    /// A method that the router does not know.
    #[error("{0}: this method cannot be routed")]
    Method(String),
    /// Two types of one service have the same name in the API document.
    #[error(
        "two different types are named `{0}` in the API document; name one with #[schema(as = ..)]"
    )]
    Schema(String),
}

/// Gathers the routes of a service.
pub struct Routes<S> {
    service: &'static str,
    routes: Vec<Pending<S>>,
}

/// Makes the router of one route once all is known of it, and what makes its direct call once there is a state.
type Make<S> = Box<dyn FnOnce(&RouteInfo) -> Option<(MethodRouter<S>, MakeDirect<S>)>>;
type MakeDirect<S> = Box<dyn FnOnce(S) -> Option<Direct>>;

struct Pending<S> {
    info: RouteInfo,
    kind: GuardKind,
    make: Make<S>,
    description: Description,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Begins the routes of `service`.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        Self {
            service,
            routes: Vec::new(),
        }
    }

    /// Adds a route. `path` is in axum's syntax (`/things/{id}`) without `/api`; an internal one is given whole,
    /// `/internal/things/..`.
    #[must_use]
    pub fn route<H, T>(
        self,
        method: Method,
        path: &str,
        access: Access,
        rate: Rate,
        handler: H,
    ) -> Self
    where
        H: Endpoint<T, S>,
        T: 'static,
    {
        self.add(Some(method), path, access, rate, handler)
    }

    /// Adds a route that answers every method for which there is no other at this path.
    #[must_use]
    pub fn any<H, T>(self, path: &str, access: Access, rate: Rate, handler: H) -> Self
    where
        H: Endpoint<T, S>,
        T: 'static,
    {
        self.add(None, path, access, rate, handler)
    }

    fn add<H, T>(
        mut self,
        method: Option<Method>,
        path: &str,
        access: Access,
        rate: Rate,
        handler: H,
    ) -> Self
    where
        H: Endpoint<T, S>,
        T: 'static,
    {
        let full = if access == Access::Internal {
            path.to_owned()
        } else {
            format!("/api{path}")
        };
        let mut description = Description::default();
        H::describe(&mut description);
        self.routes.push(Pending {
            info: RouteInfo {
                service: self.service,
                method,
                path: full,
                access,
                rate,
                guard: H::GUARD,
                summary: String::new(),
                body_limit: None,
                quiet: false,
            },
            kind: H::KIND,
            make: Box::new(move |info| method_router(handler, info)),
            description,
        });
        self
    }

    /// Says what the last route does, in a few words: its summary in the API document.
    #[must_use]
    pub fn says(mut self, summary: &str) -> Self {
        if let Some(last) = self.routes.last_mut() {
            last.info.summary = summary.to_owned();
        }
        self
    }

    /// Sets the most bytes a body of the last route may have, instead of the server's limit (`server.body_limit`).
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        if let Some(last) = self.routes.last_mut() {
            last.info.body_limit = Some(bytes);
        }
        self
    }

    /// Logs requests of the last route at debug only: for what machines ask all the time.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        if let Some(last) = self.routes.last_mut() {
            last.info.quiet = true;
        }
        self
    }

    /// The table and the API document without a router: for whoever publishes the routes of a service that runs elsewhere.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn describe(self) -> Result<Api, RouteError> {
        let service = self.service;
        let Assembled { table, openapi, .. } = self.assemble()?;
        Ok(Api {
            service,
            table,
            openapi,
        })
    }

    /// Makes the router, the table and the API document.
    ///
    /// # Errors
    /// [`RouteError`], when a route is given twice, its path is not as it should be, or its access extractor does not
    /// agree with its access.
    pub fn build(self, state: S) -> Result<RouteSet, RouteError> {
        let service = self.service;
        let Assembled {
            router,
            direct,
            table,
            openapi,
        } = self.assemble()?;
        let direct = direct.into_iter().map(|make| make(state.clone()));
        Ok(RouteSet {
            service,
            direct: direct.collect(),
            router: router.with_state(state),
            table,
            openapi,
        })
    }

    fn assemble(self) -> Result<Assembled<S>, RouteError> {
        let mut seen = HashSet::new();
        let mut shapes = std::collections::HashMap::<String, String>::new();
        let mut router = Router::<S>::new();
        let mut table = Vec::with_capacity(self.routes.len());
        let mut direct = Vec::with_capacity(self.routes.len());
        let mut descriptions = Vec::with_capacity(self.routes.len());
        for pending in self.routes {
            let info = pending.info;
            let name = name(&info);
            check_path(&info, &name)?;
            if !pending.kind.stands_on(info.access) {
                return Err(RouteError::Access {
                    route: name,
                    guard: info.guard,
                    access: info.access,
                });
            }
            let first = shapes
                .entry(shape(&info.path))
                .or_insert_with(|| info.path.clone());
            if *first != info.path || !seen.insert((info.method.clone(), info.path.clone())) {
                return Err(RouteError::Twice(name));
            }
            let (method_router, make_direct) =
                (pending.make)(&info).ok_or(RouteError::Method(name))?;
            router = router.route(&info.path, method_router);
            direct.push(make_direct);
            descriptions.push(pending.description);
            table.push(info);
        }
        let openapi = openapi::document(self.service, &table, descriptions)?;
        Ok(Assembled {
            router,
            direct,
            table,
            openapi,
        })
    }
}

/// What a table comes to.
struct Assembled<S> {
    router: Router<S>,
    direct: Vec<MakeDirect<S>>,
    table: Vec<RouteInfo>,
    openapi: OpenApi,
}

fn method_router<H, T, S>(handler: H, info: &RouteInfo) -> Option<(MethodRouter<S>, MakeDirect<S>)>
where
    H: Endpoint<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    let matched = Matched {
        service: info.service,
        template: info.path.clone(),
        quiet: info.quiet,
    };
    let marked = Marked::new(handler, matched, info.body_limit);
    let alone = !info.path.contains('{') && info.body_limit.is_none();
    let direct = marked.clone();
    let direct: MakeDirect<S> =
        Box::new(move |state| alone.then(|| Direct::of::<_, T, S>(direct, state)));
    let made = match &info.method {
        Some(method) => on(MethodFilter::try_from(method.clone()).ok()?, marked),
        None => any(marked),
    };
    // axum's own extractors of a body stop at 2 MiB by themselves; the limit is ours
    let made = if info.body_limit.is_some() {
        made.layer(DefaultBodyLimit::disable())
    } else {
        made
    };
    Some((made, direct))
}

fn name(info: &RouteInfo) -> String {
    format!(
        "{} {}",
        info.method.as_ref().map_or("any", Method::as_str),
        info.path
    )
}

fn check_path(info: &RouteInfo, name: &str) -> Result<(), RouteError> {
    let refuse = |reason| {
        Err(RouteError::Path {
            route: name.to_owned(),
            reason,
        })
    };
    if info.access == Access::Internal {
        if !info.path.starts_with("/internal/") {
            return refuse("the path of an internal route begins with /internal/");
        }
    } else {
        let given = &info.path["/api".len()..];
        if !given.starts_with('/') {
            return refuse("a path begins with /");
        }
        if given == "/api" || given.starts_with("/api/") || given.starts_with("/internal/") {
            return refuse(
                "the path is given without /api, and only an internal route is under /internal/",
            );
        }
        if given == "/v1" || given.starts_with("/v1/") {
            return refuse("the path is given without /v1: both spellings answer");
        }
    }
    if info.path.ends_with('/') {
        return refuse("a path has no trailing slash: both spellings answer");
    }
    Ok(())
}

/// The path without the names of its variables.
fn shape(path: &str) -> String {
    let segments = path.split('/').map(|s| match s.as_bytes() {
        [b'{', b'*', .., b'}'] => "{*}",
        [b'{', .., b'}'] => "{}",
        _ => s,
    });
    segments.collect::<Vec<_>>().join("/")
}
