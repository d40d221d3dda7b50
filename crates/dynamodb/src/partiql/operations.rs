//! ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

use super::select::{Plan, Position, answer, primary_key};
use super::statement::{Select, Statement};
use super::text::MAX_BYTES;
use super::{StatementText, change};
use crate::items::capacity::{Detail, Kind, Rate, Usage};
use crate::items::members::{self, Violations};
use crate::items::token::Token;
use crate::items::transact::{self, Transacted};
use crate::items::view::View;
use crate::items::{select, single};
use crate::shapes::*;
use crate::tables::catalog::TableRef;
use crate::{AttributeValue, DynamoDb, Error, Item};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use danbi_core::RequestContext;
use danbi_store::Snapshot;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most statements of a batch.
const MAX_BATCH: usize = 25;
/// The most statements of a transaction.
const MAX_TRANSACTION: usize = 100;

fn statement_length(violations: &mut Violations, member: &str, statement: &StatementText) {
    let text = statement.text();
    violations.length(member, text.len(), 1, MAX_BYTES, || text.to_owned());
}

pub(crate) async fn execute(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    mut input: ExecuteStatementInput,
) -> Result<ExecuteStatementOutput, Error> {
    let mut violations = Violations::default();
    statement_length(&mut violations, "statement", &input.statement);
    violations.within("limit", input.limit, 1, i32::MAX);
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.finish()?;
    match input.statement.take(input.parameters.as_ref())? {
        Statement::Select(asked) => {
            let digest = digest(input.statement.text(), input.parameters.as_ref())?;
            let from = input
                .next_token
                .as_deref()
                .map(|token| NextToken::open(token, digest))
                .transpose()?;
            let snapshot = dynamodb.store.snapshot().await?;
            let table = TableRef::parse(&context, &asked.table)?;
            let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
            let plan = Plan::new(&table, &asked, input.consistent_read)?;
            let limit = input.limit.map(|limit| limit as usize);
            dynamodb.admit_read(&table, plan.index)?;
            let selected = plan.read(View::Snapshot(&snapshot), limit, from).await?;
            let usage = select::charge(&table, plan.index, &selected.page, None, input.consistent_read);
            dynamodb.pay_read(&table, &usage);
            let detail = Detail::of(input.return_consumed_capacity.as_deref());
            Ok(ExecuteStatementOutput {
                consumed_capacity: usage.report(detail, &asked.table, Kind::Plain),
                next_token: selected
                    .last
                    .clone()
                    .map(|last| NextToken::seal(last, digest))
                    .transpose()?,
                last_evaluated_key: selected.last.filter(|_| limit.is_some()).map(|last| last.key),
                items: Some(selected.items),
            })
        }
        Statement::Exists(_) => Err(Error::validation("EXISTS is only supported within ExecuteTransaction")),
        statement => {
            let on_failure = input.return_values_on_condition_check_failure.as_deref();
            let written = write(&dynamodb, &context, statement, on_failure).await?;
            Ok(ExecuteStatementOutput {
                items: Some(written.item.into_iter().collect()),
                consumed_capacity: written.usage.report(
                    Detail::of(input.return_consumed_capacity.as_deref()),
                    &written.named,
                    Kind::Plain,
                ),
                ..ExecuteStatementOutput::default()
            })
        }
    }
}

/// What a write answers.
struct Written {
    named: String,
    item: Option<Item>,
    usage: Usage,
}

async fn write(
    dynamodb: &DynamoDb,
    context: &RequestContext,
    statement: Statement,
    on_failure: Option<&str>,
) -> Result<Written, Error> {
    let snapshot = dynamodb.store.snapshot().await?;
    let table = TableRef::parse(context, statement.target().0)?;
    let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
    drop(snapshot);
    let returning = statement.returning();
    let touched = match &statement {
        Statement::Update { update, .. } if returning.is_some_and(|returning| returning.modified) => {
            Some(update.touched())
        }
        _ => None,
    };
    let write = change::write(statement, &table, context, on_failure)?;
    let named = write.named.clone();
    let applied = dynamodb.write(write).await?;
    let item = match returning {
        None => None,
        Some(returning) if returning.new => applied.new,
        Some(_) => applied.old,
    };
    let part = |item: Item| match &touched {
        Some(touched) => Some(touched.of(&item)).filter(|part| !part.is_empty()),
        None => Some(item),
    };
    Ok(Written {
        named,
        item: item.and_then(part),
        usage: applied.usage,
    })
}

