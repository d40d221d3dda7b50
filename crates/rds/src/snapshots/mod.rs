//! Snapshots of instances and clusters: images that stay until somebody deletes them.
//!
//! A snapshot is written down before it is taken, and again after a crash. A copy and a removal are as well: the record
//! says what is under way, and blobs are kept for as long as a record speaks of them.

pub(crate) mod of_clusters;
pub(crate) mod of_instances;
pub(crate) mod sharing;

use crate::backup::take;
use crate::keys::{self, Kind};
use crate::records::{self, Record, SnapshotRecord, encode};
use crate::{Error, Rds, Result, events, names, work};
use danbi_core::Scope;
use danbi_store::Transaction;
use std::collections::BTreeMap;

/// What a new copy has beside the data.
struct Taken {
    tags: BTreeMap<String, String>,
    copy_tags: bool,
}

fn exists(record: &SnapshotRecord) -> Error {
    let code = match record.of.is_cluster {
        true => "DBClusterSnapshotAlreadyExistsFault",
        false => "DBSnapshotAlreadyExists",
    };
    let name = &record.name;
    Error::Aws(
        code,
        400,
        format!("Cannot create the snapshot because a snapshot with the identifier {name} already exists."),
    )
}

/// No such snapshot.
pub(crate) fn missing(kind: Kind, name: &str) -> Error {
    match kind {
        Kind::ClusterSnapshot => Error::Aws(
            "DBClusterSnapshotNotFoundFault",
            404,
            format!("DBClusterSnapshot {name} not found."),
        ),
        _ => Error::Aws("DBSnapshotNotFound", 404, format!("DBSnapshot {name} not found.")),
    }
}

/// That a snapshot can be used.
pub(crate) fn must_be_whole(record: &SnapshotRecord) -> Result<()> {
    let (code, what) = match record.of.is_cluster {
        true => ("InvalidDBClusterSnapshotStateFault", "DB cluster snapshot"),
        false => ("InvalidDBSnapshotState", "DB snapshot"),
    };
    match record.status.as_str() {
        "available" => Ok(()),
        status => Err(Error::Aws(
            code,
            400,
            format!("The {what} {} is in the state {status}, not available.", record.name),
        )),
    }
}

