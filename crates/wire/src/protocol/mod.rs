//! The protocols that AWS services speak, each written once over the model.
//!
//! A codec turns a routed request into the input [`Value`], and an output [`Value`] or a `ServiceError` into a
//! response. It checks form only: constraints are [`validate`](crate::validate)'s.

mod cbor;
mod error;
mod event_stream;
mod json;
mod query;
mod request;
mod response;
mod rest;
mod timestamp;
mod xml;

pub use error::ErrorContext;
pub(crate) use event_stream::{CONTENT_TYPE as EVENT_STREAM, event_body};
pub(crate) use query::{decode_component, parse_form};
pub use request::{RoutedRequest, decode_request, decode_value};
pub(crate) use response::encode_initial;
pub use response::{Encoded, encode_response};
pub(crate) use timestamp::{format as format_timestamp, from_seconds as seconds_to_millis, parse as millis_of_text};

use crate::model::Member;
use crate::value::Value;
use std::cell::Cell;

/// An instant as HTTP's headers write it: `Sat, 21 Nov 2026 12:00:00 GMT`.
pub fn http_date(at: danbi_core::Timestamp) -> String {
    timestamp::format(at.as_millis(), crate::model::TimestampFormat::HttpDate)
}

/// How a service's requests and responses look on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// awsJson1_0
    Json10,
    /// awsJson1_1
    Json11,
    /// restJson1
    RestJson,
    /// restXml
    RestXml,
    /// awsQuery
    Query,
    /// ec2Query
    Ec2,
    /// rpcv2Cbor
    RpcV2Cbor,
}

impl Protocol {
    /// Whether operations are found by method and path.
    pub fn is_rest(self) -> bool {
        matches!(self, Self::RestJson | Self::RestXml)
    }
}

/// The deepest nesting of a decoded tree.
pub const MAX_DEPTH: usize = 64;
/// The most values in a decoded tree: 40 bytes each at least, so a body cannot take 50 times its size in memory.
pub const MAX_VALUES: usize = 1_000_000;
/// The most parameters of a query string or a form.
pub const MAX_PARAMETERS: usize = 50_000;

/// A request whose form is wrong. Its text is AWS's message where one is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What is wrong.
    pub message: String,
    /// The query parameter or header that it is about, and its text.
    pub argument: Option<(String, String)>,
}

impl DecodeError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            argument: None,
        }
    }

    fn too_deep() -> Self {
        Self::new("The request is nested too deeply.")
    }

    fn too_many() -> Self {
        Self::new("The request holds too many values.")
    }
}

/// Counts what a decoder builds.
struct Budget {
    left: Cell<usize>,
}

impl Budget {
    fn new() -> Self {
        Self {
            left: Cell::new(MAX_VALUES),
        }
    }

    fn spend(&self) -> Result<(), DecodeError> {
        let left = self.left.get().checked_sub(1).ok_or_else(DecodeError::too_many)?;
        self.left.set(left);
        Ok(())
    }
}

/// Which members of a structure a body codec looks at: bodies of REST protocols leave out what HTTP carries elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Members {
    All,
    BodyOnly,
}

impl Members {
    fn includes(self, member: &Member) -> bool {
        self == Self::All || member.location == crate::model::Location::Body
    }
}

fn parse_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

/// A float as AWS writes it: specials by name, 32-bit ones without the digits that widening adds.
fn format_float(number: f64, narrow: bool) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else if narrow {
        format!("{:?}", number as f32)
    } else {
        format!("{number:?}")
    }
}

fn is_set(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

/// Reads a body as a client does: without the wrappers of awsQuery, and without nulls in lists and maps.
#[cfg(test)]
pub(crate) fn decode_client(
    model: &crate::model::Model,
    member: &Member,
    protocol: Protocol,
    body: &[u8],
) -> Result<Value, DecodeError> {
    match protocol {
        Protocol::Query => {
            let root = xml::parse(body)?;
            xml::decode(model, member, Members::All, root.only_child().unwrap_or(&root))
        }
        Protocol::RestXml => xml::decode(model, member, Members::BodyOnly, &xml::parse(body)?),
        Protocol::RestJson => json::decode(model, member, Members::BodyOnly, body).map(without_nulls),
        _ => decode_value(model, member, protocol, body).map(without_nulls),
    }
}

#[cfg(test)]
fn without_nulls(value: Value) -> Value {
    match value {
        Value::List(items) => Value::List(
            items
                .into_iter()
                .filter(|item| !item.is_null())
                .map(without_nulls)
                .collect(),
        ),
        Value::Map(entries) => {
            let set = entries.into_iter().filter(|(_, value)| !value.is_null());
            Value::Map(set.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        other => other,
    }
}

/// A document without what is not content: white space between elements, request ids.
#[cfg(test)]
pub(crate) fn xml_tree(body: &[u8]) -> Option<xml::Canonical> {
    xml::parse(body).ok().map(|root| root.canonical())
}
