//! Notices that a client has left.
//!
//! A client that has said everything may close its side and still wait for the answer, so the end of what it sends ends
//! nothing by itself. But an answer that streams and is silent (server-sent events, a long poll) is written to nobody once
//! its reader is gone, and would keep the app's environment for ever: a connection whose client closed its side is given
//! some time for its answer, then dropped.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::TcpStream;

/// A look at a connection that something else reads and writes.
pub struct Departure(OwnedFd);

impl Departure {
    /// Of the peer of `stream`. Costs a file descriptor.
    pub fn of(stream: &TcpStream) -> io::Result<Self> {
        stream.as_fd().try_clone_to_owned().map(Self)
    }

    /// Returns when the peer closed its side at least `grace`, at most twice that, ago.
    pub async fn noticed(self, grace: Duration) {
        let mut closed_before = false;
        loop {
            tokio::time::sleep(grace).await;
            let closed = self.closed();
            if closed && closed_before {
                return;
            }
            closed_before = closed;
        }
    }

    fn closed(&self) -> bool {
        let mut look = [PollFd::new(&self.0, PollFlags::RDHUP)];
        // Without a time to wait there is nothing to be interrupted; a look that fails is repeated.
        matches!(poll(&mut look, Some(&Timespec::default())), Ok(found) if found > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_closed_side_is_noticed_whatever_waits_unread() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let departure = Departure::of(&server).unwrap();
        client.write_all(b"unread").await.unwrap();
        assert!(!departure.closed());
        client.shutdown().await.unwrap();
        departure.noticed(Duration::from_millis(10)).await;
    }
}