/// The tags that are given, and those of `source` that they say nothing of.
fn inherited(
    mut tags: BTreeMap<String, String>,
    source: Option<&BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>> {
    for (key, value) in source.into_iter().flatten() {
        tags.entry(key.clone()).or_insert_with(|| value.clone());
    }
    names::within(&tags)?;
    Ok(tags)
}

/// A snapshot that is to be taken, not written down yet.
pub(crate) fn of(rds: &Rds, of: &Record, name: &str, tags: BTreeMap<String, String>) -> Result<SnapshotRecord> {
    let parameter = match of.is_cluster {
        true => "DBClusterSnapshotIdentifier",
        false => "DBSnapshotIdentifier",
    };
    let tags = inherited(tags, of.copy_tags.then_some(&of.tags))?;
    Ok(SnapshotRecord {
        name: names::identifier(parameter, name)?,
        scope: of.scope.clone(),
        of: Record {
            new_password: None,
            managed: None,
            final_snapshot: None,
            ..of.clone()
        },
        kind: "manual".to_owned(),
        status: "creating".to_owned(),
        created: rds.now(),
        original: rds.now(),
        image: None,
        copied_from: None,
        shared_with: Vec::new(),
        tags,
    })
}

/// Writes a new snapshot down.
pub(crate) async fn put(tx: &Transaction, record: &SnapshotRecord) -> Result<()> {
    let key = keys::named(record.store_kind(), &record.scope, &record.name);
    if tx.get(&key).await?.is_some() {
        return Err(exists(record));
    }
    events::note_snapshot(tx, record, "creating", record.created)?;
    Ok(tx.put(&key, encode(record)?)?)
}

async fn put_new(rds: &Rds, record: &SnapshotRecord) -> Result<()> {
    rds.store.transact(async |tx| put(&tx, record).await).await
}

/// Writes a snapshot down that is still to be taken.
async fn begin(rds: &Rds, database: &Record, name: &str, tags: BTreeMap<String, String>) -> Result<SnapshotRecord> {
    let record = of(rds, database, name, tags)?;
    put_new(rds, &record).await?;
    Ok(record)
}

/// Takes it in the background.
fn take(rds: &Rds, of: &Record, record: &SnapshotRecord) {
    if let Some(this) = rds.this() {
        let (of, name) = (of.clone(), record.name.clone());
        rds.spawn(async move {
            if let Err(error) = work::snapshot(&this, &of, &name).await {
                tracing::error!(%error, name, "a snapshot could not be taken");
            }
        });
    }
}

pub(crate) async fn load(rds: &Rds, kind: Kind, scope: &Scope, name: &str) -> Result<SnapshotRecord> {
    let plain = match names::of_arn(scope, name) {
        Some((named, plain)) if named == kind => plain,
        _ => name.to_ascii_lowercase(),
    };
    let found = records::load(&rds.store, &keys::named(kind, scope, &plain)).await?;
    found.ok_or_else(|| missing(kind, name))
}

/// Changes a snapshot's record, if it is still there.
async fn change(rds: &Rds, of: &SnapshotRecord, change: impl Fn(&mut SnapshotRecord) + Send + Sync) -> Result<()> {
    let key = keys::named(of.store_kind(), &of.scope, &of.name);
    let (key, change) = (&key, &change);
    rds.store
        .transact(async |tx| {
            if let Some(mut record) = records::read::<SnapshotRecord>(&tx, key).await? {
                change(&mut record);
                tx.put(key, encode(&record)?)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

/// Another snapshot of the same data: none of it is copied.
async fn copied(rds: &Rds, source: SnapshotRecord, name: &str, taken: Taken) -> Result<SnapshotRecord> {
    must_be_whole(&source)?;
    let parameter = match source.of.is_cluster {
        true => "TargetDBClusterSnapshotIdentifier",
        false => "TargetDBSnapshotIdentifier",
    };
    let tags = inherited(taken.tags, taken.copy_tags.then_some(&source.tags))?;
    let mut image = source.image.clone();
    if let Some(image) = &mut image {
        image.owner = format!("snapshot/{}/{}", source.of.resource, uuid::Uuid::new_v4());
    }
    let record = SnapshotRecord {
        copied_from: Some(names::arn(source.store_kind(), &source.scope, &source.name)),
        name: names::identifier(parameter, name)?,
        status: "creating".to_owned(),
        kind: "manual".to_owned(),
        created: rds.now(),
        shared_with: Vec::new(),
        image,
        tags,
        ..source
    };
    put_new(rds, &record).await?;
    finish_copy(rds, &record).await?;
    Ok(SnapshotRecord {
        status: "available".to_owned(),
        ..record
    })
}

/// Keeps the blobs for a copy that is written down, and lets it be used.
pub(crate) async fn finish_copy(rds: &Rds, record: &SnapshotRecord) -> Result<()> {
    if let Some(image) = &record.image {
        take::hold(&rds.store, &rds.blobs, image).await?;
    }
    let key = keys::named(record.store_kind(), &record.scope, &record.name);
    let (key, now) = (&key, rds.now());
    rds.store
        .transact(async |tx| {
            if let Some(mut record) = records::read::<SnapshotRecord>(&tx, key).await?
                && record.status == "creating"
            {
                record.status = "available".to_owned();
                events::note_snapshot(&tx, &record, "created", now)?;
                tx.put(key, encode(&record)?)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

/// Removes a snapshot; answers what it was.
async fn removed(rds: &Rds, record: SnapshotRecord) -> Result<SnapshotRecord> {
    if record.status == "creating" {
        must_be_whole(&record)?;
    }
    change(rds, &record, |record| record.status = "deleting".to_owned()).await?;
    finish_removal(rds, &record).await?;
    Ok(record)
}

/// Lets the blobs of a snapshot go, and then its record.
pub(crate) async fn finish_removal(rds: &Rds, record: &SnapshotRecord) -> Result<()> {
    if let Some(image) = &record.image {
        take::forget(&rds.store, &rds.blobs, image).await?;
    }
    let key = keys::named(record.store_kind(), &record.scope, &record.name);
    let now = rds.now();
    rds.store
        .transact(async |tx| {
            tx.delete(&key)?;
            events::note_snapshot(&tx, record, "deleted", now)?;
            Ok::<_, Error>(())
        })
        .await
}
