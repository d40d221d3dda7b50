//! Asks the policies, and words the refusal as AWS does.

use crate::directory::KnownIdentity;
use crate::policy::{ContextKeys, Decision, Policy, PolicyKind, PolicySet, Request, decide};
use crate::sts::FREE_FOR_ALL;
use async_trait::async_trait;
use danbi_core::{
    Access, AccountId, Arn, Authorizer, Clock, PolicyLanguage, PolicyUse, Principal, Refusal, RequestContext,
    ResourcePolicySource, ResourceSide, ServiceError, Session, Verdict,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use time::format_description::well_known::Rfc3339;

/// What bears on a principal's requests besides the resource's side.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The user or role.
    pub own: Arc<KnownIdentity>,
    /// Policies passed when the session was made.
    pub session: Vec<Arc<Policy>>,
}

/// Gives the policies of users and roles to the authorizer.
#[async_trait]
pub trait IdentityPolicySource: Send + Sync + 'static {
    /// Those of `principal`; empty for one that has none.
    async fn policies(&self, principal: &Principal) -> Result<Held, ServiceError>;

    /// Is told that an access key was used.
    async fn used(&self, _access_key_id: &str, _service: &str, _region: &str) {}
}

/// No principal has policies of its own: for platforms without users and roles, and tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoIdentityPolicies;

