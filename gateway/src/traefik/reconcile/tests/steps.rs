//! The single transactions.

use std::collections::{BTreeMap, BTreeSet};

use http::{Method, Uri};
use kit::consul::{Operation, Pair};
use kit::routes::{Access, RouteInfo, canonical_path};
use proptest::prelude::*;

use super::super::plan::plan;
use crate::table::{Found, Table};
use crate::traefik::model::{Guards, Kind, Object, id_of};
use crate::traefik::render::{self, Routing};
use crate::traefik::sim::{Request, Sim, Way};

/// What stands in Consul.
pub type Keys = BTreeMap<String, String>;

pub fn pairs(keys: &Keys) -> Vec<Pair> {
    let pair = |(key, value): (&String, &String)| Pair {
        key: key.clone(),
        value: value.clone().into_bytes(),
        modify_index: 1,
    };
    keys.iter().map(pair).collect()
}

fn apply(keys: &mut Keys, transaction: &[Operation]) {
    for operation in transaction {
        match operation {
            Operation::Set { key, value } => {
                let value = String::from_utf8(value.clone()).unwrap();
                keys.insert(key.clone(), value);
            }
            Operation::Delete { key } => {
                keys.remove(key);
            }
            other => panic!("{other:?} is not used"),
        }
    }
}

pub fn of(objects: &[Object]) -> Keys {
    let pairs = objects.iter().flat_map(|object| object.pairs.clone());
    pairs.collect()
}

/// A routes table, and what shall stand in Consul for it.
#[derive(Clone, Debug)]
struct Wanted {
    infos: Vec<RouteInfo>,
    objects: Vec<Object>,
}

impl Wanted {
    fn table(&self) -> Table<()> {
        render::tests::table_of(&self.infos).unwrap()
    }
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let possible = |(infos, doors): (Vec<RouteInfo>, usize)| {
        render::tests::table_of(&infos)?;
        let routing = Routing::new(render::tests::settings(), &infos).unwrap();
        let doors = render::tests::doors(doors);
        let objects = routing
            .objects(Some(&render::tests::trust()), &doors)
            .unwrap();
        Some(Wanted { infos, objects })
    };
    (render::tests::routes(), 0..3usize).prop_filter_map("a table that can be", possible)
}

/// Keys as they may be found: those of a table, or some of them, with what others have written in between.
fn found(wanted: &[Wanted]) -> impl Strategy<Value = Keys> + use<> {
    let whole: Vec<Keys> = wanted.iter().map(|wanted| of(&wanted.objects)).collect();
    let strange = prop::sample::select(vec![
        ("traefik/http/routers/sy-web/middlewares/7", "sy-rate"),
        ("traefik/http/routers/sy-gone/rule", "PathPrefix(`/`)"),
        ("traefik/http/routers/sy-gone/service", "sy-to-posts"),
        ("traefik/http/routers/sy-gone/priority", "99"),
        ("traefik/http/services/sy-nobody/middlewares/0", "sy-rate"),
        ("traefik/tcp/routers/sy-gone/rule", "HostSNI(`localhost`)"),
        ("traefik/http/middlewares/sy-auth/retry/attempts", "2"),
        (
            "traefik/http/middlewares/sy-headers/headers/customResponseHeaders/Server",
            "x",
        ),
    ]);
    (
        prop::sample::select(whole),
        prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        prop::collection::vec(strange, 0..3),
        prop::sample::select(vec![0, 1, 2]),
    )
        .prop_map(|(mut keys, missing, strange, how)| {
            match how {
                0 => keys.clear(),
                1 => {}
                _ => {
                    for at in missing {
                        if !keys.is_empty() {
                            let key = keys.keys().nth(at.index(keys.len())).unwrap().clone();
                            keys.remove(&key);
                        }
                    }
                }
            }
            keys.extend(
                strange
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value.to_owned())),
            );
            keys
        })
}

/// The requests for which every one of the tables says that auth is to be asked, and the least that it is asked for.
fn protected(tables: &[&Wanted]) -> Vec<(Request, Access)> {
    let known: Vec<Table<()>> = tables.iter().map(|wanted| wanted.table()).collect();
    let mut protected = Vec::new();
    for (at, info) in tables.iter().flat_map(|wanted| &wanted.infos).enumerate() {
        let path = info.path.replace("{id}", "x").replace("{*rest}", "r");
        let path = match at % 2 {
            0 => path,
            _ => path.replacen("/api", "/api/v1", 1) + "/",
        };
        for method in ["GET", "POST"] {
            let request = Request {
                entry_point: "web",
                host: "school.example".to_owned(),
                method: method.to_owned(),
                path: path.clone(),
            };
            let least = known.iter().map(|table| asked(table, &request)).min();
            if let Some(access) = least.flatten() {
                protected.push((request, access));
            }
        }
    }
    protected
}

