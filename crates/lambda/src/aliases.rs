//! CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases.

use crate::lambda::{Lambda, version};
use crate::names::{FunctionId, FunctionRef, Qualifier, alias_name};
use crate::records::{Alias, Read, decode, new_revision, put};
use crate::shapes::{
    AliasConfiguration, AliasRoutingConfiguration, CreateAliasRequest, DeleteAliasRequest, GetAliasRequest,
    ListAliasesRequest, ListAliasesResponse, UpdateAliasRequest,
};
use crate::{Error, keys, marker, provisioned, url_configs};
use danbi_core::RequestContext;
use danbi_store::{Direction, Transaction};
use danbi_wire::Empty;
use std::sync::Arc;

/// The most aliases in a page.
const PAGE: usize = 50;

/// CreateAlias.
pub(crate) async fn create(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: CreateAliasRequest,
) -> Result<AliasConfiguration, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let name = alias_name(&input.name)?;
    let alias = lambda
        .store
        .transact(async |tx| {
            check_version(&tx, &id, &input.function_version).await?;
            if tx.get(&keys::alias(&id, name)).await?.is_some() {
                return Err(Error::Conflict(format!(
                    "Alias already exists: {}",
                    id.qualified_arn(name)
                )));
            }
            let alias = Alias {
                revision: new_revision(),
                description: input.description.clone().unwrap_or_default(),
                version: input.function_version.clone(),
                second: routing(&tx, &id, &input.function_version, input.routing_config.as_ref()).await?,
            };
            put(&tx, &keys::alias(&id, name), &alias)?;
            Ok::<_, Error>(alias)
        })
        .await?;
    Ok(show(&id, name, &alias))
}

/// GetAlias.
pub(crate) async fn get(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetAliasRequest,
) -> Result<AliasConfiguration, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let view = lambda.snapshot().await?;
    view.function(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    let alias = view
        .record(&keys::alias(&id, &input.name))
        .await?
        .ok_or_else(|| cannot_find(&id, &input.name))?;
    Ok(show(&id, &input.name, &alias))
}

/// `Cannot find alias arn: ARN`.
pub(crate) fn cannot_find(id: &FunctionId, name: &str) -> Error {
    Error::NotFound(format!("Cannot find alias arn: {}", id.qualified_arn(name)))
}

/// UpdateAlias: what the request leaves out stays; an empty routing configuration ends the routing.
pub(crate) async fn update(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: UpdateAliasRequest,
) -> Result<AliasConfiguration, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let (alias, before) = lambda
        .store
        .transact(async |tx| {
            tx.function(&id)
                .await?
                .ok_or_else(|| Error::function_not_found(id.arn()))?;
            let key = keys::alias(&id, &input.name);
            let missing = || Error::NotFound(format!("Alias not found: {}", id.qualified_arn(&input.name)));
            let mut alias: Alias = tx.record(&key).await?.ok_or_else(missing)?;
            let before = alias.version.clone();
            if input
                .revision_id
                .as_ref()
                .is_some_and(|revision| *revision != alias.revision)
            {
                return Err(Error::RevisionMismatch("GetFunction/GetAlias"));
            }
            if let Some(version) = &input.function_version {
                check_version(&tx, &id, version).await?;
                alias.version.clone_from(version);
            }
            if let Some(description) = &input.description {
                alias.description.clone_from(description);
            }
            if input.routing_config.is_some() {
                alias.second = routing(&tx, &id, &alias.version, input.routing_config.as_ref()).await?;
            } else if let Some((second, _)) = alias.second {
                check_pair(&alias.version, second)?;
            }
            alias.revision = new_revision();
            put(&tx, &key, &alias)?;
            Ok::<_, Error>((alias, before))
        })
        .await?;
    if alias.version != before {
        lambda.provisions.notify_one();
        // Whoever was served without a wait goes on to be.
        if lambda.executor.is_warm(&id.qualified_arn(&before).to_string()) {
            lambda.anticipate(&id, alias.version.parse().ok());
        }
    }
    Ok(show(&id, &input.name, &alias))
}

/// DeleteAlias: with its policy, its URL and its event invoke configuration. An alias that is not there is no error.
pub(crate) async fn delete(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: DeleteAliasRequest,
) -> Result<Empty, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    lambda
        .store
        .transact(async |tx| {
            tx.function(&id)
                .await?
                .ok_or_else(|| Error::function_not_found(id.arn()))?;
            if tx.get(&keys::alias(&id, &input.name)).await?.is_none() {
                return Ok(Empty {});
            }
            tx.delete(&keys::alias(&id, &input.name))?;
            tx.delete(&keys::policy(&id, &input.name))?;
            tx.delete(&keys::event_config(&id, &input.name))?;
            url_configs::forget(&tx, &id, &input.name).await?;
            provisioned::forget(&tx, &id, &input.name).await?;
            Ok::<_, Error>(Empty {})
        })
        .await
        .inspect(|_| lambda.provisions.notify_one())
}

