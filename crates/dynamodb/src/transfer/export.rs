//! `ExportTableToPointInTime`, `DescribeExport`, `ListExports`.

use super::export_job::Export;
use super::{Caller, Failure, KNOWN_MS, Status, TOKEN_MS, TokenRecord, TransferRef, decode, encode, manifest};
use crate::jobs::Job;
use crate::tables::backfill::Target;
use crate::tables::catalog::TableRef;
use crate::tables::record::TableRecord;
use crate::{DynamoDb, Error, layout, shapes};
use danbi_core::{RequestContext, ServiceError, Timestamp};
use danbi_store::{Direction, Transaction};
use danbi_wire::EpochSeconds;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Most exports in one answer.
const MAX_RESULTS: usize = 25;

/// What is known of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExportRecord {
    /// The table's id, as clients see it.
    pub table_id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// When it was asked for.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The moment whose items it holds.
    pub time: Timestamp,
    /// `ClientToken`.
    pub token: Option<String>,
    /// `S3Bucket`.
    pub bucket: String,
    /// `S3BucketOwner`.
    pub owner: Option<String>,
    /// `S3Prefix`.
    pub prefix: Option<String>,
    /// `S3SseAlgorithm`.
    pub encryption: Option<String>,
    /// `S3SseKmsKeyId`.
    pub kms_key: Option<String>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Bytes of items, as DynamoDB counts them.
    pub bytes: u64,
    /// Items.
    pub items: u64,
}

impl TransferRef {
    pub(super) fn parse_export(given: &str) -> Result<Self, Error> {
        Self::parse(given, "export").ok_or_else(|| Error::validation(format!("Invalid ExportArn: {given}")))
    }

    pub(super) fn export_key(&self) -> Result<bytes::Bytes, Error> {
        Ok(layout::export(&self.scope()?, &self.table, &self.id))
    }
}

impl DynamoDb {
    pub(super) async fn export(&self, tx: &Transaction, export: &TransferRef) -> Result<Option<ExportRecord>, Error> {
        let value = tx.get(&export.export_key()?).await?;
        value.map(|value| decode(&value)).transpose()
    }
}

/// What is asked for and not built.
fn check(input: &shapes::ExportTableToPointInTimeInput) -> Result<(), Error> {
    if input.export_type.as_deref() == Some("INCREMENTAL_EXPORT") {
        return Err(Error::Unsupported(
            "ExportTableToPointInTime with ExportType INCREMENTAL_EXPORT is not built; FULL_EXPORT is".into(),
        ));
    }
    if input.incremental_export_specification.is_some() {
        return Err(Error::validation(
            "IncrementalExportSpecification can only be given with ExportType INCREMENTAL_EXPORT",
        ));
    }
    if input.export_format.as_deref() == Some("ION") {
        return Err(Error::Unsupported(
            "ExportTableToPointInTime with ExportFormat ION is not built; DYNAMODB_JSON is".into(),
        ));
    }
    if input.s3_sse_kms_key_id.is_some() && input.s3_sse_algorithm.as_deref() != Some("KMS") {
        return Err(Error::validation(
            "S3SseKmsKeyId can only be given with S3SseAlgorithm KMS",
        ));
    }
    Ok(())
}

/// `ExportTableToPointInTime`.
pub(crate) async fn export(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ExportTableToPointInTimeInput,
) -> Result<shapes::ExportTableToPointInTimeOutput, ServiceError> {
    check(&input)?;
    dynamodb.s3()?;
    let caller = Caller::of(&context)?;
    let table = TableRef::from_arn(&input.table_arn, "TableArn")?;
    let asked = serde_json::to_value(&input).map_err(Error::internal)?;
    let now = dynamodb.clock.now();
    let random = Uuid::new_v4().as_fields().0;
    let (export, record) = dynamodb
        .store
        .transact(async |tx| {
            if let Some(token) = &input.client_token
                && let Some(value) = tx.get(&layout::export_token(&table.scope, token)).await?
            {
                let known: TokenRecord = decode(&value)?;
                if now.as_millis() - known.at < TOKEN_MS
                    && let Some(record) = dynamodb.export(&tx, &known.transfer).await?
                {
                    if known.asked != asked {
                        return Err(Error::ExportConflict(
                            "Export request does not match the request that used this client token before".into(),
                        ));
                    }
                    return Ok((known.transfer, record));
                }
            }
            let found = dynamodb.catalog.find(&tx, &table).await?;
            let found = found.ok_or_else(|| Error::TableNotFound(format!("Table not found: {}", table.name)))?;
            let (time, stamp) = match dynamodb.moment(&found, input.export_time.map(|at| at.0), now) {
                Err(Error::InvalidRestoreTime(message)) => {
                    return Err(Error::InvalidExportTime(message.replace("restore", "export")));
                }
                moment => moment?,
            };
            let mut kept = TableRecord::clone(&found);
            kept.copies += 1;
            let kept = dynamodb.catalog.put(&tx, kept)?;
            let export = TransferRef::new(&table.scope, &table.name, now.as_millis(), random);
            let record = ExportRecord {
                table_id: found.id,
                status: Status::InProgress,
                started: now,
                ended: None,
                time,
                token: input.client_token.clone(),
                bucket: input.s3_bucket.clone(),
                owner: input.s3_bucket_owner.clone(),
                prefix: input.s3_prefix.clone(),
                encryption: input.s3_sse_algorithm.clone(),
                kms_key: input.s3_sse_kms_key_id.clone(),
                failure: None,
                bytes: 0,
                items: 0,
            };
            tx.put(&export.export_key()?, encode(&record)?)?;
            if let Some(token) = &input.client_token {
                let known = TokenRecord {
                    transfer: export.clone(),
                    asked: asked.clone(),
                    at: now.as_millis(),
                };
                tx.put(&layout::export_token(&table.scope, token), encode(&known)?)?;
            }
            let job = Export::new(export.clone(), caller.clone(), Target::of(&kept), stamp);
            dynamodb.jobs.add(&tx, Job::Export(Box::new(job)))?;
            Ok((export, record))
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::ExportTableToPointInTimeOutput {
        export_description: Some(description(&export, &record)?),
    })
}

/// `DescribeExport`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::DescribeExportInput,
) -> Result<shapes::DescribeExportOutput, ServiceError> {
    let export = TransferRef::parse_export(&input.export_arn)?;
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let value = snapshot.get(&export.export_key()?).await.map_err(Error::from)?;
    let value = value.ok_or_else(|| Error::ExportNotFound(format!("Export not found: {}", input.export_arn)))?;
    Ok(shapes::DescribeExportOutput {
        export_description: Some(description(&export, &decode(&value)?)?),
    })
}

