//! Records of the result.

use super::csv::parameter;
use super::error::refused;
use crate::Result;
use crate::shapes::OutputSerialization;
use serde_json::{Map, Value as Json};

use super::value::Value;

/// How records of the result are written.
pub(super) enum Writer {
    Csv {
        field_end: String,
        record_end: String,
        quote: String,
        escape: String,
        always: bool,
    },
    Json {
        record_end: String,
    },
}

impl Writer {
    /// # Errors
    /// `InvalidQuoteFields`, `InvalidDataType` and their kin.
    pub(super) fn new(wanted: &OutputSerialization) -> Result<Self> {
        match (&wanted.csv, &wanted.json) {
            (Some(csv), None) => Ok(Self::Csv {
                field_end: csv.field_delimiter.clone().unwrap_or_else(|| ",".into()),
                record_end: csv.record_delimiter.clone().unwrap_or_else(|| "\n".into()),
                quote: csv.quote_character.clone().unwrap_or_else(|| "\"".into()),
                escape: csv.quote_escape_character.clone().unwrap_or_else(|| "\"".into()),
                always: match csv.quote_fields.as_deref() {
                    None | Some("ASNEEDED") => false,
                    Some("ALWAYS") => true,
                    Some(_) => {
                        let message = "The QuoteFields is invalid. Only ALWAYS and ASNEEDED are supported.";
                        return Err(refused("InvalidQuoteFields", message));
                    }
                },
            }),
            (None, Some(json)) => Ok(Self::Json {
                record_end: json.record_delimiter.clone().unwrap_or_else(|| "\n".into()),
            }),
            _ => Err(parameter("OutputSerialization")),
        }
    }

    /// Appends one record.
    pub(super) fn write(&self, names: &[String], values: &[Value], out: &mut Vec<u8>) {
        match self {
            Self::Csv {
                field_end,
                record_end,
                quote,
                escape,
                always,
            } => {
                for (index, value) in values.iter().enumerate() {
                    if index > 0 {
                        out.extend_from_slice(field_end.as_bytes());
                    }
                    let text = value.to_text();
                    let special = |part: &str| !part.is_empty() && text.contains(part);
                    let quoted = *always || special(field_end) || special(record_end) || special(quote);
                    if quoted && !quote.is_empty() {
                        out.extend_from_slice(quote.as_bytes());
                        out.extend_from_slice(text.replace(quote.as_str(), &format!("{escape}{quote}")).as_bytes());
                        out.extend_from_slice(quote.as_bytes());
                    } else {
                        out.extend_from_slice(text.as_bytes());
                    }
                }
                out.extend_from_slice(record_end.as_bytes());
            }
            Self::Json { record_end } => {
                let members = names.iter().zip(values);
                let members = members.filter_map(|(name, value)| Some((name.clone(), value.to_json()?)));
                let record = Json::Object(members.collect::<Map<_, _>>());
                out.extend_from_slice(record.to_string().as_bytes());
                out.extend_from_slice(record_end.as_bytes());
            }
        }
    }
}
