//! Routes that go through the same: few routers for many routes, and each route's access exact.

use std::collections::{BTreeMap, BTreeSet};

use http::Method as HttpMethod;
use kit::routes::{Access, Rate, RouteInfo};

use super::super::model::{Method, Rule, Unwritable};
use super::methods::Methods;
use super::template::Template;

/// What routes of one router have in common. Their order is that in which routers come to stand: what is open shrinks
/// before what is protected grows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// What auth is asked.
    pub access: Access,
    /// Who answers.
    pub service: &'static str,
    /// Whether requests count in the limit per client.
    pub rate: Rate,
    /// Whether their paths have a token in them, so that nobody may write them down (spec/operations.md rule 9).
    pub secret: bool,
    /// The most bytes of a body, where requests have one.
    pub body: Option<usize>,
}

/// The routes of a class.
#[derive(Clone, Debug)]
pub struct Routes {
    /// What they have in common.
    pub class: Class,
    /// Exactly their requests.
    pub rule: Rule,
}

/// The classes of a routes table; internal routes are in none.
///
/// # Errors
/// A path or method that Traefik cannot be told.
pub fn of(table: &[RouteInfo], body_limit: usize) -> Result<Vec<Routes>, Unwritable> {
    let mut paths: BTreeMap<Template, Vec<&RouteInfo>> = BTreeMap::new();
    for info in table.iter().filter(|info| info.access != Access::Internal) {
        paths
            .entry(Template::new(&info.path)?)
            .or_default()
            .push(info);
    }
    let mut classes: BTreeMap<Class, BTreeMap<Methods, Vec<Rule>>> = BTreeMap::new();
    for (template, routes) in &paths {
        let rule = exactly(template, paths.keys())?;
        for info in routes {
            let methods = methods(info, routes)?;
            let class = Class {
                access: info.access,
                service: info.service,
                rate: info.rate,
                secret: has_token(&info.path),
                body: methods
                    .take_bodies()
                    .then(|| info.body_limit.unwrap_or(body_limit)),
            };
            let of_class = classes.entry(class).or_default();
            of_class.entry(methods).or_default().push(rule.clone());
        }
    }
    let classes = classes.into_iter().filter_map(|(class, by_methods)| {
        let parts = by_methods.into_iter().filter_map(|(methods, paths)| {
            let paths = Rule::any(paths)?;
            Some(match methods.rule() {
                Some(methods) => methods.and(paths),
                None => paths,
            })
        });
        let rule = Rule::any(parts.collect())?;
        Some(Routes { class, rule })
    });
    Ok(classes.collect())
}

fn has_token(path: &str) -> bool {
    path.split('/').any(|segment| segment == "{token}")
}

/// The paths of a template without those that a more exact one takes, whatever methods that one has. So no two routers ever
/// take the same request, and none of them needs another to stand before it.
fn exactly<'a>(
    template: &Template,
    all: impl Iterator<Item = &'a Template>,
) -> Result<Rule, Unwritable> {
    let mut rule = template.rule()?;
    for other in all.filter(|other| other.beats(template) && other.overlaps(template)) {
        rule = rule.and(other.rule()?.negated());
    }
    Ok(rule)
}

/// The methods that lead to a route, among those of its path: `HEAD` to the one for `GET`, unless it has one of its own.
fn methods(info: &RouteInfo, of_path: &[&RouteInfo]) -> Result<Methods, Unwritable> {
    let mut known = BTreeSet::new();
    for method in of_path.iter().filter_map(|info| info.method.as_ref()) {
        known.insert(Method::new(method.as_str())?);
    }
    let (get, head) = (
        Method::new(HttpMethod::GET.as_str())?,
        Method::new(HttpMethod::HEAD.as_str())?,
    );
    let has_head = known.contains(&head);
    Ok(match &info.method {
        Some(method) => {
            let method = Method::new(method.as_str())?;
            let head = (method == get && !has_head).then_some(head);
            Methods::Only([method].into_iter().chain(head).collect())
        }
        None => {
            if known.contains(&get) {
                known.insert(head);
            }
            Methods::AllBut(known)
        }
    })
}
