//! PutTargets, RemoveTargets, ListTargetsByRule, ListRuleNamesByTarget.

use crate::deliver::kind_of;
use crate::input;
use crate::records::{Read, decode, put};
use crate::shapes::{
    ListRuleNamesByTargetRequest, ListRuleNamesByTargetResponse, ListTargetsByRuleRequest, ListTargetsByRuleResponse,
    PutTargetsRequest, PutTargetsResponse, RemoveTargetsRequest, RemoveTargetsResponse, RemoveTargetsResultEntry,
    Target,
};
use crate::{Error, Events, keys, names};
use danbi_core::{Arn, RequestContext};
use danbi_store::KeyRange;
use danbi_store::key::KeyReader;
use std::sync::Arc;

/// Targets of a rule. Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>.
const MOST_TARGETS: usize = 5;
const PAGE: i32 = 100;

/// PutTargets: adds targets or replaces those with the same ids.
pub(crate) async fn put_targets(
    events: Arc<Events>,
    context: RequestContext,
    input: PutTargetsRequest,
) -> Result<PutTargetsResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    for target in &input.targets {
        check(target)?;
    }
    let (scope, bus, rule, targets) = (&scope, bus.as_str(), input.rule.as_str(), &input.targets);
    events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, scope, bus).await?;
            if tx.read(&keys::rule(scope, bus, rule)).await?.is_none() {
                return Err(names::no_rule(bus, rule));
            }
            for target in targets {
                let key = keys::target(scope, bus, rule, &target.id);
                if let Some(before) = tx.record::<Target>(&key).await? {
                    tx.delete(&keys::by_arn(scope, bus, &before.arn, rule, &before.id))?;
                }
                put(&tx, &key, target)?;
                tx.put(&keys::by_arn(scope, bus, &target.arn, rule, &target.id), Vec::new())?;
            }
            let count = tx
                .page(keys::targets(scope, bus, rule), MOST_TARGETS + 1)
                .await?
                .entries
                .len();
            if count > MOST_TARGETS {
                return Err(Error::Limit(
                    "The requested resource exceeds the maximum number allowed.".into(),
                ));
            }
            Ok(())
        })
        .await?;
    Ok(PutTargetsResponse {
        failed_entry_count: Some(0),
        failed_entries: Some(Vec::new()),
    })
}

fn check(target: &Target) -> Result<(), Error> {
    let id = &target.id;
    let arn: Arn = target.arn.parse().map_err(|_| {
        Error::validation(format!(
            "Parameter {} is not valid. Reason: Provided Arn is not in correct format.",
            target.arn
        ))
    })?;
    kind_of(&arn).map_err(Error::Unsupported)?;
    let ways = [
        target.input.is_some(),
        target.input_path.is_some(),
        target.input_transformer.is_some(),
    ];
    if ways.iter().filter(|given| **given).count() > 1 {
        let message = format!("Only one of Input, InputPath, or InputTransformer must be provided for target {id}.");
        return Err(Error::Validation(message));
    }
    if let Some(text) = &target.input
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_err()
    {
        return Err(Error::Validation(format!(
            "JSON syntax error in input for target {id}."
        )));
    }
    if let Some(path) = &target.input_path
        && !input::is_path(path)
    {
        return Err(Error::Validation(format!(
            "Invalid JSONPath syntax in input path for target {id}."
        )));
    }
    if let Some(transformer) = &target.input_transformer {
        let paths = transformer.input_paths_map.as_ref();
        if let Some(unknown) = input::unknown_placeholder(&transformer.input_template, paths) {
            let message = format!("InputTemplate for target {id} contains invalid placeholder {unknown}.");
            return Err(Error::Validation(message));
        }
        if paths.into_iter().flatten().any(|(_, path)| !input::is_path(path)) {
            return Err(Error::Validation(format!(
                "Invalid JSONPath syntax in input path for target {id}."
            )));
        }
    }
    let dead = target
        .dead_letter_config
        .as_ref()
        .and_then(|config| config.arn.as_ref());
    if let Some(dead) = dead
        && !dead.parse::<Arn>().is_ok_and(|arn| arn.service == "sqs")
    {
        return Err(Error::validation(format!(
            "Parameter {dead} is not valid. Reason: Dead-letter queue must be an Amazon SQS queue."
        )));
    }
    Ok(())
}

