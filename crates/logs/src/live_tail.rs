use crate::chunk::Event;
use crate::error::LogsError;
use crate::pattern::Pattern;
use crate::read::StreamFilter;
use crate::shapes::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate,
    StartLiveTailRequest, StartLiveTailResponse, StartLiveTailResponseStream,
};
use crate::{Logs, groups, names};
use danbi_core::{LogStreamName, RequestContext, RequestId, Scope, ServiceError};
use danbi_wire::EventStream;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout_at};

/// Commits that a session may lag behind before it loses the oldest and says that it is sampled.
const BACKLOG: usize = 1024;
/// Events in one update; with more, it is a sample (AWS's bound).
const MAX_EVENTS: usize = 500;
/// An update is sent at least this often, empty if need be (as AWS does).
const UPDATE_INTERVAL: Duration = Duration::from_secs(1);
/// How long events are gathered once there is one.
const GATHER: Duration = Duration::from_millis(50);
/// How long a session lasts (AWS's bound).
const SESSION: Duration = Duration::from_secs(3 * 60 * 60);

/// Events that were just stored.
#[derive(Debug, Clone)]
pub(crate) struct Tailed {
    pub(crate) stream: LogStreamName,
    pub(crate) ingestion_time: i64,
    pub(crate) events: Vec<Event>,
}

/// Hands what is stored on to whoever watches; costs nothing when nobody does.
#[derive(Debug, Clone)]
pub(crate) struct Tails(broadcast::Sender<Notice>);

#[derive(Debug, Clone)]
enum Notice {
    Stored(Arc<Tailed>),
    /// The platform stops: sessions end.
    Over,
}

impl Tails {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(BACKLOG).0)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.0.receiver_count() == 0
    }

    pub(crate) fn send(&self, tailed: Tailed) {
        // The last watcher may have left meanwhile.
        let _ = self.0.send(Notice::Stored(Arc::new(tailed)));
    }

    /// Ends every session there is.
    pub(crate) fn end(&self) {
        // There may be none.
        let _ = self.0.send(Notice::Over);
    }
}

/// `StartLiveTail`.
pub(crate) async fn start(
    logs: Arc<Logs>,
    context: RequestContext,
    input: StartLiveTailRequest,
) -> Result<(StartLiveTailResponse, EventStream<StartLiveTailResponseStream>), LogsError> {
    let session = Session::new(&logs, context.scope.clone(), &input).await?;
    let start = StartLiveTailResponseStream::SessionStart(LiveTailSessionStart {
        log_event_filter_pattern: Some(input.log_event_filter_pattern.unwrap_or_default()),
        log_group_identifiers: Some(input.log_group_identifiers),
        log_stream_name_prefixes: Some(input.log_stream_name_prefixes.unwrap_or_default()),
        log_stream_names: Some(input.log_stream_names.unwrap_or_default()),
        request_id: Some(context.request_id.to_string()),
        session_id: Some(RequestId::new().to_string()),
    });
    let updates = futures_util::stream::unfold(Some(session), |session| async {
        let mut session = session?;
        match session.next().await {
            Ok(update) => Some((Ok(StartLiveTailResponseStream::SessionUpdate(update)), Some(session))),
            Err(error) => Some((Err(error), None)),
        }
    });
    let first = futures_util::stream::once(async { Ok(start) });
    Ok((
        StartLiveTailResponse {},
        Box::pin(futures_util::StreamExt::chain(first, updates)),
    ))
}

struct Session {
    scope: Scope,
    /// The identifier that the client gave, by the group's name.
    groups: BTreeMap<String, String>,
    streams: StreamFilter,
    prefixes: Vec<String>,
    pattern: Pattern,
    feed: broadcast::Receiver<Notice>,
    ends: Instant,
}

