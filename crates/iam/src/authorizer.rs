//! Asks the policies, and words the refusal as AWS does.

use crate::policy::{ContextKeys, Decision, Policy, PolicyKind, PolicySet, Request, decide};
use crate::sts::GET_CALLER_IDENTITY;
use async_trait::async_trait;
use danbi_core::{
    Access, AccountId, Arn, Authorizer, Clock, PolicyLanguage, Principal, Refusal, RequestContext,
    ResourcePolicySource, ResourceSide, ServiceError,
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

/// The [`Authorizer`] of the platform: the root of the account that owns the resource may do everything that the
/// resource's policy does not deny it, everyone else what [`decide`] allows.
///
/// Holds up to 256 parsed resource policies, found by their text, so that a policy is read once and never stale.
pub struct PolicyAuthorizer {
    clock: Arc<dyn Clock>,
    identities: Arc<dyn IdentityPolicySource>,
    resources: HashMap<String, Arc<dyn ResourcePolicySource>>,
    parsed: Mutex<HashMap<Arc<str>, Arc<Policy>>>,
}

const MAX_PARSED: usize = 256;

impl PolicyAuthorizer {
    /// An authorizer that asks `identities` for what principals bring along.
    pub fn new(clock: Arc<dyn Clock>, identities: Arc<dyn IdentityPolicySource>) -> Self {
        Self {
            clock,
            identities,
            resources: HashMap::new(),
            parsed: Mutex::default(),
        }
    }

    /// Asks `source` about the resources of actions whose prefix is `service`, such as `lambda`.
    #[must_use]
    pub fn with_resource_policies(mut self, service: &str, source: Arc<dyn ResourcePolicySource>) -> Self {
        self.resources.insert(service.into(), source);
        self
    }

    async fn resource_side(&self, context: &RequestContext, access: &Access) -> Result<ResourceSide, ServiceError> {
        let service = access.action.split(':').next().unwrap_or_default();
        match self.resources.get(service) {
            Some(source) => source.resource_side(context, access).await,
            None => Ok(ResourceSide::default()),
        }
    }

    fn parse(&self, text: Arc<str>, resource: &str) -> Result<Arc<Policy>, ServiceError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = parsed.get(&text) {
            return Ok(policy.clone());
        }
        let policy = Policy::parse_resource(&text).map_err(|error| {
            // A policy that cannot be read may hold a deny, so nobody passes.
            tracing::error!(resource, %error, "a stored resource policy cannot be read");
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

    /// Whose the resource is: as the service says, else as its ARN names it, else the caller's own.
    fn owner(context: &RequestContext, access: &Access, side: &ResourceSide) -> AccountId {
        let named = || access.resource.parse::<Arn>().ok()?.account.parse().ok();
        let owner = side.owner.clone().or_else(named);
        owner.unwrap_or_else(|| context.scope.account.clone())
    }

    fn context_keys(
        &self,
        context: &RequestContext,
        access: &Access,
        side: &ResourceSide,
        owner: &AccountId,
    ) -> ContextKeys {
        let now = self.clock.now();
        let mut keys = ContextKeys::new()
            .with("aws:SourceIp", context.source_ip.to_string())
            .with("aws:SecureTransport", context.secure.to_string())
            .with("aws:RequestedRegion", context.scope.region.as_str())
            .with("aws:ResourceAccount", owner.as_str())
            .with("aws:EpochTime", now.as_secs().to_string());
        if let Ok(text) = now.to_datetime().format(&Rfc3339) {
            keys.add("aws:CurrentTime", text);
        }
        if !context.user_agent.is_empty() {
            keys.add("aws:UserAgent", context.user_agent.as_str());
        }
        if let Some(referer) = &context.facts.referer {
            keys.add("aws:Referer", referer.as_str());
        }
        if let Some(source) = &context.facts.source {
            keys.add("aws:SourceArn", source.arn.as_str());
            keys.add("aws:SourceAccount", source.account.as_str());
        }
        principal_keys(&context.principal, &mut keys);
        for (key, values) in &access.conditions {
            keys.add_all(key, values.iter().cloned());
        }
        for (key, value) in &side.conditions {
            keys.add(key, value.as_str());
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
        let is_known = matches!(context.principal, Principal::Root(_) | Principal::Identity { .. });
        if is_known && access.action == GET_CALLER_IDENTITY {
            return Ok(());
        }
        let side = self.resource_side(context, access).await?;
        let owner = Self::owner(context, access, &side);
        if side.policy.is_none() && matches!(&context.principal, Principal::Root(account) if *account == owner) {
            return Ok(());
        }
        let resource = side
            .policy
            .clone()
            .map(|text| self.parse(text, &access.resource))
            .transpose()?;
        let own = self.identities.policies(&context.principal).await?;
        let policies = PolicySet {
            identity: own.identity,
            resource,
            resource_use: side.policy_use,
            granted: side.granted,
            boundary: own.boundary,
            session: own.session,
        };
        let keys = self.context_keys(context, access, &side, &owner);
        let request = Request {
            principal: &context.principal,
            action: access.action,
            resource: &access.resource,
            resource_account: Some(&owner),
            context: &keys,
        };
        match decide(&request, &policies) {
            Decision::Allowed => Ok(()),
            refused => Err(match side.refusal {
                None => denied("AccessDeniedException", &context.principal, access, refused),
                Some(Refusal::Code(code)) => denied(code, &context.principal, access, refused),
                Some(Refusal::Error(error)) => error,
            }),
        }
    }
}

impl PolicyLanguage for PolicyAuthorizer {
    fn check_resource_policy(&self, text: &str) -> Result<(), String> {
        Policy::parse_resource(text)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// AWS's message.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
fn denied(code: &'static str, principal: &Principal, access: &Access, decision: Decision) -> ServiceError {
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
    ServiceError::client(code, 403, message)
}

fn article(kind: PolicyKind) -> &'static str {
    if kind == PolicyKind::Identity { "an" } else { "a" }
}

#[cfg(test)]
mod tests;
