//! Working as a role: services of the platform for others, and functions with their own.

use super::{Directory, KnownIdentity};
use crate::policy::{ContextKeys, Decision, PolicySet, Request, decide};
use crate::sessions::{SESSION_LIFETIME, role_principal, unknown_role};
use async_trait::async_trait;
use danbi_core::{
    AccountId, Arn, PolicyUse, Principal, RoleCredentials, ServiceError, ServiceRoles, Session, SessionCredentials,
    SourceResource,
};
use std::sync::Arc;

const LAMBDA: &str = "lambda.amazonaws.com";

impl Directory {
    /// Whether the role's trust policy lets `service` assume it.
    fn trusts(&self, role: &KnownIdentity, service: &str, source: Option<&SourceResource>) -> bool {
        let (Some(trust), Some(arn)) = (&role.trust, &role.arn) else {
            return false;
        };
        let owner: Option<AccountId> = arn.parse::<Arn>().ok().and_then(|arn| arn.account.parse().ok());
        let mut keys = ContextKeys::new()
            .with("aws:PrincipalIsAWSService", "true")
            .with("aws:PrincipalServiceName", service);
        if let Some(source) = source {
            keys.add("aws:SourceArn", source.arn.as_str());
            keys.add("aws:SourceAccount", source.account.as_str());
        }
        let principal = Principal::Service(service.into());
        let request = Request {
            principal: &principal,
            action: "sts:AssumeRole",
            resource: arn,
            resource_account: owner.as_ref(),
            context: &keys,
        };
        let policies = PolicySet {
            resource: Some(Arc::clone(trust)),
            resource_use: PolicyUse::Required,
            ..PolicySet::default()
        };
        decide(&request, &policies) == Decision::Allowed
    }

    fn new_session(&self) -> Arc<Session> {
        Arc::new(Session {
            issued: self.clock.now(),
            ..Session::default()
        })
    }
}

#[async_trait]
impl ServiceRoles for Directory {
    async fn act_as(
        &self,
        role: &Arn,
        service: &str,
        session_name: &str,
        source: Option<&SourceResource>,
    ) -> Result<Principal, ServiceError> {
        let known = self.role(role).await?;
        match known.filter(|known| self.trusts(known, service, source)) {
            Some(known) => Ok(role_principal(role, &known.id, session_name, self.new_session())?),
            None => Err(ServiceError::client(
                "AccessDenied",
                403,
                format!("Provided role '{role}' cannot be assumed by principal '{service}'."),
            )),
        }
    }
}

#[async_trait]
impl RoleCredentials for Directory {
    async fn assume(&self, role: &Arn, session_name: &str) -> Result<SessionCredentials, ServiceError> {
        let known = self.role(role).await?;
        let (id, warning) = match &known {
            Some(known) if self.trusts(known, LAMBDA, None) => (known.id.clone(), None),
            Some(_) => (
                unknown_role(role),
                Some(format!(
                    "The trust policy of the role {role} does not let {LAMBDA} assume it, so the function's credentials \
                     may do nothing."
                )),
            ),
            None => (
                unknown_role(role),
                Some(format!(
                    "There is no role {role}, so the function's credentials may do nothing. Create it, or give the \
                     function one that exists."
                )),
            ),
        };
        let principal = role_principal(role, &id, session_name, self.new_session())?;
        let mut issued = self.sessions.issue(&principal, SESSION_LIFETIME)?;
        issued.warning = warning;
        Ok(issued)
    }
}
