//! Asks the policies, and words the refusal as AWS does.

use crate::policy::{ContextKeys, Decision, Policy, PolicyKind, PolicySet, Request, decide};
use crate::sts::GET_CALLER_IDENTITY;
use async_trait::async_trait;
use danbi_core::{
    Access, AccountId, Arn, Authorizer, Clock, Principal, RequestContext, ResourcePolicySource, ServiceError,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use time::format_description::well_known::Rfc3339;

/// The policies that come with a principal.
#[derive(Debug, Clone, Default)]
pub struct IdentityPolicies {
    /// Attached to the user, its groups, or the role.
    pub identity: Vec<Arc<Policy>>,
    /// The permissions boundary.
    pub boundary: Option<Arc<Policy>>,
    /// Passed when the session was made.
    pub session: Vec<Arc<Policy>>,
}

/// Gives the policies of users and roles to the authorizer.
#[async_trait]
pub trait IdentityPolicySource: Send + Sync + 'static {
    /// Those of `principal`; empty for one that has none.
    async fn policies(&self, principal: &Principal) -> Result<IdentityPolicies, ServiceError>;
}

/// No principal has policies of its own: true as long as no users and roles can be made.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoIdentityPolicies;

#[async_trait]
impl IdentityPolicySource for NoIdentityPolicies {
    async fn policies(&self, _: &Principal) -> Result<IdentityPolicies, ServiceError> {
        Ok(IdentityPolicies::default())
    }
}

/// The [`Authorizer`] of the platform: the account's root may do everything in its account, everyone else what
/// [`decide`] allows.
///
/// Holds up to 256 parsed resource policies, found by their text, so that a policy is read once and never stale.
pub struct PolicyAuthorizer {
    account: AccountId,
    clock: Arc<dyn Clock>,
    identities: Arc<dyn IdentityPolicySource>,
    resources: HashMap<String, Arc<dyn ResourcePolicySource>>,
    parsed: Mutex<HashMap<String, Arc<Policy>>>,
}

const MAX_PARSED: usize = 256;

impl PolicyAuthorizer {
    /// An authorizer for the resources of `account`.
    pub fn new(account: AccountId, clock: Arc<dyn Clock>, identities: Arc<dyn IdentityPolicySource>) -> Self {
        Self {
            account,
            clock,
            identities,
            resources: HashMap::new(),
            parsed: Mutex::default(),
        }
    }

    /// Asks `source` for the policies of resources whose ARN names `service`, such as `lambda`.
    #[must_use]
    pub fn with_resource_policies(mut self, service: &str, source: Arc<dyn ResourcePolicySource>) -> Self {
        self.resources.insert(service.into(), source);
        self
    }

    async fn resource_policy(&self, access: &Access) -> Result<Option<Arc<Policy>>, ServiceError> {
        let Ok(arn) = access.resource.parse::<Arn>() else {
            return Ok(None);
        };
        let Some(source) = self.resources.get(&arn.service) else {
            return Ok(None);
        };
        let Some(text) = source.resource_policy(&arn).await? else {
            return Ok(None);
        };
        self.parse(text, &arn).map(Some)
    }

    fn parse(&self, text: String, arn: &Arn) -> Result<Arc<Policy>, ServiceError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = parsed.get(&text) {
            return Ok(policy.clone());
        }
        let policy = Policy::parse_resource(&text).map_err(|error| {
            // A policy that cannot be read may hold a deny, so nobody passes.
            tracing::error!(resource = %arn, %error, "a stored resource policy cannot be read");
            ServiceError::server(
                "InternalFailure",
                500,
                "The policy of the resource cannot be evaluated.",
            )
        })?;
        let policy = Arc::new(policy);
        if parsed.len() >= MAX_PARSED {
            parsed.clear();
        }
        parsed.insert(text, policy.clone());
        Ok(policy)
    }

    fn context_keys(&self, context: &RequestContext, access: &Access) -> ContextKeys {
        let now = self.clock.now();
        let mut keys = ContextKeys::new()
            .with("aws:SourceIp", context.source_ip.to_string())
            .with("aws:SecureTransport", context.secure.to_string())
            .with("aws:RequestedRegion", context.scope.region.as_str())
            .with("aws:ResourceAccount", self.account.as_str())
            .with("aws:EpochTime", now.as_secs().to_string());
        if let Ok(text) = now.to_datetime().format(&Rfc3339) {
            keys.add("aws:CurrentTime", text);
        }
        if !context.user_agent.is_empty() {
            keys.add("aws:UserAgent", context.user_agent.as_str());
        }
        principal_keys(&context.principal, &mut keys);
        for (key, values) in &access.conditions {
            keys.add_all(key, values.iter().cloned());
        }
        keys
    }
}

