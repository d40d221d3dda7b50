//! PutEvents, and how an event meets the rules of its bus.

use crate::deliver::{Header, patience};
use crate::records::{Archive, Read, Rule, decode, put};
use crate::shapes::{PutEventsRequest, PutEventsRequestEntry, PutEventsResponse, PutEventsResultEntry, Target};
use crate::{Error, Events, archives, keys, names};
use danbi_core::{RequestContext, Scope, Timestamp};
use danbi_patterns::Event;
use danbi_store::Transaction;
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// The most bytes of all entries together. Source:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>.
const MAX_BYTES: usize = 262_144;

/// An event that was accepted.
pub(crate) struct Accepted {
    pub scope: Scope,
    pub bus: String,
    pub id: String,
    /// When it was accepted.
    pub ingested: i64,
    pub document: Value,
    /// The trace that it is part of (`X-Amzn-Trace-Id`).
    pub trace: Option<String>,
    /// Only these rules see it, when it is replayed for some.
    pub only: Vec<String>,
    /// Whether it comes out of an archive, and is not to be archived once more.
    pub replayed: bool,
}

/// An event on its way to targets.
pub(crate) struct Queued<'e> {
    pub body: &'e danbi_outbox::Body,
    /// When it was accepted.
    pub ingested: i64,
    pub trace: Option<&'e str>,
}

/// PutEvents.
pub(crate) async fn put_events(
    events: Arc<Events>,
    context: RequestContext,
    input: PutEventsRequest,
) -> Result<PutEventsResponse, Error> {
    if input.endpoint_id.is_some() {
        return Err(Error::Unsupported("Global endpoints are not built.".into()));
    }
    if input.entries.iter().map(size).sum::<usize>() > MAX_BYTES {
        return Err(Error::validation(
            "Total size of the entries in the request is over the limit.",
        ));
    }
    let now = events.now();
    let mut results = Vec::with_capacity(input.entries.len());
    let mut accepted = Vec::new();
    for entry in input.entries {
        match accept(&context, now, entry) {
            Ok(event) => {
                results.push(PutEventsResultEntry {
                    event_id: Some(event.id.clone()),
                    ..PutEventsResultEntry::default()
                });
                accepted.push(event);
            }
            Err((code, message)) => results.push(PutEventsResultEntry {
                error_code: Some(code.into()),
                error_message: Some(message),
                ..PutEventsResultEntry::default()
            }),
        }
    }
    let (service, accepted) = (&*events, &accepted);
    events
        .store
        .transact(async |tx| {
            for event in accepted {
                route(service, &tx, event).await?;
            }
            Ok::<_, Error>(())
        })
        .await?;
    events.outbox.ring();
    let failed = results.iter().filter(|result| result.error_code.is_some()).count();
    Ok(PutEventsResponse {
        failed_entry_count: i32::try_from(failed).ok(),
        entries: Some(results),
    })
}

/// As AWS counts an entry.
fn size(entry: &PutEventsRequestEntry) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let resources: usize = entry.resources.iter().flatten().map(String::len).sum();
    let time = if entry.time.is_some() { 14 } else { 0 };
    time + text(&entry.source) + text(&entry.detail_type) + text(&entry.detail) + resources
}

fn accept(
    context: &RequestContext,
    now: Timestamp,
    entry: PutEventsRequestEntry,
) -> Result<Accepted, (&'static str, String)> {
    let needed = |name: &str, value: Option<String>| {
        let missing = || {
            (
                "InvalidArgument",
                format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
            )
        };
        value.filter(|value| !value.is_empty()).ok_or_else(missing)
    };
    let source = needed("Source", entry.source)?;
    let detail_type = needed("DetailType", entry.detail_type)?;
    let detail = needed("Detail", entry.detail)?;
    // Only the platform itself sends events of AWS's services.
    if source.starts_with("aws.") && context.facts.source.is_none() {
        return Err((
            "NotAuthorizedForSourceException",
            "Not authorized for the source.".into(),
        ));
    }
    let trace = entry.trace_header.or_else(|| context.facts.trace.clone());
    let detail: Value = match serde_json::from_str(&detail) {
        Ok(detail @ Value::Object(_)) => detail,
        _ => return Err(("MalformedDetail", "Detail is malformed.".into())),
    };
    let (scope, bus) = names::bus(&context.scope, entry.event_bus_name.as_deref());
    let id = Uuid::new_v4().to_string();
    let document = json!({
        "version": "0", "id": id, "detail-type": detail_type, "source": source, "account": context.scope.account.as_str(),
        "time": names::event_time(entry.time.unwrap_or(now)), "region": context.scope.region.as_str(),
        "resources": entry.resources.unwrap_or_default(), "detail": detail,
    });
    Ok(Accepted {
        scope,
        bus,
        id,
        ingested: now.as_millis(),
        document,
        trace,
        only: Vec::new(),
        replayed: false,
    })
}

