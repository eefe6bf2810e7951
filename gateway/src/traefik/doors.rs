//! Auth's own TLS addresses: which of them Traefik may hand forward-auth's connections to.
//!
//! The catalog says which instances there are, and which are about to leave. That one has died it learns from its next check
//! only, seconds later, while a connection that stands there ends at once: one is held to each, and an instance is out as soon
//! as it takes no other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::TlsDoor;
use kit::consul::{self, Catalog, Instance, Pair};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::model::{Host, Kind, Socket, id_of};
use super::render::AUTH;

/// How soon one that takes no connection is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// The longest that a connection may take to stand.
const PATIENCE: Duration = Duration::from_secs(2);

/// Those that stand in Consul already: a gateway that starts leaves them there until it knows better.
pub fn standing(pairs: &[Pair]) -> Vec<Socket> {
    let ours = pairs.iter().filter(|pair| {
        let service = id_of(&pair.key).is_some_and(|(kind, _)| kind == Kind::TcpService);
        service && pair.key.ends_with("/address")
    });
    let text = ours.filter_map(|pair| std::str::from_utf8(&pair.value).ok());
    let mut sockets: Vec<Socket> = text.filter_map(Socket::read).collect();
    sockets.sort_unstable();
    sockets
}

/// Keeps those that can be asked by this name, sorted, until it is told to stop.
pub async fn keep(
    catalog: Arc<dyn Catalog>,
    host: Host,
    tell: watch::Sender<Option<Vec<Socket>>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut doors = Doors::default();
    let (heard, mut hear) = mpsc::unbounded_channel();
    let (found, mut instances) = watch::channel(Vec::new());
    let mut work = JoinSet::new();
    work.spawn(follow(catalog, found));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some((socket, stands)) = hear.recv() => doors.heard(&socket, stands),
            Ok(()) = instances.changed() => {
                let named = instances.borrow_and_update();
                let sockets = named.iter().filter_map(|instance| of(instance, &host));
                doors.named(sockets.collect(), |new| work.spawn(hold(new, heard.clone())));
            }
        }
        // who has ended
        while work.try_join_next().is_some() {}
        // What stands in Consul stays until each of them has been tried once.
        if tell.borrow().is_none() && !doors.all_tried() {
            continue;
        }
        tell.send_if_modified(|known| {
            let now = doors.open();
            let other = known.as_ref() != Some(&now);
            *known = Some(now);
            other
        });
    }
}

/// The door of an instance that is known by this name there.
fn of(instance: &Instance, host: &Host) -> Option<Socket> {
    let door = TlsDoor::of(&instance.meta)?;
    if !door.is_for(host.as_str()) {
        return None;
    }
    Socket::new(&instance.address, door.port).ok()
}

/// Tells the instances as the catalog knows them. While it is away they are those of before.
async fn follow(catalog: Arc<dyn Catalog>, tell: watch::Sender<Vec<Instance>>) {
    let told = consul::follow(&*catalog, AUTH, |answer| match answer {
        Ok(known) => drop(tell.send_replace(known.to_vec())),
        Err(error) => {
            tracing::debug!(target: "traefik", error = %error, "auth's instances stay as they were");
        }
    });
    told.await;
}

/// Holds a connection to a door and tells whether it stands.
async fn hold(socket: Socket, tell: mpsc::UnboundedSender<(Socket, bool)>) {
    loop {
        let connected = timeout(PATIENCE, TcpStream::connect(socket.as_str())).await;
        let held = match connected {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(_)) | Err(_) => None,
        };
        if tell.send((socket.clone(), held.is_some())).is_err() {
            return;
        }
        match held {
            // It says nothing before it is spoken to, and ends it when nobody speaks; then it takes another one. One that
            // ends each at once, as while it stops, is not tried all the time.
            Some(mut stream) => {
                let began = Instant::now();
                drop(stream.read(&mut [0]).await);
                if began.elapsed() < AGAIN {
                    sleep(AGAIN).await;
                }
            }
            None => sleep(AGAIN).await,
        }
    }
}

/// The doors that the catalog names, and what is heard of them.
#[derive(Debug, Default)]
struct Doors(BTreeMap<Socket, Door>);

#[derive(Debug)]
struct Door {
    /// Not known until it was tried.
    stands: Option<bool>,
    held: AbortHandle,
}

impl Doors {
    /// These are named now; those that were not are held from now on.
    fn named(&mut self, sockets: Vec<Socket>, mut hold: impl FnMut(Socket) -> AbortHandle) {
        self.0.retain(|socket, door| {
            let stays = sockets.contains(socket);
            if !stays {
                door.held.abort();
            }
            stays
        });
        for socket in sockets {
            self.0.entry(socket).or_insert_with_key(|new| Door {
                stands: None,
                held: hold(new.clone()),
            });
        }
    }

    fn heard(&mut self, socket: &Socket, stands: bool) {
        // one that is not named any more may have been heard of on its way out
        if let Some(door) = self.0.get_mut(socket) {
            door.stands = Some(stands);
        }
    }

    fn all_tried(&self) -> bool {
        self.0.values().all(|door| door.stands.is_some())
    }

    fn open(&self) -> Vec<Socket> {
        let open = self.0.iter();
        let open = open.filter(|(_, door)| door.stands == Some(true));
        open.map(|(socket, _)| socket.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
