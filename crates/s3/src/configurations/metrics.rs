//! Which objects a bucket's request metrics are about. The wishes are checked, kept and told; request metrics are not taken yet.

use super::bucket_of;
use super::named::{self, Listed};
use crate::shapes::{
    DeleteBucketMetricsConfigurationRequest, GetBucketMetricsConfigurationOutput, GetBucketMetricsConfigurationRequest,
    ListBucketMetricsConfigurationsOutput, ListBucketMetricsConfigurationsRequest, MetricsConfiguration,
    PutBucketMetricsConfigurationRequest,
};
use crate::{Error, Result, S3, tags};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const KIND: &str = "metrics";

/// PutBucketMetricsConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketMetricsConfigurationRequest,
) -> Result<Empty> {
    let given = &input.metrics_configuration;
    validate(&input.id, given)?;
    named::set(&s3, &context, bucket_of!(input), KIND, &input.id, given).await
}

/// GetBucketMetricsConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketMetricsConfigurationRequest,
) -> Result<GetBucketMetricsConfigurationOutput> {
    let kept = named::get(&s3, &context, bucket_of!(input), KIND, &input.id).await?;
    Ok(GetBucketMetricsConfigurationOutput {
        metrics_configuration: Some(kept),
    })
}

/// DeleteBucketMetricsConfiguration.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketMetricsConfigurationRequest,
) -> Result<Empty> {
    named::delete(&s3, &context, bucket_of!(input), KIND, &input.id).await
}

/// ListBucketMetricsConfigurations.
pub(crate) async fn list(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListBucketMetricsConfigurationsRequest,
) -> Result<ListBucketMetricsConfigurationsOutput> {
    let from = input.continuation_token.as_deref();
    let Listed { items, next } =
        named::list::<MetricsConfiguration>(&s3, &context, bucket_of!(input), KIND, from).await?;
    Ok(ListBucketMetricsConfigurationsOutput {
        is_truncated: Some(next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: next,
        metrics_configuration_list: Some(items).filter(|items| !items.is_empty()),
    })
}

fn validate(id: &str, given: &MetricsConfiguration) -> Result<()> {
    if given.id != id {
        return Err(Error::malformed_xml());
    }
    let Some(filter) = &given.filter else { return Ok(()) };
    let one = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.access_point_arn.is_some(),
        filter.and.is_some(),
    ];
    if one.iter().filter(|given| **given).count() != 1 {
        return Err(Error::malformed_xml());
    }
    let and = filter.and.iter().flat_map(|and| and.tags.iter().flatten());
    filter.tag.iter().chain(and).try_for_each(tags::check_tag)
}
