//! Who pays for requests: kept and told, though nobody is charged here.

use super::{bucket_of, read, set};
use crate::shapes::{
    GetBucketRequestPaymentOutput, GetBucketRequestPaymentRequest, PutBucketRequestPaymentRequest,
    RequestPaymentConfiguration,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const KIND: &str = "request-payment";

/// PutBucketRequestPayment.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketRequestPaymentRequest) -> Result<Empty> {
    match input.request_payment_configuration.payer.as_str() {
        "Requester" | "BucketOwner" => {
            set(
                &s3,
                &context,
                bucket_of!(input),
                KIND,
                &input.request_payment_configuration,
            )
            .await
        }
        _ => Err(Error::malformed_xml()),
    }
}

/// GetBucketRequestPayment.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketRequestPaymentRequest,
) -> Result<GetBucketRequestPaymentOutput> {
    let kept: Option<RequestPaymentConfiguration> = read(&s3, &context, bucket_of!(input), KIND).await?;
    Ok(GetBucketRequestPaymentOutput {
        payer: Some(kept.map_or_else(|| "BucketOwner".into(), |kept| kept.payer)),
    })
}
