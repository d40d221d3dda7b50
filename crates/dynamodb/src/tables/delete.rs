//! `DeleteTable`.

use super::catalog::TableRef;
use super::describe::deleted;
use super::{expiry, policy};
use crate::history::backup;
use crate::jobs::Job;
use crate::{DynamoDb, Error, keys, shapes, streams};
use danbi_core::{RequestContext, ServiceError};
use std::sync::Arc;

/// `DeleteTable`: the name is free at once, and nobody sees the table any more. What it held is removed afterwards, in
/// small transactions.
pub(crate) async fn delete(
    dynamodb: Arc<DynamoDb>,
    context: RequestContext,
    input: shapes::DeleteTableInput,
) -> Result<shapes::DeleteTableOutput, ServiceError> {
    let table = TableRef::parse(&context, &input.table_name)?;
    let now = dynamodb.clock.now();
    let counts = dynamodb.counts_of(&table).await?;
    let gone = dynamodb
        .store
        .transact(async |tx| {
            let found = dynamodb.catalog.find(&tx, &table).await?;
            let record = found.ok_or_else(|| Error::table_not_found(&table.name))?;
            if record.deletion_protection {
                return Err(Error::validation(
                    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion \
                     protection first.",
                ));
            }
            if record.copies > 0 {
                return Err(Error::ResourceInUse(format!(
                    "Attempt to change a resource which is still in use: Table is being backed up or restored: {}",
                    record.name
                )));
            }
            tx.delete(&keys::table(&record.scope, &record.name))?;
            if let Some(stream) = record.live_stream() {
                streams::end(&tx, &record, stream, now).await?;
            }
            if record.time_to_live.is_some() {
                expiry::unlist(&tx, &record)?;
            }
            if record.recovery.is_some() {
                let counts = counts.as_ref().cloned().unwrap_or_default();
                backup::keep_deleted(&dynamodb, &tx, &record, &counts, now)?;
            } else {
                dynamodb.jobs.add(&tx, Job::clear(keys::table_data(record.id)))?;
            }
            Ok(record)
        })
        .await?;
    policy::changed();
    dynamodb.jobs.wake();
    dynamodb.usage.forget(gone.id);
    Ok(shapes::DeleteTableOutput {
        table_description: Some(deleted(&gone, &counts.unwrap_or_default())),
    })
}
