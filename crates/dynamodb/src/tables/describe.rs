//! `DescribeTable`, and the description that other operations answer with.

use super::catalog::TableRef;
use super::record::{
    BillingMode, IndexRecord, IndexState, KeySchema, OnDemandLimits, Projection, Provisioned, StreamView, TableClass,
    TableRecord, TableState, Throughput,
};
use super::usage::Counts;
use crate::{DynamoDb, Error, shapes};
use danbi_core::{RequestContext, ServiceError};
use danbi_wire::EpochSeconds;
use std::sync::Arc;

/// Units a second that an on-demand table begins with.
const WARM_ON_DEMAND: Throughput = Throughput {
    read: 12_000,
    write: 4_000,
};

/// `DescribeTable`.
pub(crate) async fn describe(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::DescribeTableInput,
) -> Result<shapes::DescribeTableOutput, ServiceError> {
    let table = dynamodb.existing_table(&context, &input.table_name).await?;
    let counts = dynamodb.counts(&table).await?;
    Ok(shapes::DescribeTableOutput {
        table: Some(described(&table, &counts)),
    })
}

impl DynamoDb {
    /// The record of the table that a request names, in whatever state it is.
    pub(crate) async fn existing_table(
        &self,
        context: &RequestContext,
        given: &str,
    ) -> Result<Arc<TableRecord>, Error> {
        let table = TableRef::parse(context, given)?;
        let snapshot = self.store.snapshot().await?;
        let found = self.catalog.find_in(&snapshot, &table).await?;
        found.ok_or_else(|| Error::table_not_found(&table.name))
    }
}

/// The whole description.
pub(crate) fn described(table: &TableRecord, counts: &Counts) -> shapes::TableDescription {
    let on_demand = table.billing == BillingMode::OnDemand;
    let stream = table.stream.as_ref();
    let live = table.live_stream();
    let warm = warm(table.warm, table.billing, &table.provisioned);
    let none_if_empty = |count: usize| (count > 0).then_some(());
    shapes::TableDescription {
        attribute_definitions: Some(
            table
                .attributes
                .iter()
                .map(|attribute| shapes::AttributeDefinition {
                    attribute_name: attribute.name.clone(),
                    attribute_type: attribute.kind.as_str().into(),
                })
                .collect(),
        ),
        table_name: Some(table.name.clone()),
        key_schema: Some(key_schema(&table.key)),
        table_status: Some(
            match table.state {
                TableState::Creating => "CREATING",
                TableState::Active => "ACTIVE",
            }
            .into(),
        ),
        creation_date_time: Some(EpochSeconds(table.created)),
        provisioned_throughput: Some(provisioned(&table.provisioned)),
        table_size_bytes: Some(counts.table.bytes),
        item_count: Some(counts.table.items),
        table_arn: Some(table.arn().to_string()),
        table_id: Some(table.id.to_string()),
        billing_mode_summary: table.on_demand_since.map(|since| shapes::BillingModeSummary {
            billing_mode: Some(if on_demand { "PAY_PER_REQUEST" } else { "PROVISIONED" }.into()),
            last_update_to_pay_per_request_date_time: Some(EpochSeconds(since)),
        }),
        local_secondary_indexes: none_if_empty(table.local_indexes.len()).map(|()| {
            let described = table.local_indexes.iter().map(|index| {
                let count = counts.index(index.id);
                shapes::LocalSecondaryIndexDescription {
                    index_name: Some(index.name.clone()),
                    key_schema: Some(key_schema(&index.key)),
                    projection: Some(projection(&index.projection)),
                    index_size_bytes: Some(count.bytes),
                    item_count: Some(count.items),
                    index_arn: Some(table.index_arn(&index.name).to_string()),
                }
            });
            described.collect()
        }),
        global_secondary_indexes: none_if_empty(table.global_indexes.len()).map(|()| {
            let described = table.global_indexes.iter();
            described.map(|index| global_index(table, index, counts)).collect()
        }),
        stream_specification: live.map(|stream| shapes::StreamSpecification {
            stream_enabled: true,
            stream_view_type: Some(view_type(stream.view).into()),
        }),
        latest_stream_label: stream.map(|stream| stream.label.clone()),
        latest_stream_arn: stream.map(|stream| table.stream_arn(&stream.label).to_string()),
        restore_summary: table.restored.as_ref().map(|restored| shapes::RestoreSummary {
            source_backup_arn: restored.backup_arn.clone(),
            source_table_arn: Some(restored.table_arn.clone()),
            restore_date_time: EpochSeconds(restored.at),
            restore_in_progress: table.state == TableState::Creating,
        }),
        sse_description: table.kms_key.as_ref().map(|key| shapes::SSEDescription {
            status: Some("ENABLED".into()),
            sse_type: Some("KMS".into()),
            kms_master_key_arn: Some(key.clone()),
            ..Default::default()
        }),
        table_class_summary: (table.class != TableClass::Standard || table.class_changed.is_some()).then(|| {
            shapes::TableClassSummary {
                table_class: Some(class_name(table.class).into()),
                last_update_date_time: table.class_changed.map(EpochSeconds),
            }
        }),
        deletion_protection_enabled: Some(table.deletion_protection),
        on_demand_throughput: table.on_demand.as_ref().map(on_demand_throughput),
        warm_throughput: Some(shapes::TableWarmThroughputDescription {
            read_units_per_second: Some(warm.read),
            write_units_per_second: Some(warm.write),
            status: Some("ACTIVE".into()),
        }),
        ..Default::default()
    }
}

