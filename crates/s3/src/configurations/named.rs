//! Configurations of which a bucket has many, each under an id.

use super::Named;
use crate::bucket_config;
use crate::records::{self, View};
use crate::{Error, Result, S3, keys, token};
use danbi_core::RequestContext;
use danbi_store::Direction;
use danbi_store::key::KeyReader;
use danbi_wire::Empty;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The most of a kind that a bucket has (AWS's quota).
const MAX_OF_A_KIND: usize = 1000;
/// How many a list gives at a time.
const PAGE: usize = 100;
/// The longest id.
const MAX_ID: usize = 64;

/// A page of a list.
pub(super) struct Listed<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

fn none() -> Error {
    Error::client(
        "NoSuchConfiguration",
        404,
        "The specified configuration does not exist.",
    )
}

/// Sets the configuration `id` of this kind.
pub(super) async fn set<T: Serialize + Sync>(
    s3: &S3,
    context: &RequestContext,
    of: Named<'_>,
    kind: &str,
    id: &str,
    value: &T,
) -> Result<Empty> {
    let grammar = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(grammar) {
        let message = "The ID you have provided is not valid.";
        return Err(Error::client("InvalidConfigurationId", 400, message));
    }
    s3.store
        .transact(async |tx| {
            let mut bucket = s3.bucket(&tx, context, of.bucket, of.expected_owner).await?;
            let there: Option<serde_json::Value> = bucket_config::get_one(&tx, &bucket, kind, id).await?;
            if there.is_none() {
                let all = keys::below(keys::configs(&bucket.id, kind));
                let count = tx.page(all, Direction::Forward, MAX_OF_A_KIND).await?.entries.len();
                if count >= MAX_OF_A_KIND {
                    let message = "You are attempting to create a new configuration but have already reached the \
                                   1,000-configuration limit.";
                    return Err(Error::client("TooManyConfigurations", 400, message));
                }
            }
            bucket_config::put_one(&tx, of.bucket, &mut bucket, kind, id, value)?;
            Ok(Empty {})
        })
        .await
}

/// Reads one.
pub(super) async fn get<T: DeserializeOwned + Send>(
    s3: &S3,
    context: &RequestContext,
    of: Named<'_>,
    kind: &str,
    id: &str,
) -> Result<T> {
    let view = s3.snapshot().await?;
    let bucket = s3.bucket(&view, context, of.bucket, of.expected_owner).await?;
    if id.len() > MAX_ID {
        return Err(none());
    }
    bucket_config::get_one(&view, &bucket, kind, id).await?.ok_or_else(none)
}

/// Removes one, which must be there.
pub(super) async fn delete(s3: &S3, context: &RequestContext, of: Named<'_>, kind: &str, id: &str) -> Result<Empty> {
    s3.store
        .transact(async |tx| {
            let bucket = s3.bucket(&tx, context, of.bucket, of.expected_owner).await?;
            if id.len() <= MAX_ID && bucket_config::delete_one(&tx, &bucket, kind, id).await? {
                Ok(Empty {})
            } else {
                Err(none())
            }
        })
        .await
}

/// Lists them by id.
pub(super) async fn list<T: DeserializeOwned + Send>(
    s3: &S3,
    context: &RequestContext,
    of: Named<'_>,
    kind: &str,
    from: Option<&str>,
) -> Result<Listed<T>> {
    let view = s3.snapshot().await?;
    let bucket = s3.bucket(&view, context, of.bucket, of.expected_owner).await?;
    let mut range = keys::below(keys::configs(&bucket.id, kind));
    if let Some(from) = from.filter(|from| !from.is_empty()) {
        range = range.after(&keys::config(&bucket.id, kind, &token::open(from)?));
    }
    let page = view.page(range, Direction::Forward, PAGE).await?;
    let items = page
        .entries
        .iter()
        .map(|(_, value)| records::decode(value))
        .collect::<Result<_>>()?;
    let next = match page.entries.last() {
        Some((last, _)) if page.more => Some(token::seal(&id_of(last)?)),
        _ => None,
    };
    Ok(Listed { items, next })
}

fn id_of(key: &[u8]) -> Result<String> {
    let read = || {
        let mut reader = KeyReader::new(key);
        reader.str()?;
        reader.str()?;
        reader.bytes()?;
        reader.str()?;
        reader.str()
    };
    read().map_err(|error| Error::Damaged(error.to_string()))
}
