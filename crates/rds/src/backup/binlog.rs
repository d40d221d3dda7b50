//! Where events of a binary log begin and end.
//!
//! Source: <https://mariadb.com/kb/en/2-binlog-event-header/>.

use crate::mysql::frame::Fields;

/// What a log begins with.
pub(crate) const MAGIC: &[u8; 4] = b"\xfebin";
const HEADER: usize = 19;

/// The whole events at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Events {
    /// Bytes of them.
    pub(crate) length: usize,
    /// Seconds since the epoch of the earliest and the latest.
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// When no event is whole: how long the first is.
    pub(crate) wanted: Option<usize>,
}

/// Reads bytes that begin with an event, or with a log's beginning if `is_start`.
pub(crate) fn events(bytes: &[u8], is_start: bool) -> Option<Events> {
    let mut events = Events::default();
    if is_start {
        if bytes.len() < MAGIC.len() {
            return Some(events);
        }
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        events.length = MAGIC.len();
    }
    while let Some(header) = bytes.get(events.length..events.length + HEADER) {
        let mut fields = Fields(header);
        let seconds = i64::from(fields.u32()?);
        fields.take(5)?;
        let size = usize::try_from(fields.u32()?).ok()?;
        if size < HEADER {
            return None;
        }
        if bytes.len() - events.length < size {
            events.wanted = Some(size);
            break;
        }
        // Events that the server makes for itself have no time.
        if seconds != 0 {
            events.first = Some(events.first.map_or(seconds, |first| first.min(seconds)));
            events.last = Some(events.last.map_or(seconds, |last| last.max(seconds)));
        }
        events.length += size;
    }
    Some(events)
}

/// The number of a log by its name, such as `log.000012`.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("log.")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The name of a log by its number.
pub(crate) fn name(number: u64) -> String {
    format!("log.{number:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seconds: u32, size: usize) -> Vec<u8> {
        let mut event = seconds.to_le_bytes().to_vec();
        event.extend([2, 1, 0, 0, 0]);
        event.extend(u32::try_from(size).unwrap().to_le_bytes());
        event.resize(size, 0);
        event
    }

    #[test]
    fn only_whole_events_count() {
        let mut log = MAGIC.to_vec();
        log.extend(event(100, 30));
        log.extend(event(105, 25));
        let whole = log.len();
        log.extend(&event(110, 40)[..39]);
        let found = events(&log, true).unwrap();
        assert_eq!((found.length, found.first, found.last), (whole, Some(100), Some(105)));
        assert_eq!(events(&log[4..], false).unwrap().length, whole - 4);
        assert_eq!(events(b"\xfeb", true).unwrap().length, 0);
        assert!(events(b"nonsense of some length..", true).is_none());
        assert!(events(&event(1, 19)[..18], false).unwrap().length == 0);
        let mut broken = event(1, 19);
        broken[9] = 3;
        assert!(events(&broken, false).is_none());
    }

    #[test]
    fn names_have_numbers() {
        assert_eq!(number(&name(7)), Some(7));
        assert_eq!(number("log.1000000"), Some(1_000_000));
        for other in ["log.index", "log.", "log.state", "x.000001"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
