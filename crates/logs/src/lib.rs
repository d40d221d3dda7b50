//! CloudWatch Logs: groups, streams and their events, kept in the [`Store`].
//!
//! # Table of contents
//! [`Logs::service`] lists every operation beside the question it puts to the authorizer (`access`) and its room:
//! `groups`, `streams`, `events` (put, get), `filter`, `retention`, `tags`, `live_tail`. What functions
//! print arrives by [`LogSink::write`] (`sink`). Below them: `writer` (the one owner of writes), `append`, `read`,
//! `sweep` (removal), `chunk` (how events lie in a value), `keys` (the layout) and [`pattern`] (the filter
//! language).
//!
//! # Promises
//! - Events that `PutLogEvents` acknowledged are on disk.
//! - A line given to the sink is stored within [`Options::flush_interval`] by a commit that all waiting lines share, and
//!   durable one relaxed flush of the store later. `write` never waits. When lines come faster than they can be stored,
//!   the oldest of the noisiest stream give way, and the stream says how many.
//! - Events of a group have one order: time, then ingestion. An event's id is its place in it.
//! - Reading a range of time touches the chunks of that range and a few seconds before it. Memory and work of a request
//!   are bounded, however long a stream and however many streams a group has.
//! - Events past a group's retention are not shown, and are removed by a background owner; so is the data of deleted
//!   groups and streams, also after a crash.
//!
//! # Never
//! - It does not know what prints the lines, and never asks another service.
//! - It does not evaluate Insights queries, and has no metric or subscription filters: those operations are answered as
//!   not built by the wire.
//! - Chunks are not merged: a stream that prints a line now and then has many small ones. The place to merge them, into
//!   blobs when they are old, is the sweeper; a chunk's key and header already tell all that needs to know.

mod access;
mod append;
mod chunk;
mod error;
mod events;
mod filter;
mod groups;
mod keys;
mod live_tail;
pub mod metric_shapes;
pub mod metrics;
mod names;
pub mod pattern;
mod position;
mod read;
mod records;
mod retention;
pub mod shapes;
mod sink;
mod streams;
mod sweep;
mod tags;
mod token;
mod writer;

pub use chunk::ChunkError;
pub use error::LogsError;
pub use sink::MAX_LINE_BYTES;

use crate::live_tail::Tails;
use crate::position::Sequence;
use crate::sink::SinkBuffer;
use crate::sweep::Sweeper;
use crate::writer::{Writer, WriterTask};
use danbi_core::{Clock, LogEvent, LogSink, LogStreamName};
use danbi_store::{Snapshot, Store};
use danbi_wire::Service;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// How long a reader waits for lines that are still being stored.
const RECENT_TIMEOUT: Duration = Duration::from_secs(1);

/// How logs are kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a printed line waits for others to share a commit with.
    pub flush_interval: Duration,
    /// Bytes of printed lines that may wait, all streams together.
    pub sink_bytes: usize,
    /// How often events past their retention are looked for.
    pub sweep_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_millis(100),
            sink_bytes: 32 * 1024 * 1024,
            sweep_interval: Duration::from_secs(600),
        }
    }
}

/// CloudWatch Logs. Give [`Logs::service`] to the wire and the value itself, as a [`LogSink`], to whoever prints.
pub struct Logs {
    store: Store,
    clock: Arc<dyn Clock>,
    writer: Writer,
    sink: Arc<SinkBuffer>,
    tails: Tails,
    sweep: Arc<Notify>,
    tasks: Tasks,
}