/// RemoveTargets.
pub(crate) async fn remove(
    events: Arc<Events>,
    context: RequestContext,
    input: RemoveTargetsRequest,
) -> Result<RemoveTargetsResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let (scope, bus, rule, ids) = (&scope, bus.as_str(), input.rule.as_str(), &input.ids);
    let failed = events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, scope, bus).await?;
            if tx.read(&keys::rule(scope, bus, rule)).await?.is_none() {
                return Err(names::no_rule(bus, rule));
            }
            let mut failed = Vec::new();
            for id in ids {
                let key = keys::target(scope, bus, rule, id);
                match tx.record::<Target>(&key).await? {
                    Some(target) => {
                        tx.delete(&key)?;
                        tx.delete(&keys::by_arn(scope, bus, &target.arn, rule, id))?;
                    }
                    None => failed.push(RemoveTargetsResultEntry {
                        target_id: Some(id.clone()),
                        error_code: Some("ResourceNotFoundException".into()),
                        error_message: Some(format!("Rule {rule} does not have a target with the Id {id}.")),
                    }),
                }
            }
            Ok(failed)
        })
        .await?;
    Ok(RemoveTargetsResponse {
        failed_entry_count: i32::try_from(failed.len()).ok(),
        failed_entries: Some(failed),
    })
}

/// ListTargetsByRule.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListTargetsByRuleRequest,
) -> Result<ListTargetsByRuleResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let view = events.snapshot().await?;
    Events::check_bus(&view, &scope, &bus).await?;
    if view.read(&keys::rule(&scope, &bus, &input.rule)).await?.is_none() {
        return Err(names::no_rule(&bus, &input.rule));
    }
    let mut range = keys::targets(&scope, &bus, &input.rule);
    if let Some(token) = &input.next_token {
        range = range.after(&keys::target(&scope, &bus, &input.rule, &names::name_of_token(token)?));
    }
    let page = view
        .page(range, usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1))
        .await?;
    let targets = page
        .entries
        .iter()
        .map(|(_, value)| decode::<Target>(value))
        .collect::<Result<Vec<_>, _>>()?;
    let next_token = targets
        .last()
        .filter(|_| page.more)
        .map(|target| names::token_of(&target.id));
    Ok(ListTargetsByRuleResponse {
        targets: Some(targets),
        next_token,
    })
}

/// ListRuleNamesByTarget.
pub(crate) async fn rule_names(
    events: Arc<Events>,
    context: RequestContext,
    input: ListRuleNamesByTargetRequest,
) -> Result<ListRuleNamesByTargetResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let view = events.snapshot().await?;
    Events::check_bus(&view, &scope, &bus).await?;
    let prefix = keys::of_arn(&scope, &bus, &input.target_arn);
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let mut last = match &input.next_token {
        Some(token) => Some(names::name_of_token(token)?),
        None => None,
    };
    let mut rules = Vec::new();
    // A rule may send to one ARN several times: one look behind each rule that was found.
    let more = loop {
        let mut range = KeyRange::prefix(prefix.clone());
        if let Some(rule) = &last {
            let past = KeyRange::prefix(keys::of_arn_after(&scope, &bus, &input.target_arn, rule));
            let Some(end) = past.end() else { break false };
            let Some(stop) = range.end().cloned() else { break false };
            range = KeyRange::new(end.clone(), stop);
        }
        let page = view.page(range, 1).await?;
        let Some((key, _)) = page.entries.first() else {
            break false;
        };
        if rules.len() == limit {
            break true;
        }
        let rule = KeyReader::after_prefix(key, &prefix)
            .and_then(|mut reader| reader.str())
            .map_err(Error::internal)?;
        last = Some(rule.clone());
        rules.push(rule);
    };
    let next_token = rules.last().filter(|_| more).map(|name: &String| names::token_of(name));
    Ok(ListRuleNamesByTargetResponse {
        rule_names: Some(rules),
        next_token,
    })
}
