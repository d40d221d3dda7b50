//! The configurations of a bucket that are kept and given back, one file each: what S3 takes, and how it words the rest.
//! Those with work of their own (`acl`, `policy`, `ownership`, `lifecycle`, `notifications`) are rooms of their own.

pub(crate) mod accelerate;
pub(crate) mod analytics;
pub(crate) mod cors;
pub(crate) mod encryption;
pub(crate) mod inventory;
pub(crate) mod logging;
pub(crate) mod metrics;
mod named;
pub(crate) mod object_lock;
pub(crate) mod replication;
pub(crate) mod request_payment;
pub(crate) mod tagging;
pub(crate) mod tiering;
pub(crate) mod website;

use crate::bucket_config;
use crate::{Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A bucket as a request names it.
#[derive(Debug, Clone, Copy)]
struct Named<'a> {
    bucket: &'a str,
    expected_owner: Option<&'a str>,
}

/// The [`Named`] bucket of an input. A macro because the inputs are generated types without a trait in common.
macro_rules! bucket_of {
    ($input:expr) => {
        $crate::configurations::Named {
            bucket: &$input.bucket,
            expected_owner: $input.expected_bucket_owner.as_deref(),
        }
    };
}
use bucket_of;

/// Reads the configuration of this kind.
async fn read<T: DeserializeOwned + Send>(
    s3: &S3,
    context: &RequestContext,
    of: Named<'_>,
    kind: &str,
) -> Result<Option<T>> {
    let view = s3.snapshot().await?;
    let bucket = s3.bucket(&view, context, of.bucket, of.expected_owner).await?;
    bucket_config::get(&view, &bucket, kind).await
}

/// Sets the configuration of this kind.
async fn set<T: Serialize + Sync>(
    s3: &S3,
    context: &RequestContext,
    of: Named<'_>,
    kind: &str,
    value: &T,
) -> Result<Empty> {
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, context, of.bucket, of.expected_owner).await?;
            bucket_config::put(&tx, of.bucket, &mut bucket, kind, value)?;
            Ok(Empty {})
        })
        .await
}

/// Removes the configuration of this kind; there need not be one.
async fn remove(s3: &S3, context: &RequestContext, of: Named<'_>, kind: &str) -> Result<Empty> {
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, context, of.bucket, of.expected_owner).await?;
            bucket_config::delete(&tx, of.bucket, &mut bucket, kind)?;
            Ok(Empty {})
        })
        .await
}
