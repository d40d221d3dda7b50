//! Behaviour of the operations over a real store in a temporary folder.

mod crashing;
mod groups_and_streams;
mod reading;
mod sinking;
mod writing;

use crate::shapes::{
    CreateLogGroupRequest, CreateLogStreamRequest, InputLogEvent, PutLogEventsRequest, PutLogEventsResponse,
};
use crate::{Logs, LogsError, Options, events, groups, streams};
use danbi_core::{Clock, LogStreamName, Principal, RequestContext, RequestId, Scope, ServiceError, Timestamp};
use danbi_store::{EmbeddedOptions, Store};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// 2026-11-21T00:00:00Z
const NOW: i64 = 1_795_219_200_000;
const DAY: i64 = 86_400_000;

/// A clock that tests move.
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

struct World {
    logs: Arc<Logs>,
    store: Store,
    clock: Arc<TestClock>,
    dir: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(NOW)));
        let (store, logs) = open(dir.path(), &clock);
        Self {
            logs,
            store,
            clock,
            dir,
        }
    }

    /// With the group `g` and the stream `s`.
    async fn with_stream() -> Self {
        let world = Self::new().await;
        world.create_group("g").await.unwrap();
        world.create_stream("g", "s").await.unwrap();
        world
    }

    /// Closes everything and opens it again from the same folder.
    async fn restart(self) -> Self {
        self.logs.drain().await;
        self.store.close().await;
        drop((self.logs, self.store));
        let (store, logs) = open(self.dir.path(), &self.clock);
        Self {
            logs,
            store,
            clock: self.clock,
            dir: self.dir,
        }
    }

    async fn create_group(&self, name: &str) -> Result<(), LogsError> {
        let input = CreateLogGroupRequest {
            log_group_name: name.into(),
            ..Default::default()
        };
        groups::create(self.logs.clone(), context(), input).await.map(drop)
    }

    async fn create_stream(&self, group: &str, name: &str) -> Result<(), LogsError> {
        let input = CreateLogStreamRequest {
            log_group_name: group.into(),
            log_stream_name: name.into(),
        };
        streams::create(self.logs.clone(), context(), input).await.map(drop)
    }

    async fn put(&self, stream: &str, events: &[(i64, &str)]) -> Result<PutLogEventsResponse, LogsError> {
        let event = |&(timestamp, message): &(i64, &str)| InputLogEvent {
            timestamp,
            message: message.into(),
        };
        let input = PutLogEventsRequest {
            log_group_name: "g".into(),
            log_stream_name: stream.into(),
            log_events: events.iter().map(event).collect(),
            ..Default::default()
        };
        events::put(self.logs.clone(), context(), input).await
    }
}

fn open(dir: &std::path::Path, clock: &Arc<TestClock>) -> (Store, Arc<Logs>) {
    let store = Store::open_embedded(dir, EmbeddedOptions::default()).unwrap();
    let options = Options {
        flush_interval: Duration::from_millis(5),
        ..Options::default()
    };
    let logs = Logs::start(store.clone(), clock.clone(), options);
    (store, logs)
}

pub(crate) fn context() -> RequestContext {
    RequestContext {
        request_id: RequestId::new(),
        scope: Scope::default(),
        principal: Principal::Root(Scope::default().account),
        source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        secure: false,
        host: "localhost:4566".into(),
        user_agent: String::new(),
        facts: Default::default(),
    }
}

fn stream(name: &str) -> LogStreamName {
    LogStreamName {
        scope: Scope::default(),
        group: "g".into(),
        stream: name.into(),
    }
}

/// The code and the message that a client sees.
fn answer<T: std::fmt::Debug>(result: Result<T, LogsError>) -> (&'static str, String) {
    let error = ServiceError::from(result.unwrap_err());
    (error.code, error.message)
}
