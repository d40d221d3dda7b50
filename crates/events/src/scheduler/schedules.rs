//! CreateSchedule, GetSchedule, UpdateSchedule, DeleteSchedule, ListSchedules.

use super::records::{Plan, Schedule, Token, plan_to_create, plan_to_update};
use super::{DEFAULT, groups, schedule_arn, target};
use crate::records::{Read, decode, put};
use crate::schedule::{Expression, Strictness};
use crate::scheduler_shapes::{
    CreateScheduleInput, CreateScheduleOutput, DeleteScheduleInput, DeleteScheduleOutput, GetScheduleInput,
    GetScheduleOutput, ListSchedulesInput, ListSchedulesOutput, ScheduleSummary, TargetSummary, UpdateScheduleInput,
    UpdateScheduleOutput,
};
use crate::{Error, Events, keys, names};
#[cfg(test)]
use danbi_core::Timestamp;
use danbi_core::{RequestContext, Scope};
use danbi_store::Transaction;
use danbi_store::key::KeyReader;
use jiff::tz::TimeZone;
use std::sync::Arc;

const PAGE: i32 = 100;
/// How long a client's token is remembered.
const TOKEN_MS: i64 = 8 * 3600 * 1000;

fn missing(name: &str) -> Error {
    Error::NoSchedule(format!("Schedule {name} does not exist."))
}

/// A plan whose texts were understood.
pub(super) struct Understood {
    pub expression: Expression,
    pub zone: TimeZone,
}

/// Understands a plan.
pub(super) fn understand(plan: &Plan) -> Result<Understood, Error> {
    let invalid = || Error::Validation(format!("Invalid Schedule Expression {}.", plan.expression));
    let expression = Expression::parse(&plan.expression, Strictness::Scheduler).ok_or_else(invalid)?;
    let name = plan.zone.as_deref().unwrap_or("UTC");
    let zone =
        TimeZone::get(name).map_err(|_| Error::Validation(format!("Invalid Schedule Expression Timezone {name}.")))?;
    Ok(Understood { expression, zone })
}

fn check(plan: &Plan, now: i64, kms: Option<&String>) -> Result<Understood, Error> {
    if kms.is_some() {
        return Err(Error::Unsupported(
            "Encryption with a key of your own (KmsKeyArn) is not built.".into(),
        ));
    }
    let read = understand(plan)?;
    if plan.start.zip(plan.end).is_some_and(|(start, end)| start >= end) {
        return Err(Error::validation(
            "The StartDate you specify must be earlier than the EndDate you specify.",
        ));
    }
    if plan.end.is_some_and(|end| end.as_millis() <= now) {
        return Err(Error::validation(
            "The EndDate you specify cannot be earlier than the current time.",
        ));
    }
    match (plan.window.mode.as_str(), plan.window.maximum_window_in_minutes) {
        ("FLEXIBLE", None) => {
            return Err(Error::validation(
                "MaximumWindowInMinutes is required when Mode is set to FLEXIBLE.",
            ));
        }
        ("OFF", Some(_)) => {
            return Err(Error::validation(
                "MaximumWindowInMinutes cannot be provided when Mode is set to OFF.",
            ));
        }
        _ => {}
    }
    target::check(&plan.target)?;
    Ok(read)
}

/// The next time of a plan after `after`, within its dates.
pub(super) fn next_within(events: &Events, plan: &Plan, read: &Understood, begin: i64, after: i64) -> Option<i64> {
    let once = matches!(read.expression, Expression::At(_));
    let after = match plan.start {
        // Dates mean nothing for a schedule that fires once.
        Some(start) if !once => after.max(start.as_millis() - 1),
        _ => after,
    };
    let next = read.expression.next(after, begin, &read.zone, events.minute)?;
    (once || plan.end.is_none_or(|end| next <= end.as_millis())).then_some(next)
}

/// Plans a schedule's next tick, or none.
fn retime(
    events: &Events,
    tx: &Transaction,
    at: (&Scope, &str, &str),
    schedule: &mut Schedule,
    read: &Understood,
    now: i64,
) -> Result<(), Error> {
    let (scope, group, name) = at;
    if let Some(next) = schedule.next.take() {
        tx.delete(&keys::schedule_tick(next, scope, group, name))?;
    }
    if schedule.plan.state != "ENABLED" {
        return Ok(());
    }
    // A rate fires at once, then counts; the millisecond before now lets it.
    schedule.next = next_within(events, &schedule.plan, read, schedule.begin, now - 1);
    if let Some(next) = schedule.next {
        tx.put(&keys::schedule_tick(next, scope, group, name), Vec::new())?;
    }
    Ok(())
}

