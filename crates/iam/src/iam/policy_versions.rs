//! Versions of managed policies: at most five, one of which counts.

use super::paging::listed;
use super::policies::{check_size, get_any, get_own};
use super::{Iam, documents, quotas, show};
use crate::iam_shapes::*;
use crate::records::{self, ManagedPolicy};
use crate::{IamError, Result, keys};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

/// The number in `v3`.
fn number(id: &str) -> Option<u64> {
    id.strip_prefix('v')?.parse().ok()
}

fn not_found(policy: &str, id: &str) -> IamError {
    IamError::NoSuchEntity(format!(
        "Policy {policy} version {id} does not exist or is not attachable."
    ))
}

/// The version, without its document where the answer to a creation leaves it out.
fn shown(policy: &ManagedPolicy, number: u64, with_document: bool) -> Option<PolicyVersion> {
    let id = show::version_id(number);
    let mut versions = show::versions(policy, with_document).into_iter();
    versions.find(|version| version.version_id.as_deref() == Some(&id))
}

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreatePolicyVersionRequest,
) -> Result<CreatePolicyVersionResponse> {
    let (account, input, now) = (&context.scope.account, &input, iam.now());
    documents::check(&input.policy_document)?;
    check_size(&input.policy_document)?;
    let policy = iam
        .change(account, async |tx| {
            let mut policy = get_own(&tx, account, &input.policy_arn).await?;
            if policy.versions.len() >= quotas::VERSIONS {
                return Err(IamError::LimitExceeded(
                    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an \
                     existing version."
                        .into(),
                ));
            }
            policy.last += 1;
            policy.versions.push(records::PolicyVersion {
                number: policy.last,
                document: input.policy_document.clone(),
                created: now,
            });
            if input.set_as_default == Some(true) {
                policy.default = policy.last;
            }
            policy.updated = now;
            records::put(&tx, &keys::policy(account, &policy.name), &policy)?;
            Ok(policy)
        })
        .await?;
    Ok(CreatePolicyVersionResponse {
        policy_version: shown(&policy, policy.last, false),
    })
}

pub(super) async fn get(
    iam: Arc<Iam>,
    context: RequestContext,
    input: GetPolicyVersionRequest,
) -> Result<GetPolicyVersionResponse> {
    let account = &context.scope.account;
    let policy = get_any(&iam.store.snapshot().await?, account, &input.policy_arn).await?;
    let version = number(&input.version_id).and_then(|number| shown(&policy, number, true));
    let version = version.ok_or_else(|| not_found(&input.policy_arn, &input.version_id))?;
    Ok(GetPolicyVersionResponse {
        policy_version: Some(version),
    })
}

pub(super) async fn list(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListPolicyVersionsRequest,
) -> Result<ListPolicyVersionsResponse> {
    let account = &context.scope.account;
    let policy = get_any(&iam.store.snapshot().await?, account, &input.policy_arn).await?;
    let page = listed(show::versions(&policy, false), input.max_items, input.marker.as_deref())?;
    Ok(ListPolicyVersionsResponse {
        is_truncated: page.truncated(),
        versions: Some(page.items),
        marker: page.marker,
    })
}

pub(super) async fn delete(iam: Arc<Iam>, context: RequestContext, input: DeletePolicyVersionRequest) -> Result<Empty> {
    let (account, input) = (&context.scope.account, &input);
    iam.change(account, async |tx| {
        let mut policy = get_own(&tx, account, &input.policy_arn).await?;
        let at = number(&input.version_id)
            .and_then(|number| policy.versions.iter().position(|version| version.number == number))
            .ok_or_else(|| not_found(&input.policy_arn, &input.version_id))?;
        if policy.versions[at].number == policy.default {
            return Err(IamError::DeleteConflict(
                "Cannot delete the default version of a policy.",
            ));
        }
        policy.versions.remove(at);
        records::put(&tx, &keys::policy(account, &policy.name), &policy)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn set_default(
    iam: Arc<Iam>,
    context: RequestContext,
    input: SetDefaultPolicyVersionRequest,
) -> Result<Empty> {
    let (account, input, now) = (&context.scope.account, &input, iam.now());
    iam.change(account, async |tx| {
        let mut policy = get_own(&tx, account, &input.policy_arn).await?;
        let number = number(&input.version_id);
        let number = number.filter(|number| policy.versions.iter().any(|version| version.number == *number));
        policy.default = number.ok_or_else(|| not_found(&input.policy_arn, &input.version_id))?;
        policy.updated = now;
        records::put(&tx, &keys::policy(account, &policy.name), &policy)
    })
    .await?;
    Ok(Empty {})
}