fn principal_keys(principal: &Principal, keys: &mut ContextKeys) {
    keys.add(
        "aws:PrincipalIsAWSService",
        matches!(principal, Principal::Service(_)).to_string(),
    );
    match principal {
        Principal::Root(account) => {
            keys.add("aws:PrincipalArn", format!("arn:aws:iam::{account}:root"));
            keys.add("aws:PrincipalAccount", account.as_str());
            keys.add("aws:PrincipalType", "Account");
            keys.add("aws:userid", account.as_str());
        }
        Principal::Identity { arn, id } => {
            keys.add("aws:PrincipalAccount", arn.account.as_str());
            keys.add("aws:userid", id.as_str());
            if let Some((role, _)) = arn
                .resource
                .strip_prefix("assumed-role/")
                .and_then(|rest| rest.split_once('/'))
            {
                keys.add(
                    "aws:PrincipalArn",
                    format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account),
                );
                keys.add("aws:PrincipalType", "AssumedRole");
            } else {
                keys.add("aws:PrincipalArn", arn.to_string());
                keys.add("aws:PrincipalType", "User");
                if let Some(name) = arn
                    .resource
                    .strip_prefix("user/")
                    .and_then(|path| path.rsplit('/').next())
                {
                    keys.add("aws:username", name);
                }
            }
        }
        Principal::Service(name) => keys.add("aws:PrincipalServiceName", name.as_str()),
        Principal::Anonymous => {
            keys.add("aws:PrincipalType", "Anonymous");
            keys.add("aws:userid", "anonymous");
        }
    }
}

#[async_trait]
impl Authorizer for PolicyAuthorizer {
    async fn authorize(&self, context: &RequestContext, access: &Access) -> Result<(), ServiceError> {
        if matches!(&context.principal, Principal::Root(account) if *account == self.account) {
            return Ok(());
        }
        let is_known = matches!(context.principal, Principal::Root(_) | Principal::Identity { .. });
        if is_known && access.action == GET_CALLER_IDENTITY {
            return Ok(());
        }
        let resource = self.resource_policy(access).await?;
        let own = self.identities.policies(&context.principal).await?;
        let policies = PolicySet {
            identity: own.identity,
            resource,
            boundary: own.boundary,
            session: own.session,
        };
        let keys = self.context_keys(context, access);
        let request = Request {
            principal: &context.principal,
            action: access.action,
            resource: &access.resource,
            resource_account: Some(&self.account),
            context: &keys,
        };
        match decide(&request, &policies) {
            Decision::Allowed => Ok(()),
            refused => Err(denied(&context.principal, access, refused)),
        }
    }
}

/// AWS's message.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
fn denied(principal: &Principal, access: &Access, decision: Decision) -> ServiceError {
    let who = match principal {
        Principal::Service(name) => name.clone(),
        other => other.arn().unwrap_or_else(|| "anonymous".into()),
    };
    let Access { action, resource, .. } = access;
    let why = match decision {
        Decision::ExplicitDeny(kind) => format!("with an explicit deny in {} {kind}", article(kind)),
        Decision::ImplicitDeny(kind) => format!("because no {kind} allows the {action} action"),
        // Not reached: what is allowed is not refused.
        Decision::Allowed => String::new(),
    };
    let message = format!("User: {who} is not authorized to perform: {action} on resource: {resource} {why}");
    ServiceError::client("AccessDeniedException", 403, message)
}

fn article(kind: PolicyKind) -> &'static str {
    if kind == PolicyKind::Identity { "an" } else { "a" }
}

#[cfg(test)]
mod tests;
