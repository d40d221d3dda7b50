//! The job that writes a table, as it was at one moment, into a bucket.

use super::bucket::Trouble;
use super::manifest::{self, DataFile};
use super::{Caller, Failure, Status, TransferRef, decode, encode};
use crate::history::items_at;
use crate::jobs::{Held, Job, KeyText};
use crate::tables::backfill::Target;
use crate::{DynamoDb, Error, item_size, layout};
use danbi_store::Direction;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::Write;

/// Bytes of JSON at which a data file ends; what a step holds in memory, twice.
const FILE_BYTES: usize = 8 * 1024 * 1024;
/// Items that are read at once.
const BATCH: usize = 500;

/// An export that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Export {
    export: TransferRef,
    caller: Caller,
    /// The table, which keeps its history until the export is done.
    source: Target,
    /// The moment.
    stamp: u64,
    /// The last item that was written.
    after: Option<KeyText>,
    /// Data files that were written.
    files: u32,
    /// Whether all items were.
    all_written: bool,
    items: u64,
    bytes: u64,
}

/// One data file, and where it ends.
struct File {
    content: Vec<u8>,
    items: u64,
    bytes: u64,
    after: Option<KeyText>,
}

impl Export {
    pub(super) fn new(export: TransferRef, caller: Caller, source: Target, stamp: u64) -> Self {
        Self {
            export,
            caller,
            source,
            stamp,
            after: None,
            files: 0,
            all_written: false,
            items: 0,
            bytes: 0,
        }
    }
}

impl DynamoDb {
    pub(crate) async fn export_step(&self, held: &Held, export: &Export) -> Result<Option<Job>, Error> {
        let done = match export.all_written {
            false => self.export_file(held, export).await,
            true => self.end_export(held, export).await,
        };
        match done {
            Ok(next) => Ok(next),
            Err(Trouble::Passing(error)) => Err(error),
            Err(Trouble::Lasting(failure)) => self.fail_export(held, export, failure).await,
        }
    }

    async fn export_file(&self, held: &Held, export: &Export) -> Result<Option<Job>, Trouble> {
        if export.files == 0 {
            self.put_export(export, "_started", b"").await?;
        }
        let file = self.next_file(export).await?;
        let name = manifest::data_file(&export.export.id, export.files);
        let etag = self.put_export(export, &name, &file.content).await?;
        let listed = DataFile {
            item_count: file.items,
            md5_checksum: manifest::md5(&file.content),
            etag,
            data_file_s3_key: format!("{}{name}", self.export_folder(export).await?),
        };
        let mut next = export.clone();
        next.files += 1;
        next.items += file.items;
        next.bytes += file.bytes;
        next.all_written = file.after.is_none();
        next.after = file.after;
        let next = Job::Export(Box::new(next));
        self.store
            .transact(async |tx| {
                let key = layout::export_file(&export.export.scope()?, &export.export.id, export.files);
                tx.put(&key, encode(&listed)?)?;
                self.advance(&tx, held, Some(&next)).await
            })
            .await?;
        Ok(Some(next))
    }

    async fn next_file(&self, export: &Export) -> Result<File, Error> {
        let mut lines = GzEncoder::new(Vec::new(), Compression::fast());
        let (mut items, mut bytes, mut written) = (0, 0, 0);
        let mut after = export.after.clone();
        loop {
            let snapshot = self.store.snapshot().await?;
            let page = items_at(&snapshot, export.source.id, export.stamp, after.as_ref(), BATCH).await?;
            drop(snapshot);
            for (_, item) in &page.items {
                let mut line = serde_json::to_vec(&json!({ "Item": item })).map_err(Error::internal)?;
                line.push(b'\n');
                written += line.len();
                lines.write_all(&line).map_err(Error::internal)?;
                items += 1;
                bytes += item_size(item) as u64;
            }
            after = page.more_after;
            if after.is_none() || written >= FILE_BYTES {
                let content = lines.finish().map_err(Error::internal)?;
                return Ok(File {
                    content,
                    items,
                    bytes,
                    after,
                });
            }
            // Compressing is work for the processor; others have their turn between pages.
            tokio::task::yield_now().await;
        }
    }

