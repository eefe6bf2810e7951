//! A gate before a server: everything goes through it until it is shut, after a number of writes if that is asked for. To
//! whoever is behind it that is the server going away; to the server it is a process that was killed between two writes.

use std::net::SocketAddr;
use std::sync::Arc;

use mongodb::bson::RawDocument;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// A gate on a port of its own.
pub struct Gate {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    shut: CancellationToken,
    /// Writes that may still pass; `None`: as many as come.
    left: Mutex<Option<usize>>,
    passed: Mutex<Vec<Write>>,
}

/// A command that writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub command: String,
    pub collection: String,
    /// Whether its answer waits for the journal.
    pub durable: bool,
}

impl Gate {
    /// Before the server at this address.
    pub async fn to(server: &str) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), server).await
    }

    /// The same on a port that is known: where a gate was that is shut.
    pub async fn at(address: SocketAddr, server: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            shut: CancellationToken::new(),
            left: Mutex::new(None),
            passed: Mutex::default(),
        });
        let server = server.to_owned();
        let serving = state.clone();
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, server.clone(), serving.clone()));
                }
            };
            serving.shut.run_until_cancelled(accepting).await;
        });
        Self { address, state }
    }

    /// Nothing passes any more.
    pub fn shut(&self) {
        self.state.shut.cancel();
    }

    /// So many writes pass from now on; the next one does not, and nothing after it.
    pub fn allow(&self, writes: usize) {
        *self.state.left.lock() = Some(writes);
    }

    /// The writes that passed since this was asked last.
    pub fn passed(&self) -> Vec<Write> {
        std::mem::take(&mut self.state.passed.lock())
    }

    pub fn is_shut(&self) -> bool {
        self.state.shut.is_cancelled()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shut();
    }
}

async fn pass(client: TcpStream, server: String, state: Arc<State>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // As the driver does: a command is one small packet.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let both = async {
        tokio::select! {
            () = requests(from_client, to_server, &state) => {}
            _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
        }
    };
    state.shut.run_until_cancelled(both).await;
}

async fn requests(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, state: &State) {
    loop {
        let mut length = [0; 4];
        if client.read_exact(&mut length).await.is_err() {
            return;
        }
        let mut message = vec![0; u32::from_le_bytes(length) as usize];
        message[..4].copy_from_slice(&length);
        if client.read_exact(&mut message[4..]).await.is_err() {
            return;
        }
        if let Some(write) = write(&message) {
            if !state.takes_a_write() {
                state.shut.cancel();
                return;
            }
            state.passed.lock().push(write);
        }
        if server.write_all(&message).await.is_err() {
            return;
        }
    }
}

impl State {
    fn takes_a_write(&self) -> bool {
        let mut left = self.left.lock();
        match left.as_mut() {
            None => true,
            Some(0) => false,
            Some(writes) => {
                *writes -= 1;
                true
            }
        }
    }
}

/// The command in a message of the wire, if it writes. The body follows the header (16 bytes), the flags (4) and the kind of
/// the section (1); its first field is the name of the command with the collection.
fn write(message: &[u8]) -> Option<Write> {
    const OP_MSG: [u8; 4] = 2013_u32.to_le_bytes();
    if message.get(12..16) != Some(&OP_MSG[..]) {
        return None;
    }
    let body = message.get(21..)?;
    let length = u32::from_le_bytes(body.get(..4)?.try_into().unwrap()) as usize;
    let body = RawDocument::from_bytes(body.get(..length)?).unwrap();
    let (command, collection) = body.iter().next()?.unwrap();
    if !["insert", "update", "delete", "findAndModify"].contains(&command.as_str()) {
        return None;
    }
    let concern = body.get_document("writeConcern");
    Some(Write {
        command: command.as_str().to_owned(),
        collection: collection.as_str()?.to_owned(),
        durable: concern.is_ok_and(|concern| concern.get_bool("j").unwrap_or(false)),
    })
}
