//! What every Consul promises. Each test has keys and services of its own, so that all may run on one server at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kit::consul::{Catalog, ConsulError, HealthCheck, Instance, KeyValue, Operation, Registration};

pub trait Both: KeyValue + Catalog + Clone + 'static {}
impl<C: KeyValue + Catalog + Clone + 'static> Both for C {}

/// Stamps the suite for one implementation: a module of its name, and an expression that makes one.
macro_rules! of {
    ($name:ident, $consul:expr) => {
        $crate::suite::of!($name, $consul =>
            what_was_written_is_listed_by_key_with_all_its_bytes,
            nothing_below_a_prefix_is_an_empty_listing,
            a_tree_is_removed_without_its_neighbours,
            a_condition_that_does_not_hold_leaves_everything_as_it_was,
            a_key_is_made_once_of_64_who_try,
            removing_what_is_not_there_is_no_error,
            a_value_that_is_there_already_is_no_change,
            sixty_four_operations_are_one_transaction_and_one_more_is_refused_whole,
            who_waits_below_a_prefix_wakes_at_once,
            who_waits_for_the_instances_of_a_service_wakes_at_once,
            an_instance_that_passes_is_found_and_one_that_does_not_is_not,
            the_same_id_again_takes_the_place_of_the_first,
            an_instance_that_failed_and_says_again_that_it_works_is_found_before_it_is_asked,
            who_waits_while_an_instance_stays_hears_at_once_that_it_is_gone,
            deregistering_what_is_not_there_is_no_error,
        );
    };
    ($name:ident, $consul:expr => $($test:ident),* $(,)?) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $test() {
                    $crate::suite::$test(&$consul, concat!("suite-", stringify!($test))).await;
                }
            )*
        }
    };
}
pub(crate) use of;

pub fn set(key: impl Into<String>, value: &str) -> Operation {
    Operation::Set {
        key: key.into(),
        value: value.into(),
    }
}

pub fn tree(prefix: &str) -> Operation {
    Operation::DeleteTree {
        prefix: prefix.to_owned(),
    }
}

/// What is below a prefix, as text.
pub async fn listed(consul: &impl KeyValue, prefix: &str) -> Vec<(String, String)> {
    let listing = consul.list(prefix, None).await.unwrap();
    let pairs = listing.pairs.into_iter();
    pairs
        .map(|pair| (pair.key, String::from_utf8_lossy(&pair.value).into_owned()))
        .collect()
}

async fn fresh(consul: &impl Both, name: &str) {
    consul.apply(&[tree(name)]).await.unwrap();
}

pub async fn what_was_written_is_listed_by_key_with_all_its_bytes(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    let key = |end: &str| format!("{name}/{end}");
    let all: Vec<u8> = (0..=255).collect();
    let operations = [
        set(key("b"), "second"),
        set(key("a b/ü?&#%"), ""),
        Operation::Set {
            key: key("a"),
            value: all.clone(),
        },
    ];
    consul.apply(&operations).await.unwrap();
    let listing = consul.list(&key(""), None).await.unwrap();
    let found: Vec<_> = listing
        .pairs
        .iter()
        .map(|pair| (pair.key.as_str(), pair.value.as_slice()))
        .collect();
    assert_eq!(
        found,
        [
            (key("a").as_str(), all.as_slice()),
            (key("a b/ü?&#%").as_str(), b"".as_slice()),
            (key("b").as_str(), b"second".as_slice())
        ]
    );
    assert!(
        listing
            .pairs
            .iter()
            .all(|pair| pair.modify_index <= listing.index.get())
    );
}

pub async fn nothing_below_a_prefix_is_an_empty_listing(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    assert_eq!(listed(consul, &format!("{name}/")).await, []);
}

pub async fn a_tree_is_removed_without_its_neighbours(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    let key = |end: &str| format!("{name}/{end}");
    let operations = ["a/1", "a/2", "a", "ab"].map(|end| set(key(end), "x"));
    consul.apply(&operations).await.unwrap();
    consul.apply(&[tree(&key("a/"))]).await.unwrap();
    let left = listed(consul, &key("")).await;
    assert_eq!(
        left,
        [(key("a"), "x".to_owned()), (key("ab"), "x".to_owned())]
    );
}

pub async fn a_condition_that_does_not_hold_leaves_everything_as_it_was(
    consul: &impl Both,
    name: &str,
) {
    fresh(consul, name).await;
    let key = |end: &str| format!("{name}/{end}");
    consul.apply(&[set(key("a"), "1")]).await.unwrap();
    let before = consul.list(name, None).await.unwrap().pairs;
    let stale = before[0].modify_index + 1_000_000;
    let conditions = [
        Operation::SetIf {
            key: key("a"),
            value: b"2".to_vec(),
            modify_index: stale,
        },
        Operation::SetIf {
            key: key("a"),
            value: b"2".to_vec(),
            modify_index: 0,
        },
        Operation::SetIf {
            key: key("c"),
            value: b"2".to_vec(),
            modify_index: stale,
        },
        Operation::DeleteIf {
            key: key("a"),
            modify_index: stale,
        },
    ];
    for condition in conditions {
        let operations = [
            set(key("b"), "new"),
            tree(&key("a")),
            set(key("a"), "1"),
            condition,
        ];
        let error = consul.apply(&operations).await.unwrap_err();
        assert!(matches!(error, ConsulError::Conflict(_)), "{error:?}");
        assert_eq!(consul.list(name, None).await.unwrap().pairs, before);
    }
    let current = before[0].modify_index;
    let held = [
        Operation::SetIf {
            key: key("a"),
            value: b"2".to_vec(),
            modify_index: current,
        },
        set(key("b"), "new"),
    ];
    consul.apply(&held).await.unwrap();
    assert_eq!(listed(consul, name).await.len(), 2);
}