impl Session {
    async fn new(logs: &Logs, scope: Scope, input: &StartLiveTailRequest) -> Result<Self, LogsError> {
        if input.log_stream_names.is_some() && input.log_stream_name_prefixes.is_some() {
            return Err(LogsError::invalid(
                "LogStream names and LogStream name prefixes are mutually exclusive parameters.",
            ));
        }
        let by_stream = input.log_stream_names.is_some() || input.log_stream_name_prefixes.is_some();
        if by_stream && input.log_group_identifiers.len() > 1 {
            return Err(LogsError::invalid(
                "LogStreams can be specified only when a single LogGroup is specified.",
            ));
        }
        let snapshot = logs.store.snapshot().await?;
        let mut groups = BTreeMap::new();
        for identifier in &input.log_group_identifiers {
            let name = names::group_named(&scope, identifier)?;
            groups::read(&snapshot, &scope, &name)
                .await?
                .ok_or(LogsError::NoGroup)?;
            groups.insert(name, identifier.clone());
        }
        let streams = input.log_stream_names.as_ref();
        Ok(Self {
            scope,
            groups,
            streams: streams.map_or(StreamFilter::All, |names| {
                StreamFilter::Named(names.iter().cloned().collect())
            }),
            prefixes: input.log_stream_name_prefixes.clone().unwrap_or_default(),
            pattern: Pattern::parse(input.log_event_filter_pattern.as_deref().unwrap_or_default())?,
            feed: logs.tails.0.subscribe(),
            ends: Instant::now() + SESSION,
        })
    }

    /// The next update: at once when events come, empty when none do.
    async fn next(&mut self) -> Result<LiveTailSessionUpdate, ServiceError> {
        if Instant::now() >= self.ends {
            return Err(ServiceError::client(
                "SessionTimeoutException",
                400,
                "Your Live Tail session has timed out.",
            ));
        }
        let mut update = Update::default();
        let deadline = Instant::now() + UPDATE_INTERVAL;
        while update.results.is_empty() {
            let Ok(received) = timeout_at(deadline, self.feed.recv()).await else {
                return Ok(update.shape());
            };
            self.take(received, &mut update)?;
        }
        // A burst comes as one update, not as one for each commit.
        let gathered = Instant::now() + GATHER;
        while update.results.len() < MAX_EVENTS {
            let Ok(received) = timeout_at(gathered, self.feed.recv()).await else {
                break;
            };
            self.take(received, &mut update)?;
        }
        Ok(update.shape())
    }

    fn take(&self, received: Result<Notice, RecvError>, update: &mut Update) -> Result<(), ServiceError> {
        let tailed = match received {
            Ok(Notice::Stored(tailed)) => tailed,
            Err(RecvError::Lagged(_)) => {
                update.sampled = true;
                return Ok(());
            }
            Ok(Notice::Over) | Err(RecvError::Closed) => {
                let message = "The service is stopping.";
                return Err(ServiceError::server("SessionStreamingException", 500, message));
            }
        };
        let stream = &tailed.stream;
        let Some(identifier) = self.groups.get(&stream.group).filter(|_| stream.scope == self.scope) else {
            return Ok(());
        };
        let by_prefix =
            self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| stream.stream.starts_with(prefix));
        if !(by_prefix && self.streams.accepts(&stream.stream)) {
            return Ok(());
        }
        for event in tailed
            .events
            .iter()
            .filter(|event| self.pattern.matches(&event.message))
        {
            if update.results.len() == MAX_EVENTS {
                update.sampled = true;
                break;
            }
            update.results.push(LiveTailSessionLogEvent {
                ingestion_time: Some(tailed.ingestion_time),
                log_group_identifier: Some(identifier.clone()),
                log_stream_name: Some(stream.stream.clone()),
                message: Some(event.message.clone()),
                timestamp: Some(event.timestamp),
            });
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Update {
    results: Vec<LiveTailSessionLogEvent>,
    sampled: bool,
}

impl Update {
    fn shape(self) -> LiveTailSessionUpdate {
        LiveTailSessionUpdate {
            session_metadata: Some(LiveTailSessionMetadata {
                sampled: Some(self.sampled),
            }),
            session_results: Some(self.results),
        }
    }
}
