//! Records of CSV, as bytes come in.

use bytes::{Buf, BytesMut};

use super::error::refused;
use crate::shapes::CSVInput;
use crate::{Error, Result};

/// The longest record, in bytes: AWS's 1 MB.
pub(super) const MAX_RECORD_BYTES: usize = 1 << 20;

/// What the first record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    None,
    /// Passed over.
    Ignore,
    /// The names of the columns.
    Use,
}

/// Takes CSV apart. Holds one record.
pub(super) struct CsvReader {
    record_end: Vec<u8>,
    field_end: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    comment: Option<u8>,
    quoted_record_ends: bool,
    buffer: BytesMut,
    /// Up to where the buffer was looked through.
    scanned: usize,
    quoted: bool,
    /// Where in the input the buffer begins.
    pub(super) offset: u64,
}

/// One byte of a setting; nothing when it is set to nothing.
fn one_byte(name: &str, given: Option<&str>, default: u8) -> Result<Option<u8>> {
    match given.map(str::as_bytes) {
        None => Ok(Some(default)),
        Some([]) => Ok(None),
        Some([byte]) => Ok(Some(*byte)),
        Some(_) => Err(parameter(name)),
    }
}

/// A setting that is none.
pub(super) fn parameter(name: &str) -> Error {
    refused(
        "InvalidRequestParameter",
        format!("The value of a parameter in {name} element is invalid."),
    )
}

impl CsvReader {
    pub(super) fn new(input: &CSVInput) -> Result<Self> {
        let record_end = input.record_delimiter.as_deref().unwrap_or("\n").as_bytes().to_vec();
        if record_end.is_empty() || record_end.len() > 2 {
            return Err(parameter("RecordDelimiter"));
        }
        let quote = one_byte("QuoteCharacter", input.quote_character.as_deref(), b'"')?;
        Ok(Self {
            record_end,
            field_end: one_byte("FieldDelimiter", input.field_delimiter.as_deref(), b',')?
                .ok_or_else(|| parameter("FieldDelimiter"))?,
            quote,
            escape: one_byte("QuoteEscapeCharacter", input.quote_escape_character.as_deref(), b'"')?,
            comment: match input.comments.as_deref() {
                None => None,
                given => one_byte("Comments", given, b'#')?,
            },
            quoted_record_ends: input.allow_quoted_record_delimiter == Some(true),
            buffer: BytesMut::new(),
            scanned: 0,
            quoted: false,
            offset: 0,
        })
    }

