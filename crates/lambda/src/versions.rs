//! PublishVersion, ListVersionsByFunction.

use crate::configuration::{listed, shown};
use crate::lambda::{Lambda, version};
use crate::names::{FunctionId, FunctionRef, Qualifier};
use crate::records::{Function, Published, Read, State, Version, decode, new_revision, put};
use crate::shapes::{
    FunctionConfiguration, ListVersionsByFunctionRequest, ListVersionsByFunctionResponse, PublishVersionRequest,
};
use crate::{Error, functions, keys, marker, snapshots};
use danbi_core::RequestContext;
use danbi_store::{Direction, Snapshot, Transaction};
use std::sync::Arc;

/// The most versions in a page.
const PAGE: usize = 50;

/// PublishVersion: a numbered copy of `$LATEST`, or the newest version when nothing has changed since.
pub(crate) async fn publish(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: PublishVersionRequest,
) -> Result<FunctionConfiguration, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    if input.publish_to.is_some() {
        return Err(Error::Unsupported(
            "PublishTo is not supported by this platform.".into(),
        ));
    }
    lambda.settled(&id).await?;
    let now = lambda.now_ms();
    let version = lambda
        .store
        .transact(async |tx| {
            let mut function = tx.function(&id).await?.ok_or_else(|| Error::function_not_found(id.arn()))?;
            let latest = &function.latest;
            if input.revision_id.as_ref().is_some_and(|revision| *revision != latest.revision) {
                return Err(Error::RevisionMismatch("GetFunction/GetAlias"));
            }
            let current = crate::configuration::code_sha256(&latest.configuration.code);
            if let Some(expected) = input.code_sha256.as_ref().filter(|sha| !sha.is_empty() && **sha != current) {
                return Err(Error::InvalidParameter(format!(
                    "CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the CodeSHA256 in $LATEST."
                )));
            }
            if latest.state != State::Active {
                return Err(Error::state(latest.state.as_str()));
            }
            if latest.unsettled() {
                return Err(Error::update_in_progress(&id.arn()));
            }
            if let Some(version) = unchanged(&tx, &id, &function).await? {
                return Ok(version);
            }
            let mut version = cut(&mut function, input.description.as_deref(), now)?;
            snapshots::mark(&tx, &id, &mut version)?;
            function.latest.touch();
            keep(&tx, &id, &version).await?;
            put(&tx, &keys::function(&id), &function)?;
            Ok(version)
        })
        .await?;
    if let Some(number) = version.number.filter(|_| version.state == State::Pending) {
        lambda.snapshot_later(&id, number);
    }
    Ok(shown(&id, &version, &id.qualified_arn(version.label())))
}

/// The newest version, when it still is what publishing `$LATEST` would make.
pub(crate) async fn unchanged(
    tx: &Transaction,
    id: &FunctionId,
    function: &Function,
) -> Result<Option<Version>, Error> {
    let Some(published) = &function.published else {
        return Ok(None);
    };
    if published.fingerprint != function.latest.configuration.fingerprint()? {
        return Ok(None);
    }
    version(tx, id, published.version).await
}

/// Cuts the next version from `$LATEST`; its state is that of `$LATEST`, or `Pending` while that is being updated.
pub(crate) fn cut(function: &mut Function, description: Option<&str>, now_ms: i64) -> Result<Version, Error> {
    let number = function.next_version;
    function.next_version += 1;
    function.published = Some(Published {
        version: number,
        fingerprint: function.latest.configuration.fingerprint()?,
    });
    let mut version = function.latest.clone();
    version.number = Some(number);
    version.optimised = false;
    version.revision = new_revision();
    version.modified_ms = now_ms.max(version.modified_ms);
    if version.unsettled() {
        version.state = State::Pending;
        version.state_reason = Some(crate::records::Reason::creating());
        version.update = None;
        version.update_reason = None;
    }
    if let Some(description) = description {
        version.configuration.description = description.into();
    }
    Ok(version)
}

/// Writes a new version, and that it uses its code.
pub(crate) async fn keep(tx: &Transaction, id: &FunctionId, version: &Version) -> Result<(), Error> {
    let number = version
        .number
        .ok_or_else(|| Error::internal("a version without a number"))?;
    functions::add_code(tx, id, Some(number), &version.configuration).await?;
    put(tx, &keys::version(id, number), version)
}

/// ListVersionsByFunction: `$LATEST`, then the versions by number.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListVersionsByFunctionRequest,
) -> Result<ListVersionsByFunctionResponse, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<u64> = marker::read(input.marker.as_deref())?;
    let view = lambda.snapshot().await?;
    let function = view
        .function(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    let mut versions = Vec::new();
    if from.is_none() {
        versions.push(listed(&id, &function.latest, &id.qualified_arn(Qualifier::Latest)));
    }
    let more = collect(&view, &id, from.unwrap_or(0), limit, &mut versions).await?;
    let next_marker = more.map(|number| marker::write(&number)).transpose()?;
    Ok(ListVersionsByFunctionResponse {
        versions: Some(versions),
        next_marker,
    })
}

/// Adds the versions behind number `after` until `shown` has `limit` items; the last number when there are more.
pub(crate) async fn collect(
    view: &Snapshot,
    id: &FunctionId,
    after: u64,
    limit: usize,
    shown: &mut Vec<FunctionConfiguration>,
) -> Result<Option<u64>, Error> {
    let mut range = keys::below(&keys::versions(id)).after(&keys::version(id, after));
    let mut last = after;
    loop {
        let room = limit.saturating_sub(shown.len());
        if room == 0 {
            return Ok(view.any(range).await?.then_some(last));
        }
        let page = view.scan(range.clone(), Direction::Forward, room).await?;
        for (key, value) in &page.entries {
            let version: Version = decode(value)?;
            last = version.number.unwrap_or(last);
            shown.push(listed(id, &version, &id.qualified_arn(version.label())));
            range = range.after(key);
        }
        if !page.more {
            return Ok(None);
        }
    }
}
