//! The routers for requests from outside.

use kit::routes::{Access, Rate};

use super::super::model::{
    EntryPoint, Host, Matcher, Name, PathText, Place, Reference, Router, Rule, Target, Unwritable,
};
use super::classes::{Class, Routes};
use super::template::Template;
use super::{GATEWAY, Settings, chain, internal, services};

/// The routers at the entry points, and under each: the first that takes a request keeps it.
const MISDIRECTED: u32 = 50;
const SECRET_EXEMPT: u32 = 40;
const SECRET: u32 = 30;
const EXEMPT: u32 = 20;
const OTHERS: u32 = 10;
const CLASS: u32 = 10;
const UNROUTED: u32 = 2;
const NOBODY: u32 = 1;

/// What is answered under every name, because probes ask by address.
const UNDER_EVERY_NAME: [&str; 2] = ["/health", "/health/ready"];

fn misdirected() -> Name {
    Name::fixed("misdirected")
}

/// What stands at the entry points for some of the classes: by whether they are secret and whether they are exempt.
const PARTS: [(bool, bool, u32); 3] = [
    (true, true, SECRET_EXEMPT),
    (true, false, SECRET),
    (false, true, EXEMPT),
];

fn parent_of(secret: bool, exempt: bool) -> Name {
    Name::fixed(match (secret, exempt) {
        (true, true) => "secret-exempt",
        (true, false) => "secret",
        (false, true) => "exempt",
        (false, false) => "web",
    })
}

/// Children before those they stand under: until then nobody reaches them. Among the children what is public comes first: it
/// gives a path up before a protected router takes it.
pub(super) fn all(settings: &Settings, classes: &[&Routes]) -> Result<Vec<Router>, Unwritable> {
    let mut roots = Vec::new();
    if let Some(rule) = other_hosts(&settings.hosts)? {
        roots.push(root(misdirected(), rule, MISDIRECTED, true));
    }
    for (secret, exempt, priority) in PARTS {
        let is_part = |class: &Class| class.secret == secret && is_exempt(class) == exempt;
        let part = classes.iter().filter(|routes| is_part(&routes.class));
        if let Some(rule) = Rule::any(part.map(|routes| routes.rule.clone()).collect()) {
            let root = root(parent_of(secret, exempt), rule, priority, !exempt);
            roots.push(Router {
                logged: !secret,
                ..root
            });
        }
    }
    let others = parent_of(false, false);
    roots.push(root(others, everything()?, OTHERS, true));

    let mut routers = internal::all()?;
    for routes in classes {
        routers.push(of_class(routes)?);
    }
    let parents: Vec<Name> = roots.iter().map(|root| root.name.clone()).collect();
    routers.extend(leftovers(&parents)?);
    routers.extend(roots);
    Ok(routers)
}

fn is_exempt(class: &Class) -> bool {
    class.rate == Rate::Exempt
}

/// Every path.
pub(super) fn everything() -> Result<Rule, Unwritable> {
    Ok(Matcher::PathPrefix(PathText::new("/")?).into())
}

/// Requests for a host that is not answered for.
fn other_hosts(hosts: &[String]) -> Result<Option<Rule>, Unwritable> {
    if hosts.is_empty() {
        return Ok(None);
    }
    let mut not = Vec::new();
    for host in hosts {
        not.push(Rule::from(Matcher::Host(Host::new(host)?)).negated());
    }
    for path in UNDER_EVERY_NAME {
        not.push(Template::new(path)?.rule()?.negated());
    }
    Ok(Rule::all(not))
}

fn root(name: Name, rule: Rule, priority: u32, counts: bool) -> Router {
    Router {
        name,
        place: Place::At(vec![EntryPoint::Web, EntryPoint::WebSecure]),
        rule,
        priority,
        middlewares: chain::of_root(counts),
        target: Target::Children,
        logged: true,
    }
}

fn of_class(routes: &Routes) -> Result<Router, Unwritable> {
    let class = &routes.class;
    let parent = parent_of(class.secret, is_exempt(class));
    Ok(Router {
        name: name_of(class)?,
        place: Place::Under(vec![parent]),
        rule: routes.rule.clone(),
        priority: CLASS,
        middlewares: chain::of_class(class)?,
        target: Target::Service(Reference::Own(services::name_of(class.service)?)),
        logged: true,
    })
}

fn name_of(class: &Class) -> Result<Name, Unwritable> {
    let access = match class.access {
        Access::Internal => "internal",
        Access::Public => "public",
        Access::Optional => "optional",
        Access::Authenticated => "authenticated",
    };
    let mut name = format!("{}-{access}", class.service);
    if let Some(largest) = class.body {
        name.push_str(&format!("-body-{largest}"));
    }
    if class.secret {
        name.push_str("-secret");
    }
    if is_exempt(class) {
        name.push_str("-exempt");
    }
    Name::new(&name)
}

/// What no class takes, or whose service is away: the gateway's own process says which, and when that is away, too, nobody.
fn leftovers(parents: &[Name]) -> Result<[Router; 2], Unwritable> {
    let leftover = |name, priority, middlewares, service| {
        Ok(Router {
            name,
            place: Place::Under(parents.to_vec()),
            rule: everything()?,
            priority,
            middlewares,
            target: Target::Service(Reference::Own(service)),
            logged: true,
        })
    };
    Ok([
        leftover(
            Name::fixed("unrouted"),
            UNROUTED,
            vec![chain::unrouted()],
            services::name_of(GATEWAY)?,
        )?,
        leftover(
            Name::fixed("nobody"),
            NOBODY,
            Vec::new(),
            services::nobody(),
        )?,
    ])
}
