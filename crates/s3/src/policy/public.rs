//! Whether a policy makes a bucket public, in the meaning that blocking public access has.
//!
//! A statement that allows something to everybody is public unless a condition ties it to fixed values of something that a
//! caller cannot choose. Source:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>.

use super::document::{conditions, texts};
use serde_json::{Map, Value};
use std::net::IpAddr;

/// Keys that tie a statement to someone, when their values are fixed.
const FIXING_KEYS: [&str; 14] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceorgid",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
];

/// Networks at least so narrow are not the whole Internet.
const NARROW_V4: u8 = 8;
const NARROW_V6: u8 = 32;

/// Whether the statement lets everybody do something.
pub(super) fn is_public(statement: &Map<String, Value>) -> bool {
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    allows
        && names_everybody(statement)
        && !conditions(statement).any(|(operator, key, values)| fixes(operator, key, &values))
}

fn names_everybody(statement: &Map<String, Value>) -> bool {
    match statement.get("Principal") {
        Some(Value::String(text)) => text == "*",
        Some(Value::Object(kinds)) => {
            let named = kinds.get("AWS").and_then(texts).unwrap_or_default();
            named.contains(&"*")
        }
        // Everybody but a few.
        _ => statement.contains_key("NotPrincipal"),
    }
}

fn fixes(operator: &str, key: &str, values: &[&str]) -> bool {
    let operator = operator.strip_prefix("ForAnyValue:").unwrap_or(operator);
    let key = key.to_ascii_lowercase();
    if values.is_empty() {
        return false;
    }
    match operator {
        "IpAddress" => key == "aws:sourceip" && values.iter().all(|value| is_narrow(value)),
        "StringEquals" | "StringEqualsIgnoreCase" | "StringLike" | "ArnEquals" | "ArnLike" => {
            FIXING_KEYS.contains(&key.as_str()) && values.iter().all(|value| is_fixed(&key, value))
        }
        _ => false,
    }
}

fn is_fixed(key: &str, value: &str) -> bool {
    // `AROLEID:*` is every session of one role.
    let value = match key {
        "aws:userid" => value.strip_suffix(":*").unwrap_or(value),
        // An ARN may leave open which of an account's resources it is.
        "aws:sourcearn" | "aws:principalarn" | "s3:dataaccesspointarn" => {
            let account = value.split(':').nth(4).unwrap_or_default();
            if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
                return true;
            }
            value
        }
        _ => value,
    };
    !value.is_empty() && !value.contains(['*', '?']) && !value.contains("${")
}

fn is_narrow(network: &str) -> bool {
    let (address, length) = match network.split_once('/') {
        Some((address, length)) => (address, length.parse::<u8>().ok()),
        None => (network, Some(u8::MAX)),
    };
    let Some(length) = length else { return false };
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => length >= NARROW_V4,
        Ok(IpAddr::V6(_)) => length >= NARROW_V6,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(members: &str) -> bool {
        let text = format!(r#"{{"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*",{members}}}"#);
        let value: Value = serde_json::from_str(&text).unwrap();
        is_public(value.as_object().unwrap())
    }

    #[test]
    fn everybody_is_public_unless_a_condition_fixes_who() {
        let everybody =
            |condition: &str| public(&format!(r#""Effect":"Allow","Principal":"*","Condition":{condition}"#));
        assert!(public(r#""Effect":"Allow","Principal":"*""#));
        assert!(public(r#""Effect":"Allow","Principal":{"AWS":["1","*"]}"#));
        assert!(!public(r#""Effect":"Deny","Principal":"*""#));
        assert!(!public(r#""Effect":"Allow","Principal":{"AWS":"111111111111"}"#));
        assert!(!public(
            r#""Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"}"#
        ));
        assert!(!everybody(r#"{"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}}"#));
        assert!(everybody(
            r#"{"IpAddress":{"aws:SourceIp":["10.0.0.0/32","0.0.0.0/0"]}}"#
        ));
        assert!(everybody(r#"{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/32"}}"#));
        assert!(!everybody(r#"{"StringEquals":{"aws:SourceVpc":"vpc-1"}}"#));
        assert!(everybody(r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#));
        assert!(!everybody(r#"{"StringLike":{"aws:userid":"AROAEXAMPLE:*"}}"#));
        assert!(everybody(
            r#"{"StringLike":{"aws:Referer":"http://www.example.com/*"}}"#
        ));
        assert!(everybody(r#"{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-1"}}"#));
        assert!(!everybody(
            r#"{"ArnLike":{"aws:SourceArn":"arn:aws:cloudfront::111111111111:distribution/*"}}"#
        ));
    }
}
