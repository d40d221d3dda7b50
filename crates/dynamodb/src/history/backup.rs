//! On-demand backups: `CreateBackup`, `DescribeBackup`, `ListBackups`, `DeleteBackup`.

use super::copy::{Copy, Into};
use crate::jobs::Job;
use crate::keys::{self, Space, TableId};
use crate::tables::backfill::Target;
use crate::tables::catalog::TableRef;
use crate::tables::describe::{key_schema, on_demand_throughput, projection, view_type};
use crate::tables::record::{BillingMode, Provisioned, TableRecord, TableState};
use crate::tables::usage::Counts;
use crate::{DynamoDb, Error, layout, shapes};
use danbi_core::{Arn, RequestContext, Scope, ServiceError, Timestamp};
use danbi_store::{Direction, KeyRange, Snapshot, Transaction};
use danbi_wire::EpochSeconds;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// How long the backup is kept that a table with point-in-time recovery leaves when it is deleted.
const SYSTEM_RETENTION: Duration = Duration::from_secs(35 * 24 * 60 * 60);
/// Most backups in one answer.
const MAX_LIMIT: usize = 100;

/// Where a backup stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BackupState {
    /// Items are being copied.
    Creating,
    /// It can be restored.
    Available,
}

/// Who made a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BackupKind {
    /// Somebody asked for it.
    User,
    /// The deletion of a table with point-in-time recovery.
    System,
}

/// What is known of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupRecord {
    /// Its items lie under this id, as a table's do.
    pub id: TableId,
    /// `BackupName`.
    pub name: String,
    /// Who made it.
    pub kind: BackupKind,
    /// Where it stands.
    pub state: BackupState,
    /// The moment it holds.
    pub created: Timestamp,
    /// When it is removed by itself.
    pub expires: Option<Timestamp>,
    /// The table as it was.
    pub table: TableRecord,
    /// What it holds.
    pub counts: Counts,
    /// Restores that are reading it.
    pub restores: u32,
}

/// A backup, as its ARN names it; it need not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BackupRef {
    account: String,
    region: String,
    table: String,
    id: String,
}

impl BackupRef {
    fn new(table: &TableRecord, now: Timestamp, random: u32) -> Self {
        Self {
            account: table.scope.account.to_string(),
            region: table.scope.region.to_string(),
            table: table.name.clone(),
            // As AWS's: the time in milliseconds, fourteen digits, and eight that are random.
            id: format!("{:014}-{random:08x}", now.as_millis()),
        }
    }

    /// Reads `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/backup/ID`.
    pub(crate) fn parse(given: &str) -> Result<Self, Error> {
        let refused = || Error::validation(format!("Invalid BackupArn: {given}"));
        let arn: Arn = given.parse().map_err(|_| refused())?;
        let scope = arn.scope().filter(|_| arn.service == "dynamodb").ok_or_else(refused)?;
        let rest = arn.resource.strip_prefix("table/").ok_or_else(refused)?;
        let (table, id) = rest.split_once("/backup/").ok_or_else(refused)?;
        if !(3..=255).contains(&table.len()) || !(1..=64).contains(&id.len()) {
            return Err(refused());
        }
        Ok(Self {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            table: table.into(),
            id: id.into(),
        })
    }

    fn scope(&self) -> Result<Scope, Error> {
        Ok(Scope {
            account: self.account.parse().map_err(Error::internal)?,
            region: self.region.parse().map_err(Error::internal)?,
        })
    }

    pub(crate) fn arn(&self) -> Result<String, Error> {
        let resource = format!("table/{}/backup/{}", self.table, self.id);
        Ok(Arn::new("dynamodb", &self.scope()?, resource).to_string())
    }

    fn key(&self) -> Result<bytes::Bytes, Error> {
        Ok(layout::backup(&self.scope()?, &self.table, &self.id))
    }

    pub(crate) fn put(&self, tx: &Transaction, record: &BackupRecord) -> Result<(), Error> {
        tx.put(&self.key()?, serde_json::to_vec(record).map_err(Error::internal)?)?;
        Ok(())
    }

    fn missing(&self) -> Result<Error, Error> {
        Ok(Error::BackupNotFound(format!("Backup not found: {}", self.arn()?)))
    }
}

impl DynamoDb {
    /// The record of a backup.
    pub(crate) async fn backup(&self, tx: &Transaction, backup: &BackupRef) -> Result<Option<BackupRecord>, Error> {
        let value = tx.get(&backup.key()?).await?;
        value
            .map(|value| serde_json::from_slice(&value).map_err(Error::internal))
            .transpose()
    }

