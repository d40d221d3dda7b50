//! Which objects may move to archive tiers. The wishes are checked, kept and told; everything stays where it is at once readable.

use super::bucket_of;
use super::named::{self, Listed};
use crate::shapes::{
    DeleteBucketIntelligentTieringConfigurationRequest, GetBucketIntelligentTieringConfigurationOutput,
    GetBucketIntelligentTieringConfigurationRequest, IntelligentTieringConfiguration,
    ListBucketIntelligentTieringConfigurationsOutput, ListBucketIntelligentTieringConfigurationsRequest,
    PutBucketIntelligentTieringConfigurationRequest,
};
use crate::{Error, Result, S3, tags};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::HashSet;
use std::sync::Arc;

const KIND: &str = "tiering";

/// PutBucketIntelligentTieringConfiguration.
pub(crate) async fn put(
    s3: Arc<S3>,
    context: RequestContext,
    input: PutBucketIntelligentTieringConfigurationRequest,
) -> Result<Empty> {
    let given = &input.intelligent_tiering_configuration;
    validate(&input.id, given)?;
    named::set(&s3, &context, bucket_of!(input), KIND, &input.id, given).await
}

/// GetBucketIntelligentTieringConfiguration.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketIntelligentTieringConfigurationRequest,
) -> Result<GetBucketIntelligentTieringConfigurationOutput> {
    let kept = named::get(&s3, &context, bucket_of!(input), KIND, &input.id).await?;
    Ok(GetBucketIntelligentTieringConfigurationOutput {
        intelligent_tiering_configuration: Some(kept),
    })
}

/// DeleteBucketIntelligentTieringConfiguration.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketIntelligentTieringConfigurationRequest,
) -> Result<Empty> {
    named::delete(&s3, &context, bucket_of!(input), KIND, &input.id).await
}

/// ListBucketIntelligentTieringConfigurations.
pub(crate) async fn list(
    s3: Arc<S3>,
    context: RequestContext,
    input: ListBucketIntelligentTieringConfigurationsRequest,
) -> Result<ListBucketIntelligentTieringConfigurationsOutput> {
    let from = input.continuation_token.as_deref();
    let Listed { items, next } =
        named::list::<IntelligentTieringConfiguration>(&s3, &context, bucket_of!(input), KIND, from).await?;
    Ok(ListBucketIntelligentTieringConfigurationsOutput {
        is_truncated: Some(next.is_some()),
        continuation_token: input.continuation_token,
        next_continuation_token: next,
        intelligent_tiering_configuration_list: Some(items).filter(|items| !items.is_empty()),
    })
}

fn validate(id: &str, given: &IntelligentTieringConfiguration) -> Result<()> {
    let status = matches!(given.status.as_str(), "Enabled" | "Disabled");
    if given.id != id || !status || given.tierings.is_empty() {
        return Err(Error::malformed_xml());
    }
    if let Some(filter) = &given.filter {
        let one = [filter.prefix.is_some(), filter.tag.is_some(), filter.and.is_some()];
        if one.iter().filter(|given| **given).count() > 1 {
            return Err(Error::malformed_xml());
        }
        let and = filter.and.iter().flat_map(|and| and.tags.iter().flatten());
        filter.tag.iter().chain(and).try_for_each(tags::check_tag)?;
    }
    let mut tiers = HashSet::new();
    for tiering in &given.tierings {
        let least = match tiering.access_tier.as_str() {
            "ARCHIVE_ACCESS" => 90,
            "DEEP_ARCHIVE_ACCESS" => 180,
            _ => return Err(Error::malformed_xml()),
        };
        if !tiers.insert(tiering.access_tier.as_str()) {
            return Err(Error::malformed_xml());
        }
        if !(least..=730).contains(&tiering.days) {
            let message = format!(
                "'Days' for the {} tier must be between {least} and 730",
                tiering.access_tier
            );
            return Err(Error::client("InvalidArgument", 400, message));
        }
    }
    Ok(())
}
