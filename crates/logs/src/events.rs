use crate::chunk::Event;
use crate::error::LogsError;
use crate::position::{MAX_TIMESTAMP, Position};
use crate::read::{Budget, EVENT_BYTES, EventPage, Query, Source};
use crate::shapes::{
    GetLogEventsRequest, GetLogEventsResponse, InputLogEvent, OutputLogEvent, PutLogEventsRequest,
    PutLogEventsResponse, RejectedLogEventsInfo,
};
use crate::{Logs, groups, names, streams};
use danbi_core::{LogStreamName, RequestContext};
use danbi_store::Direction;
use std::sync::Arc;

/// Bytes of a batch, each event counted with [`EVENT_BYTES`].
const MAX_BATCH_BYTES: usize = 1_048_576;
const HOUR_MS: i64 = 3_600_000;
const TOO_OLD_MS: i64 = 14 * 24 * HOUR_MS;
const TOO_NEW_MS: i64 = 2 * HOUR_MS;
const MAX_SPAN_MS: i64 = 24 * HOUR_MS;
/// Events on a page when the request does not say.
pub(crate) const DEFAULT_LIMIT: i32 = 10_000;

/// `PutLogEvents`: answers when the accepted events are on disk.
pub(crate) async fn put(
    logs: Arc<Logs>,
    context: RequestContext,
    input: PutLogEventsRequest,
) -> Result<PutLogEventsResponse, LogsError> {
    check_batch(&input.log_events)?;
    let snapshot = logs.store.snapshot().await?;
    let group = groups::read(&snapshot, &context.scope, &input.log_group_name)
        .await?
        .ok_or(LogsError::NoGroup)?;
    let stream = streams::read(&snapshot, group.id, &input.log_stream_name)
        .await?
        .ok_or(LogsError::NoStream)?;
    let now = logs.now();
    let (accepted, rejected) = sort_out(&input.log_events, now, group.expired_before(now));
    let span = accepted
        .last()
        .zip(accepted.first())
        .map_or(0, |(last, first)| last.timestamp - first.timestamp);
    if span > MAX_SPAN_MS {
        return Err(LogsError::invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    let events: Vec<_> = accepted
        .iter()
        .map(|event| Event {
            timestamp: event.timestamp,
            message: event.message.clone(),
        })
        .collect();
    if !events.is_empty() {
        let name = LogStreamName {
            scope: context.scope,
            group: input.log_group_name,
            stream: input.log_stream_name,
        };
        logs.writer.put(name, events).await?;
    }
    Ok(PutLogEventsResponse {
        next_sequence_token: Some(streams::sequence_token(now, stream.id)),
        rejected_entity_info: None,
        rejected_log_events_info: rejected,
    })
}

/// What holds of a batch whatever the time.
fn check_batch(events: &[InputLogEvent]) -> Result<(), LogsError> {
    let bytes: usize = events.iter().map(|event| event.message.len() + EVENT_BYTES).sum();
    if bytes > MAX_BATCH_BYTES {
        return Err(LogsError::invalid(format!(
            "Upload too large: {bytes} bytes exceeds limit of {MAX_BATCH_BYTES}"
        )));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(LogsError::invalid(
            "Log events in a single PutLogEvents request must be in chronological order.",
        ));
    }
    Ok(())
}

/// The events that are neither too old, nor expired, nor too new, and what to say of the others. The events are in
/// order, so each of the three is a matter of one index.
fn sort_out(
    events: &[InputLogEvent],
    now: i64,
    expired_before: i64,
) -> (&[InputLogEvent], Option<RejectedLogEventsInfo>) {
    let older_than = |instant: i64| events.partition_point(|event| event.timestamp < instant);
    let (too_old, expired) = (older_than(now - TOO_OLD_MS), older_than(expired_before));
    let too_new = events.partition_point(|event| event.timestamp <= now + TOO_NEW_MS);
    let begin = too_old.max(expired);
    let index = |at: usize| i32::try_from(at).ok();
    let rejected = RejectedLogEventsInfo {
        expired_log_event_end_index: index(expired).filter(|&at| at > 0),
        too_new_log_event_start_index: index(too_new).filter(|_| too_new < events.len()),
        too_old_log_event_end_index: index(too_old).filter(|&at| at > 0),
    };
    let accepted = events.get(begin..too_new).unwrap_or_default();
    (
        accepted,
        Some(rejected).filter(|rejected| *rejected != RejectedLogEventsInfo::default()),
    )
}

/// `GetLogEvents`.
pub(crate) async fn get(
    logs: Arc<Logs>,
    context: RequestContext,
    input: GetLogEventsRequest,
) -> Result<GetLogEventsResponse, LogsError> {
    let group_name = names::group_of(
        &context,
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let token = input.next_token.as_deref().map(Token::parse).transpose()?;
    let snapshot = logs.recent().await?;
    let group = groups::read(&snapshot, &context.scope, &group_name)
        .await?
        .ok_or(LogsError::NoGroup)?;
    let stream = streams::read(&snapshot, group.id, &input.log_stream_name)
        .await?
        .ok_or(LogsError::NoStream)?;
    let start = input.start_time.unwrap_or(0).max(group.expired_before(logs.now()));
    let end = input.end_time.unwrap_or(MAX_TIMESTAMP);
    let (mut from, mut to) = (Position::at(start), Position::at(end));
    let direction = match token {
        Some(Token::After(last)) => {
            from = from.max(last.next());
            Direction::Forward
        }
        Some(Token::Before(first)) => {
            to = to.min(first);
            Direction::Reverse
        }
        None if input.start_from_head == Some(true) => Direction::Forward,
        None => Direction::Reverse,
    };
    let query = Query {
        group: group.id,
        source: Source::Stream {
            id: stream.id,
            name: Arc::from(input.log_stream_name.as_str()),
        },
        from,
        to,
        floor: None,
        direction,
        pattern: None,
        limit: usize::try_from(input.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(1),
        budget: Budget::default(),
    };
    let page = query.page(&snapshot).await?;
    let (backward, forward) = tokens(&page, token, query.from);
    let events = page.events.into_iter().map(|(at, event)| OutputLogEvent {
        ingestion_time: Some(event.ingestion_time),
        message: Some(event.message),
        timestamp: Some(at.timestamp),
    });
    Ok(GetLogEventsResponse {
        events: Some(events.collect()),
        next_backward_token: Some(backward),
        next_forward_token: Some(forward),
    })
}

/// `b/…` leads to the events before the page, `f/…` to those behind it. A page without events leads back to where it
/// was asked for: the token a client gave comes back to it, which is how it knows that it is at the end.
fn tokens(page: &EventPage, asked: Option<Token>, from: Position) -> (String, String) {
    let (first, last) = match (page.events.first_key_value(), page.events.last_key_value()) {
        (Some((first, _)), Some((last, _))) => (*first, *last),
        // The work for one request was spent before an event was found: the next one goes on there.
        _ => match (page.next, asked) {
            (Some(next), Some(Token::Before(_))) => (next, next),
            (Some(next), _) => (next, next.previous()),
            (None, Some(Token::After(at) | Token::Before(at))) => (at, at),
            (None, None) => (from, from),
        },
    };
    (format!("b/{first}/s"), format!("f/{last}/s"))
}

#[derive(Debug, Clone, Copy)]
enum Token {
    After(Position),
    Before(Position),
}

impl Token {
    fn parse(text: &str) -> Result<Self, LogsError> {
        let make = match text.get(..2) {
            Some("f/") => Self::After,
            Some("b/") => Self::Before,
            _ => return Err(LogsError::token()),
        };
        let digits = text[2..].strip_suffix("/s").unwrap_or(&text[2..]);
        digits.parse().map(make).map_err(|()| LogsError::token())
    }
}
