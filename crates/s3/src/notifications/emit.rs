//! Writing an event down, in the transaction of the change that it tells of.

use super::bus;
use super::record::{
    Identity, Of, OfBucket, OfObject, Record, RequestParameters, ResponseElements, encoded_key, iso_time, principal_id,
    sequencer,
};
use super::rules;
use crate::bucket_config::{self, kind};
use crate::ids::{ContentId, sequence};
use crate::records::{self, Bucket, Version, Versioning};
use crate::shapes::NotificationConfiguration;
use crate::{Error, Result, S3, keys, names};
use danbi_core::{RequestContext, Timestamp};
use danbi_store::Transaction;
use serde::{Deserialize, Serialize};

/// Something that happened to an object. Its name begins with `s3:`, such as `s3:ObjectCreated:Put`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Happened<'h> {
    pub event: &'static str,
    pub key: &'h str,
    /// The version that it happened to, as it now is (or was, when it is gone).
    pub version: &'h Version,
}

/// An event that waits to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// The ARN of the function, queue, topic or bus.
    #[serde(rename = "function")]
    pub to: String,
    pub bucket: String,
    /// The account that owns the bucket.
    pub owner: String,
    /// When it happened, in milliseconds.
    pub since: i64,
    /// How often it was tried.
    #[serde(default)]
    pub attempts: u32,
    #[serde(flatten)]
    pub message: Message,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Message {
    /// To functions, queues and topics.
    Record(Box<Record>),
    /// To a bus.
    Entry(bus::Entry),
}

/// Writes `happened` down for everyone whom the bucket's configuration names. Whether there is anyone is answered, so that
/// the outbox can be rung once the transaction is committed ([`S3::tell`]).
pub(crate) async fn emit(
    s3: &S3,
    tx: &Transaction,
    context: &RequestContext,
    name: &str,
    bucket: &Bucket,
    happened: Happened<'_>,
) -> Result<bool> {
    let kept: Option<NotificationConfiguration> = bucket_config::get(tx, bucket, kind::NOTIFICATION).await?;
    let Some(kept) = kept else { return Ok(false) };
    let now = s3.now();
    let mut told = false;
    let mut write = |to: String, message: Message| {
        let waiting = Waiting {
            to,
            bucket: name.to_owned(),
            owner: bucket.owner.clone(),
            since: now.as_millis(),
            attempts: 0,
            message,
        };
        told = true;
        let place = keys::event(now.as_millis(), &ContentId::new(now));
        tx.put(&place, records::encode(&waiting)?).map_err(Error::from)
    };
    for rule in rules::all(&kept).filter(|rule| rule.wants(happened.event, happened.key)) {
        let record = record(s3, context, name, bucket, happened, rule.id.unwrap_or_default());
        write(rule.arn.to_owned(), Message::Record(Box::new(record)))?;
    }
    if kept.event_bridge_configuration.is_some() {
        let Happened { event, key, version } = happened;
        let short = event.strip_prefix("s3:").unwrap_or(event);
        let object = OfObject {
            key: key.to_owned(),
            ..object(bucket, short, key, version, now)
        };
        if let Some(entry) = bus::entry(context, name, bucket, event, version, object) {
            let bus = format!("arn:aws:events:{}:{}:event-bus/default", entry.region, bucket.owner);
            write(bus, Message::Entry(entry))?;
        }
    }
    Ok(told)
}

/// Whether an event is one of writing or removing: the newer kinds came with newer versions of the document.
fn is_written(event: &str) -> bool {
    event.starts_with("ObjectCreated:") || event.starts_with("ObjectRemoved:")
}

fn record(
    s3: &S3,
    context: &RequestContext,
    name: &str,
    bucket: &Bucket,
    happened: Happened<'_>,
    configuration: &str,
) -> Record {
    let Happened { event, key, version } = happened;
    let event = event.strip_prefix("s3:").unwrap_or(event);
    let written = is_written(event);
    let request_id = context.request_id.to_string();
    Record {
        event_version: if written { "2.1" } else { "2.3" }.into(),
        event_source: "aws:s3".into(),
        aws_region: names::region_of(&bucket.region).to_owned(),
        event_time: iso_time(s3.now()),
        event_name: event.to_owned(),
        user_identity: Identity {
            principal_id: principal_id(context),
        },
        request_parameters: RequestParameters {
            source_ip_address: context.source_ip.to_string(),
        },
        response_elements: ResponseElements {
            id_2: request_id.clone(),
            request_id,
        },
        s3: Of {
            schema_version: "1.0".into(),
            configuration_id: configuration.to_owned(),
            bucket: OfBucket {
                name: name.to_owned(),
                owner_identity: Identity {
                    principal_id: bucket.owner.clone(),
                },
                arn: names::bucket_arn(name),
            },
            object: object(bucket, event, key, version, s3.now()),
        },
    }
}

fn object(bucket: &Bucket, event: &str, key: &str, version: &Version, now: Timestamp) -> OfObject {
    let written = is_written(event);
    let gone = matches!(event, "ObjectRemoved:Delete" | "LifecycleExpiration:Delete");
    let content = version.object.as_ref().filter(|_| !gone);
    // What a delete marker has instead of content.
    const NOTHING: &str = "d41d8cd98f00b204e9800998ecf8427e";
    let etag = match content {
        Some(object) => Some(object.etag.clone()),
        None => event.ends_with("DeleteMarkerCreated").then(|| NOTHING.to_owned()),
    };
    OfObject {
        key: encoded_key(key),
        size: content.filter(|_| written).map(|object| object.size),
        e_tag: etag,
        version_id: (bucket.versioning != Versioning::Never && !version.null).then(|| version.public_id()),
        sequencer: written.then(|| match version.id.sequence() {
            // What goes does so behind what made it.
            made if gone => sequencer(sequence(now, Some(made))),
            made => sequencer(made),
        }),
    }
}
