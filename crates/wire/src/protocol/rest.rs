//! HTTP bindings of REST protocols: labels, query parameters, headers, payloads, the status.

use super::xml::{format_scalar, scalar};
use super::{DecodeError, json, query};
use crate::model::{Kind, Location, Member, Model, TimestampFormat};
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What HTTP carries outside the body.
pub(super) struct Bindings<'r> {
    pub(super) labels: &'r [(String, String)],
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: &'r HeaderMap,
}

impl<'r> Bindings<'r> {
    pub(super) fn new(
        labels: &'r [(String, String)],
        query: &str,
        headers: &'r HeaderMap,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            labels,
            query: query::parse_form(query)?,
            headers,
        })
    }

    /// The value of a member that is not in the body; `None` when it is absent.
    pub(super) fn read(&self, model: &Model, member: &Member) -> Result<Option<Value>, DecodeError> {
        self.read_plain(model, member).or_else(|mut error| {
            // S3 takes a date it cannot read for none: a condition then does not hold back the object.
            let is_date = matches!(model.shape(member.shape).kind, Kind::Timestamp);
            if is_date && crate::s3::is_s3(model) {
                return Ok(None);
            }
            let name = member.wire_name();
            let text = match member.location {
                Location::Query => self
                    .query
                    .iter()
                    .find(|(key, _)| key == name)
                    .map(|(_, text)| text.clone()),
                _ => header_text(self.headers, name),
            };
            error.argument = text.map(|text| (name.to_owned(), text));
            Err(error)
        })
    }

    fn read_plain(&self, model: &Model, member: &Member) -> Result<Option<Value>, DecodeError> {
        let name = member.wire_name();
        let kind = &model.shape(member.shape).kind;
        match member.location {
            Location::Uri => {
                let label = self.labels.iter().find(|(label, _)| label == name);
                label.map(|(_, text)| scalar(kind, text)).transpose()
            }
            Location::Query => self.read_query(model, member, kind),
            Location::Header => match header_text(self.headers, name) {
                Some(text) => read_header(model, member, kind, &text).map(Some),
                None => Ok(None),
            },
            Location::PrefixHeaders => {
                let prefix = member.location_name.as_deref().unwrap_or_default().to_ascii_lowercase();
                let found = self
                    .headers
                    .keys()
                    .filter_map(|key| Some((key.as_str().strip_prefix(prefix.as_str())?, key)));
                let entries = found.filter_map(|(rest, key)| {
                    Some((rest.to_owned(), Value::String(header_text(self.headers, key.as_str())?)))
                });
                let entries: Vec<_> = entries.collect();
                Ok((!entries.is_empty()).then_some(Value::Map(entries)))
            }
            Location::Body | Location::Status => Ok(None),
        }
    }

    fn read_query(&self, model: &Model, member: &Member, kind: &Kind) -> Result<Option<Value>, DecodeError> {
        let name = member.wire_name();
        match kind {
            Kind::List(item) => {
                let kind = &model.shape(item.shape).kind;
                let values = self.query.iter().filter(|(key, _)| key == name);
                let items = values
                    .map(|(_, text)| scalar(kind, text))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((!items.is_empty()).then_some(Value::List(items)))
            }
            Kind::Map(_, item) => {
                let several = matches!(model.shape(item.shape).kind, Kind::List(_));
                let mut entries: Vec<(String, Value)> = Vec::new();
                for (key, text) in &self.query {
                    let text = Value::String(text.clone());
                    match entries.iter_mut().find(|(have, _)| have == key) {
                        Some((_, Value::List(items))) => items.push(text),
                        Some(_) => {}
                        None => entries.push((key.clone(), if several { Value::List(vec![text]) } else { text })),
                    }
                }
                Ok((!entries.is_empty()).then_some(Value::Map(entries)))
            }
            kind => {
                let found = self.query.iter().find(|(key, _)| key == name);
                found.map(|(_, text)| scalar(kind, text)).transpose()
            }
        }
    }
}

