use crate::deployments::non_empty;
use crate::patch::{self, Holds, Rule, Words, rule, segments};
use crate::records::{self, Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys};
use danbi_core::{RequestContext, Scope};
use danbi_store::{KeyRange, Transaction};
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Usage plans of an account; AWS's quota.
const MAX_PLANS: usize = 300;

const RULES: &[Rule] = &[
    rule("/name", Holds::Text, &["replace"]),
    rule("/description", Holds::Text, &["replace"]),
    rule("/productCode", Holds::Text, &["add", "replace", "remove"]),
    rule("/quota/limit", Holds::Int, &["add", "replace"]),
    rule("/quota/offset", Holds::Int, &["add", "replace"]),
    rule("/quota/period", Holds::Text, &["add", "replace"]),
    rule("/quota", Holds::Text, &["remove"]),
    rule("/throttle/rateLimit", Holds::Float, &["add", "replace"]),
    rule("/throttle/burstLimit", Holds::Int, &["add", "replace"]),
    rule("/throttle", Holds::Text, &["remove"]),
];

fn unknown() -> Error {
    Error::missing("Invalid Usage Plan ID specified")
}

pub(crate) async fn find(view: &impl Read, scope: &Scope, id: &str) -> Result<UsagePlan, Error> {
    view.record(&keys::plan(scope, id)).await?.ok_or_else(unknown)
}

fn check(plan: &UsagePlan) -> Result<(), Error> {
    if plan.name.as_deref().is_none_or(str::is_empty) {
        return Err(Error::bad("Usage Plan name cannot be blank"));
    }
    if let Some(quota) = &plan.quota {
        if !matches!(quota.period.as_deref(), Some("DAY" | "WEEK" | "MONTH")) {
            return Err(Error::bad("Usage Plan quota period must be DAY, WEEK or MONTH"));
        }
        if quota.limit.is_none_or(|limit| limit < 0) || quota.offset.is_some_and(|offset| offset < 0) {
            return Err(Error::bad("Usage Plan quota limit must be 0 or more"));
        }
    }
    let throttles = plan.throttle.iter().chain(
        plan.api_stages
            .iter()
            .flatten()
            .flat_map(|stage| stage.throttle.iter().flat_map(BTreeMap::values)),
    );
    for throttle in throttles {
        let negative =
            throttle.rate_limit.is_some_and(|rate| rate < 0.0) || throttle.burst_limit.is_some_and(|burst| burst < 0);
        if negative {
            return Err(Error::bad("Usage Plan throttle limits must be 0 or more"));
        }
    }
    Ok(())
}

/// Every stage that the plan names must be one of the caller's.
async fn check_stage(view: &impl Read, scope: &Scope, plan: &str, api: &str, stage: &str) -> Result<(), Error> {
    let record: Option<StageRecord> = view.record(&keys::child(api, keys::Kind::Stage, stage)).await?;
    let own = record.is_some_and(|record| record.scope().is_ok_and(|own| own == *scope));
    own.then_some(()).ok_or_else(|| {
        Error::missing(format!(
            "Invalid API Stage {{api: {api}, stage: {stage}}} specified for usageplan {plan}"
        ))
    })
}

fn with_offset(quota: Option<QuotaSettings>) -> Option<QuotaSettings> {
    quota.map(|quota| QuotaSettings {
        offset: Some(quota.offset.unwrap_or(0)),
        ..quota
    })
}

/// CreateUsagePlan.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateUsagePlanRequest,
) -> Result<UsagePlan, Error> {
    let id = ids::id()?;
    let plan = &UsagePlan {
        id: Some(id.clone()),
        name: Some(input.name),
        description: input.description,
        api_stages: Some(input.api_stages.unwrap_or_default()),
        throttle: input.throttle,
        quota: with_offset(input.quota),
        product_code: None,
        tags: non_empty(input.tags),
    };
    check(plan)?;
    let (scope, id) = (&context.scope, &id);
    gateway
        .store
        .transact(async |tx| {
            let all = tx.page(KeyRange::prefix(keys::plans(scope).build()), MAX_PLANS).await?;
            if all.entries.len() >= MAX_PLANS {
                return Err(Error::LimitExceeded(
                    "Maximum number of usage plans for this account has been reached.".into(),
                ));
            }
            for stage in plan.api_stages.iter().flatten() {
                let (api, name) = (
                    stage.api_id.as_deref().unwrap_or_default(),
                    stage.stage.as_deref().unwrap_or_default(),
                );
                check_stage(&tx, scope, id, api, name).await?;
                records::put(&tx, &keys::stage_plan(api, name, id), id)?;
            }
            records::put(&tx, &keys::plan(scope, id), plan)?;
            Ok(plan.clone())
        })
        .await
}

/// GetUsagePlan.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetUsagePlanRequest,
) -> Result<UsagePlan, Error> {
    let view = gateway.store.snapshot().await?;
    let plan = find(&view, &context.scope, &input.usage_plan_id).await?;
    let tags = Some(plan.tags.clone().unwrap_or_default());
    Ok(UsagePlan { tags, ..plan })
}

