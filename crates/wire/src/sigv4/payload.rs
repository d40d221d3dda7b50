//! How a body is bound to the signature, and the body that checks it.

use super::canonical::RequestView;
use super::claim::{Claim, Location};
use super::error::SigV4Error;
use super::rules::{Profile, Rules};
use bytes::Bytes;
use danbi_core::{Body, BodyError, hex};
use http_body::{Frame, SizeHint};
use sha2::{Digest, Sha256};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use subtle::ConstantTimeEq;

/// The SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// How the body is bound to the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// The canonical request ends with the hash of the body as it arrived: buffer it and give its hash to the verifier.
    Whole,
    /// The request declares the body's SHA-256; the body streams and is checked at its end.
    Sha256([u8; 32]),
    /// `UNSIGNED-PAYLOAD`: the body is not covered.
    Unsigned,
    /// `aws-chunked`, each chunk signed; with `trailer`, signed trailing headers follow.
    SignedChunks {
        /// Whether trailers follow the last chunk.
        trailer: bool,
    },
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: `aws-chunked` without signatures, then trailers.
    UnsignedChunks,
}

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const SIGNED_CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

impl Payload {
    /// What the request declares. Services other than S3 sign the body itself, whatever `x-amz-content-sha256` says.
    ///
    /// # Errors
    /// For S3: [`SigV4Error::ContentSha256Missing`], [`SigV4Error::ContentSha256Invalid`], and
    /// [`SigV4Error::Asymmetric`] for SigV4A chunks.
    pub fn declared(view: &RequestView<'_>, claim: &Claim, rules: &Rules<'_>) -> Result<Self, SigV4Error> {
        if rules.profile == Profile::Standard {
            return Ok(Self::Whole);
        }
        let header = view.header("x-amz-content-sha256").map(str::to_owned);
        let declared = match claim.location {
            Location::Header => header.ok_or(SigV4Error::ContentSha256Missing)?,
            // A presigned URL leaves the body open, unless it was made with a hash.
            Location::Query => match view.parameter("X-Amz-Content-Sha256").or(header) {
                Some(text) => text,
                None => return Ok(Self::Unsigned),
            },
        };
        match declared.as_str() {
            UNSIGNED => Ok(Self::Unsigned),
            SIGNED_CHUNKS => Ok(Self::SignedChunks { trailer: false }),
            SIGNED_CHUNKS_TRAILER => Ok(Self::SignedChunks { trailer: true }),
            UNSIGNED_CHUNKS => Ok(Self::UnsignedChunks),
            text if text.starts_with("STREAMING-AWS4-ECDSA") => Err(SigV4Error::Asymmetric),
            text => hex::decode_array(text)
                .map(Self::Sha256)
                .ok_or(SigV4Error::ContentSha256Invalid),
        }
    }

    /// The last line of the canonical request. `body_sha256` is used by [`Payload::Whole`] alone.
    pub(super) fn canonical(self, body_sha256: Option<[u8; 32]>) -> String {
        match self {
            Self::Whole => hex::encode(body_sha256.unwrap_or_else(|| sha256(b""))),
            Self::Sha256(hash) => hex::encode(hash),
            Self::Unsigned => UNSIGNED.into(),
            Self::SignedChunks { trailer: false } => SIGNED_CHUNKS.into(),
            Self::SignedChunks { trailer: true } => SIGNED_CHUNKS_TRAILER.into(),
            Self::UnsignedChunks => UNSIGNED_CHUNKS.into(),
        }
    }
}

/// Compares a body's hash with the declared one.
pub(super) fn check_hash(declared: &[u8; 32], computed: &[u8; 32]) -> Result<(), SigV4Error> {
    if bool::from(declared.ct_eq(computed)) {
        return Ok(());
    }
    Err(SigV4Error::PayloadMismatch {
        declared: hex::encode(declared),
        computed: hex::encode(computed),
    })
}

/// A body that ends with [`SigV4Error::PayloadMismatch`] unless its SHA-256 is the declared one.
///
/// When the length is known beforehand the last piece is held back until the check, so that a reader that stops after
/// `Content-Length` bytes cannot miss it.
pub(super) struct HashedBody {
    inner: Body,
    declared: [u8; 32],
    hash: Option<Sha256>,
}

impl HashedBody {
    pub(super) fn new(inner: Body, declared: [u8; 32]) -> Self {
        Self {
            inner,
            declared,
            hash: Some(Sha256::new()),
        }
    }

    fn check(&mut self) -> Result<(), SigV4Error> {
        let Some(hash) = self.hash.take() else { return Ok(()) };
        check_hash(&self.declared, &hash.finalize().into())
    }
}

impl http_body::Body for HashedBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
            Some(Ok(frame)) => {
                if let (Some(data), Some(hash)) = (frame.data_ref(), this.hash.as_mut()) {
                    hash.update(data);
                }
                if this.inner.is_end_stream() {
                    this.check()?;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => {
                this.hash = None;
                Poll::Ready(Some(Err(error)))
            }
            None => match this.check() {
                Ok(()) => Poll::Ready(None),
                Err(error) => Poll::Ready(Some(Err(error.into()))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.hash.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