/// `ListExports`.
pub(crate) async fn list(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ListExportsInput,
) -> Result<shapes::ListExportsOutput, ServiceError> {
    let limit = input
        .max_results
        .map_or(MAX_RESULTS, |limit| limit as usize)
        .min(MAX_RESULTS);
    let table = input
        .table_arn
        .as_deref()
        .map(|arn| TableRef::from_arn(arn, "TableArn"))
        .transpose()?;
    let scope = table.as_ref().map_or(&context.scope, |table| &table.scope);
    let mut range = layout::exports(scope, table.as_ref().map(|table| table.name.as_str()));
    if let Some(token) = &input.next_token {
        let last = TransferRef::parse_export(token)
            .map_err(|_| Error::validation(format!("The NextToken is not one of ListExports: {token}")))?;
        range = range.after(&last.export_key()?);
    }
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let page = snapshot
        .scan(range, Direction::Forward, limit)
        .await
        .map_err(Error::from)?;
    let mut summaries = Vec::with_capacity(page.entries.len());
    for (key, value) in &page.entries {
        let record: ExportRecord = decode(value)?;
        let export = named(key)?;
        summaries.push(shapes::ExportSummary {
            export_arn: Some(export.arn("export")?),
            export_status: Some(record.status.as_str().into()),
            export_type: Some("FULL_EXPORT".into()),
        });
    }
    Ok(shapes::ListExportsOutput {
        next_token: summaries
            .last()
            .filter(|_| page.more)
            .and_then(|last| last.export_arn.clone()),
        export_summaries: Some(summaries),
    })
}

/// The transfer that a key of the store belongs to.
pub(super) fn named(key: &[u8]) -> Result<TransferRef, Error> {
    let [account, region, table, id] = layout::transfer_of(key)?;
    Ok(TransferRef {
        account,
        region,
        table,
        id,
    })
}

fn description(export: &TransferRef, record: &ExportRecord) -> Result<shapes::ExportDescription, Error> {
    let done = record.status == Status::Completed;
    let folder = manifest::folder(record.prefix.as_deref(), &export.id);
    Ok(shapes::ExportDescription {
        export_arn: Some(export.arn("export")?),
        export_status: Some(record.status.as_str().into()),
        start_time: Some(EpochSeconds(record.started)),
        end_time: record.ended.map(EpochSeconds),
        export_manifest: done.then(|| format!("{folder}manifest-summary.json")),
        table_arn: Some(export.table_arn()?),
        table_id: Some(record.table_id.to_string()),
        export_time: Some(EpochSeconds(record.time)),
        client_token: record.token.clone(),
        s3_bucket: Some(record.bucket.clone()),
        s3_bucket_owner: record.owner.clone(),
        s3_prefix: record.prefix.clone(),
        s3_sse_algorithm: Some(record.encryption.clone().unwrap_or_else(|| "AES256".into())),
        s3_sse_kms_key_id: record.kms_key.clone(),
        failure_code: record.failure.as_ref().map(|failure| failure.code.clone()),
        failure_message: record.failure.as_ref().map(|failure| failure.message.clone()),
        export_format: Some("DYNAMODB_JSON".into()),
        billed_size_bytes: done.then_some(record.bytes as i64),
        item_count: done.then_some(record.items as i64),
        export_type: Some("FULL_EXPORT".into()),
        incremental_export_specification: None,
    })
}

impl DynamoDb {
    /// Forgets exports that ended long ago, and their tokens.
    pub(crate) async fn forget_exports(&self) -> Result<(), Error> {
        let before = self.clock.now().as_millis() - KNOWN_MS;
        let mut range = layout::all_exports();
        loop {
            let snapshot = self.store.snapshot().await?;
            let page = snapshot.scan(range.clone(), Direction::Forward, 100).await?;
            for (key, value) in &page.entries {
                let record: ExportRecord = decode(value)?;
                if record.ended.is_none_or(|ended| ended.as_millis() > before) {
                    continue;
                }
                let scope = named(key)?.scope()?;
                self.store
                    .transact(async |tx| {
                        if let Some(token) = &record.token {
                            tx.delete(&layout::export_token(&scope, token))?;
                        }
                        Ok::<_, Error>(tx.delete(key)?)
                    })
                    .await?;
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }
}