/// What a token says of a request that was sent before: its answer, or that the token was used for something else.
async fn repeated(
    tx: &Transaction,
    key: Option<&bytes::Bytes>,
    request: &str,
    now: i64,
) -> Result<Option<String>, Error> {
    let Some(key) = key else { return Ok(None) };
    match tx.record::<Token>(key).await? {
        Some(token) if now - token.at > TOKEN_MS => Ok(None),
        Some(token) if token.request == request => Ok(Some(token.arn)),
        Some(_) => Err(Error::Conflict("The client token was used for another request.".into())),
        None => Ok(None),
    }
}

/// CreateSchedule.
pub(crate) async fn create(
    events: Arc<Events>,
    context: RequestContext,
    input: CreateScheduleInput,
) -> Result<CreateScheduleOutput, Error> {
    let scope = &context.scope;
    let plan = &plan_to_create(&input);
    let at = events.now();
    let now = at.as_millis();
    let read = &check(plan, now, input.kms_key_arn.as_ref())?;
    let group = input.group_name.as_deref().unwrap_or(DEFAULT);
    let (name, arn) = (input.name.as_str(), &schedule_arn(scope, group, &input.name));
    let token = input
        .client_token
        .as_ref()
        .map(|token| keys::token(scope, "CreateSchedule", token));
    let (token, request) = (
        token.as_ref(),
        &format!("{group}/{name} {}", serde_json::to_string(plan)?),
    );
    let service = &*events;
    events
        .store
        .transact(async |tx| {
            if repeated(&tx, token, request, now).await?.is_some() {
                return Ok(());
            }
            groups::check(&tx, scope, group).await?;
            let key = keys::schedule(scope, group, name);
            if tx.read(&key).await?.is_some() {
                return Err(Error::Conflict(format!("Schedule {name} already exists.")));
            }
            let begin = plan.start.map_or(now, |start| start.as_millis().max(now));
            let mut schedule = Schedule {
                plan: plan.clone(),
                created: at,
                modified: at,
                begin,
                ..Schedule::default()
            };
            retime(service, &tx, (scope, group, name), &mut schedule, read, now)?;
            put(&tx, &key, &schedule)?;
            remember(&tx, token, request, arn, now)
        })
        .await?;
    events.ticked.notify_one();
    Ok(CreateScheduleOutput {
        schedule_arn: arn.clone(),
    })
}

fn remember(tx: &Transaction, token: Option<&bytes::Bytes>, request: &str, arn: &str, now: i64) -> Result<(), Error> {
    match token {
        Some(key) => put(
            tx,
            key,
            &Token {
                request: request.to_owned(),
                arn: arn.to_owned(),
                at: now,
            },
        ),
        None => Ok(()),
    }
}

/// GetSchedule.
pub(crate) async fn get(
    events: Arc<Events>,
    context: RequestContext,
    input: GetScheduleInput,
) -> Result<GetScheduleOutput, Error> {
    let scope = &context.scope;
    let group = input.group_name.as_deref().unwrap_or(DEFAULT);
    let schedule: Option<Schedule> = events
        .snapshot()
        .await?
        .record(&keys::schedule(scope, group, &input.name))
        .await?;
    let Schedule {
        plan,
        created,
        modified,
        ..
    } = schedule.ok_or_else(|| missing(&input.name))?;
    Ok(GetScheduleOutput {
        arn: Some(schedule_arn(scope, group, &input.name)),
        group_name: Some(group.to_owned()),
        name: Some(input.name),
        action_after_completion: Some(plan.after_completion),
        creation_date: Some(created),
        last_modification_date: Some(modified),
        description: plan.description,
        start_date: plan.start,
        end_date: plan.end,
        flexible_time_window: Some(plan.window),
        schedule_expression: Some(plan.expression),
        schedule_expression_timezone: Some(plan.zone.unwrap_or_else(|| "UTC".into())),
        state: Some(plan.state),
        target: Some(target::shown(plan.target)),
        kms_key_arn: None,
    })
}

