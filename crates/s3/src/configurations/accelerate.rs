//! Transfer acceleration: kept and told, though there is no edge network to go through.

use super::{bucket_of, read, set};
use crate::shapes::{
    AccelerateConfiguration, GetBucketAccelerateConfigurationOutput, GetBucketAccelerateConfigurationRequest,
    PutBucketAccelerateConfigurationRequest,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const KIND: &str = "accelerate";

/// PutBucketAccelerateConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketAccelerateConfigurationRequest,
) -> Result<Empty> {
    if input.bucket.contains('.') {
        let message = "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names";
        return Err(Error::invalid_request(message));
    }
    match input.accelerate_configuration.status.as_deref() {
        Some("Enabled" | "Suspended") => {
            set(&s3, &context, bucket_of!(input), KIND, &input.accelerate_configuration).await
        }
        _ => Err(Error::malformed_xml()),
    }
}

/// GetBucketAccelerateConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketAccelerateConfigurationRequest,
) -> Result<GetBucketAccelerateConfigurationOutput> {
    let kept: Option<AccelerateConfiguration> = read(&s3, &context, bucket_of!(input), KIND).await?;
    Ok(GetBucketAccelerateConfigurationOutput {
        status: kept.and_then(|kept| kept.status),
        request_charged: None,
    })
}
