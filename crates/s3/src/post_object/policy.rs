//! The policy of a form: until when, and with which fields, it may be posted.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>.

use super::form::Fields;
use crate::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use danbi_core::Timestamp;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Fields that no condition needs to cover.
const UNCOVERED: [&str; 5] = ["awsaccesskeyid", "signature", "x-amz-signature", "policy", "file"];

/// A policy document, read.
#[derive(Debug)]
pub(super) struct Policy {
    expiration: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    test: Test,
    /// As a refusal shows it.
    text: String,
}

#[derive(Debug)]
enum Test {
    Is(String, String),
    StartsWith(String, String),
    Length(u64, u64),
    /// Nothing fits it.
    Never,
}

/// How many bytes the file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Policy {
    /// Reads a policy from its base64.
    ///
    /// # Errors
    /// `InvalidPolicyDocument`.
    pub(super) fn parse(base64: &str) -> Result<Self> {
        let bytes = BASE64_STANDARD
            .decode(base64.trim())
            .map_err(|_| invalid("Invalid JSON."))?;
        let document: Value = serde_json::from_slice(&bytes).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = document
            .get("expiration")
            .ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration = expiration.as_str().unwrap_or_default();
        // RFC 3339 lets a space stand for the T, which ISO 8601 and AWS do not.
        let at = Some(expiration).filter(|text| text.as_bytes().get(10) == Some(&b'T'));
        let at = at.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        let at = at.ok_or_else(|| invalid(&format!("Invalid 'expiration' value: '{expiration:.64}'")))?;
        let conditions = document.get("conditions").and_then(Value::as_array);
        let conditions = conditions.ok_or_else(|| invalid("Policy missing conditions."))?;
        Ok(Self {
            expiration: Timestamp::from_millis(at.unix_timestamp().saturating_mul(1000)),
            conditions: conditions.iter().map(Condition::parse).collect::<Result<_>>()?,
        })
    }

    /// Whether the form may be posted now, and how large its file may be.
    ///
    /// # Errors
    /// `AccessDenied`, with the condition that failed.
    pub(super) fn check(&self, fields: &Fields, bucket: &str, now: Timestamp, largest: u64) -> Result<Size> {
        if self.expiration < now {
            return Err(denied("Policy expired."));
        }
        let value = |name: &str| match name {
            "bucket" => bucket,
            name => fields.get(name).unwrap_or_default(),
        };
        let mut size = Size { min: 0, max: largest };
        for Condition { test, text } in &self.conditions {
            let holds = match test {
                Test::Is(name, wanted) => value(name) == wanted,
                // A list of content types must begin so in each of its parts.
                Test::StartsWith(name, prefix) if name == "content-type" => {
                    value(name).split(',').all(|part| part.trim().starts_with(prefix))
                }
                Test::StartsWith(name, prefix) => value(name).starts_with(prefix),
                Test::Length(min, max) => {
                    size = Size {
                        min: size.min.max(*min),
                        max: size.max.min(*max),
                    };
                    true
                }
                Test::Never => false,
            };
            if !holds {
                return Err(denied(&format!("Policy Condition failed: {text}")));
            }
        }
        let is_covered = |name: &str| {
            UNCOVERED.contains(&name)
                || name.starts_with("x-ignore-")
                || self.conditions.iter().any(|condition| {
                    matches!(&condition.test, Test::Is(covered, _) | Test::StartsWith(covered, _) if covered == name)
                })
        };
        let mut names = std::iter::once("bucket").chain(fields.names());
        match names.find(|name| !is_covered(name)) {
            Some(name) => Err(denied(&format!("Extra input fields: {name}"))),
            None => Ok(size),
        }
    }
}

