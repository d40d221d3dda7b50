use crate::deployments::non_empty;
use crate::patch::{self, segments};
use crate::records::{self, Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, rest_apis};
use danbi_core::{RequestContext, Scope};
use danbi_wire::{Empty, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Stages of an API and variables of a stage; AWS's quotas.
const MAX_STAGES: usize = 10;
const MAX_VARIABLES: usize = 100;

/// The paths that a stage's patches may have, in AWS's own words with its missing commas.
const PATHS: &str = "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, /{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, /{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, /*/*/metrics/enabled, /*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit /*/*/caching/ttlInSeconds, /*/*/caching/enabled, /*/*/caching/dataEncrypted, /*/*/caching/requireAuthorizationForCacheControl, /*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, /tracingEnabled]";

fn unknown() -> Error {
    Error::missing("Invalid stage identifier specified")
}

/// A stage as it begins.
pub(crate) fn fresh(scope: &Scope, name: &str, now: Timestamp) -> StageRecord {
    StageRecord {
        account: scope.account.as_str().into(),
        region: scope.region.as_str().into(),
        version: String::new(),
        stage: Stage {
            stage_name: Some(name.into()),
            cache_cluster_enabled: Some(false),
            cache_cluster_status: Some("NOT_AVAILABLE".into()),
            method_settings: Some(BTreeMap::new()),
            tracing_enabled: Some(false),
            created_date: Some(now),
            last_updated_date: Some(now),
            ..Stage::default()
        },
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 128 || !name.chars().all(fine) {
        return Err(Error::bad("Stage name only allows a-zA-Z0-9_-"));
    }
    Ok(())
}

/// Answers are not cached here, so a cache that is asked for is refused.
pub(crate) fn check_cache(enabled: Option<bool>) -> Result<(), Error> {
    if enabled == Some(true) {
        return Err(Error::NotBuilt(
            "Cache clusters of stages are not built: answers are never cached.".into(),
        ));
    }
    Ok(())
}

pub(crate) fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    if variables.len() > MAX_VARIABLES {
        return Err(Error::bad("A stage has at most 100 variables."));
    }
    let name_fits = |name: &str| {
        !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let value_fits = |value: &str| {
        value.len() <= 512
            && value
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c))
    };
    for (name, value) in variables {
        if !name_fits(name) {
            return Err(Error::bad(
                "Stage variable names must only contain alphanumeric characters and underscores",
            ));
        }
        if !value_fits(value) {
            return Err(Error::bad(format!(
                "Stage variable '{name}' has an invalid value: it must match '[A-Za-z0-9-._~:/?#&=,]+'"
            )));
        }
    }
    Ok(())
}

/// CreateStage.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateStageRequest,
) -> Result<Stage, Error> {
    if input.canary_settings.is_some() {
        return Err(Error::NotBuilt("Canary settings of stages are not built yet.".into()));
    }
    check_cache(input.cache_cluster_enabled)?;
    check_name(&input.stage_name)?;
    check_variables(input.variables.as_ref().unwrap_or(&BTreeMap::new()))?;
    let (scope, input, now) = (&context.scope, &input, gateway.now());
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find(&tx, scope, &input.rest_api_id).await?;
            let key = keys::child(&input.rest_api_id, keys::Kind::Stage, &input.stage_name);
            let stages: Vec<StageRecord> = tx.children(&input.rest_api_id, keys::Kind::Stage).await?;
            if tx.record::<StageRecord>(&key).await?.is_some() {
                return Err(Error::Conflict("Stage already exists".into()));
            }
            if stages.len() >= MAX_STAGES {
                return Err(Error::LimitExceeded(
                    "Maximum number of stages for this API has been reached.".into(),
                ));
            }
            check_deployment(&tx, &input.rest_api_id, &input.deployment_id).await?;
            let mut record = fresh(scope, &input.stage_name, now);
            record.version = ids::id()?;
            record.stage = Stage {
                deployment_id: Some(input.deployment_id.clone()),
                description: input.description.clone(),
                variables: non_empty(input.variables.clone()),
                documentation_version: input.documentation_version.clone(),
                tracing_enabled: Some(input.tracing_enabled.unwrap_or(false)),
                cache_cluster_size: input.cache_cluster_size.clone(),
                tags: non_empty(input.tags.clone()),
                ..record.stage
            };
            records::put(&tx, &key, &record)?;
            Ok(record.stage)
        })
        .await
}

