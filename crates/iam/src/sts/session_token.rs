//! `GetSessionToken`: a user's own rights for a while, without IAM.

use super::{Sts, shown, without_session};
use crate::shapes::{GetSessionTokenRequest, GetSessionTokenResponse};
use crate::{IamError, Result};
use danbi_core::{Principal, RequestContext, Session};
use std::sync::Arc;
use std::time::Duration;

const USER_DEFAULT: i32 = 43_200;
/// The longest session of the root, in seconds.
pub(super) const ROOT_MAX: i32 = 3600;

/// What such a session of a user may not do without multi-factor authentication, which does not exist here.
/// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>.
const LIMITS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
{"Effect":"Deny","Action":["iam:*","sts:GetFederationToken","sts:GetSessionToken","sts:GetAccessKeyInfo"],
"Resource":"*"}]}"#;

pub(super) async fn get_session_token(
    sts: Arc<Sts>,
    context: RequestContext,
    input: GetSessionTokenRequest,
) -> Result<GetSessionTokenResponse> {
    without_session(&context, "GetSessionToken")?;
    if input.serial_number.is_some() || input.token_code.is_some() {
        return Err(IamError::AccessDenied(
            "MultiFactorAuthentication failed, there is no MFA device here.".into(),
        ));
    }
    let (principal, seconds) = match context.principal {
        Principal::Root(account) => (
            Principal::Root(account),
            input.duration_seconds.unwrap_or(ROOT_MAX).min(ROOT_MAX),
        ),
        Principal::Identity { arn, id, .. } => {
            let session = Session {
                issued: sts.directory.now(),
                policies: vec![LIMITS.into()],
                ..Session::default()
            };
            let principal = Principal::Identity {
                arn,
                id,
                session: Some(Arc::new(session)),
            };
            (principal, input.duration_seconds.unwrap_or(USER_DEFAULT))
        }
        // The authorizer lets neither come here.
        Principal::Service(_) | Principal::Anonymous => return Err(IamError::AccessDenied("Access Denied".into())),
    };
    let lifetime = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    let issued = sts.sessions.issue(&principal, lifetime)?;
    Ok(GetSessionTokenResponse {
        credentials: Some(shown(issued)),
    })
}
