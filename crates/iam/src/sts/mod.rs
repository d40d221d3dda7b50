//! AWS Security Token Service: who am I, and credentials for a while.
//!
//! `AssumeRoleWithWebIdentity` and `AssumeRoleWithSAML` are not built, because nothing here fetches and checks the keys
//! of foreign identity providers; `DecodeAuthorizationMessage` is not, because no service here encodes its refusals.

mod assume_role;
mod federation;
mod session_policies;
mod session_token;
mod trust;

pub use trust::TrustPolicies;

use crate::directory::Directory;
use crate::shapes::operations::*;
use crate::shapes::{
    GetAccessKeyInfoRequest, GetAccessKeyInfoResponse, GetCallerIdentityRequest, GetCallerIdentityResponse,
};
use crate::{IamError, Result, RootCredentials, Sessions, shapes};
use danbi_core::{Access, AccountId, Principal, RequestContext, ServiceError, SessionCredentials, Timestamp};
use danbi_store::Store;
use danbi_wire::{Service, models};
use std::fmt;
use std::sync::Arc;

/// What every authenticated caller may do, whatever the policies say.
/// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>,
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_getsessiontoken.html>.
pub(crate) const FREE_FOR_ALL: [&str; 2] = ["sts:GetCallerIdentity", "sts:GetSessionToken"];

/// What STS's operations work with.
pub struct Sts {
    store: Store,
    directory: Arc<Directory>,
    sessions: Arc<Sessions>,
    root_keys: Vec<(AccountId, String)>,
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sts(…)")
    }
}

impl Sts {
    /// STS over `store`; keys of `root` that name no account are of `account`.
    pub fn new(
        store: Store,
        directory: Arc<Directory>,
        sessions: Arc<Sessions>,
        root: &RootCredentials,
        account: &AccountId,
    ) -> Self {
        let root_keys = root.keys().map(|key| {
            let owner = key.account.as_ref().unwrap_or(account);
            (owner.clone(), key.access_key_id.clone())
        });
        Self {
            root_keys: root_keys.collect(),
            store,
            directory,
            sessions,
        }
    }
}

/// The service, with the operations that are built.
pub fn service(sts: Arc<Sts>) -> Service {
    Service::builder(&models::STS, sts)
        .on(
            GetCallerIdentity,
            |_, _, _| Ok(Access::any("sts:GetCallerIdentity")),
            get_caller_identity,
        )
        .on(AssumeRole, assume_role::access, assume_role::assume_role)
        .on(
            GetSessionToken,
            |_, _, _| Ok(Access::any("sts:GetSessionToken")),
            session_token::get_session_token,
        )
        .on(GetFederationToken, federation::access, federation::get_federation_token)
        .on(
            GetAccessKeyInfo,
            |_, _, _| Ok(Access::any("sts:GetAccessKeyInfo")),
            get_access_key_info,
        )
        .build()
}

async fn get_caller_identity(
    _: Arc<Sts>,
    context: RequestContext,
    _: GetCallerIdentityRequest,
) -> std::result::Result<GetCallerIdentityResponse, ServiceError> {
    let (user_id, account) = match &context.principal {
        Principal::Root(account) => (account.to_string(), account.to_string()),
        Principal::Identity { arn, id, .. } => (id.clone(), arn.account.clone()),
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

async fn get_access_key_info(
    sts: Arc<Sts>,
    _: RequestContext,
    input: GetAccessKeyInfoRequest,
) -> Result<GetAccessKeyInfoResponse> {
    let id = &input.access_key_id;
    let of_root = sts.root_keys.iter().find(|(_, key)| key == id);
    let account = match of_root {
        Some((account, _)) => Some(account.to_string()),
        None => crate::directory::key_account(&sts.store, id).await?,
    };
    match account {
        Some(account) => Ok(GetAccessKeyInfoResponse { account: Some(account) }),
        None => Err(IamError::Validation(format!("The access key {id} is not known."))),
    }
}

/// Credentials as answers have them.
fn shown(issued: SessionCredentials) -> shapes::Credentials {
    shapes::Credentials {
        access_key_id: issued.access_key_id,
        secret_access_key: issued.secret.expose().to_owned(),
        session_token: issued.session_token,
        // AWS gives whole seconds.
        expiration: Timestamp::from_millis(issued.expires.as_secs() * 1000),
    }
}

/// Refuses a caller that has a session already.
fn without_session(context: &RequestContext, operation: &str) -> Result<()> {
    match &context.principal {
        Principal::Root(_) | Principal::Identity { session: None, .. } => Ok(()),
        _ => Err(IamError::AccessDenied(format!(
            "Cannot call {operation} with session credentials"
        ))),
    }
}