    pub(super) fn header(input: &CSVInput) -> Result<Header> {
        match input.file_header_info.as_deref() {
            None | Some("NONE") => Ok(Header::None),
            Some("IGNORE") => Ok(Header::Ignore),
            Some("USE") => Ok(Header::Use),
            Some(_) => Err(refused(
                "InvalidFileHeaderInfo",
                "The FileHeaderInfo is invalid. Only NONE, USE, and IGNORE are supported.",
            )),
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Passes over everything up to the end of the record that is under way. True once it was found.
    pub(super) fn skip_record(&mut self) -> bool {
        let Some(end) = self.find_end() else { return false };
        self.consume(end + self.record_end.len());
        true
    }

    /// The next record's fields, put into `fields`; nothing when more bytes are needed. `last`: no more come.
    ///
    /// # Errors
    /// `OverMaxRecordSize`, `InvalidTextEncoding`.
    pub(super) fn next(&mut self, last: bool, fields: &mut Vec<String>) -> Result<bool> {
        loop {
            let (end, with_delimiter) = match self.find_end() {
                Some(end) => (end, end + self.record_end.len()),
                None if last && !self.buffer.is_empty() => (self.buffer.len(), self.buffer.len()),
                None => {
                    if self.buffer.len() > MAX_RECORD_BYTES {
                        return Err(too_long());
                    }
                    return Ok(false);
                }
            };
            if end > MAX_RECORD_BYTES {
                return Err(too_long());
            }
            let mut record = &self.buffer[..end];
            if self.record_end == b"\n" {
                record = record.strip_suffix(b"\r").unwrap_or(record);
            }
            let passed_over = record.is_empty() || self.comment.is_some_and(|comment| record[0] == comment);
            if !passed_over {
                split(record, self.field_end, self.quote, self.escape, fields)?;
            }
            self.consume(with_delimiter);
            if !passed_over {
                return Ok(true);
            }
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.offset += bytes as u64;
        self.scanned = 0;
        self.quoted = false;
    }

    /// Where the record ends, if that came in already.
    fn find_end(&mut self) -> Option<usize> {
        let first = self.record_end[0];
        while self.scanned < self.buffer.len() {
            let byte = self.buffer[self.scanned];
            if self.quoted_record_ends {
                if self.quoted && Some(byte) == self.escape && self.escape != self.quote {
                    // Whatever is escaped is no quote. It may not have come yet.
                    if self.scanned + 1 >= self.buffer.len() {
                        return None;
                    }
                    self.scanned += 2;
                    continue;
                }
                if Some(byte) == self.quote {
                    self.quoted = !self.quoted;
                }
            }
            if byte == first && !self.quoted {
                let rest = &self.buffer[self.scanned..];
                if rest.len() < self.record_end.len() {
                    return None;
                }
                if rest.starts_with(&self.record_end) {
                    return Some(self.scanned);
                }
            }
            self.scanned += 1;
        }
        None
    }
}

fn too_long() -> Error {
    let message = "The length of a record in the input or result is greater than the maxCharsPerRecord limit of 1 MB.";
    refused("OverMaxRecordSize", message)
}

fn split(record: &[u8], end: u8, quote: Option<u8>, escape: Option<u8>, fields: &mut Vec<String>) -> Result<()> {
    let mut count = 0;
    let mut field = Vec::new();
    let mut at = 0;
    loop {
        field.clear();
        if at < record.len() && Some(record[at]) == quote {
            at += 1;
            while at < record.len() {
                let byte = record[at];
                let next = record.get(at + 1).copied();
                if Some(byte) == escape && next.is_some() && (escape != quote || next == quote) {
                    field.push(next.unwrap_or_default());
                    at += 2;
                } else if Some(byte) == quote {
                    at += 1;
                    break;
                } else {
                    field.push(byte);
                    at += 1;
                }
            }
        }
        while at < record.len() && record[at] != end {
            field.push(record[at]);
            at += 1;
        }
        let text = std::str::from_utf8(&field).map_err(|_| {
            refused(
                "InvalidTextEncoding",
                "Invalid encoding type. Only UTF-8 encoding is supported.",
            )
        })?;
        // Texts of the record before are written over, so that a record costs no allocation.
        match fields.get_mut(count) {
            Some(kept) => {
                kept.clear();
                kept.push_str(text);
            }
            None => fields.push(text.to_owned()),
        }
        count += 1;
        if at >= record.len() {
            fields.truncate(count);
            return Ok(());
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(input: CSVInput, text: &str, step: usize) -> Vec<Vec<String>> {
        let mut reader = CsvReader::new(&input).unwrap();
        let (mut found, mut fields) = (Vec::new(), Vec::new());
        for piece in text.as_bytes().chunks(step) {
            reader.push(piece);
            while reader.next(false, &mut fields).unwrap() {
                found.push(fields.clone());
            }
        }
        while reader.next(true, &mut fields).unwrap() {
            found.push(fields.clone());
        }
        found
    }

    #[test]
    fn fields_quotes_and_ends() {
        let text = "a,b\r\n\"x,1\",\"say \"\"hi\"\"\"\n\n,\nlast,one";
        let expected = [
            vec!["a", "b"],
            vec!["x,1", "say \"hi\""],
            vec!["", ""],
            vec!["last", "one"],
        ];
        for step in [1, 2, 3, 100] {
            assert_eq!(records(CSVInput::default(), text, step), expected, "{step}");
        }
        let quoted = CSVInput {
            allow_quoted_record_delimiter: Some(true),
            quote_escape_character: Some("\\".into()),
            record_delimiter: Some("||".into()),
            field_delimiter: Some(";".into()),
            comments: Some("#".into()),
            ..CSVInput::default()
        };
        for step in [1, 2, 100] {
            let found = records(quoted.clone(), "#no||\"a||b\\\"\";c||d;|e", step);
            assert_eq!(found, [vec!["a||b\"", "c"], vec!["d", "|e"]], "{step}");
        }
    }

    #[test]
    fn a_record_has_a_bound() {
        let mut reader = CsvReader::new(&CSVInput::default()).unwrap();
        reader.push(&vec![b'x'; MAX_RECORD_BYTES + 1]);
        let error = reader.next(false, &mut Vec::new()).unwrap_err();
        assert_eq!(error.code(), Some("OverMaxRecordSize"));
    }
}