async fn check_deployment(view: &impl Read, api: &str, deployment: &str) -> Result<(), Error> {
    let found: Option<Deployment> = view
        .record(&keys::child(api, keys::Kind::Deployment, deployment))
        .await?;
    found
        .map(drop)
        .ok_or_else(|| Error::bad("Deployment id does not exist"))
}

/// GetStage.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetStageRequest,
) -> Result<Stage, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let key = keys::child(&input.rest_api_id, keys::Kind::Stage, &input.stage_name);
    Ok(view.record::<StageRecord>(&key).await?.ok_or_else(unknown)?.stage)
}

/// GetStages.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetStagesRequest,
) -> Result<Stages, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let all: Vec<StageRecord> = view.children(&input.rest_api_id, keys::Kind::Stage).await?;
    let wanted = input.deployment_id;
    let of_deployment = |stage: &Stage| wanted.is_none() || stage.deployment_id == wanted;
    Ok(Stages {
        item: Some(
            all.into_iter()
                .map(|record| record.stage)
                .filter(of_deployment)
                .collect(),
        ),
    })
}

/// DeleteStage.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteStageRequest,
) -> Result<Empty, Error> {
    let (scope, api, name) = (&context.scope, &input.rest_api_id, &input.stage_name);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find(&tx, scope, api).await?;
            let key = keys::child(api, keys::Kind::Stage, name);
            tx.record::<StageRecord>(&key).await?.ok_or_else(unknown)?;
            let plans: Vec<String> = tx
                .all(danbi_store::KeyRange::prefix(keys::stage_plans(api, name).build()))
                .await?;
            if !plans.is_empty() {
                return Err(Error::bad(format!(
                    "API Stage {api}:{name} is associated with Usage Plan(s) [{}]; remove it there first",
                    plans.join(", ")
                )));
            }
            tx.delete(&key)?;
            Ok(Empty {})
        })
        .await
}

/// FlushStageCache: there is no cache of answers, so it is always empty.
pub(crate) async fn flush_cache(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: FlushStageCacheRequest,
) -> Result<Empty, Error> {
    let asked = GetStageRequest {
        rest_api_id: input.rest_api_id,
        stage_name: input.stage_name,
    };
    get(gateway, context, asked).await.map(|_| Empty {})
}

/// FlushStageAuthorizersCache: a new version of the stage, under which no authorizer has answered yet.
pub(crate) async fn flush_authorizers(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: FlushStageAuthorizersCacheRequest,
) -> Result<Empty, Error> {
    let input = UpdateStageRequest {
        rest_api_id: input.rest_api_id,
        stage_name: input.stage_name,
        patch_operations: None,
    };
    update(gateway, context, input).await.map(|_| Empty {})
}

/// UpdateStage.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateStageRequest,
) -> Result<Stage, Error> {
    let (scope, input, now) = (&context.scope, &input, gateway.now());
    gateway
        .store
        .transact(async |tx| {
            let api = &input.rest_api_id;
            rest_apis::find(&tx, scope, api).await?;
            let key = keys::child(api, keys::Kind::Stage, &input.stage_name);
            let mut record: StageRecord = tx.record(&key).await?.ok_or_else(unknown)?;
            let operations = input.patch_operations.as_deref().unwrap_or_default();
            for operation in operations {
                change(&mut record.stage, operation)?;
                if operation.path.as_deref() == Some("/deploymentId") {
                    check_deployment(&tx, api, operation.value.as_deref().unwrap_or_default()).await?;
                }
            }
            check_variables(record.stage.variables.as_ref().unwrap_or(&BTreeMap::new()))?;
            if !operations.is_empty() {
                record.stage.last_updated_date = Some(now);
            }
            record.version = ids::id()?;
            records::put(&tx, &key, &record)?;
            Ok::<_, Error>(record.stage)
        })
        .await
}

