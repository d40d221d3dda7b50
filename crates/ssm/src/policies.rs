//! Parameter policies: what time does to a parameter.
//!
//! Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html>.

use crate::error::{Error, Result};
use crate::shapes::ParameterInlinePolicy;
use danbi_core::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Policies of a parameter.
const MOST: usize = 10;
const HOUR_MS: i64 = 3_600_000;

/// One policy of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    /// `Expiration`, `ExpirationNotification`, `NoChangeNotification`.
    pub kind: String,
    /// As it was put.
    pub text: String,
    /// When it does what it does.
    pub at: Timestamp,
    /// Whether it has done so.
    #[serde(default)]
    pub finished: bool,
}

impl Policy {
    /// When it ends the parameter, if that is what it does.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        (self.kind == "Expiration").then_some(self.at)
    }

    /// As answers have it.
    pub(crate) fn shown(&self) -> ParameterInlinePolicy {
        ParameterInlinePolicy {
            policy_text: Some(self.text.clone()),
            policy_type: Some(self.kind.clone()),
            policy_status: Some(if self.finished { "Finished" } else { "Pending" }.to_owned()),
        }
    }
}

fn attribute(message: impl Into<String>) -> Error {
    Error::client("InvalidPolicyAttributeException", message)
}

/// The policies that a request puts on a version made at `now`; none for `[{}]`, which takes them away.
///
/// # Errors
/// `PoliciesLimitExceededException`, `InvalidPolicyTypeException`, `InvalidPolicyAttributeException`,
/// `IncompatiblePolicyException`.
pub(crate) fn read(text: &str, now: Timestamp) -> Result<Vec<Policy>> {
    let document: Value = serde_json::from_str(text).map_err(|_| attribute("The policies are not valid JSON."))?;
    let items = match document {
        Value::Array(items) => items,
        item @ Value::Object(_) => vec![item],
        _ => return Err(attribute("The policies are not a list of JSON objects.")),
    };
    if items.len() > MOST {
        return Err(Error::client(
            "PoliciesLimitExceededException",
            "You specified more than the maximum number of allowed policies for the parameter. The maximum is 10.",
        ));
    }
    let items: Vec<Value> = items
        .into_iter()
        .filter(|item| item.as_object().is_none_or(|map| !map.is_empty()))
        .collect();
    let expires = items
        .iter()
        .find(|item| item["Type"] == "Expiration")
        .map(expiration)
        .transpose()?;
    let policies: Vec<Policy> = items
        .iter()
        .map(|item| one(item, expires, now))
        .collect::<Result<_>>()?;
    if policies.iter().filter(|policy| policy.expires().is_some()).count() > 1 {
        return Err(Error::client(
            "IncompatiblePolicyException",
            "There is a conflict in the policies specified for this parameter. You can't, for example, specify two \
             Expiration policies for a parameter. Review your policies, and try again.",
        ));
    }
    if expires.is_some_and(|at| at <= now) {
        return Err(attribute("The expiration timestamp is in the past."));
    }
    Ok(policies)
}

fn expiration(item: &Value) -> Result<Timestamp> {
    let text = item["Attributes"]["Timestamp"].as_str();
    let parsed = text.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
    let at = parsed.ok_or_else(|| attribute("The policy Expiration needs the attribute Timestamp in ISO 8601."))?;
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000)
        .map(Timestamp::from_millis)
        .map_err(|_| attribute("The expiration timestamp is out of range."))
}

/// An attribute that counts hours or days, in milliseconds.
fn span(item: &Value, name: &str) -> Result<i64> {
    let amount = match &item["Attributes"][name] {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64(),
        _ => None,
    };
    let unit = item["Attributes"]["Unit"].as_str().unwrap_or("Days");
    let unit = match unit.to_ascii_lowercase().as_str() {
        "days" => 24 * HOUR_MS,
        "hours" => HOUR_MS,
        _ => return Err(attribute("The attribute Unit is Days or Hours.")),
    };
    amount
        .filter(|amount| (1..=36_500 * 24).contains(amount))
        .map(|amount| amount * unit)
        .ok_or_else(|| attribute(format!("The attribute {name} is a positive number.")))
}

fn one(item: &Value, expires: Option<Timestamp>, now: Timestamp) -> Result<Policy> {
    let kind = item["Type"].as_str().unwrap_or_default();
    let at = match kind {
        "Expiration" => expiration(item)?,
        "ExpirationNotification" => {
            let before = span(item, "Before")?;
            let expires = expires.ok_or_else(|| {
                Error::client(
                    "IncompatiblePolicyException",
                    "An ExpirationNotification policy needs an Expiration policy.",
                )
            })?;
            expires.plus_millis(-before)
        }
        "NoChangeNotification" => now.plus_millis(span(item, "After")?),
        _ => {
            return Err(Error::client(
                "InvalidPolicyTypeException",
                "The policy type isn't supported. Parameter Store supports the following policy types: Expiration, \
                 ExpirationNotification, and NoChangeNotification.",
            ));
        }
    };
    if item["Version"].as_str().is_none_or(|version| version != "1.0") {
        return Err(attribute("The attribute Version of a policy is 1.0."));
    }
    Ok(Policy {
        kind: kind.to_owned(),
        text: item.to_string(),
        at,
        finished: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn code(text: &str) -> &'static str {
        match read(text, NOW) {
            Err(Error::Answer(answer)) => answer.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn policies_know_when() {
        let text = r#"[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2026-01-03T00:00:00.000Z"}},
            {"Type":"ExpirationNotification","Version":"1.0","Attributes":{"Before":"12","Unit":"Hours"}},
            {"Type":"NoChangeNotification","Version":"1.0","Attributes":{"After":"1","Unit":"Days"}}]"#;
        let at: Vec<i64> = read(text, NOW)
            .unwrap()
            .iter()
            .map(|policy| (policy.at.as_millis() - NOW.as_millis()) / HOUR_MS)
            .collect();
        assert_eq!(at, [48, 36, 24]);
        assert_eq!(read("[{}]", NOW).unwrap(), []);
    }

    #[test]
    fn what_is_wrong_with_policies_is_said() {
        let expiration = r#"{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2026-01-03T00:00:00Z"}}"#;
        assert_eq!(code("x"), "InvalidPolicyAttributeException");
        assert_eq!(code(r#"[{"Type":"Other"}]"#), "InvalidPolicyTypeException");
        assert_eq!(
            code(&format!("[{expiration},{expiration}]")),
            "IncompatiblePolicyException"
        );
        assert_eq!(
            code(&format!("[{}]", [expiration; 11].join(","))),
            "PoliciesLimitExceededException"
        );
        assert_eq!(
            code(&expiration.replace("2026", "2020")),
            "InvalidPolicyAttributeException"
        );
        let before = r#"{"Type":"ExpirationNotification","Version":"1.0","Attributes":{"Before":"1","Unit":"Days"}}"#;
        assert_eq!(code(before), "IncompatiblePolicyException");
    }
}
