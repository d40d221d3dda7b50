//! From the bytes of an object, as they come, to records: lines of JSON, or of CSV, whose quoted fields may hold line
//! ends.

use flate2::write::MultiGzDecoder;
use std::io::Write;

/// The longest record: an item has at most 400 KB, and its JSON seldom twice that.
pub(super) const MAX_RECORD: usize = 4 * 1024 * 1024;
/// Compressed bytes that are inflated at once: they may become a thousand times as many.
pub(super) const INFLATED_AT_ONCE: usize = 4 * 1024;

/// Takes the compression away.
pub(super) enum Inflate {
    /// There is none.
    Plain,
    /// Gzip, also several streams one after the other.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

/// The object is not compressed as was said.
#[derive(Debug)]
pub(super) struct Corrupt;

impl Inflate {
    pub(super) fn new(gzip: bool) -> Self {
        match gzip {
            true => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            false => Self::Plain,
        }
    }

    /// What some more bytes add to the content.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, Corrupt> {
        match self {
            Self::Plain => Ok(piece.to_vec()),
            Self::Gzip(decoder) => {
                decoder.write_all(piece).map_err(|_| Corrupt)?;
                Ok(std::mem::take(decoder.get_mut()))
            }
        }
    }

    /// What is left when there are no more bytes.
    pub(super) fn finish(self) -> Result<Vec<u8>, Corrupt> {
        match self {
            Self::Plain => Ok(Vec::new()),
            Self::Gzip(decoder) => decoder.finish().map_err(|_| Corrupt),
        }
    }
}

/// A record, and how much of the content it and its line end took.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The record without its line end; `None` when it was too long to be one.
    pub text: Option<Vec<u8>>,
    /// Bytes of the content up to the next record.
    pub bytes: u64,
}

/// Cuts content into records.
pub(super) struct Records {
    quotes: bool,
    buffer: Vec<u8>,
    /// How much of the buffer holds no record's end.
    seen: usize,
    within_quotes: bool,
    /// Bytes of a record that is too long, and of which nothing is kept.
    dropped: u64,
}

impl Records {
    /// `quotes`: whether a line end may stand within quotes.
    pub(super) fn new(quotes: bool) -> Self {
        Self {
            quotes,
            buffer: Vec::new(),
            seen: 0,
            within_quotes: false,
            dropped: 0,
        }
    }

    pub(super) fn push(&mut self, content: &[u8]) {
        self.buffer.extend_from_slice(content);
    }

    /// The next record whose end is there.
    pub(super) fn next(&mut self) -> Option<Record> {
        while self.seen < self.buffer.len() {
            match self.buffer[self.seen] {
                b'"' if self.quotes => self.within_quotes = !self.within_quotes,
                b'\n' if !self.within_quotes => {
                    let rest = self.buffer.split_off(self.seen + 1);
                    let record = std::mem::replace(&mut self.buffer, rest);
                    self.seen = 0;
                    return Some(self.record(record));
                }
                _ => {}
            }
            self.seen += 1;
        }
        if self.buffer.len() > MAX_RECORD {
            self.dropped += self.buffer.len() as u64;
            self.buffer.clear();
            self.seen = 0;
        }
        None
    }

    /// The last record, which need not end with its line.
    pub(super) fn last(&mut self) -> Option<Record> {
        if self.buffer.is_empty() && self.dropped == 0 {
            return None;
        }
        let record = std::mem::take(&mut self.buffer);
        self.seen = 0;
        Some(self.record(record))
    }

    fn record(&mut self, mut text: Vec<u8>) -> Record {
        let bytes = text.len() as u64 + self.dropped;
        let too_long = self.dropped > 0;
        self.dropped = 0;
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        if text.last() == Some(&b'\r') {
            text.pop();
        }
        Record {
            text: (!too_long).then_some(text),
            bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&str], quotes: bool) -> Vec<(String, u64)> {
        let mut records = Records::new(quotes);
        let mut found = Vec::new();
        let mut keep = |record: Record| found.push((String::from_utf8(record.text.unwrap()).unwrap(), record.bytes));
        for piece in pieces {
            records.push(piece.as_bytes());
            while let Some(record) = records.next() {
                keep(record);
            }
        }
        if let Some(record) = records.last() {
            keep(record);
        }
        found
    }

    #[test]
    fn records_end_with_lines_wherever_the_pieces_end() {
        let expected = [
            ("ab".to_owned(), 3),
            ("c".to_owned(), 3),
            (String::new(), 1),
            ("d".to_owned(), 1),
        ];
        assert_eq!(cut(&["ab\nc\r\n\nd"], false), expected);
        assert_eq!(cut(&["a", "b", "\nc\r", "\n\n", "d"], false), expected);
        assert_eq!(cut(&["a\n"], false), [("a".to_owned(), 2)]);
    }

    #[test]
    fn a_line_end_within_quotes_is_none_where_there_are_quotes() {
        assert_eq!(cut(&["a,\"b\n", "c\"\nd"], true).len(), 2);
        assert_eq!(cut(&["a,\"b\n", "c\"\nd"], false).len(), 3);
    }

    #[test]
    fn a_record_that_is_too_long_is_counted_and_not_kept() {
        let mut records = Records::new(false);
        let long = vec![b'x'; MAX_RECORD + 1];
        records.push(&long);
        assert_eq!(records.next(), None);
        records.push(b"y\nz\n");
        let bytes = long.len() as u64 + 2;
        assert_eq!(records.next(), Some(Record { text: None, bytes }));
        assert_eq!(records.next().unwrap().text.unwrap(), b"z");
    }

    #[test]
    fn what_is_not_gzip_is_said_to_be_corrupt() {
        let mut inflate = Inflate::new(true);
        let wrong = inflate.push(b"this is no gzip at all").is_err() || inflate.finish().is_err();
        assert!(wrong);
    }
}
