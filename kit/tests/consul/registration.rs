//! An instance in Consul: when it comes, how it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kit::consul::memory::MemoryConsul;
use kit::consul::{Catalog, ConsulError, Registration};
use kit::service::{Check, CheckError};

use crate::support::{eventually, member, own, soon, things, work};

fn known(registered: &[Registration]) -> bool {
    registered.len() == 1
}

/// A check that is well when told so, and counts how often it was asked.
#[derive(Clone, Default)]
struct Switch {
    well: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Switch {
    fn ask(&self) -> Result<(), CheckError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.well.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err(CheckError::new("store_unavailable", "gone"))
        }
    }

    fn essential(&self) -> Check {
        let switch = self.clone();
        Check::essential("store", move || std::future::ready(switch.ask()))
    }

    fn degrading(&self) -> Check {
        let switch = self.clone();
        Check::degrading("bus", move || std::future::ready(switch.ask()))
    }
}

#[tokio::test]
async fn a_service_is_registered_as_passing_once_what_it_needs_is_there_and_not_before() {
    let (consul, store) = (MemoryConsul::new(), Switch::default());
    let mut service = things(vec![store.essential()]);
    member(&consul).join(&mut service, own(5000));
    let working = work(service.workers);
    eventually("it was asked", || async {
        store.asked.load(Ordering::SeqCst) >= 2
    })
    .await;
    assert_eq!(consul.registrations(), []);
    store.well.store(true, Ordering::SeqCst);
    soon(consul.until(known)).await;
    let expected = own(5000).registration("things").await.unwrap();
    assert_eq!(consul.registrations(), std::slice::from_ref(&expected));
    assert_eq!(
        (
            expected.id.as_str(),
            expected.check.url.as_str(),
            expected.check.passing
        ),
        ("things-one-5000", "http://127.0.0.1:5000/health", true)
    );
    working.stop().await;
}

#[tokio::test]
async fn what_a_service_can_work_without_does_not_keep_it_out() {
    let (consul, bus) = (MemoryConsul::new(), Switch::default());
    let mut service = things(vec![bus.degrading()]);
    member(&consul).join(&mut service, own(5000));
    let working = work(service.workers);
    soon(consul.until(known)).await;
    working.stop().await;
}

#[tokio::test]
async fn a_consul_that_lost_its_data_is_told_again_even_while_the_service_lacks_something() {
    let (consul, store) = (MemoryConsul::new(), Switch::default());
    store.well.store(true, Ordering::SeqCst);
    let mut service = things(vec![store.essential()]);
    member(&consul).join(&mut service, own(5000));
    let working = work(service.workers);
    soon(consul.until(known)).await;
    store.well.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        consul.wipe();
        soon(consul.until(known)).await;
    }
    working.stop().await;
}

#[tokio::test]
async fn a_consul_that_is_away_ends_nothing_and_hears_of_the_instance_when_it_is_back() {
    let consul = MemoryConsul::new();
    consul.fail(Some(ConsulError::Unreachable(
        "connection refused".to_owned(),
    )));
    let member = member(&consul);
    let mut service = things(vec![]);
    member.join(&mut service, own(5000));
    let working = work(service.workers);
    eventually("it was noticed", || async {
        member.check().ask().await.is_err()
    })
    .await;
    consul.fail(None);
    soon(consul.until(known)).await;
    eventually("all is well", || async {
        member.check().ask().await.is_ok()
    })
    .await;
    working.stop().await;
}

#[tokio::test]
async fn an_agent_that_comes_back_and_takes_everybody_for_dead_hears_that_the_instance_lives() {
    let consul = MemoryConsul::new();
    let member = member(&consul);
    let mut service = things(vec![]);
    member.join(&mut service, own(5000));
    let working = work(service.workers);
    soon(consul.until(known)).await;
    consul.fail(Some(ConsulError::Unreachable(
        "connection refused".to_owned(),
    )));
    eventually("it was noticed", || async {
        member.check().ask().await.is_err()
    })
    .await;
    consul.set_passing("things-one-5000", false);
    consul.fail(None);
    eventually("it is among those that live", || async {
        let living = consul.passing("things", None).await;
        living.is_ok_and(|found| found.instances.len() == 1)
    })
    .await;
    working.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_told_to_stop_is_gone_when_its_worker_has_ended() {
    let consul = MemoryConsul::new();
    let mut service = things(vec![]);
    member(&consul).join(&mut service, own(5000));
    let working = work(service.workers);
    soon(consul.until(known)).await;
    working.stop().await;
    assert_eq!(consul.registrations(), []);
}

#[tokio::test]
async fn an_instance_that_stops_before_it_could_work_was_never_known() {
    let (consul, store) = (MemoryConsul::new(), Switch::default());
    let mut service = things(vec![store.essential()]);
    member(&consul).join(&mut service, own(5000));
    work(service.workers).stop().await;
    assert_eq!(consul.registrations(), []);
}

#[tokio::test]
async fn stopping_without_consul_is_no_failure() {
    let consul = MemoryConsul::new();
    let mut service = things(vec![]);
    member(&consul).join(&mut service, own(5000));
    let working = work(service.workers);
    soon(consul.until(known)).await;
    consul.fail(Some(ConsulError::Unreachable(
        "connection refused".to_owned(),
    )));
    working.stop().await;
}

#[tokio::test]
async fn a_restart_takes_the_place_of_the_instance_that_was_killed() {
    let consul = MemoryConsul::new();
    let mut old = own(5000).registration("things").await.unwrap();
    old.address = "192.0.2.1".to_owned();
    consul.register(&old).await.unwrap();
    let mut service = things(vec![]);
    member(&consul).join(&mut service, own(5000));
    let working = work(service.workers);
    soon(consul.until(|all| known(all) && all[0].address == "127.0.0.1")).await;
    working.stop().await;
}
