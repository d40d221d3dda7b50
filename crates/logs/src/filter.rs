use crate::error::LogsError;
use crate::events::DEFAULT_LIMIT;
use crate::pattern::Pattern;
use crate::position::{MAX_TIMESTAMP, Position};
use crate::read::{Budget, EventPage, Query, Source, StreamFilter};
use crate::shapes::{
    FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent, MetricFilterMatchRecord,
    TestMetricFilterRequest, TestMetricFilterResponse,
};
use crate::{Logs, groups, names, streams, token};
use danbi_core::RequestContext;
use danbi_store::{Direction, Snapshot};
use std::sync::Arc;

/// `FilterLogEvents`: the events of all streams together, in the order of their times. A page may hold less than was
/// asked for, even nothing, and still have a token: the work for one request is bounded.
pub(crate) async fn filter(
    logs: Arc<Logs>,
    context: RequestContext,
    input: FilterLogEventsRequest,
) -> Result<FilterLogEventsResponse, LogsError> {
    let group_name = names::group_of(
        &context,
        input.log_group_name.as_deref(),
        input.log_group_identifier.as_deref(),
    )?;
    let pattern = input.filter_pattern.as_deref().map(Pattern::parse).transpose()?;
    let resumed = input.next_token.as_deref().map(Resume::parse).transpose()?;
    let snapshot = logs.recent().await?;
    let group = groups::read(&snapshot, &context.scope, &group_name)
        .await?
        .ok_or(LogsError::NoGroup)?;
    let source = source(&snapshot, group.id, &input).await?;
    let start = input.start_time.unwrap_or(0).max(group.expired_before(logs.now()));
    // Unlike `GetLogEvents`, the end belongs to the range.
    let end = input.end_time.map_or(MAX_TIMESTAMP, |end| end.saturating_add(1));
    let mut query = Query {
        group: group.id,
        source,
        from: Position::at(start),
        to: Position::at(end),
        floor: None,
        direction: if input.start_from_head == Some(false) {
            Direction::Reverse
        } else {
            Direction::Forward
        },
        pattern: pattern.as_ref(),
        limit: usize::try_from(input.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(1),
        budget: Budget::default(),
    };
    if let Some(resume) = resumed {
        query.direction = resume.direction;
        match resume.direction {
            Direction::Forward => {
                query.from = query.from.max(resume.next);
                query.floor = Some(resume.floor);
            }
            Direction::Reverse => query.to = query.to.min(resume.next),
        }
    }
    let page = query.page(&snapshot).await?;
    let next_token = Resume::after(&page, query.direction).map(|resume| resume.to_token());
    let shape = |(at, event): (Position, crate::read::Found)| FilteredLogEvent {
        event_id: Some(at.to_string()),
        ingestion_time: Some(event.ingestion_time),
        log_stream_name: Some(event.stream.to_string()),
        message: Some(event.message),
        timestamp: Some(at.timestamp),
    };
    let events = match query.direction {
        Direction::Forward => page.events.into_iter().map(shape).collect(),
        Direction::Reverse => page.events.into_iter().rev().map(shape).collect(),
    };
    Ok(FilterLogEventsResponse {
        events: Some(events),
        next_token,
        searched_log_streams: Some(vec![]),
    })
}

async fn source(snapshot: &Snapshot, group: u64, input: &FilterLogEventsRequest) -> Result<Source, LogsError> {
    let prefix = input.log_stream_name_prefix.as_deref();
    let Some(wanted) = &input.log_stream_names else {
        return Ok(Source::Group(
            prefix.map_or(StreamFilter::All, |prefix| StreamFilter::Prefix(prefix.to_owned())),
        ));
    };
    if prefix.is_some() {
        return Err(LogsError::invalid(
            "LogStream names and LogStream name prefix are mutually exclusive parameters.",
        ));
    }
    let mut found = Vec::with_capacity(wanted.len());
    for name in wanted {
        let stream = streams::read(snapshot, group, name).await?.ok_or(LogsError::NoStream)?;
        found.push((stream.id, name));
    }
    Ok(match found.as_slice() {
        // One stream is read by its own index, without meeting the others.
        &[(id, name)] => Source::Stream {
            id,
            name: Arc::from(name.as_str()),
        },
        _ => Source::Group(StreamFilter::Named(wanted.iter().cloned().collect())),
    })
}

/// Where a search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resume {
    direction: Direction,
    next: Position,
    floor: Position,
}

impl Resume {
    fn after(page: &EventPage, direction: Direction) -> Option<Self> {
        page.next.map(|next| Self {
            direction,
            next,
            floor: page.floor,
        })
    }

    fn to_token(self) -> String {
        let kind = if self.direction == Direction::Forward { "e" } else { "r" };
        token::encode(kind, &format!("{}:{}", self.next, self.floor))
    }

    fn parse(text: &str) -> Result<Self, LogsError> {
        let forward = token::decode("e", text).map(|rest| (Direction::Forward, rest));
        let (direction, rest) = forward.or_else(|_| token::decode("r", text).map(|rest| (Direction::Reverse, rest)))?;
        let parsed = rest
            .split_once(':')
            .and_then(|(next, floor)| Some((next.parse().ok()?, floor.parse().ok()?)));
        let (next, floor) = parsed.ok_or_else(LogsError::token)?;
        Ok(Self { direction, next, floor })
    }
}

/// `TestMetricFilter`.
pub(crate) async fn test(
    _logs: Arc<Logs>,
    _context: RequestContext,
    input: TestMetricFilterRequest,
) -> Result<TestMetricFilterResponse, LogsError> {
    let pattern = Pattern::parse(&input.filter_pattern)?;
    let matches = (1_i64..).zip(input.log_event_messages).filter_map(|(number, message)| {
        let extracted_values = Some(pattern.extract(&message)?);
        Some(MetricFilterMatchRecord {
            event_message: Some(message),
            event_number: Some(number),
            extracted_values,
        })
    });
    Ok(TestMetricFilterResponse {
        matches: Some(matches.collect()),
    })
}
