//! `aws-chunked` bodies: framing, chunk signatures and trailers, decoded as they stream.

use super::canonical::RequestView;
use super::error::SigV4Error;
use super::key::SigningKey;
use super::stamp;
use bytes::{Buf, Bytes};
use danbi_core::{Body, BodyError, Timestamp, hex};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Frame, SizeHint};
use sha2::{Digest, Sha256};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use subtle::ConstantTimeEq;

/// The longest line before a chunk: 16 hexadecimal digits, `;chunk-signature=` and 64 more are 97 bytes.
const MAX_HEADER_LINE: usize = 256;
/// The longest trailer line.
const MAX_TRAILER_LINE: usize = 4096;
/// The most trailer lines, the signature included.
const MAX_TRAILERS: usize = 16;
/// The largest chunk, S3's largest single upload: 5 GiB.
const MAX_CHUNK: u64 = 5 << 30;
/// Every chunk but the last has at least this size.
const MIN_CHUNK: u64 = 8192;
/// The trailer that carries the signature of the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// The chain of signatures that begins with the request's own.
pub(super) struct ChunkSignatures {
    key: SigningKey,
    stamp: String,
    scope: String,
    previous: String,
}

impl fmt::Debug for ChunkSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkSignatures(…)")
    }
}

impl ChunkSignatures {
    pub(super) fn new(key: SigningKey, signed_at: Timestamp, scope: String, seed: String) -> Self {
        Self {
            key,
            stamp: stamp::format(signed_at),
            scope,
            previous: seed,
        }
    }

    /// The signature of the next chunk, whose bytes hash to `sha256`; the chain moves on.
    pub(super) fn chunk(&mut self, sha256: [u8; 32]) -> [u8; 32] {
        let empty = hex::encode(super::sha256(b""));
        let text = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{}\n{empty}\n{}",
            self.stamp,
            self.scope,
            self.previous,
            hex::encode(sha256)
        );
        self.advance(&text)
    }

    /// The signature of the trailers, given as `name:value\n` lines.
    pub(super) fn trailer(&mut self, lines: &[u8]) -> [u8; 32] {
        let hash = hex::encode(super::sha256(lines));
        let text = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{}\n{hash}",
            self.stamp, self.scope, self.previous
        );
        self.advance(&text)
    }

    fn advance(&mut self, text: &str) -> [u8; 32] {
        let signature = self.key.sign(text.as_bytes());
        self.previous = hex::encode(signature);
        signature
    }
}

/// What comes out of a [`ChunkDecoder`].
#[derive(Debug, PartialEq)]
pub enum Decoded {
    /// The next bytes of the body; proven only once the whole body is.
    Data(Bytes),
    /// The trailers, without their signature. Nothing follows.
    Trailers(HeaderMap),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In the line before a chunk.
    Header,
    /// In a chunk, this many bytes before its end.
    Data(u64),
    /// At the CRLF after a chunk.
    DataEnd,
    /// In the lines after the last chunk, when trailers are announced.
    Trailer,
    /// At the CRLF after the last chunk, when none are.
    LastEnd,
    /// Behind the end.
    Done,
}

/// Decodes an `aws-chunked` body piece by piece, holding no more than one line.
///
/// Feed it with [`ChunkDecoder::push`]; at the end of input call [`ChunkDecoder::finish`].
#[derive(Debug)]
pub struct ChunkDecoder {
    signatures: Option<ChunkSignatures>,
    announced: Option<Vec<HeaderName>>,
    decoded_length: Option<u64>,
    state: State,
    line: Vec<u8>,
    hash: Sha256,
    expected: Option<[u8; 32]>,
    chunks: u64,
    small: Option<(u64, u64)>,
    total: u64,
    trailers: HeaderMap,
    trailer_lines: Vec<u8>,
    trailer_count: usize,
    trailer_signed: bool,
}

impl ChunkDecoder {
    /// For `STREAMING-UNSIGNED-PAYLOAD-TRAILER`. Trailers must be those that `x-amz-trailer` names, and the body as long
    /// as `x-amz-decoded-content-length` says.
    ///
    /// # Errors
    /// [`SigV4Error::DecodedLengthMissing`], [`SigV4Error::MalformedTrailer`].
    pub fn unsigned(view: &RequestView<'_>) -> Result<Self, SigV4Error> {
        Self::new(None, true, view)
    }

    pub(super) fn signed(
        signatures: ChunkSignatures,
        trailer: bool,
        view: &RequestView<'_>,
    ) -> Result<Self, SigV4Error> {
        Self::new(Some(signatures), trailer, view)
    }

    fn new(signatures: Option<ChunkSignatures>, trailer: bool, view: &RequestView<'_>) -> Result<Self, SigV4Error> {
        let length = view
            .header("x-amz-decoded-content-length")
            .ok_or(SigV4Error::DecodedLengthMissing)?;
        let decoded_length = Some(length.parse::<u64>().map_err(|_| SigV4Error::DecodedLengthMissing)?);
        let announced = if trailer { Some(announced(view)?) } else { None };
        Ok(Self {
            signatures,
            announced,
            decoded_length,
            state: State::Header,
            line: Vec::new(),
            hash: Sha256::new(),
            expected: None,
            chunks: 0,
            small: None,
            total: 0,
            trailers: HeaderMap::new(),
            trailer_lines: Vec::new(),
            trailer_count: 0,
            trailer_signed: false,
        })
    }

