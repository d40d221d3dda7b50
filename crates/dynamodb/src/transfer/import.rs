//! `ImportTable`, `DescribeImport`, `ListImports`.

use super::export::named;
use super::import_job::Import;
use super::{Caller, Failure, KNOWN_MS, Status, TOKEN_MS, TokenRecord, TransferRef, decode, encode};
use crate::jobs::Job;
use crate::tables::backfill::Target;
use crate::tables::catalog::TableRef;
use crate::tables::create::new_record;
use crate::tables::record::{TableRecord, TableState};
use crate::{DynamoDb, Error, layout, shapes};
use danbi_core::{RequestContext, Scope, ServiceError, Timestamp};
use danbi_store::{Direction, Transaction};
use danbi_wire::EpochSeconds;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Most imports in one answer.
const PAGE: usize = 25;
/// The fewest bytes of a token: the model asks for 112 digits.
const TOKEN_BYTES: usize = 56;

/// What is known of an import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ImportRecord {
    /// The id of the table that it makes.
    pub table_id: Uuid,
    /// Where it stands.
    pub status: Status,
    /// When it was asked for.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What was asked for.
    pub asked: shapes::ImportTableInput,
    /// Records that were no items, or none that the table takes.
    pub errors: u64,
    /// Bytes of content that were read.
    pub processed_bytes: u64,
    /// Records that were read.
    pub processed: u64,
    /// Items that were put.
    pub imported: u64,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl TransferRef {
    fn parse_import(given: &str) -> Result<Self, Error> {
        Self::parse(given, "import").ok_or_else(|| Error::validation(format!("Invalid ImportArn: {given}")))
    }

    pub(super) fn import_key(&self) -> Result<bytes::Bytes, Error> {
        Ok(layout::import(&self.scope()?, &self.table, &self.id))
    }
}

impl DynamoDb {
    pub(super) async fn import(&self, tx: &Transaction, import: &TransferRef) -> Result<Option<ImportRecord>, Error> {
        let value = tx.get(&import.import_key()?).await?;
        value.map(|value| decode(&value)).transpose()
    }
}

fn check(input: &shapes::ImportTableInput) -> Result<(), Error> {
    if input.input_format == "ION" {
        return Err(Error::Unsupported(
            "ImportTable with InputFormat ION is not built; DYNAMODB_JSON and CSV are".into(),
        ));
    }
    if input.input_compression_type.as_deref() == Some("ZSTD") {
        return Err(Error::Unsupported(
            "ImportTable with InputCompressionType ZSTD is not built; GZIP and NONE are".into(),
        ));
    }
    let csv = input
        .input_format_options
        .as_ref()
        .and_then(|options| options.csv.as_ref());
    if csv.is_some() && input.input_format != "CSV" {
        return Err(Error::validation(
            "InputFormatOptions.Csv can only be given with InputFormat CSV",
        ));
    }
    Ok(())
}

/// The table that is to be made, empty and not to be used yet.
fn table(
    context: &RequestContext,
    wanted: &shapes::TableCreationParameters,
    now: Timestamp,
) -> Result<TableRecord, Error> {
    if wanted
        .vector_indexes
        .as_ref()
        .is_some_and(|indexes| !indexes.is_empty())
    {
        return Err(Error::Unsupported("ImportTable with VectorIndexes is not built".into()));
    }
    let wanted = shapes::CreateTableInput {
        table_name: wanted.table_name.clone(),
        attribute_definitions: Some(wanted.attribute_definitions.clone()),
        key_schema: Some(wanted.key_schema.clone()),
        billing_mode: wanted.billing_mode.clone(),
        provisioned_throughput: wanted.provisioned_throughput.clone(),
        on_demand_throughput: wanted.on_demand_throughput.clone(),
        sse_specification: wanted.sse_specification.clone(),
        global_secondary_indexes: wanted.global_secondary_indexes.clone(),
        ..shapes::CreateTableInput::default()
    };
    Ok(TableRecord {
        state: TableState::Creating,
        ..new_record(context, &wanted, now)?
    })
}

/// `ImportTable`.
pub(crate) async fn import(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ImportTableInput,
) -> Result<shapes::ImportTableOutput, ServiceError> {
    check(&input)?;
    dynamodb.s3()?;
    let caller = Caller::of(&context)?;
    let now = dynamodb.clock.now();
    let table = table(&context, &input.table_creation_parameters, now)?;
    let asked = serde_json::to_value(&input).map_err(Error::internal)?;
    let random = Uuid::new_v4().as_fields().0;
    let (import, record) = dynamodb
        .store
        .transact(async |tx| {
            if let Some(token) = &input.client_token
                && let Some(value) = tx.get(&layout::import_token(&context.scope, token)).await?
            {
                let known: TokenRecord = decode(&value)?;
                if now.as_millis() - known.at < TOKEN_MS
                    && let Some(record) = dynamodb.import(&tx, &known.transfer).await?
                {
                    if known.asked != asked {
                        return Err(Error::ImportConflict(
                            "Import request does not match the request that used this client token before".into(),
                        ));
                    }
                    return Ok((known.transfer, record));
                }
            }
            let made = dynamodb.create_record(&tx, table.clone()).await?;
            let import = TransferRef::new(&context.scope, &made.name, now.as_millis(), random);
            let record = ImportRecord {
                table_id: made.id,
                status: Status::InProgress,
                started: now,
                ended: None,
                asked: input.clone(),
                errors: 0,
                processed_bytes: 0,
                processed: 0,
                imported: 0,
                failure: None,
            };
            tx.put(&import.import_key()?, encode(&record)?)?;
            if let Some(token) = &input.client_token {
                let known = TokenRecord {
                    transfer: import.clone(),
                    asked: asked.clone(),
                    at: now.as_millis(),
                };
                tx.put(&layout::import_token(&context.scope, token), encode(&known)?)?;
            }
            let job = Import::new(import.clone(), caller.clone(), Target::of(&made));
            dynamodb.jobs.add(&tx, Job::Import(Box::new(job)))?;
            Ok((import, record))
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::ImportTableOutput {
        import_table_description: description(&import, &record)?,
    })
}

/// `DescribeImport`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::DescribeImportInput,
) -> Result<shapes::DescribeImportOutput, ServiceError> {
    let import = TransferRef::parse_import(&input.import_arn)?;
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let value = snapshot.get(&import.import_key()?).await.map_err(Error::from)?;
    let value = value.ok_or_else(|| Error::ImportNotFound(format!("Import not found: {}", input.import_arn)))?;
    Ok(shapes::DescribeImportOutput {
        import_table_description: description(&import, &decode(&value)?)?,
    })
}

