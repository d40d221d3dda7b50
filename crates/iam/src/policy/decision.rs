//! AWS's evaluation logic: an explicit deny anywhere wins; then somebody must allow, and every limit must let it through.

use super::document::Policy;
use super::principal::Naming;
use super::request::Request;
use super::statement::{Effect, Statement};
use danbi_core::{Granted, PolicyUse, Principal};
use std::fmt;
use std::sync::Arc;

/// The kinds of policies, as AWS's messages name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Attached to the user, its groups, or the role.
    Identity,
    /// Attached to the resource.
    Resource,
    /// The most that identity policies may grant.
    Boundary,
    /// Passed when the session was made.
    Session,
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity-based policy",
            Self::Resource => "resource-based policy",
            Self::Boundary => "permissions boundary",
            Self::Session => "session policy",
        })
    }
}

/// The policies that bear on a request.
#[derive(Debug, Clone, Default)]
pub struct PolicySet<'a> {
    /// Those attached to the principal.
    pub identity: &'a [Arc<Policy>],
    /// The one attached to the resource.
    pub resource: Option<Arc<Policy>>,
    /// What of it counts.
    pub resource_use: PolicyUse,
    /// What an access control list of the resource grants the principal.
    pub granted: Granted,
    /// The principal's permissions boundary.
    pub boundary: Option<&'a Policy>,
    /// Those passed when the session was made.
    pub session: &'a [Arc<Policy>],
}

/// What the policies say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Allowed,
    /// A statement forbids it.
    ExplicitDeny(PolicyKind),
    /// No policy of this kind allows it.
    ImplicitDeny(PolicyKind),
}

/// Decides.
///
/// The root of the owning account may do everything that the resource's policy does not deny it. The order, from AWS's
/// documentation, leaving out what does not exist here (service and resource control policies):
/// 1. an explicit deny in any policy;
/// 2. a resource-based policy that allows the very principal (a user, a session, a service, everybody) suffices when the
///    resource is of the same account; one that names the role is still limited by boundary and session policies; one
///    that names the account passes the decision on to the account's identity policies;
/// 3. identity policies, permissions boundary and session policies must each allow;
/// 4. where the resource's policy must allow (a trust policy), nothing else suffices, not even being the root;
/// 5. across accounts both the resource's policy and the identity's must allow; a foreign root needs the resource's.
///
/// What an access control list grants counts like a statement of the resource's policy that names the account, or
/// everybody.
pub fn decide(request: &Request<'_>, policies: &PolicySet<'_>) -> Decision {
    use Decision::{Allowed, ExplicitDeny, ImplicitDeny};
    let denies = |policy: &Arc<Policy>| has(policy, Effect::Deny, request);
    let allows = |policy: &Arc<Policy>| has(policy, Effect::Allow, request);
    let boundary = policies.boundary;
    let resource = policies.resource.as_ref();

    let same_account = is_same_account(request);
    let owner = same_account && matches!(request.principal, Principal::Root(_));
    let spared = owner && policies.resource_use == PolicyUse::SparesRoot;
    if !spared && resource.is_some_and(|policy| named(policy, Effect::Deny, request).is_some()) {
        return ExplicitDeny(PolicyKind::Resource);
    }
    let required = policies.resource_use == PolicyUse::Required;
    if owner && !required {
        return Allowed;
    }
    if policies.identity.iter().any(denies) {
        return ExplicitDeny(PolicyKind::Identity);
    }
    if boundary.is_some_and(|policy| has(policy, Effect::Deny, request)) {
        return ExplicitDeny(PolicyKind::Boundary);
    }
    if policies.session.iter().any(denies) {
        return ExplicitDeny(PolicyKind::Session);
    }

    let by_policy = resource
        .filter(|_| policies.resource_use != PolicyUse::DeniesOnly)
        .and_then(|policy| named(policy, Effect::Allow, request));
    let by_list = match policies.granted {
        Granted::Nothing => None,
        Granted::ToAccount => Some(Naming::Account),
        Granted::ToEverybody => Some(Naming::Itself),
    };
    let granted = by_policy.max(by_list);
    if matches!(request.principal, Principal::Anonymous | Principal::Service(_)) {
        // They have no identity policies, so the resource alone decides.
        return if granted.is_some() {
            Allowed
        } else {
            ImplicitDeny(PolicyKind::Resource)
        };
    }
    if (required || !same_account) && granted.is_none() {
        return ImplicitDeny(PolicyKind::Resource);
    }
    if matches!(request.principal, Principal::Root(_)) {
        return Allowed;
    }
    if same_account && granted == Some(Naming::Itself) {
        return Allowed;
    }
    let granted_to_role = same_account && granted == Some(Naming::Role);
    if !granted_to_role && !policies.identity.iter().any(allows) {
        return ImplicitDeny(PolicyKind::Identity);
    }
    if boundary.is_some_and(|policy| !has(policy, Effect::Allow, request)) {
        return ImplicitDeny(PolicyKind::Boundary);
    }
    if !policies.session.is_empty() && !policies.session.iter().any(allows) {
        return ImplicitDeny(PolicyKind::Session);
    }
    Allowed
}

/// The statements that decided or could have: those that fit the request, of the effect that prevailed, as the index
/// among `policies` and in the policy. For the simulator.
pub(crate) fn fitting(request: &Request<'_>, policies: &[Arc<Policy>], denied: bool) -> Vec<(usize, usize)> {
    let effect = if denied { Effect::Deny } else { Effect::Allow };
    let mut found = Vec::new();
    for (at, policy) in policies.iter().enumerate() {
        for (index, statement) in policy.statements.iter().enumerate() {
            if statement.effect == effect && statement.fits(request) {
                found.push((at, index));
            }
        }
    }
    found
}

fn is_same_account(request: &Request<'_>) -> bool {
    let Some(owner) = request.resource_account else {
        return true;
    };
    match request.principal {
        Principal::Root(account) => account == owner,
        Principal::Identity { arn, .. } => arn.account == owner.as_str(),
        Principal::Service(_) | Principal::Anonymous => true,
    }
}

fn has(policy: &Policy, effect: Effect, request: &Request<'_>) -> bool {
    policy
        .statements
        .iter()
        .any(|statement| statement.effect == effect && statement.fits(request))
}

/// How the resource-based policy's statements of this effect name the principal, by the closest of them.
fn named(policy: &Policy, effect: Effect, request: &Request<'_>) -> Option<Naming> {
    let of_effect = |statement: &&Statement| statement.effect == effect;
    let fitting = policy.statements.iter().filter(of_effect);
    fitting
        .filter_map(|statement| statement.naming(request).filter(|_| statement.fits(request)))
        .max()
}
