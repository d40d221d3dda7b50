use crate::chunk::Event;
use crate::position::MAX_TIMESTAMP;
use danbi_core::{LogEvent, LogStreamName};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The longest line, in bytes; the rest of a longer one is cut off.
pub const MAX_LINE_BYTES: usize = 256 * 1024;
/// The longest name of a group or stream.
const MAX_NAME_BYTES: usize = 512;
/// What a waiting line takes beside its text.
const LINE_OVERHEAD: usize = 48;
/// Waiting bytes at which a flush does not wait for its time.
const PRESSING_BYTES: usize = 1024 * 1024;

/// The lines that functions and services have printed and that are not written yet: bounded, never waited for.
#[derive(Debug)]
pub(crate) struct SinkBuffer {
    state: Mutex<State>,
    limit: usize,
    filled: Notify,
    pressing: Notify,
}

#[derive(Debug, Default)]
struct State {
    streams: HashMap<LogStreamName, Waiting>,
    /// The names in `streams`, each once: whose turn it is.
    order: VecDeque<LogStreamName>,
    bytes: usize,
}

/// The waiting lines of one stream.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    lines: VecDeque<LogEvent>,
    bytes: usize,
    lost_lines: u64,
    lost_bytes: u64,
}

impl SinkBuffer {
    /// Holds at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            limit,
            filled: Notify::new(),
            pressing: Notify::new(),
        }
    }

    pub(crate) fn push(&self, stream: &LogStreamName, events: Vec<LogEvent>) {
        if events.is_empty() {
            return;
        }
        let fits = |name: &str| (1..=MAX_NAME_BYTES).contains(&name.len());
        if !(fits(&stream.group) && fits(&stream.stream)) {
            tracing::warn!(
                ?stream,
                lines = events.len(),
                "logs: lines for a name that no group or stream can have"
            );
            return;
        }
        let pressing = {
            let mut state = self.lock();
            if !state.streams.contains_key(stream) {
                state.streams.insert(stream.clone(), Waiting::default());
                state.order.push_back(stream.clone());
            }
            let mut added = 0;
            if let Some(waiting) = state.streams.get_mut(stream) {
                for mut event in events {
                    cut(&mut event.message);
                    added += cost(&event);
                    waiting.lines.push_back(event);
                }
                waiting.bytes += added;
            }
            state.bytes += added;
            state.shrink_to(self.limit);
            state.bytes >= PRESSING_BYTES
        };
        self.filled.notify_one();
        if pressing {
            self.pressing.notify_one();
        }
    }

    /// Resolves when lines were pushed since it resolved last.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Resolves when many lines wait.
    pub(crate) async fn pressing(&self) {
        self.pressing.notified().await;
    }

    /// Bytes that may wait.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().streams.is_empty()
    }

    /// Takes lines of up to `streams` streams and about `bytes` bytes, oldest first within each.
    pub(crate) fn take(&self, bytes: usize, streams: usize) -> Vec<(LogStreamName, Waiting)> {
        let mut state = self.lock();
        let mut taken = Vec::new();
        let mut room = bytes;
        while room > 0 && taken.len() < streams {
            let Some(name) = state.order.pop_front() else { break };
            let Some(mut waiting) = state.streams.remove(&name) else {
                continue;
            };
            let head = waiting.split_front(room);
            room = room.saturating_sub(head.bytes);
            state.bytes -= head.bytes;
            let more = !waiting.lines.is_empty();
            if more {
                state.streams.insert(name.clone(), waiting);
            }
            taken.push((name, head));
            if more {
                break;
            }
        }
        // A stream that could not be taken whole waits for its next turn behind the others.
        if let Some((name, _)) = taken.last().filter(|(name, _)| state.streams.contains_key(name)) {
            state.order.push_back(name.clone());
        }
        taken
    }

    /// Puts back, before all that came since, what could not be written.
    pub(crate) fn restore(&self, taken: Vec<(LogStreamName, Waiting)>) {
        let mut state = self.lock();
        for (name, mut head) in taken {
            state.bytes += head.bytes;
            if !state.streams.contains_key(&name) {
                state.order.push_front(name.clone());
            }
            let waiting = state.streams.entry(name).or_default();
            head.lines.append(&mut waiting.lines);
            head.bytes += waiting.bytes;
            head.lost_lines += waiting.lost_lines;
            head.lost_bytes += waiting.lost_bytes;
            *waiting = head;
        }
        state.shrink_to(self.limit);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves plain data behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the oldest lines of the noisiest stream go, an eighth of them at a time, until `limit` holds.
    fn shrink_to(&mut self, limit: usize) {
        while self.bytes > limit {
            let Some(noisiest) = self.streams.values_mut().max_by_key(|waiting| waiting.bytes) else {
                return;
            };
            let goal = noisiest.bytes - noisiest.bytes / 8;
            while noisiest.bytes >= goal {
                let Some(line) = noisiest.lines.pop_front() else { return };
                noisiest.bytes -= cost(&line);
                self.bytes -= cost(&line);
                noisiest.lost_lines += 1;
                noisiest.lost_bytes += line.message.len() as u64;
            }
        }
    }
}

