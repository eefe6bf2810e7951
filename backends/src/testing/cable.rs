//! A cable to a server, to be cut: whoever connects through it sees the server go away.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What the cable does with what goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    /// Connections end, new ones end at once.
    Cut,
    /// Nothing passes and nothing ends: the other side has gone without a word.
    Silent,
}

/// A cable on a port of its own.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

impl Cable {
    /// To the server at this `host:port`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: &str) -> Cable {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a test can listen");
        let address = listener.local_addr().expect("a listener has an address");
        let state = Arc::new(watch::Sender::new(State::Whole));
        let (watched, server) = (state.subscribe(), server.to_owned());
        tokio::spawn(async move {
            let mut closed = watched.clone();
            let accepting = async {
                while let Ok((client, _)) = listener.accept().await {
                    tokio::spawn(pass(client, server.clone(), watched.clone()));
                }
            };
            tokio::select! {
                () = accepting => {}
                // the cable was dropped
                () = async { while closed.changed().await.is_ok() {} } => {}
            }
        });
        Cable { address, state }
    }

    /// `host:port` of this end.
    #[must_use]
    pub fn place(&self) -> String {
        self.address.to_string()
    }

    /// Ends every connection and takes no more.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing pass, without anybody being told.
    pub fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn pass(client: TcpStream, server: String, mut state: watch::Receiver<State>) {
    let mut gone = state.clone();
    let whole = async {
        if state
            .wait_for(|state| *state == State::Whole)
            .await
            .is_err()
        {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::select! {
            () = carry(&mut from_client, &mut to_server, state.clone()) => {}
            () = carry(&mut from_server, &mut to_client, state.clone()) => {}
        }
    };
    tokio::select! {
        () = whole => {}
        // also when the cable was dropped
        _ = gone.wait_for(|state| *state == State::Cut) => {}
    }
}

async fn carry(
    from: &mut tokio::net::tcp::OwnedReadHalf,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut some = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut some).await {
        // what was on its way when the cable fell silent is lost
        if *state.borrow() == State::Silent {
            if state
                .wait_for(|state| *state == State::Whole)
                .await
                .is_err()
            {
                return;
            }
            continue;
        }
        if to.write_all(&some[..count]).await.is_err() {
            return;
        }
    }
}