/// The background work, aborted when its owner goes.
struct Tasks {
    writer: Mutex<Option<JoinHandle<()>>>,
    sweeper: JoinHandle<()>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Logs {
    /// Starts the writer and the sweeper; must be called within a Tokio runtime. End with [`Logs::drain`].
    pub fn start(store: Store, clock: Arc<dyn Clock>, options: Options) -> Arc<Self> {
        let sink = Arc::new(SinkBuffer::new(options.sink_bytes));
        let tails = Tails::new();
        let task = WriterTask {
            store: store.clone(),
            clock: Arc::clone(&clock),
            sink: Arc::clone(&sink),
            tails: tails.clone(),
            sequence: Sequence::new(append::random()),
            flush_interval: options.flush_interval,
        };
        let (writer, writing) = task.start();
        let sweep = Arc::new(Notify::new());
        let sweeper = Sweeper {
            store: store.clone(),
            clock: Arc::clone(&clock),
            wake: Arc::clone(&sweep),
            interval: options.sweep_interval,
        };
        let tasks = Tasks {
            writer: Mutex::new(Some(tokio::spawn(writing))),
            sweeper: tokio::spawn(sweeper.run()),
        };
        Arc::new(Self {
            store,
            clock,
            writer,
            sink,
            tails,
            sweep,
            tasks,
        })
    }

    /// A view that holds what was printed before: who reads the log of a request that was just answered finds it there.
    async fn recent(&self) -> Result<Snapshot, LogsError> {
        if tokio::time::timeout(RECENT_TIMEOUT, self.writer.flush()).await.is_err() {
            tracing::warn!("logs: the newest lines are slow to store; a reader goes on without them");
        }
        Ok(self.store.snapshot().await?)
    }

    /// Returns when every line that was given to the sink before is on disk (or the store has refused it).
    pub async fn flush(&self) {
        self.writer.flush().await;
    }

    /// Ends the Live Tail sessions, which would otherwise keep a stopping server's connections open for hours.
    pub fn end_sessions(&self) {
        self.tails.end();
    }

    /// Ends the sessions, stores what waits and ends the background work. Lines written later are not stored.
    pub async fn drain(&self) {
        self.end_sessions();
        self.tasks.sweeper.abort();
        self.writer.stop().await;
        let writing = self.tasks.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing
            && let Err(error) = writing.await
        {
            tracing::error!(%error, "logs: the writer failed");
        }
    }

    /// The operations, each with what it asks the authorizer for.
    pub fn service(self: &Arc<Self>) -> Service {
        use crate::shapes::operations as op;
        Service::builder(&danbi_wire::models::LOGS, Arc::clone(self))
            .on(op::CreateLogGroup, access::create_group, groups::create)
            .on(op::DeleteLogGroup, access::delete_group, groups::delete)
            .on(op::DescribeLogGroups, access::describe_groups, groups::describe)
            .on(op::ListLogGroups, access::list_groups, groups::list)
            .on(op::CreateLogStream, access::create_stream, streams::create)
            .on(op::DeleteLogStream, access::delete_stream, streams::delete)
            .on(op::DescribeLogStreams, access::describe_streams, streams::describe)
            .on(op::PutLogEvents, access::put_events, events::put)
            .on(op::GetLogEvents, access::get_events, events::get)
            .on(op::FilterLogEvents, access::filter_events, filter::filter)
            .on(op::TestMetricFilter, access::test_filter, filter::test)
            .on_stream(op::StartLiveTail, access::live_tail, live_tail::start)
            .on(op::PutRetentionPolicy, access::put_retention, retention::put)
            .on(op::DeleteRetentionPolicy, access::delete_retention, retention::delete)
            .on(op::TagLogGroup, access::tag_group, tags::tag_group)
            .on(op::UntagLogGroup, access::untag_group, tags::untag_group)
            .on(op::ListTagsLogGroup, access::list_group_tags, tags::list_group)
            .on(op::TagResource, access::tag_resource, tags::tag_resource)
            .on(op::UntagResource, access::untag_resource, tags::untag_resource)
            .on(op::ListTagsForResource, access::list_resource_tags, tags::list_resource)
            .build()
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    fn wake_sweeper(&self) {
        self.sweep.notify_one();
    }
}

impl LogSink for Logs {
    fn write(&self, stream: &LogStreamName, events: Vec<LogEvent>) {
        self.sink.push(stream, events);
    }
}

#[cfg(test)]
mod tests;
