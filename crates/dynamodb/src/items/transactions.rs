//! TransactGetItems and TransactWriteItems.

use super::capacity::{Detail, Kind, Rate, Usage};
use super::members::{self, Violations};
use super::parameters;
use super::single::{self, check_size, shows_old};
use super::token::Token;
use super::transact::{self, MAX_PAYLOAD_BYTES, Transacted};
use super::view::View;
use super::write::{Change, Write};
use crate::expression::{Condition, Parameter, Placeholders, Update as Updating};
use crate::shapes::*;
use crate::tables::catalog::TableRef;
use crate::{DynamoDb, Error, Reason, ReasonCode};
use danbi_core::RequestContext;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Actions of one transaction.
const MAX_ACTIONS: usize = 100;

pub(crate) async fn get(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: TransactGetItemsInput,
) -> Result<TransactGetItemsOutput, Error> {
    let mut violations = Violations::default();
    violations.length("transactItems", input.transact_items.len(), 1, MAX_ACTIONS, || {
        "[...]".into()
    });
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    for (at, item) in input.transact_items.iter().enumerate() {
        violations.table(
            &format!("transactItems.{}.member.get.tableName", at + 1),
            &item.get.table_name,
        );
    }
    violations.finish()?;
    let mut projections = Vec::new();
    for TransactGetItem { get } in &input.transact_items {
        let mut placeholders = Placeholders::new(get.expression_attribute_names.as_ref(), None)?;
        projections.push(parameters::projection(
            get.projection_expression.as_deref(),
            None,
            &mut placeholders,
        )?);
        placeholders.finish()?;
    }
    let snapshot = dynamodb.store.snapshot().await?;
    let (mut responses, mut usages, mut seen, mut bytes) = (Vec::new(), BTreeMap::<_, Usage>::new(), HashSet::new(), 0);
    for (at, (TransactGetItem { get }, projection)) in input.transact_items.iter().zip(&projections).enumerate() {
        let table = TableRef::parse(&context, &get.table_name)?;
        let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
        let read = async {
            dynamodb.admit_read(&table, None)?;
            single::read(View::Snapshot(&snapshot), &table, &get.key, projection.as_ref()).await
        };
        let (item, size) = read.await.map_err(|error| {
            let reason = match error {
                Error::Validation(message) => Reason {
                    code: ReasonCode::ValidationError,
                    message: Some(message),
                    item: None,
                },
                Error::Throttled(throttled) => transact::throttled_reason(&throttled),
                error => return error,
            };
            let mut reasons = vec![Reason::default(); input.transact_items.len()];
            reasons[at] = reason;
            Error::TransactionCanceled(reasons)
        })?;
        if !seen.insert(super::key::item_key(&table, &get.key)?.bytes) {
            return Err(transact::twice());
        }
        bytes += size;
        if bytes > MAX_PAYLOAD_BYTES {
            return Err(Error::validation(format!(
                "Transaction payload size cannot exceed {MAX_PAYLOAD_BYTES} bytes"
            )));
        }
        let usage = Usage::of_table(Rate::Transactional.units(size));
        dynamodb.pay_read(&table, &usage);
        usages.entry(get.table_name.clone()).or_default().add(&usage, 1.0);
        responses.push(ItemResponse { item });
    }
    Ok(TransactGetItemsOutput {
        consumed_capacity: report(&usages, input.return_consumed_capacity.as_deref(), Kind::Read),
        responses: Some(responses),
    })
}

fn report(usages: &BTreeMap<String, Usage>, capacity: Option<&str>, kind: Kind) -> Option<Vec<ConsumedCapacity>> {
    let detail = Detail::of(capacity);
    let reports = usages
        .iter()
        .filter_map(|(named, usage)| usage.report(detail, named, kind));
    (detail != Detail::None).then(|| reports.collect())
}

pub(crate) async fn write(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: TransactWriteItemsInput,
) -> Result<TransactWriteItemsOutput, Error> {
    check(&input)?;
    let token = match &input.client_request_token {
        Some(text) => Some(Token::new(&context.scope, text, &input.transact_items)?),
        None => None,
    };
    let mut writes = Vec::with_capacity(input.transact_items.len());
    for item in input.transact_items {
        writes.push(action(&context, item)?);
    }
    let capacity = input.return_consumed_capacity.as_deref();
    match dynamodb.transact_write(&writes, token.as_ref()).await? {
        Transacted::Before(usages) => Ok(TransactWriteItemsOutput {
            consumed_capacity: report(&usages, capacity, Kind::Read),
            item_collection_metrics: None,
        }),
        Transacted::Now(applied) => {
            let mut metrics: BTreeMap<String, Vec<ItemCollectionMetrics>> = BTreeMap::new();
            if input.return_item_collection_metrics.as_deref() == Some("SIZE") {
                for (write, applied) in writes.iter().zip(&applied) {
                    let found = single::collection_metrics(&applied.table, &write.key(&applied.table));
                    if let Some(found) = found {
                        metrics.entry(write.named.clone()).or_default().push(found);
                    }
                }
            }
            Ok(TransactWriteItemsOutput {
                consumed_capacity: report(&transact::usages(&writes, &applied), capacity, Kind::Write),
                item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
            })
        }
    }
}

