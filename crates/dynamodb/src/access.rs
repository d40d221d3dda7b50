//! Which action on which resource each operation on items asks for.
//!
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>. A table is asked
//! for by its ARN, an index by its own. A table that is named in a way that names none is asked for as it stands, so that
//! nobody without rights learns what is wrong with it; the handler says that. What policies may ask besides is in
//! [`told`](crate::told).

use crate::items::parameters::{Names, Values};
use crate::shapes::*;
use crate::tables::catalog::TableRef;
use crate::told::{Expressions, Several, Telling, told};
use crate::{DynamoDb, Item};
use danbi_core::{Access, RequestContext, ServiceError};
use std::collections::BTreeMap;

type Asked = Result<Access, ServiceError>;

const SELECT: &str = "dynamodb:Select";
const RETURN_VALUES: &str = "dynamodb:ReturnValues";
const RETURN_CAPACITY: &str = "dynamodb:ReturnConsumedCapacity";

fn arn(context: &RequestContext, table: &str) -> String {
    TableRef::parse(context, table).map_or_else(|_| table.to_owned(), |table| table.arn().to_string())
}

fn table(context: &RequestContext, action: &'static str, name: &str) -> Access {
    Access::new(action, arn(context, name))
}

fn index(context: &RequestContext, action: &'static str, name: &str, index: Option<&String>) -> Access {
    let table = arn(context, name);
    match index {
        Some(index) => Access::new(action, format!("{table}/index/{index}")),
        None => Access::new(action, table),
    }
}

pub(crate) fn get_item(_: &DynamoDb, context: &RequestContext, input: &GetItemInput) -> Asked {
    let access = table(context, "dynamodb:GetItem", &input.table_name);
    Ok(told(context, access, |tell| {
        tell.key(&input.key);
        tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
        let given = Expressions {
            projection: input.projection_expression.as_deref(),
            attributes: input.attributes_to_get.as_deref(),
            ..Expressions::default()
        };
        tell.expressions(&input.expression_attribute_names, &None, &given);
    }))
}

/// What a write says of its item.
struct Said<'r> {
    /// The item, or the attributes of its key.
    item: &'r Item,
    /// Those that it writes without naming them in an expression: the item of a put, the key of an update.
    written: Option<&'r Item>,
    names: &'r Names,
    values: &'r Values,
    given: Expressions<'r>,
}

impl Said<'_> {
    fn tell(&self, tell: &mut Telling) {
        tell.key(self.item);
        tell.attributes(attributes(self.written));
        tell.expressions(self.names, self.values, &self.given);
    }
}

/// The names in a map from attributes, if there is one.
fn attributes<V>(map: Option<&BTreeMap<String, V>>) -> impl Iterator<Item = &str> {
    map.into_iter().flat_map(|map| map.keys().map(String::as_str))
}

pub(crate) fn put_item(_: &DynamoDb, context: &RequestContext, input: &PutItemInput) -> Asked {
    let access = table(context, "dynamodb:PutItem", &input.table_name);
    let said = Said {
        item: &input.item,
        written: Some(&input.item),
        names: &input.expression_attribute_names,
        values: &input.expression_attribute_values,
        given: Expressions {
            condition: input.condition_expression.as_deref(),
            ..Expressions::default()
        },
    };
    Ok(told(context, access, |tell| {
        said.tell(tell);
        tell.attributes(attributes(input.expected.as_ref()));
        tell.parameter(RETURN_VALUES, input.return_values.as_ref());
        tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
    }))
}

pub(crate) fn update_item(_: &DynamoDb, context: &RequestContext, input: &UpdateItemInput) -> Asked {
    let access = table(context, "dynamodb:UpdateItem", &input.table_name);
    let said = Said {
        item: &input.key,
        written: Some(&input.key),
        names: &input.expression_attribute_names,
        values: &input.expression_attribute_values,
        given: Expressions {
            condition: input.condition_expression.as_deref(),
            update: input.update_expression.as_deref(),
            ..Expressions::default()
        },
    };
    Ok(told(context, access, |tell| {
        said.tell(tell);
        tell.attributes(attributes(input.expected.as_ref()));
        tell.attributes(attributes(input.attribute_updates.as_ref()));
        tell.parameter(RETURN_VALUES, input.return_values.as_ref());
        tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
    }))
}

pub(crate) fn delete_item(_: &DynamoDb, context: &RequestContext, input: &DeleteItemInput) -> Asked {
    let access = table(context, "dynamodb:DeleteItem", &input.table_name);
    let said = Said {
        item: &input.key,
        written: None,
        names: &input.expression_attribute_names,
        values: &input.expression_attribute_values,
        given: Expressions {
            condition: input.condition_expression.as_deref(),
            ..Expressions::default()
        },
    };
    Ok(told(context, access, |tell| {
        said.tell(tell);
        tell.attributes(attributes(input.expected.as_ref()));
        tell.parameter(RETURN_VALUES, input.return_values.as_ref());
        tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
    }))
}

