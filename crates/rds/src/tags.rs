//! Tags of everything that has an ARN.

use crate::keys::{self, Kind};
use crate::records::{self, GroupRecord, Record, SnapshotRecord, encode};
use crate::shapes::*;
use crate::{Error, Rds, Result, describe, groups, names, snapshots};
use danbi_core::{RequestContext, Scope};
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

type Tags = BTreeMap<String, String>;

fn missing(kind: Kind, name: &str) -> Error {
    match kind {
        Kind::Instance | Kind::Cluster => describe::missing(kind, name),
        Kind::Snapshot | Kind::ClusterSnapshot => snapshots::missing(kind, name),
        _ => groups::missing(kind, name),
    }
}

/// Changes the tags of what an ARN names, and answers them.
async fn change(rds: &Rds, scope: &Scope, arn: &str, change: impl Fn(&mut Tags) + Send + Sync) -> Result<Tags> {
    let (kind, name) =
        names::of_arn(scope, arn).ok_or_else(|| Error::invalid(format!("Invalid resource name: {arn}")))?;
    let key = keys::named(kind, scope, &name);
    let (key, change, name) = (&key, &change, &name);
    rds.store
        .transact(async |tx| {
            let gone = || missing(kind, name);
            let (value, tags) = match kind {
                Kind::Instance | Kind::Cluster => {
                    let mut record: Record = records::read(&tx, key).await?.ok_or_else(gone)?;
                    change(&mut record.tags);
                    (encode(&record)?, record.tags)
                }
                Kind::Snapshot | Kind::ClusterSnapshot => {
                    let mut record: SnapshotRecord = records::read(&tx, key).await?.ok_or_else(gone)?;
                    change(&mut record.tags);
                    (encode(&record)?, record.tags)
                }
                _ => {
                    let mut record: GroupRecord = records::read(&tx, key).await?.ok_or_else(gone)?;
                    change(&mut record.tags);
                    (encode(&record)?, record.tags)
                }
            };
            names::within(&tags)?;
            tx.put(key, value)?;
            Ok(tags)
        })
        .await
}

pub(crate) async fn add(rds: Arc<Rds>, context: RequestContext, input: AddTagsToResourceMessage) -> Result<Empty> {
    let added = names::tags(Some(&input.tags))?;
    change(&rds, &context.scope, &input.resource_name, |tags| {
        tags.extend(added.clone())
    })
    .await?;
    Ok(Empty {})
}

pub(crate) async fn remove(
    rds: Arc<Rds>,
    context: RequestContext,
    input: RemoveTagsFromResourceMessage,
) -> Result<Empty> {
    change(&rds, &context.scope, &input.resource_name, |tags| {
        tags.retain(|key, _| !input.tag_keys.contains(key));
    })
    .await?;
    Ok(Empty {})
}

pub(crate) async fn list(
    rds: Arc<Rds>,
    context: RequestContext,
    input: ListTagsForResourceMessage,
) -> Result<TagListMessage> {
    let tags = change(&rds, &context.scope, &input.resource_name, |_| {}).await?;
    Ok(TagListMessage {
        tag_list: Some(names::tag_list(&tags)),
    })
}
