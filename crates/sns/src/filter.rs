//! Filter policies: which messages a subscription wants.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>.

use crate::Error;
use crate::message::Publication;
use danbi_patterns::{Dialect, Event, Pattern};
use serde_json::Value;
use std::collections::BTreeMap;

const MOST_KEYS: usize = 5;
/// Of the numbers of values of all keys, and of their depths, the product.
const MOST_COMBINATIONS: usize = 150;
const MAX_BYTES: usize = 256 * 1024;

/// Checks a policy; `prefix` is what stands before `FilterPolicy` in errors.
pub(crate) fn check(text: &str, body: bool, prefix: &str) -> Result<(), Error> {
    let wrong = |message: String| Error::Invalid(format!("{prefix}FilterPolicy: {message}"));
    if text.len() > MAX_BYTES {
        return Err(wrong("Filter policy is too long".into()));
    }
    let policy: Value = match serde_json::from_str(text) {
        Ok(policy) => policy,
        Err(_) => {
            let broken = Pattern::compile_showing(text, Dialect::Sns, false)
                .err()
                .map_or_else(String::new, |error| error.0);
            return Err(wrong(format!("failed to parse JSON. {broken}")));
        }
    };
    let nested = policy.as_object().is_some_and(|members| {
        members
            .iter()
            .any(|(name, value)| name != "$or" && value.is_object() && !is_operator(value))
    });
    if nested && !body {
        return Err(Error::invalid(
            "Filter policy scope MessageAttributes does not support nested filter policy",
        ));
    }
    // Keys first: a policy with too many may be wrong otherwise too.
    let mut count = Count::default();
    count.walk(&policy, 1);
    if count.keys > MOST_KEYS {
        return Err(wrong("Filter policy can not have more than 5 keys".into()));
    }
    if let Some(members) = policy.as_object()
        && members.is_empty()
    {
        return Ok(());
    }
    Pattern::compile(text, Dialect::Sns).map_err(|error| wrong(error.0))?;
    if count.combinations > MOST_COMBINATIONS {
        return Err(wrong("Filter policy is too complex".into()));
    }
    Ok(())
}

/// An object whose members are no lists is taken for a mistaken operator, about which the compiler has its own words.
fn is_operator(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|members| members.values().all(|member| !member.is_array() && !member.is_object()))
}

struct Count {
    keys: usize,
    combinations: usize,
}

impl Default for Count {
    fn default() -> Self {
        Self {
            keys: 0,
            combinations: 1,
        }
    }
}

impl Count {
    fn walk(&mut self, value: &Value, depth: usize) {
        for (name, member) in value.as_object().into_iter().flatten() {
            match member {
                Value::Array(alternatives) if name == "$or" => {
                    for alternative in alternatives {
                        self.walk(alternative, depth);
                    }
                }
                Value::Array(values) => {
                    self.keys += 1;
                    self.combinations = self.combinations.saturating_mul(values.len().max(1) * depth);
                }
                nested => self.walk(nested, depth + 1),
            }
        }
    }
}

/// Whether a subscription with these attributes wants a message.
pub(crate) fn wants(attributes: &BTreeMap<String, String>, publication: &Publication) -> Result<bool, Error> {
    let Some(text) = attributes
        .get("FilterPolicy")
        .filter(|text| !text.is_empty() && *text != "{}")
    else {
        return Ok(true);
    };
    let pattern = Pattern::compile(text, Dialect::Sns).map_err(Error::internal)?;
    if attributes
        .get("FilterPolicyScope")
        .is_some_and(|scope| scope == "MessageBody")
    {
        return Ok(match serde_json::from_str::<Value>(&publication.message) {
            Ok(body @ Value::Object(_)) => pattern.matches(&Event::of(&body)),
            _ => false,
        });
    }
    let mut event = Event::default();
    for (name, attribute) in &publication.attributes {
        let Some(text) = &attribute.string else { continue };
        let value = match attribute.kind.as_str() {
            "Number" => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
            // A list; what is none matches nothing.
            "String.Array" => serde_json::from_str(text).unwrap_or(Value::Null),
            _ => Value::String(text.clone()),
        };
        event.add(name, &value);
    }
    Ok(pattern.matches(&event))
}
