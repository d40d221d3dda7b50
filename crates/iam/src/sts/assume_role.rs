//! `AssumeRole`: whether the role trusts the caller is the authorizer's question (see [`super::TrustPolicies`]); here is
//! what the session may be.

use super::session_policies::{has_key, packed, policies, tags};
use super::{Sts, shown};
use crate::sessions::role_principal;
use crate::shapes::{AssumeRoleRequest, AssumeRoleResponse, AssumedRoleUser};
use crate::{IamError, Result};
use danbi_core::{Access, AccountId, Arn, Principal, RequestContext, ServiceError, Session};
use std::sync::Arc;
use std::time::Duration;

/// The longest session that another session may make, in seconds.
const CHAINED: i32 = 3600;
const DEFAULT: i32 = 3600;

pub(super) fn access(
    _: &Sts,
    context: &RequestContext,
    input: &AssumeRoleRequest,
) -> std::result::Result<Vec<Access>, ServiceError> {
    let role = &input.role_arn;
    if role.parse::<Arn>().is_err() {
        return Err(ServiceError::client(
            "ValidationError",
            400,
            format!("{role} is invalid"),
        ));
    }
    let asked = |action: &'static str| {
        let mut access = Access::new(action, role).with("sts:RoleSessionName", input.role_session_name.as_str());
        if let Some(id) = &input.external_id {
            access = access.with("sts:ExternalId", id.as_str());
        }
        if let Some(identity) = &input.source_identity {
            access = access.with("sts:SourceIdentity", identity.as_str());
        }
        for tag in input.tags.iter().flatten() {
            access = access
                .with(format!("aws:RequestTag/{}", tag.key), tag.value.as_str())
                .with("aws:TagKeys", tag.key.as_str());
        }
        for key in input.transitive_tag_keys.iter().flatten() {
            access = access.with("sts:TransitiveTagKeys", key.as_str());
        }
        access
    };
    let mut accesses = vec![asked("sts:AssumeRole")];
    let inherits = session(context).is_some_and(|session| !session.transitive.is_empty());
    if input.tags.as_ref().is_some_and(|tags| !tags.is_empty()) || inherits {
        accesses.push(asked("sts:TagSession"));
    }
    if input.source_identity.is_some() {
        accesses.push(asked("sts:SetSourceIdentity"));
    }
    Ok(accesses)
}

/// The session of the caller.
fn session(context: &RequestContext) -> Option<&Session> {
    match &context.principal {
        Principal::Identity { session, .. } => session.as_deref(),
        _ => None,
    }
}

pub(super) async fn assume_role(
    sts: Arc<Sts>,
    context: RequestContext,
    input: AssumeRoleRequest,
) -> Result<AssumeRoleResponse> {
    let invalid = || IamError::Validation(format!("{} is invalid", input.role_arn));
    let role: Arn = input.role_arn.parse().map_err(|_| invalid())?;
    let account: AccountId = role.account.parse().map_err(|_| invalid())?;
    let caller = session(&context);
    let chained =
        matches!(&context.principal, Principal::Identity { arn, .. } if arn.resource.starts_with("assumed-role/"));
    // The authorizer has just read its trust policy; it may be gone since.
    let known = sts.directory.role(&role).await?.ok_or_else(|| {
        let who = context.principal.arn().unwrap_or_default();
        IamError::AccessDenied(format!(
            "User: {who} is not authorized to perform: sts:AssumeRole on resource: {role}"
        ))
    })?;
    let seconds = input.duration_seconds.unwrap_or(DEFAULT);
    if chained && seconds > CHAINED {
        return Err(IamError::Validation(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining".into(),
        ));
    }
    if seconds > known.max_session {
        return Err(IamError::Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".into(),
        ));
    }
    let mut tags = tags(input.tags)?;
    let mut transitive = input.transitive_tag_keys.unwrap_or_default();
    if transitive.iter().any(|key| !has_key(&tags, key)) {
        return Err(IamError::InvalidParameter(
            "The specified transitive tag key must be included in the requested tags.",
        ));
    }
    for key in caller.iter().flat_map(|caller| &caller.transitive) {
        if has_key(&tags, key) {
            return Err(IamError::InvalidParameter(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key \
                 from the calling session.",
            ));
        }
    }
    for key in caller.iter().flat_map(|caller| &caller.transitive) {
        let value = caller
            .and_then(|caller| caller.tags.get(key))
            .cloned()
            .unwrap_or_default();
        tags.insert(key.clone(), value);
        transitive.push(key.clone());
    }
    let (policies, policy_arns) = policies(&sts, &account, input.policy, input.policy_arns).await?;
    let limited = !policies.is_empty() || !policy_arns.is_empty() || !tags.is_empty();
    let packed = packed(&policies, &policy_arns, &tags)?;
    let source_identity = input.source_identity.or_else(|| caller?.source_identity.clone());
    let made = Session {
        issued: sts.directory.now(),
        policies,
        policy_arns,
        tags,
        transitive,
        source_identity: source_identity.clone(),
        made_by: None,
        chained,
    };
    let principal = role_principal(&role, &known.id, &input.role_session_name, Arc::new(made))?;
    let lifetime = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let issued = sts.sessions.issue(&principal, lifetime)?;
    let user = match &principal {
        Principal::Identity { arn, id, .. } => Some(AssumedRoleUser {
            assumed_role_id: id.clone(),
            arn: arn.to_string(),
        }),
        // Not reached: a role's session is an identity.
        _ => None,
    };
    Ok(AssumeRoleResponse {
        credentials: Some(shown(issued)),
        assumed_role_user: user,
        packed_policy_size: limited.then_some(packed),
        source_identity,
    })
}
