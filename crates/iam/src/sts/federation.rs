//! `GetFederationToken`: a part of a user's rights under another name.

use super::session_policies::{packed, policies, tags};
use super::session_token::ROOT_MAX;
use super::{Sts, shown, without_session};
use crate::Result;
use crate::shapes::{FederatedUser, GetFederationTokenRequest, GetFederationTokenResponse};
use danbi_core::{Access, Arn, Principal, RequestContext, ServiceError, Session};
use std::sync::Arc;
use std::time::Duration;

const DEFAULT: i32 = 43_200;

fn arn(context: &RequestContext, name: &str) -> Arn {
    Arn {
        partition: "aws".into(),
        service: "sts".into(),
        region: String::new(),
        account: context.scope.account.to_string(),
        resource: format!("federated-user/{name}"),
    }
}

pub(super) fn access(
    _: &Sts,
    context: &RequestContext,
    input: &GetFederationTokenRequest,
) -> std::result::Result<Access, ServiceError> {
    let access = Access::new("sts:GetFederationToken", arn(context, &input.name));
    Ok(input.tags.iter().flatten().fold(access, |access, tag| {
        access
            .with(format!("aws:RequestTag/{}", tag.key), tag.value.as_str())
            .with("aws:TagKeys", tag.key.as_str())
    }))
}

pub(super) async fn get_federation_token(
    sts: Arc<Sts>,
    context: RequestContext,
    input: GetFederationTokenRequest,
) -> Result<GetFederationTokenResponse> {
    without_session(&context, "GetFederationToken")?;
    let account = &context.scope.account;
    let tags = tags(input.tags)?;
    let (policies, policy_arns) = policies(&sts, account, input.policy, input.policy_arns).await?;
    let packed = packed(&policies, &policy_arns, &tags)?;
    let is_root = matches!(context.principal, Principal::Root(_));
    let seconds = input.duration_seconds.unwrap_or(DEFAULT);
    let seconds = if is_root { seconds.min(ROOT_MAX) } else { seconds };
    let maker = match &context.principal {
        Principal::Identity { arn, id, .. } => format!("{arn} {id}"),
        _ => format!("arn:aws:iam::{account}:root {account}"),
    };
    let (arn, id) = (arn(&context, &input.name), format!("{account}:{}", input.name));
    let principal = Principal::Identity {
        arn: arn.clone(),
        id: id.clone(),
        session: Some(Arc::new(Session {
            issued: sts.directory.now(),
            policies,
            policy_arns,
            tags,
            made_by: Some(maker),
            ..Session::default()
        })),
    };
    let lifetime = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let issued = sts.sessions.issue(&principal, lifetime)?;
    Ok(GetFederationTokenResponse {
        credentials: Some(shown(issued)),
        federated_user: Some(FederatedUser {
            federated_user_id: id,
            arn: arn.to_string(),
        }),
        packed_policy_size: Some(packed),
    })
}
