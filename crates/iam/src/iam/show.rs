//! Records as answers have them.

use super::documents::encoded;
use crate::iam_shapes as shapes;
use crate::records::{Identity, LastUsed, ManagedPolicy, Profile, Tags, Usage};
use crate::{IamError, Result};
use danbi_core::AccountId;

/// How much of a thing an answer shows: lists leave out what a look-up gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// As the answer to its creation.
    Created,
    /// As one of a list.
    Listed,
    /// All of it.
    Whole,
}

pub(super) fn tags(tags: &Tags) -> Vec<shapes::Tag> {
    let tag = |(key, value): &(String, String)| shapes::Tag {
        key: key.clone(),
        value: value.clone(),
    };
    tags.iter().map(tag).collect()
}

/// Tags, when there are any.
fn some_tags(all: &Tags) -> Option<Vec<shapes::Tag>> {
    (!all.is_empty()).then(|| tags(all))
}

pub(super) fn boundary(arn: Option<&String>) -> Option<shapes::AttachedPermissionsBoundary> {
    arn.map(|arn| shapes::AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn.clone()),
    })
}

pub(super) fn attached(arns: &[String]) -> Vec<shapes::AttachedPolicy> {
    let attached = |arn: &String| shapes::AttachedPolicy {
        policy_name: Some(super::names::last_part(arn).to_owned()),
        policy_arn: Some(arn.clone()),
    };
    arns.iter().map(attached).collect()
}

/// Inline policies with their documents.
pub(super) fn inline(identity: &Identity) -> Vec<shapes::PolicyDetail> {
    let detail = |(name, document): (&String, &String)| shapes::PolicyDetail {
        policy_name: Some(name.clone()),
        policy_document: Some(encoded(document)),
    };
    identity.inline.iter().map(detail).collect()
}

pub(super) fn user(identity: &Identity, account: &AccountId, detail: Detail) -> shapes::User {
    let whole = detail != Detail::Listed;
    shapes::User {
        path: identity.path.clone(),
        user_name: identity.name.clone(),
        user_id: identity.id.clone(),
        arn: identity.arn(account),
        create_date: identity.created,
        password_last_used: None,
        permissions_boundary: boundary(identity.boundary.as_ref().filter(|_| whole)),
        tags: some_tags(&identity.tags).filter(|_| whole),
    }
}

pub(super) fn group(identity: &Identity, account: &AccountId) -> shapes::Group {
    shapes::Group {
        path: identity.path.clone(),
        group_name: identity.name.clone(),
        group_id: identity.id.clone(),
        arn: identity.arn(account),
        create_date: identity.created,
    }
}

pub(super) fn role(identity: &Identity, account: &AccountId, detail: Detail) -> Result<shapes::Role> {
    let facts = identity.role()?;
    let listed = detail == Detail::Listed;
    Ok(shapes::Role {
        path: identity.path.clone(),
        role_name: identity.name.clone(),
        role_id: identity.id.clone(),
        arn: identity.arn(account),
        create_date: identity.created,
        assume_role_policy_document: Some(encoded(&facts.trust)),
        description: facts.description.clone(),
        max_session_duration: (detail != Detail::Created).then_some(facts.max_session),
        permissions_boundary: boundary(identity.boundary.as_ref().filter(|_| !listed)),
        tags: some_tags(&identity.tags).filter(|_| !listed),
        role_last_used: (detail == Detail::Whole).then(shapes::RoleLastUsed::default),
    })
}

pub(super) fn policy(
    policy: &ManagedPolicy,
    account: &AccountId,
    usage: Usage,
    detail: Detail,
) -> Result<shapes::Policy> {
    let whole = detail != Detail::Listed;
    Ok(shapes::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn(account)),
        path: Some(policy.path.clone()),
        default_version_id: Some(version_id(policy.default)),
        attachment_count: Some(count(usage.attached)?),
        permissions_boundary_usage_count: Some(count(usage.boundaries)?),
        is_attachable: Some(true),
        description: policy.description.clone().filter(|_| detail == Detail::Whole),
        create_date: Some(policy.created),
        update_date: Some(policy.updated),
        tags: match detail {
            Detail::Whole => Some(tags(&policy.tags)),
            _ => some_tags(&policy.tags).filter(|_| whole),
        },
    })
}

pub(super) fn count(count: u32) -> Result<i32> {
    i32::try_from(count).map_err(|_| IamError::Record)
}

pub(super) fn version_id(number: u64) -> String {
    format!("v{number}")
}

/// The versions of a policy, newest first, with or without documents.
pub(super) fn versions(policy: &ManagedPolicy, with_documents: bool) -> Vec<shapes::PolicyVersion> {
    let version = |version: &crate::records::PolicyVersion| shapes::PolicyVersion {
        document: with_documents.then(|| encoded(&version.document)),
        version_id: Some(version_id(version.number)),
        is_default_version: Some(version.number == policy.default),
        create_date: Some(version.created),
    };
    policy.versions.iter().rev().map(version).collect()
}

pub(super) fn profile(profile: &Profile, account: &AccountId, roles: Vec<shapes::Role>) -> shapes::InstanceProfile {
    shapes::InstanceProfile {
        path: profile.path.clone(),
        instance_profile_name: profile.name.clone(),
        instance_profile_id: profile.id.clone(),
        arn: format!(
            "arn:aws:iam::{account}:instance-profile{}{}",
            profile.path, profile.name
        ),
        create_date: profile.created,
        roles,
        tags: Some(tags(&profile.tags)),
    }
}

/// When a key was last used; AWS says `N/A` for one that never was.
pub(super) fn last_used(used: Option<LastUsed>) -> shapes::AccessKeyLastUsed {
    match used {
        Some(used) => shapes::AccessKeyLastUsed {
            last_used_date: Some(used.at),
            service_name: used.service,
            region: used.region,
        },
        None => shapes::AccessKeyLastUsed {
            last_used_date: None,
            service_name: "N/A".into(),
            region: "N/A".into(),
        },
    }
}
