use crate::definition::Definition;
use crate::patch::{self, Holds, Words, rule};
use crate::records::{self, Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, rest_apis, stages};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

fn unknown() -> Error {
    Error::missing("Invalid Deployment identifier specified")
}

/// CreateDeployment: freezes the API as it stands, and leads a stage to it when one is named.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateDeploymentRequest,
) -> Result<Deployment, Error> {
    if input.canary_settings.is_some() {
        return Err(Error::NotBuilt("Canary deployments are not built yet.".into()));
    }
    stages::check_cache(input.cache_cluster_enabled)?;
    let id = ids::id()?;
    let (scope, input, id, now) = (&context.scope, &input, &id, gateway.now());
    let deployment = gateway
        .store
        .transact(async |tx| {
            let api = rest_apis::find(&tx, scope, &input.rest_api_id).await?;
            let definition = Definition::load(&tx, api).await?;
            check(&definition)?;
            definition.freeze(&tx, id)?;
            let deployment = Deployment {
                id: Some(id.clone()),
                description: input.description.clone().filter(|text| !text.is_empty()),
                created_date: Some(now),
                api_summary: None,
            };
            records::put(
                &tx,
                &keys::child(&input.rest_api_id, keys::Kind::Deployment, id),
                &deployment,
            )?;
            if let Some(name) = input.stage_name.as_deref().filter(|name| !name.is_empty()) {
                stages::check_name(name)?;
                let key = keys::child(&input.rest_api_id, keys::Kind::Stage, name);
                let old: Option<StageRecord> = tx.record(&key).await?;
                let mut record = old.unwrap_or_else(|| stages::fresh(scope, name, now));
                let stage = &mut record.stage;
                stage.deployment_id = Some(id.clone());
                stage.last_updated_date = Some(now);
                if let Some(description) = &input.stage_description {
                    stage.description = Some(description.clone());
                }
                if let Some(variables) = &input.variables {
                    stages::check_variables(variables)?;
                    stage.variables = Some(variables.clone()).filter(|map| !map.is_empty());
                }
                stage.tracing_enabled = input.tracing_enabled.or(stage.tracing_enabled);
                stage.cache_cluster_size = input.cache_cluster_size.clone().or(stage.cache_cluster_size.take());
                record.version = ids::id()?;
                records::put(&tx, &key, &record)?;
            }
            Ok::<_, Error>(deployment)
        })
        .await?;
    Ok(deployment)
}

/// What can be deployed: there are methods, and each has an integration.
fn check(definition: &Definition) -> Result<(), Error> {
    if definition.methods.is_empty() {
        return Err(Error::bad("The REST API doesn't contain any methods"));
    }
    if definition
        .methods
        .values()
        .flatten()
        .any(|method| method.method_integration.is_none())
    {
        return Err(Error::bad("No integration defined for method"));
    }
    Ok(())
}

/// GetDeployment.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDeploymentRequest,
) -> Result<Deployment, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find_or(&view, &context.scope, &input.rest_api_id, unknown).await?;
    let key = keys::child(&input.rest_api_id, keys::Kind::Deployment, &input.deployment_id);
    let mut deployment: Deployment = view.record(&key).await?.ok_or_else(unknown)?;
    if input
        .embed
        .is_some_and(|embed| embed.iter().any(|name| name == "apisummary"))
    {
        let definition = Definition::frozen(&view, &input.rest_api_id, &input.deployment_id).await?;
        deployment.api_summary = definition.map(|definition| definition.summary());
    }
    Ok(deployment)
}

/// GetDeployments.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetDeploymentsRequest,
) -> Result<Deployments, Error> {
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    let prefix = keys::children(&input.rest_api_id, keys::Kind::Deployment);
    let (items, position) = records::list(&view, prefix, input.position.as_deref(), input.limit, |_| true).await?;
    Ok(Deployments {
        position,
        items: Some(items),
    })
}

/// UpdateDeployment.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateDeploymentRequest,
) -> Result<Deployment, Error> {
    let rules = [rule("/description", Holds::Text, &["replace", "remove"])];
    let (scope, input, rules) = (&context.scope, &input, &rules);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find_or(&tx, scope, &input.rest_api_id, unknown).await?;
            let key = keys::child(&input.rest_api_id, keys::Kind::Deployment, &input.deployment_id);
            let old: Deployment = tx.record(&key).await?.ok_or_else(unknown)?;
            let new = patch::apply(&old, input.patch_operations.as_deref(), rules, Words::Short)?;
            records::put(&tx, &key, &new)?;
            Ok::<_, Error>(new)
        })
        .await
}

/// DeleteDeployment.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteDeploymentRequest,
) -> Result<Empty, Error> {
    let (scope, api, id) = (&context.scope, &input.rest_api_id, &input.deployment_id);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find_or(&tx, scope, api, unknown).await?;
            let key = keys::child(api, keys::Kind::Deployment, id);
            tx.record::<Deployment>(&key).await?.ok_or_else(unknown)?;
            let stages: Vec<StageRecord> = tx.children(api, keys::Kind::Stage).await?;
            if stages
                .iter()
                .any(|record| record.stage.deployment_id.as_ref() == Some(id))
            {
                return Err(Error::bad(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            tx.delete(&key)?;
            tx.delete_range(keys::pieces(api, id))?;
            Ok(Empty {})
        })
        .await
}

/// A map without empty values, as some clients send them.
pub(crate) fn non_empty(map: Option<BTreeMap<String, String>>) -> Option<BTreeMap<String, String>> {
    map.filter(|map| !map.is_empty())
}
