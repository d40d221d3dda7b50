//! The operations, each with what it asks the authorizer for.

use crate::items::{batch, query, scan, single, transactions};
use crate::shapes::operations as op;
use crate::tables::access as on;
use crate::{DynamoDb, access, partiql, refusal, streams};
use danbi_core::ServiceError;
use danbi_wire::Service;
use std::sync::Arc;

/// The largest request body: DynamoDB's 16 MB, for BatchWriteItem.
const BODY_BYTES: usize = 16 * 1024 * 1024;

/// What is no value that DynamoDB keeps is told apart from JSON of another shape, which the wire words itself.
fn refused_value(message: &str) -> Option<ServiceError> {
    Some(refusal(message)).filter(|error| error.code == "ValidationException")
}

impl DynamoDb {
    /// The operations of DynamoDB.
    pub fn service(self: &Arc<Self>) -> Service {
        use crate::history::{backup, recovery, restore};
        use crate::tables::{create, delete, describe, expiry, limits, list, policy, tags, update};
        use crate::transfer::{export, import};
        Service::builder(&danbi_wire::models::DYNAMODB, Arc::clone(self))
            .body_limit(BODY_BYTES)
            .json_refusals(refused_value)
            .complete_accesses(crate::told::resolve)
            .refused_first(create::refused_first)
            .on_json(op::GetItem, access::get_item, single::get)
            .on_json(op::PutItem, access::put_item, single::put)
            .on_json(op::UpdateItem, access::update_item, single::update)
            .on_json(op::DeleteItem, access::delete_item, single::delete)
            .on_json(op::Query, access::query, query::query)
            .on_json(op::Scan, access::scan, scan::scan)
            .on_json(op::BatchGetItem, access::batch_get, batch::get)
            .on_json(op::BatchWriteItem, access::batch_write, batch::write)
            .on_json(op::TransactGetItems, access::transact_get, transactions::get)
            .on_json(op::TransactWriteItems, access::transact_write, transactions::write)
            .on(op::CreateTable, on::create_table, create::create)
            .on(op::DescribeTable, on::describe_table, describe::describe)
            .on(op::ListTables, on::list_tables, list::list)
            .on(op::UpdateTable, on::update_table, update::update)
            .on(op::DeleteTable, on::delete_table, delete::delete)
            .on(op::TagResource, on::tag_resource, tags::tag)
            .on(op::UntagResource, on::untag_resource, tags::untag)
            .on(op::ListTagsOfResource, on::list_tags, tags::list)
            .on(op::PutResourcePolicy, on::put_policy, policy::put)
            .on(op::GetResourcePolicy, on::get_policy, policy::get)
            .on(op::DeleteResourcePolicy, on::delete_policy, policy::delete)
            .on(op::DescribeLimits, on::describe_limits, limits::limits)
            .on(op::DescribeEndpoints, on::describe_endpoints, limits::endpoints)
            .on(op::UpdateTimeToLive, on::update_time_to_live, expiry::update)
            .on(op::DescribeTimeToLive, on::describe_time_to_live, expiry::describe)
            .on_json(
                op::ExecuteStatement,
                partiql::access::execute,
                partiql::operations::execute,
            )
            .on_json(
                op::BatchExecuteStatement,
                partiql::access::batch,
                partiql::operations::batch,
            )
            .on_json(
                op::ExecuteTransaction,
                partiql::access::transaction,
                partiql::operations::transaction,
            )
            .on(
                op::UpdateContinuousBackups,
                on::update_continuous_backups,
                recovery::update,
            )
            .on(
                op::DescribeContinuousBackups,
                on::describe_continuous_backups,
                recovery::describe,
            )
            .on(
                op::RestoreTableToPointInTime,
                on::restore_to_point_in_time,
                restore::to_point_in_time,
            )
            .on(op::CreateBackup, on::create_backup, backup::create)
            .on(op::DescribeBackup, on::describe_backup, backup::describe)
            .on(op::ListBackups, on::list_backups, backup::list)
            .on(op::DeleteBackup, on::delete_backup, backup::delete)
            .on(
                op::RestoreTableFromBackup,
                on::restore_from_backup,
                restore::from_backup,
            )
            .on(op::ExportTableToPointInTime, on::export_table, export::export)
            .on(op::DescribeExport, on::describe_export, export::describe)
            .on(op::ListExports, on::list_exports, export::list)
            .on(op::ImportTable, on::import_table, import::import)
            .on(op::DescribeImport, on::describe_import, import::describe)
            .on(op::ListImports, on::list_imports, import::list)
            .build()
    }

    /// The operations of DynamoDB Streams.
    pub fn streams_service(self: &Arc<Self>) -> Service {
        use crate::stream_shapes::operations as op;
        Service::builder(&danbi_wire::models::DYNAMODB_STREAMS, Arc::clone(self))
            .on(op::ListStreams, on::list_streams, streams::describe::list)
            .on(op::DescribeStream, on::describe_stream, streams::describe::describe)
            .on(op::GetShardIterator, on::get_shard_iterator, streams::read::iterator)
            .on(op::GetRecords, on::get_records, streams::read::records)
            .build()
    }
}
