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

/// Each table once, in order.
fn tables<'n>(
    context: &RequestContext,
    action: &'static str,
    names: impl IntoIterator<Item = &'n String>,
) -> Result<Vec<Access>, ServiceError> {
    let arns: std::collections::BTreeSet<String> = names.into_iter().map(|name| arn(context, name)).collect();
    if arns.is_empty() {
        return Ok(vec![Access::any(action)]);
    }
    Ok(arns.into_iter().map(|arn| Access::new(action, arn)).collect())
}

type AllAsked = Result<Vec<Access>, ServiceError>;

pub(crate) fn batch_get(_: &DynamoDb, context: &RequestContext, input: &BatchGetItemInput) -> AllAsked {
    tables(context, "dynamodb:BatchGetItem", input.request_items.keys())
}

pub(crate) fn batch_write(_: &DynamoDb, context: &RequestContext, input: &BatchWriteItemInput) -> AllAsked {
    tables(context, "dynamodb:BatchWriteItem", input.request_items.keys())
}

/// A transaction asks for what its actions would ask for one by one.
pub(crate) fn transact_get(_: &DynamoDb, context: &RequestContext, input: &TransactGetItemsInput) -> AllAsked {
    let names = input.transact_items.iter().map(|item| &item.get.table_name);
    tables(context, "dynamodb:GetItem", names)
}

pub(crate) fn transact_write(_: &DynamoDb, context: &RequestContext, input: &TransactWriteItemsInput) -> AllAsked {
    let items = &input.transact_items;
    let checks = items
        .iter()
        .filter_map(|item| Some(&item.condition_check.as_ref()?.table_name));
    let puts = items.iter().filter_map(|item| Some(&item.put.as_ref()?.table_name));
    let deletes = items.iter().filter_map(|item| Some(&item.delete.as_ref()?.table_name));
    let updates = items.iter().filter_map(|item| Some(&item.update.as_ref()?.table_name));
    let mut asked = Vec::new();
    asked.extend(checks.map(|name| ("dynamodb:ConditionCheckItem", arn(context, name))));
    asked.extend(puts.map(|name| ("dynamodb:PutItem", arn(context, name))));
    asked.extend(deletes.map(|name| ("dynamodb:DeleteItem", arn(context, name))));
    asked.extend(updates.map(|name| ("dynamodb:UpdateItem", arn(context, name))));
    asked.sort();
    asked.dedup();
    if asked.is_empty() {
        return Ok(vec![Access::any("dynamodb:PutItem")]);
    }
    Ok(asked
        .into_iter()
        .map(|(action, arn)| Access::new(action, arn))
        .collect())
}
