//! Messages on a stream: a byte that says which, a length of four bytes that counts itself, the body.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes before each body.
pub(crate) const HEADER: usize = 5;
/// How much is read at a time.
pub(crate) const READ: usize = 16 * 1024;

/// Which message, and how long its body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) length: usize,
}

/// The header at the beginning of `bytes`, when it is there whole.
///
/// # Errors
/// `InvalidData` for a length that cannot be.
pub(crate) fn header_of(bytes: &[u8]) -> io::Result<Option<Header>> {
    let Some(head) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = i32::from_be_bytes([head[1], head[2], head[3], head[4]]);
    let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a message of no length"))?;
    Ok(Some(Header { kind: head[0], length }))
}

/// A message; the body is shorter than 2 GiB.
pub(crate) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER + body.len());
    message.push(kind);
    message.extend(u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    message.extend(body);
    message
}

/// A stream of messages with what has been read ahead.
#[derive(Debug)]
pub(crate) struct Framed<S> {
    pub(crate) stream: S,
    pub(crate) buffer: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Framed<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// Reads until `wanted` bytes are in the buffer.
    async fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(READ.max(wanted - self.buffer.len()));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// The next message whole, its body of at most `limit` bytes.
    ///
    /// # Errors
    /// `InvalidData` for a larger one, `UnexpectedEof` at the end of the stream.
    pub(crate) async fn message(&mut self, limit: usize) -> io::Result<(u8, Bytes)> {
        loop {
            let Some(header) = header_of(&self.buffer)? else {
                self.fill(HEADER).await?;
                continue;
            };
            if header.length > limit {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too large"));
            }
            self.fill(HEADER + header.length).await?;
            self.buffer.advance(HEADER);
            return Ok((header.kind, self.buffer.split_to(header.length).freeze()));
        }
    }

    /// The packet that a connection begins with, which has no kind; not a byte beyond it is read, for what may be
    /// followed by another protocol.
    pub(crate) async fn first_packet(&mut self, limit: usize) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).await?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
        if length < 8 || length > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no PostgreSQL client"));
        }
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).await?;
        Ok(body.into())
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }
}

/// Reads a body from its beginning; everything answers `None` past the end.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl<'b> Fields<'b> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn i16(&mut self) -> Option<i16> {
        self.take(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.take(4)
            .map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.i32().map(i32::cast_unsigned)
    }

    /// Text that a zero ends.
    pub(crate) fn text(&mut self) -> Option<&'b [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_whole_however_they_were_cut() {
        let (ours, mut theirs) = tokio::io::duplex(3);
        let sending = tokio::spawn(async move {
            theirs.write_all(&message(b'Q', b"hello\0")).await.unwrap();
            theirs.write_all(&message(b'S', b"")).await.unwrap();
        });
        let mut framed = Framed::new(ours);
        assert_eq!(
            framed.message(100).await.unwrap(),
            (b'Q', Bytes::from_static(b"hello\0"))
        );
        assert_eq!(framed.message(100).await.unwrap(), (b'S', Bytes::new()));
        sending.await.unwrap();
        assert!(framed.message(100).await.is_err());
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        assert!(header_of(b"Q\0\0\0\x03").is_err());
        assert!(header_of(b"Q\xff\xff\xff\xff").is_err());
        assert_eq!(header_of(b"Q\0\0").unwrap(), None);
        assert_eq!(Fields(b"no end").text(), None);
        assert_eq!(Fields(b"\0\0\x01").i32(), None);
    }
}