impl Waiting {
    /// Takes lines from the front up to about `bytes`, with the account of what was lost before them.
    fn split_front(&mut self, bytes: usize) -> Self {
        if self.bytes <= bytes {
            return std::mem::take(self);
        }
        let mut head = Self {
            lost_lines: self.lost_lines,
            lost_bytes: self.lost_bytes,
            ..Self::default()
        };
        (self.lost_lines, self.lost_bytes) = (0, 0);
        while head.bytes < bytes {
            let Some(line) = self.lines.pop_front() else { break };
            let size = cost(&line);
            self.bytes -= size;
            head.bytes += size;
            head.lines.push_back(line);
        }
        head
    }

    /// The events to write, in the order of their times; the first one tells of lost lines when there are any.
    pub(crate) fn events(&self, now: i64) -> Vec<Event> {
        let mut events = Vec::with_capacity(self.lines.len() + 1);
        if self.lost_lines > 0 {
            let timestamp = self.lines.front().map_or(now, |line| line.timestamp.as_millis());
            let (lines, bytes) = (self.lost_lines, self.lost_bytes);
            let message = format!(
                "danbi: {lines} lines ({bytes} bytes) were lost here: they came faster than they could be stored"
            );
            events.push(Event {
                timestamp: timestamp.clamp(0, MAX_TIMESTAMP),
                message,
            });
        }
        events.extend(self.lines.iter().map(|line| Event {
            timestamp: line.timestamp.as_millis().clamp(0, MAX_TIMESTAMP),
            message: line.message.clone(),
        }));
        events.sort_by_key(|event| event.timestamp);
        events
    }
}

fn cost(event: &LogEvent) -> usize {
    event.message.len() + LINE_OVERHEAD
}

fn cut(message: &mut String) {
    message.truncate(message.floor_char_boundary(MAX_LINE_BYTES));
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::{Scope, Timestamp};

    fn stream(name: &str) -> LogStreamName {
        LogStreamName {
            scope: Scope::default(),
            group: "g".into(),
            stream: name.into(),
        }
    }

    fn lines(count: i64, length: usize) -> Vec<LogEvent> {
        (0..count)
            .map(|n| LogEvent {
                timestamp: Timestamp::from_millis(n),
                message: "x".repeat(length),
            })
            .collect()
    }

    #[test]
    fn the_noisiest_stream_gives_way_and_says_so() {
        let buffer = SinkBuffer::new(100_000);
        buffer.push(&stream("quiet"), lines(10, 10));
        buffer.push(&stream("noisy"), lines(1000, 200));
        assert!(buffer.lock().bytes <= 100_000);
        let taken: HashMap<_, _> = buffer.take(usize::MAX, 10).into_iter().collect();
        assert_eq!(taken[&stream("quiet")].events(0).len(), 10);
        let noisy = &taken[&stream("noisy")];
        let (lost, kept) = (noisy.lost_lines, noisy.lines.len() as u64);
        assert_eq!(lost + kept, 1000);
        let first = &noisy.events(0)[0];
        assert!(
            first
                .message
                .starts_with(&format!("danbi: {lost} lines ({} bytes) were lost here", lost * 200))
        );
        assert!(buffer.is_empty());
        assert_eq!(buffer.lock().bytes, 0);
    }

    #[test]
    fn what_could_not_be_written_goes_back_in_front() {
        let buffer = SinkBuffer::new(1 << 20);
        buffer.push(&stream("a"), lines(3, 1000));
        let taken = buffer.take(1500, 10);
        assert_eq!(taken[0].1.lines.len(), 2);
        buffer.restore(taken);
        let all = buffer.take(usize::MAX, 10);
        let times: Vec<_> = all[0].1.events(0).iter().map(|event| event.timestamp).collect();
        assert_eq!(times, [0, 1, 2]);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let mut line = "é".repeat(MAX_LINE_BYTES);
        cut(&mut line);
        assert_eq!(line.len(), MAX_LINE_BYTES);
    }
}