pub async fn a_key_is_made_once_of_64_who_try(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    let tries = (0..64).map(|number: u32| {
        let (consul, key) = (consul.clone(), format!("{name}/one"));
        tokio::spawn(async move {
            let operation = Operation::SetIf {
                key,
                value: number.to_string().into_bytes(),
                modify_index: 0,
            };
            consul.apply(&[operation]).await
        })
    });
    let mut made = Vec::new();
    for (number, tried) in tries.collect::<Vec<_>>().into_iter().enumerate() {
        match tried.await.unwrap() {
            Ok(()) => made.push(number.to_string()),
            Err(error) => assert!(matches!(error, ConsulError::Conflict(_)), "{error:?}"),
        }
    }
    let kept = listed(consul, name).await;
    assert_eq!(
        kept.into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
        made
    );
    assert_eq!(made.len(), 1);
}

pub async fn removing_what_is_not_there_is_no_error(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    let key = format!("{name}/none");
    let operations = [
        Operation::Delete { key: key.clone() },
        Operation::DeleteIf {
            key,
            modify_index: 7,
        },
        tree(name),
        set(format!("{name}/a"), "1"),
    ];
    consul.apply(&operations).await.unwrap();
    assert_eq!(listed(consul, name).await.len(), 1);
}

pub async fn a_value_that_is_there_already_is_no_change(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    let same = [set(format!("{name}/a"), "1")];
    consul.apply(&same).await.unwrap();
    let before = consul.list(name, None).await.unwrap();
    consul.apply(&same).await.unwrap();
    let after = consul.list(name, None).await.unwrap();
    assert_eq!(before.pairs, after.pairs);
}

pub async fn sixty_four_operations_are_one_transaction_and_one_more_is_refused_whole(
    consul: &impl Both,
    name: &str,
) {
    fresh(consul, name).await;
    let operations: Vec<_> = (0..65)
        .map(|number| set(format!("{name}/{number}"), "x"))
        .collect();
    let error = consul.apply(&operations).await.unwrap_err();
    assert_eq!(error, ConsulError::TooMany(65));
    assert_eq!(listed(consul, name).await, []);
    consul.apply(&operations[..64]).await.unwrap();
    let pairs = consul.list(name, None).await.unwrap().pairs;
    assert_eq!(pairs.len(), 64);
    assert!(
        pairs
            .iter()
            .all(|pair| pair.modify_index == pairs[0].modify_index)
    );
}

/// Far below the wait of a question that nothing wakes.
const AT_ONCE: Duration = Duration::from_secs(10);

pub async fn who_waits_below_a_prefix_wakes_at_once(consul: &impl Both, name: &str) {
    fresh(consul, name).await;
    consul
        .apply(&[set(format!("{name}/a"), "1")])
        .await
        .unwrap();
    let consul = Arc::new(consul.clone());
    for change in [
        set(format!("{name}/a"), "2"),
        set(format!("{name}/b"), "1"),
        Operation::Delete {
            key: format!("{name}/a"),
        },
        tree(name),
    ] {
        let before = consul.list(name, None).await.unwrap();
        let waiting = {
            let (consul, name, after) = (consul.clone(), name.to_owned(), before.index);
            tokio::spawn(async move { consul.list(&name, Some(after)).await })
        };
        // whichever comes first: who asks after the change is answered at once as well
        tokio::task::yield_now().await;
        consul.apply(std::slice::from_ref(&change)).await.unwrap();
        let woken = tokio::time::timeout(AT_ONCE, waiting).await;
        let after = woken.unwrap_or_else(|_| panic!("still waiting after {change:?}"));
        let after = after.unwrap().unwrap();
        assert!(after.index > before.index, "{change:?}");
        assert_ne!(after.pairs, before.pairs);
    }
}

pub fn registration(service: &str, id: &str, port: u16) -> Registration {
    Registration {
        id: id.to_owned(),
        service: service.to_owned(),
        address: "127.0.0.1".to_owned(),
        port,
        tags: vec!["traefik.enable=true".to_owned()],
        meta: meta(),
        check: HealthCheck {
            url: format!("http://127.0.0.1:{port}/health"),
            interval: Duration::from_secs(3_600),
            timeout: Duration::from_secs(5),
            deregister_after: Duration::from_secs(600),
            passing: true,
        },
    }
}

