//! Traefik as far as tests need it: reads keys, builds what can be built, and says what a request would go through. Written
//! from Traefik's source, not from what writes the keys.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use regex::Regex;

use super::model::{Matcher, ROOT, Rule, check};

/// A configuration that Traefik took.
#[derive(Debug, Default)]
pub struct Sim {
    routers: BTreeMap<String, Fields>,
    services: BTreeMap<String, Fields>,
    middlewares: BTreeMap<String, Fields>,
    transports: BTreeSet<String>,
}

type Fields = BTreeMap<String, String>;

/// A request as far as routers look at it.
#[derive(Clone, Debug)]
pub struct Request {
    pub entry_point: &'static str,
    pub host: String,
    pub method: String,
    pub path: String,
}

/// What a request goes through, and who gets it at last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    pub middlewares: Vec<String>,
    pub service: String,
}

impl Sim {
    /// Reads keys; one bad value refuses all of them.
    pub fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut sim = Self::default();
        for (key, value) in pairs {
            checked(key, value)?;
            let parts: Vec<&str> = key[ROOT.len()..].splitn(4, '/').collect();
            let ["http", kind, name, field] = parts[..] else {
                continue;
            };
            let objects = match kind {
                "routers" => &mut sim.routers,
                "services" => &mut sim.services,
                "middlewares" => &mut sim.middlewares,
                _ => {
                    sim.transports.insert(name.to_owned());
                    continue;
                }
            };
            let fields = objects.entry(name.to_owned()).or_default();
            fields.insert(field.to_owned(), value.to_owned());
        }
        Ok(sim)
    }

    /// What it routes while these services have instances.
    pub fn with(&self, alive: &BTreeSet<&str>) -> Live {
        let usable = self.routers.iter().filter_map(|(name, fields)| {
            let rule = fields.get("rule")?;
            self.is_usable(name, fields, alive).then(|| LiveRouter {
                name: name.clone(),
                entry_points: entry_points(fields),
                parents: list(fields, "parentRefs"),
                // Traefik's own choice where none is given.
                priority: fields
                    .get("priority")
                    .map_or(rule.len(), |text| text.parse().unwrap()),
                rule: parsed(rule),
                middlewares: list(fields, "middlewares"),
                service: fields
                    .get("service")
                    .and_then(|service| self.resolve(service, alive)),
            })
        });
        Live(usable.collect())
    }

    fn is_usable(&self, name: &str, fields: &Fields, alive: &BTreeSet<&str>) -> bool {
        let through = list(fields, "middlewares");
        if !through.iter().all(|name| self.is_built(name, alive)) {
            return false;
        }
        match fields.get("service") {
            Some(service) => self.resolve(service, alive).is_some(),
            None => self.routers.iter().any(|(child, fields)| {
                fields.contains_key("rule")
                    && list(fields, "parentRefs")
                        .iter()
                        .any(|parent| parent == name)
                    && self.is_usable(child, fields, alive)
            }),
        }
    }

    fn is_built(&self, middleware: &str, alive: &BTreeSet<&str>) -> bool {
        let Some(fields) = self.middlewares.get(middleware) else {
            return false;
        };
        let kinds: BTreeSet<&str> = fields
            .keys()
            .filter_map(|field| field.split('/').next())
            .collect();
        let needs = fields.get("errors/service");
        kinds.len() == 1 && needs.is_none_or(|service| self.resolve(service, alive).is_some())
    }

    /// The middlewares before a service, and who it is at last.
    fn resolve(&self, service: &str, alive: &BTreeSet<&str>) -> Option<(Vec<String>, String)> {
        if let Some(name) = service.strip_suffix("@consulcatalog") {
            return alive.contains(name).then(|| (Vec::new(), name.to_owned()));
        }
        let fields = self.services.get(service)?;
        let mut middlewares = list(fields, "middlewares");
        if !middlewares.iter().all(|name| self.is_built(name, alive)) {
            return None;
        }
        if let Some(to) = fields.get("weighted/services/0/name") {
            let (inner, at_last) = self.resolve(to, alive)?;
            middlewares.extend(inner);
            return Some((middlewares, at_last));
        }
        let transport = fields.get("loadBalancer/serversTransport");
        transport
            .is_none_or(|transport| self.transports.contains(transport))
            .then(|| (middlewares, service.to_owned()))
    }

    /// An option of a middleware.
    pub fn option(&self, middleware: &str, option: &str) -> Option<&str> {
        let fields = self.middlewares.get(middleware)?;
        fields.get(option).map(String::as_str)
    }
}