    /// How many bytes the body has when decoded, as the request says.
    pub fn decoded_length(&self) -> Option<u64> {
        self.decoded_length
    }

    /// Takes what it can from the front of `input`; `None` when it needs more.
    ///
    /// # Errors
    /// Broken framing, a wrong signature, a wrong length: the body must then be thrown away.
    pub fn push(&mut self, input: &mut Bytes) -> Result<Option<Decoded>, SigV4Error> {
        while !input.is_empty() {
            match self.state {
                State::Header => {
                    if let Some(line) = self.take_line(input, MAX_HEADER_LINE)? {
                        self.chunk_header(&line)?;
                    }
                }
                State::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(take);
                    if self.signatures.is_some() {
                        self.hash.update(&data);
                    }
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(Some(Decoded::Data(data)));
                }
                State::DataEnd => {
                    if let Some(line) = self.take_line(input, 2)? {
                        if !line.is_empty() {
                            return Err(SigV4Error::MalformedChunk("a chunk is longer than it says"));
                        }
                        self.check_chunk()?;
                        self.state = State::Header;
                    }
                }
                State::LastEnd => {
                    if let Some(line) = self.take_line(input, 2)? {
                        if !line.is_empty() {
                            return Err(SigV4Error::MalformedChunk("no line end after the last chunk"));
                        }
                        self.state = State::Done;
                    }
                }
                State::Trailer => {
                    if let Some(line) = self.take_line(input, MAX_TRAILER_LINE)?
                        && self.trailer_line(&line)?
                    {
                        return Ok(Some(Decoded::Trailers(std::mem::take(&mut self.trailers))));
                    }
                }
                State::Done => return Err(SigV4Error::MalformedChunk("bytes after the end")),
            }
        }
        Ok(None)
    }

    /// To be called when the input has ended.
    ///
    /// # Errors
    /// [`SigV4Error::Truncated`] when the body had not.
    pub fn finish(&mut self) -> Result<(), SigV4Error> {
        match self.state {
            State::Done => Ok(()),
            // The last chunk has been seen and proven; some clients leave out the empty line after it.
            State::LastEnd if self.line.is_empty() => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(SigV4Error::Truncated),
        }
    }

    /// The next line without its end, once it is there whole. `limit` counts the line end.
    fn take_line(&mut self, input: &mut Bytes, limit: usize) -> Result<Option<Vec<u8>>, SigV4Error> {
        let end = input.iter().position(|b| *b == b'\n');
        let take = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + take > limit {
            return Err(SigV4Error::MalformedChunk("a line is too long"));
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(take);
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        } else if self.state != State::Trailer {
            return Err(SigV4Error::MalformedChunk("a line does not end with CRLF"));
        }
        Ok(Some(line))
    }

    fn chunk_header(&mut self, line: &[u8]) -> Result<(), SigV4Error> {
        const BAD: SigV4Error = SigV4Error::MalformedChunk("a chunk does not begin with its size");
        let text = std::str::from_utf8(line).map_err(|_| BAD)?;
        let (size, extension) = text.split_once(';').unwrap_or((text, ""));
        if size.is_empty() || size.len() > 16 || !size.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(BAD);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| BAD)?;
        if size > MAX_CHUNK {
            return Err(SigV4Error::MalformedChunk("a chunk is larger than 5 GiB"));
        }
        if self.signatures.is_some() {
            let signature = extension
                .trim()
                .strip_prefix("chunk-signature=")
                .and_then(hex::decode_array);
            self.expected = Some(signature.ok_or(SigV4Error::MalformedChunk("a chunk has no signature"))?);
        }
        if size > 0 {
            // Only now is it known that the chunk before was not the last.
            if let Some((chunk, size)) = self.small {
                return Err(SigV4Error::ChunkTooSmall { chunk, size });
            }
            self.chunks += 1;
            self.small = (size < MIN_CHUNK).then_some((self.chunks, size));
            self.total = self.total.saturating_add(size);
            if let Some(declared) = self.decoded_length.filter(|declared| self.total > *declared) {
                return Err(SigV4Error::LengthMismatch {
                    declared,
                    got: self.total,
                });
            }
            self.state = State::Data(size);
            return Ok(());
        }
        self.check_chunk()?;
        if let Some(declared) = self.decoded_length.filter(|declared| self.total != *declared) {
            return Err(SigV4Error::LengthMismatch {
                declared,
                got: self.total,
            });
        }
        self.state = if self.announced.is_some() {
            State::Trailer
        } else {
            State::LastEnd
        };
        Ok(())
    }

    fn check_chunk(&mut self) -> Result<(), SigV4Error> {
        let Some(signatures) = &mut self.signatures else {
            return Ok(());
        };
        let hash = std::mem::take(&mut self.hash).finalize().into();
        let right = signatures.chunk(hash);
        match self.expected.take() {
            Some(given) if bool::from(given.ct_eq(&right)) => Ok(()),
            _ => Err(SigV4Error::ChunkMismatch),
        }
    }

    /// Takes one line after the last chunk; `true` when it was the one that ends the body.
    fn trailer_line(&mut self, line: &[u8]) -> Result<bool, SigV4Error> {
        const BAD: SigV4Error = SigV4Error::MalformedTrailer("a line is not name:value");
        let announced = self.announced.as_deref().unwrap_or_default();
        // AWS's documents end the trailers with an extra LF CRLF before the signature: an empty line ends the body only
        // when nothing is missing.
        if line.is_empty() {
            let complete =
                self.trailers.keys_len() == announced.len() && (self.signatures.is_none() || self.trailer_signed);
            if complete {
                self.state = State::Done;
                return Ok(true);
            }
            self.trailer_count += 1;
            if self.trailer_count > MAX_TRAILERS || self.trailers.keys_len() != announced.len() {
                return Err(SigV4Error::MalformedTrailer("an announced trailer is missing"));
            }
            return Ok(false);
        }
        self.trailer_count += 1;
        if self.trailer_count > MAX_TRAILERS || self.trailer_signed {
            return Err(SigV4Error::MalformedTrailer("too many lines"));
        }
        let colon = line.iter().position(|b| *b == b':').ok_or(BAD)?;
        let name = HeaderName::from_bytes(line[..colon].trim_ascii()).map_err(|_| BAD)?;
        let value = line[colon + 1..].trim_ascii();
        if name == TRAILER_SIGNATURE {
            let Some(signatures) = &mut self.signatures else {
                return Err(SigV4Error::MalformedTrailer("a signature on an unsigned body"));
            };
            let given = std::str::from_utf8(value)
                .ok()
                .and_then(hex::decode_array::<32>)
                .ok_or(BAD)?;
            if !bool::from(given.ct_eq(&signatures.trailer(&self.trailer_lines))) {
                return Err(SigV4Error::ChunkMismatch);
            }
            self.trailer_signed = true;
            return Ok(false);
        }
        if !announced.contains(&name) || self.trailers.contains_key(&name) {
            return Err(SigV4Error::MalformedTrailer("a trailer that was not announced"));
        }
        self.trailer_lines.extend_from_slice(name.as_str().as_bytes());
        self.trailer_lines.push(b':');
        self.trailer_lines.extend_from_slice(value);
        self.trailer_lines.push(b'\n');
        self.trailers
            .insert(name, HeaderValue::from_bytes(value).map_err(|_| BAD)?);
        Ok(false)
    }
}

