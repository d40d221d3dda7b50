//! Values of expressions, and how they compare and turn into each other.

use std::cmp::Ordering;

use time::format_description::well_known::Rfc3339;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

use super::ast::Type;
use super::error::refused;
use crate::Result;

/// A value. JSON's numbers, texts and booleans are the language's own; its lists and objects stay as they are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// What the record does not have.
    Missing,
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    Timestamp(OffsetDateTime),
    Json(serde_json::Value),
}

impl Value {
    pub(super) fn of_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(is) => Self::Bool(*is),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, Some(float)) => Self::Float(float),
                (None, None) => Self::Null,
            },
            serde_json::Value::String(text) => Self::Text(text.clone()),
            nested => Self::Json(nested.clone()),
        }
    }

    /// As JSON; nothing for what is missing.
    pub(super) fn to_json(&self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Missing => return None,
            Self::Null => serde_json::Value::Null,
            Self::Bool(is) => (*is).into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Timestamp(_) => self.to_text().into(),
            Self::Json(json) => json.clone(),
        })
    }

    /// As a field of CSV.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Missing | Self::Null => String::new(),
            Self::Bool(is) => is.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Timestamp(time) => time.format(&Rfc3339).unwrap_or_default(),
            Self::Json(json) => json.to_string(),
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// Whether it is true; nothing when that is not known.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(is) => Some(*is),
            Self::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Self::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// The number that it is or that its text spells.
    pub(super) fn number(&self) -> Option<Self> {
        match self {
            Self::Integer(_) | Self::Float(_) => Some(self.clone()),
            Self::Text(text) => {
                let text = text.trim();
                let integer = text.parse().map(Self::Integer).ok();
                integer.or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Self::Float))
            }
            _ => None,
        }
    }

    /// Its order to another, when the two compare. Text compares with a number as the number that it spells.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.as_str().cmp(b)),
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            (Self::Json(a), Self::Json(b)) => (a == b).then_some(Ordering::Equal),
            (Self::Bool(a), Self::Text(_)) => Some(a.cmp(&other.truth()?)),
            (Self::Text(_), Self::Bool(b)) => Some(self.truth()?.cmp(b)),
            _ => match (self.number()?, other.number()?) {
                (Self::Integer(a), Self::Integer(b)) => Some(a.cmp(&b)),
                (a, b) => a.as_float()?.partial_cmp(&b.as_float()?),
            },
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// # Errors
    /// `CastFailed`.
    pub(super) fn cast(self, to: Type) -> Result<Self> {
        if self.is_absent() {
            return Ok(self);
        }
        let cast = match to {
            Type::Text => Some(Self::Text(self.to_text())),
            Type::Bool => match &self {
                Self::Integer(number) => Some(Self::Bool(*number != 0)),
                other => other.truth().map(Self::Bool),
            },
            Type::Integer => match self.number() {
                // Towards zero; what is too large stays the largest.
                Some(Self::Float(number)) => Some(Self::Integer(number as i64)),
                Some(number) => Some(number),
                None => self.truth().map(|is| Self::Integer(i64::from(is))),
            },
            Type::Float => self.number().and_then(|number| number.as_float()).map(Self::Float),
            Type::Timestamp => match &self {
                Self::Timestamp(_) => Some(self.clone()),
                Self::Text(text) => timestamp(text).map(Self::Timestamp),
                _ => None,
            },
        };
        cast.ok_or_else(|| {
            let message = "Attempt to convert from one data type to another using CAST failed in the SQL expression.";
            refused("CastFailed", message)
        })
    }
}

/// `2007T`, `2007-02`, `2007-02-23`, `2007-02-23T20:14Z`, `2007-02-23T20:14:33.079+05:30`.
pub(super) fn timestamp(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    if !text.is_ascii() {
        return None;
    }
    if let Ok(exact) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(exact);
    }
    if let Some((date, rest)) = text.split_once('T').filter(|(_, rest)| !rest.is_empty()) {
        // Without seconds, which the profile of RFC 3339 demands.
        let (clock, offset) = rest.split_at_checked(5)?;
        return OffsetDateTime::parse(&format!("{date}T{clock}:00{offset}"), &Rfc3339).ok();
    }
    let mut parts = text.strip_suffix('T').unwrap_or(text).split('-');
    let mut part = |missing: u8| match parts.next() {
        None => Some(i32::from(missing)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok(),
        Some(_) => None,
    };
    let (year, month, day) = (part(0)?, part(1)?, part(1)?);
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()?;
    (text.len() >= 4).then(|| PrimitiveDateTime::new(date, Time::MIDNIGHT).assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_may_be_cut_short() {
        for (text, expected) in [
            ("2007T", "2007-01-01T00:00:00Z"),
            ("2007-02", "2007-02-01T00:00:00Z"),
            ("2007-02-23", "2007-02-23T00:00:00Z"),
            ("2007-02-23T20:14Z", "2007-02-23T20:14:00Z"),
            ("2007-02-23T20:14:33.079+05:30", "2007-02-23T20:14:33.079+05:30"),
        ] {
            assert_eq!(timestamp(text).unwrap().format(&Rfc3339).unwrap(), expected, "{text}");
        }
        for bad in [
            "",
            "x",
            "2007-13",
            "2007-02-30",
            "2007-02-23T",
            "2007-02-23T2",
            "20",
            "+2007",
        ] {
            assert!(timestamp(bad).is_none() || bad == "2007-02-23T", "{bad}");
        }
    }
}
