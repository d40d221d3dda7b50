//! The filter pattern language of CloudWatch Logs: what `filterPattern` means.
//!
//! A pattern is parsed once ([`Pattern::parse`], at most 1024 characters) and then asked about each event
//! ([`Pattern::matches`]). There are three kinds, told apart by their first character:
//! terms (`ERROR -"timed out" ?a ?b %4\d\d%`, in `terms`), JSON conditions (`{ $.a.b = "x*" && $.n > 3 }`, in `json`)
//! and fields separated by spaces (`[ip, user, ..., status = 4*]`, in `fields`).
//! An empty pattern matches everything.
//!
//! Parsing never panics and nesting is bounded; matching is linear in the message, because regular expressions run on
//! automata without backtracking.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>.

mod comparison;
mod cursor;
mod expression;
mod fields;
mod json;
mod regex;
mod terms;

use std::collections::BTreeMap;

/// The longest pattern, in characters.
pub const MAX_CHARS: usize = 1024;

/// A pattern that is not one, worded as AWS words it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl PatternError {
    fn term(text: &str) -> Self {
        Self(format!("Invalid character(s) in term '{text}'"))
    }

    fn pattern() -> Self {
        Self("Invalid filter pattern".to_owned())
    }
}

/// A parsed filter pattern.
#[derive(Debug)]
pub struct Pattern(Kind);

#[derive(Debug)]
enum Kind {
    Everything,
    Terms(terms::Terms),
    Json(json::JsonPattern),
    Fields(fields::FieldsPattern),
}

impl Pattern {
    /// Parses `text`; the error's message names the first term that cannot be read.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.chars().count() > MAX_CHARS {
            return Err(PatternError::pattern());
        }
        let text = text.trim();
        Ok(Self(match text.as_bytes().first() {
            None => Kind::Everything,
            Some(b'{') => Kind::Json(json::JsonPattern::parse(text)?),
            Some(b'[') => Kind::Fields(fields::FieldsPattern::parse(text)?),
            Some(_) => Kind::Terms(terms::Terms::parse(text)?),
        }))
    }

    /// Whether the event with this message is one that the pattern asks for.
    pub fn matches(&self, message: &str) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Terms(terms) => terms.matches(message),
            Kind::Json(json) => json.matches(message),
            Kind::Fields(fields) => fields.matches(message),
        }
    }

    /// `None` when the message does not match; otherwise what the pattern takes out of it: `$name` or `$3` for each
    /// field of a space-delimited pattern, nothing for the other kinds.
    pub fn extract(&self, message: &str) -> Option<BTreeMap<String, String>> {
        match &self.0 {
            Kind::Fields(fields) => fields.extract(message),
            _ => self.matches(message).then(BTreeMap::new),
        }
    }
}

#[cfg(test)]
mod tests;