/// What `DeleteTable` answers: of keys, indexes and dates nothing.
pub(super) fn deleted(table: &TableRecord, counts: &Counts) -> shapes::TableDescription {
    let whole = described(table, counts);
    shapes::TableDescription {
        table_name: whole.table_name,
        table_status: Some("DELETING".into()),
        provisioned_throughput: whole.provisioned_throughput,
        table_size_bytes: whole.table_size_bytes,
        item_count: whole.item_count,
        table_arn: whole.table_arn,
        table_id: whole.table_id,
        billing_mode_summary: whole.billing_mode_summary,
        deletion_protection_enabled: whole.deletion_protection_enabled,
        table_class_summary: whole.table_class_summary,
        stream_specification: whole.stream_specification,
        latest_stream_label: whole.latest_stream_label,
        latest_stream_arn: whole.latest_stream_arn,
        ..Default::default()
    }
}

fn global_index(table: &TableRecord, index: &IndexRecord, counts: &Counts) -> shapes::GlobalSecondaryIndexDescription {
    let count = counts.index(index.id);
    let warm = warm(index.warm, table.billing, &index.provisioned);
    let filling = index.state == IndexState::Backfilling;
    shapes::GlobalSecondaryIndexDescription {
        index_name: Some(index.name.clone()),
        key_schema: Some(key_schema(&index.key)),
        projection: Some(projection(&index.projection)),
        index_status: Some(if filling { "CREATING" } else { "ACTIVE" }.into()),
        backfilling: filling.then_some(true),
        provisioned_throughput: Some(provisioned(&index.provisioned)),
        index_size_bytes: Some(count.bytes),
        item_count: Some(count.items),
        index_arn: Some(table.index_arn(&index.name).to_string()),
        on_demand_throughput: index.on_demand.as_ref().map(on_demand_throughput),
        warm_throughput: (!filling).then(|| shapes::GlobalSecondaryIndexWarmThroughputDescription {
            read_units_per_second: Some(warm.read),
            write_units_per_second: Some(warm.write),
            status: Some("ACTIVE".into()),
        }),
    }
}

fn warm(asked: Option<Throughput>, billing: BillingMode, provisioned: &Provisioned) -> Throughput {
    asked.unwrap_or(match billing {
        BillingMode::OnDemand => WARM_ON_DEMAND,
        BillingMode::Provisioned => provisioned.units,
    })
}

/// A key, as requests write it.
pub(crate) fn key_schema(key: &KeySchema) -> Vec<shapes::KeySchemaElement> {
    let of_type = |name: &str, key_type: &str| shapes::KeySchemaElement {
        attribute_name: name.into(),
        key_type: key_type.into(),
    };
    let partition = key.partition.iter().map(|attribute| of_type(&attribute.name, "HASH"));
    let sort = key.sort.iter().map(|attribute| of_type(&attribute.name, "RANGE"));
    partition.chain(sort).collect()
}

pub(crate) fn projection(projection: &Projection) -> shapes::Projection {
    let (word, names) = match projection {
        Projection::All => ("ALL", None),
        Projection::KeysOnly => ("KEYS_ONLY", None),
        Projection::Include(names) => ("INCLUDE", Some(names.clone())),
    };
    shapes::Projection {
        projection_type: Some(word.into()),
        non_key_attributes: names,
    }
}

fn provisioned(provisioned: &Provisioned) -> shapes::ProvisionedThroughputDescription {
    shapes::ProvisionedThroughputDescription {
        last_increase_date_time: provisioned.increased.map(EpochSeconds),
        last_decrease_date_time: provisioned.decreased.map(EpochSeconds),
        number_of_decreases_today: Some(provisioned.decreases_today),
        read_capacity_units: Some(provisioned.units.read),
        write_capacity_units: Some(provisioned.units.write),
    }
}

pub(crate) fn on_demand_throughput(limits: &OnDemandLimits) -> shapes::OnDemandThroughput {
    shapes::OnDemandThroughput {
        max_read_request_units: limits.read,
        max_write_request_units: limits.write,
    }
}

/// `StreamViewType`.
pub(crate) fn view_type(view: StreamView) -> &'static str {
    match view {
        StreamView::KeysOnly => "KEYS_ONLY",
        StreamView::NewImage => "NEW_IMAGE",
        StreamView::OldImage => "OLD_IMAGE",
        StreamView::NewAndOldImages => "NEW_AND_OLD_IMAGES",
    }
}

fn class_name(class: TableClass) -> &'static str {
    match class {
        TableClass::Standard => "STANDARD",
        TableClass::InfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
    }
}
