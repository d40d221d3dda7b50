//! The managed policies that AWS itself publishes, as far as tools for what this platform does attach them.
//! Source: <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>; the documents are AWS's.

use crate::policy::Policy;
use crate::random;
use crate::records::{ManagedPolicy, PolicyVersion};
use danbi_core::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, OnceLock};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const TABLE: &str = include_str!("aws_managed.json");
const PREFIX: &str = "arn:aws:iam::aws:policy";

/// A policy of AWS's.
#[derive(Debug)]
pub(crate) struct AwsManaged {
    pub(crate) policy: ManagedPolicy,
    parsed: OnceLock<Arc<Policy>>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    path: String,
    version: String,
    created: String,
    updated: String,
    document: String,
}

/// All of them, by ARN.
pub(crate) static ALL: LazyLock<BTreeMap<String, AwsManaged>> = LazyLock::new(|| {
    // The table is part of the program, and a test reads it.
    #[allow(clippy::expect_used)]
    let rows: Vec<Row> = serde_json::from_str(TABLE).expect("the table of AWS's policies is JSON");
    rows.into_iter()
        .map(|row| (arn(&row.path, &row.name), row.read()))
        .collect()
});

/// The policy with this ARN.
pub(crate) fn find(arn: &str) -> Option<&'static AwsManaged> {
    // The table is not read for the sake of an ARN that cannot be in it.
    arn.starts_with(PREFIX).then(|| ALL.get(arn)).flatten()
}

fn arn(path: &str, name: &str) -> String {
    format!("{PREFIX}{path}{name}")
}

impl AwsManaged {
    pub(crate) fn arn(&self) -> String {
        arn(&self.policy.path, &self.policy.name)
    }

    pub(crate) fn document(&self) -> &str {
        self.policy.document().unwrap_or_default()
    }

    /// The policy, read once. Denies everything should the document not be one, which a test rules out.
    pub(crate) fn parsed(&self) -> Arc<Policy> {
        let parsed = self.parsed.get_or_init(|| {
            let read = Policy::parse_published(self.document());
            Arc::new(read.unwrap_or_else(|_| Policy::deny_all()))
        });
        parsed.clone()
    }
}

impl Row {
    fn read(self) -> AwsManaged {
        let number = self.version.trim_start_matches('v').parse().unwrap_or(1);
        let updated = instant(&self.updated);
        let digest = Sha256::digest(arn(&self.path, &self.name));
        AwsManaged {
            policy: ManagedPolicy {
                id: random::id_from("ANPA", 17, &digest),
                name: self.name,
                path: self.path,
                created: instant(&self.created),
                updated,
                description: None,
                tags: Vec::new(),
                versions: vec![PolicyVersion {
                    number,
                    document: self.document,
                    created: updated,
                }],
                default: number,
                last: number,
            },
            parsed: OnceLock::new(),
        }
    }
}

fn instant(text: &str) -> Timestamp {
    let at = OffsetDateTime::parse(text, &Rfc3339).map_or(0, OffsetDateTime::unix_timestamp);
    Timestamp::from_millis(at * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_document_can_be_decided_with() {
        assert!(ALL.len() > 80);
        for (arn, managed) in ALL.iter() {
            assert!(Policy::parse_published(managed.document()).is_ok(), "{arn}");
            assert!(managed.policy.created.as_secs() > 1_000_000_000, "{arn}");
            assert_eq!(managed.arn(), *arn);
        }
        let role = find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").unwrap();
        assert!(role.document().contains("logs:PutLogEvents"));
        assert!(find("arn:aws:iam::aws:policy/AdministratorAccess").is_some());
        assert!(find("arn:aws:iam::000000000000:policy/AdministratorAccess").is_none());
    }
}
