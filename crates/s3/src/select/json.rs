//! Values of JSON, as bytes come in.

use bytes::{Buf, BytesMut};
use serde_json::Value;

use super::ast::Step;
use super::csv::MAX_RECORD_BYTES;
use super::error::refused;
use super::eval::member;
use crate::Result;

/// The longest document, in bytes. A line is held to the bound of a record.
const MAX_DOCUMENT_BYTES: usize = 32 << 20;

/// Takes a sequence of JSON values apart. Holds one value.
pub(super) struct JsonReader {
    lines: bool,
    buffer: BytesMut,
    scanned: usize,
    depth: usize,
    in_text: bool,
    escaped: bool,
    begun: bool,
    /// Where in the input the buffer begins.
    pub(super) offset: u64,
}

impl JsonReader {
    pub(super) fn new(lines: bool) -> Self {
        Self {
            lines,
            buffer: BytesMut::new(),
            scanned: 0,
            depth: 0,
            in_text: false,
            escaped: false,
            begun: false,
            offset: 0,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Passes over everything up to the end of the line that is under way. True once it was found.
    pub(super) fn skip_line(&mut self) -> bool {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            return false;
        };
        self.consume(end + 1);
        true
    }

    /// The next value; nothing when more bytes are needed. `last`: no more come.
    ///
    /// # Errors
    /// `OverMaxRecordSize`, `JSONParsingError`.
    pub(super) fn next(&mut self, last: bool) -> Result<Option<Value>> {
        loop {
            let space = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if !self.begun && space > 0 {
                self.buffer.advance(space);
                self.offset += space as u64;
            }
            let end = match self.find_end() {
                Some(end) => end,
                None if last && !self.buffer.is_empty() => self.buffer.len(),
                None => {
                    let most = if self.lines {
                        MAX_RECORD_BYTES
                    } else {
                        MAX_DOCUMENT_BYTES
                    };
                    if self.buffer.len() > most {
                        let message = "The length of a record in the input or result is greater than the \
                                       maxCharsPerRecord limit of 1 MB.";
                        return Err(refused("OverMaxRecordSize", message));
                    }
                    return Ok(None);
                }
            };
            let text = &self.buffer[..end];
            if text.iter().all(u8::is_ascii_whitespace) {
                if end == 0 {
                    return Ok(None);
                }
                self.consume(end);
                continue;
            }
            let value = serde_json::from_slice(text).map_err(|_| {
                refused(
                    "JSONParsingError",
                    "Encountered an error parsing the JSON file. Check the file and try again.",
                )
            })?;
            self.consume(end);
            return Ok(Some(value));
        }
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.offset += bytes as u64;
        (self.scanned, self.depth) = (0, 0);
        (self.in_text, self.escaped, self.begun) = (false, false, false);
    }

    /// Where the value ends, if that came in already.
    fn find_end(&mut self) -> Option<usize> {
        while let Some(&byte) = self.buffer.get(self.scanned) {
            self.begun = true;
            self.scanned += 1;
            if self.lines {
                if byte == b'\n' {
                    return Some(self.scanned);
                }
                continue;
            }
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return Some(self.scanned);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(self.scanned);
                    }
                }
                byte if byte.is_ascii_whitespace() && self.depth == 0 => return Some(self.scanned),
                _ => {}
            }
        }
        None
    }
}

/// Calls `with` for every record that a document has below the path of the query's source; ends early when it says so.
pub(super) fn each_record(json: &Value, path: &[Step], with: &mut impl FnMut(&Value) -> Result<bool>) -> Result<bool> {
    let Some((step, rest)) = path.split_first() else {
        return with(json);
    };
    let below = match step {
        Step::Key { name, exact } => member(json, name, *exact),
        Step::Index(index) => json.get(index),
        Step::Each => {
            let Some(list) = json.as_array() else {
                // What is no list is its own only element.
                return each_record(json, rest, with);
            };
            for element in list {
                if !each_record(element, rest, with)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
    };
    match below {
        Some(below) => each_record(below, rest, with),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str, lines: bool, step: usize) -> Vec<String> {
        let mut reader = JsonReader::new(lines);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(step) {
            reader.push(piece);
            while let Some(value) = reader.next(false).unwrap() {
                found.push(value.to_string());
            }
        }
        while let Some(value) = reader.next(true).unwrap() {
            found.push(value.to_string());
        }
        found
    }

    #[test]
    fn values_follow_each_other() {
        for step in [1, 2, 7, 100] {
            let found = values(" {\"a\": \"}\\\"\"}\n[1,\n 2] 3 \"x\"{}", false, step);
            assert_eq!(found, ["{\"a\":\"}\\\"\"}", "[1,2]", "3", "\"x\"", "{}"], "{step}");
            let found = values("{\"a\":1}\r\n\n {\"b\":2}\n[3]", true, step);
            assert_eq!(found, ["{\"a\":1}", "{\"b\":2}", "[3]"], "{step}");
        }
        let mut reader = JsonReader::new(false);
        reader.push(b"{]}");
        assert_eq!(reader.next(true).unwrap_err().code(), Some("JSONParsingError"));
    }
}
