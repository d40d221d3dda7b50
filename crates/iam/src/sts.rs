//! AWS Security Token Service: who am I?

use crate::shapes::operations::GetCallerIdentity;
use crate::shapes::{GetCallerIdentityRequest, GetCallerIdentityResponse};
use danbi_core::{Access, Principal, RequestContext, ServiceError};
use danbi_wire::{Service, models};
use std::sync::Arc;

/// What every authenticated caller may do, whatever the policies say.
/// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>.
pub(crate) const GET_CALLER_IDENTITY: &str = "sts:GetCallerIdentity";

/// The service, with the operations that are built.
pub fn service() -> Service {
    Service::builder(&models::STS, Arc::new(()))
        .on(GetCallerIdentity, access, get_caller_identity)
        .build()
}

fn access(_: &(), _: &RequestContext, _: &GetCallerIdentityRequest) -> Result<Access, ServiceError> {
    Ok(Access::any(GET_CALLER_IDENTITY))
}

async fn get_caller_identity(
    _: Arc<()>,
    context: RequestContext,
    _: GetCallerIdentityRequest,
) -> Result<GetCallerIdentityResponse, ServiceError> {
    let (user_id, account) = match &context.principal {
        Principal::Root(account) => (account.to_string(), account.to_string()),
        Principal::Identity { arn, id } => (id.clone(), arn.account.clone()),
        // The authorizer lets neither come here.
        Principal::Service(_) | Principal::Anonymous => {
            return Err(ServiceError::client("AccessDenied", 403, "Access Denied"));
        }
    };
    let arn = context.principal.arn();
    Ok(GetCallerIdentityResponse {
        user_id: Some(user_id),
        account: Some(account),
        arn,
    })
}