/// Those of them that reach a service past auth.
fn open(keys: &Keys, protected: &[(Request, Access)]) -> BTreeSet<String> {
    let alive = BTreeSet::from(["auth", "feed", "gateway", "posts"]);
    // Traefik keeps what it knows when it cannot read something.
    let Ok(sim) = Sim::read(
        keys.iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    ) else {
        return BTreeSet::new();
    };
    let live = sim.with(&alive);
    let past = protected.iter().filter(|(request, access)| {
        let ways = live.ways(request);
        ways.iter().any(|way| is_past(&sim, way, *access))
    });
    past.map(|(request, _)| format!("{} {}", request.method, request.path))
        .collect()
}

/// Whether a request on this way reaches a service, though auth was not asked for this access.
fn is_past(sim: &Sim, way: &Way, access: Access) -> bool {
    let marked = |name: &str| way.middlewares.iter().any(|one| one == name);
    let asks = |name: &str| marked(name) && sim.option(name, "forwardAuth/address").is_some();
    let is_asked = asks("sy-auth") || (access == Access::Optional && asks("sy-auth-optional"));
    let reaches = way.service != "sy-nobody" && !marked("sy-unrouted");
    reaches && !is_asked
}

/// What auth must be asked for this request; none: nothing.
fn asked(table: &Table<()>, request: &Request) -> Option<Access> {
    let uri: Uri = request.path.parse().unwrap();
    let path = canonical_path(&uri).unwrap_or(uri);
    let method: Method = request.method.parse().unwrap();
    match table.find(&method, path.path()) {
        Found::Route(route) if route.access > Access::Public => Some(route.access),
        _ => None,
    }
}

