/// The longest message, 256 KiB: CloudWatch Logs' limit of one event. A longer line is cut into several.
const MAX_LINE: usize = 256 * 1024;

/// Before a line end it says that the message goes on: the embedded bootstraps mark the inner lines of one log record
/// with it, as AWS's keep them together by framing. ASCII's unit separator, which no text contains.
const CONTINUES: u8 = 0x1f;

/// Cuts what a process prints into messages. Holds at most [`MAX_LINE`] bytes.
#[derive(Debug, Default)]
pub(crate) struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes what was read and gives every message that it completes to `emit`, without the line end.
    pub(crate) fn feed(&mut self, chunk: &[u8], mut emit: impl FnMut(String)) {
        let mut rest = chunk;
        while let Some(at) = rest.iter().position(|&b| b == b'\n') {
            self.take(&rest[..at], &mut emit);
            rest = &rest[at + 1..];
            if self.partial.last() == Some(&CONTINUES) {
                self.partial.pop();
                self.partial.push(b'\n');
            } else {
                emit(to_text(&self.partial));
                self.partial.clear();
            }
        }
        self.take(rest, &mut emit);
    }

    /// What is left without a line end.
    pub(crate) fn finish(&mut self) -> Option<String> {
        let message = (!self.partial.is_empty()).then(|| to_text(&self.partial));
        self.partial.clear();
        message
    }

    fn take(&mut self, mut piece: &[u8], emit: &mut impl FnMut(String)) {
        while self.partial.len() + piece.len() > MAX_LINE {
            let cut = char_boundary(piece, MAX_LINE - self.partial.len());
            self.partial.extend_from_slice(&piece[..cut]);
            piece = &piece[cut..];
            emit(to_text(&self.partial));
            self.partial.clear();
        }
        self.partial.extend_from_slice(piece);
    }
}

/// The largest cut at or below `at` that does not split a UTF-8 sequence.
fn char_boundary(bytes: &[u8], at: usize) -> usize {
    let lowest = at.saturating_sub(3);
    (lowest..=at)
        .rev()
        .find(|&i| bytes.get(i).is_none_or(|b| b & 0xc0 != 0x80))
        .unwrap_or(at)
}

fn to_text(bytes: &[u8]) -> String {
    let line = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, |line| lines.push(line));
        }
        lines.extend(splitter.finish());
        lines
    }

    #[test]
    fn lines_are_cut_wherever_the_reads_fall() {
        assert_eq!(split(&[b"a\nb\n"]), ["a", "b"]);
        assert_eq!(split(&[b"a", b"b\n", b"\nc"]), ["ab", "", "c"]);
        assert_eq!(split(&[b"another\rline\r\n"]), ["another\rline"]);
    }

    #[test]
    fn a_marked_line_end_keeps_a_record_together() {
        assert_eq!(
            split(&[b"first\x1f\nsecond\x1f", b"\nthird\nnext\n"]),
            ["first\nsecond\nthird", "next"]
        );
    }

    #[test]
    fn an_endless_line_costs_bounded_memory_and_splits_between_characters() {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        let chunk = "é".repeat(33_333);
        for _ in 0..20 {
            splitter.feed(chunk.as_bytes(), |line| lines.push(line));
            assert!(splitter.partial.len() <= MAX_LINE);
        }
        lines.extend(splitter.finish());
        assert!(
            lines
                .iter()
                .all(|line| line.len() <= MAX_LINE && line.chars().all(|c| c == 'é'))
        );
        assert_eq!(lines.iter().map(String::len).sum::<usize>(), chunk.len() * 20);
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced() {
        assert_eq!(split(&[b"\xff\xfe\n"]), ["\u{fffd}\u{fffd}"]);
    }
}
