//! The condition operators.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.

use super::pattern::{Pattern, Wildcards};
use super::request::ContextKeys;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::cmp::Ordering;
use std::net::IpAddr;
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;

/// How two ordered values must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A condition operator. `bool` is whether it is the negated one of its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    StringEquals(bool),
    StringEqualsIgnoreCase(bool),
    StringLike(bool),
    Numeric(Relation),
    Date(Relation),
    Bool,
    Binary,
    IpAddress(bool),
    /// `ArnEquals` and `ArnLike` are the same.
    Arn(bool),
    Null,
}

impl Operator {
    pub(super) fn parse(name: &str) -> Option<Self> {
        if let Some(relation) = name.strip_prefix("Numeric") {
            return Relation::parse(relation).map(Self::Numeric);
        }
        if let Some(relation) = name.strip_prefix("Date") {
            return Relation::parse(relation).map(Self::Date);
        }
        Some(match name {
            "StringEquals" => Self::StringEquals(false),
            "StringNotEquals" => Self::StringEquals(true),
            "StringEqualsIgnoreCase" => Self::StringEqualsIgnoreCase(false),
            "StringNotEqualsIgnoreCase" => Self::StringEqualsIgnoreCase(true),
            "StringLike" => Self::StringLike(false),
            "StringNotLike" => Self::StringLike(true),
            "Bool" => Self::Bool,
            "BinaryEquals" => Self::Binary,
            "IpAddress" => Self::IpAddress(false),
            "NotIpAddress" => Self::IpAddress(true),
            "ArnEquals" | "ArnLike" => Self::Arn(false),
            "ArnNotEquals" | "ArnNotLike" => Self::Arn(true),
            "Null" => Self::Null,
            _ => return None,
        })
    }

    pub(super) fn is_negated(self) -> bool {
        match self {
            Self::StringEquals(not)
            | Self::StringEqualsIgnoreCase(not)
            | Self::StringLike(not)
            | Self::IpAddress(not)
            | Self::Arn(not) => not,
            Self::Numeric(relation) | Self::Date(relation) => relation == Relation::NotEqual,
            Self::Bool | Self::Binary | Self::Null => false,
        }
    }

    pub(super) fn wildcards(self) -> Wildcards {
        match self {
            Self::StringLike(_) | Self::Arn(_) => Wildcards::Meant,
            _ => Wildcards::Literal,
        }
    }

    /// Whether `value` stands to the policy's value as the operator says, negation aside.
    pub(super) fn matches(self, pattern: &Pattern, value: &str, context: &ContextKeys) -> bool {
        let text = || pattern.text(context);
        match self {
            Self::StringEquals(_) | Self::StringLike(_) => pattern.matches(value, context),
            Self::StringEqualsIgnoreCase(_) => pattern.matches_ignoring_case(value, context),
            Self::Arn(_) => value.starts_with("arn:") && pattern.matches_arn(value, context),
            Self::Bool => text().is_some_and(|text| {
                matches!(text.to_ascii_lowercase().as_str(), "true" | "false") && text.eq_ignore_ascii_case(value)
            }),
            Self::Binary => text().is_some_and(|text| {
                let (a, b) = (BASE64_STANDARD.decode(text), BASE64_STANDARD.decode(value));
                matches!((a, b), (Ok(a), Ok(b)) if a == b)
            }),
            Self::IpAddress(_) => text().is_some_and(|text| in_network(value, &text)),
            Self::Numeric(relation) => text().is_some_and(|text| {
                let (a, b) = (number(value), number(&text));
                a.zip(b).is_some_and(|(a, b)| relation.holds(a.partial_cmp(&b)))
            }),
            Self::Date(relation) => text().is_some_and(|text| {
                let (a, b) = (instant(value), instant(&text));
                a.zip(b).is_some_and(|(a, b)| relation.holds(Some(a.cmp(&b))))
            }),
            Self::Null => false,
        }
    }
}

impl Relation {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Equals" => Self::Equal,
            "NotEquals" => Self::NotEqual,
            "LessThan" => Self::Less,
            "LessThanEquals" => Self::LessOrEqual,
            "GreaterThan" => Self::Greater,
            "GreaterThanEquals" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// `NotEqual` is answered as `Equal`: negation is the condition's, over all values.
    fn holds(self, order: Option<Ordering>) -> bool {
        let Some(order) = order else { return false };
        match self {
            Self::Equal | Self::NotEqual => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Milliseconds since the epoch, from ISO 8601 (a date alone is its midnight in UTC) or from seconds.
fn instant(text: &str) -> Option<i128> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds.is_finite().then_some((seconds * 1000.0) as i128);
    }
    let whole = if text.len() == 10 {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    let at = OffsetDateTime::parse(&whole, &Iso8601::DEFAULT).ok()?;
    Some(at.unix_timestamp_nanos() / 1_000_000)
}

/// Whether an address lies in a network such as `203.0.113.0/24` or is the address itself.
fn in_network(address: &str, network: &str) -> bool {
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (base, length) = match network.split_once('/') {
        Some((base, length)) => (base, Some(length)),
        None => (network, None),
    };
    let Ok(base) = base.parse::<IpAddr>() else { return false };
    let (address, base, width) = match (address.to_canonical(), base.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32u32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return false,
    };
    let length = match length.map(str::parse::<u32>) {
        None => width,
        Some(Ok(length)) if length <= width => length,
        Some(_) => return false,
    };
    let differing = address ^ base;
    length == 0 || differing >> (width - length) == 0
}
