//! PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency; and the counting of what runs.

use crate::error::Throttle;
use crate::lambda::Lambda;
use crate::names::{FunctionId, FunctionRef};
use crate::records::{Function, Read, Usage, put};
use crate::shapes::{
    Concurrency as ConcurrencyShape, DeleteFunctionConcurrencyRequest, GetFunctionConcurrencyRequest,
    GetFunctionConcurrencyResponse, PutFunctionConcurrencyRequest,
};
use crate::{Error, keys};
use danbi_core::{RequestContext, Scope};
use danbi_wire::Empty;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Queued events of one function that wait on this node for an invocation to end. Further ones go back to the queue, so
/// that one busy function does not take all the places of the others.
const MAX_WAITING: u32 = 8;

/// What runs on this node, by account's region and by function.
#[derive(Debug, Clone)]
pub(crate) struct Concurrency {
    limit: u32,
    running: Arc<Mutex<Running>>,
    /// Rung when an invocation ends.
    pub(crate) ended: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Running {
    /// Invocations of functions with reserved concurrency.
    reserved: HashMap<FunctionId, u32>,
    /// Invocations of versions within their provisioned concurrency.
    provisioned: HashMap<(FunctionId, u64), u32>,
    /// All others.
    unreserved: HashMap<Scope, u32>,
    /// Queued events that wait for one of their function's to end.
    waiting: HashMap<FunctionId, u32>,
}

/// A place to wait for an invocation of a function to end; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Arc<Mutex<Running>>,
    of: FunctionId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        release(&mut running.waiting, &self.of);
    }
}

/// Leave to run one invocation; given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    running: Arc<Mutex<Running>>,
    ended: Arc<Notify>,
    of: Counter,
}

/// What a function's versions may use of an account's concurrency.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    /// The function's reserved concurrency.
    pub reserved: Option<u32>,
    /// What all its versions have provisioned; of reserved concurrency it is a part that nothing else may use.
    pub provisioned: u32,
    /// What the version that is to run has provisioned.
    pub of_version: u32,
    /// That version; `None` is `$LATEST`.
    pub version: Option<u64>,
}

#[derive(Debug)]
enum Counter {
    Reserved(FunctionId),
    Provisioned(FunctionId, u64),
    Unreserved(Scope),
}

impl Concurrency {
    /// Counts against `limit` concurrent executions for an account's region.
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit,
            running: Arc::default(),
            ended: Arc::default(),
        }
    }

    pub(crate) const fn limit(&self) -> u32 {
        self.limit
    }

    /// Takes leave for one invocation, or says which limit is met.
    pub(crate) fn acquire(&self, id: &FunctionId, share: &Share, usage: &Usage) -> Result<Permit, Throttle> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = share.version.filter(|_| share.of_version > 0) {
            let count = running.provisioned.entry((id.clone(), number)).or_default();
            if *count < share.of_version {
                *count += 1;
                return Ok(self.permit(Counter::Provisioned(id.clone(), number)));
            }
        }
        let of = match share.reserved {
            Some(limit) => {
                let limit = limit.saturating_sub(share.provisioned);
                let count = running.reserved.entry(id.clone()).or_default();
                if *count >= limit {
                    return Err(Throttle::Reserved);
                }
                *count += 1;
                Counter::Reserved(id.clone())
            }
            None => {
                let count = running.unreserved.entry(id.scope.clone()).or_default();
                if *count >= self.limit.saturating_sub(usage.reserved_concurrency) {
                    return Err(Throttle::Account);
                }
                *count += 1;
                Counter::Unreserved(id.scope.clone())
            }
        };
        Ok(self.permit(of))
    }

    fn permit(&self, of: Counter) -> Permit {
        Permit {
            running: self.running.clone(),
            ended: self.ended.clone(),
            of,
        }
    }

    /// A place to wait until an invocation of `id` ends, unless enough wait already.
    pub(crate) fn seat(&self, id: &FunctionId) -> Option<Seat> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.waiting.entry(id.clone()).or_default();
        if *count >= MAX_WAITING {
            return None;
        }
        *count += 1;
        Some(Seat {
            running: self.running.clone(),
            of: id.clone(),
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Counters at nought go, so that functions long deleted leave nothing behind.
        match &self.of {
            Counter::Reserved(id) => release(&mut running.reserved, id),
            Counter::Provisioned(id, number) => release(&mut running.provisioned, &(id.clone(), *number)),
            Counter::Unreserved(scope) => release(&mut running.unreserved, scope),
        }
        drop(running);
        self.ended.notify_waiters();
    }
}

fn release<K: std::hash::Hash + Eq>(counters: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counters.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counters.remove(key);
        }
    }
}

fn unqualified(context: &RequestContext, name: &str) -> Result<FunctionId, Error> {
    let reference = FunctionRef::parse(&context.scope, name, None)?;
    if reference.qualifier.is_some() {
        return Err(Error::InvalidParameter(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.".into(),
        ));
    }
    Ok(reference.id)
}

