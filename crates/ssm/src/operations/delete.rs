//! DeleteParameter, DeleteParameters.

use super::newest;
use crate::error::Result;
use crate::records::Version;
use crate::shapes::{DeleteParameterRequest, DeleteParameterResult, DeleteParametersRequest, DeleteParametersResult};
use crate::{Ssm, keys, names};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use std::sync::Arc;

/// DeleteParameter.
pub(crate) async fn delete_parameter(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: DeleteParameterRequest,
) -> Result<DeleteParameterResult> {
    one(&ssm, &context, &input.name).await?;
    Ok(DeleteParameterResult {})
}

/// DeleteParameters: those that are not there are named.
pub(crate) async fn delete_parameters(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: DeleteParametersRequest,
) -> Result<DeleteParametersResult> {
    let (mut deleted, mut missing) = (Vec::new(), Vec::new());
    for name in input.names {
        match one(&ssm, &context, &name).await {
            Ok(()) => deleted.push(name),
            Err(error) if error.is_absence() => missing.push(name),
            Err(error) => return Err(error),
        }
    }
    Ok(DeleteParametersResult {
        deleted_parameters: Some(deleted),
        invalid_parameters: Some(missing),
    })
}

async fn one(ssm: &Ssm, context: &RequestContext, given: &str) -> Result<()> {
    let (scope, name) = (&context.scope, &names::parse(&context.scope, given)?.key);
    ssm.store
        .transact(async |tx: Transaction| {
            let newest = newest(&tx, scope, name, ssm.now()).await?;
            remove(ssm, &tx, scope, name, &newest)
        })
        .await?;
    ssm.outbox.ring();
    Ok(())
}

/// Removes a parameter with all that belongs to it. What it has in the table of times finds nobody.
pub(crate) fn remove(ssm: &Ssm, tx: &Transaction, scope: &Scope, name: &str, newest: &Version) -> Result<()> {
    tx.delete(&keys::parameter(scope, name))?;
    tx.delete(&keys::tags(scope, name))?;
    tx.delete_range(keys::versions(scope, name))?;
    tx.delete_range(keys::labels(scope, name))?;
    ssm.tell(tx, scope, "Delete", newest)
}
