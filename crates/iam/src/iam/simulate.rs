//! The policy simulator: the engine that decides requests, asked about requests that nobody makes.
//!
//! Organizations' policies are not part of this platform, so a request that gives some is refused.

use super::paging::listed;
use super::{Iam, names, policies};
use crate::iam_shapes::*;
use crate::policy::{ContextKeys, Decision, Policy, PolicyKind, PolicySet, Request, decide, fitting, statement_places};
use crate::records::{self, Identity, Kind, View};
use crate::{IamError, Result, aws_managed};
use danbi_core::{AccountId, Arn, Principal, RequestContext};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most policies, and the most pairs of an action and a resource, that one request simulates.
const MAX_POLICIES: usize = 100;
const MAX_PAIRS: usize = 10_000;

/// A policy with the name that the answer calls it by.
struct Source {
    id: String,
    text: String,
    policy: Arc<Policy>,
}

impl Source {
    fn read(id: String, text: String) -> Result<Self> {
        let policy = Arc::new(Policy::parse_identity(&text)?);
        Ok(Self { id, text, policy })
    }
}

/// Policies from a request, named by their place in it.
fn given(list: &str, texts: Option<Vec<String>>) -> Result<Vec<Source>> {
    let texts = texts.unwrap_or_default();
    if texts.len() > MAX_POLICIES {
        return Err(IamError::InvalidInput(format!(
            "At most {MAX_POLICIES} policies can be simulated at once."
        )));
    }
    let numbered = texts.into_iter().enumerate();
    numbered
        .map(|(at, text)| Source::read(format!("{list}.{}", at + 1), text))
        .collect()
}

/// All that a simulation takes, whoever's policies they are.
struct Simulation {
    principal: Principal,
    identity: Vec<Source>,
    boundary: Vec<Source>,
    resource_policy: Option<(String, Arc<Policy>)>,
    owner: Option<AccountId>,
    context: ContextKeys,
    actions: Vec<String>,
    resources: Vec<String>,
}

/// How one action on one resource would be decided.
struct Outcome {
    decision: Decision,
    matched: Vec<Statement>,
    missing: Vec<String>,
    bounded: Option<bool>,
}

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Allowed => "allowed",
        Decision::ExplicitDeny(_) => "explicitDeny",
        Decision::ImplicitDeny(_) => "implicitDeny",
    }
}

impl Simulation {
    fn outcome(&self, action: &str, resource: &str) -> Outcome {
        let identity: Vec<Arc<Policy>> = self.identity.iter().map(|source| source.policy.clone()).collect();
        // Boundaries are given as a list that stands for one policy.
        let boundary = Policy::joined(self.boundary.iter().map(|source| source.policy.as_ref()));
        let boundary = (!self.boundary.is_empty()).then_some(&boundary);
        let request = Request {
            principal: &self.principal,
            action,
            resource,
            resource_account: self.owner.as_ref(),
            context: &self.context,
        };
        let policies = PolicySet {
            identity: &identity,
            resource: self.resource_policy.as_ref().map(|(_, policy)| policy.clone()),
            boundary,
            ..PolicySet::default()
        };
        let decision = decide(&request, &policies);
        let denied = matches!(decision, Decision::ExplicitDeny(_));
        let found = fitting(&request, &identity, denied);
        let matched = found.into_iter().filter_map(|(at, statement)| {
            let source = self.identity.get(at)?;
            let (start, end) = statement_places(&source.text).into_iter().nth(statement)?;
            let position = |place: crate::policy::Place| Position {
                line: i32::try_from(place.line).ok(),
                column: i32::try_from(place.column).ok(),
            };
            Some(Statement {
                source_policy_id: Some(source.id.clone()),
                source_policy_type: Some("IAM Policy".into()),
                start_position: Some(position(start)),
                end_position: Some(position(end)),
            })
        });
        let bounded = boundary.is_some().then_some(!matches!(
            decision,
            Decision::ExplicitDeny(PolicyKind::Boundary) | Decision::ImplicitDeny(PolicyKind::Boundary)
        ));
        Outcome {
            matched: matched.collect(),
            missing: self.missing(),
            decision,
            bounded,
        }
    }

