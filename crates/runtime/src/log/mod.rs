//! A function's log, as CloudWatch shows it: what the process prints, cut into lines, between the platform's own
//! START, END and REPORT lines.

mod lines;
mod platform;
mod tail;

pub(crate) use lines::LineSplitter;
pub(crate) use platform::{PlatformLine, Report, Status};

use crate::{FunctionSpec, LogFormat};
use bytes::Bytes;
use danbi_core::{Clock, LogEvent, LogSink, LogStreamName, Timestamp};
use std::sync::Arc;
use tail::Tail;

/// Where an environment's lines go.
pub(crate) struct EnvironmentLog {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    stream: LogStreamName,
    spec: Arc<FunctionSpec>,
    tail: Option<Tail>,
}

impl EnvironmentLog {
    /// A new stream in the function's log group.
    pub(crate) fn open(spec: &Arc<FunctionSpec>, sink: Arc<dyn LogSink>, clock: Arc<dyn Clock>) -> Self {
        let stream = LogStreamName {
            scope: spec.scope.clone(),
            group: spec.log_group.clone(),
            stream: stream_name(&spec.version, clock.now()),
        };
        Self {
            sink,
            clock,
            stream,
            spec: spec.clone(),
            tail: None,
        }
    }

    /// The stream's name.
    pub(crate) fn stream(&self) -> &str {
        &self.stream.stream
    }

    /// From here on the last 4 KiB are kept for [`Self::take_tail`].
    pub(crate) fn begin_tail(&mut self) {
        self.tail = Some(Tail::default());
    }

    /// The last 4 KiB since [`Self::begin_tail`].
    pub(crate) fn take_tail(&mut self) -> Option<Bytes> {
        self.tail.take().map(Tail::into_bytes)
    }

    /// Cuts what the process printed into lines and hands the whole ones to the sink.
    pub(crate) fn printed(&mut self, splitter: &mut LineSplitter, chunk: &[u8]) {
        let timestamp = self.clock.now();
        let mut events = Vec::new();
        splitter.feed(chunk, |line| {
            events.push(LogEvent {
                timestamp,
                message: line,
            })
        });
        self.write(events);
    }

    /// Hands over what has no line end yet.
    pub(crate) fn flush(&mut self, splitter: &mut LineSplitter) {
        let timestamp = self.clock.now();
        if let Some(message) = splitter.finish() {
            self.write(vec![LogEvent { timestamp, message }]);
        }
    }

    /// Writes lines of the platform, those that the function's format and system log level let through.
    pub(crate) fn platform(&mut self, lines: &[PlatformLine<'_>]) {
        let timestamp = self.clock.now();
        let events = lines
            .iter()
            .filter_map(|line| match self.spec.log_format {
                LogFormat::Text => line.text(timestamp),
                LogFormat::Json => line.json(timestamp, &self.spec),
            })
            .map(|message| LogEvent { timestamp, message })
            .collect();
        self.write(events);
    }

    /// A line that AWS has no counterpart of (which interpreter runs, why an app was restarted).
    pub(crate) fn note(&mut self, message: impl Into<String>) {
        let timestamp = self.clock.now();
        self.write(vec![LogEvent {
            timestamp,
            message: message.into(),
        }]);
    }

    fn write(&mut self, events: Vec<LogEvent>) {
        if events.is_empty() {
            return;
        }
        if let Some(tail) = &mut self.tail {
            for event in &events {
                tail.push(&event.message);
            }
        }
        self.sink.write(&self.stream, events);
    }
}

/// `YYYY/MM/DD/[VERSION]32hex`, as Lambda names its streams.
fn stream_name(version: &str, now: Timestamp) -> String {
    let date = now.to_datetime();
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!(
        "{year:04}/{month:02}/{day:02}/[{version}]{}",
        uuid::Uuid::new_v4().simple()
    )
}

/// `2026-11-21T20:57:00.123Z`.
pub(crate) fn iso_millis(at: Timestamp) -> String {
    let date = at.to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.millisecond()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_names_carry_date_version_and_32_hex_digits() {
        let name = stream_name("$LATEST", Timestamp::from_millis(1_795_294_620_000));
        assert!(name.starts_with("2026/11/21/[$LATEST]"), "{name}");
        let hex = &name["2026/11/21/[$LATEST]".len()..];
        assert!(hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
        assert_eq!(
            iso_millis(Timestamp::from_millis(1_795_294_620_007)),
            "2026-11-21T20:57:00.007Z"
        );
    }
}
