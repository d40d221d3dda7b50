//! What the default event bus of a bucket's owner is told, when the bucket's configuration asks for it.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>, and answers recorded from AWS, which
//! leave more out.

use super::record::{OfObject, iso_seconds, principal_id};
use crate::acl;
use crate::records::{Bucket, Version};
use crate::{Error, names};
use danbi_core::{AccountId, ApiCall, Principal, RequestContext, Scope, SourceResource, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const RESTORED: &str = "Object Restore Completed";

/// An event for a bus, as it waits to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub kind: String,
    pub detail: Value,
    /// The bucket's.
    pub region: String,
}

/// What is told of an event; `None` for one that buses are not told. `object` is what the document of queues and functions
/// says of it, with the key as it is.
pub(super) fn entry(
    context: &RequestContext,
    name: &str,
    bucket: &Bucket,
    event: &str,
    version: &Version,
    object: OfObject,
) -> Option<Entry> {
    let (kind, reason) = kind(event)?;
    let by_request = !matches!(context.principal, Principal::Service(_));
    let mut detail = json!({
        "version": "0",
        "bucket": { "name": name },
        "object": of_object(object, kind, version),
        "request-id": context.request_id.to_string(),
        "requester": requester(context, kind),
    });
    let mut add = |name: &str, value: String| detail[name] = Value::String(value);
    if by_request && kind != RESTORED {
        add("source-ip-address", context.source_ip.to_string());
    }
    if let Some(reason) = reason {
        add("reason", reason.to_owned());
    }
    if kind == "Object Deleted" {
        let marker = event.ends_with("DeleteMarkerCreated");
        let how = if marker {
            "Delete Marker Created"
        } else {
            "Permanently Deleted"
        };
        add("deletion-type", how.to_owned());
    }
    if let Some(object) = &version.object {
        let class = object.storage_class.as_deref().unwrap_or("STANDARD");
        match kind {
            "Object Restore Initiated" | RESTORED => add("source-storage-class", class.to_owned()),
            "Object Storage Class Changed" => add("destination-storage-class", class.to_owned()),
            _ => {}
        }
        if kind == RESTORED
            && let Some(until) = object.restored
        {
            add("restore-expiry-time", iso_seconds(until));
        }
    }
    Some(Entry {
        kind: kind.to_owned(),
        detail,
        region: names::region_of(&bucket.region).to_owned(),
    })
}

/// What buses call an event, and why it happened where they are told.
fn kind(event: &str) -> Option<(&'static str, Option<&'static str>)> {
    const CREATED: &str = "Object Created";
    const DELETED: &str = "Object Deleted";
    Some(match event.strip_prefix("s3:").unwrap_or(event) {
        "ObjectCreated:Put" => (CREATED, Some("PutObject")),
        "ObjectCreated:Post" => (CREATED, Some("POST Object")),
        "ObjectCreated:Copy" => (CREATED, Some("CopyObject")),
        "ObjectCreated:CompleteMultipartUpload" => (CREATED, Some("CompleteMultipartUpload")),
        "ObjectRemoved:Delete" | "ObjectRemoved:DeleteMarkerCreated" => (DELETED, Some("DeleteObject")),
        "LifecycleExpiration:Delete" | "LifecycleExpiration:DeleteMarkerCreated" => {
            (DELETED, Some("Lifecycle Expiration"))
        }
        "ObjectRestore:Post" => ("Object Restore Initiated", None),
        "ObjectRestore:Completed" => (RESTORED, None),
        "ObjectRestore:Delete" => ("Object Restore Expired", None),
        "LifecycleTransition" => ("Object Storage Class Changed", None),
        "ObjectTagging:Put" => ("Object Tags Added", None),
        "ObjectTagging:Delete" => ("Object Tags Deleted", None),
        "ObjectAcl:Put" => ("Object ACL Updated", None),
        _ => return None,
    })
}

fn of_object(object: OfObject, kind: &str, version: &Version) -> Value {
    let mut told = json!({ "key": object.key });
    let size = object.size.or_else(|| match kind {
        "Object Restore Initiated" | RESTORED | "Object Storage Class Changed" => {
            version.object.as_ref().map(|object| object.size)
        }
        _ => None,
    });
    if let Some(size) = size {
        told["size"] = size.into();
    }
    for (name, value) in [
        ("etag", object.e_tag),
        ("version-id", object.version_id),
        ("sequencer", object.sequencer),
    ] {
        if let Some(value) = value {
            told[name] = value.into();
        }
    }
    told
}

/// Whose request it was: an account, a service, or nobody known. That a restore is done is S3's own to tell.
fn requester(context: &RequestContext, kind: &str) -> String {
    match acl::account_of(&context.principal) {
        _ if kind == RESTORED => "s3.amazonaws.com".into(),
        Some(account) => account.to_string(),
        None => principal_id(context),
    }
}

/// The call that puts an event on the default bus of the bucket's owner, and in whose name.
///
/// # Errors
/// [`Error::Damaged`] when the owner is no account.
pub(super) fn call(
    bucket: &str,
    owner: &str,
    since: Timestamp,
    entry: &Entry,
) -> Result<(RequestContext, ApiCall), Error> {
    let account: AccountId = owner
        .parse()
        .map_err(|_| Error::Damaged(format!("{owner:?} owns a bucket and is no account")))?;
    let arn = names::bucket_arn(bucket);
    let source = SourceResource {
        arn: arn.clone(),
        account: account.clone(),
    };
    let scope = Scope {
        account: account.clone(),
        region: entry.region.parse().unwrap_or_default(),
    };
    let context = RequestContext::inside(scope, Principal::Root(account), Some(source));
    let entry = json!({
        "Source": "aws.s3",
        "DetailType": entry.kind,
        "Detail": entry.detail.to_string(),
        "Resources": [arn],
        "Time": since.as_secs(),
    });
    Ok((
        context,
        ApiCall::new("events", "PutEvents", json!({ "Entries": [entry] })),
    ))
}

/// Whether the bus took the event.
///
/// # Errors
/// What it said of one that it did not take.
pub(super) fn check(output: &Value) -> Result<(), String> {
    match output["Entries"][0]["ErrorCode"].as_str() {
        None => Ok(()),
        Some(code) => Err(code.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::kind;
    use crate::notifications::rules::{EVENTS, means};

    #[test]
    fn every_event_that_is_sent_has_a_name_for_buses() {
        for event in [
            "s3:ObjectCreated:Put",
            "s3:ObjectRemoved:Delete",
            "s3:LifecycleTransition",
        ] {
            assert!(kind(event).is_some());
        }
        let untold = EVENTS
            .iter()
            .filter(|event| !event.ends_with('*') && kind(event).is_none());
        // What does not happen here: replication, tiers, annotations, losses.
        for event in untold {
            let never = [
                "s3:Replication:*",
                "s3:ObjectAnnotation:*",
                "s3:IntelligentTiering",
                "s3:ReducedRedundancyLostObject",
            ];
            assert!(never.iter().any(|never| means(never, event)), "{event}");
        }
    }
}