/// GetUsagePlans.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetUsagePlansRequest,
) -> Result<UsagePlans, Error> {
    let view = gateway.store.snapshot().await?;
    let of_key: Option<Vec<String>> = match &input.key_id {
        Some(key) => Some(
            view.all(KeyRange::prefix(keys::key_plans(&context.scope, key).build()))
                .await?,
        ),
        None => None,
    };
    let wanted = |plan: &UsagePlan| {
        of_key
            .as_ref()
            .is_none_or(|of_key| plan.id.as_ref().is_some_and(|id| of_key.contains(id)))
    };
    let prefix = keys::plans(&context.scope);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, wanted).await?;
    Ok(UsagePlans {
        position,
        items: Some(items),
    })
}

/// DeleteUsagePlan.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteUsagePlanRequest,
) -> Result<Empty, Error> {
    let (scope, id) = (&context.scope, &input.usage_plan_id);
    gateway
        .store
        .transact(async |tx| {
            let plan = find(&tx, scope, id).await?;
            if plan.api_stages.as_ref().is_some_and(|stages| !stages.is_empty()) {
                return Err(Error::bad(format!(
                    "Cannot delete Usage Plan {id} because it is associated with API Stages"
                )));
            }
            tx.delete(&keys::plan(scope, id))?;
            let of_plan = KeyRange::prefix(keys::plan_keys(scope, id).build());
            for key in tx.all::<UsagePlanKey>(of_plan.clone()).await? {
                tx.delete(&keys::key_plan(scope, key.id.as_deref().unwrap_or_default(), id))?;
            }
            tx.delete_range(of_plan)?;
            tx.delete_range(keys::usages_of_plan(scope, id))?;
            Ok(Empty {})
        })
        .await
}

/// UpdateUsagePlan.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateUsagePlanRequest,
) -> Result<UsagePlan, Error> {
    let (scope, input) = (&context.scope, &input);
    let plan = gateway
        .store
        .transact(async |tx| {
            let mut plan = find(&tx, scope, &input.usage_plan_id).await?;
            for operation in input.patch_operations.as_deref().unwrap_or_default() {
                let path = patch::path(operation)?;
                if path == "/apiStages" {
                    change_stage(&tx, scope, &mut plan, operation).await?;
                } else if path.starts_with("/apiStages/") {
                    change_method_throttle(&mut plan, operation)?;
                } else {
                    let operations = Some(std::slice::from_ref(operation));
                    plan = patch::apply(&plan, operations, RULES, Words::Listing)?;
                }
            }
            plan.quota = with_offset(plan.quota);
            check(&plan)?;
            records::put(&tx, &keys::plan(scope, &input.usage_plan_id), &plan)?;
            Ok::<_, Error>(plan)
        })
        .await?;
    let tags = Some(plan.tags.clone().unwrap_or_default());
    Ok(UsagePlan { tags, ..plan })
}

