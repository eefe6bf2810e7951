//! Doors that open and close, on real sockets and a Consul in this process.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kit::consul::memory::MemoryConsul;
use kit::consul::{HealthCheck, Registration};
use tokio::net::TcpListener;

use super::*;

fn auth(id: &str, address: SocketAddr, names: &[&str]) -> Registration {
    let door = TlsDoor {
        port: address.port(),
        names: names.iter().map(ToString::to_string).collect(),
    };
    Registration {
        id: id.to_owned(),
        service: AUTH.to_owned(),
        address: address.ip().to_string(),
        // a place of its own, else each would be known as the one that was there before
        port: address.port(),
        tags: Vec::new(),
        meta: door.meta(),
        check: HealthCheck {
            url: "http://127.0.0.1:1/health".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            deregister_after: Duration::from_secs(600),
            passing: true,
        },
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Takes connections until it is dropped, which ends them.
fn takes(listener: TcpListener) -> JoinSet<()> {
    let mut work = JoinSet::new();
    work.spawn(async move {
        let mut taken = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            taken.push(stream);
        }
    });
    work
}

struct Watch {
    consul: MemoryConsul,
    open: watch::Receiver<Option<Vec<Socket>>>,
    _work: JoinSet<anyhow::Result<()>>,
}

impl Watch {
    fn begin() -> Self {
        Self::of(MemoryConsul::new())
    }

    fn of(consul: MemoryConsul) -> Self {
        let (tell, open) = watch::channel(None);
        let mut work = JoinSet::new();
        let host = Host::new("localhost").unwrap();
        let catalog = Arc::new(consul.clone());
        work.spawn(keep(catalog, host, tell, CancellationToken::new()));
        Self {
            consul,
            open,
            _work: work,
        }
    }

    async fn until(&mut self, expected: &[SocketAddr]) {
        let mut expected: Vec<Socket> = expected
            .iter()
            .map(|at| Socket::new(&at.ip().to_string(), at.port()).unwrap())
            .collect();
        expected.sort_unstable();
        self.open
            .wait_for(|open| open.as_ref() == Some(&expected))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_dies_is_out_though_the_catalog_names_it_and_in_again_when_it_is_back() {
    let mut watch = Watch::begin();
    let ((one, at_one), (two, at_two)) = (listener().await, listener().await);
    let (lives, dies) = (takes(one), takes(two));
    for (id, at) in [("one", at_one), ("two", at_two)] {
        let registration = auth(id, at, &["auth.internal", "localhost"]);
        watch.consul.register(&registration).await.unwrap();
    }
    watch.until(&[at_one, at_two]).await;
    drop(dies);
    watch.until(&[at_one]).await;
    let back = takes(TcpListener::bind(at_two).await.unwrap());
    watch.until(&[at_one, at_two]).await;
    drop((lives, back));
    watch.until(&[]).await;
}

#[tokio::test]
async fn an_instance_that_leaves_is_out_while_it_still_answers() {
    let mut watch = Watch::begin();
    let (listener, at) = listener().await;
    let _lives = takes(listener);
    let registration = auth("one", at, &["localhost"]);
    watch.consul.register(&registration).await.unwrap();
    watch.until(&[at]).await;
    watch.consul.deregister("one").await.unwrap();
    watch.until(&[]).await;
}

#[tokio::test]
async fn an_instance_that_a_consul_without_its_data_does_not_know_yet_stays() {
    let mut watch = Watch::begin();
    let ((one, at_one), (two, at_two)) = (listener().await, listener().await);
    let (_lives, dies) = (takes(one), takes(two));
    for (id, at) in [("one", at_one), ("two", at_two)] {
        let registration = auth(id, at, &["localhost"]);
        watch.consul.register(&registration).await.unwrap();
    }
    watch.until(&[at_one, at_two]).await;
    watch.consul.wipe();
    // the third is known only by what Consul says since
    let (three, at_three) = listener().await;
    let _lives = takes(three);
    let registration = auth("three", at_three, &["localhost"]);
    watch.consul.register(&registration).await.unwrap();
    watch.until(&[at_one, at_two, at_three]).await;
    drop(dies);
    watch.until(&[at_one, at_three]).await;
}

#[tokio::test]
async fn nothing_is_told_before_all_that_are_there_have_been_tried() {
    let consul = MemoryConsul::new();
    let ((one, at_one), (two, at_two)) = (listener().await, listener().await);
    let _live = (takes(one), takes(two));
    for (id, at) in [("one", at_one), ("two", at_two)] {
        let registration = auth(id, at, &["localhost"]);
        consul.register(&registration).await.unwrap();
    }
    let mut watch = Watch::of(consul);
    watch.open.changed().await.unwrap();
    assert_eq!(watch.open.borrow().as_ref().map(Vec::len), Some(2));
}

#[tokio::test]
async fn who_has_no_door_or_one_for_other_names_is_none() {
    let mut watch = Watch::begin();
    let (listener, at) = listener().await;
    let _lives = takes(listener);
    let other = auth("other", at, &["auth.internal"]);
    let none = Registration {
        id: "none".to_owned(),
        meta: BTreeMap::new(),
        ..auth("none", at, &["localhost"])
    };
    for registration in [other, none] {
        watch.consul.register(&registration).await.unwrap();
    }
    watch.until(&[]).await;
}

#[test]
fn what_stands_in_consul_is_read_back() {
    let pair = |key: &str, value: &str| Pair {
        key: key.to_owned(),
        value: value.as_bytes().to_vec(),
        modify_index: 1,
    };
    let folder = "traefik/tcp/services/sy-doors-of-auth/loadBalancer/servers";
    let pairs = [
        pair(&format!("{folder}/1/address"), "192.0.2.2:8443"),
        pair(&format!("{folder}/0/address"), "192.0.2.1:8443"),
        pair(&format!("{folder}/2/address"), "nothing"),
        pair(
            "traefik/tcp/services/other/loadBalancer/servers/0/address",
            "192.0.2.3:1",
        ),
        pair(
            "traefik/http/services/sy-problems/loadBalancer/servers/0/url",
            "http://x",
        ),
    ];
    let read: Vec<String> = standing(&pairs).iter().map(ToString::to_string).collect();
    assert_eq!(read, ["192.0.2.1:8443", "192.0.2.2:8443"]);
}
