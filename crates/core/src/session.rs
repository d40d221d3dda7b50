use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What temporary credentials bring along besides whom they speak for. It limits what they may do, so a service that
/// keeps a principal for later keeps this with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// When they were issued (`aws:TokenIssueTime`).
    pub issued: Timestamp,
    /// Session policies, JSON text: what the session does must be allowed by one of them or of `policy_arns`, when there
    /// is any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Managed policies that count as session policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<String>,
    /// Session tags (`aws:PrincipalTag/…`); they replace the role's own of the same key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The keys of those tags that sessions made from this one inherit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub transitive: Vec<String>,
    /// `aws:SourceIdentity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
    /// Of a federated user, the ARN and the unique id, with a space between them, of who made it: its policies are the
    /// most that the session may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_by: Option<String>,
    /// Whether another session made this one, which may then last an hour at most.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub chained: bool,
}
