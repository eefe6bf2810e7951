//! The second place for leases, in this process and on Redis.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use kit::{Clock as _, MockClock};
use uuid::Uuid;

use super::hub::Hub;
use crate::instances::standby::{Life, SharedStandby};

const A: Uuid = Uuid::from_u128(1);
const B: Uuid = Uuid::from_u128(2);

struct Place {
    place: SharedStandby,
    clock: MockClock,
}

impl Place {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    async fn stored(&self, me: Uuid, number: i64) -> Life {
        let life = self.place.renewed_in_store(me, number, self.now());
        life.await.unwrap()
    }

    async fn renew(&self, me: Uuid, life: Life) -> Option<i64> {
        let until = self.now() + TimeDelta::seconds(2);
        self.place.renew(me, life, until).await.unwrap()
    }

    async fn changed(&self, me: Uuid, number: i64) -> Option<HashSet<Uuid>> {
        let others = self.place.changed(me, number, self.now());
        others.await.unwrap()
    }
}

async fn whoever_comes_second_sees_who_came_first(on: Place) {
    let life = on.stored(A, 3).await;
    on.pass(2);
    assert_eq!(on.changed(B, 4).await, Some(HashSet::new()));
    assert_eq!(on.renew(A, life).await, Some(4));
    assert_eq!(on.changed(B, 5).await, Some(HashSet::from([A])));
    // its own lease nobody waits for
    assert_eq!(on.changed(A, 6).await, Some(HashSet::new()));
    assert_eq!(on.renew(A, life).await, Some(6));
}

async fn a_lease_goes_with_its_time_and_with_one_in_the_store(on: Place) {
    let life = on.stored(A, 0).await;
    on.pass(1);
    on.renew(A, life).await.unwrap();
    on.renew(B, life).await.unwrap();
    on.pass(1);
    assert_eq!(on.stored(B, 0).await, life);
    let other = Uuid::from_u128(3);
    assert_eq!(on.changed(other, 1).await, Some(HashSet::from([A])));
    on.pass(1);
    assert_eq!(on.changed(other, 2).await, Some(HashSet::new()));
}

async fn a_number_never_goes_back(on: Place) {
    let life = on.stored(A, 7).await;
    on.stored(B, 5).await;
    on.changed(B, 6).await;
    assert_eq!(on.renew(A, life).await, Some(7));
}

async fn another_life_renews_no_lease_of_this_one_and_knows_nobody_until_it_is_older_than_a_lease(
    on: Place,
) {
    let life = on.stored(A, 1).await;
    on.pass(2);
    on.renew(A, life).await.unwrap();
    on.place.forget().await.unwrap();
    assert_eq!(on.renew(A, life).await, None);
    assert_eq!(on.changed(B, 2).await, None);
    assert_eq!(on.renew(A, life).await, None);
    assert_ne!(on.stored(A, 2).await, life);
    on.pass(1);
    assert_eq!(on.changed(B, 3).await, None);
    on.pass(1);
    assert_eq!(on.changed(B, 4).await, Some(HashSet::new()));
}

macro_rules! on_every_place {
    ($($name:ident)+) => {
        mod in_process {
            $(#[tokio::test]
            async fn $name() {
                let (place, clock) = (std::sync::Arc::new(super::Hub::default()), super::MockClock::default());
                super::$name(super::Place { place, clock }).await;
            })+
        }

        #[cfg(feature = "redis-tests")]
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                let (server, clock) = (backends::testing::redis(), super::MockClock::default());
                let ids = kit::RandomIds::shared(clock.shared());
                let place = crate::instances::standby::RedisStandby::new(server.open(), super::Uuid::from_u128(9), ids);
                let place = std::sync::Arc::new(place);
                super::$name(super::Place { place, clock }).await;
            })+
        }
    };
}

on_every_place! {
    whoever_comes_second_sees_who_came_first
    a_lease_goes_with_its_time_and_with_one_in_the_store
    a_number_never_goes_back
    another_life_renews_no_lease_of_this_one_and_knows_nobody_until_it_is_older_than_a_lease
}
