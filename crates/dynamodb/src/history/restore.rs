//! `RestoreTableFromBackup`, `RestoreTableToPointInTime`: a new table, filled by a copy.

use super::backup::{BackupRef, BackupState, no_table};
use super::copy::{Copy, Into};
use super::recovery::earliest;
use crate::jobs::Job;
use crate::tables::backfill::Target;
use crate::tables::catalog::TableRef;
use crate::tables::create::{kms_key, new_name};
use crate::tables::definition::{self, GlobalIndex};
use crate::tables::describe::described;
use crate::tables::record::{BillingMode, IndexRecord, IndexState, Provisioned, RestoredFrom, TableRecord, TableState};
use crate::tables::usage::Counts;
use crate::{DynamoDb, Error, shapes};
use danbi_core::{RequestContext, Scope, ServiceError, Timestamp};
use danbi_store::Transaction;
use std::sync::Arc;

/// What a restored table is to have otherwise than its source.
struct Overrides<'o> {
    billing: Option<&'o str>,
    throughput: Option<&'o shapes::ProvisionedThroughput>,
    on_demand: Option<&'o shapes::OnDemandThroughput>,
    global: Option<&'o [shapes::GlobalSecondaryIndex]>,
    local: Option<&'o [shapes::LocalSecondaryIndex]>,
    sse: Option<&'o shapes::SSESpecification>,
}

/// The record of the restored table. Indexes may be left out, not added: those that are named keep their definition.
fn restored(
    source: &TableRecord,
    scope: &Scope,
    name: &str,
    overrides: &Overrides<'_>,
    from: RestoredFrom,
    now: Timestamp,
) -> Result<TableRecord, Error> {
    new_name(name)?;
    let mut table = TableRecord {
        id: uuid::Uuid::new_v4(),
        scope: scope.clone(),
        name: name.to_owned(),
        version: 0,
        state: TableState::Creating,
        created: now,
        stream: None,
        time_to_live: None,
        deletion_protection: false,
        recovery: None,
        copies: 0,
        restored: Some(from),
        ..source.clone()
    };
    for index in &mut table.global_indexes {
        // The copy fills it.
        index.state = IndexState::Active;
    }
    if overrides.billing.is_some() || overrides.throughput.is_some() {
        let mode = overrides.billing.unwrap_or("PROVISIONED");
        let (billing, units) = definition::billing(Some(mode), overrides.throughput)?;
        table.billing = billing;
        table.provisioned = Provisioned {
            units,
            ..Provisioned::default()
        };
        table.on_demand_since = (billing == BillingMode::OnDemand).then_some(now);
        for index in &mut table.global_indexes {
            index.provisioned.units = units;
        }
    }
    if let Some(limits) = overrides.on_demand {
        table.on_demand = Some(definition::on_demand_limits(limits)?);
    }
    if let Some(given) = overrides.sse {
        table.kms_key = kms_key(Some(given), scope)?;
    }
    let unknown = |name: &str| {
        Error::validation(format!(
            "One or more parameter values were invalid: The index to restore is not one of the source table's: {name}"
        ))
    };
    if let Some(wanted) = overrides.global {
        let mut chosen: Vec<IndexRecord> = Vec::new();
        for index in wanted {
            let known = table.global_indexes.iter().find(|known| known.name == index.index_name);
            let known = known.ok_or_else(|| unknown(&index.index_name))?;
            let given = GlobalIndex {
                name: &index.index_name,
                key: &index.key_schema,
                projection: &index.projection,
                throughput: index.provisioned_throughput.as_ref(),
                on_demand: index.on_demand_throughput.as_ref(),
                warm: index.warm_throughput.as_ref(),
            };
            let made =
                definition::global_index(&given, &table.attributes, table.billing, known.id, IndexState::Active)?;
            if made.key != known.key || made.projection != known.projection {
                return Err(unknown(&index.index_name));
            }
            chosen.push(made);
        }
        table.global_indexes = chosen;
    }
    if let Some(wanted) = overrides.local {
        if let Some(stranger) = wanted
            .iter()
            .find(|index| !table.local_indexes.iter().any(|known| known.name == index.index_name))
        {
            return Err(unknown(&stranger.index_name));
        }
        table
            .local_indexes
            .retain(|known| wanted.iter().any(|index| index.index_name == known.name));
    }
    let is_used = |name: &str| table.key.contains(name) || table.indexes().any(|index| index.key.contains(name));
    table.attributes = table
        .attributes
        .iter()
        .filter(|attribute| is_used(&attribute.name))
        .cloned()
        .collect();
    Ok(table)
}

impl DynamoDb {
    /// Puts the record of the table that is to be filled, which must not exist.
    async fn begin_restore(&self, tx: &Transaction, record: TableRecord) -> Result<TableRecord, Error> {
        let name = record.name.clone();
        match self.create_record(tx, record).await {
            Err(Error::ResourceInUse(_)) => Err(Error::TableAlreadyExists(format!("Table already exists: {name}"))),
            created => created,
        }
    }
}

