//! StartReplay, CancelReplay, DescribeReplay, ListReplays, and the background work that replays and expires archives.
//!
//! A replay goes on in steps: each step's transaction routes some events and writes down how far it came, so a replay
//! goes on after a crash, and of two nodes that try one has a conflict.

use crate::put_events::{Accepted, route};
use crate::records::{Read, Replay, decode, put};
use crate::shapes::{
    CancelReplayRequest, CancelReplayResponse, DescribeReplayRequest, DescribeReplayResponse, ListReplaysRequest,
    ListReplaysResponse, Replay as ReplayShape, ReplayDestination, StartReplayRequest, StartReplayResponse,
};
use crate::{Error, Events, archives, keys, names};
use bytes::Bytes;
use danbi_core::{Arn, RequestContext, Scope, Timestamp};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Replays of an account's region at a time.
const MOST_RUNNING: usize = 10;
const PAGE: i32 = 50;
/// Entries of a step.
const STEP: usize = 20;
/// How often a node looks for replays that it did not start itself.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Looks between two expiries of archives: an hour.
const EXPIRE_EVERY: u32 = 720;

fn missing(name: &str) -> Error {
    Error::NotFound(format!("Replay {name} does not exist."))
}

/// StartReplay.
pub(crate) async fn start(
    events: Arc<Events>,
    context: RequestContext,
    input: StartReplayRequest,
) -> Result<StartReplayResponse, Error> {
    let scope = &context.scope;
    let invalid =
        |name: &str, reason: String| Error::Validation(format!("Parameter {name} is not valid. Reason: {reason}"));
    if input.event_start_time >= input.event_end_time {
        return Err(invalid(
            "EventEndTime",
            "EventStartTime must be before EventEndTime.".into(),
        ));
    }
    let archive: Option<Arn> = input.event_source_arn.parse().ok();
    let archive = archive.as_ref().and_then(|arn| arn.resource.strip_prefix("archive/"));
    let archive = archive.ok_or_else(|| invalid("EventSourceArn", "Provided Arn is not in correct format.".into()))?;
    let (bus_scope, bus) = names::bus(scope, Some(&input.destination.arn));
    let now = events.now();
    let (input, bus, bus_scope) = (&input, bus.as_str(), &bus_scope);
    let name = &input.replay_name;
    events
        .store
        .transact(async |tx| {
            Events::check_bus(&tx, bus_scope, bus).await?;
            let source = archives::of(&tx, scope, archive).await;
            let source = source.map_err(|_| invalid("EventSourceArn", format!("Archive {archive} does not exist.")))?;
            if bus_scope != scope || source.bus != bus {
                return Err(invalid(
                    "Destination.Arn",
                    "Cross event bus replay is not permitted.".into(),
                ));
            }
            let key = keys::replay(scope, name);
            if tx.read(&key).await?.is_some() {
                return Err(Error::AlreadyExists(format!("Replay {name} already exists.")));
            }
            if tx.page(keys::replaying_in(scope), MOST_RUNNING).await?.entries.len() >= MOST_RUNNING {
                return Err(Error::Limit(
                    "The requested resource exceeds the maximum number allowed.".into(),
                ));
            }
            let replay = Replay {
                archive: archive.to_owned(),
                archive_id: source.id,
                bus: bus.to_owned(),
                description: input.description.clone(),
                from: input.event_start_time.as_millis(),
                to: input.event_end_time.as_millis(),
                rules: input.destination.filter_arns.clone().unwrap_or_default(),
                state: "STARTING".into(),
                started: now,
                ..Replay::default()
            };
            tx.put(&keys::replaying(scope, name), Bytes::new())?;
            put(&tx, &key, &replay)
        })
        .await?;
    events.replaying.notify_one();
    Ok(StartReplayResponse {
        replay_arn: Some(names::replay_arn(scope, name)),
        state: Some("STARTING".into()),
        replay_start_time: Some(now),
        ..StartReplayResponse::default()
    })
}

/// CancelReplay.
pub(crate) async fn cancel(
    events: Arc<Events>,
    context: RequestContext,
    input: CancelReplayRequest,
) -> Result<CancelReplayResponse, Error> {
    let (scope, name) = (&context.scope, &input.replay_name);
    events
        .store
        .transact(async |tx| {
            let key = keys::replay(scope, name);
            let mut replay: Replay = tx.record(&key).await?.ok_or_else(|| missing(name))?;
            if !["STARTING", "RUNNING"].contains(&replay.state.as_str()) {
                return Err(Error::IllegalStatus(format!(
                    "Replay {name} is not in a valid state for this operation."
                )));
            }
            replay.state = "CANCELLING".into();
            put(&tx, &key, &replay)
        })
        .await?;
    events.replaying.notify_one();
    Ok(CancelReplayResponse {
        replay_arn: Some(names::replay_arn(scope, name)),
        state: Some("CANCELLING".into()),
        ..CancelReplayResponse::default()
    })
}

