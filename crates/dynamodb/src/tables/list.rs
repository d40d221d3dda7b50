//! `ListTables`.

use super::catalog::is_name_byte;
use crate::{DynamoDb, Error, keys, shapes};
use danbi_core::{RequestContext, ServiceError};
use danbi_store::Direction;
use std::sync::Arc;

/// Most names in one answer.
const MAX_NAMES: usize = 100;

/// `ListTables`.
pub(crate) async fn list(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::ListTablesInput,
) -> Result<shapes::ListTablesOutput, ServiceError> {
    let limit = match input.limit {
        None => MAX_NAMES,
        Some(limit @ 1..=100) => limit as usize,
        Some(limit) => {
            let bound = if limit < 1 {
                "greater than or equal to 1"
            } else {
                "less than or equal to 100"
            };
            let refused = Error::constraint(
                &limit.to_string(),
                "limit",
                format_args!("Member must have value {bound}"),
            );
            return Err(refused.into());
        }
    };
    let mut range = keys::tables(&context.scope);
    if let Some(start) = &input.exclusive_start_table_name {
        if !(3..=255).contains(&start.len()) || !start.bytes().all(is_name_byte) {
            return Err(Error::validation(
                "Invalid ExclusiveStartTableName: it must be the name of a table, 3 to 255 characters long",
            )
            .into());
        }
        range = range.after(&keys::table(&context.scope, start));
    }
    let snapshot = dynamodb.store.snapshot().await.map_err(Error::from)?;
    let mut names = Vec::new();
    loop {
        let wanted = limit - names.len();
        let page = snapshot
            .scan(range.clone(), Direction::Forward, wanted)
            .await
            .map_err(Error::from)?;
        for (key, _) in &page.entries {
            names.push(keys::table_name(key).map_err(Error::from)?.2);
        }
        match page.entries.last() {
            Some((last, _)) if page.more && names.len() < limit => range = range.after(last),
            _ => {
                return Ok(shapes::ListTablesOutput {
                    last_evaluated_table_name: names.last().filter(|_| page.more).cloned(),
                    table_names: Some(names),
                });
            }
        }
    }
}
