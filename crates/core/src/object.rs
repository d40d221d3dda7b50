use crate::{RequestContext, ServiceError};
use async_trait::async_trait;
use bytes::Bytes;

/// Where an object is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLocation {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// One of its versions; the newest when absent.
    pub version: Option<String>,
}

/// Reads objects for services that are given a place instead of content (code of functions, templates). Implemented by `s3`.
#[async_trait]
pub trait ObjectSource: Send + Sync + 'static {
    /// The object's bytes, after asking the authorizer for `s3:GetObject` in the name of `context.principal`. Fails with
    /// S3's own error (`NoSuchBucket`, `NoSuchKey`, `AccessDenied`), and with `EntityTooLarge` past `max_bytes`.
    async fn object(
        &self,
        context: &RequestContext,
        location: &ObjectLocation,
        max_bytes: u64,
    ) -> Result<Bytes, ServiceError>;
}