/// The one item that a SELECT names by its whole key.
async fn read_one(
    dynamodb: &DynamoDb,
    snapshot: &Snapshot,
    context: &RequestContext,
    asked: Select,
    rate: Rate,
    operation: &str,
) -> Result<(Option<Item>, Usage), Error> {
    let table = TableRef::parse(context, &asked.table)?;
    let table = dynamodb.catalog.usable_in(snapshot, &table).await?;
    let (key, filter) = primary_key(&table, asked.condition).ok_or_else(|| {
        Error::validation(format!(
            "Select statements within {operation} must specify the primary key in the where clause."
        ))
    })?;
    dynamodb.admit_read(&table, None)?;
    let (item, size) = single::read(View::Snapshot(snapshot), &table, &key, None).await?;
    let usage = Usage::of_table(rate.units(size));
    dynamodb.pay_read(&table, &usage);
    let kept = item.filter(|item| filter.is_none_or(|filter| filter.holds(item)));
    Ok((kept.map(|item| answer(&asked.attributes, &item)), usage))
}

pub(crate) async fn batch(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: BatchExecuteStatementInput,
) -> Result<BatchExecuteStatementOutput, Error> {
    let mut violations = Violations::default();
    violations.length("statements", input.statements.len(), 1, MAX_BATCH, || "[...]".into());
    for (at, one) in input.statements.iter().enumerate() {
        statement_length(
            &mut violations,
            &format!("statements.{}.member.statement", at + 1),
            &one.statement,
        );
    }
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.finish()?;
    let mut usages: BTreeMap<String, Usage> = BTreeMap::new();
    let mut responses = Vec::with_capacity(input.statements.len());
    for mut request in input.statements {
        let parsed = request.statement.take(request.parameters.as_ref());
        let named = parsed.as_ref().ok().map(|statement| statement.target().0.to_owned());
        let done = match parsed {
            Ok(statement) => one_of_batch(&dynamodb, &context, statement, &request).await,
            Err(error) => Err(error.into()),
        };
        responses.push(match done {
            Ok((item, usage)) => {
                usages
                    .entry(named.clone().unwrap_or_default())
                    .or_default()
                    .add(&usage, 1.0);
                BatchStatementResponse {
                    table_name: named,
                    item,
                    error: None,
                }
            }
            Err(error) => BatchStatementResponse {
                table_name: named,
                item: None,
                error: Some(batch_error(error)),
            },
        });
    }
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    Ok(BatchExecuteStatementOutput {
        responses: Some(responses),
        consumed_capacity: report(&usages, detail, Kind::Plain),
    })
}

async fn one_of_batch(
    dynamodb: &DynamoDb,
    context: &RequestContext,
    statement: Statement,
    request: &BatchStatementRequest,
) -> Result<(Option<Item>, Usage), Error> {
    match statement {
        Statement::Select(asked) => {
            if asked.index.is_some() {
                return Err(Error::validation(
                    "Select statements within BatchExecuteStatement must specify the primary key in the where clause.",
                ));
            }
            let snapshot = dynamodb.store.snapshot().await?;
            let rate = Rate::of(request.consistent_read);
            read_one(dynamodb, &snapshot, context, asked, rate, "BatchExecuteStatement").await
        }
        Statement::Exists(_) => Err(Error::validation("EXISTS is only supported within ExecuteTransaction")),
        statement => {
            let on_failure = request.return_values_on_condition_check_failure.as_deref();
            let written = write(dynamodb, context, statement, on_failure).await?;
            Ok((written.item, written.usage))
        }
    }
}

/// An error as one statement of a batch has it.
fn batch_error(error: Error) -> BatchStatementError {
    let message = error.to_string();
    let (code, item) = match error {
        Error::ConditionalCheckFailed(item) => ("ConditionalCheckFailed", item.map(|item| *item)),
        Error::Validation(_) => ("ValidationError", None),
        Error::ResourceNotFound(_) => ("ResourceNotFound", None),
        Error::DuplicateItem(_) => ("DuplicateItem", None),
        Error::TransactionConflict => ("TransactionConflict", None),
        Error::Throttled(throttled) => (throttled.reason_code().as_str(), None),
        Error::ItemCollectionSizeLimitExceeded => ("ItemCollectionSizeLimitExceeded", None),
        _ => ("InternalServerError", None),
    };
    BatchStatementError {
        code: Some(code.to_owned()),
        message: Some(message),
        item,
    }
}

fn report(usages: &BTreeMap<String, Usage>, detail: Detail, kind: Kind) -> Option<Vec<ConsumedCapacity>> {
    let reports = usages
        .iter()
        .filter_map(|(named, usage)| usage.report(detail, named, kind));
    (detail != Detail::None).then(|| reports.collect())
}

