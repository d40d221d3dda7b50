//! AWS Signature Version 4: who signed a request, and whether what arrived is what was signed.
//!
//! The order in which a server uses it:
//! 1. [`Claim::parse`] reads what a request *says* of itself (header or presigned query); `None` means unsigned.
//! 2. [`Payload::declared`] says how the body is bound to the signature. [`Payload::Whole`] asks for the body's hash up
//!    front; with every other kind the body may stream.
//! 3. [`Verifier::vouch`] finds the credential and checks scope and time, before any of the body is read;
//!    [`Vouched::verify`] then checks the signature.
//! 4. [`Verified::guard`] wraps the streaming body so that it ends with an error when it is not what was signed.
//!    **Nothing read from a guarded body may be acted upon before it has ended without error.**
//! 5. A [`SigV4Error`] becomes AWS's answer by [`SigV4Error::into_service_error`], worded for the protocol.
//!
//! ```ignore
//! let Some(claim) = Claim::parse(&view)? else { return anonymous() };
//! let payload = Payload::declared(&view, &claim, &rules)?;
//! let vouched = verifier.vouch(&view, &claim, &rules).await?;
//! let hash = if payload == Payload::Whole { Some(sha256(&buffer(body).await?)) } else { None };
//! let body = vouched.verify(payload, hash)?.guard(body);
//! ```
//!
//! [`Signer`] is the other side, for our own client and for tests. SigV4A (ECDSA) is refused by name: [`SigV4Error::Asymmetric`].
//! Secrets and derived keys never appear in `Debug`, errors or logs; signatures are compared in constant time.
//!
//! Sources: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>.

mod canonical;
mod chunk_encoder;
mod chunked;
mod claim;
mod error;
mod key;
mod payload;
mod rules;
mod s3_words;
mod sign;
pub(crate) mod stamp;
mod verify;

#[cfg(test)]
mod tests;

pub use canonical::RequestView;
pub use chunk_encoder::ChunkEncoder;
pub use chunked::{ChunkDecoder, Decoded};
pub use claim::{Claim, CredentialScope, Location};
pub use error::{Dialect, MissingPart, ScopeFault, SigV4Error};
pub use payload::{Payload, sha256};
pub use rules::{Profile, Rules};
pub use sign::{SignedPayload, Signer};
pub use verify::{Verified, Verifier, Vouched};

/// The longest time a presigned URL may live: 7 days, in seconds.
pub const MAX_PRESIGNED_SECS: u32 = 604_800;

pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(crate) const TERMINATOR: &str = "aws4_request";
