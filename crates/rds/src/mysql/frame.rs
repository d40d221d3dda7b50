//! Packets on a stream: a length of three bytes, a sequence number, the payload.

use bytes::{Buf, Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes before each payload.
pub(crate) const HEADER: usize = 4;
/// A payload of this length goes on in the next packet.
pub(crate) const FULL: usize = 0xff_ff_ff;
/// How much is read at a time.
const READ: usize = 16 * 1024;

/// Length of the payload and sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) sequence: u8,
}

/// A stream of packets with what has been read ahead.
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

    /// Reads until `wanted` bytes are in the buffer; `false` when the stream ended before. Cancel-safe.
    pub(crate) async fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.buffer.len() < wanted {
            self.buffer.reserve(READ.max(wanted - self.buffer.len()));
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next packet's header, which stays in the buffer; `None` at the end of the stream. Cancel-safe.
    pub(crate) async fn header(&mut self) -> io::Result<Option<Header>> {
        if !self.fill(HEADER).await? {
            return match self.buffer.is_empty() {
                true => Ok(None),
                false => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        Ok(Some(header_of(&self.buffer)))
    }

    /// The next packet whole, at most `limit` bytes.
    ///
    /// # Errors
    /// `InvalidData` for a larger one, `UnexpectedEof` at the end of the stream.
    pub(crate) async fn packet(&mut self, limit: usize) -> io::Result<(u8, Bytes)> {
        let Some(header) = self.header().await? else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if header.length > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet is too large"));
        }
        if !self.fill(HEADER + header.length).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.advance(HEADER);
        Ok((header.sequence, self.buffer.split_to(header.length).freeze()))
    }

    /// The same without reading a byte beyond it, for what may be followed by another protocol.
    pub(crate) async fn packet_alone(&mut self, limit: usize) -> io::Result<(u8, Bytes)> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).await?;
        let header = header_of(&header);
        if header.length > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet is too large"));
        }
        let mut payload = vec![0; header.length];
        self.stream.read_exact(&mut payload).await?;
        Ok((header.sequence, payload.into()))
    }

    /// Sends one packet, which must be shorter than [`FULL`].
    pub(crate) async fn send(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(sequence, payload)).await?;
        self.stream.flush().await
    }
}

/// The header at the beginning of `bytes`, which hold at least [`HEADER`].
pub(crate) fn header_of(bytes: &[u8]) -> Header {
    Header {
        length: usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16,
        sequence: bytes[3],
    }
}

/// A payload with its header.
pub(crate) fn frame(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len().min(FULL - 1);
    let mut framed = Vec::with_capacity(HEADER + length);
    framed.extend(&u32::try_from(length).unwrap_or(0).to_le_bytes()[..3]);
    framed.push(sequence);
    framed.extend(&payload[..length]);
    framed
}

/// Reads a payload from its beginning; everything answers `None` past the end.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'p>(pub(crate) &'p [u8]);

impl<'p> Fields<'p> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'p [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4)
            .map(|bytes| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// An integer whose first byte tells its length. `None` also for the mark of NULL.
    pub(crate) fn length(&mut self) -> Option<u64> {
        let wide = |bytes: &[u8]| {
            bytes
                .iter()
                .rev()
                .fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        match self.u8()? {
            short @ 0..=0xfa => Some(u64::from(short)),
            0xfc => self.take(2).map(wide),
            0xfd => self.take(3).map(wide),
            0xfe => self.take(8).map(wide),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'p [u8]> {
        let length = usize::try_from(self.length()?).ok()?;
        self.take(length)
    }

    /// Text that a zero ends; the zero may be missing at the end of the payload.
    pub(crate) fn zero_ended(&mut self) -> Option<&'p [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = self.take(end)?;
        self.0 = self.0.get(1..).unwrap_or_default();
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_arrive_whole_however_they_were_cut() {
        let (ours, mut theirs) = tokio::io::duplex(3);
        let sending = tokio::spawn(async move {
            theirs.write_all(&frame(7, b"hello")).await.unwrap();
            theirs.write_all(&frame(8, b"")).await.unwrap();
        });
        let mut framed = Framed::new(ours);
        assert_eq!(framed.packet(100).await.unwrap(), (7, Bytes::from_static(b"hello")));
        assert_eq!(framed.packet(100).await.unwrap(), (8, Bytes::new()));
        sending.await.unwrap();
        assert!(framed.header().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_follows_a_packet_alone_stays_in_the_stream() {
        let (ours, mut theirs) = tokio::io::duplex(100);
        theirs.write_all(&frame(1, b"hello")).await.unwrap();
        theirs.write_all(b"another protocol").await.unwrap();
        let mut framed = Framed::new(ours);
        assert_eq!(
            framed.packet_alone(100).await.unwrap(),
            (1, Bytes::from_static(b"hello"))
        );
        assert!(framed.buffer.is_empty());
        let mut rest = [0; 16];
        framed.stream.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"another protocol");
    }

    #[test]
    fn numbers_and_text_never_read_past_the_end() {
        assert_eq!(Fields(&[0xfc, 1, 2]).length(), Some(0x0201));
        assert_eq!(Fields(&[0xfe, 1]).length(), None);
        assert_eq!(Fields(&[0xfb]).length(), None);
        assert_eq!(Fields(&[5, b'a']).text(), None);
        assert_eq!(Fields(b"ab").zero_ended(), Some(b"ab".as_slice()));
    }
}
