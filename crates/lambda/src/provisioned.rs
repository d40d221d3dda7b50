//! PutProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig, ListProvisionedConcurrencyConfigs,
//! DeleteProvisionedConcurrencyConfig; and telling the executor what to keep.
//!
//! What is wanted is in the store; what is there is the executor's to say. A restart, a moved alias or a crash of an
//! environment are all the same thing: the two differ, and the executor makes good what is lacking.

use crate::lambda::{Lambda, version};
use crate::names::{FunctionId, FunctionRef, Qualifier};
use crate::records::{Alias, Function, Provision, Read, State, decode, lambda_date, put};
use crate::shapes::{
    DeleteProvisionedConcurrencyConfigRequest, GetProvisionedConcurrencyConfigRequest,
    GetProvisionedConcurrencyConfigResponse, ListProvisionedConcurrencyConfigsRequest,
    ListProvisionedConcurrencyConfigsResponse, ProvisionedConcurrencyConfigListItem,
    PutProvisionedConcurrencyConfigRequest, PutProvisionedConcurrencyConfigResponse,
};
use crate::{Error, aliases, keys, marker, prepare};
use danbi_core::RequestContext;
use danbi_runtime::{FunctionSpec, ProvisionFailure};
use danbi_store::key::KeyReader;
use danbi_store::{Direction, Snapshot, Transaction};
use danbi_wire::Empty;
use std::sync::Arc;
use std::time::Duration;

/// The most configurations in a page, and read at once.
const PAGE: usize = 50;
/// How often what is wanted is told again, besides when it changes: other nodes may have changed it.
const TELL_AGAIN: Duration = Duration::from_secs(30);

/// What a request addresses: an alias or a published version.
struct Target {
    id: FunctionId,
    /// The alias's name or the number.
    qualifier: String,
}

impl Target {
    fn parse(context: &RequestContext, name: &str, qualifier: &str, latest: &'static str) -> Result<Self, Error> {
        let FunctionRef { id, qualifier } = FunctionRef::parse(&context.scope, name, Some(qualifier))?;
        match qualifier {
            None | Some(Qualifier::Latest) => Err(Error::InvalidParameter(latest.into())),
            Some(Qualifier::Version(number)) => Ok(Self {
                id,
                qualifier: number.to_string(),
            }),
            Some(Qualifier::Alias(name) | Qualifier::Unknown(name)) => Ok(Self {
                id,
                qualifier: name.into(),
            }),
        }
    }

    /// The version that is meant now. An alias of `$LATEST` means none that can be provisioned.
    async fn version(&self, view: &impl Read) -> Result<Option<u64>, Error> {
        if let Ok(number) = self.qualifier.parse::<u64>() {
            let found = version(view, &self.id, number).await?;
            return match found {
                Some(_) => Ok(Some(number)),
                None => Err(Error::function_not_found(self.id.qualified_arn(number))),
            };
        }
        let alias: Option<Alias> = view.record(&keys::alias(&self.id, &self.qualifier)).await?;
        let alias = alias.ok_or_else(|| aliases::cannot_find(&self.id, &self.qualifier))?;
        Ok(alias.version.parse().ok())
    }
}