/// What is routed.
#[derive(Debug)]
pub struct Live(Vec<LiveRouter>);

#[derive(Debug)]
struct LiveRouter {
    name: String,
    entry_points: Vec<String>,
    parents: Vec<String>,
    priority: usize,
    rule: Rc<Rule>,
    middlewares: Vec<String>,
    service: Option<(Vec<String>, String)>,
}

impl Live {
    /// What this request goes through. None: Traefik's own 404.
    pub fn way(&self, request: &Request) -> Option<Way> {
        let mut ways = self.ways(request);
        assert!(ways.len() < 2, "{request:?} goes {ways:?}: that is chance");
        ways.pop()
    }

    /// The same where several routers of one priority take it: which of them does is chance.
    pub fn ways(&self, request: &Request) -> Vec<Way> {
        self.of(request, &|router| {
            router.parents.is_empty()
                && router
                    .entry_points
                    .iter()
                    .any(|point| point == request.entry_point)
        })
    }

    fn of(&self, request: &Request, stands_here: &dyn Fn(&LiveRouter) -> bool) -> Vec<Way> {
        let here = self.0.iter().filter(|router| stands_here(router));
        let taking: Vec<_> = here.filter(|router| takes(&router.rule, request)).collect();
        let highest = taking.iter().map(|router| router.priority).max();
        let first = taking
            .into_iter()
            .filter(|router| Some(router.priority) == highest);
        let ways = first.flat_map(|router| {
            let mut inner = match &router.service {
                Some((middlewares, service)) => vec![Way {
                    middlewares: middlewares.clone(),
                    service: service.clone(),
                }],
                None => self.of(request, &|child| child.parents.contains(&router.name)),
            };
            for way in &mut inner {
                way.middlewares
                    .splice(0..0, router.middlewares.iter().cloned());
            }
            inner
        });
        ways.collect()
    }
}

/// Those that `asDefault` names, where a router names none.
fn entry_points(fields: &Fields) -> Vec<String> {
    let named = list(fields, "entryPoints");
    if named.is_empty() {
        vec!["web".to_owned(), "websecure".to_owned()]
    } else {
        named
    }
}

fn list(fields: &Fields, field: &str) -> Vec<String> {
    let prefix = format!("{field}/");
    let mut elements: Vec<(&String, &String)> = fields
        .iter()
        .filter(|(key, _)| {
            key.strip_prefix(&prefix)
                .is_some_and(|at| !at.contains('/'))
        })
        .collect();
    elements.sort();
    elements
        .into_iter()
        .map(|(_, value)| value.clone())
        .collect()
}

thread_local! {
    // The same few rules are read in every state of a test.
    static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::default();
    static RULES: RefCell<HashMap<String, Rc<Rule>>> = RefCell::default();
    static GOOD: RefCell<HashSet<(String, String)>> = RefCell::default();
}

fn parsed(text: &str) -> Rc<Rule> {
    RULES.with_borrow_mut(|known| {
        if !known.contains_key(text) {
            known.insert(text.to_owned(), Rc::new(Rule::parse(text).unwrap()));
        }
        known[text].clone()
    })
}

fn checked(key: &str, value: &str) -> Result<(), String> {
    let pair = (key.to_owned(), value.to_owned());
    GOOD.with_borrow_mut(|known| {
        if !known.contains(&pair) {
            check(key, value).map_err(|error| error.to_string())?;
            known.insert(pair);
        }
        Ok(())
    })
}

fn matches(pattern: &str, path: &str) -> bool {
    PATTERNS.with_borrow_mut(|known| {
        if !known.contains_key(pattern) {
            known.insert(pattern.to_owned(), Regex::new(pattern).unwrap());
        }
        known[pattern].is_match(path)
    })
}

fn takes(rule: &Rule, request: &Request) -> bool {
    match rule {
        Rule::One(Matcher::Host(host)) => request.host == host.as_str(),
        Rule::One(Matcher::Path(path)) => request.path == path.as_str(),
        Rule::One(Matcher::PathPrefix(prefix)) => request.path.starts_with(prefix.as_str()),
        Rule::One(Matcher::PathRegexp(pattern)) => matches(pattern.as_str(), &request.path),
        Rule::One(Matcher::Method(method)) => request.method == method.as_str(),
        Rule::All(rules) => rules.iter().all(|rule| takes(rule, request)),
        Rule::Any(rules) => rules.iter().any(|rule| takes(rule, request)),
        Rule::Not(rule) => !takes(rule, request),
    }
}