    /// Context keys that the policies ask for and nobody gave.
    fn missing(&self) -> Vec<String> {
        let all = self.identity.iter().chain(&self.boundary);
        let mut keys: BTreeSet<String> = all.flat_map(|source| source.policy.context_keys()).collect();
        if let Some((_, policy)) = &self.resource_policy {
            keys.extend(policy.context_keys());
        }
        keys.into_iter().filter(|key| self.context.get(key).is_none()).collect()
    }

    fn run(&self) -> Result<Vec<EvaluationResult>> {
        if self.actions.len().saturating_mul(self.resources.len()) > MAX_PAIRS {
            return Err(IamError::InvalidInput(
                "There are too many actions and resources to simulate at once.".into(),
            ));
        }
        Ok(self.actions.iter().map(|action| self.result(action)).collect())
    }

    /// What comes of one action: of it as a whole, and on each resource.
    fn result(&self, action: &str) -> EvaluationResult {
        let on = |resource: &String| (resource.clone(), self.outcome(action, resource));
        let mut outcomes: Vec<(String, Outcome)> = self.resources.iter().map(on).collect();
        let specific = outcomes.iter().map(|(resource, outcome)| ResourceSpecificResult {
            eval_resource_name: resource.clone(),
            eval_resource_decision: word(outcome.decision).into(),
            matched_statements: Some(outcome.matched.clone()),
            missing_context_values: Some(outcome.missing.clone()),
            eval_decision_details: None,
            permissions_boundary_decision_detail: boundary_detail(outcome.bounded),
        });
        let specific = specific.collect();
        // The whole is as good as its worst part.
        let rank = |outcome: &Outcome| match outcome.decision {
            Decision::ExplicitDeny(_) => 0,
            Decision::ImplicitDeny(_) => 1,
            Decision::Allowed => 2,
        };
        outcomes.sort_by_key(|(_, outcome)| rank(outcome));
        let several = outcomes.len() > 1;
        let worst = outcomes.into_iter().next();
        let (resource, worst) = worst.unwrap_or_else(|| ("*".into(), self.outcome(action, "*")));
        EvaluationResult {
            eval_action_name: action.to_owned(),
            eval_resource_name: Some(if several { "*".into() } else { resource }),
            eval_decision: word(worst.decision).into(),
            matched_statements: Some(worst.matched),
            missing_context_values: Some(worst.missing),
            organizations_decision_detail: Some(OrganizationsDecisionDetail {
                allowed_by_organizations: Some(true),
            }),
            permissions_boundary_decision_detail: boundary_detail(worst.bounded),
            eval_decision_details: Some(Default::default()),
            resource_specific_results: Some(specific),
        }
    }
}

fn boundary_detail(bounded: Option<bool>) -> Option<PermissionsBoundaryDecisionDetail> {
    bounded.map(|allowed| PermissionsBoundaryDecisionDetail {
        allowed_by_permissions_boundary: Some(allowed),
    })
}

fn context_keys(entries: Option<Vec<ContextEntry>>) -> ContextKeys {
    let mut keys = ContextKeys::new();
    for entry in entries.unwrap_or_default() {
        if let Some(name) = entry.context_key_name {
            keys.add_all(&name, entry.context_key_values.unwrap_or_default());
        }
    }
    keys
}

/// A key that the caller did not give gets the value that it would have.
fn supply(keys: &mut ContextKeys, key: &str, value: &str) {
    if keys.get(key).is_none() {
        keys.add(key, value);
    }
}

fn resource_policy(text: Option<String>) -> Result<Option<(String, Arc<Policy>)>> {
    let read = text.map(|text| Ok((text.clone(), Arc::new(Policy::parse_resource(&text)?))));
    read.transpose()
}

