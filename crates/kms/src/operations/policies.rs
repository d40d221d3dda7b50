//! `PutKeyPolicy`, `GetKeyPolicy`, `ListKeyPolicies`.

use super::change;
use crate::error::{Error, Result};
use crate::names::KeyName;
use crate::shapes::{
    GetKeyPolicyRequest, GetKeyPolicyResponse, ListKeyPoliciesRequest, ListKeyPoliciesResponse, PutKeyPolicyRequest,
};
use crate::{Kms, catalog, policy};
use danbi_core::{Access, RequestContext};
use danbi_wire::Empty;
use std::sync::Arc;

/// Makes sure that the caller could change the policy again, so that a key is not locked for ever by mistake.
///
/// # Errors
/// `MalformedPolicyDocumentException`.
pub(crate) fn check_lockout(kms: &Kms, context: &RequestContext, text: &str, bypass: Option<bool>) -> Result<()> {
    let again = Access::any("kms:PutKeyPolicy");
    if bypass == Some(true) || kms.language.lets_caller(text, context, &again) {
        return Ok(());
    }
    Err(Error::client(
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    ))
}

/// PutKeyPolicy.
pub(crate) async fn put(kms: Arc<Kms>, context: RequestContext, input: PutKeyPolicyRequest) -> Result<Empty> {
    policy::check_name(input.policy_name.as_deref())?;
    policy::check(&kms, &input.policy)?;
    check_lockout(&kms, &context, &input.policy, input.bypass_policy_lockout_safety_check)?;
    change(&kms, &context, &input.key_id, |scope, key| {
        key.check_not_doomed(scope)?;
        key.policy.clone_from(&input.policy);
        Ok(Empty {})
    })
    .await
}

/// GetKeyPolicy.
pub(crate) async fn get(
    kms: Arc<Kms>,
    context: RequestContext,
    input: GetKeyPolicyRequest,
) -> Result<GetKeyPolicyResponse> {
    policy::check_name(input.policy_name.as_deref())?;
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let key = catalog::by_id(&kms.snapshot().await?, &scope, &id).await?;
    Ok(GetKeyPolicyResponse {
        policy: Some(key.policy),
        policy_name: Some(policy::NAME.into()),
    })
}

/// ListKeyPolicies: there is one.
pub(crate) async fn list(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ListKeyPoliciesRequest,
) -> Result<ListKeyPoliciesResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    catalog::by_id(&kms.snapshot().await?, &scope, &id).await?;
    Ok(ListKeyPoliciesResponse {
        policy_names: Some(vec![policy::NAME.into()]),
        next_marker: None,
        truncated: Some(false),
    })
}
