//! `$input` and `$util`.

use super::eval::Machine;
use super::value::{Entries, Value};
use super::{Params, VtlError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::uri::{self, AsciiSet, RESERVED};
use serde_json::Value as Json;
use std::fmt::Write as _;

impl Machine<'_, '_> {
    /// `$input.body`: an empty body is an empty object.
    pub(super) fn input_body(&self) -> Value {
        Value::text(if self.scene.body.is_empty() {
            "{}"
        } else {
            self.scene.body
        })
    }

    pub(super) fn input(&mut self, name: &str, arguments: &[Value]) -> Result<Value, VtlError> {
        let first = match arguments.first() {
            Some(value) => Some(self.show(value)?),
            None => None,
        };
        match name {
            "body" => Ok(self.input_body()),
            "path" => {
                let found = self.find(first.as_deref().unwrap_or("$"))?;
                Ok(found.map_or(Value::Null, |json| Value::from_json(&json)))
            }
            "json" => {
                let found = self.find(first.as_deref().unwrap_or("$"))?;
                let text = found.map_or_else(|| "\"\"".to_owned(), |json| json.to_string());
                self.made(text)
            }
            "params" => Ok(self.params(first.as_deref())),
            _ => Ok(Value::Null),
        }
    }

    fn find(&mut self, path: &str) -> Result<Option<Json>, VtlError> {
        let body = self.body_json();
        self.spend(self.scene.body.len())?;
        Ok(crate::json_path::find(&body, path).filter(|found| !found.is_null()))
    }

    fn params(&self, name: Option<&str>) -> Value {
        let none = Params::default();
        let params = self.scene.params.unwrap_or(&none);
        let all = [
            ("path", &params.path),
            ("querystring", &params.querystring),
            ("header", &params.header),
        ];
        let Some(name) = name else {
            let map = |values: &std::collections::BTreeMap<String, String>| {
                Value::map(
                    values
                        .iter()
                        .map(|(name, value)| (name.clone(), Value::text(value)))
                        .collect(),
                )
            };
            let entries: Entries = all
                .iter()
                .map(|(place, values)| ((*place).to_owned(), map(values)))
                .collect();
            return Value::map(entries);
        };
        let exact = all.iter().find_map(|(_, values)| values.get(name));
        // Headers have no case.
        let found = exact.or_else(|| {
            params
                .header
                .iter()
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        });
        Value::text(found.map_or("", String::as_str))
    }

    pub(super) fn util(&mut self, name: &str, arguments: &[Value]) -> Result<Value, VtlError> {
        let text = match arguments.first() {
            Some(value) => self.show(value)?,
            None => return Ok(Value::Null),
        };
        match name {
            "escapeJavaScript" => self.made(escape_java_script(&text)),
            "urlEncode" => self.made(url_encode(&text)),
            "urlDecode" => self.made(url_decode(&text)),
            "base64Encode" => self.made(STANDARD.encode(&text)),
            "base64Decode" => {
                let bytes = STANDARD.decode(text.trim()).unwrap_or_default();
                self.made(String::from_utf8_lossy(&bytes).into_owned())
            }
            "parseJson" => Ok(serde_json::from_str::<Json>(&text).map_or(Value::Null, |json| Value::from_json(&json))),
            _ => Ok(Value::Null),
        }
    }
}

/// As Apache Commons Lang's `escapeEcmaScript` does.
pub(crate) fn escape_java_script(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' | '/' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

/// As Java's `URLEncoder` does: a space is a plus.
pub(crate) fn url_encode(text: &str) -> String {
    const ENCODED: &AsciiSet = &RESERVED.remove(b'*').remove(b' ').add(b'~');
    uri::encode(text, ENCODED).replace(' ', "+")
}

/// The reverse; what is no escape stays.
pub(crate) fn url_decode(text: &str) -> String {
    uri::decode_text(&text.replace('+', " ")).into_owned()
}