fn owner(text: Option<String>) -> Result<Option<AccountId>> {
    let invalid = || IamError::InvalidInput("Invalid ResourceOwner.".into());
    let Some(text) = text else { return Ok(None) };
    let account = text.parse::<Arn>().map_or(text, |arn| arn.account);
    account.parse().map(Some).map_err(|_| invalid())
}

fn user_principal(account: &AccountId, arn: Option<String>, id: String) -> Result<Principal> {
    let text = arn.unwrap_or_else(|| format!("arn:aws:iam::{account}:user/simulated"));
    let arn = text
        .parse()
        .map_err(|_| IamError::InvalidInput(format!("Invalid Entity Arn: {text}")))?;
    Ok(Principal::Identity { arn, id, session: None })
}

fn no_organizations(given: Option<Vec<OrderedOrganizationPolicyType>>) -> Result<()> {
    match given.is_some_and(|given| !given.is_empty()) {
        true => Err(IamError::InvalidInput(
            "Policies of organizations are not part of this platform and cannot be simulated.".into(),
        )),
        false => Ok(()),
    }
}

fn answer(simulation: &Simulation, max_items: Option<i32>, marker: Option<&str>) -> Result<SimulatePolicyResponse> {
    let page = listed(simulation.run()?, max_items, marker)?;
    Ok(SimulatePolicyResponse {
        is_truncated: page.truncated(),
        evaluation_results: Some(page.items),
        marker: page.marker,
    })
}

/// The resources to try; any, when none is given.
fn resources(given: Option<Vec<String>>) -> Vec<String> {
    given
        .filter(|given| !given.is_empty())
        .unwrap_or_else(|| vec!["*".into()])
}

pub(super) async fn custom(
    _: Arc<Iam>,
    context: RequestContext,
    input: SimulateCustomPolicyRequest,
) -> Result<SimulatePolicyResponse> {
    no_organizations(input.ordered_organization_policy_input_list)?;
    let account = &context.scope.account;
    let simulation = Simulation {
        principal: user_principal(account, input.caller_arn, "AIDASIMULATED".into())?,
        identity: given("PolicyInputList", Some(input.policy_input_list))?,
        boundary: given(
            "PermissionsBoundaryPolicyInputList",
            input.permissions_boundary_policy_input_list,
        )?,
        resource_policy: resource_policy(input.resource_policy)?,
        owner: owner(input.resource_owner)?,
        context: context_keys(input.context_entries),
        actions: input.action_names,
        resources: resources(input.resource_arns),
    };
    answer(&simulation, input.max_items, input.marker.as_deref())
}

/// The user, group or role with this ARN.
async fn entity(view: &impl View, account: &AccountId, text: &str) -> Result<Identity> {
    let invalid = || IamError::InvalidInput(format!("Invalid Entity Arn: {text}"));
    let arn: Arn = text.parse().map_err(|_| invalid())?;
    let (kind, path) = arn.resource.split_once('/').ok_or_else(invalid)?;
    let kind = Kind::parse(kind).filter(|_| arn.service == "iam").ok_or_else(invalid)?;
    let gone = || IamError::NoSuchEntity(format!("Could not find entity: {text}"));
    let found = records::find(view, account, kind, names::last_part(path)).await?;
    found.filter(|found| found.arn(account) == text).ok_or_else(gone)
}

/// The policies of a user, group or role, and of the user's groups.
async fn sources(
    view: &impl View,
    account: &AccountId,
    of: &Identity,
    excluded: &[PolicyIdentifier],
) -> Result<Vec<Source>> {
    let mut all = Vec::new();
    own(view, account, of, excluded, &mut all).await?;
    for group in &of.groups {
        if let Some(group) = records::find(view, account, Kind::Group, group).await? {
            own(view, account, &group, excluded, &mut all).await?;
        }
    }
    Ok(all)
}