/// `ListImports`.
pub(crate) async fn list(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ListImportsInput,
) -> Result<shapes::ListImportsOutput, ServiceError> {
    let limit = input.page_size.map_or(PAGE, |limit| limit as usize).min(PAGE);
    let table = input
        .table_arn
        .as_deref()
        .map(|arn| TableRef::from_arn(arn, "TableArn"))
        .transpose()?;
    let scope = table.as_ref().map_or(&context.scope, |table| &table.scope);
    let mut range = layout::imports(scope, table.as_ref().map(|table| table.name.as_str()));
    if let Some(token) = &input.next_token {
        let last =
            from_token(token, scope).ok_or_else(|| Error::validation("The NextToken is not one of ListImports"))?;
        range = range.after(&last.import_key()?);
    }
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let page = snapshot
        .scan(range, Direction::Forward, limit)
        .await
        .map_err(Error::from)?;
    let (mut summaries, mut last) = (Vec::with_capacity(page.entries.len()), None);
    for (key, value) in &page.entries {
        let record: ImportRecord = decode(value)?;
        let import = named(key)?;
        summaries.push(shapes::ImportSummary {
            import_arn: Some(import.arn("import")?),
            import_status: Some(record.status.as_str().into()),
            table_arn: Some(import.table_arn()?),
            s3_bucket_source: Some(record.asked.s3_bucket_source.clone()),
            cloud_watch_log_group_arn: None,
            input_format: Some(record.asked.input_format.clone()),
            start_time: Some(EpochSeconds(record.started)),
            end_time: record.ended.map(EpochSeconds),
        });
        last = Some(import);
    }
    Ok(shapes::ListImportsOutput {
        import_summary_list: Some(summaries),
        next_token: last.filter(|_| page.more).map(|last| to_token(&last)),
    })
}

/// The digits of `TABLE/ID`, filled up to whole words.
fn to_token(import: &TransferRef) -> String {
    let mut bytes = format!("{}/{}", import.table, import.id).into_bytes();
    bytes.resize(bytes.len().max(TOKEN_BYTES).next_multiple_of(8), 0);
    danbi_core::hex::encode(bytes)
}

fn from_token(token: &str, scope: &Scope) -> Option<TransferRef> {
    let text = String::from_utf8(danbi_core::hex::decode(token)?).ok()?;
    let (table, id) = text.trim_end_matches('\0').split_once('/')?;
    Some(TransferRef {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        table: table.to_owned(),
        id: id.to_owned(),
    })
}

fn description(import: &TransferRef, record: &ImportRecord) -> Result<shapes::ImportTableDescription, Error> {
    let asked = &record.asked;
    Ok(shapes::ImportTableDescription {
        import_arn: Some(import.arn("import")?),
        import_status: Some(record.status.as_str().into()),
        table_arn: Some(import.table_arn()?),
        table_id: Some(record.table_id.to_string()),
        client_token: asked.client_token.clone(),
        s3_bucket_source: Some(asked.s3_bucket_source.clone()),
        error_count: Some(record.errors as i64),
        cloud_watch_log_group_arn: None,
        input_format: Some(asked.input_format.clone()),
        input_format_options: asked.input_format_options.clone(),
        input_compression_type: Some(asked.input_compression_type.clone().unwrap_or_else(|| "NONE".into())),
        table_creation_parameters: Some(asked.table_creation_parameters.clone()),
        start_time: Some(EpochSeconds(record.started)),
        end_time: record.ended.map(EpochSeconds),
        processed_size_bytes: Some(record.processed_bytes as i64),
        processed_item_count: Some(record.processed as i64),
        imported_item_count: Some(record.imported as i64),
        failure_code: record.failure.as_ref().map(|failure| failure.code.clone()),
        failure_message: record.failure.as_ref().map(|failure| failure.message.clone()),
    })
}

impl DynamoDb {
    /// Forgets imports that ended long ago, and their tokens.
    pub(crate) async fn forget_imports(&self) -> Result<(), Error> {
        let before = self.clock.now().as_millis() - KNOWN_MS;
        let mut range = layout::all_imports();
        loop {
            let snapshot = self.store.snapshot().await?;
            let page = snapshot.scan(range.clone(), Direction::Forward, 100).await?;
            for (key, value) in &page.entries {
                let record: ImportRecord = decode(value)?;
                if record.ended.is_none_or(|ended| ended.as_millis() > before) {
                    continue;
                }
                let scope = named(key)?.scope()?;
                self.store
                    .transact(async |tx| {
                        if let Some(token) = &record.asked.client_token {
                            tx.delete(&layout::import_token(&scope, token))?;
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