/// `RestoreTableFromBackup`.
pub(crate) async fn from_backup(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::RestoreTableFromBackupInput,
) -> Result<shapes::RestoreTableFromBackupOutput, ServiceError> {
    let backup = BackupRef::parse(&input.backup_arn)?;
    let now = dynamodb.clock.now();
    let overrides = Overrides {
        billing: input.billing_mode_override.as_deref(),
        throughput: input.provisioned_throughput_override.as_ref(),
        on_demand: input.on_demand_throughput_override.as_ref(),
        global: input.global_secondary_index_override.as_deref(),
        local: input.local_secondary_index_override.as_deref(),
        sse: input.sse_specification_override.as_ref(),
    };
    let created = dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb.backup(&tx, &backup).await?;
            let mut record = match found {
                Some(record) => record,
                None => return Err(Error::BackupNotFound(format!("Backup not found: {}", input.backup_arn))),
            };
            if record.state != BackupState::Available {
                return Err(Error::BackupInUse(format!(
                    "Backup is being created: {}",
                    input.backup_arn
                )));
            }
            record.restores += 1;
            backup.put(&tx, &record)?;
            let from = RestoredFrom {
                backup_arn: Some(backup.arn()?),
                table_arn: record.table.arn().to_string(),
                at: record.created,
            };
            let table = restored(
                &record.table,
                &context.scope,
                &input.target_table_name,
                &overrides,
                from,
                now,
            )?;
            let table = dynamodb.begin_restore(&tx, table).await?;
            let copy = Copy {
                source: record.id,
                source_table: None,
                source_backup: Some(backup.clone()),
                // A backup has no history: its items are those of its moment.
                stamp: u64::MAX,
                after: None,
                into: Into::Table(Target::of(&table)),
                counts: Counts::default(),
            };
            dynamodb.jobs.add(&tx, Job::Copy(Box::new(copy)))?;
            Ok(table)
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::RestoreTableFromBackupOutput {
        table_description: Some(described(&created, &Counts::default())),
    })
}

/// `RestoreTableToPointInTime`.
pub(crate) async fn to_point_in_time(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::RestoreTableToPointInTimeInput,
) -> Result<shapes::RestoreTableToPointInTimeOutput, ServiceError> {
    let named = match (&input.source_table_arn, &input.source_table_name) {
        (Some(_), Some(_)) => {
            return Err(Error::validation("Both SourceTableName and SourceTableArn cannot be specified").into());
        }
        (Some(given), None) | (None, Some(given)) => given,
        (None, None) => {
            return Err(Error::validation("Either SourceTableName or SourceTableArn must be specified").into());
        }
    };
    let source = TableRef::parse(&context, named)?;
    let latest = input.use_latest_restorable_time.unwrap_or(false);
    if latest == input.restore_date_time.is_some() {
        return Err(Error::validation(
            "Either RestoreDateTime or UseLatestRestorableTime must be specified, and not both",
        )
        .into());
    }
    let now = dynamodb.clock.now();
    let overrides = Overrides {
        billing: input.billing_mode_override.as_deref(),
        throughput: input.provisioned_throughput_override.as_ref(),
        on_demand: input.on_demand_throughput_override.as_ref(),
        global: input.global_secondary_index_override.as_deref(),
        local: input.local_secondary_index_override.as_deref(),
        sse: input.sse_specification_override.as_ref(),
    };
    let created = dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb
                .catalog
                .find(&tx, &source)
                .await?
                .ok_or_else(|| no_table(&source))?;
            let (at, stamp) = dynamodb.moment(&found, input.restore_date_time.map(|at| at.0), now)?;
            let mut kept = TableRecord::clone(&found);
            kept.copies += 1;
            let kept = dynamodb.catalog.put(&tx, kept)?;
            let from = RestoredFrom {
                backup_arn: None,
                table_arn: found.arn().to_string(),
                at,
            };
            let table = restored(&found, &context.scope, &input.target_table_name, &overrides, from, now)?;
            let table = dynamodb.begin_restore(&tx, table).await?;
            let copy = Copy {
                source: kept.id,
                source_table: Some(Target::of(&kept)),
                source_backup: None,
                stamp,
                after: None,
                into: Into::Table(Target::of(&table)),
                counts: Counts::default(),
            };
            dynamodb.jobs.add(&tx, Job::Copy(Box::new(copy)))?;
            Ok::<_, Error>(table)
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::RestoreTableToPointInTimeOutput {
        table_description: Some(described(&created, &Counts::default())),
    })
}

impl DynamoDb {
    /// The moment that is asked for, which must lie within the table's recovery, and the last stamp that belongs to it.
    /// Call it in a transaction that writes the table's record.
    pub(crate) fn moment(
        &self,
        table: &TableRecord,
        asked: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(Timestamp, u64), Error> {
        let recovery = table.recovery.as_ref().ok_or_else(|| {
            Error::PointInTimeRecoveryUnavailable(format!(
                "Point in time recovery is not enabled for table: {}",
                table.name
            ))
        })?;
        let Some(asked) = asked else {
            return Ok((now, self.stamps.next()));
        };
        if asked > now || asked.as_secs() < earliest(recovery, now).as_secs() {
            return Err(Error::InvalidRestoreTime(format!(
                "The given restore time is not within the permissible restore time bounds. It must be between {} and {}",
                earliest(recovery, now).as_secs(),
                now.as_secs()
            )));
        }
        let millis = u64::try_from(asked.as_millis()).unwrap_or(0);
        Ok((asked, millis * 1000 + 999))
    }
}
