//! Which action on which resource each operation on items asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>. A table is asked
//! for by its ARN, an index by its own. A table that is named in a way that names none is asked for as it stands, so that
//! nobody without rights learns what is wrong with it; the handler says that.

use crate::DynamoDb;
use crate::shapes::*;
use crate::tables::catalog::TableRef;
use danbi_core::{Access, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;

fn arn(context: &RequestContext, table: &str) -> String {
    TableRef::parse(context, table).map_or_else(|_| table.to_owned(), |table| table.arn().to_string())
}

fn table(context: &RequestContext, action: &'static str, name: &str) -> Asked {
    Ok(Access::new(action, arn(context, name)))
}

fn index(context: &RequestContext, action: &'static str, name: &str, index: Option<&String>) -> Asked {
    let table = arn(context, name);
    Ok(match index {
        Some(index) => Access::new(action, format!("{table}/index/{index}")),
        None => Access::new(action, table),
    })
}

pub(crate) fn get_item(_: &DynamoDb, context: &RequestContext, input: &GetItemInput) -> Asked {
    table(context, "dynamodb:GetItem", &input.table_name)
}

pub(crate) fn put_item(_: &DynamoDb, context: &RequestContext, input: &PutItemInput) -> Asked {
    table(context, "dynamodb:PutItem", &input.table_name)
}

pub(crate) fn update_item(_: &DynamoDb, context: &RequestContext, input: &UpdateItemInput) -> Asked {
    table(context, "dynamodb:UpdateItem", &input.table_name)
}

pub(crate) fn delete_item(_: &DynamoDb, context: &RequestContext, input: &DeleteItemInput) -> Asked {
    table(context, "dynamodb:DeleteItem", &input.table_name)
}

pub(crate) fn query(_: &DynamoDb, context: &RequestContext, input: &QueryInput) -> Asked {
    index(context, "dynamodb:Query", &input.table_name, input.index_name.as_ref())
}

pub(crate) fn scan(_: &DynamoDb, context: &RequestContext, input: &ScanInput) -> Asked {
    index(context, "dynamodb:Scan", &input.table_name, input.index_name.as_ref())
}
