use crate::{Principal, Scope};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use uuid::Uuid;

/// The id of one request, a version 4 UUID in lower case, as in `x-amzn-RequestId`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A fresh random id.
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a request was signed, as far as policies may ask (`s3:authType`, `s3:signatureversion`, `s3:signatureAge`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureFacts {
    /// `AWS4-HMAC-SHA256`, or `AWS` for version 2.
    pub version: &'static str,
    /// `REST-HEADER`, `REST-QUERY-STRING` or `POST`.
    pub kind: &'static str,
    /// Milliseconds since it was signed; 0 when the signature does not say.
    pub age_ms: u64,
    /// The id of the access key that it was signed with; empty for forms.
    pub access_key_id: String,
}

/// A resource that a service acts for: a bucket whose events S3 sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceResource {
    /// Its ARN.
    pub arn: String,
    /// The account that owns it.
    pub account: crate::AccountId,
}

/// What few services ask of a request besides its input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestFacts {
    /// The path as it was sent, still encoded, without the query: S3 names it in its errors.
    pub resource: String,
    /// `Referer`, cut to 4 KiB (`aws:Referer`).
    pub referer: Option<String>,
    /// How it was signed; `None` when it was not.
    pub signature: Option<SignatureFacts>,
    /// For which resource a service of the platform asks (`aws:SourceArn`, `aws:SourceAccount`); `None` for requests from
    /// outside.
    pub source: Option<SourceResource>,
    /// `x-amz-content-sha256` as it was sent (`s3:x-amz-content-sha256`).
    pub content_sha256: Option<String>,
    /// `x-amz-server-side-encryption` as it was sent: S3 refuses it where it says nothing.
    pub encryption: Option<String>,
    /// `If-Range`, cut to 256 bytes: of which state of an object a range is wanted.
    pub if_range: Option<String>,
    /// `X-Danbi-Environment`, cut to 32 bytes: which execution environment an invocation is to have, for measuring.
    pub environment: Option<String>,
    /// `X-Amzn-Trace-Id`, unless it is longer than 1 KiB: what is handed on with a message or an event.
    pub trace: Option<String>,
    /// Whether somebody still waits for the answer: what a long poll asks before it hands anything out.
    pub client: crate::Client,
}

/// What an operation knows of the request that it serves.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// This request's id, which the response carries.
    pub request_id: RequestId,
    /// The caller's account and the region that it addressed.
    pub scope: Scope,
    /// Who is calling.
    pub principal: Principal,
    /// The peer's address.
    pub source_ip: IpAddr,
    /// Whether the request came over TLS (`aws:SecureTransport`).
    pub secure: bool,
    /// The `Host` the client addressed, with the port if it named one: URLs in answers are built on it.
    pub host: String,
    /// The `User-Agent`, cut to 1 KiB.
    pub user_agent: String,
    /// What few services ask.
    pub facts: RequestFacts,
}

impl RequestContext {
    /// The context of a request that the platform makes itself, as `principal`, and for `source` when it acts for a
    /// resource.
    pub fn inside(scope: Scope, principal: Principal, source: Option<SourceResource>) -> Self {
        Self {
            request_id: RequestId::new(),
            scope,
            principal,
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            secure: true,
            host: String::new(),
            user_agent: String::new(),
            facts: RequestFacts {
                source,
                ..RequestFacts::default()
            },
        }
    }
}
