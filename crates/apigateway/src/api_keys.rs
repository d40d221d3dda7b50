use crate::deployments::non_empty;
use crate::patch::{self, ADD_REMOVE, Holds, REPLACE, Rule, Words, rule};
use crate::records::{self, Read};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys};
use danbi_core::{RequestContext, Scope};
use danbi_store::KeyRange;
use danbi_wire::Empty;
use std::sync::Arc;

/// Keys that one import may bring, and characters of a key's parts.
const MAX_IMPORT: usize = 1_000;
const MAX_NAME: usize = 1024;
const MAX_DESCRIPTION: usize = 125_000;

const RULES: &[Rule] = &[
    rule("/description", Holds::Text, REPLACE),
    rule("/enabled", Holds::Bool, REPLACE),
    rule("/name", Holds::Text, REPLACE),
    rule("/customerId", Holds::Text, REPLACE),
    rule("/stages", Holds::Set, ADD_REMOVE).member("/stageKeys"),
];

fn unknown() -> Error {
    Error::missing("Invalid API Key identifier specified")
}

fn check(key: &ApiKey) -> Result<(), Error> {
    let length = |text: &Option<String>| text.as_deref().map_or(0, |text| text.chars().count());
    if length(&key.name) > MAX_NAME {
        return Err(Error::bad("Invalid API Key name, can be at most 1024 characters."));
    }
    if length(&key.description) >= MAX_DESCRIPTION {
        return Err(Error::bad("Invalid API Key description specified."));
    }
    match length(&key.value) {
        0..20 => Err(Error::bad("API Key value should be at least 20 characters")),
        20..=128 => Ok(()),
        _ => Err(Error::bad("API Key value exceeds maximum size of 128 characters")),
    }
}

/// CreateApiKey.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateApiKeyRequest,
) -> Result<ApiKey, Error> {
    let given = ApiKey {
        name: input.name.filter(|name| !name.is_empty()),
        value: input.value,
        description: input.description,
        enabled: input.enabled,
        customer_id: input.customer_id,
        tags: non_empty(input.tags),
        stage_keys: Some(
            input
                .stage_keys
                .unwrap_or_default()
                .into_iter()
                .map(|key| {
                    format!(
                        "{}/{}",
                        key.rest_api_id.unwrap_or_default(),
                        key.stage_name.unwrap_or_default()
                    )
                })
                .collect(),
        ),
        ..ApiKey::default()
    };
    write(&gateway, &context.scope, given).await
}

async fn write(gateway: &ApiGateway, scope: &Scope, given: ApiKey) -> Result<ApiKey, Error> {
    let id = ids::id()?;
    let now = gateway.now();
    let value = match given.value.filter(|value| !value.is_empty()) {
        Some(value) => value,
        None => ids::key_value()?,
    };
    let key = &ApiKey {
        id: Some(id.clone()),
        value: Some(value.clone()),
        enabled: Some(given.enabled.unwrap_or(false)),
        created_date: Some(now),
        last_updated_date: Some(now),
        ..given
    };
    check(key)?;
    let (id, value) = (&id, &value);
    gateway
        .store
        .transact(async |tx| {
            let by_value = keys::key_value(scope, value);
            if tx.record::<String>(&by_value).await?.is_some() {
                return Err(Error::Conflict("API Key already exists".into()));
            }
            records::put(&tx, &by_value, id)?;
            records::put(&tx, &keys::api_key(scope, id), key)?;
            Ok(key.clone())
        })
        .await
}

/// The key without what was not asked for.
fn shown(key: ApiKey, with_value: bool) -> ApiKey {
    ApiKey {
        value: key.value.filter(|_| with_value),
        ..key
    }
}

/// GetApiKey.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetApiKeyRequest,
) -> Result<ApiKey, Error> {
    let view = gateway.store.snapshot().await?;
    let key: ApiKey = view
        .record(&keys::api_key(&context.scope, &input.api_key))
        .await?
        .ok_or_else(unknown)?;
    let tags = Some(key.tags.clone().unwrap_or_default());
    Ok(ApiKey {
        tags,
        ..shown(key, input.include_value == Some(true))
    })
}

