//! The operations, a room for each group.

pub(crate) mod agreement;
pub(crate) mod aliases;
pub(crate) mod create;
pub(crate) mod data_key_pairs;
pub(crate) mod data_keys;
pub(crate) mod deletion;
pub(crate) mod describe;
pub(crate) mod encrypt;
pub(crate) mod grants;
pub(crate) mod import;
pub(crate) mod lists;
pub(crate) mod mac;
pub(crate) mod policies;
pub(crate) mod random;
pub(crate) mod regions;
pub(crate) mod rotation;
pub(crate) mod sign;
pub(crate) mod state;
pub(crate) mod tagging;

use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::record::Key;
use crate::{Kms, catalog, grant};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;

/// Changes the key that a request names by its id, in one transaction, and keeps it.
///
/// # Errors
/// `NotFoundException`, and those of `change`.
async fn change<T, F>(kms: &Kms, context: &RequestContext, key_id: &str, change: F) -> Result<T>
where
    F: Fn(&Scope, &mut Key) -> Result<T> + Sync,
    T: Send,
{
    let (scope, id) = KeyName::parse_id(context, key_id)?;
    kms.store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            let changed = change(&scope, &mut key)?;
            catalog::save(&tx, &scope, &mut key)?;
            Ok::<_, Error>(changed)
        })
        .await
}

/// The key that a request names in any way.
///
/// # Errors
/// `NotFoundException`.
async fn find(kms: &Kms, context: &RequestContext, key_id: &str) -> Result<(Scope, Key)> {
    catalog::find(&kms.snapshot().await?, &KeyName::parse(context, key_id)?).await
}

/// Makes sure that grant tokens are ones. They say nothing that is not known: grants are in force at once.
///
/// # Errors
/// `InvalidGrantTokenException`.
fn check_tokens(tokens: Option<&Vec<String>>) -> Result<()> {
    for token in tokens.into_iter().flatten() {
        if grant::parse_token(token).is_none() {
            return Err(invalid_token());
        }
    }
    Ok(())
}

fn invalid_token() -> Error {
    Error::client("InvalidGrantTokenException", "Invalid grant token.")
}

/// Ends a dry run that went well so far.
///
/// # Errors
/// `DryRunOperationException`.
fn check_dry_run(asked: Option<bool>) -> Result<()> {
    match asked {
        Some(true) => Err(Error::dry_run()),
        _ => Ok(()),
    }
}

/// Refuses answers for enclaves, of which there are none.
///
/// # Errors
/// `UnsupportedOperationException`.
fn check_recipient(recipient: Option<&crate::shapes::RecipientInfo>) -> Result<()> {
    match recipient {
        Some(_) => Err(Error::not_built("Recipient, for enclaves,")),
        None => Ok(()),
    }
}

/// Runs work that takes the processor for long beside the threads that serve.
///
/// # Errors
/// Those of the work.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Computation("a computation was interrupted"))?
}
