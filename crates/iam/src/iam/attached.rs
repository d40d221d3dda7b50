//! Managed policies attached to users, groups and roles.

use super::paging::{Paged, listed};
use super::policies::{self, Use};
use super::{Iam, names, quotas, roles, show};
use crate::iam_shapes::*;
use crate::records::{self, Kind, save};
use crate::{IamError, Result};
use danbi_core::{AccountId, RequestContext};
use danbi_wire::Empty;
use std::sync::Arc;

/// Whose policies, and the account.
#[derive(Clone, Copy)]
struct Of<'a> {
    account: &'a AccountId,
    kind: Kind,
    name: &'a str,
}

async fn attach(iam: &Iam, of: Of<'_>, policy: &str) -> Result<Empty> {
    names::policy_arn(policy)?;
    iam.change(of.account, async |tx| {
        let mut identity = records::get(&tx, of.account, of.kind, of.name).await?;
        roles::check_changeable(&identity)?;
        if !policies::exists(&tx, of.account, policy).await? {
            return Err(IamError::NoSuchEntity(format!(
                "Policy {policy} does not exist or is not attachable."
            )));
        }
        if identity.attached.iter().any(|arn| arn == policy) {
            return Ok(());
        }
        if identity.attached.len() >= quotas::ATTACHED {
            let quota = format!("PoliciesPer{}", of.kind.title());
            return Err(quotas::exceeded(&quota, quotas::ATTACHED));
        }
        identity.attached.push(policy.into());
        policies::begin_use(&tx, of.account, policy, Use::Attached, &identity).await?;
        save(&tx, of.account, &identity)
    })
    .await?;
    Ok(Empty {})
}

async fn detach(iam: &Iam, of: Of<'_>, policy: &str) -> Result<Empty> {
    names::policy_arn(policy)?;
    iam.change(of.account, async |tx| {
        let mut identity = records::get(&tx, of.account, of.kind, of.name).await?;
        roles::check_changeable(&identity)?;
        let at = identity.attached.iter().position(|arn| arn == policy);
        let at = at.ok_or_else(|| IamError::NoSuchEntity(format!("Policy {policy} was not found.")))?;
        identity.attached.remove(at);
        policies::end_use(&tx, of.account, policy, Use::Attached, &identity).await?;
        save(&tx, of.account, &identity)
    })
    .await?;
    Ok(Empty {})
}

async fn list(
    iam: &Iam,
    of: Of<'_>,
    path_prefix: Option<&str>,
    max_items: Option<i32>,
    marker: Option<&str>,
) -> Result<Paged<AttachedPolicy>> {
    let identity = records::get(&iam.store.snapshot().await?, of.account, of.kind, of.name).await?;
    let prefix = path_prefix.unwrap_or("/");
    let at_path = |arn: &&String| policies::path_of(arn).starts_with(prefix);
    let arns: Vec<String> = identity.attached.iter().filter(at_path).cloned().collect();
    listed(show::attached(&arns), max_items, marker)
}

/// The three operations of a kind, which differ in the names of their shapes and members alone; a function cannot be
/// generic over those.
macro_rules! operations {
    ($kind:expr, $name:ident: $attach:ident($attach_in:ty), $detach:ident($detach_in:ty), $list:ident($list_in:ty, $list_out:ident)) => {
        pub(super) async fn $attach(iam: Arc<Iam>, context: RequestContext, input: $attach_in) -> Result<Empty> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            attach(&iam, of, &input.policy_arn).await
        }

        pub(super) async fn $detach(iam: Arc<Iam>, context: RequestContext, input: $detach_in) -> Result<Empty> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            detach(&iam, of, &input.policy_arn).await
        }

        pub(super) async fn $list(iam: Arc<Iam>, context: RequestContext, input: $list_in) -> Result<$list_out> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            let page = list(
                &iam,
                of,
                input.path_prefix.as_deref(),
                input.max_items,
                input.marker.as_deref(),
            )
            .await?;
            Ok($list_out {
                is_truncated: page.truncated(),
                attached_policies: Some(page.items),
                marker: page.marker,
            })
        }
    };
}

operations!(Kind::User, user_name: attach_user(AttachUserPolicyRequest), detach_user(DetachUserPolicyRequest),
    list_user(ListAttachedUserPoliciesRequest, ListAttachedUserPoliciesResponse));
operations!(Kind::Group, group_name: attach_group(AttachGroupPolicyRequest), detach_group(DetachGroupPolicyRequest),
    list_group(ListAttachedGroupPoliciesRequest, ListAttachedGroupPoliciesResponse));
operations!(Kind::Role, role_name: attach_role(AttachRolePolicyRequest), detach_role(DetachRolePolicyRequest),
    list_role(ListAttachedRolePoliciesRequest, ListAttachedRolePoliciesResponse));