/// PutProvisionedConcurrencyConfig.
pub(crate) async fn put_config(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: PutProvisionedConcurrencyConfigRequest,
) -> Result<PutProvisionedConcurrencyConfigResponse, Error> {
    let unpublished = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
    let target = Target::parse(&context, &input.function_name, &input.qualifier, unpublished)?;
    let count = input.provisioned_concurrent_executions.unsigned_abs();
    let now = lambda.now_ms();
    let (limit, minimum) = (lambda.concurrency.limit(), lambda.options.unreserved_minimum);
    let id = &target.id;
    lambda
        .store
        .transact(async |tx| {
            let number = target.version(&tx).await?;
            let number = number.ok_or_else(|| Error::InvalidParameter(unpublished.into()))?;
            let mut function = tx.function(id).await?.ok_or_else(|| Error::function_not_found(id.arn()))?;
            let version = version(&tx, id, number).await?;
            let app = version.is_some_and(|version| {
                let variables = version.configuration.environment.unwrap_or_default();
                variables.contains_key("DANBI_HTTP_COMMAND") || variables.contains_key("DANBI_STATIC_DIR")
            });
            if app {
                return Err(Error::Unsupported(
                    "Provisioned concurrency is for handlers: an HTTP-server app or a static site serves any number of requests by one environment.".into(),
                ));
            }
            let key = keys::provision(id, &target.qualifier);
            let before: Option<Provision> = tx.record(&key).await?;
            let others = function.provisioned.saturating_sub(before.map_or(0, |before| before.count));
            let total = others.saturating_add(count);
            let mut usage = tx.usage(&id.scope).await?;
            let held_by_others = usage.reserved_concurrency.saturating_sub(function.held_concurrency());
            match function.reserved_concurrency {
                Some(reserved) if total > reserved => {
                    return Err(Error::InvalidParameter(
                        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function".into(),
                    ));
                }
                Some(_) => {}
                None => {
                    let left = limit.saturating_sub(held_by_others).saturating_sub(others);
                    if count > left {
                        return Err(Error::InvalidParameter(format!(
                            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{left}]."
                        )));
                    }
                    if left - count < minimum {
                        return Err(Error::InvalidParameter(format!(
                            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{minimum}]."
                        )));
                    }
                }
            }
            check_conflicts(&tx, &target, number).await?;
            function.provisioned = total;
            usage.reserved_concurrency = held_by_others.saturating_add(function.held_concurrency());
            put(&tx, &keys::usage(&id.scope), &usage)?;
            put(&tx, &keys::function(id), &function)?;
            put(&tx, &key, &Provision { count, modified_ms: now })
        })
        .await?;
    lambda.provisions.notify_one();
    Ok(PutProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: Some(count.cast_signed()),
        allocated_provisioned_concurrent_executions: Some(0),
        available_provisioned_concurrent_executions: Some(0),
        status: Some("IN_PROGRESS".into()),
        status_reason: None,
        last_modified: Some(date(now)),
    })
}

/// A version cannot be provisioned by its number and by an alias at once.
async fn check_conflicts(tx: &Transaction, target: &Target, number: u64) -> Result<(), Error> {
    let by_number = target.qualifier == number.to_string();
    for (qualifier, _) in provisions(tx, &target.id).await? {
        if !by_number && qualifier == number.to_string() {
            return Err(Error::Conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                    .into(),
            ));
        }
        if by_number && qualifier != target.qualifier {
            let alias: Option<Alias> = tx.record(&keys::alias(&target.id, &qualifier)).await?;
            if alias.is_some_and(|alias| alias.version == target.qualifier) {
                return Err(Error::Conflict(
                    "Version is pointed by a Provisioned Concurrency alias".into(),
                ));
            }
        }
    }
    Ok(())
}

/// A function's configurations by qualifier. Each holds at least one of the account's concurrent executions, so there are
/// no more than those.
async fn provisions(view: &impl Read, id: &FunctionId) -> Result<Vec<(String, Provision)>, Error> {
    let prefix = keys::provisions(id);
    let mut range = keys::below(&prefix);
    let mut all = Vec::new();
    loop {
        let page = view.page(range.clone(), Direction::Forward, PAGE).await?;
        for (key, value) in &page.entries {
            let qualifier = KeyReader::after_prefix(key, &prefix).and_then(|mut reader| reader.str());
            all.push((qualifier.map_err(Error::internal)?, decode(value)?));
            range = range.after(key);
        }
        if !page.more {
            return Ok(all);
        }
    }
}

const NOT_PUBLISHED: &str = "The function resource provided must be an alias or a published version.";

