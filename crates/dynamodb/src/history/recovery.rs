//! Point-in-time recovery: `UpdateContinuousBackups`, `DescribeContinuousBackups`.

use super::backup::no_table;
use crate::jobs::Job;
use crate::tables::catalog::TableRef;
use crate::tables::record::{Recovery, TableRecord, TableState};
use crate::{DynamoDb, Error, keys, shapes};
use danbi_core::{RequestContext, ServiceError, Timestamp};
use danbi_store::Direction;
use danbi_wire::EpochSeconds;
use std::sync::Arc;

/// Days that can be gone back: at most, and when nothing is said.
const MAX_DAYS: u32 = 35;

/// The earliest moment that a table can be restored to.
pub(super) fn earliest(recovery: &Recovery, now: Timestamp) -> Timestamp {
    recovery
        .since
        .max(now.plus_millis(-i64::from(recovery.days) * 24 * 60 * 60 * 1000))
}

fn description(table: &TableRecord, now: Timestamp) -> shapes::ContinuousBackupsDescription {
    let recovery = table.recovery.as_ref();
    let status = if recovery.is_some() { "ENABLED" } else { "DISABLED" };
    shapes::ContinuousBackupsDescription {
        continuous_backups_status: status.into(),
        point_in_time_recovery_description: Some(shapes::PointInTimeRecoveryDescription {
            point_in_time_recovery_status: Some(status.into()),
            recovery_period_in_days: recovery.map(|recovery| recovery.days as i32),
            earliest_restorable_date_time: recovery.map(|recovery| EpochSeconds(earliest(recovery, now))),
            latest_restorable_date_time: recovery.map(|_| EpochSeconds(now)),
        }),
    }
}

/// `DescribeContinuousBackups`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::DescribeContinuousBackupsInput,
) -> Result<shapes::DescribeContinuousBackupsOutput, ServiceError> {
    let table = TableRef::parse(&context, &input.table_name)?;
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let found = dynamodb.catalog.find_in(&snapshot, &table).await?;
    let found = found.ok_or_else(|| no_table(&table))?;
    Ok(shapes::DescribeContinuousBackupsOutput {
        continuous_backups_description: Some(description(&found, dynamodb.clock.now())),
    })
}

/// `UpdateContinuousBackups`.
pub(crate) async fn update(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::UpdateContinuousBackupsInput,
) -> Result<shapes::UpdateContinuousBackupsOutput, ServiceError> {
    let table = TableRef::parse(&context, &input.table_name)?;
    let wanted = &input.point_in_time_recovery_specification;
    let days = match wanted.recovery_period_in_days {
        None => None,
        Some(days @ 1..=35) => Some(days as u32),
        Some(days) => {
            return Err(Error::constraint(
                &days.to_string(),
                "pointInTimeRecoverySpecification.recoveryPeriodInDays",
                "Member must have value between 1 and 35",
            )
            .into());
        }
    };
    if days.is_some() && !wanted.point_in_time_recovery_enabled {
        return Err(Error::validation(
            "RecoveryPeriodInDays can only be specified when PointInTimeRecoveryEnabled is true",
        )
        .into());
    }
    let now = dynamodb.clock.now();
    let updated = dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb
                .catalog
                .find(&tx, &table)
                .await?
                .ok_or_else(|| no_table(&table))?;
            if found.state != TableState::Active {
                return Err(Error::ContinuousBackupsUnavailable(format!(
                    "Backups are being enabled for the table: {}. Please retry later",
                    found.name
                )));
            }
            let mut record = TableRecord::clone(&found);
            record.recovery = match (wanted.point_in_time_recovery_enabled, found.recovery) {
                (false, _) => None,
                (true, Some(known)) => Some(Recovery {
                    days: days.unwrap_or(known.days),
                    ..known
                }),
                (true, None) => Some(Recovery {
                    since: now,
                    days: days.unwrap_or(MAX_DAYS),
                }),
            };
            if record.recovery == found.recovery {
                return Ok(record);
            }
            let forgets = !record.keeps_history() && found.keeps_history();
            let record = dynamodb.catalog.put(&tx, record)?;
            if forgets {
                dynamodb.forget_history(&tx, record.id)?;
            }
            Ok::<_, Error>(record)
        })
        .await?;
    dynamodb.jobs.wake();
    Ok(shapes::UpdateContinuousBackupsOutput {
        continuous_backups_description: Some(description(&updated, now)),
    })
}

impl DynamoDb {
    /// Forgets history that is older than each table's recovery goes back.
    pub(crate) async fn trim_history(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let mut range = keys::all_tables();
        loop {
            let page = self
                .store
                .snapshot()
                .await?
                .scan(range.clone(), Direction::Forward, 100)
                .await?;
            for (key, value) in &page.entries {
                let table = self.catalog.decode(key.clone(), value.clone())?;
                let Some(recovery) = &table.recovery else { continue };
                // A copy may need what is just about to become too old.
                if table.copies > 0 || earliest(recovery, now) == recovery.since {
                    continue;
                }
                let before = u64::try_from(earliest(recovery, now).as_millis()).unwrap_or(0) * 1000;
                let forget = super::copy::Forget {
                    table: table.id,
                    before,
                };
                self.store
                    .transact(async |tx| self.jobs.add(&tx, Job::Forget(forget.clone())))
                    .await?;
            }
            match page.entries.last() {
                Some((last, _)) if page.more => range = range.after(last),
                _ => break,
            }
        }
        self.jobs.wake();
        Ok(())
    }
}
