use async_trait::async_trait;
use danbi_core::ServiceError;
use http::{HeaderMap, Method};

/// What a browser asks across origins.
#[derive(Debug, Clone, Copy)]
pub struct CrossOriginRequest<'r> {
    /// The bucket; empty for a request that names none.
    pub bucket: &'r str,
    /// The key of the object, when one is named.
    pub key: Option<&'r str>,
    /// The request's method: `OPTIONS` for a preflight.
    pub method: &'r Method,
    /// The request's headers.
    pub headers: &'r HeaderMap,
}

/// Answers browsers by the rules that a resource's owner has set. Implemented by `s3`.
#[async_trait]
pub trait CrossOrigin: Send + Sync + 'static {
    /// The headers of the answer to a preflight.
    ///
    /// # Errors
    /// S3's refusals.
    async fn preflight(&self, request: CrossOriginRequest<'_>) -> Result<HeaderMap, ServiceError>;

    /// The headers to add to any answer, be it an error, to a request that bears `Origin`.
    async fn headers(&self, request: CrossOriginRequest<'_>) -> HeaderMap;
}