fn ours(keys: &Keys) -> Keys {
    let is_ours = |(key, _): &(&String, &String)| id_of(key).is_some();
    keys.iter()
        .filter(is_ours)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// One table, or two of which one replaces the other.
fn tables() -> impl Strategy<Value = Vec<Wanted>> {
    prop::collection::vec(wanted(), 1..=2)
}

fn cases() -> impl Strategy<Value = (Vec<Wanted>, Keys)> {
    tables().prop_flat_map(|wanted| {
        let found = found(&wanted);
        (Just(wanted), found)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_there_becomes_what_shall_be_and_no_transaction_opens_anything((tables, mut keys) in cases()) {
        let desired = &tables[0].objects;
        let foreign = ("traefik/http/routers/theirs/rule".to_owned(), "Path(`/theirs`)".to_owned());
        keys.insert(foreign.0.clone(), foreign.1.clone());
        let plan = plan(desired, &pairs(&keys));
        prop_assert_eq!(&plan.foreign, std::slice::from_ref(&foreign.0));
        keys.remove(&foreign.0);
        let protected = protected(&[&tables[0]]);
        let mut known = open(&keys, &protected);
        for transaction in &plan.transactions {
            prop_assert!(transaction.len() <= 64);
            apply(&mut keys, transaction);
            let now = open(&keys, &protected);
            prop_assert!(now.is_subset(&known), "{:?} is open after {:?}", now.difference(&known), transaction);
            known = now;
        }
        prop_assert_eq!(&ours(&keys), &of(desired));
        prop_assert!(super::super::plan::plan(desired, &pairs(&keys)).transactions.is_empty(), "and then there is nothing to do");
        prop_assert!(known.is_empty());
    }

    #[test]
    fn a_router_is_written_by_one_transaction_its_rule_last_and_after_all_it_needs((tables, keys) in cases()) {
        let plan = plan(&tables[0].objects, &pairs(&keys));
        let mut written: BTreeMap<(Kind, String), usize> = BTreeMap::new();
        for (number, transaction) in plan.transactions.iter().enumerate() {
            let mut last = None;
            for operation in transaction {
                let Operation::Set { key, .. } = operation else { continue };
                let id = id_of(key).unwrap();
                if last.as_ref() != Some(&id) {
                    prop_assert!(written.insert(id.clone(), number).is_none(), "{:?} twice", id);
                    prop_assert!(last.is_none_or(|before| before.0 <= id.0 || before.0 != Kind::Router), "after a router");
                }
                if key.ends_with("/rule") {
                    let of_object = |operation: &&Operation| matches!(operation, Operation::Set { key, .. } if id_of(key) == Some(id.clone()));
                    prop_assert_eq!(transaction.iter().rfind(of_object).unwrap(), operation);
                }
                last = Some(id);
            }
        }
    }

    #[test]
    fn two_at_once_whatever_comes_between_open_nothing_and_end_where_both_want(
        (tables, keys) in cases(),
        turns in prop::collection::vec((any::<bool>(), 0u8..10, any::<prop::sample::Index>()), 0..40),
    ) {
        both(&[&tables[0], &tables[0]], keys, &turns)?;
    }

    #[test]
    fn two_of_different_versions_open_nothing_that_both_protect(
        (tables, keys) in cases(),
        turns in prop::collection::vec((any::<bool>(), 0u8..10, any::<prop::sample::Index>()), 0..40),
    ) {
        let last = tables.last().unwrap();
        both(&[&tables[0], last], keys, &turns)?;
    }
}

/// Two gateways write by turns; sometimes one looks anew, everything is lost, or one key is.
fn both(
    wanted: &[&Wanted; 2],
    mut keys: Keys,
    turns: &[(bool, u8, prop::sample::Index)],
) -> Result<(), TestCaseError> {
    let look = |keys: &Keys, who: usize| {
        plan(&wanted[who].objects, &pairs(keys))
            .transactions
            .into_iter()
    };
    let mut left = [look(&keys, 0), look(&keys, 1)];
    let protected = protected(&wanted[..]);
    let mut known = open(&keys, &protected);
    for (second, what, which) in turns {
        let who = usize::from(*second);
        match what {
            0 => keys.clear(),
            1 if !keys.is_empty() => {
                let key = keys.keys().nth(which.index(keys.len())).unwrap().clone();
                keys.remove(&key);
                // What somebody else has opened is not our doing, and whoever watches is told of it.
                known.extend(open(&keys, &protected));
                left = [look(&keys, 0), look(&keys, 1)];
            }
            _ => match left[who].next() {
                Some(transaction) => apply(&mut keys, &transaction),
                None => left[who] = look(&keys, who),
            },
        }
        let now = open(&keys, &protected);
        prop_assert!(now.is_subset(&known), "{:?}", now.difference(&known));
    }
    // Left alone, one look is enough.
    for transaction in look(&keys, 0) {
        apply(&mut keys, &transaction);
    }
    prop_assert_eq!(&ours(&keys), &of(&wanted[0].objects));
    Ok(())
}

#[test]
fn an_object_with_more_keys_than_a_transaction_takes_is_cleaned_before_it_stands_again() {
    let routing = Routing::new(render::tests::settings(), &[]).unwrap();
    let desired = routing
        .objects(Some(&render::tests::trust()), &render::tests::doors(2))
        .unwrap();
    let mut keys = of(&desired);
    for number in 0..200 {
        keys.insert(
            format!("traefik/http/routers/sy-web/strange{number}"),
            "x".to_owned(),
        );
    }
    let plan = plan(&desired, &pairs(&keys));
    assert!(plan.transactions.len() > 3, "{}", plan.transactions.len());
    let Operation::Delete { key } = &plan.transactions[0][0] else {
        panic!("{:?}", plan.transactions[0][0])
    };
    assert_eq!(
        key, "traefik/http/routers/sy-web/rule",
        "it stands for nobody first"
    );
    for transaction in &plan.transactions {
        apply(&mut keys, transaction);
    }
    assert_eq!(keys, of(&desired));
}

#[test]
fn keys_that_traefik_takes_for_ours_are_ours_however_they_are_spelled() {
    let routing = Routing::new(render::tests::settings(), &[]).unwrap();
    let desired = routing
        .objects(Some(&render::tests::trust()), &render::tests::doors(2))
        .unwrap();
    let mut keys = of(&desired);
    for key in [
        "traefik/HTTP/Routers/SY-WEB/Rule",
        "traefik/http/routers/sy-web/",
        "traefik/http/middlewares/sy-auth",
        "traefik/TLS/certificates/900/certFile",
    ] {
        keys.insert(key.to_owned(), "x".to_owned());
    }
    let theirs = [
        "traefik/http/routers/symphony/rule",
        "traefik/tls/certificates/0/certFile",
        "traefik/http/routers",
        "traefik/",
    ];
    for key in theirs {
        keys.insert(key.to_owned(), "x".to_owned());
    }
    let plan = plan(&desired, &pairs(&keys));
    let mut foreign = theirs.map(str::to_owned);
    foreign.sort();
    assert_eq!(plan.foreign, foreign);
    for transaction in &plan.transactions {
        apply(&mut keys, transaction);
    }
    assert_eq!(ours(&keys), of(&desired));
}

#[test]
fn a_router_that_has_lost_its_guard_is_not_brought_back_by_mending_what_it_needs() {
    let info = render::tests::info;
    let infos = vec![
        info(
            "posts",
            Some(Method::POST),
            "/api/posts",
            Access::Authenticated,
        ),
        info("feed", Some(Method::GET), "/api/feed", Access::Public),
    ];
    let routing = Routing::new(render::tests::settings(), &infos).unwrap();
    let objects = routing
        .objects(Some(&render::tests::trust()), &render::tests::doors(2))
        .unwrap();
    let mut keys = of(&objects);
    // So much is broken that it is mended before the router's turn comes.
    for object in &objects {
        let lost = match (object.kind, &object.guards) {
            (Kind::Service, _) => object.pairs.len(),
            (_, Guards::Itself) => 1,
            _ => 0,
        };
        for (key, _) in object.pairs.iter().rev().take(lost) {
            keys.remove(key);
        }
    }
    let guard = "traefik/http/routers/sy-posts-authenticated-body-1048576/middlewares/1";
    assert_eq!(keys.remove(guard).as_deref(), Some("sy-auth"));
    let wanted = Wanted { infos, objects };
    let protected = protected(&[&wanted]);
    let plan = plan(&wanted.objects, &pairs(&keys));
    assert!(plan.transactions.len() > 1 && !protected.is_empty());
    for transaction in &plan.transactions {
        apply(&mut keys, transaction);
        assert_eq!(open(&keys, &protected), BTreeSet::new(), "{transaction:?}");
    }
    assert_eq!(keys, of(&wanted.objects));
}