pub(crate) async fn transaction(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    mut input: ExecuteTransactionInput,
) -> Result<ExecuteTransactionOutput, Error> {
    let mut violations = Violations::default();
    let count = input.transact_statements.len();
    violations.length("transactStatements", count, 1, MAX_TRANSACTION, || "[...]".into());
    for (at, one) in input.transact_statements.iter().enumerate() {
        statement_length(
            &mut violations,
            &format!("transactStatements.{}.member.statement", at + 1),
            &one.statement,
        );
    }
    violations.one_of(
        "returnConsumedCapacity",
        input.return_consumed_capacity.as_ref(),
        members::CAPACITY,
    );
    violations.finish()?;
    let mut statements = Vec::with_capacity(count);
    for (at, one) in input.transact_statements.iter_mut().enumerate() {
        let failed =
            |detail: &str| Error::validation(format!("Validation failed in TransactStatements[{at}]: {detail}"));
        let statement = one.statement.take(one.parameters.as_ref())?;
        if statement.returning().is_some() {
            return Err(failed("RETURNING clause is not supported in ExecuteTransaction."));
        }
        if statement.target().1.is_some() {
            return Err(failed("Reads on indices are not supported within transactions."));
        }
        statements.push(statement);
    }
    let reading = statements.iter().filter(|statement| statement.reads()).count();
    if reading != 0 && reading != count {
        return Err(Error::validation(
            "Statements of one transaction must be either all reads or all writes",
        ));
    }
    let detail = Detail::of(input.return_consumed_capacity.as_deref());
    if reading == count {
        return read_all(&dynamodb, &context, statements, detail).await;
    }
    let token = match &input.client_request_token {
        Some(text) => Some(Token::new(&context.scope, text, &input.transact_statements)?),
        None => None,
    };
    let snapshot = dynamodb.store.snapshot().await?;
    let mut writes = Vec::with_capacity(count);
    for (statement, one) in statements.into_iter().zip(&input.transact_statements) {
        let table = TableRef::parse(&context, statement.target().0)?;
        let table = dynamodb.catalog.usable_in(&snapshot, &table).await?;
        let on_failure = one.return_values_on_condition_check_failure.as_deref();
        writes.push(change::write(statement, &table, &context, on_failure)?);
    }
    drop(snapshot);
    let (usages, kind) = match dynamodb.transact_write(&writes, token.as_ref()).await? {
        Transacted::Before(usages) => (usages, Kind::Read),
        Transacted::Now(applied) => (transact::usages(&writes, &applied), Kind::Write),
    };
    Ok(ExecuteTransactionOutput {
        responses: Some(Vec::new()),
        consumed_capacity: report(&usages, detail, kind),
    })
}

/// Reads of one transaction: of one moment.
async fn read_all(
    dynamodb: &DynamoDb,
    context: &RequestContext,
    statements: Vec<Statement>,
    detail: Detail,
) -> Result<ExecuteTransactionOutput, Error> {
    let snapshot = dynamodb.store.snapshot().await?;
    let mut usages: BTreeMap<String, Usage> = BTreeMap::new();
    let mut responses = Vec::with_capacity(statements.len());
    for statement in statements {
        let Statement::Select(asked) = statement else { continue };
        let named = asked.table.clone();
        let rate = Rate::Transactional;
        let (item, usage) = read_one(dynamodb, &snapshot, context, asked, rate, "ExecuteTransaction").await?;
        usages.entry(named).or_default().add(&usage, 1.0);
        responses.push(ItemResponse { item });
    }
    Ok(ExecuteTransactionOutput {
        responses: Some(responses),
        consumed_capacity: report(&usages, detail, Kind::Read),
    })
}

/// What identifies a statement with its parameters.
fn digest(statement: &str, parameters: Option<&Vec<AttributeValue>>) -> Result<[u8; 8], Error> {
    let mut hash = Sha256::new();
    hash.update(statement.as_bytes());
    hash.update(serde_json::to_vec(&parameters).map_err(Error::internal)?);
    let mut digest = [0; 8];
    digest.copy_from_slice(&hash.finalize()[..8]);
    Ok(digest)
}

/// Where a SELECT goes on, and of which statement: opaque to clients.
#[derive(Serialize, Deserialize)]
struct NextToken {
    statement: [u8; 8],
    position: Position,
}

impl NextToken {
    fn seal(position: Position, statement: [u8; 8]) -> Result<String, Error> {
        let token = serde_json::to_vec(&Self { statement, position }).map_err(Error::internal)?;
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    fn open(token: &str, statement: [u8; 8]) -> Result<Position, Error> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok();
        let token = bytes.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        match token {
            Some(token) if token.statement == statement => Ok(token.position),
            Some(_) => Err(Error::validation("NextToken does not match request")),
            None => Err(Error::validation("Invalid NextToken")),
        }
    }
}
