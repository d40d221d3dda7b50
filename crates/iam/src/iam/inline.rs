//! Inline policies of users, groups and roles.

use super::documents::{self, compact_len, encoded};
use super::paging::{Paged, listed};
use super::{Iam, quotas, roles};
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

impl Of<'_> {
    fn no_policy(self, policy: &str) -> IamError {
        let kind = self.kind.as_str();
        IamError::NoSuchEntity(format!("The {kind} policy with name {policy} cannot be found."))
    }
}

async fn put(iam: &Iam, of: Of<'_>, policy: &str, document: &str) -> Result<Empty> {
    documents::check(document)?;
    iam.change(of.account, async |tx| {
        let mut identity = records::get(&tx, of.account, of.kind, of.name).await?;
        roles::check_changeable(&identity)?;
        identity.inline.insert(policy.into(), document.into());
        let size: usize = identity.inline.values().map(|document| compact_len(document)).sum();
        let limit = quotas::inline_size(of.kind);
        if size > limit {
            let (kind, name) = (of.kind.as_str(), of.name);
            return Err(IamError::LimitExceeded(format!(
                "Maximum policy size of {limit} bytes exceeded for {kind} {name}"
            )));
        }
        save(&tx, of.account, &identity)
    })
    .await?;
    Ok(Empty {})
}

async fn get(iam: &Iam, of: Of<'_>, policy: &str) -> Result<String> {
    let identity = records::get(&iam.store.snapshot().await?, of.account, of.kind, of.name).await?;
    let document = identity.inline.get(policy).ok_or_else(|| of.no_policy(policy))?;
    Ok(encoded(document))
}

async fn delete(iam: &Iam, of: Of<'_>, policy: &str) -> Result<Empty> {
    iam.change(of.account, async |tx| {
        let mut identity = records::get(&tx, of.account, of.kind, of.name).await?;
        roles::check_changeable(&identity)?;
        identity.inline.remove(policy).ok_or_else(|| of.no_policy(policy))?;
        save(&tx, of.account, &identity)
    })
    .await?;
    Ok(Empty {})
}

async fn list(iam: &Iam, of: Of<'_>, max_items: Option<i32>, marker: Option<&str>) -> Result<Paged<String>> {
    let identity = records::get(&iam.store.snapshot().await?, of.account, of.kind, of.name).await?;
    listed(identity.inline.into_keys().collect(), max_items, marker)
}

/// The four operations of a kind, which differ in the names of their shapes and members alone; a function cannot be
/// generic over those.
macro_rules! operations {
    ($kind:expr, $name:ident: $put:ident($put_in:ty), $get:ident($get_in:ty, $get_out:ident), $delete:ident($delete_in:ty),
     $list:ident($list_in:ty, $list_out:ident)) => {
        pub(super) async fn $put(iam: Arc<Iam>, context: RequestContext, input: $put_in) -> Result<Empty> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            put(&iam, of, &input.policy_name, &input.policy_document).await
        }

        pub(super) async fn $get(iam: Arc<Iam>, context: RequestContext, input: $get_in) -> Result<$get_out> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            let policy_document = get(&iam, of, &input.policy_name).await?;
            Ok($get_out {
                $name: input.$name,
                policy_name: input.policy_name,
                policy_document,
            })
        }

        pub(super) async fn $delete(iam: Arc<Iam>, context: RequestContext, input: $delete_in) -> Result<Empty> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            delete(&iam, of, &input.policy_name).await
        }

        pub(super) async fn $list(iam: Arc<Iam>, context: RequestContext, input: $list_in) -> Result<$list_out> {
            let of = Of {
                account: &context.scope.account,
                kind: $kind,
                name: &input.$name,
            };
            let page = list(&iam, of, input.max_items, input.marker.as_deref()).await?;
            Ok($list_out {
                is_truncated: page.truncated(),
                policy_names: page.items,
                marker: page.marker,
            })
        }
    };
}

operations!(Kind::User, user_name: put_user(PutUserPolicyRequest), get_user(GetUserPolicyRequest, GetUserPolicyResponse),
    delete_user(DeleteUserPolicyRequest), list_user(ListUserPoliciesRequest, ListUserPoliciesResponse));
operations!(Kind::Group, group_name: put_group(PutGroupPolicyRequest), get_group(GetGroupPolicyRequest, GetGroupPolicyResponse),
    delete_group(DeleteGroupPolicyRequest), list_group(ListGroupPoliciesRequest, ListGroupPoliciesResponse));
operations!(Kind::Role, role_name: put_role(PutRolePolicyRequest), get_role(GetRolePolicyRequest, GetRolePolicyResponse),
    delete_role(DeleteRolePolicyRequest), list_role(ListRolePoliciesRequest, ListRolePoliciesResponse));