pub(crate) fn query(_: &DynamoDb, context: &RequestContext, input: &QueryInput) -> Asked {
    let access = index(context, "dynamodb:Query", &input.table_name, input.index_name.as_ref());
    Ok(told(context, access, |tell| {
        for (name, condition) in input.key_conditions.iter().flatten() {
            if let Some([value]) = condition.attribute_value_list.as_deref() {
                tell.key(&[(name.clone(), value.clone())].into());
            }
        }
        tell.attributes(attributes(input.query_filter.as_ref()));
        tell.parameter(SELECT, input.select.as_ref());
        tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
        let given = Expressions {
            projection: input.projection_expression.as_deref(),
            attributes: input.attributes_to_get.as_deref(),
            filter: input.filter_expression.as_deref(),
            key_condition: input.key_condition_expression.as_deref(),
            ..Expressions::default()
        };
        tell.expressions(
            &input.expression_attribute_names,
            &input.expression_attribute_values,
            &given,
        );
    }))
}

pub(crate) fn scan(_: &DynamoDb, context: &RequestContext, input: &ScanInput) -> Asked {
    let access = index(context, "dynamodb:Scan", &input.table_name, input.index_name.as_ref());
    Ok(told(context, access, |tell| {
        tell.attributes(attributes(input.scan_filter.as_ref()));
        tell.parameter(SELECT, input.select.as_ref());
        tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
        let given = Expressions {
            projection: input.projection_expression.as_deref(),
            attributes: input.attributes_to_get.as_deref(),
            filter: input.filter_expression.as_deref(),
            ..Expressions::default()
        };
        tell.expressions(
            &input.expression_attribute_names,
            &input.expression_attribute_values,
            &given,
        );
    }))
}

type AllAsked = Result<Vec<Access>, ServiceError>;

pub(crate) fn batch_get(_: &DynamoDb, context: &RequestContext, input: &BatchGetItemInput) -> AllAsked {
    const ACTION: &str = "dynamodb:BatchGetItem";
    let mut several = Several::default();
    for (name, asked) in &input.request_items {
        several.add(context, ACTION, arn(context, name), |tell| {
            asked.keys.iter().for_each(|key| tell.key(key));
            tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
            let given = Expressions {
                projection: asked.projection_expression.as_deref(),
                attributes: asked.attributes_to_get.as_deref(),
                ..Expressions::default()
            };
            tell.expressions(&asked.expression_attribute_names, &None, &given);
        });
    }
    Ok(several.accesses(ACTION))
}

pub(crate) fn batch_write(_: &DynamoDb, context: &RequestContext, input: &BatchWriteItemInput) -> AllAsked {
    const ACTION: &str = "dynamodb:BatchWriteItem";
    let mut several = Several::default();
    for (name, requests) in &input.request_items {
        several.add(context, ACTION, arn(context, name), |tell| {
            tell.parameter(RETURN_CAPACITY, input.return_consumed_capacity.as_ref());
            for request in requests {
                if let Some(put) = &request.put_request {
                    tell.key(&put.item);
                    tell.attributes(attributes(Some(&put.item)));
                }
                if let Some(delete) = &request.delete_request {
                    tell.key(&delete.key);
                }
            }
        });
    }
    Ok(several.accesses(ACTION))
}

/// A transaction asks for what its actions would ask for one by one.
pub(crate) fn transact_get(_: &DynamoDb, context: &RequestContext, input: &TransactGetItemsInput) -> AllAsked {
    const ACTION: &str = "dynamodb:GetItem";
    let mut several = Several::default();
    for item in &input.transact_items {
        let get = &item.get;
        several.add(context, ACTION, arn(context, &get.table_name), |tell| {
            tell.key(&get.key);
            let given = Expressions {
                projection: get.projection_expression.as_deref(),
                ..Expressions::default()
            };
            tell.expressions(&get.expression_attribute_names, &None, &given);
        });
    }
    Ok(several.accesses(ACTION))
}

pub(crate) fn transact_write(_: &DynamoDb, context: &RequestContext, input: &TransactWriteItemsInput) -> AllAsked {
    let mut several = Several::default();
    let mut ask = |action, table: &str, said: Said<'_>| {
        several.add(context, action, arn(context, table), |tell| said.tell(tell));
    };
    for item in &input.transact_items {
        if let Some(check) = &item.condition_check {
            let said = Said {
                item: &check.key,
                written: None,
                names: &check.expression_attribute_names,
                values: &check.expression_attribute_values,
                given: Expressions {
                    condition: Some(&check.condition_expression),
                    ..Expressions::default()
                },
            };
            ask("dynamodb:ConditionCheckItem", &check.table_name, said);
        }
        if let Some(put) = &item.put {
            let said = Said {
                item: &put.item,
                written: Some(&put.item),
                names: &put.expression_attribute_names,
                values: &put.expression_attribute_values,
                given: Expressions {
                    condition: put.condition_expression.as_deref(),
                    ..Expressions::default()
                },
            };
            ask("dynamodb:PutItem", &put.table_name, said);
        }
        if let Some(delete) = &item.delete {
            let said = Said {
                item: &delete.key,
                written: None,
                names: &delete.expression_attribute_names,
                values: &delete.expression_attribute_values,
                given: Expressions {
                    condition: delete.condition_expression.as_deref(),
                    ..Expressions::default()
                },
            };
            ask("dynamodb:DeleteItem", &delete.table_name, said);
        }
        if let Some(update) = &item.update {
            let said = Said {
                item: &update.key,
                written: Some(&update.key),
                names: &update.expression_attribute_names,
                values: &update.expression_attribute_values,
                given: Expressions {
                    condition: update.condition_expression.as_deref(),
                    update: Some(&update.update_expression),
                    ..Expressions::default()
                },
            };
            ask("dynamodb:UpdateItem", &update.table_name, said);
        }
    }
    Ok(several.accesses("dynamodb:PutItem"))
}
