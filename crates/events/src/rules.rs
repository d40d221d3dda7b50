//! PutRule, DeleteRule, DescribeRule, EnableRule, DisableRule, ListRules.

use crate::records::{Read, Rule, decode, put};
use crate::schedule::{Expression, Strictness};
use crate::shapes::{
    DeleteRuleRequest, DescribeRuleRequest, DescribeRuleResponse, DisableRuleRequest, EnableRuleRequest,
    ListRulesRequest, ListRulesResponse, PutRuleRequest, PutRuleResponse, Rule as RuleShape,
};
use crate::{Error, Events, keys, names, tags};
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use jiff::tz::TimeZone;
use std::sync::Arc;

/// Rules of a bus. Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>.
const MOST_RULES: usize = 300;
/// The longest page.
const PAGE: i32 = 100;

/// PutRule: makes a rule or replaces all of it but its tags and targets.
pub(crate) async fn put_rule(
    events: Arc<Events>,
    context: RequestContext,
    input: PutRuleRequest,
) -> Result<PutRuleResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (pattern, schedule) = (given(&input.event_pattern), given(&input.schedule_expression));
    if pattern.is_none() && schedule.is_none() {
        return Err(Error::validation(
            "Parameter(s) EventPattern or ScheduleExpression must be specified.",
        ));
    }
    if schedule.is_some() && bus != names::DEFAULT {
        return Err(Error::validation(
            "ScheduleExpression is supported only on the default event bus.",
        ));
    }
    let expression = match &schedule {
        Some(text) => Some(
            Expression::parse(text, Strictness::Rules)
                .ok_or_else(|| Error::validation("Parameter ScheduleExpression is not valid."))?,
        ),
        None => None,
    };
    if let Some(text) = &pattern {
        events.pattern(text)?;
    }
    let tags = tags::of_list(input.tags.as_deref().unwrap_or_default())?;
    let now = events.now().as_millis();
    let (name, events_ref) = (input.name.as_str(), &*events);
    let (tags, expression, pattern, schedule, input, scope, bus) =
        (&tags, &expression, &pattern, &schedule, &input, &scope, bus.as_str());
    events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, scope, bus).await?;
            let key = keys::rule(scope, bus, name);
            let before: Option<Rule> = tx.record(&key).await?;
            if before.is_none() && tx.page(keys::rules(scope, bus, ""), MOST_RULES).await?.entries.len() >= MOST_RULES {
                return Err(Error::Limit(
                    "The requested resource exceeds the maximum number allowed.".into(),
                ));
            }
            let before = before.unwrap_or_default();
            let mut rule = Rule {
                pattern: pattern.clone(),
                schedule: schedule.clone(),
                state: input.state.clone().unwrap_or_else(|| "ENABLED".into()),
                description: input.description.clone(),
                role: input.role_arn.clone(),
                tags: if before.tags.is_empty() {
                    tags.clone()
                } else {
                    before.tags.clone()
                },
                // A rate that stays as it is goes on counting.
                begin: if before.schedule == *schedule && before.begin != 0 {
                    before.begin
                } else {
                    now
                },
                next: before.next,
                dropped: before.dropped,
            };
            retime(events_ref, &tx, scope, name, &mut rule, expression.as_ref(), now)?;
            put(&tx, &key, &rule)
        })
        .await?;
    events.ticked.notify_one();
    Ok(PutRuleResponse {
        rule_arn: Some(names::rule_arn(scope, bus, name)),
    })
}

/// Gives a rule its place in the order of ticks, or takes it out.
fn retime(
    events: &Events,
    tx: &Transaction,
    scope: &Scope,
    name: &str,
    rule: &mut Rule,
    expression: Option<&Expression>,
    now: i64,
) -> Result<(), Error> {
    if let Some(next) = rule.next.take() {
        tx.delete(&keys::tick(next, scope, name))?;
    }
    if let Some(expression) = expression.filter(|_| rule.is_enabled()) {
        rule.next = expression.next(now, rule.begin, &TimeZone::UTC, events.minute);
        if let Some(next) = rule.next {
            tx.put(&keys::tick(next, scope, name), Vec::new())?;
        }
    }
    Ok(())
}

