//! API keys and the usage plans that they belong to.

use super::call::Call;
use super::compiled::{Compiled, CompiledMethod};
use super::failure::Failure;
use super::throttle::Rate;
use crate::records::Read;
use crate::shapes::{ApiKey, ApiStage, ThrottleSettings, UsagePlan};
use crate::{ApiGateway, Error, keys, usage};
use danbi_store::KeyRange;

/// Lets a call with a valid key through, and counts it. `given` is the key that an authorizer answered.
pub(crate) async fn check(
    gateway: &ApiGateway,
    compiled: &Compiled,
    method: &CompiledMethod,
    call: &mut Call,
    given: Option<String>,
) -> Result<(), Failure> {
    if method.method.api_key_required != Some(true) {
        return Ok(());
    }
    let by_authorizer = compiled.definition.api.api_key_source.as_deref() == Some("AUTHORIZER");
    let value = if by_authorizer {
        given
    } else {
        call.header("x-api-key").map(Into::into)
    };
    let value = value
        .filter(|value| (1..=128).contains(&value.len()))
        .ok_or_else(Failure::invalid_api_key)?;
    let found = find(gateway, compiled, &value)
        .await
        .map_err(|error| Failure::configuration(error.to_string()))?;
    let (key, plan) = found.ok_or_else(Failure::invalid_api_key)?;
    call.identity.api_key = Some(value);
    call.identity.api_key_id = Some(key.clone());
    match plan {
        Some(plan) => within(gateway, compiled, method, call, &key, &plan).await,
        None => Ok(()),
    }
}

/// Counts the call against its plan's throttles and quota.
async fn within(
    gateway: &ApiGateway,
    compiled: &Compiled,
    method: &CompiledMethod,
    call: &Call,
    key: &str,
    plan: &UsagePlan,
) -> Result<(), Failure> {
    let id = plan.id.clone().unwrap_or_default();
    let own = |stage: &&ApiStage| {
        stage.api_id.as_deref() == Some(&*compiled.api_id) && stage.stage.as_deref() == Some(&*compiled.stage_name)
    };
    let stage = plan.api_stages.iter().flatten().find(own);
    let throttles = stage.and_then(|stage| stage.throttle.as_ref());
    let name = format!(
        "{}/{}",
        method.resource_path,
        method.method.http_method.as_deref().unwrap_or_default()
    );
    let named = |throttles: &'_ std::collections::BTreeMap<String, ThrottleSettings>| {
        throttles
            .get(&name)
            .or_else(|| throttles.get(name.trim_start_matches('/')))
            .and_then(rate)
    };
    let limits = [
        (name.as_str(), throttles.and_then(named)),
        ("*", plan.throttle.as_ref().and_then(rate)),
    ];
    for (place, limit) in limits {
        if let Some(limit) = limit
            && !gateway
                .throttle
                .admits(format!("plan/{id}/{key}/{place}"), limit, call.time)
        {
            return Err(Failure::throttled());
        }
    }
    let counted = usage::count(gateway, &compiled.scope, plan, key).await;
    match counted.map_err(|error| Failure::configuration(error.to_string()))? {
        true => Ok(()),
        false => Err(Failure::quota_exceeded()),
    }
}

fn rate(settings: &ThrottleSettings) -> Option<Rate> {
    let per_second = settings.rate_limit?;
    let burst = settings.burst_limit.map_or(per_second.ceil().max(1.0), f64::from);
    Some(Rate { per_second, burst })
}

/// The key's id and the plan under which it may use the stage; without a plan when the key names the stage itself, as
/// keys did before there were plans.
async fn find(
    gateway: &ApiGateway,
    compiled: &Compiled,
    value: &str,
) -> Result<Option<(String, Option<UsagePlan>)>, Error> {
    let view = gateway.store.snapshot().await?;
    let scope = &compiled.scope;
    let Some(id) = view.record::<String>(&keys::key_value(scope, value)).await? else {
        return Ok(None);
    };
    let key: Option<ApiKey> = view.record(&keys::api_key(scope, &id)).await?;
    let Some(key) = key.filter(|key| key.enabled == Some(true)) else {
        return Ok(None);
    };
    let plans: Vec<String> = view
        .all(KeyRange::prefix(
            keys::stage_plans(&compiled.api_id, &compiled.stage_name).build(),
        ))
        .await?;
    for plan in plans {
        if view.bytes(&keys::key_plan(scope, &id, &plan)).await?.is_some()
            && let Some(plan) = view.record::<UsagePlan>(&keys::plan(scope, &plan)).await?
        {
            return Ok(Some((id, Some(plan))));
        }
    }
    let stage = format!("{}/{}", compiled.api_id, compiled.stage_name);
    let names_it = key.stage_keys.iter().flatten().any(|own| *own == stage);
    Ok(names_it.then_some((id, None)))
}