/// Queues an event for the targets of every rule that wants it, and archives it. An event for a bus that is not there
/// goes nowhere, as on AWS.
pub(crate) async fn route(events: &Events, tx: &Transaction, accepted: &Accepted) -> Result<(), Error> {
    let Accepted { scope, bus, .. } = accepted;
    let text = accepted.document.to_string();
    let event = Event::of(&accepted.document);
    let mut body = None;
    let prefix = keys::rule_prefix(scope, bus);
    for (key, value) in tx.all(keys::rules(scope, bus, "")).await? {
        let rule: Rule = decode(&value)?;
        let Some(pattern) = rule.pattern.as_deref().filter(|_| rule.is_enabled()) else {
            continue;
        };
        let name = keys::last_name(&key, &prefix).map_err(Error::internal)?;
        let arn = names::rule_arn(scope, bus, &name);
        if !accepted.only.is_empty() && !accepted.only.contains(&arn) {
            continue;
        }
        if !events.accepts(pattern, &event)? {
            continue;
        }
        let body = match &body {
            Some(body) => body,
            None => body.insert(events.outbox.body(tx, &text)?),
        };
        let queued = Queued {
            body,
            ingested: accepted.ingested,
            trace: accepted.trace.as_deref(),
        };
        for (_, value) in tx.all(keys::targets(scope, bus, &name)).await? {
            send(events, tx, scope, (&arn, &name), decode(&value)?, &queued)?;
        }
    }
    if accepted.replayed {
        return Ok(());
    }
    let archived = keys::all_of_bus(scope, bus);
    for (key, _) in tx.all(danbi_store::KeyRange::prefix(archived.clone())).await? {
        let name = keys::last_name(&key, &archived).map_err(Error::internal)?;
        let Some(archive) = tx.record::<Archive>(&keys::archive(scope, &name)).await? else {
            continue;
        };
        if let Some(pattern) = &archive.pattern
            && !events.accepts(pattern, &event)?
        {
            continue;
        }
        archives::keep(tx, &archive, accepted.ingested, &accepted.id, &text)?;
    }
    Ok(())
}

/// Queues one delivery of the rule that has this ARN and name.
pub(crate) fn send(
    events: &Events,
    tx: &Transaction,
    scope: &Scope,
    (arn, name): (&str, &str),
    target: Target,
    queued: &Queued<'_>,
) -> Result<(), Error> {
    let policy = target.retry_policy.as_ref();
    let patience = patience(
        policy.and_then(|policy| policy.maximum_retry_attempts),
        policy.and_then(|policy| policy.maximum_event_age_in_seconds),
    );
    let header = Header::Rule {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        arn: arn.to_owned(),
        name: name.to_owned(),
        target: Box::new(target),
        ingested: queued.ingested,
        trace: queued.trace.map(str::to_owned),
    };
    events
        .outbox
        .put(tx, header.to_value()?, queued.body, queued.ingested, patience)?;
    Ok(())
}

/// What a rule's tick sends: the event, queued for all its targets.
pub(crate) async fn fire(events: &Events, tx: &Transaction, scope: &Scope, name: &str, at: i64) -> Result<(), Error> {
    let arn = names::rule_arn(scope, names::DEFAULT, name);
    let document = json!({
        "version": "0", "id": Uuid::new_v4().to_string(), "detail-type": "Scheduled Event", "source": "aws.events",
        "account": scope.account.as_str(), "time": names::event_time(Timestamp::from_millis(at)),
        "region": scope.region.as_str(), "resources": [arn], "detail": {},
    });
    let body = events.outbox.body(tx, &document.to_string())?;
    let queued = Queued {
        body: &body,
        ingested: events.now().as_millis(),
        trace: None,
    };
    for (_, value) in tx.all(keys::targets(scope, names::DEFAULT, name)).await? {
        send(events, tx, scope, (&arn, name), decode(&value)?, &queued)?;
    }
    Ok(())
}

/// Writes a rule's record back after its tick.
pub(crate) fn write_rule(tx: &Transaction, scope: &Scope, name: &str, rule: &Rule) -> Result<(), Error> {
    put(tx, &keys::rule(scope, names::DEFAULT, name), rule)
}