impl Lambda {
    async fn reserve(&self, id: &FunctionId, reserved: Option<u32>, missing: Error) -> Result<(), Error> {
        let minimum = self.options.unreserved_minimum;
        let limit = self.concurrency.limit();
        let missing = &missing;
        self.store
            .transact(async |tx| {
                let mut function: Function = tx.function(id).await?.ok_or_else(|| missing.clone())?;
                let mut usage = tx.usage(&id.scope).await?;
                if let Some(reserved) = reserved.filter(|reserved| *reserved < function.provisioned) {
                    // The words of AWS, spaces included.
                    return Err(Error::InvalidParameter(format!(
                        " ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned concurrency [{}].",
                        function.provisioned
                    )));
                }
                let others = usage.reserved_concurrency.saturating_sub(function.held_concurrency());
                let total = others.saturating_add(reserved.unwrap_or(function.provisioned));
                if reserved.is_some() && total > limit.saturating_sub(minimum) {
                    return Err(Error::InvalidParameter(format!(
                        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{minimum}]."
                    )));
                }
                usage.reserved_concurrency = total;
                function.reserved_concurrency = reserved;
                put(&tx, &keys::usage(&id.scope), &usage)?;
                put(&tx, &keys::function(id), &function)
            })
            .await
    }
}

/// PutFunctionConcurrency.
pub(crate) async fn put_reserved(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: PutFunctionConcurrencyRequest,
) -> Result<ConcurrencyShape, Error> {
    let id = unqualified(&context, &input.function_name)?;
    let reserved = input.reserved_concurrent_executions.unsigned_abs();
    lambda
        .reserve(
            &id,
            Some(reserved),
            Error::function_not_found(id.qualified_arn("$LATEST")),
        )
        .await?;
    Ok(ConcurrencyShape {
        reserved_concurrent_executions: Some(input.reserved_concurrent_executions),
    })
}

/// GetFunctionConcurrency.
pub(crate) async fn get_reserved(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetFunctionConcurrencyRequest,
) -> Result<GetFunctionConcurrencyResponse, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let function = lambda
        .snapshot()
        .await?
        .function(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    Ok(GetFunctionConcurrencyResponse {
        reserved_concurrent_executions: function.reserved_concurrency.map(u32::cast_signed),
    })
}

/// DeleteFunctionConcurrency.
pub(crate) async fn delete_reserved(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteFunctionConcurrencyRequest,
) -> Result<Empty, Error> {
    let id = unqualified(&context, &input.function_name)?;
    lambda.reserve(&id, None, Error::function_not_found(id.arn())).await?;
    Ok(Empty {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_unreserved_concurrency_do_not_touch_each_other() {
        let id = |name| FunctionRef::parse(&Scope::default(), name, None).unwrap().id;
        let concurrency = Concurrency::new(3);
        let usage = Usage {
            reserved_concurrency: 1,
            ..Usage::default()
        };
        let reserved = concurrency.acquire(&id("r"), &reserved_share(1), &usage).unwrap();
        assert_eq!(
            concurrency.acquire(&id("r"), &reserved_share(1), &usage).unwrap_err(),
            Throttle::Reserved
        );
        assert_eq!(
            concurrency.acquire(&id("z"), &reserved_share(0), &usage).unwrap_err(),
            Throttle::Reserved
        );
        let one = concurrency.acquire(&id("a"), &Share::default(), &usage).unwrap();
        let _two = concurrency.acquire(&id("b"), &Share::default(), &usage).unwrap();
        assert_eq!(
            concurrency.acquire(&id("c"), &Share::default(), &usage).unwrap_err(),
            Throttle::Account
        );
        drop(one);
        assert!(concurrency.acquire(&id("c"), &Share::default(), &usage).is_ok());
        drop(reserved);
        assert!(concurrency.acquire(&id("r"), &reserved_share(1), &usage).is_ok());
    }

    fn reserved_share(reserved: u32) -> Share {
        Share {
            reserved: Some(reserved),
            ..Share::default()
        }
    }

    #[test]
    fn provisioned_concurrency_is_a_part_of_the_reserved_that_is_the_versions_alone() {
        let id = FunctionRef::parse(&Scope::default(), "f", None).unwrap().id;
        let concurrency = Concurrency::new(100);
        let latest = Share {
            reserved: Some(2),
            provisioned: 2,
            ..Share::default()
        };
        let version = Share {
            of_version: 2,
            version: Some(1),
            ..latest
        };
        let usage = Usage::default();
        assert_eq!(
            concurrency.acquire(&id, &latest, &usage).unwrap_err(),
            Throttle::Reserved
        );
        let one = concurrency.acquire(&id, &version, &usage).unwrap();
        let _two = concurrency.acquire(&id, &version, &usage).unwrap();
        assert_eq!(
            concurrency.acquire(&id, &version, &usage).unwrap_err(),
            Throttle::Reserved
        );
        drop(one);
        assert!(concurrency.acquire(&id, &version, &usage).is_ok());
        let spills = Share {
            reserved: None,
            provisioned: 1,
            of_version: 1,
            version: Some(1),
        };
        let other = FunctionRef::parse(&Scope::default(), "g", None).unwrap().id;
        let _own = concurrency.acquire(&other, &spills, &usage).unwrap();
        let _spilt = concurrency.acquire(&other, &spills, &usage).unwrap();
    }
}