    async fn backup_in(&self, snapshot: &Snapshot, backup: &BackupRef) -> Result<BackupRecord, Error> {
        match snapshot.get(&backup.key()?).await? {
            Some(value) => serde_json::from_slice(&value).map_err(Error::internal),
            None => Err(backup.missing()?),
        }
    }
}

/// What these operations say of a table that does not exist.
pub(super) fn no_table(table: &TableRef) -> Error {
    Error::TableNotFound(format!("Table not found: {}", table.name))
}

/// `CreateBackup`.
pub(crate) async fn create(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::CreateBackupInput,
) -> Result<shapes::CreateBackupOutput, ServiceError> {
    let table = TableRef::parse(&context, &input.table_name)?;
    let now = dynamodb.clock.now();
    let counts_then = match dynamodb.existing_table(&context, &input.table_name).await {
        Ok(found) => dynamodb.counts(&found).await?,
        Err(_) => Counts::default(),
    };
    let id = uuid::Uuid::new_v4();
    let (backup, record) = dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb
                .catalog
                .find(&tx, &table)
                .await?
                .ok_or_else(|| no_table(&table))?;
            if found.state != TableState::Active {
                return Err(Error::TableInUse(format!("Table is being created: {}", found.name)));
            }
            let mut source = TableRecord::clone(&found);
            source.copies += 1;
            let source = dynamodb.catalog.put(&tx, source)?;
            let backup = BackupRef::new(&source, now, id.as_fields().0);
            let record = BackupRecord {
                id,
                name: input.backup_name.clone(),
                kind: BackupKind::User,
                state: BackupState::Creating,
                created: now,
                expires: None,
                table: TableRecord::clone(&found),
                counts: counts_then.clone(),
                restores: 0,
            };
            backup.put(&tx, &record)?;
            let copy = Copy {
                source: source.id,
                source_table: Some(Target::of(&source)),
                source_backup: None,
                // Drawn in the transaction that writes the table's record: nothing older is still to come.
                stamp: dynamodb.stamps.next(),
                after: None,
                into: Into::Backup(backup.clone()),
                counts: Counts::default(),
            };
            dynamodb.jobs.add(&tx, Job::Copy(Box::new(copy)))?;
            Ok((backup, record))
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::CreateBackupOutput {
        backup_details: Some(details(&backup, &record)?),
    })
}

/// Makes a table that is being deleted, and had point-in-time recovery, its own backup: nothing is copied.
pub(crate) fn keep_deleted(
    dynamodb: &DynamoDb,
    tx: &Transaction,
    table: &TableRecord,
    counts: &Counts,
    now: Timestamp,
) -> Result<(), Error> {
    let backup = BackupRef::new(table, now, table.id.as_fields().0);
    let record = BackupRecord {
        id: table.id,
        name: format!("{}$DeletedTableBackup", table.name),
        kind: BackupKind::System,
        state: BackupState::Available,
        created: now,
        expires: Some(now.plus_millis(SYSTEM_RETENTION.as_millis() as i64)),
        table: table.clone(),
        counts: counts.clone(),
        restores: 0,
    };
    backup.put(tx, &record)?;
    for space in [
        Space::Index,
        Space::Usage,
        Space::Tags,
        Space::Policy,
        Space::History,
        Space::HistoryTime,
        Space::Expiry,
    ] {
        let range = KeyRange::prefix(keys::space(table.id, space, 0));
        dynamodb.jobs.add(tx, Job::clear(range))?;
    }
    Ok(())
}

/// `DescribeBackup`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::DescribeBackupInput,
) -> Result<shapes::DescribeBackupOutput, ServiceError> {
    let backup = BackupRef::parse(&input.backup_arn)?;
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let record = dynamodb.backup_in(&snapshot, &backup).await?;
    Ok(shapes::DescribeBackupOutput {
        backup_description: Some(description(&backup, &record)?),
    })
}

/// `DeleteBackup`.
pub(crate) async fn delete(
    dynamodb: Arc<DynamoDb>,
    _context: RequestContext,
    input: shapes::DeleteBackupInput,
) -> Result<shapes::DeleteBackupOutput, ServiceError> {
    let backup = BackupRef::parse(&input.backup_arn)?;
    let record = dynamodb.remove_backup(&backup).await?;
    let mut description = description(&backup, &record)?;
    if let Some(details) = &mut description.backup_details {
        details.backup_status = "DELETED".into();
    }
    Ok(shapes::DeleteBackupOutput {
        backup_description: Some(description),
    })
}

