//! `UpdateTable`.

use super::backfill::{FillIndex, Target};
use super::catalog::TableRef;
use super::create::{kms_key, shards};
use super::definition::{self, GlobalIndex, invalid};
use super::describe::described;
use super::record::{BillingMode, IndexState, Provisioned, TableRecord, TableState, Throughput};
use crate::jobs::Job;
use crate::{DynamoDb, Error, keys, shapes, streams};
use danbi_core::{RequestContext, ServiceError, Timestamp};
use danbi_store::{KeyRange, Transaction};
use std::sync::Arc;

/// `UpdateTable`: in force when it is answered, but for a new index, which is filled afterwards.
pub(crate) async fn update(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::UpdateTableInput,
) -> Result<shapes::UpdateTableOutput, ServiceError> {
    let table = TableRef::parse(&context, &input.table_name)?;
    check_asked(&input)?;
    let now = dynamodb.clock.now();
    let updated = dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb.catalog.find(&tx, &table).await?;
            let found = found.ok_or_else(|| Error::table_not_found(&table.name))?;
            if found.state != TableState::Active {
                return Err(Error::ResourceInUse(format!(
                    "Attempt to change a resource which is still in use: Table is being created: {}",
                    found.name
                )));
            }
            let mut record = TableRecord::clone(&found);
            let update = Update {
                dynamodb: &dynamodb,
                tx: &tx,
                input: &input,
                now,
            };
            update.billing(&mut record)?;
            update.settings(&mut record)?;
            update.stream(&mut record).await?;
            let deleted = update.indexes(&mut record)?;
            let record = dynamodb.catalog.put(&tx, record)?;
            Ok::<_, Error>((record, deleted))
        })
        .await;
    let (record, deleted) = updated?;
    dynamodb.jobs.wake();
    let counts = dynamodb.counts(&record).await?;
    let mut description = described(&record, &counts);
    description.table_status = Some("UPDATING".into());
    if let Some(deleted) = deleted {
        let mut shown = described(&deleted, &counts)
            .global_secondary_indexes
            .unwrap_or_default();
        for index in &mut shown {
            index.index_status = Some("DELETING".into());
        }
        description
            .global_secondary_indexes
            .get_or_insert_default()
            .extend(shown);
    }
    Ok(shapes::UpdateTableOutput {
        table_description: Some(description),
    })
}

/// What can be seen to be wrong without the table.
fn check_asked(input: &shapes::UpdateTableInput) -> Result<(), Error> {
    for (asked, what) in [
        (input.replica_updates.is_some(), "ReplicaUpdates"),
        (
            input.global_table_witness_updates.is_some(),
            "GlobalTableWitnessUpdates",
        ),
        (input.multi_region_consistency.is_some(), "MultiRegionConsistency"),
        (
            input.global_table_settings_replication_mode.is_some(),
            "GlobalTableSettingsReplicationMode",
        ),
    ] {
        if asked {
            return Err(Error::Unsupported(format!(
                "UpdateTable with {what} is not built: tables live in one region"
            )));
        }
    }
    if input.vector_index_updates.is_some() {
        return Err(Error::Unsupported(
            "UpdateTable with VectorIndexUpdates is not built".into(),
        ));
    }
    let asks_something = input.billing_mode.is_some()
        || input.provisioned_throughput.is_some()
        || input
            .global_secondary_index_updates
            .as_ref()
            .is_some_and(|updates| !updates.is_empty())
        || input.stream_specification.is_some()
        || input.sse_specification.is_some()
        || input.table_class.is_some()
        || input.deletion_protection_enabled.is_some()
        || input.on_demand_throughput.is_some()
        || input.warm_throughput.is_some();
    if !asks_something {
        return Err(Error::validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or \
             SSESpecification or ReplicaUpdates is required in UpdateTable",
        ));
    }
    Ok(())
}

struct Update<'u> {
    dynamodb: &'u DynamoDb,
    tx: &'u Transaction,
    input: &'u shapes::UpdateTableInput,
    now: Timestamp,
}