/// UpdateSchedule: replaces all of it.
pub(crate) async fn update(
    events: Arc<Events>,
    context: RequestContext,
    input: UpdateScheduleInput,
) -> Result<UpdateScheduleOutput, Error> {
    let scope = &context.scope;
    let plan = &plan_to_update(&input);
    let at = events.now();
    let now = at.as_millis();
    let read = &check(plan, now, input.kms_key_arn.as_ref())?;
    let group = input.group_name.as_deref().unwrap_or(DEFAULT);
    let (name, service) = (input.name.as_str(), &*events);
    events
        .store
        .transact(async |tx| {
            let key = keys::schedule(scope, group, name);
            let mut schedule: Schedule = tx.record(&key).await?.ok_or_else(|| missing(name))?;
            if schedule.plan.expression != plan.expression || schedule.plan.start != plan.start {
                schedule.begin = plan.start.map_or(now, |start| start.as_millis().max(now));
            }
            schedule.plan = plan.clone();
            schedule.modified = at;
            retime(service, &tx, (scope, group, name), &mut schedule, read, now)?;
            put(&tx, &key, &schedule)
        })
        .await?;
    events.ticked.notify_one();
    Ok(UpdateScheduleOutput {
        schedule_arn: schedule_arn(scope, group, name),
    })
}

/// DeleteSchedule.
pub(crate) async fn delete(
    events: Arc<Events>,
    context: RequestContext,
    input: DeleteScheduleInput,
) -> Result<DeleteScheduleOutput, Error> {
    let scope = &context.scope;
    let group = input.group_name.as_deref().unwrap_or(DEFAULT);
    let (name, now) = (input.name.as_str(), events.now().as_millis());
    let token = input
        .client_token
        .as_ref()
        .map(|token| keys::token(scope, "DeleteSchedule", token));
    let (token, request) = (token.as_ref(), &format!("{group}/{name}"));
    events
        .store
        .transact(async |tx| {
            if repeated(&tx, token, request, now).await?.is_some() {
                return Ok(());
            }
            let key = keys::schedule(scope, group, name);
            let schedule: Schedule = tx.record(&key).await?.ok_or_else(|| missing(name))?;
            if let Some(next) = schedule.next {
                tx.delete(&keys::schedule_tick(next, scope, group, name))?;
            }
            tx.delete(&key)?;
            remember(&tx, token, request, "", now)
        })
        .await?;
    Ok(DeleteScheduleOutput {})
}

/// ListSchedules: of a group or of all.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListSchedulesInput,
) -> Result<ListSchedulesOutput, Error> {
    let scope = &context.scope;
    let view = events.snapshot().await?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let mut range = match &input.group_name {
        Some(group) => {
            groups::check(&view, scope, group).await?;
            keys::schedules(scope, group, prefix)
        }
        None => keys::all_schedules(scope),
    };
    if let Some(token) = &input.next_token {
        let place = names::name_of_token(token)?;
        let (group, name) = place
            .split_once('/')
            .ok_or_else(|| Error::validation("Invalid NextToken."))?;
        range = range.after(&keys::schedule(scope, group, name));
    }
    let limit = usize::try_from(input.max_results.unwrap_or(PAGE)).unwrap_or(1);
    let page = view.page(range, limit).await?;
    let root = keys::schedule_prefix(scope);
    let (mut schedules, mut last) = (Vec::new(), None);
    for (key, value) in &page.entries {
        let mut reader = KeyReader::after_prefix(key, &root).map_err(Error::internal)?;
        let (group, name) = (
            reader.str().map_err(Error::internal)?,
            reader.str().map_err(Error::internal)?,
        );
        last = Some(names::token_of(&format!("{group}/{name}")));
        let schedule: Schedule = decode(value)?;
        if !name.starts_with(prefix) || input.state.as_ref().is_some_and(|state| *state != schedule.plan.state) {
            continue;
        }
        schedules.push(ScheduleSummary {
            arn: Some(schedule_arn(scope, &group, &name)),
            creation_date: Some(schedule.created),
            group_name: Some(group),
            last_modification_date: Some(schedule.modified),
            name: Some(name),
            state: Some(schedule.plan.state),
            target: Some(TargetSummary {
                arn: schedule.plan.target.arn,
            }),
        });
    }
    Ok(ListSchedulesOutput {
        schedules,
        next_token: last.filter(|_| page.more),
    })
}

/// The time of a record's tick, for its tests.
#[cfg(test)]
pub(crate) async fn next_of(events: &Events, scope: &Scope, name: &str) -> Option<Timestamp> {
    let view = events.snapshot().await.ok()?;
    let schedule: Option<Schedule> = view.record(&keys::schedule(scope, DEFAULT, name)).await.ok()?;
    schedule?.next.map(Timestamp::from_millis)
}