/// The trailers that the request says will come.
fn announced(view: &RequestView<'_>) -> Result<Vec<HeaderName>, SigV4Error> {
    let mut names = Vec::new();
    for value in view.headers.get_all("x-amz-trailer") {
        for name in value
            .as_bytes()
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
            .filter(|name| !name.is_empty())
        {
            let name = HeaderName::from_bytes(name)
                .map_err(|_| SigV4Error::MalformedTrailer("x-amz-trailer is not a list of names"))?;
            if !names.contains(&name) && names.len() < MAX_TRAILERS {
                names.push(name);
            }
        }
    }
    Ok(names)
}

/// The decoded form of an `aws-chunked` body: data frames, then a trailers frame when there are trailers.
pub(super) struct ChunkedBody {
    inner: Body,
    decoder: ChunkDecoder,
    input: Bytes,
    length: Option<u64>,
    given: u64,
    ended: bool,
}

impl ChunkedBody {
    pub(super) fn new(inner: Body, decoder: ChunkDecoder) -> Self {
        let length = decoder.decoded_length();
        Self {
            inner,
            decoder,
            input: Bytes::new(),
            length,
            given: 0,
            ended: false,
        }
    }

    fn fail(&mut self, error: impl Into<BodyError>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.ended = true;
        Poll::Ready(Some(Err(error.into())))
    }
}

impl http_body::Body for ChunkedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            match this.decoder.push(&mut this.input) {
                Ok(Some(Decoded::Data(data))) => {
                    this.given += data.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Ok(Some(Decoded::Trailers(trailers))) if !trailers.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Ok(Some(Decoded::Trailers(_))) => continue,
                Ok(None) => {}
                Err(error) => return this.fail(error),
            }
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.input = data;
                    }
                }
                Some(Err(error)) => return this.fail(error),
                None => match this.decoder.finish() {
                    Ok(()) => this.ended = true,
                    Err(error) => return this.fail(error),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        // A lower bound only: an exact hint invites a reader to stop before the last signature has been checked.
        let mut hint = SizeHint::new();
        hint.set_lower(
            self.length
                .map_or(0, |length| length.saturating_sub(self.given))
                .min(1 << 20),
        );
        hint
    }
}
