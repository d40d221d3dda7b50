//! CreateEventBus, DeleteEventBus, DescribeEventBus, UpdateEventBus, ListEventBuses.

use crate::permissions::document;
use crate::records::{Bus, Read, decode, put};
use crate::shapes::{
    CreateEventBusRequest, CreateEventBusResponse, DeadLetterConfig, DeleteEventBusRequest, DescribeEventBusRequest,
    DescribeEventBusResponse, EventBus, ListEventBusesRequest, ListEventBusesResponse, UpdateEventBusRequest,
    UpdateEventBusResponse,
};
use crate::{Error, Events, keys, names, tags};
use danbi_core::{RequestContext, Scope, Timestamp};
use danbi_wire::Empty;
use std::sync::Arc;

/// Buses of an account's region. Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>.
const MOST_BUSES: usize = 100;
const PAGE: i32 = 100;

fn refuse_unbuilt(key: Option<&String>) -> Result<(), Error> {
    match key {
        Some(_) => Err(Error::Unsupported(
            "Encryption with a key of your own (KmsKeyIdentifier) is not built.".into(),
        )),
        None => Ok(()),
    }
}

/// CreateEventBus.
pub(crate) async fn create(
    events: Arc<Events>,
    context: RequestContext,
    input: CreateEventBusRequest,
) -> Result<CreateEventBusResponse, Error> {
    refuse_unbuilt(input.kms_key_identifier.as_ref())?;
    if input.event_source_name.is_some() || input.log_config.is_some() {
        return Err(Error::Unsupported(
            "Partner event sources and logs of event buses are not built.".into(),
        ));
    }
    let name = &input.name;
    if name == names::DEFAULT {
        return Err(Error::AlreadyExists(format!("Event bus {name} already exists.")));
    }
    if name.contains('/') {
        return Err(Error::validation("Event bus name must not contain '/'."));
    }
    let now = events.now();
    let bus = Bus {
        created: now,
        modified: now,
        description: input.description.clone(),
        dead_letter: input.dead_letter_config.as_ref().and_then(|config| config.arn.clone()),
        tags: tags::of_list(input.tags.as_deref().unwrap_or_default())?,
        statements: Vec::new(),
    };
    let (scope, bus) = (&context.scope, &bus);
    events
        .store
        .transact(async |tx| {
            let key = keys::bus(scope, name);
            if tx.read(&key).await?.is_some() {
                return Err(Error::AlreadyExists(format!("Event bus {name} already exists.")));
            }
            if tx.page(keys::buses(scope, ""), MOST_BUSES).await?.entries.len() >= MOST_BUSES {
                return Err(Error::Limit(
                    "The requested resource exceeds the maximum number allowed.".into(),
                ));
            }
            put(&tx, &key, bus)
        })
        .await?;
    Ok(CreateEventBusResponse {
        event_bus_arn: Some(names::bus_arn(scope, name)),
        description: input.description.clone(),
        dead_letter_config: input.dead_letter_config.clone(),
        ..CreateEventBusResponse::default()
    })
}

/// DeleteEventBus: with its rules and their targets. One that is not there is deleted already.
pub(crate) async fn delete(
    events: Arc<Events>,
    context: RequestContext,
    input: DeleteEventBusRequest,
) -> Result<Empty, Error> {
    let (scope, name) = names::bus(&context.scope, Some(&input.name));
    if name == names::DEFAULT {
        return Err(Error::validation(format!("Cannot delete event bus {name}.")));
    }
    let (scope, name) = (&scope, name.as_str());
    events
        .store
        .transact(async |tx| {
            tx.delete(&keys::bus(scope, name))?;
            tx.delete_range(keys::rules(scope, name, ""))?;
            tx.delete_range(keys::all_targets(scope, name))?;
            tx.delete_range(keys::all_by_arn(scope, name))?;
            Ok(Empty {})
        })
        .await
}

