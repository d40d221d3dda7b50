//! What of a bucket shall be copied to others. The wish is checked, kept and told; nothing is copied yet.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>.

use super::{bucket_of, read, remove};
use crate::bucket_config;
use crate::records::{Bucket, Versioning, View};
use crate::shapes::{
    DeleteBucketReplicationRequest, GetBucketReplicationOutput, GetBucketReplicationRequest,
    PutBucketReplicationRequest, ReplicationConfiguration, ReplicationRule,
};
use crate::{Error, Result, S3, keys, names, tags};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

const KIND: &str = "replication";
const MAX_RULES: usize = 1000;

/// PutBucketReplication.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketReplicationRequest) -> Result<Empty> {
    let of = bucket_of!(input);
    let mut given = input.replication_configuration.clone();
    for rule in &mut given.rules {
        // A rule without a name gets one.
        if rule.id.as_deref().is_none_or(str::is_empty) {
            rule.id = Some(Uuid::new_v4().to_string());
        }
    }
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, &context, of.bucket, of.expected_owner).await?;
            if bucket.versioning != Versioning::Enabled {
                let message = "Versioning must be 'Enabled' on the bucket to apply a replication configuration";
                return Err(Error::invalid_request(message));
            }
            validate(&given)?;
            for rule in &given.rules {
                check_destination(&tx, rule).await?;
            }
            bucket_config::put(&tx, of.bucket, &mut bucket, KIND, &given)?;
            Ok(Empty {})
        })
        .await
}

/// GetBucketReplication.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketReplicationRequest,
) -> Result<GetBucketReplicationOutput> {
    let kept: Option<ReplicationConfiguration> = read(&s3, &context, bucket_of!(input), KIND).await?;
    match kept {
        Some(kept) => Ok(GetBucketReplicationOutput {
            replication_configuration: Some(kept),
        }),
        None => {
            let message = "The replication configuration was not found";
            Err(Error::client("ReplicationConfigurationNotFoundError", 404, message).with("BucketName", input.bucket))
        }
    }
}

/// DeleteBucketReplication; there need not be one.
pub(crate) async fn delete(
    s3: Arc<S3>,
    context: RequestContext,
    input: DeleteBucketReplicationRequest,
) -> Result<Empty> {
    remove(&s3, &context, bucket_of!(input), KIND).await
}

fn validate(given: &ReplicationConfiguration) -> Result<()> {
    if given.rules.is_empty() || given.rules.len() > MAX_RULES || given.role.is_empty() {
        return Err(Error::malformed_xml());
    }
    let mut ids = HashSet::new();
    let mut priorities = HashSet::new();
    // The rules of a configuration are all of the first schema, with a prefix, or all of the second, with a filter.
    let filtered = given.rules[0].filter.is_some();
    for rule in &given.rules {
        if rule.filter.is_some() != filtered || (rule.filter.is_some() && rule.prefix.is_some()) {
            return Err(Error::malformed_xml());
        }
        check_rule(rule)?;
        if let Some(id) = rule.id.as_deref().filter(|id| !id.is_empty()) {
            if id.chars().count() > 255 {
                let message = "ID length should not exceed allowed limit of 255";
                return Err(Error::invalid_argument("ID", id, message));
            }
            if !ids.insert(id) {
                let message = "Rule Id must be unique.";
                return Err(Error::invalid_argument("ID", id, message));
            }
        }
        if filtered {
            let priority = rule.priority.ok_or_else(|| {
                let message = "Priority must be specified for this version of Cross Region Replication configuration \
                               schema. Please refer to S3 Developer Guide for more information.";
                Error::invalid_request(message)
            })?;
            if rule.delete_marker_replication.is_none() {
                let message = "DeleteMarkerReplication must be specified for this version of Cross Region Replication \
                               configuration schema. Please refer to S3 Developer Guide for more information.";
                return Err(Error::invalid_request(message));
            }
            if !priorities.insert(priority) {
                let message = format!("Found duplicate priority {priority}. Priority must be unique.");
                return Err(Error::invalid_request(message));
            }
        }
    }
    Ok(())
}

fn check_rule(rule: &ReplicationRule) -> Result<()> {
    let status = |status: &str| matches!(status, "Enabled" | "Disabled");
    let markers = rule.delete_marker_replication.as_ref();
    let well_formed = status(&rule.status)
        && markers.is_none_or(|markers| markers.status.as_deref().is_some_and(status))
        && rule
            .existing_object_replication
            .as_ref()
            .is_none_or(|existing| status(&existing.status));
    if !well_formed {
        return Err(Error::malformed_xml());
    }
    let Some(filter) = &rule.filter else { return Ok(()) };
    let given = [filter.prefix.is_some(), filter.tag.is_some(), filter.and.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Error::malformed_xml());
    }
    let and = filter.and.iter().flat_map(|and| and.tags.iter().flatten());
    let mut keys = HashSet::new();
    for tag in filter.tag.iter().chain(and) {
        tags::check_tag(tag)?;
        if !keys.insert(tag.key.as_str()) {
            return Err(Error::invalid_request("Duplicate Tag Keys are not allowed."));
        }
    }
    let replicates_markers = markers.and_then(|markers| markers.status.as_deref()) == Some("Enabled");
    if !keys.is_empty() && replicates_markers {
        let message = "Delete marker replication is not supported if any Tag filter is specified. Please refer to S3 \
                       Developer Guide for more information.";
        return Err(Error::invalid_request(message));
    }
    Ok(())
}

async fn check_destination(view: &impl View, rule: &ReplicationRule) -> Result<()> {
    let invalid = || Error::client("InvalidArgument", 400, "Invalid bucket ARN.");
    let name = rule
        .destination
        .bucket
        .strip_prefix("arn:aws:s3:::")
        .ok_or_else(invalid)?;
    if !names::is_bucket_name(name) {
        return Err(invalid());
    }
    let found: Option<Bucket> = view.record(&keys::bucket(name)).await?;
    match found {
        Some(found) if found.versioning == Versioning::Enabled => Ok(()),
        _ => Err(Error::invalid_request(
            "Destination bucket must have versioning enabled.",
        )),
    }
}
