//! The client's side: signing requests and URLs.

use super::canonical::{self, RequestView};
use super::chunk_encoder::ChunkEncoder;
use super::chunked::ChunkSignatures;
use super::key::SigningKey;
use super::payload::Payload;
use super::rules::{Profile, Rules};
use super::{ALGORITHM, TERMINATOR, sha256, stamp};
use danbi_core::{SecretKey, Timestamp, hex};
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

/// Headers that travel unsigned, because something on the way may change them.
const UNSIGNED_HEADERS: [&str; 8] = [
    "authorization",
    "connection",
    "expect",
    "te",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// What the body of a request to sign is.
#[derive(Debug, Clone, Copy)]
pub enum SignedPayload<'a> {
    /// All of it.
    Bytes(&'a [u8]),
    /// Its SHA-256.
    Sha256([u8; 32]),
    /// S3 only: not covered.
    Unsigned,
    /// S3 only: `aws-chunked` with signatures; `x-amz-decoded-content-length` must be set by the caller.
    SignedChunks {
        /// Whether trailers follow; the caller sets `x-amz-trailer`.
        trailer: bool,
    },
    /// S3 only: `aws-chunked` with trailers and without signatures.
    UnsignedChunks,
}

impl SignedPayload<'_> {
    fn payload(self) -> Payload {
        match self {
            Self::Bytes(bytes) => Payload::Sha256(sha256(bytes)),
            Self::Sha256(hash) => Payload::Sha256(hash),
            Self::Unsigned => Payload::Unsigned,
            Self::SignedChunks { trailer } => Payload::SignedChunks { trailer },
            Self::UnsignedChunks => Payload::UnsignedChunks,
        }
    }
}

/// Signs requests with one credential for one service and region, at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// The access key id.
    pub access_key_id: &'a str,
    /// The secret.
    pub secret: &'a SecretKey,
    /// The session token of temporary credentials.
    pub session_token: Option<&'a str>,
    /// The region of the credential scope.
    pub region: &'a str,
    /// The service's signing name.
    pub service: &'a str,
    /// The time stamp.
    pub at: Timestamp,
}

impl Signer<'_> {
    /// Signs a request in its headers: sets `x-amz-date`, `x-amz-security-token`, `host` from the URI when it is not set,
    /// for S3 `x-amz-content-sha256`, and `authorization`. The encoder frames the body of the chunked kinds.
    ///
    /// # Errors
    /// When the credential's texts cannot be header values.
    pub fn sign(
        &self,
        parts: &mut Parts,
        payload: SignedPayload<'_>,
    ) -> Result<Option<ChunkEncoder>, http::header::InvalidHeaderValue> {
        let payload = payload.payload();
        let payload_hash = payload.canonical(None);
        if !parts.headers.contains_key(HOST)
            && let Some(authority) = parts.uri.authority()
        {
            parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
        }
        let rules = Rules::for_service(self.service);
        self.stamp_headers(&mut parts.headers)?;
        if rules.profile == Profile::S3 {
            parts
                .headers
                .insert("x-amz-content-sha256", HeaderValue::from_str(&payload_hash)?);
        }
        let signed = self.header_signature(&RequestView::from(&*parts), &rules, &payload_hash);
        parts
            .headers
            .insert(AUTHORIZATION, HeaderValue::from_str(&signed.authorization)?);
        let encoder = |signatures, trailer| ChunkEncoder { signatures, trailer };
        Ok(match payload {
            Payload::SignedChunks { trailer } => {
                let seed = hex::encode(signed.signature);
                Some(encoder(
                    Some(ChunkSignatures::new(self.key(), self.at, self.scope(), seed)),
                    trailer,
                ))
            }
            Payload::UnsignedChunks => Some(encoder(None, true)),
            _ => None,
        })
    }

    /// The query of a presigned URL, good for `expires_secs` (at most [`super::MAX_PRESIGNED_SECS`]), signing the headers
    /// that `view` has. For S3 the body stays open; others sign the empty body or the one that hashes to `body_sha256`.
    pub fn presign(&self, view: &RequestView<'_>, expires_secs: u32, body_sha256: Option<[u8; 32]>) -> String {
        let rules = Rules::for_service(self.service);
        let payload = if rules.profile == Profile::S3 {
            Payload::Unsigned
        } else {
            Payload::Whole
        };
        self.presigned(view, &rules, expires_secs, &payload.canonical(body_sha256))
            .0
    }

    pub(super) fn presigned(
        &self,
        view: &RequestView<'_>,
        rules: &Rules<'_>,
        expires_secs: u32,
        payload_hash: &str,
    ) -> (String, [u8; 32]) {
        let names = signed_headers(view);
        let encode = |text: &str| canonical::encode(text);
        let mut query = view.query.to_owned();
        let credential = format!("{}/{}", self.access_key_id, self.scope());
        for (name, value) in [
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", &stamp::format(self.at)),
            ("X-Amz-Expires", &expires_secs.to_string()),
            ("X-Amz-Security-Token", self.session_token.unwrap_or_default()),
            ("X-Amz-SignedHeaders", &names.join(";")),
        ] {
            if value.is_empty() {
                continue;
            }
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(&format!("{name}={}", encode(value)));
        }
        let stamped = RequestView { query: &query, ..*view };
        let signature = self.signature(&stamped, rules, &names, payload_hash);
        query.push_str("&X-Amz-Signature=");
        query.push_str(&hex::encode(signature));
        (query, signature)
    }

    pub(super) fn stamp_headers(&self, headers: &mut HeaderMap) -> Result<(), http::header::InvalidHeaderValue> {
        headers.insert("x-amz-date", HeaderValue::from_str(&stamp::format(self.at))?);
        if let Some(token) = self.session_token {
            let mut value = HeaderValue::from_str(token)?;
            value.set_sensitive(true);
            headers.insert("x-amz-security-token", value);
        }
        Ok(())
    }

    pub(super) fn header_signature(
        &self,
        view: &RequestView<'_>,
        rules: &Rules<'_>,
        payload_hash: &str,
    ) -> HeaderSignature {
        let names = signed_headers(view);
        let signature = self.signature(view, rules, &names, payload_hash);
        let authorization = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={}",
            self.access_key_id,
            self.scope(),
            names.join(";"),
            hex::encode(signature)
        );
        HeaderSignature {
            authorization,
            signature,
        }
    }

    fn signature(&self, view: &RequestView<'_>, rules: &Rules<'_>, names: &[String], payload_hash: &str) -> [u8; 32] {
        let request = canonical::request(view, rules.profile.path_rule(), names, &[], payload_hash);
        self.key()
            .sign(canonical::string_to_sign(&stamp::format(self.at), &self.scope(), &request).as_bytes())
    }

    fn key(&self) -> SigningKey {
        SigningKey::derive(self.secret, &stamp::format_day(self.at), self.region, self.service)
    }

    fn scope(&self) -> String {
        format!(
            "{}/{}/{}/{TERMINATOR}",
            stamp::format_day(self.at),
            self.region,
            self.service
        )
    }
}

pub(super) struct HeaderSignature {
    pub(super) authorization: String,
    pub(super) signature: [u8; 32],
}

fn signed_headers(view: &RequestView<'_>) -> Vec<String> {
    let mut names: Vec<String> = view
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| !UNSIGNED_HEADERS.contains(name))
        .map(str::to_owned)
        .collect();
    if !view.headers.contains_key(HOST) {
        names.push("host".into());
    }
    names.sort_unstable();
    names
}