/// The record of a bus; the default bus needs none.
pub(crate) async fn of(view: &impl Read, scope: &Scope, name: &str) -> Result<Bus, Error> {
    match view.record(&keys::bus(scope, name)).await? {
        Some(bus) => Ok(bus),
        None if name == names::DEFAULT => Ok(Bus::default()),
        None => Err(names::no_bus(name)),
    }
}

/// Buses are as old as they say; the default one has always been there.
fn time(at: Timestamp) -> Option<Timestamp> {
    (at != Timestamp::default()).then_some(at)
}

/// DescribeEventBus.
pub(crate) async fn describe(
    events: Arc<Events>,
    context: RequestContext,
    input: DescribeEventBusRequest,
) -> Result<DescribeEventBusResponse, Error> {
    let (scope, name) = names::bus(&context.scope, input.name.as_deref());
    let bus = of(&events.snapshot().await?, &scope, &name).await?;
    Ok(DescribeEventBusResponse {
        arn: Some(names::bus_arn(&scope, &name)),
        name: Some(name),
        policy: document(&bus.statements),
        description: bus.description,
        dead_letter_config: bus.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
        creation_time: time(bus.created),
        last_modified_time: time(bus.modified),
        ..DescribeEventBusResponse::default()
    })
}

/// UpdateEventBus.
pub(crate) async fn update(
    events: Arc<Events>,
    context: RequestContext,
    input: UpdateEventBusRequest,
) -> Result<UpdateEventBusResponse, Error> {
    refuse_unbuilt(input.kms_key_identifier.as_ref())?;
    if input.log_config.is_some() {
        return Err(Error::Unsupported("Logs of event buses are not built.".into()));
    }
    let (scope, name) = names::bus(&context.scope, input.name.as_deref());
    let (scope, name, input, now) = (&scope, name.as_str(), &input, events.now());
    let bus = events
        .store
        .transact(async |tx| {
            let mut bus = of(&tx, scope, name).await?;
            bus.modified = now;
            bus.description = input.description.clone().or(bus.description);
            if let Some(config) = &input.dead_letter_config {
                bus.dead_letter = config.arn.clone();
            }
            put(&tx, &keys::bus(scope, name), &bus)?;
            Ok::<_, Error>(bus)
        })
        .await?;
    Ok(UpdateEventBusResponse {
        arn: Some(names::bus_arn(scope, name)),
        name: Some(name.to_owned()),
        description: bus.description,
        dead_letter_config: bus.dead_letter.map(|arn| DeadLetterConfig { arn: Some(arn) }),
        ..UpdateEventBusResponse::default()
    })
}

/// ListEventBuses: the default bus first.
pub(crate) async fn list(
    events: Arc<Events>,
    context: RequestContext,
    input: ListEventBusesRequest,
) -> Result<ListEventBusesResponse, Error> {
    let scope = &context.scope;
    let view = events.snapshot().await?;
    let prefix = input.name_prefix.as_deref().unwrap_or_default();
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let show = |name: String, bus: Bus| EventBus {
        arn: Some(names::bus_arn(scope, &name)),
        name: Some(name),
        policy: document(&bus.statements),
        description: bus.description,
        creation_time: time(bus.created),
        last_modified_time: time(bus.modified),
    };
    let mut buses = Vec::new();
    let mut range = keys::buses(scope, prefix);
    match &input.next_token {
        Some(token) => range = range.after(&keys::bus(scope, &names::name_of_token(token)?)),
        None if names::DEFAULT.starts_with(prefix) => {
            buses.push(show(names::DEFAULT.into(), of(&view, scope, names::DEFAULT).await?));
        }
        None => {}
    }
    let page = view.page(range, limit).await?;
    let root = keys::bus_prefix(scope);
    let mut last = None;
    for (key, value) in &page.entries {
        let name = keys::last_name(key, &root).map_err(Error::internal)?;
        last = Some(names::token_of(&name));
        if name != names::DEFAULT {
            buses.push(show(name, decode(value)?));
        }
    }
    Ok(ListEventBusesResponse {
        event_buses: Some(buses),
        next_token: last.filter(|_| page.more),
    })
}
