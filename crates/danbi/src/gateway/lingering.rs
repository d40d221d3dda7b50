//! Closing a connection whose client still sends, so that it gets its answer.
//!
//! A socket that is closed with bytes unread resets the connection, and the reset may overtake the answer: the client
//! sees a broken connection instead of what it did wrong. So, as RFC 9112, section 9.6, asks, the sending side is closed
//! first, and what comes is read and thrown away for a while: until the client closes, up to a time and a size.

use super::limits::Limits;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A connection that comes back to its owner once nobody uses it any more.
pub struct Lent<Io> {
    io: Option<Io>,
    owner: Option<oneshot::Sender<Io>>,
}

impl<Io> Lent<Io> {
    /// Lends `io`; the receiver gets it back when the loan is dropped.
    pub fn new(io: Io) -> (Self, oneshot::Receiver<Io>) {
        let (owner, back) = oneshot::channel();
        let (io, owner) = (Some(io), Some(owner));
        (Self { io, owner }, back)
    }
}

impl<Io> Drop for Lent<Io> {
    fn drop(&mut self) {
        if let (Some(io), Some(owner)) = (self.io.take(), self.owner.take()) {
            // An owner that is gone does not want it back.
            let _ = owner.send(io);
        }
    }
}

impl<Io: Unpin> Lent<Io> {
    fn io(self: Pin<&mut Self>) -> io::Result<Pin<&mut Io>> {
        // It is there until the drop.
        let io = self.get_mut().io.as_mut();
        io.map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Lent<Io> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_read(cx, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Lent<Io> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.io()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }
}

/// Reads and forgets what a client still sends into a connection that was answered for the last time.
pub async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin, limits: &Limits) {
    let reading = async {
        // Closed already, as a rule; a connection that is gone altogether needs nothing more.
        let _ = io.shutdown().await;
        let mut thrown_away = vec![0; 16 << 10];
        let mut left = limits.max_lingering_bytes;
        while let Ok(count @ 1..) = io.read(&mut thrown_away).await
            && count <= left
        {
            left -= count;
        }
    };
    // What comes later meets a closed socket.
    let _ = timeout(limits.lingering_timeout, reading).await;
}