async fn own(
    view: &impl View,
    account: &AccountId,
    of: &Identity,
    excluded: &[PolicyIdentifier],
    all: &mut Vec<Source>,
) -> Result<()> {
    for (name, document) in &of.inline {
        let is_excluded = excluded
            .iter()
            .filter_map(|excluded| excluded.inline_policy_identifier.as_ref());
        let is = |id: &InlinePolicyIdentifierType| id.policy_name == *name && id.attachment_name == of.name;
        if !is_excluded.into_iter().any(is) {
            all.push(Source::read(name.clone(), document.clone())?);
        }
    }
    for arn in &of.attached {
        if excluded
            .iter()
            .any(|excluded| excluded.policy_arn.as_ref() == Some(arn))
        {
            continue;
        }
        all.extend(managed(view, account, arn).await?);
    }
    Ok(())
}

async fn managed(view: &impl View, account: &AccountId, arn: &str) -> Result<Option<Source>> {
    let id = names::last_part(arn).to_owned();
    if let Some(managed) = aws_managed::find(arn) {
        return Ok(Some(Source {
            id,
            text: managed.document().to_owned(),
            policy: managed.parsed(),
        }));
    }
    let found = policies::find(view, account, arn).await?;
    let document = found.and_then(|found| found.document().map(str::to_owned));
    document.map(|document| Source::read(id, document)).transpose()
}

pub(super) async fn principal(
    iam: Arc<Iam>,
    context: RequestContext,
    input: SimulatePrincipalPolicyRequest,
) -> Result<SimulatePolicyResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let entity = entity(&view, account, &input.policy_source_arn).await?;
    let excluded = input.policy_exclusion_list.unwrap_or_default();
    let mut identity = sources(&view, account, &entity, &excluded).await?;
    identity.extend(given("PolicyInputList", input.policy_input_list)?);
    let boundary = match (input.permissions_boundary_policy_input_list, &entity.boundary) {
        (Some(texts), _) => given("PermissionsBoundaryPolicyInputList", Some(texts))?,
        (None, Some(arn)) => managed(&view, account, arn).await?.into_iter().collect(),
        (None, None) => Vec::new(),
    };
    let arn = input.caller_arn.unwrap_or(input.policy_source_arn);
    let principal = user_principal(account, Some(arn.clone()), entity.id.clone())?;
    let mut keys = context_keys(input.context_entries);
    supply(&mut keys, "aws:PrincipalArn", &arn);
    supply(&mut keys, "aws:PrincipalAccount", account.as_str());
    supply(&mut keys, "aws:userid", &entity.id);
    if entity.kind == Kind::User {
        supply(&mut keys, "aws:username", &entity.name);
    }
    for (key, value) in &entity.tags {
        supply(&mut keys, &format!("aws:PrincipalTag/{key}"), value);
    }
    let simulation = Simulation {
        principal,
        identity,
        boundary,
        resource_policy: resource_policy(input.resource_policy)?,
        owner: owner(input.resource_owner)?,
        context: keys,
        actions: input.action_names,
        resources: resources(input.resource_arns),
    };
    answer(&simulation, input.max_items, input.marker.as_deref())
}

fn names_of(sources: &[Source]) -> GetContextKeysForPolicyResponse {
    let keys: BTreeSet<String> = sources.iter().flat_map(|source| source.policy.context_keys()).collect();
    GetContextKeysForPolicyResponse {
        context_key_names: Some(keys.into_iter().collect()),
    }
}

pub(super) async fn custom_keys(
    _: Arc<Iam>,
    _: RequestContext,
    input: GetContextKeysForCustomPolicyRequest,
) -> Result<GetContextKeysForPolicyResponse> {
    Ok(names_of(&given("PolicyInputList", Some(input.policy_input_list))?))
}

pub(super) async fn principal_keys(
    iam: Arc<Iam>,
    context: RequestContext,
    input: GetContextKeysForPrincipalPolicyRequest,
) -> Result<GetContextKeysForPolicyResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let entity = entity(&view, account, &input.policy_source_arn).await?;
    let mut all = sources(&view, account, &entity, &[]).await?;
    all.extend(given("PolicyInputList", input.policy_input_list)?);
    Ok(names_of(&all))
}