/// ListAliases, by name; only those that point to `FunctionVersion` when it is given.
pub(crate) async fn list(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: ListAliasesRequest,
) -> Result<ListAliasesResponse, Error> {
    let id = FunctionRef::parse(&context.scope, &input.function_name, None)?.id;
    let limit = marker::limit(input.max_items, PAGE);
    let from: Option<String> = marker::read(input.marker.as_deref())?;
    let view = lambda.snapshot().await?;
    view.function(&id)
        .await?
        .ok_or_else(|| Error::function_not_found(id.arn()))?;
    let prefix = keys::aliases(&id);
    let mut range = keys::below(&prefix);
    if let Some(name) = &from {
        range = range.after(&keys::alias(&id, name));
    }
    let mut aliases = Vec::new();
    loop {
        let page = view.scan(range.clone(), Direction::Forward, PAGE).await?;
        for (key, value) in &page.entries {
            let name = danbi_store::key::KeyReader::after_prefix(key, &prefix).and_then(|mut reader| reader.str());
            let name = name.map_err(Error::internal)?;
            let alias: Alias = decode(value)?;
            if input
                .function_version
                .as_ref()
                .is_some_and(|version| *version != alias.version)
            {
                range = range.after(key);
                continue;
            }
            if aliases.len() == limit {
                let last = aliases.last().and_then(|shown: &AliasConfiguration| shown.name.clone());
                return Ok(ListAliasesResponse {
                    aliases: Some(aliases),
                    next_marker: Some(marker::write(&last)?),
                });
            }
            aliases.push(show(&id, &name, &alias));
            range = range.after(key);
        }
        if !page.more {
            return Ok(ListAliasesResponse {
                aliases: Some(aliases),
                next_marker: None,
            });
        }
    }
}

fn show(id: &FunctionId, name: &str, alias: &Alias) -> AliasConfiguration {
    AliasConfiguration {
        alias_arn: Some(id.qualified_arn(name).to_string()),
        description: Some(alias.description.clone()),
        function_version: Some(alias.version.clone()),
        name: Some(name.into()),
        revision_id: Some(alias.revision.clone()),
        routing_config: alias.second.map(|(version, weight)| AliasRoutingConfiguration {
            additional_version_weights: Some([(version.to_string(), weight)].into()),
        }),
    }
}

/// Makes sure that the function has the version (`$LATEST` or a number).
async fn check_version(tx: &Transaction, id: &FunctionId, text: &str) -> Result<(), Error> {
    let missing = || Error::function_not_found(id.qualified_arn(text));
    tx.function(id).await?.ok_or_else(missing)?;
    match Qualifier::parse(text) {
        Ok(Qualifier::Latest) => Ok(()),
        Ok(Qualifier::Version(number)) => version(tx, id, number).await?.map(|_| ()).ok_or_else(missing),
        _ => Err(missing()),
    }
}

fn check_pair(first: &str, second: u64) -> Result<(), Error> {
    if first == "$LATEST" {
        let text = "$LATEST is not supported for an alias pointing to more than 1 version";
        return Err(Error::InvalidParameter(text.into()));
    }
    if first == second.to_string() {
        return Err(Error::InvalidParameter(format!(
            "Invalid function version {second}. Function version {second} is already included in routing configuration."
        )));
    }
    Ok(())
}

/// Reads the second version and its weight; checks them in AWS's order.
async fn routing(
    tx: &Transaction,
    id: &FunctionId,
    first: &str,
    config: Option<&AliasRoutingConfiguration>,
) -> Result<Option<(u64, f64)>, Error> {
    let Some(weights) = config.and_then(|config| config.additional_version_weights.as_ref()) else {
        return Ok(None);
    };
    if weights.len() > 1 {
        return Err(Error::InvalidParameter(
            "Number of items in AdditionalVersionWeights cannot be greater than 1".into(),
        ));
    }
    let Some((key, weight)) = weights.iter().next() else {
        return Ok(None);
    };
    let broken = |constraint: &str| {
        Error::constraint(
            &format!("{{{key}={weight:?}}}"),
            "routingConfig.additionalVersionWeights",
            constraint,
        )
    };
    if !(0.0..=1.0).contains(weight) {
        return Err(broken(
            "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
        ));
    }
    let Ok(second) = key.parse::<u64>() else {
        return Err(broken(
            "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [0-9]+]",
        ));
    };
    check_pair(first, second)?;
    check_version(tx, id, key).await?;
    Ok(Some((second, *weight)))
}
