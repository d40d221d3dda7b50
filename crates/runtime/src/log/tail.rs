use bytes::Bytes;
use std::collections::VecDeque;

/// What `LogType=Tail` returns at most.
const TAIL_BYTES: usize = 4 * 1024;

/// The last bytes of one event's log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
}

impl Tail {
    /// Adds a message and its line end.
    pub(super) fn push(&mut self, message: &str) {
        let message = message.as_bytes();
        let kept = &message[message.len().saturating_sub(TAIL_BYTES)..];
        self.bytes.extend(kept);
        self.bytes.push_back(b'\n');
        let excess = self.bytes.len().saturating_sub(TAIL_BYTES);
        self.bytes.drain(..excess);
    }

    /// At most [`TAIL_BYTES`], the newest.
    pub(super) fn into_bytes(self) -> Bytes {
        Vec::from(self.bytes).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_4_kib_are_kept() {
        let mut tail = Tail::default();
        tail.push(&"x".repeat(100_000));
        tail.push("END");
        let bytes = tail.into_bytes();
        assert_eq!(bytes.len(), TAIL_BYTES);
        assert!(bytes.ends_with(b"x\nEND\n"));
    }
}