/// All values of a header as one text.
fn header_text(headers: &HeaderMap, name: &str) -> Option<String> {
    let texts: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        .collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn read_header(model: &Model, member: &Member, kind: &Kind, text: &str) -> Result<Value, DecodeError> {
    match kind {
        Kind::List(_) if text.is_empty() => Ok(Value::List(Vec::new())),
        Kind::List(item) => {
            let kind = &model.shape(item.shape).kind;
            let dates = matches!(kind, Kind::Timestamp)
                && item.timestamp_format.unwrap_or(TimestampFormat::HttpDate) == TimestampFormat::HttpDate;
            let items = if dates { split_dates(text) } else { split_list(text)? };
            items
                .iter()
                .map(|text| scalar(kind, text))
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        _ if member.json_value => {
            let json = STANDARD
                .decode(text)
                .map_err(|_| DecodeError::new("A JSON header is not base64."))?;
            String::from_utf8(json)
                .map(Value::String)
                .map_err(|_| DecodeError::new("A JSON header is not UTF-8."))
        }
        kind => scalar(kind, text),
    }
}

/// `Mon, 16 Dec 2019 23:48:18 GMT, Tue, …`: every second comma parts.
fn split_dates(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split(',').collect();
    parts.chunks(2).map(|pair| pair.join(",").trim().to_owned()).collect()
}

/// `a, "b,c", "say \"hi\""`.
fn split_list(text: &str) -> Result<Vec<String>, DecodeError> {
    let mut items = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters.next_if(|letter| letter.is_whitespace()).is_some() {}
        let mut item = String::new();
        if letters.next_if_eq(&'"').is_some() {
            loop {
                match letters.next() {
                    Some('"') => break,
                    Some('\\') => item.extend(letters.next()),
                    Some(letter) => item.push(letter),
                    None => return Err(DecodeError::new("A quoted header value has no end.")),
                }
            }
            while letters.next_if(|letter| *letter != ',').is_some() {}
        } else {
            while let Some(letter) = letters.next_if(|letter| *letter != ',') {
                item.push(letter);
            }
            item.truncate(item.trim_end().len());
        }
        items.push(item);
        if letters.next().is_none() {
            return Ok(items);
        }
    }
}

/// Adds the header or headers of a member. A value that HTTP cannot carry is left out and told to the log.
pub(super) fn write_header(model: &Model, member: &Member, value: &Value, headers: &mut HeaderMap) {
    let kind = &model.shape(member.shape).kind;
    match (member.location, kind, value) {
        (Location::PrefixHeaders, _, Value::Map(entries)) => {
            let prefix = member.location_name.as_deref().unwrap_or_default();
            for (key, value) in entries {
                insert(headers, &format!("{prefix}{key}"), value.as_str().unwrap_or_default());
            }
        }
        (_, Kind::List(item), Value::List(items)) => {
            let kind = &model.shape(item.shape).kind;
            let texts: Vec<String> = items
                .iter()
                .map(|value| quote(kind, header_scalar(kind, item, value)))
                .collect();
            if !texts.is_empty() {
                insert(headers, member.wire_name(), &texts.join(", "));
            }
        }
        _ if member.json_value => {
            let text = match value {
                Value::String(text) => STANDARD.encode(text),
                other => STANDARD.encode(json::encode_document(other)),
            };
            insert(headers, member.wire_name(), &text);
        }
        _ => insert(headers, member.wire_name(), &header_scalar(kind, member, value)),
    }
}

fn header_scalar(kind: &Kind, member: &Member, value: &Value) -> String {
    format_scalar(
        kind,
        member.timestamp_format.unwrap_or(TimestampFormat::HttpDate),
        value,
    )
}

fn quote(kind: &Kind, text: String) -> String {
    if matches!(kind, Kind::String) && text.contains([',', '"', '\\']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

fn insert(headers: &mut HeaderMap, name: &str, text: &str) {
    match (HeaderName::try_from(name), HeaderValue::from_bytes(text.as_bytes())) {
        (Ok(name), Ok(value)) => {
            headers.insert(name, value);
        }
        _ => tracing::warn!(header = name, "a header's value cannot be sent and is left out"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_lists_know_quotes() {
        assert_eq!(split_list(r#""b,c", "\"def\"", a"#).unwrap(), ["b,c", "\"def\"", "a"]);
        assert_eq!(split_list("a,b , c").unwrap(), ["a", "b", "c"]);
        assert!(split_list("\"open").is_err());
        assert_eq!(
            split_dates("Mon, 16 Dec 2019 23:48:18 GMT, Mon, 16 Dec 2019 23:48:18 GMT").len(),
            2
        );
    }
}