/// DescribeReplay.
pub(crate) async fn describe(
    events: Arc<Events>,
    context: RequestContext,
    input: DescribeReplayRequest,
) -> Result<DescribeReplayResponse, Error> {
    let scope = &context.scope;
    let replay: Option<Replay> = events
        .snapshot()
        .await?
        .record(&keys::replay(scope, &input.replay_name))
        .await?;
    let replay = replay.ok_or_else(|| missing(&input.replay_name))?;
    Ok(DescribeReplayResponse {
        replay_arn: Some(names::replay_arn(scope, &input.replay_name)),
        replay_name: Some(input.replay_name),
        description: replay.description,
        state: Some(replay.state),
        state_reason: replay.reason,
        event_source_arn: Some(names::archive_arn(scope, &replay.archive)),
        destination: Some(ReplayDestination {
            arn: names::bus_arn(scope, &replay.bus),
            filter_arns: Some(replay.rules),
        }),
        event_start_time: Some(Timestamp::from_millis(replay.from)),
        event_end_time: Some(Timestamp::from_millis(replay.to)),
        event_last_replayed_time: replay.last.map(Timestamp::from_millis),
        replay_start_time: Some(replay.started),
        replay_end_time: replay.ended,
    })
}

/// ListReplays.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListReplaysRequest,
) -> Result<ListReplaysResponse, Error> {
    let scope = &context.scope;
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let mut range = keys::replays(scope, input.name_prefix.as_deref().unwrap_or_default());
    if let Some(token) = &input.next_token {
        range = range.after(&keys::replay(scope, &names::name_of_token(token)?));
    }
    let root = keys::replay_prefix(scope);
    let page = events.snapshot().await?.page(range, limit).await?;
    let mut replays = Vec::new();
    let mut last = None;
    for (key, value) in &page.entries {
        let name = keys::last_name(key, &root).map_err(Error::internal)?;
        let replay: Replay = decode(value)?;
        last = Some(names::token_of(&name));
        let source = names::archive_arn(scope, &replay.archive);
        let wanted = input.state.as_ref().is_none_or(|state| *state == replay.state)
            && input.event_source_arn.as_ref().is_none_or(|arn| *arn == source);
        if wanted {
            replays.push(ReplayShape {
                replay_name: Some(name),
                event_source_arn: Some(source),
                state: Some(replay.state),
                state_reason: replay.reason,
                event_start_time: Some(Timestamp::from_millis(replay.from)),
                event_end_time: Some(Timestamp::from_millis(replay.to)),
                event_last_replayed_time: replay.last.map(Timestamp::from_millis),
                replay_start_time: Some(replay.started),
                replay_end_time: replay.ended,
            });
        }
    }
    Ok(ListReplaysResponse {
        replays: Some(replays),
        next_token: last.filter(|_| page.more),
    })
}

/// Replays what is to be replayed and expires archives, until the service ends.
pub(crate) async fn run(events: Arc<Events>) {
    let mut looks = 0;
    loop {
        let worked = async {
            let running = events.snapshot().await?.all(keys::all_replaying()).await?;
            for (key, _) in running {
                let (scope, name) = keys::replaying_of(&key).map_err(Error::internal)?;
                while !events.is_stopping() && step(&events, &scope, &name).await? {}
            }
            if looks % EXPIRE_EVERY == 0 {
                archives::expire(&events).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = worked.await {
            tracing::warn!(%error, "replays or archives could not be looked at; trying again");
        }
        looks = looks.wrapping_add(1);
        tokio::select! {
            () = events.stopped() => return,
            () = events.replaying.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Replays some events; whether there are more.
async fn step(events: &Events, scope: &Scope, name: &str) -> Result<bool, Error> {
    let more = events
        .store
        .transact(async |tx| {
            let key = keys::replay(scope, name);
            let end = |replay: &mut Replay, state: &str| {
                replay.state = state.into();
                replay.ended = Some(events.now());
                tx.delete(&keys::replaying(scope, name))
            };
            let Some(mut replay) = tx.record::<Replay>(&key).await? else {
                tx.delete(&keys::replaying(scope, name))?;
                return Ok(false);
            };
            if replay.state == "CANCELLING" {
                end(&mut replay, "CANCELLED")?;
                put(&tx, &key, &replay)?;
                return Ok(false);
            }
            replay.state = "RUNNING".into();
            let mut range = keys::archived_between(&replay.archive_id, replay.from, replay.to);
            if let Some((at, event, part)) = &replay.after {
                range = range.after(&keys::archived(&replay.archive_id, *at, event, *part));
            }
            let page = tx.page(range, STEP).await?;
            for (entry, value) in &page.entries {
                let (at, id, part) = keys::archived_event(&replay.archive_id, entry).map_err(Error::internal)?;
                replay.after = Some((at, id.clone(), part));
                if part > 0 {
                    continue;
                }
                let mut text = value.to_vec();
                for part in 1.. {
                    match tx.get(&keys::archived(&replay.archive_id, at, &id, part)).await? {
                        Some(more) => text.extend_from_slice(&more),
                        None => break,
                    }
                }
                let mut document: Value = decode(&text)?;
                document["replay-name"] = name.into();
                replay.last = Some(at);
                let accepted = Accepted {
                    scope: scope.clone(),
                    bus: replay.bus.clone(),
                    id,
                    ingested: events.now().as_millis(),
                    document,
                    trace: None,
                    only: replay.rules.clone(),
                    replayed: true,
                };
                route(events, &tx, &accepted).await?;
            }
            if !page.more {
                end(&mut replay, "COMPLETED")?;
            }
            put(&tx, &key, &replay)?;
            Ok::<_, Error>(page.more)
        })
        .await?;
    events.outbox.ring();
    Ok(more)
}