/// DeleteRule: a rule that is not there is deleted too.
pub(crate) async fn delete(
    events: Arc<Events>,
    context: RequestContext,
    input: DeleteRuleRequest,
) -> Result<Empty, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let (scope, bus, name) = (&scope, bus.as_str(), input.name.as_str());
    events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, scope, bus).await?;
            let key = keys::rule(scope, bus, name);
            let Some(rule) = tx.record::<Rule>(&key).await? else {
                return Ok(Empty {});
            };
            if !tx.page(keys::targets(scope, bus, name), 1).await?.entries.is_empty() {
                return Err(Error::validation("Rule can't be deleted since it has targets."));
            }
            if let Some(next) = rule.next {
                tx.delete(&keys::tick(next, scope, name))?;
            }
            tx.delete(&key)?;
            Ok(Empty {})
        })
        .await
}

/// DescribeRule.
pub(crate) async fn describe(
    events: Arc<Events>,
    context: RequestContext,
    input: DescribeRuleRequest,
) -> Result<DescribeRuleResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let view = events.snapshot().await?;
    Events::check_bus(&view, &scope, &bus).await?;
    let rule: Option<Rule> = view.record(&keys::rule(&scope, &bus, &input.name)).await?;
    let rule = rule.ok_or_else(|| names::no_rule(&bus, &input.name))?;
    Ok(DescribeRuleResponse {
        arn: Some(names::rule_arn(&scope, &bus, &input.name)),
        name: Some(input.name),
        event_pattern: rule.pattern,
        schedule_expression: rule.schedule,
        state: Some(rule.state),
        description: rule.description,
        role_arn: rule.role,
        event_bus_name: Some(bus),
        created_by: Some(scope.account.to_string()),
        ..DescribeRuleResponse::default()
    })
}

/// EnableRule.
pub(crate) async fn enable(
    events: Arc<Events>,
    context: RequestContext,
    input: EnableRuleRequest,
) -> Result<Empty, Error> {
    set_state(
        &events,
        &context,
        input.event_bus_name.as_deref(),
        &input.name,
        "ENABLED",
    )
    .await
}

/// DisableRule.
pub(crate) async fn disable(
    events: Arc<Events>,
    context: RequestContext,
    input: DisableRuleRequest,
) -> Result<Empty, Error> {
    set_state(
        &events,
        &context,
        input.event_bus_name.as_deref(),
        &input.name,
        "DISABLED",
    )
    .await
}

async fn set_state(
    events: &Events,
    context: &RequestContext,
    bus: Option<&str>,
    name: &str,
    state: &str,
) -> Result<Empty, Error> {
    let (scope, bus) = names::bus(&context.scope, bus);
    let now = events.now().as_millis();
    let (scope, bus) = (&scope, bus.as_str());
    events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, scope, bus).await?;
            let key = keys::rule(scope, bus, name);
            let mut rule: Rule = tx.record(&key).await?.ok_or_else(|| names::no_rule(bus, name))?;
            if !rule.is_enabled() && state == "ENABLED" {
                rule.begin = now;
            }
            rule.state = state.to_owned();
            let expression = rule
                .schedule
                .as_deref()
                .and_then(|text| Expression::parse(text, Strictness::Rules));
            retime(events, &tx, scope, name, &mut rule, expression.as_ref(), now)?;
            put(&tx, &key, &rule)
        })
        .await?;
    events.ticked.notify_one();
    Ok(Empty {})
}

/// ListRules.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListRulesRequest,
) -> Result<ListRulesResponse, Error> {
    let (scope, bus) = names::bus(&context.scope, input.event_bus_name.as_deref());
    let view = events.snapshot().await?;
    Events::check_bus(&view, &scope, &bus).await?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let mut range = keys::rules(&scope, &bus, prefix);
    if let Some(token) = &input.next_token {
        range = range.after(&keys::rule(&scope, &bus, &names::name_of_token(token)?));
    }
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let page = view.page(range, limit).await?;
    let root = keys::rule_prefix(&scope, &bus);
    let mut rules = Vec::with_capacity(page.entries.len());
    for (key, value) in &page.entries {
        let rule: Rule = decode(value)?;
        let name = keys::last_name(key, &root).map_err(Error::internal)?;
        rules.push(RuleShape {
            arn: Some(names::rule_arn(&scope, &bus, &name)),
            name: Some(name),
            event_pattern: rule.pattern,
            state: Some(rule.state),
            description: rule.description,
            schedule_expression: rule.schedule,
            role_arn: rule.role,
            event_bus_name: Some(bus.clone()),
            ..RuleShape::default()
        });
    }
    let next_token = page
        .more
        .then(|| rules.last().and_then(|rule| rule.name.as_deref()).map(names::token_of))
        .flatten();
    Ok(ListRulesResponse {
        rules: Some(rules),
        next_token,
    })
}