impl Condition {
    fn parse(value: &Value) -> Result<Self> {
        match value {
            Value::Object(members) => {
                let mut members = members.iter();
                let (Some((name, value)), None) = (members.next(), members.next()) else {
                    return Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                    ));
                };
                let value = value
                    .as_str()
                    .ok_or_else(|| invalid("Invalid Simple-Condition: value must be a string."))?;
                Ok(Self {
                    test: Test::Is(name.to_ascii_lowercase(), value.to_owned()),
                    text: shown("eq", &format!("${name}"), value),
                })
            }
            Value::Array(parts) => Self::parse_parts(parts),
            _ => Err(invalid("Invalid Condition: it must be an object or a list.")),
        }
    }

    fn parse_parts(parts: &[Value]) -> Result<Self> {
        let operator = parts.first().and_then(Value::as_str).unwrap_or_default();
        let [_, first, second] = parts else {
            return Err(invalid(&format!(
                "Invalid Condition: wrong number of arguments to '{operator:.64}'."
            )));
        };
        let kind = operator.to_ascii_lowercase();
        if kind == "content-length-range" {
            let text = format!("[\"{operator}\", {first}, {second}]");
            let text = text.replace('\n', "");
            let test = match (number(first), number(second)) {
                (Some(min), Some(max)) => {
                    let negative = |_| invalid("Invalid Condition: content-length-range takes no negative numbers.");
                    Test::Length(
                        u64::try_from(min).map_err(negative)?,
                        u64::try_from(max).map_err(negative)?,
                    )
                }
                _ => Test::Never,
            };
            return Ok(Self { test, text });
        }
        let (Some(field), Some(value)) = (first.as_str(), second.as_str()) else {
            return Err(invalid(&format!(
                "Invalid Condition: the arguments of '{operator:.64}' must be strings."
            )));
        };
        let name = field.strip_prefix('$').map(str::to_ascii_lowercase);
        let test = match (kind.as_str(), name) {
            ("eq", Some(name)) => Test::Is(name, value.to_owned()),
            ("starts-with", Some(name)) => Test::StartsWith(name, value.to_owned()),
            ("eq" | "starts-with", None) => Test::Never,
            _ => {
                return Err(invalid(&format!(
                    "Invalid Condition: unknown operation '{operator:.64}'."
                )));
            }
        };
        Ok(Self {
            test,
            text: shown(operator, field, value),
        })
    }
}

/// A number, also one that is written as text.
fn number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn shown(operator: &str, field: &str, value: &str) -> String {
    // A string is always JSON.
    let quoted = |text: &str| Value::from(text).to_string();
    format!("[{}, {}, {}]", quoted(operator), quoted(field), quoted(value))
}

fn invalid(what: &str) -> Error {
    Error::client("InvalidPolicyDocument", 400, format!("Invalid Policy: {what}"))
}

fn denied(what: &str) -> Error {
    Error::client("AccessDenied", 403, format!("Invalid according to Policy: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(policy: Value, fields: &[(&str, &str)]) -> Result<Size, String> {
        let policy = Policy::parse(&BASE64_STANDARD.encode(policy.to_string())).map_err(|error| error.to_string())?;
        let fields = Fields::of(fields);
        let now = Timestamp::from_millis(1_000_000);
        policy.check(&fields, "b", now, 100).map_err(|error| error.to_string())
    }

    fn with(conditions: Value) -> Value {
        json!({"expiration": "2026-01-01T00:00:00.000Z", "conditions": conditions})
    }

    #[test]
    fn conditions_hold_or_are_named() {
        let bucket = json!({"bucket": "b"});
        let good = [
            ("key", "foo.txt"),
            ("acl", "private"),
            ("x-ignore-me", "1"),
            ("Signature", "s"),
        ];
        let conditions =
            json!([bucket, ["starts-with", "$key", "foo"], {"aCl": "private"}, ["content-length-range", 2, "9"]]);
        assert_eq!(check(with(conditions), &good), Ok(Size { min: 2, max: 9 }));
        for (conditions, words) in [
            (
                json!([bucket, ["eq", "$key", "bar"], {"acl": "private"}]),
                r#"Policy Condition failed: ["eq", "$key", "bar"]"#,
            ),
            (
                json!([bucket, ["eq", "key", "foo.txt"]]),
                r#"Policy Condition failed: ["eq", "key", "foo.txt"]"#,
            ),
            (json!([bucket, {"key": "foo.txt"}]), "Extra input fields: acl"),
            (
                json!([{"key": "foo.txt"}, {"acl": "private"}]),
                "Extra input fields: bucket",
            ),
            (
                json!([bucket, ["content-length-range", "test", 10]]),
                r#"["content-length-range", "test", 10]"#,
            ),
        ] {
            let refusal = check(with(conditions), &good).unwrap_err();
            assert!(
                refusal.starts_with("AccessDenied") && refusal.contains(words),
                "{refusal}"
            );
        }
        let late = json!({"expiration": "1970-01-01T00:00:01Z", "conditions": []});
        assert!(check(late, &[]).unwrap_err().contains("Policy expired."));
    }

    #[test]
    fn what_is_no_policy_is_said() {
        for policy in [
            json!(7),
            json!({"conditions": []}),
            json!({"expiration": "2026-01-01T00:00:00Z"}),
            json!({"EXPIRATION": "2026-01-01T00:00:00Z", "conditions": []}),
            json!({"expiration": "soon", "conditions": []}),
            json!({"expiration": "2026-01-01 00:00:00+00:00", "conditions": []}),
            with(json!([{}])),
            with(json!([{"a": "b", "c": "d"}])),
            with(json!([["content-length-range", 0]])),
            with(json!([["content-length-range", -1, 0]])),
            with(json!([["like", "$key", "a"]])),
        ] {
            let refusal = check(policy.clone(), &[]).unwrap_err();
            assert!(refusal.starts_with("InvalidPolicyDocument"), "{policy}: {refusal}");
        }
    }
}
