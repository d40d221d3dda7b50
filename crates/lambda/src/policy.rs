//! Resource policies, as AddPermission and AddLayerVersionPermission build them statement by statement.

use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The most bytes of a policy. Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAX_BYTES: usize = 20_480;

/// The statements of a policy, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub statements: Vec<Value>,
    /// For layers, whose policies have revisions of their own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
}

impl Policy {
    /// The policy document.
    pub(crate) fn document(&self) -> String {
        // Written by hand to keep AWS's order of members.
        let statements: Vec<String> = self.statements.iter().map(statement_text).collect();
        format!(
            r#"{{"Version":"2012-10-17","Id":"default","Statement":[{}]}}"#,
            statements.join(",")
        )
    }

    /// Adds a statement, whose `Sid` must be new.
    pub(crate) fn add(&mut self, statement: Value) -> Result<(), Error> {
        let sid = statement["Sid"].as_str().unwrap_or_default();
        if self.position(sid).is_some() {
            return Err(Error::Conflict(format!(
                "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
            )));
        }
        self.statements.push(statement);
        let size = self.document().len();
        if size > MAX_BYTES {
            Err(Error::PolicyTooLong(size))
        } else {
            Ok(())
        }
    }

    /// Removes the statement with this id.
    pub(crate) fn remove(&mut self, sid: &str) -> Result<(), Error> {
        let at = self.position(sid);
        let at = at.ok_or_else(|| Error::NotFound(format!("Statement {sid} is not found in resource policy.")))?;
        self.statements.remove(at);
        Ok(())
    }

    fn position(&self, sid: &str) -> Option<usize> {
        self.statements.iter().position(|statement| statement["Sid"] == sid)
    }
}

/// A statement's JSON with its members in AWS's order.
pub(crate) fn statement_text(statement: &Value) -> String {
    const ORDER: [&str; 6] = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    let members = ORDER
        .iter()
        .filter_map(|name| statement.get(name).map(|value| format!("\"{name}\":{value}")));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// What a statement is made of.
#[derive(Debug, Default)]
pub(crate) struct Grant<'a> {
    pub sid: &'a str,
    pub action: &'a str,
    pub resource: String,
    pub principal: &'a str,
    pub source_arn: Option<&'a str>,
    pub source_account: Option<&'a str>,
    pub organization: Option<&'a str>,
    pub event_source_token: Option<&'a str>,
    pub url_auth_type: Option<&'a str>,
    pub via_url: Option<bool>,
}

impl Grant<'_> {
    /// The statement; fails when the principal is none.
    pub(crate) fn statement(&self) -> Result<Value, Error> {
        let mut statement = json!({
            "Sid": self.sid, "Effect": "Allow", "Principal": principal(self.principal)?,
            "Action": self.action, "Resource": self.resource,
        });
        let mut equals = Map::new();
        for (key, value) in [
            ("AWS:SourceAccount", self.source_account),
            ("lambda:EventSourceToken", self.event_source_token),
            ("lambda:FunctionUrlAuthType", self.url_auth_type),
            ("aws:PrincipalOrgID", self.organization),
        ] {
            if let Some(value) = value {
                equals.insert(key.into(), value.into());
            }
        }
        let mut condition = Map::new();
        if !equals.is_empty() {
            condition.insert("StringEquals".into(), equals.into());
        }
        if let Some(arn) = self.source_arn {
            condition.insert("ArnLike".into(), json!({ "AWS:SourceArn": arn }));
        }
        if let Some(via) = self.via_url {
            condition.insert(
                "Bool".into(),
                json!({ "lambda:InvokedViaFunctionUrl": via.to_string() }),
            );
        }
        if !condition.is_empty() {
            statement["Condition"] = condition.into();
        }
        Ok(statement)
    }
}

/// `*`, a service (`s3.amazonaws.com`), an account's number, or an IAM ARN.
fn principal(text: &str) -> Result<Value, Error> {
    let account = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    let service = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
    };
    if text == "*" {
        Ok("*".into())
    } else if text.strip_suffix(".amazonaws.com").is_some_and(service) {
        Ok(json!({ "Service": text }))
    } else if account {
        Ok(json!({ "AWS": format!("arn:aws:iam::{text}:root") }))
    } else if let Ok(arn) = text.parse::<danbi_core::Arn>()
        && matches!(arn.service.as_str(), "iam" | "sts")
        && arn.account.len() == 12
    {
        Ok(json!({ "AWS": text }))
    } else {
        Err(Error::InvalidParameter(
            "The provided principal was invalid. Please check the principal and try again.".into(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant<'a>(sid: &'a str, principal: &'a str) -> Grant<'a> {
        Grant {
            sid,
            action: "lambda:InvokeFunction",
            resource: "arn:f".into(),
            principal,
            ..Grant::default()
        }
    }

    #[test]
    fn statements_read_as_awss_do() {
        let optional = Grant {
            source_arn: Some("arn:aws:s3:::b"),
            source_account: Some("111111111111"),
            organization: Some("o-1234567890"),
            url_auth_type: Some("NONE"),
            ..grant("urlPermission", "*")
        };
        let statement = optional.statement().unwrap();
        assert_eq!(
            statement,
            json!({"Sid": "urlPermission", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": "arn:f",
                "Condition": {"StringEquals": {"AWS:SourceAccount": "111111111111", "lambda:FunctionUrlAuthType": "NONE", "aws:PrincipalOrgID": "o-1234567890"},
                              "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}})
        );
        assert!(
            statement_text(&statement)
                .starts_with(r#"{"Sid":"urlPermission","Effect":"Allow","Principal":"*","Action":"#)
        );
        let of = |text| grant("s", text).statement().unwrap()["Principal"].clone();
        assert_eq!(of("s3.amazonaws.com"), json!({"Service": "s3.amazonaws.com"}));
        assert_eq!(of("111111111111"), json!({"AWS": "arn:aws:iam::111111111111:root"}));
        assert_eq!(
            of("arn:aws:iam::111111111111:user/u"),
            json!({"AWS": "arn:aws:iam::111111111111:user/u"})
        );
        assert_eq!(
            grant("s", "invalid.nonaws.com").statement().unwrap_err().to_string(),
            "The provided principal was invalid. Please check the principal and try again."
        );
    }

    #[test]
    fn a_statement_is_added_once_and_removed_once() {
        let mut policy = Policy::default();
        policy
            .add(grant("s3", "s3.amazonaws.com").statement().unwrap())
            .unwrap();
        assert_eq!(
            policy
                .add(grant("s3", "*").statement().unwrap())
                .unwrap_err()
                .to_string(),
            "The statement id (s3) provided already exists. Please provide a new statement id, or remove the existing statement."
        );
        assert_eq!(
            policy.document(),
            r#"{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"s3","Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:f"}]}"#
        );
        assert_eq!(
            policy.remove("x").unwrap_err().to_string(),
            "Statement x is not found in resource policy."
        );
        policy.remove("s3").unwrap();
        let long = Grant {
            source_arn: Some(&"a".repeat(21_000)),
            ..grant("s", "*")
        }
        .statement()
        .unwrap();
        assert!(
            policy
                .add(long)
                .unwrap_err()
                .to_string()
                .starts_with("The final policy size (")
        );
    }
}
