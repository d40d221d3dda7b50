//! What one value of a pattern accepts.

use crate::event::Plain;
use std::net::IpAddr;

/// One element of a pattern's array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Matcher {
    Text(String),
    Number(String, Option<f64>),
    Word(&'static str),
    Prefix(String),
    Suffix(String),
    /// In lower case.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualsIgnoringCase(String),
    Wildcard(Vec<Glob>),
    Range(Range),
    Network {
        address: IpAddr,
        bits: u32,
    },
    Exists(bool),
    Not(Vec<Matcher>),
}

/// A part of a wildcard pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Glob {
    Any,
    Char(char),
}

/// A range of numbers; a bound with `true` belongs to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub bottom: Option<(f64, bool)>,
    pub top: Option<(f64, bool)>,
}

impl Range {
    fn holds(&self, number: f64) -> bool {
        let above = self
            .bottom
            .is_none_or(|(bound, closed)| number > bound || (closed && number == bound));
        let below = self
            .top
            .is_none_or(|(bound, closed)| number < bound || (closed && number == bound));
        above && below
    }
}

impl Matcher {
    /// Whether a value that is there is accepted.
    pub(crate) fn accepts(&self, value: &Plain) -> bool {
        match (self, value) {
            (Self::Exists(wanted), _) => *wanted,
            (Self::Not(others), value) => !others.iter().any(|other| other.accepts(value)),
            (Self::Word(word), Plain::Word(found)) => word == found,
            (Self::Number(text, worth), Plain::Number(found, value)) => {
                text == found || (worth.is_some() && worth == value)
            }
            (Self::Range(range), Plain::Number(_, Some(number))) => range.holds(*number),
            (matcher, Plain::Text(text)) => matcher.accepts_text(text),
            _ => false,
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Self::Text(wanted) => wanted == text || same_address(wanted, text),
            Self::Prefix(start) => text.starts_with(start.as_str()),
            Self::Suffix(end) => text.ends_with(end.as_str()),
            Self::PrefixIgnoringCase(start) => text.to_lowercase().starts_with(start.as_str()),
            Self::SuffixIgnoringCase(end) => text.to_lowercase().ends_with(end.as_str()),
            Self::EqualsIgnoringCase(wanted) => text.to_lowercase() == *wanted,
            Self::Wildcard(parts) => wildcard(parts, text),
            Self::Network { address, bits } => text.parse().is_ok_and(|found| in_network(*address, *bits, found)),
            _ => false,
        }
    }
}

/// Two ways of writing one address.
fn same_address(wanted: &str, found: &str) -> bool {
    if !wanted.contains([':', '.']) {
        return false;
    }
    matches!((wanted.parse::<IpAddr>(), found.parse::<IpAddr>()), (Ok(a), Ok(b)) if a == b)
}

fn in_network(network: IpAddr, bits: u32, found: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || (a >> (width - bits)) == (b >> (width - bits));
    match (network, found) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => false,
    }
}

/// Greedy with one point of return, which is enough for patterns whose only operator is `*`.
fn wildcard(parts: &[Glob], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut part, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match parts.get(part) {
            Some(Glob::Any) => {
                back = Some((part, at));
                part += 1;
            }
            Some(Glob::Char(wanted)) if *wanted == text[at] => {
                part += 1;
                at += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    part = star + 1;
                    at = from + 1;
                }
                None => return false,
            },
        }
    }
    parts[part..].iter().all(|rest| *rest == Glob::Any)
}