/// `add` or `remove` of `/apiStages` with the value `API:STAGE`.
async fn change_stage(
    tx: &Transaction,
    scope: &Scope,
    plan: &mut UsagePlan,
    operation: &PatchOperation,
) -> Result<(), Error> {
    let invalid = || Error::bad("Invalid API Stage specified");
    let (api, name) = operation
        .value
        .as_deref()
        .and_then(|value| value.split_once(':'))
        .ok_or_else(invalid)?;
    let id = plan.id.clone().unwrap_or_default();
    let stages = plan.api_stages.get_or_insert_default();
    let same = |stage: &ApiStage| stage.api_id.as_deref() == Some(api) && stage.stage.as_deref() == Some(name);
    match patch::op(operation) {
        "remove" => {
            stages.retain(|stage| !same(stage));
            tx.delete(&keys::stage_plan(api, name, &id))?;
        }
        "add" => {
            check_stage(tx, scope, &id, api, name).await?;
            if !stages.iter().any(same) {
                stages.push(ApiStage {
                    api_id: Some(api.into()),
                    stage: Some(name.into()),
                    throttle: None,
                });
            }
            records::put(tx, &keys::stage_plan(api, name, &id), &id)?;
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

/// `/apiStages/API:STAGE/throttle/RESOURCE/METHOD[/rateLimit|/burstLimit]`.
fn change_method_throttle(plan: &mut UsagePlan, operation: &PatchOperation) -> Result<(), Error> {
    let path = patch::path(operation)?;
    let invalid = || Error::bad(format!("Invalid patch path {path}"));
    let parts = segments(path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let ["apiStages", stage, "throttle", rest @ ..] = parts.as_slice() else {
        return Err(invalid());
    };
    let named = |own: &&mut ApiStage| {
        stage.split_once(':')
            == Some((
                own.api_id.as_deref().unwrap_or_default(),
                own.stage.as_deref().unwrap_or_default(),
            ))
    };
    let stage = plan.api_stages.iter_mut().flatten().find(named).ok_or_else(invalid)?;
    let throttle = stage.throttle.get_or_insert_default();
    let value = operation.value.as_deref().unwrap_or_default();
    match (patch::op(operation), rest) {
        ("remove", []) => throttle.clear(),
        ("remove", [resource, method]) => {
            throttle.remove(&format!("{resource}/{method}"));
        }
        ("add" | "replace", [resource, method, "rateLimit"]) => {
            let rate = value
                .parse::<f64>()
                .ok()
                .filter(|rate| rate.is_finite())
                .ok_or_else(invalid)?;
            throttle.entry(format!("{resource}/{method}")).or_default().rate_limit = Some(rate);
        }
        ("add" | "replace", [resource, method, "burstLimit"]) => {
            let burst = value.parse().map_err(|_| invalid())?;
            throttle.entry(format!("{resource}/{method}")).or_default().burst_limit = Some(burst);
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

/// Gives a key the plan.
pub(crate) async fn add_key(gateway: &ApiGateway, scope: &Scope, plan: &str, key: &str) -> Result<UsagePlanKey, Error> {
    gateway
        .store
        .transact(async |tx| {
            let wanted = find(&tx, scope, plan).await?;
            let own: Option<ApiKey> = tx.record(&keys::api_key(scope, key)).await?;
            let own = own.ok_or_else(|| Error::missing("Invalid API Key identifier specified"))?;
            if tx.bytes(&keys::plan_key(scope, plan, key)).await?.is_some() {
                return Err(Error::Conflict("Usage Plan Key already exists".into()));
            }
            // A key has one plan for each stage, or nobody could say which of them counts.
            for other in tx.all::<String>(KeyRange::prefix(keys::key_plans(scope, key).build())).await? {
                let other = find(&tx, scope, &other).await?;
                let same = |stage: &ApiStage| {
                    other.api_stages.iter().flatten().any(|own| own.api_id == stage.api_id && own.stage == stage.stage)
                };
                if let Some(stage) = wanted.api_stages.iter().flatten().find(|stage| same(stage)) {
                    return Err(Error::Conflict(format!(
                        "Usage Plan {plan} cannot be added because API Key {key} is already subscribed to API Stage {}:{}",
                        stage.api_id.as_deref().unwrap_or_default(),
                        stage.stage.as_deref().unwrap_or_default()
                    )));
                }
            }
            let member = UsagePlanKey {
                id: Some(key.into()),
                r#type: Some("API_KEY".into()),
                value: own.value,
                name: own.name,
            };
            records::put(&tx, &keys::plan_key(scope, plan, key), &member)?;
            records::put(&tx, &keys::key_plan(scope, key, plan), &plan)?;
            Ok(member)
        })
        .await
}

/// CreateUsagePlanKey.
pub(crate) async fn create_key(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateUsagePlanKeyRequest,
) -> Result<UsagePlanKey, Error> {
    if input.key_type != "API_KEY" {
        return Err(Error::bad(format!("Invalid key type specified: {}", input.key_type)));
    }
    add_key(&gateway, &context.scope, &input.usage_plan_id, &input.key_id).await
}

fn unknown_key() -> Error {
    Error::missing("Invalid API Key identifier specified")
}

/// GetUsagePlanKey.
pub(crate) async fn get_key(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetUsagePlanKeyRequest,
) -> Result<UsagePlanKey, Error> {
    let view = gateway.store.snapshot().await?;
    find(&view, &context.scope, &input.usage_plan_id).await?;
    let key = view
        .record(&keys::plan_key(&context.scope, &input.usage_plan_id, &input.key_id))
        .await?;
    key.ok_or_else(unknown_key)
}

/// GetUsagePlanKeys.
pub(crate) async fn list_keys(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetUsagePlanKeysRequest,
) -> Result<UsagePlanKeys, Error> {
    let view = gateway.store.snapshot().await?;
    let wanted = |key: &UsagePlanKey| {
        let begins = |name: &String| key.name.as_deref().is_some_and(|own| own.starts_with(name.as_str()));
        input.name_query.as_ref().is_none_or(begins)
    };
    let prefix = keys::plan_keys(&context.scope, &input.usage_plan_id);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, wanted).await?;
    Ok(UsagePlanKeys {
        position,
        items: Some(items),
    })
}

/// DeleteUsagePlanKey.
pub(crate) async fn delete_key(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteUsagePlanKeyRequest,
) -> Result<Empty, Error> {
    let (scope, plan, key) = (&context.scope, &input.usage_plan_id, &input.key_id);
    gateway
        .store
        .transact(async |tx| {
            find(&tx, scope, plan).await?;
            tx.bytes(&keys::plan_key(scope, plan, key))
                .await?
                .ok_or_else(unknown_key)?;
            tx.delete(&keys::plan_key(scope, plan, key))?;
            tx.delete(&keys::key_plan(scope, key, plan))?;
            Ok::<_, Error>(Empty {})
        })
        .await
}
