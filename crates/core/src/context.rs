use crate::{Principal, Scope};
use std::fmt;
use std::net::IpAddr;
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
}