/// GetProvisionedConcurrencyConfig.
pub(crate) async fn get_config(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetProvisionedConcurrencyConfigRequest,
) -> Result<GetProvisionedConcurrencyConfigResponse, Error> {
    let target = Target::parse(&context, &input.function_name, &input.qualifier, NOT_PUBLISHED)?;
    let view = lambda.snapshot().await?;
    let number = target.version(&view).await?;
    let provision: Option<Provision> = view.record(&keys::provision(&target.id, &target.qualifier)).await?;
    let provision = provision.ok_or(Error::NoProvision)?;
    let Progress {
        allocated,
        status,
        reason,
    } = lambda.progress(&target.id, number, &provision);
    Ok(GetProvisionedConcurrencyConfigResponse {
        requested_provisioned_concurrent_executions: Some(provision.count.cast_signed()),
        allocated_provisioned_concurrent_executions: Some(allocated),
        available_provisioned_concurrent_executions: Some(allocated),
        status: Some(status.into()),
        status_reason: reason,
        last_modified: Some(date(provision.modified_ms)),
    })
}

/// ListProvisionedConcurrencyConfigs, by qualifier.
pub(crate) async fn list_configs(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListProvisionedConcurrencyConfigsRequest,
) -> Result<ListProvisionedConcurrencyConfigsResponse, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<String> = marker::read(input.marker.as_deref())?;
    let view = lambda.snapshot().await?;
    view.function(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    let all = provisions(&view, &id).await?;
    let mut behind = all
        .into_iter()
        .filter(|(qualifier, _)| from.as_ref().is_none_or(|from| qualifier > from))
        .peekable();
    let mut shown = Vec::new();
    let mut last = None;
    while shown.len() < limit
        && let Some((qualifier, provision)) = behind.next()
    {
        let target = Target {
            id: id.clone(),
            qualifier,
        };
        let number = target.version(&view).await?;
        let Progress {
            allocated,
            status,
            reason,
        } = lambda.progress(&id, number, &provision);
        shown.push(ProvisionedConcurrencyConfigListItem {
            function_arn: Some(id.qualified_arn(&target.qualifier).to_string()),
            requested_provisioned_concurrent_executions: Some(provision.count.cast_signed()),
            allocated_provisioned_concurrent_executions: Some(allocated),
            available_provisioned_concurrent_executions: Some(allocated),
            status: Some(status.into()),
            status_reason: reason,
            last_modified: Some(date(provision.modified_ms)),
        });
        last = Some(target.qualifier);
    }
    let next_marker = last
        .filter(|_| behind.peek().is_some())
        .map(|last| marker::write(&last))
        .transpose()?;
    Ok(ListProvisionedConcurrencyConfigsResponse {
        provisioned_concurrency_configs: Some(shown),
        next_marker,
    })
}

/// DeleteProvisionedConcurrencyConfig: one that is not there is no error, unless what it would be of is not there either.
pub(crate) async fn delete_config(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteProvisionedConcurrencyConfigRequest,
) -> Result<Empty, Error> {
    let target = Target::parse(&context, &input.function_name, &input.qualifier, NOT_PUBLISHED)?;
    lambda
        .store
        .transact(async |tx| {
            target.version(&tx).await?;
            forget(&tx, &target.id, &target.qualifier).await
        })
        .await?;
    lambda.provisions.notify_one();
    Ok(Empty {})
}

/// Removes the configuration of a qualifier, if it has one, and what it holds.
pub(crate) async fn forget(tx: &Transaction, id: &FunctionId, qualifier: &str) -> Result<(), Error> {
    let key = keys::provision(id, qualifier);
    let Some(provision) = tx.record::<Provision>(&key).await? else {
        return Ok(());
    };
    if let Some(mut function) = tx.function(id).await? {
        let mut usage = tx.usage(&id.scope).await?;
        let others = usage.reserved_concurrency.saturating_sub(function.held_concurrency());
        function.provisioned = function.provisioned.saturating_sub(provision.count);
        usage.reserved_concurrency = others.saturating_add(function.held_concurrency());
        put(tx, &keys::usage(&id.scope), &usage)?;
        put(tx, &keys::function(id), &function)?;
    }
    Ok(tx.delete(&key)?)
}

