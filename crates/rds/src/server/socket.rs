//! A connection to a server's socket.

use rustix::net::{SendFlags, Shutdown};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// A connection to a server's socket that wakes its task for what the server says, and not each time that the server
/// has read: a Unix socket announces room for more then, which would cost every statement a wake-up for nothing.
#[derive(Debug)]
pub(crate) struct Socket {
    /// What is registered for reading alone; that it is no pipe does not matter to it.
    reads: pipe::Receiver,
    /// The same socket while the server does not take what it is sent.
    writes: Option<pipe::Sender>,
}

impl Socket {
    /// Over a connection that was made.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        // It stays as it is, non-blocking.
        let stream = OwnedFd::from(stream.into_std()?);
        Ok(Self {
            reads: pipe::Receiver::from_owned_fd_unchecked(stream)?,
            writes: None,
        })
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().reads).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let writes = match &mut this.writes {
            Some(writes) => writes,
            None => match rustix::io::retry_on_intr(|| rustix::net::send(&this.reads, bytes, SendFlags::NOSIGNAL)) {
                Err(rustix::io::Errno::AGAIN) => {
                    let same = rustix::io::fcntl_dupfd_cloexec(&this.reads, 0)?;
                    this.writes.insert(pipe::Sender::from_owned_fd_unchecked(same)?)
                }
                sent => return Poll::Ready(Ok(sent?)),
            },
        };
        let written = ready!(Pin::new(writes).poll_write(context, bytes));
        this.writes = None;
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(rustix::net::shutdown(&self.reads, Shutdown::Write)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn what_the_other_side_does_not_take_at_once_arrives_nevertheless() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut socket = Socket::new(ours).unwrap();
        let said: Vec<u8> = (0_u8..=255).cycle().take(4 << 20).collect();
        let expected = said.clone();
        let writing = tokio::spawn(async move {
            socket.write_all(&said).await.unwrap();
            socket.write_all(b"more").await.unwrap();
            socket
        });
        let mut heard = vec![0; expected.len() + 4];
        theirs.read_exact(&mut heard).await.unwrap();
        assert!(heard[..expected.len()] == expected && heard.ends_with(b"more"));
        let mut socket = writing.await.unwrap();
        assert!(socket.writes.is_none());
        theirs.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
        drop(theirs);
        assert_eq!(socket.read(&mut answer).await.unwrap(), 0);
        assert!(socket.write_all(b"gone").await.is_err());
    }

    #[tokio::test]
    async fn the_end_of_what_is_said_is_heard() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut socket = Socket::new(ours).unwrap();
        socket.write_all(b"bye").await.unwrap();
        socket.shutdown().await.unwrap();
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"bye");
    }
}