/// One patch operation.
fn change(stage: &mut Stage, operation: &PatchOperation) -> Result<(), Error> {
    let (path, op) = (patch::path(operation)?, patch::op(operation));
    let value = operation.value.clone().filter(|_| op != "remove");
    let invalid = || Error::bad(format!("Invalid method setting path: {path}. Must be one of: {PATHS}"));
    let flag = value.as_deref().is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let parts = segments(path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if !matches!(op, "add" | "replace" | "remove") {
        return Err(match op {
            "copy" => Error::NotBuilt("Promotion of canaries is not built yet.".into()),
            _ => Error::bad("Invalid patch operation specified. Must be 'add'|'remove'|'replace'"),
        });
    }
    match parts.as_slice() {
        ["canarySettings", ..] if op != "remove" && parts.len() == 2 => {
            return Err(Error::NotBuilt("Canary settings of stages are not built yet.".into()));
        }
        ["deploymentId"] if op == "replace" => stage.deployment_id = value,
        ["description"] => stage.description = value,
        ["documentationVersion"] => stage.documentation_version = value,
        ["clientCertificateId"] => stage.client_certificate_id = value,
        ["tracingEnabled"] => stage.tracing_enabled = Some(flag),
        ["cacheClusterEnabled"] => check_cache(Some(flag))?,
        ["cacheClusterSize"] => stage.cache_cluster_size = value,
        ["variables", name] => {
            let variables = stage.variables.get_or_insert_default();
            match value {
                Some(value) => {
                    variables.insert((*name).to_owned(), value);
                }
                None => {
                    variables.remove(*name);
                }
            }
            stage.variables = non_empty(stage.variables.take());
        }
        ["variables"] if op == "remove" => stage.variables = None,
        ["accessLogSettings", rest @ ..] => access_log(stage, rest, op, value)?,
        [place @ .., method, group, setting] if op != "remove" && !place.is_empty() => {
            let name = setting_key(place, method);
            let settings = stage.method_settings.get_or_insert_default();
            let entry = settings.entry(name).or_insert_with(default_setting);
            set(entry, group, setting, value.as_deref().unwrap_or_default()).ok_or_else(invalid)??;
        }
        [place @ .., method] if op == "remove" && !place.is_empty() => {
            let name = setting_key(place, method);
            let settings = stage.method_settings.get_or_insert_default();
            if settings.remove(&name).is_none() {
                let shown = path.strip_prefix('/').unwrap_or(path);
                return Err(Error::bad(format!(
                    "Cannot remove method setting {shown} because there is no method setting for this method "
                )));
            }
        }
        _ => return Err(invalid()),
    }
    Ok(())
}

/// `path/to/METHOD`, without the slash that paths begin with.
pub(crate) fn setting_key(place: &[&str], method: &str) -> String {
    let place = place.join("/");
    format!("{}/{method}", place.strip_prefix('/').unwrap_or(&place))
}

fn default_setting() -> MethodSetting {
    MethodSetting {
        metrics_enabled: Some(false),
        data_trace_enabled: Some(false),
        throttling_burst_limit: Some(5000),
        throttling_rate_limit: Some(10_000.0),
        caching_enabled: Some(false),
        cache_ttl_in_seconds: Some(300),
        cache_data_encrypted: Some(false),
        require_authorization_for_cache_control: Some(true),
        unauthorized_cache_control_header_strategy: Some("SUCCEED_WITH_RESPONSE_HEADER".into()),
        logging_level: None,
    }
}

/// `None` when there is no such setting, an error when the value is not one for it.
fn set(entry: &mut MethodSetting, group: &str, setting: &str, value: &str) -> Option<Result<(), Error>> {
    let flag = Some(value.eq_ignore_ascii_case("true"));
    let wrong = |_| Error::bad(format!("Invalid value specified for {group}/{setting}: {value}"));
    let limit = |value: &str| value.parse::<i32>().map(Some).map_err(wrong);
    match (group, setting) {
        ("metrics", "enabled") => entry.metrics_enabled = flag,
        ("logging", "dataTrace") => entry.data_trace_enabled = flag,
        ("logging", "loglevel") => {
            if !matches!(value, "OFF" | "ERROR" | "INFO") {
                return Some(Err(Error::bad(
                    "Invalid logging level specified. Must be one of: [OFF, ERROR, INFO]",
                )));
            }
            entry.logging_level = Some(value.into());
        }
        ("throttling", "burstLimit") => match limit(value) {
            Ok(limit) => entry.throttling_burst_limit = limit,
            Err(error) => return Some(Err(error)),
        },
        ("throttling", "rateLimit") => match value.parse::<f64>() {
            Ok(rate) if rate.is_finite() => entry.throttling_rate_limit = Some(rate),
            _ => {
                return Some(Err(Error::bad(format!(
                    "Invalid value specified for throttling/rateLimit: {value}"
                ))));
            }
        },
        ("caching", "ttlInSeconds") => match limit(value) {
            Ok(limit) => entry.cache_ttl_in_seconds = limit,
            Err(error) => return Some(Err(error)),
        },
        ("caching", "enabled") => entry.caching_enabled = flag,
        ("caching", "dataEncrypted") => entry.cache_data_encrypted = flag,
        ("caching", "requireAuthorizationForCacheControl") => entry.require_authorization_for_cache_control = flag,
        ("caching", "unauthorizedCacheControlHeaderStrategy") => {
            entry.unauthorized_cache_control_header_strategy = Some(value.into());
        }
        _ => return None,
    }
    Some(Ok(()))
}

fn access_log(stage: &mut Stage, rest: &[&str], op: &str, value: Option<String>) -> Result<(), Error> {
    if op == "remove" {
        let is_set = stage.access_log_settings.is_some();
        if rest.is_empty() && is_set {
            stage.access_log_settings = None;
            return Ok(());
        }
        let shown = ["accessLogSettings"]
            .iter()
            .chain(rest)
            .copied()
            .collect::<Vec<_>>()
            .join("/");
        return Err(Error::bad(format!(
            "Cannot remove method setting {shown} because there is no method setting for this method "
        )));
    }
    let value = value.unwrap_or_default();
    let settings = stage.access_log_settings.get_or_insert_default();
    match rest {
        ["destinationArn" | "format"] if value.is_empty() => {
            return Err(Error::bad("Access Log value must not be empty"));
        }
        ["destinationArn"] => {
            let is_group = value.split(':').nth(2) == Some("logs") && value.contains(":log-group:");
            if !is_group {
                return Err(Error::bad(
                    "Invalid ARN specified in the request. ARN must be that of a CloudWatch Logs log group",
                ));
            }
            settings.destination_arn = Some(value);
        }
        ["format"] => {
            if value.len() > 3072 {
                return Err(Error::bad("Access Log format has at most 3072 bytes"));
            }
            settings.format = Some(value);
        }
        _ => {
            return Err(Error::bad(
                "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(op: &str, path: &str, value: &str) -> PatchOperation {
        PatchOperation {
            op: Some(op.into()),
            path: Some(path.into()),
            value: Some(value.into()),
            from: None,
        }
    }

    #[test]
    fn method_settings_begin_with_awss_defaults() {
        let mut stage = Stage::default();
        change(&mut stage, &operation("replace", "/*/*/caching/enabled", "true")).unwrap();
        change(
            &mut stage,
            &operation("replace", "/~1pets~1{id}/GET/throttling/rateLimit", "2.5"),
        )
        .unwrap();
        let settings = stage.method_settings.clone().unwrap();
        assert_eq!(settings["*/*"].caching_enabled, Some(true));
        assert_eq!(settings["*/*"].throttling_burst_limit, Some(5000));
        assert_eq!(settings["pets/{id}/GET"].throttling_rate_limit, Some(2.5));
        change(&mut stage, &operation("remove", "/*/*", "")).unwrap();
        let refused = change(&mut stage, &operation("remove", "/*/*", "")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Cannot remove method setting */* because there is no method setting for this method "
        );
        let refused = change(&mut stage, &operation("replace", "/tags/tag1", "v")).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("Invalid method setting path: /tags/tag1. Must be one of: [/deploymentId,")
        );
    }
}
