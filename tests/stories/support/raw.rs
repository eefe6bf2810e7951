//! Requests as no well-behaved client sends them, over a plain socket.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What came back, as bytes on the wire.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub text: String,
}

/// Sends the text as it is (line ends become CRLF) and reads until the server closes or has answered.
pub async fn raw(base: &str, text: &str) -> RawAnswer {
    let address = base.strip_prefix("http://").expect("plain http");
    let mut socket = TcpStream::connect(address)
        .await
        .expect("the server listens");
    let request = text.replace("\r\n", "\n").replace('\n', "\r\n");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("the server reads");
    let mut bytes = Vec::new();
    // `Connection: close` is in every request of the matrix; the deadline is for a server that does not keep to it.
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut bytes)).await;
    assert!(
        read.is_ok(),
        "no end of the answer to {text:?}: {}",
        String::from_utf8_lossy(&bytes)
    );
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    RawAnswer { status, text }
}
