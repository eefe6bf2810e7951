//! A connection that has to begin with something.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// What every HTTP/2 client sends first (RFC 9113 section 3.4), in bytes.
const PREFACE: usize = 24;

/// Fails a read when the preface of HTTP/2 has not come in time. HTTP/1 has such a limit by itself; an HTTP/2 connection asks
/// for signs of life only once it has begun, and would wait for its beginning for ever.
pub(super) struct Prefaced<S> {
    socket: S,
    missing: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Prefaced<S> {
    pub(super) fn new(socket: S, patience: Duration) -> Self {
        Self {
            socket,
            missing: PREFACE,
            deadline: Some(Box::pin(sleep(patience))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefaced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if let Some(deadline) = &mut self.deadline {
            if read.is_pending() && deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the connection does not begin",
                )));
            }
            self.missing = self.missing.saturating_sub(buf.filled().len() - before);
            if self.missing == 0 {
                self.deadline = None;
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefaced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn once_the_preface_is_there_silence_is_no_failure_any_more() {
        let (mut client, socket) = tokio::io::duplex(64);
        let mut prefaced = Prefaced::new(socket, Duration::from_secs(10));
        client.write_all(&[b'x'; PREFACE]).await.unwrap();
        let mut read = [0; PREFACE];
        prefaced.read_exact(&mut read[..PREFACE - 1]).await.unwrap();
        assert!(prefaced.deadline.is_some());
        prefaced.read_exact(&mut read[..1]).await.unwrap();
        assert!(prefaced.deadline.is_none());
    }

    #[tokio::test]
    async fn a_preface_that_does_not_come_fails_the_read() {
        let (mut client, socket) = tokio::io::duplex(64);
        let mut prefaced = Prefaced::new(socket, Duration::from_millis(1));
        client.write_all(&[b'x'; PREFACE - 1]).await.unwrap();
        let error = prefaced.read_exact(&mut [0; PREFACE]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