#[async_trait]
impl IdentityPolicySource for NoIdentityPolicies {
    async fn policies(&self, _: &Principal) -> Result<Held, ServiceError> {
        Ok(Held::default())
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

    fn parse(&self, text: Arc<str>, resource: &str, is_trust: bool) -> Result<Arc<Policy>, ServiceError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(policy) = parsed.get(&text) {
            return Ok(policy.clone());
        }
        let read = match is_trust {
            true => Policy::parse_trust(&text),
            false => Policy::parse_resource(&text),
        };
        let policy = read.map_err(|error| {
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
        held: &Held,
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
        principal_keys(&context.principal, &held.own, &mut keys);
        for (key, values) in &access.conditions {
            keys.add_all(key, values.iter().cloned());
        }
        for (key, value) in &side.conditions {
            keys.add(key, value.as_str());
        }
        keys
    }
}

fn principal_keys(principal: &Principal, own: &KnownIdentity, keys: &mut ContextKeys) {
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
        Principal::Identity { arn, id, session } => {
            keys.add("aws:PrincipalAccount", arn.account.as_str());
            keys.add("aws:userid", id.as_str());
            if let Some(session) = session {
                session_keys(session, keys);
            }
            let of_session = |key: &str| session.as_ref().is_some_and(|session| has_tag(session, key));
            for (key, value) in own.tags.iter().filter(|(key, _)| !of_session(key)) {
                keys.add(&format!("aws:PrincipalTag/{key}"), value.as_str());
            }
            if let Some((role, _)) = arn
                .resource
                .strip_prefix("assumed-role/")
                .and_then(|rest| rest.split_once('/'))
            {
                let without_path = || format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account);
                keys.add("aws:PrincipalArn", own.arn.clone().unwrap_or_else(without_path));
                keys.add("aws:PrincipalType", "AssumedRole");
            } else if arn.resource.starts_with("federated-user/") {
                keys.add("aws:PrincipalArn", arn.to_string());
                keys.add("aws:PrincipalType", "FederatedUser");
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

fn session_keys(session: &Session, keys: &mut ContextKeys) {
    if let Ok(text) = session.issued.to_datetime().format(&Rfc3339) {
        keys.add("aws:TokenIssueTime", text);
    }
    keys.add("aws:MultiFactorAuthPresent", "false");
    for (key, value) in &session.tags {
        keys.add(&format!("aws:PrincipalTag/{key}"), value.as_str());
    }
    if let Some(source) = &session.source_identity {
        keys.add("aws:SourceIdentity", source.as_str());
    }
}

/// Whether the session has a tag of this key, whatever its case.
fn has_tag(session: &Session, key: &str) -> bool {
    session.tags.keys().any(|have| have.eq_ignore_ascii_case(key))
}

#[async_trait]
impl Authorizer for PolicyAuthorizer {
    async fn authorize(&self, context: &RequestContext, access: &Access) -> Result<(), ServiceError> {
        let is_known = matches!(context.principal, Principal::Root(_) | Principal::Identity { .. });
        if is_known && FREE_FOR_ALL.contains(&access.action) {
            return Ok(());
        }
        let side = self.resource_side(context, access).await?;
        let owner = Self::owner(context, access, &side);
        let required = side.policy_use == PolicyUse::Required;
        let is_owner = matches!(&context.principal, Principal::Root(account) if *account == owner);
        if side.policy.is_none() && is_owner && !required {
            return Ok(());
        }
        if let (Principal::Identity { session: None, .. }, Some(signature)) =
            (&context.principal, &context.facts.signature)
        {
            let service = access.action.split(':').next().unwrap_or_default();
            let region = context.scope.region.as_str();
            self.identities.used(&signature.access_key_id, service, region).await;
        }
        let resource = side
            .policy
            .clone()
            .map(|text| self.parse(text, &access.resource, access.action.starts_with("sts:")))
            .transpose()?;
        let held = self.identities.policies(&context.principal).await?;
        let keys = self.context_keys(context, access, &side, &owner, &held);
        let policies = PolicySet {
            identity: &held.own.identity,
            resource,
            resource_use: side.policy_use,
            granted: side.granted,
            boundary: held.own.boundary.as_deref(),
            session: &held.session,
        };
        let named = side.resource.as_deref().unwrap_or(&access.resource);
        let request = Request {
            principal: &context.principal,
            action: access.action,
            resource: named,
            resource_account: Some(&owner),
            context: &keys,
        };
        match decide(&request, &policies) {
            Decision::Allowed => Ok(()),
            refused => Err(match side.refusal {
                None => denied(
                    "AccessDeniedException",
                    &context.principal,
                    access.action,
                    named,
                    refused,
                ),
                Some(Refusal::Code(code)) => denied(code, &context.principal, access.action, named, refused),
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

    fn lets_caller(&self, text: &str, context: &RequestContext, access: &Access) -> bool {
        let Ok(policy) = Policy::parse_resource(text) else {
            return false;
        };
        let owner = context.scope.account.clone();
        let keys = self.context_keys(context, access, &ResourceSide::default(), &owner, &Held::default());
        let request = Request {
            principal: &context.principal,
            action: access.action,
            resource: &access.resource,
            resource_account: Some(&owner),
            context: &keys,
        };
        let policies = PolicySet {
            resource: Some(Arc::new(policy)),
            resource_use: PolicyUse::Required,
            ..PolicySet::default()
        };
        // Identity policies come after the resource's: when they are what is missing, the resource has said yes.
        matches!(
            decide(&request, &policies),
            Decision::Allowed | Decision::ImplicitDeny(PolicyKind::Identity)
        )
    }

    fn judge(
        &self,
        document: &str,
        action: &str,
        resource: &str,
        conditions: &[(&str, String)],
    ) -> Result<Verdict, String> {
        let policy = Policy::parse_identity(document).map_err(|error| error.to_string())?;
        let mut context = ContextKeys::new();
        for (key, value) in conditions {
            context.add(key, value.as_str());
        }
        // Whoever it is: a policy of an identity does not say whose it is.
        let principal = Principal::Identity {
            arn: Arn::new("iam", &danbi_core::Scope::default(), "user/bearer"),
            id: String::new(),
            session: None,
        };
        let request = Request {
            principal: &principal,
            action,
            resource,
            resource_account: None,
            context: &context,
        };
        let own = [Arc::new(policy)];
        let policies = PolicySet {
            identity: &own,
            ..PolicySet::default()
        };
        Ok(match decide(&request, &policies) {
            Decision::Allowed => Verdict::Allowed,
            Decision::ExplicitDeny(_) => Verdict::Denied,
            Decision::ImplicitDeny(_) => Verdict::Silent,
        })
    }
}

/// AWS's message.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>.
fn denied(code: &'static str, principal: &Principal, action: &str, resource: &str, decision: Decision) -> ServiceError {
    let who = match principal {
        Principal::Service(name) => name.clone(),
        other => other.arn().unwrap_or_else(|| "anonymous".into()),
    };
    // AWS writes SNS's actions so in its refusals, whatever a policy calls them.
    let action = &match action.strip_prefix("sns:") {
        Some(name) => format!("SNS:{name}"),
        None => action.to_owned(),
    };
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
