//! Which action on which resource each operation on tables, streams and backups asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>. What is named
//! in a way that names nothing is asked for as it stands, so that nobody without rights learns what is wrong with it.

use super::catalog::TableRef;
use crate::shapes::*;
use crate::stream_shapes::{DescribeStreamInput, GetRecordsInput, GetShardIteratorInput, ListStreamsInput};
use crate::{DynamoDb, streams};
use danbi_core::{Access, Arn, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;

fn arn(context: &RequestContext, table: &str) -> String {
    TableRef::parse(context, table).map_or_else(|_| table.to_owned(), |table| table.arn().to_string())
}

// A macro because a function cannot be generic over the member that names the resource.
macro_rules! on_table {
    ($($name:ident, $action:literal, $input:ty, $member:ident;)*) => {$(
        pub(crate) fn $name(_: &DynamoDb, context: &RequestContext, input: &$input) -> Asked {
            Ok(Access::new($action, arn(context, &input.$member)))
        }
    )*};
}

on_table! {
    create_table, "dynamodb:CreateTable", CreateTableInput, table_name;
    describe_table, "dynamodb:DescribeTable", DescribeTableInput, table_name;
    update_table, "dynamodb:UpdateTable", UpdateTableInput, table_name;
    delete_table, "dynamodb:DeleteTable", DeleteTableInput, table_name;
    describe_time_to_live, "dynamodb:DescribeTimeToLive", DescribeTimeToLiveInput, table_name;
    update_time_to_live, "dynamodb:UpdateTimeToLive", UpdateTimeToLiveInput, table_name;
    tag_resource, "dynamodb:TagResource", TagResourceInput, resource_arn;
    untag_resource, "dynamodb:UntagResource", UntagResourceInput, resource_arn;
    list_tags, "dynamodb:ListTagsOfResource", ListTagsOfResourceInput, resource_arn;
    put_policy, "dynamodb:PutResourcePolicy", PutResourcePolicyInput, resource_arn;
    get_policy, "dynamodb:GetResourcePolicy", GetResourcePolicyInput, resource_arn;
    delete_policy, "dynamodb:DeleteResourcePolicy", DeleteResourcePolicyInput, resource_arn;
    describe_continuous_backups, "dynamodb:DescribeContinuousBackups", DescribeContinuousBackupsInput, table_name;
    update_continuous_backups, "dynamodb:UpdateContinuousBackups", UpdateContinuousBackupsInput, table_name;
    create_backup, "dynamodb:CreateBackup", CreateBackupInput, table_name;
    describe_backup, "dynamodb:DescribeBackup", DescribeBackupInput, backup_arn;
    delete_backup, "dynamodb:DeleteBackup", DeleteBackupInput, backup_arn;
    restore_from_backup, "dynamodb:RestoreTableFromBackup", RestoreTableFromBackupInput, backup_arn;
    export_table, "dynamodb:ExportTableToPointInTime", ExportTableToPointInTimeInput, table_arn;
    describe_export, "dynamodb:DescribeExport", DescribeExportInput, export_arn;
    describe_import, "dynamodb:DescribeImport", DescribeImportInput, import_arn;
    describe_stream, "dynamodb:DescribeStream", DescribeStreamInput, stream_arn;
    get_shard_iterator, "dynamodb:GetShardIterator", GetShardIteratorInput, stream_arn;
}

/// The source table, which is read.
pub(crate) fn restore_to_point_in_time(
    _: &DynamoDb,
    context: &RequestContext,
    input: &RestoreTableToPointInTimeInput,
) -> Asked {
    let source = input.source_table_arn.as_ref().or(input.source_table_name.as_ref());
    let source = source.map_or("", String::as_str);
    Ok(Access::new("dynamodb:RestoreTableToPointInTime", arn(context, source)))
}

/// The import that is not there yet.
pub(crate) fn import_table(_: &DynamoDb, context: &RequestContext, input: &ImportTableInput) -> Asked {
    let table = arn(context, &input.table_creation_parameters.table_name);
    Ok(Access::new("dynamodb:ImportTable", format!("{table}/import/*")))
}

pub(crate) fn list_exports(_: &DynamoDb, _: &RequestContext, _: &ListExportsInput) -> Asked {
    Ok(Access::any("dynamodb:ListExports"))
}

pub(crate) fn list_imports(_: &DynamoDb, _: &RequestContext, _: &ListImportsInput) -> Asked {
    Ok(Access::any("dynamodb:ListImports"))
}

pub(crate) fn list_tables(_: &DynamoDb, _: &RequestContext, _: &ListTablesInput) -> Asked {
    Ok(Access::any("dynamodb:ListTables"))
}

pub(crate) fn list_backups(_: &DynamoDb, _: &RequestContext, _: &ListBackupsInput) -> Asked {
    Ok(Access::any("dynamodb:ListBackups"))
}

pub(crate) fn describe_limits(_: &DynamoDb, _: &RequestContext, _: &DescribeLimitsInput) -> Asked {
    Ok(Access::any("dynamodb:DescribeLimits"))
}

pub(crate) fn describe_endpoints(_: &DynamoDb, _: &RequestContext, _: &DescribeEndpointsRequest) -> Asked {
    Ok(Access::any("dynamodb:DescribeEndpoints"))
}

/// All streams, or those of one table.
pub(crate) fn list_streams(_: &DynamoDb, context: &RequestContext, input: &ListStreamsInput) -> Asked {
    Ok(match &input.table_name {
        Some(table) => Access::new("dynamodb:ListStreams", format!("{}/stream/*", arn(context, table))),
        None => Access::any("dynamodb:ListStreams"),
    })
}

/// The stream that the iterator reads.
pub(crate) fn get_records(_: &DynamoDb, context: &RequestContext, input: &GetRecordsInput) -> Asked {
    let stream = streams::read::stream_of(&input.shard_iterator);
    let stream = stream.unwrap_or_else(|_| Arn::new("dynamodb", &context.scope, "table/*/stream/*"));
    Ok(Access::new("dynamodb:GetRecords", stream))
}
