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
    /// Whether several events print here at once.
    shared: bool,
    /// By request id; one at most where events come one at a time.
    tails: Vec<(String, Tail)>,
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
            shared: spec.places() > 1,
            tails: Vec::new(),
        }
    }

    /// The stream's name.
    pub(crate) fn stream(&self) -> &str {
        &self.stream.stream
    }

    /// From here on the last 4 KiB of the event's log are kept for [`Self::take_tail`].
    pub(crate) fn begin_tail(&mut self, request_id: &str) {
        self.tails.retain(|(id, _)| id != request_id);
        self.tails.push((request_id.to_owned(), Tail::default()));
    }

    /// The last 4 KiB since [`Self::begin_tail`]: the event's own lines, and those of which nobody knows whose they are.
    pub(crate) fn take_tail(&mut self, request_id: &str) -> Option<Bytes> {
        let at = self.tails.iter().position(|(id, _)| id == request_id)?;
        Some(self.tails.swap_remove(at).1.into_bytes())
    }

    /// Cuts what the process printed into lines and hands the whole ones to the sink.
    pub(crate) fn printed(&mut self, splitter: &mut LineSplitter, chunk: &[u8]) {
        let (shared, format) = (self.shared, self.spec.log_format);
        let mut lines = Vec::new();
        splitter.feed(chunk, |line| lines.push(Line::printed(line, shared, format)));
        self.write(lines);
    }

    /// Hands over what has no line end yet.
    pub(crate) fn flush(&mut self, splitter: &mut LineSplitter) {
        if let Some(line) = splitter.finish() {
            self.write(vec![Line::printed(line, self.shared, self.spec.log_format)]);
        }
    }

    /// Writes lines of the platform, those that the function's format and system log level let through.
    pub(crate) fn platform(&mut self, lines: &[PlatformLine<'_>]) {
        let timestamp = self.clock.now();
        let written = lines.iter().filter_map(|line| {
            let message = match self.spec.log_format {
                LogFormat::Text => line.text(timestamp),
                LogFormat::Json => line.json(timestamp, &self.spec),
            }?;
            let request_id = line.request_id().map(str::to_owned);
            Some(Line { request_id, message })
        });
        let written = written.collect();
        self.write(written);
    }

    /// A line that AWS has no counterpart of (which interpreter runs, why an app was restarted).
    pub(crate) fn note(&mut self, message: impl Into<String>) {
        self.write(vec![Line {
            request_id: None,
            message: message.into(),
        }]);
    }

    fn write(&mut self, lines: Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let timestamp = self.clock.now();
        for line in &lines {
            for (request_id, tail) in &mut self.tails {
                if line.request_id.as_ref().is_none_or(|id| id == request_id) {
                    tail.push(&line.message);
                }
            }
        }
        let events = lines
            .into_iter()
            .map(|Line { message, .. }| LogEvent { timestamp, message });
        self.sink.write(&self.stream, events.collect());
    }
}

/// Around a request id at the begin of a line: the embedded bootstraps say with it which event printed the line, where
/// there are several. ASCII's group separator.
const WHOSE: char = '\u{1d}';

struct Line {
    request_id: Option<String>,
    message: String,
}

impl Line {
    /// What a process printed. Among lines of several events a bare one is given the id of its own.
    fn printed(line: String, shared: bool, format: LogFormat) -> Self {
        let said = line.strip_prefix(WHOSE).filter(|_| shared);
        let Some((id, message)) = said.and_then(|said| said.split_once(WHOSE)) else {
            return Self {
                request_id: None,
                message: line,
            };
        };
        let bare = format == LogFormat::Text && !message.starts_with('{') && !message.contains(id);
        Self {
            request_id: Some(id.to_owned()),
            message: if bare {
                format!("{id}\t{message}")
            } else {
                message.to_owned()
            },
        }
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

    #[test]
    fn a_line_among_several_events_says_whose_it_is() {
        let printed = |text: &str, shared| {
            let line = Line::printed(text.to_owned(), shared, LogFormat::Text);
            (line.request_id, line.message)
        };
        let id = || Some("id-1".to_owned());
        assert_eq!(printed("\u{1d}id-1\u{1d}hello", true), (id(), "id-1\thello".into()));
        assert_eq!(
            printed("\u{1d}id-1\u{1d}INFO id-1 hello", true),
            (id(), "INFO id-1 hello".into())
        );
        assert_eq!(printed("\u{1d}id-1\u{1d}{\"a\":1}", true), (id(), "{\"a\":1}".into()));
        assert_eq!(printed("hello", true), (None, "hello".into()));
        assert_eq!(printed("\u{1d}id-1", true), (None, "\u{1d}id-1".into()));
        let untouched = "\u{1d}id-1\u{1d}hello";
        assert_eq!(printed(untouched, false), (None, untouched.into()));
    }
}
