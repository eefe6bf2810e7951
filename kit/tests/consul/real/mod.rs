//! The same on a real Consul (`tests/real/start`): its URL is SCHOOLYARD_TEST_CONSUL. It keeps what it had before.

mod rights;

use std::time::Duration;

use kit::consul::{Catalog, Consul, Own};
use kit::peer::Peer;
use kit::testing::required_env;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use secrecy::SecretString;
use std::sync::Arc;

use crate::discovery::Fixed;
use crate::suite::{self, until_passing};
use crate::support::{eventually, host, member, named, own, soon, work};
use crate::transactions::{agree, steps};

pub fn consul() -> Consul {
    Consul::new(
        &required_env("SCHOOLYARD_TEST_CONSUL"),
        &SecretString::from(""),
    )
    .unwrap()
}

suite::of!(promises, super::consul());

/// The one in this process, which other crates' tests stand on, agrees with the same model.
#[test]
fn transactions_do_what_a_plain_map_does_or_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (consul, root) = (consul(), "suite-transactions/");
    let mut runner = TestRunner::new(Config::with_cases(48));
    let ran = runner.run(&steps(), |transactions| {
        let agreed = runtime.block_on(async {
            kit::consul::KeyValue::apply(&consul, &[suite::tree(root)])
                .await
                .unwrap();
            agree(&consul, root, &transactions).await
        });
        prop_assert_eq!(agreed, Ok(()));
        Ok(())
    });
    ran.unwrap();
}

/// An instance whose agent asks at its door once an hour: what is known of it is what it said itself. Asked every second the
/// agent could find nobody there before the test looked, since nothing listens at the port.
fn rarely_asked() -> Own {
    Own {
        interval: Duration::from_secs(3_600),
        ..own(5000)
    }
}

#[tokio::test]
async fn an_instance_is_found_at_once_and_gone_when_it_stops() {
    let (consul, name) = (consul(), "real-comes-and-goes");
    let mut service = named(name, vec![]);
    member(&consul).join(&mut service, rarely_asked());
    let working = work(service.workers);
    until_passing(&consul, name, |found| found.len() == 1).await;
    working.stop().await;
    until_passing(&consul, name, <[_]>::is_empty).await;
}

#[tokio::test]
async fn an_instance_that_consul_forgot_is_registered_again() {
    let (consul, name) = (consul(), "real-forgotten");
    let mut service = named(name, vec![]);
    member(&consul).join(&mut service, rarely_asked());
    let working = work(service.workers);
    let found = until_passing(&consul, name, |found| found.len() == 1).await;
    consul.deregister(&found[0].id).await.unwrap();
    eventually("it is known again", || async {
        consul.registered(&found[0].id).await.unwrap()
    })
    .await;
    working.stop().await;
}

#[tokio::test]
async fn the_agents_check_takes_out_an_instance_that_was_killed() {
    let (consul, name) = (consul(), "real-killed");
    let member = member(&consul);
    let pool = member.discover(name);
    let following = work(member.workers());
    let killed = host(named(name, vec![]), &member, Duration::ZERO).await;
    let lives = host(named(name, vec![]), &member, Duration::ZERO).await;
    soon(pool.until(|known| known == 2)).await;
    // its task is gone without a word
    killed.done.abort();
    let peer = Peer::of(pool.clone(), Arc::new(Fixed)).unwrap();
    for _ in 0..20 {
        peer.get::<String>("/api/things").await.unwrap();
    }
    soon(pool.until(|known| known == 1)).await;
    lives.shutdown.soft.cancel();
    lives.done.await.unwrap().unwrap();
    soon(pool.until(|known| known == 0)).await;
    following.stop().await;
    consul
        .deregister(&own(killed.address.port()).id(name))
        .await
        .unwrap();
}