impl DynamoDb {
    async fn remove_backup(&self, backup: &BackupRef) -> Result<BackupRecord, Error> {
        let removed = self.store.transact(async |tx| {
            let Some(record) = self.backup(&tx, backup).await? else {
                return Err(backup.missing()?);
            };
            if record.state != BackupState::Available || record.restores > 0 {
                return Err(Error::BackupInUse(format!("Backup is being used: {}", backup.arn()?)));
            }
            tx.delete(&backup.key()?)?;
            self.jobs.add(&tx, Job::clear(keys::table_data(record.id)))?;
            Ok(record)
        });
        let record = removed.await?;
        self.jobs.wake();
        Ok(record)
    }

    /// Removes backups whose time is over.
    pub(crate) async fn expire_backups(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let mut range = layout::all_backups();
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, 50)
                .await?;
            for (key, value) in &page.entries {
                let record: BackupRecord = serde_json::from_slice(value).map_err(Error::internal)?;
                if record.expires.is_some_and(|expires| expires < now) && record.restores == 0 {
                    self.remove_backup(&named(key, &record)?).await?;
                }
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => return Ok(()),
            }
        }
    }
}

fn named(key: &[u8], record: &BackupRecord) -> Result<BackupRef, Error> {
    let mut reader = danbi_store::key::KeyReader::new(key);
    reader.str()?;
    reader.u64()?;
    reader.str()?;
    reader.str()?;
    reader.str()?;
    Ok(BackupRef {
        account: record.table.scope.account.to_string(),
        region: record.table.scope.region.to_string(),
        table: record.table.name.clone(),
        id: reader.str()?,
    })
}

/// `ListBackups`.
pub(crate) async fn list(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ListBackupsInput,
) -> Result<shapes::ListBackupsOutput, ServiceError> {
    Ok(dynamodb.list_backups(&context, &input).await?)
}

impl DynamoDb {
    async fn list_backups(
        &self,
        context: &RequestContext,
        input: &shapes::ListBackupsInput,
    ) -> Result<shapes::ListBackupsOutput, Error> {
        let limit = match input.limit {
            None => MAX_LIMIT,
            Some(limit @ 1..=100) => limit as usize,
            Some(limit) => {
                return Err(Error::constraint(
                    &limit.to_string(),
                    "limit",
                    "Member must have value between 1 and 100",
                ));
            }
        };
        let table = match &input.table_name {
            Some(given) => Some(TableRef::parse(context, given)?),
            None => None,
        };
        let is_asked_for = |record: &BackupRecord| {
            let kind = match input.backup_type.as_deref() {
                None | Some("ALL") => true,
                Some("SYSTEM") => record.kind == BackupKind::System,
                Some("USER") => record.kind == BackupKind::User,
                Some(_) => false,
            };
            let after = input
                .time_range_lower_bound
                .is_none_or(|bound| record.created >= bound.0);
            let before = input
                .time_range_upper_bound
                .is_none_or(|bound| record.created < bound.0);
            let named = table.as_ref().is_none_or(|table| table.name == record.table.name);
            kind && after && before && named
        };
        let mut range = layout::backups(&context.scope);
        if let Some(start) = &input.exclusive_start_backup_arn {
            range = range.after(&BackupRef::parse(start)?.key()?);
        }
        let snapshot = self.store.snapshot().await?;
        let mut summaries: Vec<shapes::BackupSummary> = Vec::new();
        loop {
            let page = snapshot.scan(range.clone(), Direction::Forward, 50).await?;
            for (key, value) in &page.entries {
                let record: BackupRecord = serde_json::from_slice(value).map_err(Error::internal)?;
                if !is_asked_for(&record) {
                    continue;
                }
                if summaries.len() == limit {
                    return Ok(shapes::ListBackupsOutput {
                        last_evaluated_backup_arn: summaries.last().and_then(|last| last.backup_arn.clone()),
                        backup_summaries: Some(summaries),
                    });
                }
                summaries.push(summary(&named(key, &record)?, &record)?);
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => break,
            }
        }
        Ok(shapes::ListBackupsOutput {
            backup_summaries: Some(summaries),
            last_evaluated_backup_arn: None,
        })
    }
}

fn status(record: &BackupRecord) -> String {
    match record.state {
        BackupState::Creating => "CREATING",
        BackupState::Available => "AVAILABLE",
    }
    .into()
}