impl Update<'_> {
    fn billing(&self, record: &mut TableRecord) -> Result<(), Error> {
        let given = self.input.provisioned_throughput.as_ref();
        let mode = match self.input.billing_mode.as_deref() {
            Some("PAY_PER_REQUEST") => BillingMode::OnDemand,
            Some(_) => BillingMode::Provisioned,
            None => record.billing,
        };
        match (mode, given) {
            (BillingMode::OnDemand, Some(_)) => {
                return Err(invalid(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
                     PAY_PER_REQUEST",
                ));
            }
            (BillingMode::Provisioned, None) if record.billing == BillingMode::OnDemand => {
                return Err(invalid(
                    "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
                ));
            }
            _ => {}
        }
        if let Some(given) = given {
            let units = definition::throughput_units(given)?;
            if mode == record.billing
                && units == record.provisioned.units
                && self.input.global_secondary_index_updates.is_none()
            {
                return Err(Error::validation(format!(
                    "The provisioned throughput for the table will not change. The requested value equals the current \
                     value. Current ReadCapacityUnits provisioned for the table: {}. Requested ReadCapacityUnits: {}. \
                     Current WriteCapacityUnits provisioned for the table: {}. Requested WriteCapacityUnits: {}. Refer \
                     to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
                    record.provisioned.units.read, units.read, record.provisioned.units.write, units.write
                )));
            }
            change_units(&mut record.provisioned, units, self.now);
        }
        if mode != record.billing {
            record.billing = mode;
            if mode == BillingMode::OnDemand {
                record.on_demand_since = Some(self.now);
                record.provisioned = Provisioned::default();
                for index in &mut record.global_indexes {
                    index.provisioned = Provisioned::default();
                }
            } else {
                record.on_demand = None;
                for index in &mut record.global_indexes {
                    index.on_demand = None;
                }
            }
        }
        Ok(())
    }

    fn settings(&self, record: &mut TableRecord) -> Result<(), Error> {
        if let Some(limits) = &self.input.on_demand_throughput {
            if record.billing != BillingMode::OnDemand {
                return Err(invalid(
                    "OnDemandThroughput can only be specified when BillingMode is PAY_PER_REQUEST",
                ));
            }
            record.on_demand = Some(definition::on_demand_limits(limits)?);
        }
        if let Some(warm) = &self.input.warm_throughput {
            record.warm = Some(definition::warm_units(warm));
        }
        if let Some(class) = &self.input.table_class {
            record.class = definition::class(Some(class))?;
            record.class_changed = Some(self.now);
        }
        if let Some(protected) = self.input.deletion_protection_enabled {
            record.deletion_protection = protected;
        }
        if let Some(given) = &self.input.sse_specification {
            record.kms_key = kms_key(Some(given), &record.scope)?;
        }
        Ok(())
    }

    async fn stream(&self, record: &mut TableRecord) -> Result<(), Error> {
        let Some(given) = &self.input.stream_specification else {
            return Ok(());
        };
        let live = record.live_stream().is_some();
        if live && given.stream_enabled {
            return Err(Error::validation(format!(
                "Table already has an enabled stream: TableName: {}",
                record.name
            )));
        }
        if !live && !given.stream_enabled {
            return Err(Error::validation(format!(
                "Table has no stream to disable: TableName: {}",
                record.name
            )));
        }
        match definition::stream(given, self.now, shards(record.billing))? {
            Some(stream) => {
                streams::begin(self.tx, record, &stream, self.now)?;
                record.stream = Some(stream);
            }
            None => {
                if let Some(stream) = record.live_stream().cloned() {
                    streams::end(self.tx, record, &stream, self.now).await?;
                }
                if let Some(stream) = &mut record.stream {
                    stream.enabled = false;
                }
            }
        }
        Ok(())
    }

    /// Changes the global indexes; a table with only those that were deleted, to describe them.
    fn indexes(&self, record: &mut TableRecord) -> Result<Option<TableRecord>, Error> {
        let Some(updates) = self.input.global_secondary_index_updates.as_deref() else {
            return Ok(None);
        };
        let before = TableRecord::clone(record);
        let mut deleted = Vec::new();
        let mut changes = 0;
        let mut named: Vec<&str> = Vec::new();
        for update in updates {
            let actions = [
                update.create.is_some(),
                update.update.is_some(),
                update.delete.is_some(),
            ];
            let asked = actions.into_iter().filter(|&asked| asked).count();
            if asked > 1 {
                return Err(invalid(
                    "Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete can be given",
                ));
            }
            if asked == 0 {
                return Err(invalid(
                    "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null",
                ));
            }
            let name = update.create.as_ref().map(|create| &create.index_name);
            let name = name.or(update.update.as_ref().map(|update| &update.index_name));
            let name = name.or(update.delete.as_ref().map(|delete| &delete.index_name));
            // One of the three is there.
            let name = name.map_or("", String::as_str);
            if named.contains(&name) {
                return Err(invalid(format_args!(
                    "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
                )));
            }
            named.push(name);
            if update.update.is_none() {
                changes += 1;
            }
        }
        let filling = record
            .global_indexes
            .iter()
            .any(|index| index.state == IndexState::Backfilling);
        let deletes_filling = |name: &str| {
            let index = record.global_indexes.iter().find(|index| index.name == name);
            index.is_some_and(|index| index.state == IndexState::Backfilling)
        };
        let only_ends_filling = changes == 1
            && updates.iter().any(|update| {
                update
                    .delete
                    .as_ref()
                    .is_some_and(|delete| deletes_filling(&delete.index_name))
            });
        if changes > 1 || (changes == 1 && filling && !only_ends_filling) {
            return Err(Error::LimitExceeded(
                "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table"
                    .into(),
            ));
        }
        for update in updates {
            if let Some(delete) = &update.delete {
                let at = record
                    .global_indexes
                    .iter()
                    .position(|index| index.name == delete.index_name);
                let at = at.ok_or_else(|| {
                    Error::ResourceNotFound(format!(
                        "Requested resource not found: Index {} does not exist",
                        delete.index_name
                    ))
                })?;
                let index = record.global_indexes.remove(at);
                let entries = KeyRange::prefix(keys::index(record.id, index.id));
                self.dynamodb.jobs.add(self.tx, Job::clear(entries))?;
                deleted.push(index);
                self.keep_used(record);
            }
            if let Some(wanted) = &update.update {
                self.change_index(record, wanted)?;
            }
            if let Some(create) = &update.create {
                self.add_index(record, create)?;
            }
        }
        Ok((!deleted.is_empty()).then_some(TableRecord {
            global_indexes: deleted,
            ..before
        }))
    }

    /// Drops the definitions of attributes that no key has any more.
    fn keep_used(&self, record: &mut TableRecord) {
        let is_used = |name: &str| record.key.contains(name) || record.indexes().any(|index| index.key.contains(name));
        let used = record.attributes.iter().filter(|attribute| is_used(&attribute.name));
        record.attributes = used.cloned().collect();
    }

    fn change_index(
        &self,
        record: &mut TableRecord,
        wanted: &shapes::UpdateGlobalSecondaryIndexAction,
    ) -> Result<(), Error> {
        let billing = record.billing;
        let index = record
            .global_indexes
            .iter_mut()
            .find(|index| index.name == wanted.index_name);
        let index = index.ok_or_else(|| {
            Error::ResourceNotFound(format!(
                "Requested resource not found: Index {} does not exist",
                wanted.index_name
            ))
        })?;
        if let Some(given) = &wanted.provisioned_throughput {
            if billing == BillingMode::OnDemand {
                return Err(invalid(format_args!(
                    "ProvisionedThroughput should not be specified for index: {} when BillingMode is PAY_PER_REQUEST",
                    wanted.index_name
                )));
            }
            change_units(&mut index.provisioned, definition::throughput_units(given)?, self.now);
        }
        if let Some(limits) = &wanted.on_demand_throughput {
            index.on_demand = Some(definition::on_demand_limits(limits)?);
        }
        if let Some(warm) = &wanted.warm_throughput {
            index.warm = Some(definition::warm_units(warm));
        }
        Ok(())
    }

    fn add_index(
        &self,
        record: &mut TableRecord,
        create: &shapes::CreateGlobalSecondaryIndexAction,
    ) -> Result<(), Error> {
        if record.indexes().any(|index| index.name == create.index_name) {
            return Err(Error::validation(format!(
                "Attempting to create an index which already exists: {}",
                create.index_name
            )));
        }
        if record.global_indexes.len() >= definition::MAX_GLOBAL_INDEXES {
            return Err(Error::LimitExceeded(format!(
                "Subscriber limit exceeded: The number of global secondary indexes exceeds the per-table limit of {}",
                definition::MAX_GLOBAL_INDEXES
            )));
        }
        let given = definition::attributes(self.input.attribute_definitions.as_deref().unwrap_or_default())?;
        for attribute in &given {
            let known = record.attributes.iter().find(|known| known.name == attribute.name);
            if known.is_some_and(|known| known.kind != attribute.kind) {
                return Err(invalid(format_args!(
                    "Attribute type cannot be redefined: {} is already defined with another type",
                    attribute.name
                )));
            }
        }
        // The new index's attributes are those of the request; the table's own need not be repeated.
        let wanted = GlobalIndex {
            name: &create.index_name,
            key: &create.key_schema,
            projection: &create.projection,
            throughput: create.provisioned_throughput.as_ref(),
            on_demand: create.on_demand_throughput.as_ref(),
            warm: create.warm_throughput.as_ref(),
        };
        let index = definition::global_index(
            &wanted,
            &given,
            record.billing,
            record.next_index,
            IndexState::Backfilling,
        )?;
        let keys: Vec<_> = std::iter::once(&record.key)
            .chain(record.indexes().map(|index| &index.key))
            .chain(std::iter::once(&index.key))
            .collect();
        definition::check_all_used(&given, keys.into_iter())?;
        record.next_index += 1;
        for attribute in given {
            if !record.attributes.contains(&attribute) {
                record.attributes.push(attribute);
            }
        }
        let fill = FillIndex {
            target: Target::of(record),
            index: index.id,
            after: None,
        };
        self.dynamodb.jobs.add(self.tx, Job::FillIndex(fill))?;
        record.global_indexes.push(index);
        definition::check_indexes(record.indexes())
    }
}

fn change_units(provisioned: &mut Provisioned, units: Throughput, now: Timestamp) {
    let before = provisioned.units;
    if units.read > before.read || units.write > before.write {
        provisioned.increased = Some(now);
    }
    if units.read < before.read || units.write < before.write {
        let is_same_day = provisioned
            .decreased
            .is_some_and(|last| last.as_secs() / 86_400 == now.as_secs() / 86_400);
        provisioned.decreases_today = if is_same_day {
            provisioned.decreases_today + 1
        } else {
            1
        };
        provisioned.decreased = Some(now);
    }
    provisioned.units = units;
}
