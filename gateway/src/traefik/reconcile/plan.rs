//! From what stands in Consul to what shall stand there.

use std::collections::BTreeMap;

use kit::consul::{MOST_OPERATIONS, Operation, Pair};

use super::super::model::{Guards, Kind, Object, ROOT, id_of};

/// What is to be done, and what is none of our business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order; each is done whole or not at all. None: everything is as it shall be.
    pub transactions: Vec<Vec<Operation>>,
    /// Keys of others below the same root. They are left alone, but Traefik reads them as well.
    pub foreign: Vec<String>,
}

/// An object as it stands: keys with their values.
type Standing<'a> = BTreeMap<&'a str, &'a [u8]>;

/// Compares. After every single transaction each router stands whole, as it was or as it shall be, or not at all, and what
/// it needs stands before it:
///
/// 1. routers that shall be no more stop taking requests, and so do those that lost a guard. Where something that stands is
///    broken, all do that are not as they shall be: what is mended could bring one back to life. Broken guards are
///    mended along with that,
/// 2. transports, services, middlewares, the certificate and what is handed on come, or change, each in one transaction,
/// 3. routers come, or change, in the order in which they are given: each with all its keys in one transaction, the rule
///    last, also where most of them are right already, because others write as well,
/// 4. what no router needs any more goes.
#[must_use]
pub fn plan(desired: &[Object], actual: &[Pair]) -> Plan {
    let (mut standing, foreign) = sort(actual);
    let (mut stops, mut guards) = (Batches::default(), Batches::default());
    let (mut needs, mut routers) = (Batches::default(), Batches::default());
    let mut after = Batches::default();
    let mends = desired.iter().any(|object| is_broken(object, &standing));

    for object in desired {
        let there = standing.remove(&object.id()).unwrap_or_default();
        if is_whole(object, &there) {
            continue;
        }
        match (object.kind, &object.guards) {
            (Kind::Router, _) => {
                if mends || is_open(object, &there) {
                    stops.remove(rules(&there));
                }
                routers.replace(object, &there);
            }
            (_, Guards::Itself) => guards.replace(object, &there),
            _ => needs.replace(object, &there),
        }
    }
    for ((kind, name), there) in &standing {
        let keys = there.keys().copied();
        if *kind == Kind::Router {
            stops.remove(rules(there));
            // whether or not it stands now
            let rule = format!("{ROOT}{}/{name}/rule", kind.folder());
            let others = keys.filter(|key| *key != rule);
            after.remove(std::iter::once(rule.as_str()).chain(others));
        } else {
            after.remove(keys);
        }
    }
    let transactions = [stops, guards, needs, routers, after]
        .into_iter()
        .fold(Batches::default(), Batches::then)
        .0;
    Plan {
        transactions,
        foreign,
    }
}

fn sort(actual: &[Pair]) -> (BTreeMap<(Kind, String), Standing<'_>>, Vec<String>) {
    let mut standing: BTreeMap<(Kind, String), Standing<'_>> = BTreeMap::new();
    let mut foreign = Vec::new();
    for pair in actual {
        match id_of(&pair.key) {
            Some(id) => {
                let there = standing.entry(id).or_default();
                there.insert(&pair.key, &pair.value);
            }
            None => foreign.push(pair.key.clone()),
        }
    }
    (standing, foreign)
}

/// Whether something that routers need stands otherwise than it shall, or does not stand and is spoken of.
fn is_broken(object: &Object, standing: &BTreeMap<(Kind, String), Standing<'_>>) -> bool {
    // Nor do routers need what is handed on beside them.
    if matches!(
        object.kind,
        Kind::Router | Kind::Certificate | Kind::TcpService | Kind::TcpRouter
    ) {
        return false;
    }
    match standing.get(&object.id()) {
        Some(there) => !is_whole(object, there),
        None => standing
            .values()
            .flat_map(BTreeMap::values)
            .any(|value| *value == object.name.as_bytes()),
    }
}

/// Whether it stands without one of its guards, or takes other requests first than it shall.
fn is_open(object: &Object, there: &Standing<'_>) -> bool {
    let Guards::Before(guards) = &object.guards else {
        return false;
    };
    let has = |value: &String| there.values().any(|there| *there == value.as_bytes());
    let is_placed = there.keys().any(|key| key.ends_with("/priority"));
    !is_placed || !guards.iter().all(has)
}

/// Without it a router takes no request.
fn rules<'a>(there: &Standing<'a>) -> impl Iterator<Item = &'a str> {
    let keys = there.keys().copied();
    keys.filter(|key| is_rule(Kind::Router, key))
}

fn is_rule(kind: Kind, key: &str) -> bool {
    kind == Kind::Router && key.to_ascii_lowercase().ends_with("/rule")
}

fn is_whole(object: &Object, there: &Standing<'_>) -> bool {
    there.len() == object.pairs.len()
        && object
            .pairs
            .iter()
            .all(|(key, value)| there.get(key.as_str()) == Some(&value.as_bytes()))
}

/// Transactions: what belongs together is never cut, and what fits is done at once.
#[derive(Debug, Default)]
struct Batches(Vec<Vec<Operation>>);

impl Batches {
    /// Makes an object what it shall be.
    fn replace(&mut self, object: &Object, there: &Standing<'_>) {
        let kept = |key: &str| object.pairs.iter().any(|(ours, _)| ours == key);
        let strange: Vec<&str> = there.keys().copied().filter(|key| !kept(key)).collect();
        let mut whole = Vec::new();
        if strange.len() + object.pairs.len() > MOST_OPERATIONS {
            // Somebody has written more into it than one transaction takes out: it stands for nobody until it is clean.
            self.remove(there.keys().copied());
        } else {
            whole.extend(strange.into_iter().map(delete));
        }
        whole.extend(object.pairs.iter().map(|(key, value)| Operation::Set {
            key: key.clone(),
            value: value.clone().into_bytes(),
        }));
        self.add(whole);
    }

    /// Takes keys away. The rule of a router goes first, and again with every further part: another gateway may have made the
    /// router stand anew meanwhile, and it must not stand without what was taken from it here.
    fn remove<'a>(&mut self, keys: impl Iterator<Item = &'a str>) {
        let (rules, rest): (Vec<&str>, Vec<&str>) =
            keys.partition(|key| is_rule(Kind::Router, key));
        let along = &rules[..rules.len().min(MOST_OPERATIONS / 2)];
        if rest.is_empty() || rules.len() > along.len() {
            for some in rules.chunks(MOST_OPERATIONS) {
                self.add(some.iter().copied().map(delete).collect());
            }
        }
        for some in rest.chunks(MOST_OPERATIONS - along.len()) {
            let part = along.iter().chain(some);
            self.add(part.copied().map(delete).collect());
        }
    }

    fn add(&mut self, whole: Vec<Operation>) {
        match self.0.last_mut() {
            Some(last) if last.len() + whole.len() <= MOST_OPERATIONS => last.extend(whole),
            _ => self.0.push(whole),
        }
    }

    fn then(mut self, other: Self) -> Self {
        for batch in other.0 {
            self.add(batch);
        }
        self
    }
}

fn delete(key: &str) -> Operation {
    Operation::Delete {
        key: key.to_owned(),
    }
}
