use crate::{Scope, Timestamp};

/// A log stream, by the names that CloudWatch Logs gives its parts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogStreamName {
    /// Account and region.
    pub scope: Scope,
    /// Such as `/aws/lambda/my-function`.
    pub group: String,
    /// Such as `2026/11/21/[$LATEST]0123456789abcdef0123456789abcdef`.
    pub stream: String,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was written.
    pub timestamp: Timestamp,
    /// The text, without its line end; at most 256 KiB, longer ones are cut by the sink.
    pub message: String,
}

/// Takes what functions and services print. Implemented by `logs`.
pub trait LogSink: Send + Sync + 'static {
    /// Accepts events without waiting: group and stream are made when they do not exist. They become durable within a
    /// bounded time (200 ms by default) by a commit that many lines share. When the sink's buffer is full the oldest
    /// waiting lines of the noisiest stream give way, and the stream says how many.
    fn write(&self, stream: &LogStreamName, events: Vec<LogEvent>);
}
