//! Comma-separated values (RFC 4180), a record at a time.

use serde_json::Value;
use std::collections::HashSet;
use std::io::{self, BufRead, Read};

/// The longest record, in bytes: an item has at most 400 KB.
const MAX_RECORD: usize = 4 * 1024 * 1024;

/// What spreadsheets put in front of UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads the names that the first record gives the fields; `None` when there is none.
///
/// # Errors
/// As [`read_record`], and for a name that stands there twice.
pub fn read_header(input: &mut impl BufRead) -> io::Result<Option<Vec<String>>> {
    let Some(mut names) = read_record(input)? else {
        return Ok(None);
    };
    if let Some(first) = names.first_mut().filter(|first| first.starts_with(BYTE_ORDER_MARK)) {
        first.remove(0);
    }
    let mut seen = HashSet::new();
    let twice = names.iter().find(|name| !seen.insert(name.as_str())).cloned();
    drop(seen);
    match twice {
        Some(twice) => Err(wrong(&format!("two columns are named {twice:?}"))),
        None => Ok(Some(names)),
    }
}

fn wrong(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Reads the next record; `None` at the end.
///
/// # Errors
/// For quotes that do not end, text that is not UTF-8, and records of more than 4 MiB.
pub fn read_record(input: &mut impl BufRead) -> io::Result<Option<Vec<String>>> {
    let mut record = Vec::new();
    loop {
        let before = record.len();
        let room = (MAX_RECORD + 1 - before) as u64;
        if input.by_ref().take(room).read_until(b'\n', &mut record)? == 0 {
            if before == 0 {
                return Ok(None);
            }
            return Err(wrong("a quoted field does not end"));
        }
        if record.len() > MAX_RECORD {
            return Err(wrong("a record is longer than 4 MiB"));
        }
        // A line break within quotes belongs to the field: quotes are balanced at the end of a record.
        if record.iter().filter(|byte| **byte == b'"').count() % 2 == 0 {
            break;
        }
    }
    let text = String::from_utf8(record).map_err(|_| wrong("the file is not UTF-8"))?;
    Ok(Some(fields(text.trim_end_matches(['\r', '\n']))))
}

fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

/// A record as one line, without its end.
pub fn record(fields: &[String]) -> String {
    let quoted = |field: &String| {
        if field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ') {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    };
    fields.iter().map(quoted).collect::<Vec<_>>().join(",")
}

/// What a field stands for: nothing when empty; JSON when it is JSON that is kept as it is; else text.
pub fn value(field: &str) -> Option<Value> {
    if field.is_empty() {
        return None;
    }
    Some(super::plain::read(field).unwrap_or_else(|_| Value::String(field.to_owned())))
}

/// The field that [`value`] reads as this value.
pub fn field(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && super::plain::read(text).is_err() => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn records_come_back_as_they_were() {
        let records = [
            vec!["a".to_owned(), String::new(), "b,c".to_owned()],
            vec!["say \"x\"".to_owned(), "two\nlines".to_owned(), " pad ".to_owned()],
        ];
        let text: String = records.iter().map(|fields| record(fields) + "\r\n").collect();
        let mut input = text.as_bytes();
        for expected in &records {
            assert_eq!(read_record(&mut input).unwrap().as_ref(), Some(expected));
        }
        assert!(read_record(&mut input).unwrap().is_none());
        assert!(read_record(&mut "\"open".as_bytes()).is_err());
    }

    #[test]
    fn names_come_without_what_spreadsheets_put_before_them_and_once() {
        let header = |text: &str| read_header(&mut text.as_bytes());
        assert_eq!(header("\u{feff}\"id\",n\n").unwrap().unwrap(), ["id", "n"]);
        assert!(header("id,n,id\n").is_err() && header("").unwrap().is_none());
        assert!(read_record(&mut "x".repeat(MAX_RECORD + 2).as_bytes()).is_err());
    }

    #[test]
    fn values_come_back_as_they_were() {
        for expected in [
            json!("text"),
            json!("007"),
            json!("5"),
            json!("true"),
            json!(""),
            json!(5),
            json!([1, {"a": "b"}]),
            json!(null),
        ] {
            assert_eq!(value(&field(&expected)), Some(expected));
        }
        assert_eq!(value(""), None);
        assert_eq!(value("007"), Some(json!("007")));
    }
}