fn check(input: &TransactWriteItemsInput) -> Result<(), Error> {
    let mut violations = Violations::default();
    violations.length("transactItems", input.transact_items.len(), 1, MAX_ACTIONS, || {
        "[...]".into()
    });
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.one_of(
        "returnItemCollectionMetrics",
        input.return_item_collection_metrics.as_ref(),
        members::METRICS,
    );
    if let Some(token) = &input.client_request_token {
        violations.length("clientRequestToken", token.len(), 1, 36, || token.clone());
    }
    for (at, item) in input.transact_items.iter().enumerate() {
        let (kind, table, on_failure) = match item {
            TransactWriteItem {
                condition_check: Some(check),
                ..
            } => {
                let member = format!("transactItems.{}.member.conditionCheck.conditionExpression", at + 1);
                violations.required(&member, !check.condition_expression.is_empty());
                (
                    "conditionCheck",
                    &check.table_name,
                    &check.return_values_on_condition_check_failure,
                )
            }
            TransactWriteItem { put: Some(put), .. } => {
                ("put", &put.table_name, &put.return_values_on_condition_check_failure)
            }
            TransactWriteItem {
                delete: Some(delete), ..
            } => (
                "delete",
                &delete.table_name,
                &delete.return_values_on_condition_check_failure,
            ),
            TransactWriteItem {
                update: Some(update), ..
            } => {
                let member = format!("transactItems.{}.member.update.updateExpression", at + 1);
                violations.required(&member, !update.update_expression.is_empty());
                (
                    "update",
                    &update.table_name,
                    &update.return_values_on_condition_check_failure,
                )
            }
            _ => continue,
        };
        let member = |name: &str| format!("transactItems.{}.member.{kind}.{name}", at + 1);
        violations.table(&member("tableName"), table);
        let shown = member("returnValuesOnConditionCheckFailure");
        violations.one_of(&shown, on_failure.as_ref(), members::ON_FAILURE);
    }
    violations.finish()
}

/// One action as a write.
fn action(context: &RequestContext, item: TransactWriteItem) -> Result<Write, Error> {
    let actions = [
        item.condition_check.is_some(),
        item.put.is_some(),
        item.delete.is_some(),
        item.update.is_some(),
    ];
    if actions.into_iter().filter(|there| *there).count() != 1 {
        return Err(Error::validation(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        ));
    }
    let (named, change, condition, shown) = match item {
        TransactWriteItem { put: Some(put), .. } => {
            check_size(&put.item)?;
            let (names, values) = (put.expression_attribute_names, put.expression_attribute_values);
            let condition = condition(put.condition_expression.as_deref(), &names, &values)?;
            let shown = put.return_values_on_condition_check_failure;
            (put.table_name, Change::Put(put.item), condition, shown)
        }
        TransactWriteItem {
            delete: Some(delete), ..
        } => {
            let (names, values) = (delete.expression_attribute_names, delete.expression_attribute_values);
            let condition = condition(delete.condition_expression.as_deref(), &names, &values)?;
            let shown = delete.return_values_on_condition_check_failure;
            (delete.table_name, Change::Delete(delete.key), condition, shown)
        }
        TransactWriteItem {
            condition_check: Some(check),
            ..
        } => {
            let (names, values) = (check.expression_attribute_names, check.expression_attribute_values);
            let condition = condition(Some(&check.condition_expression), &names, &values)?;
            let shown = check.return_values_on_condition_check_failure;
            (check.table_name, Change::Check(check.key), condition, shown)
        }
        TransactWriteItem {
            update: Some(update), ..
        } => {
            let (names, values) = (update.expression_attribute_names, update.expression_attribute_values);
            let mut placeholders = Placeholders::new(names.as_ref(), values.as_ref())?;
            let updating = Updating::parse(&update.update_expression, &mut placeholders)?;
            let text = update.condition_expression.as_deref();
            let condition = text
                .map(|text| Condition::parse(Parameter::Condition, text, &mut placeholders))
                .transpose()?;
            placeholders.finish()?;
            let payload = values.iter().flatten().map(|(_, value)| value.size()).sum();
            let change = Change::Update {
                key: update.key,
                update: updating,
                payload,
            };
            (
                update.table_name,
                change,
                condition,
                update.return_values_on_condition_check_failure,
            )
        }
        TransactWriteItem { .. } => return Err(Error::internal("an action that was counted is not there")),
    };
    Ok(Write {
        table: TableRef::parse(context, &named)?,
        named,
        change,
        condition,
        show_on_failure: shows_old(shown.as_deref()),
        needs_old: false,
        located: None,
    })
}

fn condition(
    text: Option<&str>,
    names: &parameters::Names,
    values: &parameters::Values,
) -> Result<Option<Condition>, Error> {
    parameters::Given {
        expressions: &[("ConditionExpression", text.is_some())],
        others: &[],
        names: names.is_some(),
        values: values.is_some(),
    }
    .check()?;
    let mut placeholders = Placeholders::new(names.as_ref(), values.as_ref())?;
    let condition = parameters::condition(text, None, None, &mut placeholders)?;
    placeholders.finish()?;
    Ok(condition)
}