/// GetApiKeys.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetApiKeysRequest,
) -> Result<ApiKeys, Error> {
    let view = gateway.store.snapshot().await?;
    let wanted = |key: &ApiKey| {
        let begins = |name: &String| key.name.as_deref().is_some_and(|own| own.starts_with(name.as_str()));
        input.name_query.as_ref().is_none_or(begins)
            && input
                .customer_id
                .as_ref()
                .is_none_or(|id| key.customer_id.as_ref() == Some(id))
    };
    let prefix = keys::api_keys(&context.scope);
    let (found, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, wanted).await?;
    let with_values = input.include_values == Some(true);
    Ok(ApiKeys {
        warnings: None,
        position,
        items: Some(found.into_iter().map(|key| shown(key, with_values)).collect()),
    })
}

/// UpdateApiKey.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateApiKeyRequest,
) -> Result<ApiKey, Error> {
    let (scope, input, now) = (&context.scope, &input, gateway.now());
    let key = gateway
        .store
        .transact(async |tx| {
            let place = keys::api_key(scope, &input.api_key);
            let old: ApiKey = tx.record(&place).await?.ok_or_else(unknown)?;
            let mut new = patch::apply(&old, input.patch_operations.as_deref(), RULES, Words::Listing)?;
            new.last_updated_date = Some(now);
            new.stage_keys.get_or_insert_default();
            check(&new)?;
            records::put(&tx, &place, &new)?;
            Ok::<_, Error>(new)
        })
        .await?;
    let tags = Some(key.tags.clone().unwrap_or_default());
    Ok(ApiKey {
        tags,
        ..shown(key, false)
    })
}

/// DeleteApiKey: also from its usage plans.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteApiKeyRequest,
) -> Result<Empty, Error> {
    let (scope, id) = (&context.scope, &input.api_key);
    gateway
        .store
        .transact(async |tx| {
            let key: ApiKey = tx.record(&keys::api_key(scope, id)).await?.ok_or_else(unknown)?;
            tx.delete(&keys::api_key(scope, id))?;
            tx.delete(&keys::key_value(scope, key.value.as_deref().unwrap_or_default()))?;
            let plans = KeyRange::prefix(keys::key_plans(scope, id).build());
            for plan in tx.all::<String>(plans.clone()).await? {
                tx.delete(&keys::plan_key(scope, &plan, id))?;
            }
            tx.delete_range(plans)?;
            Ok::<_, Error>(Empty {})
        })
        .await
}

/// ImportApiKeys: CSV with a line of column names (`Name,key,description,Enabled,usageplanIds`).
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-key-file-format.html>.
pub(crate) async fn import(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: ImportApiKeysRequest,
) -> Result<ApiKeyIds, Error> {
    let body = std::str::from_utf8(&input.body).map_err(|_| Error::bad("The API key file is not UTF-8 text"))?;
    let mut lines = body.lines().filter(|line| !line.trim().is_empty());
    let columns: Vec<String> = cells(lines.next().unwrap_or_default())
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let column = |name: &str| columns.iter().position(|own| own == name);
    let (Some(name), Some(value)) = (column("name"), column("key")) else {
        return Err(Error::bad("The API key file must have the columns name and key"));
    };
    let (mut made, mut warnings) = (Vec::new(), Vec::new());
    for (number, line) in lines.enumerate().take(MAX_IMPORT) {
        let cells = cells(line);
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at)).filter(|text| !text.is_empty()).cloned();
        let given = ApiKey {
            name: cell(Some(name)),
            value: cell(Some(value)),
            description: cell(column("description")),
            enabled: Some(cell(column("enabled")).is_none_or(|text| text.eq_ignore_ascii_case("true"))),
            stage_keys: Some(Vec::new()),
            ..ApiKey::default()
        };
        match write(&gateway, &context.scope, given).await {
            Ok(key) => {
                let id = key.id.unwrap_or_default();
                for plan in cell(column("usageplanids"))
                    .unwrap_or_default()
                    .split(',')
                    .map(str::trim)
                {
                    if !plan.is_empty() {
                        crate::usage_plans::add_key(&gateway, &context.scope, plan, &id).await?;
                    }
                }
                made.push(id);
            }
            Err(error @ (Error::Internal | Error::Other(_))) => return Err(error),
            Err(error) if input.fail_on_warnings == Some(true) => return Err(error),
            Err(error) => warnings.push(format!("line {}: {error}", number + 2)),
        }
    }
    Ok(ApiKeyIds {
        ids: Some(made),
        warnings: Some(warnings),
    })
}

/// The cells of a line of CSV; quotes may enclose commas.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.trim_end_matches('\r').chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            c => cell.push(c),
        }
    }
    cells.push(cell.trim().to_owned());
    cells
}