    async fn end_export(&self, held: &Held, export: &Export) -> Result<Option<Job>, Trouble> {
        let ended = self.clock.now();
        let (files, keys) = self.listed_files(export).await?;
        self.put_export(export, "manifest-files.json", &files).await?;
        self.put_export(export, "manifest-files.md5", manifest::md5(&files).as_bytes())
            .await?;
        let snapshot = self.store.snapshot().await.map_err(Error::from)?;
        let found = snapshot.get(&export.export.export_key()?).await.map_err(Error::from)?;
        drop(snapshot);
        let Some(found) = found else {
            return Ok(self.give_up(held, export).await?);
        };
        let mut record: super::export::ExportRecord = decode(&found)?;
        (record.items, record.bytes) = (export.items, export.bytes);
        let summary = manifest::summary(&export.export, &record, ended)?;
        self.put_export(export, "manifest-summary.json", &summary).await?;
        self.put_export(export, "manifest-summary.md5", manifest::md5(&summary).as_bytes())
            .await?;
        record.status = Status::Completed;
        record.ended = Some(ended);
        self.store
            .transact(async |tx| {
                tx.put(&export.export.export_key()?, encode(&record)?)?;
                for key in &keys {
                    tx.delete(key)?;
                }
                self.release(&tx, &export.source).await?;
                self.advance(&tx, held, None).await
            })
            .await?;
        self.jobs.wake();
        Ok(None)
    }

    /// `manifest-files.json`, and the keys under which its lines were kept.
    async fn listed_files(&self, export: &Export) -> Result<(Vec<u8>, Vec<bytes::Bytes>), Error> {
        let (mut lines, mut keys) = (Vec::new(), Vec::new());
        let mut range = layout::export_files(&export.export.scope()?, &export.export.id);
        loop {
            let snapshot = self.store.snapshot().await?;
            let page = snapshot.scan(range.clone(), Direction::Forward, 1000).await?;
            for (key, value) in &page.entries {
                lines.extend_from_slice(value);
                lines.push(b'\n');
                keys.push(key.clone());
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok((lines, keys)),
            }
        }
    }

    async fn fail_export(&self, held: &Held, export: &Export, failure: Failure) -> Result<Option<Job>, Error> {
        tracing::warn!(
            code = failure.code,
            message = failure.message,
            "dynamodb: an export failed"
        );
        let ended = self.clock.now();
        let (_, keys) = self.listed_files(export).await?;
        self.store
            .transact(async |tx| {
                if let Some(mut record) = self.export(&tx, &export.export).await? {
                    record.status = Status::Failed;
                    record.ended = Some(ended);
                    record.failure = Some(failure.clone());
                    tx.put(&export.export.export_key()?, encode(&record)?)?;
                }
                for key in &keys {
                    tx.delete(key)?;
                }
                self.release(&tx, &export.source).await?;
                self.advance(&tx, held, None).await
            })
            .await?;
        self.jobs.wake();
        Ok(None)
    }

    async fn give_up(&self, held: &Held, export: &Export) -> Result<Option<Job>, Error> {
        self.store
            .transact(async |tx| {
                self.release(&tx, &export.source).await?;
                self.advance(&tx, held, None).await
            })
            .await?;
        Ok(None)
    }

    async fn export_record(&self, export: &Export) -> Result<super::export::ExportRecord, Error> {
        let snapshot = self.store.snapshot().await?;
        let value = snapshot.get(&export.export.export_key()?).await?;
        // A record is removed only long after its export has ended.
        decode(&value.ok_or_else(|| Error::internal("an export under way is not known"))?)
    }

    async fn export_folder(&self, export: &Export) -> Result<String, Error> {
        let record = self.export_record(export).await?;
        Ok(manifest::folder(record.prefix.as_deref(), &export.export.id))
    }

    async fn put_export(&self, export: &Export, name: &str, content: &[u8]) -> Result<String, Trouble> {
        let record = self.export_record(export).await?;
        let key = format!(
            "{}{name}",
            manifest::folder(record.prefix.as_deref(), &export.export.id)
        );
        let encryption = [record.encryption.as_deref(), record.kms_key.as_deref()];
        self.put_object(
            &export.caller,
            record.owner.as_deref(),
            [&record.bucket, &key],
            Some(encryption),
            content,
        )
        .await
    }
}
