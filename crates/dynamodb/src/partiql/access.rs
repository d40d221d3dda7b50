//! What statements ask the authorizer for. One that cannot be read is asked for as a SELECT of anything, so that nobody
//! without rights learns what is wrong with it.

use super::StatementText;
use crate::shapes::{BatchExecuteStatementInput, ExecuteStatementInput, ExecuteTransactionInput};
use crate::tables::catalog::TableRef;
use crate::told::{Telling, told};
use crate::{AttributeValue, DynamoDb};
use danbi_core::{Access, RequestContext, ServiceError};
use std::collections::BTreeSet;

type Asked = Result<Vec<Access>, ServiceError>;

pub(crate) fn execute(_: &DynamoDb, context: &RequestContext, input: &ExecuteStatementInput) -> Asked {
    Ok(all(context, [(&input.statement, input.parameters.as_ref())]))
}

pub(crate) fn batch(_: &DynamoDb, context: &RequestContext, input: &BatchExecuteStatementInput) -> Asked {
    let statements = input
        .statements
        .iter()
        .map(|one| (&one.statement, one.parameters.as_ref()));
    Ok(all(context, statements))
}

pub(crate) fn transaction(_: &DynamoDb, context: &RequestContext, input: &ExecuteTransactionInput) -> Asked {
    let statements = input
        .transact_statements
        .iter()
        .map(|one| (&one.statement, one.parameters.as_ref()));
    Ok(all(context, statements))
}

fn all<'s>(
    context: &RequestContext,
    statements: impl IntoIterator<Item = (&'s StatementText, Option<&'s Vec<AttributeValue>>)>,
) -> Vec<Access> {
    let mut asked = BTreeSet::new();
    for (statement, parameters) in statements {
        let Some(statement) = statement.read(parameters) else {
            continue;
        };
        let (table, index) = statement.target();
        let arn = TableRef::parse(context, table).map_or_else(|_| table.to_owned(), |table| table.arn().to_string());
        let arn = index.map_or(arn.clone(), |index| format!("{arn}/index/{index}"));
        asked.insert((statement.action(), arn));
    }
    if asked.is_empty() {
        return vec![Access::any("dynamodb:PartiQLSelect")];
    }
    // What a statement says of keys is known only when its plan is made.
    let asked = asked.into_iter();
    asked
        .map(|(action, arn)| told(context, Access::new(action, arn), Telling::untold))
        .collect()
}