fn kind(record: &BackupRecord) -> String {
    match record.kind {
        BackupKind::User => "USER",
        BackupKind::System => "SYSTEM",
    }
    .into()
}

fn details(backup: &BackupRef, record: &BackupRecord) -> Result<shapes::BackupDetails, Error> {
    Ok(shapes::BackupDetails {
        backup_arn: backup.arn()?,
        backup_name: record.name.clone(),
        backup_size_bytes: Some(record.counts.table.bytes),
        backup_status: status(record),
        backup_type: kind(record),
        backup_creation_date_time: EpochSeconds(record.created),
        backup_expiry_date_time: record.expires.map(EpochSeconds),
    })
}

fn summary(backup: &BackupRef, record: &BackupRecord) -> Result<shapes::BackupSummary, Error> {
    Ok(shapes::BackupSummary {
        table_name: Some(record.table.name.clone()),
        table_id: Some(record.table.id.to_string()),
        table_arn: Some(record.table.arn().to_string()),
        backup_arn: Some(backup.arn()?),
        backup_name: Some(record.name.clone()),
        backup_creation_date_time: Some(EpochSeconds(record.created)),
        backup_expiry_date_time: record.expires.map(EpochSeconds),
        backup_status: Some(status(record)),
        backup_type: Some(kind(record)),
        backup_size_bytes: Some(record.counts.table.bytes),
    })
}

fn units(provisioned: &Provisioned) -> shapes::ProvisionedThroughput {
    shapes::ProvisionedThroughput {
        read_capacity_units: provisioned.units.read,
        write_capacity_units: provisioned.units.write,
    }
}

fn description(backup: &BackupRef, record: &BackupRecord) -> Result<shapes::BackupDescription, Error> {
    let table = &record.table;
    let none_if_empty = |count: usize| (count > 0).then_some(());
    Ok(shapes::BackupDescription {
        backup_details: Some(details(backup, record)?),
        source_table_details: Some(shapes::SourceTableDetails {
            table_name: table.name.clone(),
            table_id: table.id.to_string(),
            table_arn: Some(table.arn().to_string()),
            table_size_bytes: Some(record.counts.table.bytes),
            key_schema: key_schema(&table.key),
            table_creation_date_time: EpochSeconds(table.created),
            provisioned_throughput: units(&table.provisioned),
            on_demand_throughput: table.on_demand.as_ref().map(on_demand_throughput),
            item_count: Some(record.counts.table.items),
            billing_mode: Some(
                match table.billing {
                    BillingMode::Provisioned => "PROVISIONED",
                    BillingMode::OnDemand => "PAY_PER_REQUEST",
                }
                .into(),
            ),
        }),
        source_table_feature_details: Some(shapes::SourceTableFeatureDetails {
            local_secondary_indexes: none_if_empty(table.local_indexes.len()).map(|()| {
                let infos = table.local_indexes.iter().map(|index| shapes::LocalSecondaryIndexInfo {
                    index_name: Some(index.name.clone()),
                    key_schema: Some(key_schema(&index.key)),
                    projection: Some(projection(&index.projection)),
                });
                infos.collect()
            }),
            global_secondary_indexes: none_if_empty(table.global_indexes.len()).map(|()| {
                let infos = table
                    .global_indexes
                    .iter()
                    .map(|index| shapes::GlobalSecondaryIndexInfo {
                        index_name: Some(index.name.clone()),
                        key_schema: Some(key_schema(&index.key)),
                        projection: Some(projection(&index.projection)),
                        provisioned_throughput: Some(units(&index.provisioned)),
                        on_demand_throughput: index.on_demand.as_ref().map(on_demand_throughput),
                    });
                infos.collect()
            }),
            stream_description: table.live_stream().map(|stream| shapes::StreamSpecification {
                stream_enabled: true,
                stream_view_type: Some(view_type(stream.view).into()),
            }),
            time_to_live_description: table
                .time_to_live
                .as_ref()
                .map(|settings| shapes::TimeToLiveDescription {
                    time_to_live_status: Some("ENABLED".into()),
                    attribute_name: Some(settings.attribute.clone()),
                }),
            sse_description: table.kms_key.as_ref().map(|key| shapes::SSEDescription {
                status: Some("ENABLED".into()),
                sse_type: Some("KMS".into()),
                kms_master_key_arn: Some(key.clone()),
                ..Default::default()
            }),
            vector_indexes: None,
        }),
    })
}