/// How much of a version is provisioned, by its number and by aliases that point to it.
pub(crate) async fn of_version(
    view: &Snapshot,
    id: &FunctionId,
    function: &Function,
    number: Option<u64>,
) -> Result<u32, Error> {
    let Some(number) = number.filter(|_| function.provisioned > 0) else {
        return Ok(0);
    };
    let mut total = 0_u32;
    for (qualifier, provision) in provisions(view, id).await? {
        let target = Target {
            id: id.clone(),
            qualifier,
        };
        if target.version(view).await? == Some(number) {
            total = total.saturating_add(provision.count);
        }
    }
    Ok(total)
}

/// What the API says of a configuration besides itself.
struct Progress {
    allocated: i32,
    status: &'static str,
    reason: Option<String>,
}

fn date(ms: i64) -> String {
    // Seconds, where functions have milliseconds.
    let text = lambda_date(ms);
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}+0000"),
        None => text,
    }
}

impl Lambda {
    fn progress(&self, id: &FunctionId, number: Option<u64>, provision: &Provision) -> Progress {
        let kept = number.and_then(|number| self.executor.kept(&id.qualified_arn(number).to_string()));
        let Some(kept) = kept else {
            return Progress {
                allocated: 0,
                status: "IN_PROGRESS",
                reason: None,
            };
        };
        let allocated = kept.allocated.min(provision.count);
        let (status, reason) = match kept.failure {
            _ if allocated == provision.count => ("READY", None),
            None => ("IN_PROGRESS", None),
            Some(ProvisionFailure::Init) => ("FAILED", Some("FUNCTION_ERROR_INIT_FAILURE".to_owned())),
            Some(ProvisionFailure::InitTimedOut) => ("FAILED", Some("FUNCTION_ERROR_INIT_TIMEOUT".to_owned())),
            Some(ProvisionFailure::Machine(reason)) => ("FAILED", Some(reason)),
        };
        Progress {
            // AWS gives nothing of an allocation before it is whole.
            allocated: if status == "READY" { allocated.cast_signed() } else { 0 },
            status,
            reason,
        }
    }

    /// Tells the executor what to keep, whenever that changes, until the service stops.
    pub(crate) async fn keep_provisioned(self: Arc<Self>) {
        loop {
            match self.wanted().await {
                Ok(wanted) => self.executor.keep(wanted),
                Err(error) => {
                    tracing::warn!(%error, "provisioned concurrency could not be looked up; the next round tries again");
                }
            }
            tokio::select! {
                () = self.provisions.notified() => {}
                () = tokio::time::sleep(TELL_AGAIN) => {}
                () = self.stopped() => return,
            }
        }
    }

    async fn wanted(&self) -> Result<Vec<(Arc<FunctionSpec>, u32)>, Error> {
        let prefix = keys::all_provisions();
        let mut range = keys::below(&prefix);
        let mut wanted = Vec::new();
        loop {
            let view = self.snapshot().await?;
            let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
            for (key, value) in &page.entries {
                range = range.after(key);
                let mut reader = KeyReader::after_prefix(key, &prefix).map_err(Error::internal)?;
                let (Some(id), Ok(qualifier)) = (prepare::read_id(&mut reader), reader.str()) else {
                    continue;
                };
                let provision: Provision = decode(value)?;
                let target = Target { id, qualifier };
                // What it is of may have gone in between.
                let Ok(Some(number)) = target.version(&view).await else {
                    continue;
                };
                let Some(version) = version(&view, &target.id, number).await? else {
                    continue;
                };
                if version.state != State::Active {
                    continue;
                }
                let reserved = view.function(&target.id).await?.and_then(|f| f.reserved_concurrency);
                match self.spec(&target.id, version, reserved).await {
                    // An alias may have moved to a version that is an app.
                    Ok(spec) if spec.http_command().is_some() => {}
                    Ok(spec) => wanted.push((Arc::new(spec), provision.count)),
                    Err(error) => {
                        tracing::warn!(function = %target.id.arn(), %error, "a provisioned version cannot be kept");
                    }
                }
            }
            if !page.more {
                return Ok(wanted);
            }
        }
    }
}
