//! Request bodies with a `Content-Encoding`: `gzip` and `deflate` (which is zlib's form, RFC 9110).
//!
//! A body is decoded only once its signature is verified, over the bytes as sent; never to more than the operation's
//! limit; and what it takes in memory is accounted for as it grows.

use super::budget::Held;
use bytes::Bytes;
use danbi_core::ServiceError;
use flate2::bufread::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::io::Read;

/// Bytes that are decoded at once, after which other tasks have their turn.
const PIECE: usize = 32 * 1024;
/// The most compressed streams one after the other in a body: each costs its own set-up, even an empty one.
const MAX_MEMBERS: usize = 1024;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
}

/// A `Content-Encoding` that is not spoken here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownCoding;

impl Coding {
    /// What the headers say. More than one coding on top of another is unknown.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, UnknownCoding> {
        let mut coding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.to_str().map_err(|_| UnknownCoding)?.split(',') {
                let next = match name.trim().to_ascii_lowercase().as_str() {
                    // `amz-1.0` is how older AWS clients name what they do not compress.
                    "" | "identity" | "amz-1.0" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    _ => return Err(UnknownCoding),
                };
                if coding != Self::Identity {
                    return Err(UnknownCoding);
                }
                coding = next;
            }
        }
        Ok(coding)
    }

    /// The content of `body`, when it has at most `limit` bytes and `held` has room for them.
    ///
    /// # Errors
    /// `too_large` beyond the limit; `corrupt` when the body is cut short, broken, empty, or followed by something
    /// else; 503 when there is no room.
    pub(super) async fn decode(
        self,
        body: Bytes,
        held: &mut Held,
        limit: usize,
        too_large: impl Fn() -> ServiceError,
        corrupt: impl Fn() -> ServiceError,
    ) -> Result<Bytes, ServiceError> {
        if self == Self::Identity {
            return Ok(body);
        }
        let mut content = Vec::new();
        let mut piece = vec![0; PIECE];
        let mut rest: &[u8] = &body;
        for _ in 0..MAX_MEMBERS {
            let mut member = match self {
                Self::Deflate => Member::Zlib(Decompress::new(true), rest),
                Self::Identity | Self::Gzip => Member::Gzip(GzDecoder::new(rest)),
            };
            loop {
                let count = member.read(&mut piece).map_err(|_| corrupt())?;
                if count == 0 {
                    break;
                }
                if content.len() + count > limit {
                    return Err(too_large());
                }
                held.grow_to(body.len() + content.len() + count)?;
                content.extend_from_slice(&piece[..count]);
                tokio::task::yield_now().await;
            }
            rest = member.rest();
            if rest.is_empty() {
                return Ok(content.into());
            }
        }
        Err(corrupt())
    }
}

/// One compressed stream and what follows it.
enum Member<'b> {
    Gzip(GzDecoder<&'b [u8]>),
    /// flate2's reader of zlib streams takes a cut one for a whole one, so this is driven by hand.
    Zlib(Decompress, &'b [u8]),
}

impl<'b> Member<'b> {
    /// Fills from the content; 0 at the stream's proper end.
    fn read(&mut self, piece: &mut [u8]) -> std::io::Result<usize> {
        let (stream, rest) = match self {
            Self::Gzip(stream) => return stream.read(piece),
            Self::Zlib(stream, rest) => (stream, rest),
        };
        loop {
            let (taken, given) = (stream.total_in(), stream.total_out());
            let status = stream.decompress(rest, piece, FlushDecompress::None)?;
            // Both are bounded by a slice's length.
            let taken = (stream.total_in() - taken) as usize;
            let given = (stream.total_out() - given) as usize;
            *rest = &rest[taken..];
            match status {
                _ if given > 0 => return Ok(given),
                Status::StreamEnd => return Ok(0),
                Status::Ok | Status::BufError if taken == 0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                Status::Ok | Status::BufError => {}
            }
        }
    }

    fn rest(self) -> &'b [u8] {
        match self {
            Self::Gzip(stream) => stream.into_inner(),
            Self::Zlib(_, rest) => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::budget::Budget;
    use super::*;
    use danbi_core::Principal;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderValue;
    use std::io::Write;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    async fn decode(coding: Coding, body: Vec<u8>, limit: usize) -> Result<Bytes, u16> {
        let mut held = Budget::default().open(&Principal::Anonymous);
        let too_large = || ServiceError::client("TooLarge", 413, "");
        let corrupt = || ServiceError::client("Corrupt", 400, "");
        let decoded = coding.decode(body.into(), &mut held, limit, too_large, corrupt).await;
        decoded.map_err(|error| error.status)
    }

    #[test]
    fn names_are_read_in_any_case_and_what_is_not_spoken_is_refused() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            Coding::of(&headers)
        };
        assert_eq!(of(&[]), Ok(Coding::Identity));
        assert_eq!(of(&["amz-1.0"]), Ok(Coding::Identity));
        assert_eq!(of(&["GZip"]), Ok(Coding::Gzip));
        assert_eq!(of(&["identity, deflate"]), Ok(Coding::Deflate));
        assert_eq!(of(&["garbage"]), Err(UnknownCoding));
        assert_eq!(of(&["gzip", "gzip"]), Err(UnknownCoding));
    }

    #[tokio::test]
    async fn one_and_several_streams_are_decoded() {
        let long: Vec<u8> = (0..300_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        for (coding, encode) in [(Coding::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Coding::Deflate, zlib)] {
            let halves = [encode(&long[..10]), encode(&long[10..])].concat();
            for body in [encode(&long), halves] {
                assert_eq!(decode(coding, body, long.len()).await.unwrap(), long);
            }
            assert_eq!(decode(coding, encode(b""), 10).await.unwrap(), "");
        }
        assert_eq!(decode(Coding::Identity, long.clone(), 0).await.unwrap(), long);
    }

    #[tokio::test]
    async fn what_is_cut_broken_or_followed_by_junk_is_refused() {
        for (coding, encode) in [(Coding::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Coding::Deflate, zlib)] {
            let good = encode(b"some content that is worth it");
            for cut in 0..good.len() {
                assert_eq!(
                    decode(coding, good[..cut].to_vec(), 1000).await,
                    Err(400),
                    "{coding:?} {cut}"
                );
            }
            let mut flipped = good.clone();
            *flipped.last_mut().unwrap() ^= 1;
            let junk = [&good[..], b"junk"].concat();
            for body in [flipped, junk, b"{\"not\": \"compressed\"}".to_vec()] {
                assert_eq!(decode(coding, body, 1000).await, Err(400), "{coding:?}");
            }
            let many = encode(b"").repeat(MAX_MEMBERS + 1);
            assert_eq!(decode(coding, many, 1000).await, Err(400), "{coding:?}");
        }
    }

    #[tokio::test]
    async fn a_bomb_is_refused_at_the_limit() {
        let content = vec![b' '; 20 * 1024 * 1024];
        for (coding, bomb) in [(Coding::Gzip, gzip(&content)), (Coding::Deflate, zlib(&content))] {
            assert!(bomb.len() < 100_000);
            let split = bomb.repeat(3);
            assert_eq!(decode(coding, bomb, 1_000_000).await, Err(413));
            assert_eq!(decode(coding, split, content.len()).await, Err(413));
        }
    }
}
