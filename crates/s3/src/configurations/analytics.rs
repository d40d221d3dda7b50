//! Which objects storage class analysis is about. The wishes are checked, kept and told; there is one storage class, so there is
//! nothing to analyse.

use super::bucket_of;
use super::named::{self, Listed};
use crate::shapes::{
    AnalyticsConfiguration, DeleteBucketAnalyticsConfigurationRequest, GetBucketAnalyticsConfigurationOutput,
    GetBucketAnalyticsConfigurationRequest, ListBucketAnalyticsConfigurationsOutput,
    ListBucketAnalyticsConfigurationsRequest, PutBucketAnalyticsConfigurationRequest,
};
use crate::{Error, Result, S3, tags};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const KIND: &str = "analytics";

/// PutBucketAnalyticsConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketAnalyticsConfigurationRequest,
) -> Result<Empty> {
    let given = &input.analytics_configuration;
    validate(&input.id, given)?;
    named::set(&s3, &context, bucket_of!(input), KIND, &input.id, given).await
}

/// GetBucketAnalyticsConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketAnalyticsConfigurationRequest,
) -> Result<GetBucketAnalyticsConfigurationOutput> {
    let kept = named::get(&s3, &context, bucket_of!(input), KIND, &input.id).await?;
    Ok(GetBucketAnalyticsConfigurationOutput {
        analytics_configuration: Some(kept),
    })
}

/// DeleteBucketAnalyticsConfiguration.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketAnalyticsConfigurationRequest,
) -> Result<Empty> {
    named::delete(&s3, &context, bucket_of!(input), KIND, &input.id).await
}

/// ListBucketAnalyticsConfigurations.
pub(crate) async fn list(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListBucketAnalyticsConfigurationsRequest,
) -> Result<ListBucketAnalyticsConfigurationsOutput> {
    let from = input.continuation_token.as_deref();
    let Listed { items, next } =
        named::list::<AnalyticsConfiguration>(&s3, &context, bucket_of!(input), KIND, from).await?;
    Ok(ListBucketAnalyticsConfigurationsOutput {
        is_truncated: Some(next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: next,
        analytics_configuration_list: Some(items).filter(|items| !items.is_empty()),
    })
}

fn validate(id: &str, given: &AnalyticsConfiguration) -> Result<()> {
    if given.id != id {
        return Err(Error::malformed_xml());
    }
    if let Some(filter) = &given.filter {
        let one = [filter.prefix.is_some(), filter.tag.is_some(), filter.and.is_some()];
        if one.iter().filter(|given| **given).count() != 1 {
            return Err(Error::malformed_xml());
        }
        let and = filter.and.iter().flat_map(|and| and.tags.iter().flatten());
        filter.tag.iter().chain(and).try_for_each(tags::check_tag)?;
    }
    let Some(export) = &given.storage_class_analysis.data_export else {
        return Ok(());
    };
    let destination = &export.destination.s3_bucket_destination;
    if export.output_schema_version != "V_1" || destination.format != "CSV" {
        return Err(Error::malformed_xml());
    }
    if !destination.bucket.starts_with("arn:") {
        return Err(Error::client("InvalidS3DestinationBucket", 400, "Invalid bucket ARN."));
    }
    Ok(())
}