fn instance(id: &str, port: u16) -> Instance {
    Instance {
        id: id.to_owned(),
        address: "127.0.0.1".to_owned(),
        port,
        meta: meta(),
    }
}

/// What every instance of these tests says of itself beside.
fn meta() -> BTreeMap<String, String> {
    BTreeMap::from([("tls_port".to_owned(), "8443".to_owned())])
}

/// Waits until the instances that pass are as wished; a real Consul hears of them a moment after its agent.
pub async fn until_passing(
    consul: &impl Catalog,
    service: &str,
    wished: impl Fn(&[Instance]) -> bool,
) -> Vec<Instance> {
    let following = async {
        let mut after = None;
        loop {
            let found = consul.passing(service, after).await.unwrap();
            if wished(&found.instances) {
                return found.instances;
            }
            after = Some(found.index);
        }
    };
    let found = tokio::time::timeout(AT_ONCE, following).await;
    found.unwrap_or_else(|_| panic!("the instances of {service} never became as wished"))
}

pub async fn who_waits_for_the_instances_of_a_service_wakes_at_once(
    consul: &impl Both,
    name: &str,
) {
    consul.deregister(name).await.unwrap();
    until_passing(consul, name, <[Instance]>::is_empty).await;
    let waiting = {
        let (consul, name) = (consul.clone(), name.to_owned());
        tokio::spawn(async move { until_passing(&consul, &name, |found| !found.is_empty()).await })
    };
    tokio::task::yield_now().await;
    consul
        .register(&registration(name, name, 5001))
        .await
        .unwrap();
    assert_eq!(waiting.await.unwrap(), [instance(name, 5001)]);
    let waiting = {
        let (consul, name) = (consul.clone(), name.to_owned());
        tokio::spawn(async move { until_passing(&consul, &name, <[Instance]>::is_empty).await })
    };
    tokio::task::yield_now().await;
    consul.deregister(name).await.unwrap();
    waiting.await.unwrap();
}

pub async fn an_instance_that_passes_is_found_and_one_that_does_not_is_not(
    consul: &impl Both,
    name: &str,
) {
    let (good, bad, other) = (
        format!("{name}-1"),
        format!("{name}-2"),
        format!("{name}-3"),
    );
    let mut failing = registration(name, &bad, 5002);
    failing.check.passing = false;
    consul.register(&failing).await.unwrap();
    consul
        .register(&registration(&other, &other, 5003))
        .await
        .unwrap();
    consul
        .register(&registration(name, &good, 5001))
        .await
        .unwrap();
    let found = until_passing(consul, name, |found| !found.is_empty()).await;
    assert_eq!(found, [instance(&good, 5001)]);
    for id in [&good, &bad, &other] {
        assert!(consul.registered(id).await.unwrap());
        consul.deregister(id).await.unwrap();
        assert!(!consul.registered(id).await.unwrap());
    }
}

pub async fn the_same_id_again_takes_the_place_of_the_first(consul: &impl Both, name: &str) {
    consul
        .register(&registration(name, name, 5001))
        .await
        .unwrap();
    consul
        .register(&registration(name, name, 5002))
        .await
        .unwrap();
    let found = until_passing(consul, name, |found| {
        found.iter().any(|one| one.port == 5002)
    })
    .await;
    assert_eq!(found, [instance(name, 5002)]);
    consul.deregister(name).await.unwrap();
}

/// Nobody answers where it is: who asks it finds it failing.
pub async fn an_instance_that_failed_and_says_again_that_it_works_is_found_before_it_is_asked(
    consul: &impl Both,
    name: &str,
) {
    let mut own = registration(name, name, 5001);
    own.check.passing = false;
    consul.register(&own).await.unwrap();
    assert!(consul.registered(name).await.unwrap());
    until_passing(consul, name, <[_]>::is_empty).await;
    own.check.passing = true;
    consul.register(&own).await.unwrap();
    until_passing(consul, name, |found| found == [instance(name, 5001)]).await;
    consul.deregister(name).await.unwrap();
}

pub async fn who_waits_while_an_instance_stays_hears_at_once_that_it_is_gone(
    consul: &impl Both,
    name: &str,
) {
    let long = Duration::from_secs(60);
    assert!(!consul.stays(name, long).await.unwrap());
    let own = registration(name, name, 5001);
    consul.register(&own).await.unwrap();
    let short = Duration::from_millis(50);
    assert!(consul.stays(name, short).await.unwrap());
    let waits = tokio::spawn({
        let (consul, name) = (consul.clone(), name.to_owned());
        async move { consul.stays(&name, long).await }
    });
    // It hears of it whether it asks before or after.
    consul.deregister(name).await.unwrap();
    let heard = tokio::time::timeout(long / 4, waits).await;
    assert!(!heard.expect("at once").unwrap().unwrap());
}

pub async fn deregistering_what_is_not_there_is_no_error(consul: &impl Both, name: &str) {
    consul.deregister(name).await.unwrap();
    assert!(!consul.registered(name).await.unwrap());
}
