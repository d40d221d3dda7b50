//! What create, update and change sets have in common: from a request to a target that can be deployed.

use crate::engine::{CloudFormation, drive, dynamic, plan};
use crate::providers;
use crate::records::{self, Asker, Operation, Phase, Tag, Target};
use crate::shapes::{Parameter, Tag as SaidTag};
use crate::template::dynamic::{Reference, find as find_references};
use crate::template::evaluate::{Evaluator, NothingYet, Pseudo};
use crate::template::parameters::{Given, Said, resolve};
use crate::template::{Template, TemplateError, rules};
use crate::{Error, Result};
use danbi_core::{RequestContext, Scope, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Most tags of a stack. Source: CloudFormation's API reference.
const MAX_TAGS: usize = 50;

/// What a request says of a stack to be made or changed.
pub(super) struct Wanted<'a> {
    pub text: &'a str,
    pub parameters: Option<&'a Vec<Parameter>>,
    pub before: &'a BTreeMap<String, Given>,
    pub tags: Vec<Tag>,
    pub capabilities: Option<&'a Vec<String>>,
    pub resource_types: Option<&'a Vec<String>>,
    pub notification_arns: Vec<String>,
    pub role_arn: Option<String>,
}

pub(super) fn tags(said: Option<&Vec<SaidTag>>) -> Result<Option<Vec<Tag>>> {
    let Some(said) = said else { return Ok(None) };
    if said.len() > MAX_TAGS {
        return Err(Error::validation(format!(
            "Number of tags exceeds the limit of {MAX_TAGS}"
        )));
    }
    let mut tags = Vec::new();
    for tag in said {
        if tag.key.starts_with("aws:") {
            return Err(Error::validation("User-defined tag keys must not begin with aws:"));
        }
        tags.push(Tag {
            key: tag.key.clone(),
            value: tag.value.clone(),
        });
    }
    Ok(Some(tags))
}

pub(super) fn said(parameters: Option<&Vec<Parameter>>) -> Result<BTreeMap<String, Said>> {
    let mut all = BTreeMap::new();
    for parameter in parameters.into_iter().flatten() {
        let Some(key) = &parameter.parameter_key else {
            return Err(Error::validation("Every parameter must have a ParameterKey"));
        };
        let said = Said {
            value: parameter.parameter_value.clone(),
            use_previous: parameter.use_previous_value == Some(true),
        };
        if all.insert(key.clone(), said).is_some() {
            return Err(Error::validation(format!("Duplicate parameter key {key}")));
        }
    }
    Ok(all)
}

pub(super) fn pseudo(scope: &Scope, stack_id: &str, stack_name: &str, target: &Target) -> Pseudo {
    Pseudo {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        stack_id: stack_id.to_owned(),
        stack_name: stack_name.to_owned(),
        notification_arns: target.notification_arns.clone(),
    }
}

/// Refuses types that are not there, or that the request does not allow.
pub(super) fn check_types(template: &Template, allowed: Option<&Vec<String>>) -> Result<()> {
    let mut unknown: Vec<&str> = template
        .resources
        .values()
        .map(|one| one.kind.as_str())
        .filter(|kind| providers::find(kind).is_none())
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        return Err(TemplateError::format(providers::unknown(&unknown)).into());
    }
    if let Some((name, _)) = template.resources.iter().find(|(_, one)| one.creation_policy.is_some()) {
        return Err(Error::validation(format!(
            "The CreationPolicy of {name} is not built on this platform; WaitCondition is."
        )));
    }
    if let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) {
        for resource in template.resources.values() {
            let fits = allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
                Some(start) if start.ends_with("::") => resource.kind.starts_with(start),
                _ => resource.kind == *pattern,
            });
            if !fits {
                return Err(Error::validation(format!(
                    "Resource type {} is not allowed by parameter ResourceTypes [{}]",
                    resource.kind,
                    allowed.join(", ")
                )));
            }
        }
    }
    Ok(())
}

pub(super) fn check_capabilities(template: &Template, said: Option<&Vec<String>>) -> Result<()> {
    let has = |capability: &str| said.is_some_and(|said| said.iter().any(|one| one == capability));
    match template.capabilities() {
        Some(("CAPABILITY_IAM", _)) if !has("CAPABILITY_IAM") && !has("CAPABILITY_NAMED_IAM") => Err(
            Error::InsufficientCapabilities("Requires capabilities : [CAPABILITY_IAM]".into()),
        ),
        Some(("CAPABILITY_NAMED_IAM", _)) if !has("CAPABILITY_NAMED_IAM") => Err(Error::InsufficientCapabilities(
            "Requires capabilities : [CAPABILITY_NAMED_IAM]".into(),
        )),
        _ => Ok(()),
    }
}

/// Judges a request whole: what only a deployment can find out is left.
pub(super) async fn target(
    engine: &CloudFormation,
    context: &RequestContext,
    name: &str,
    wanted: Wanted<'_>,
) -> Result<(Template, Target)> {
    let said = said(wanted.parameters)?;
    let value_of = |name: &str| match said.get(name) {
        Some(Said { use_previous: true, .. }) => wanted.before.get(name).map(|given| given.value.clone()),
        Some(said) => said.value.clone(),
        None => None,
    };
    let template = Template::read_with(wanted.text, &value_of)?;
    check_types(&template, wanted.resource_types)?;
    check_capabilities(&template, wanted.capabilities)?;
    let mut parameters = resolve(&template, &said, wanted.before)?;
    dynamic::parameters(engine, context, &template, &mut parameters).await?;
    let target = Target {
        template: String::new(),
        description: template.description.clone(),
        parameters,
        tags: wanted.tags,
        capabilities: wanted.capabilities.cloned().unwrap_or_default(),
        notification_arns: wanted.notification_arns,
        role_arn: wanted.role_arn,
    };
    if let Some(role) = &target.role_arn {
        let invalid = || Error::validation(format!("Role {role} is invalid or cannot be assumed"));
        let roles = engine.roles.as_ref().ok_or_else(invalid)?;
        let arn = role.parse().map_err(|_| invalid())?;
        roles
            .act_as(&arn, "cloudformation.amazonaws.com", "AWSCloudFormation", None)
            .await
            .map_err(|_| invalid())?;
    }
    let snapshot = engine.store.snapshot().await?;
    let exports = drive::exports(&snapshot, &context.scope).await?;
    // A stack that is not there has no id yet; what takes one apart has to find its parts.
    let id = format!(
        "arn:aws:cloudformation:{}:{}:stack/{name}/{}",
        context.scope.region,
        context.scope.account,
        Uuid::nil()
    );
    let pseudo = pseudo(&context.scope, &id, name, &target);
    let references = check_values(&template, &target, &pseudo, &exports)?;
    dynamic::check(engine, context, &references).await?;
    Ok((template, target))
}

/// Computes what can be computed before anything is made, so that mistakes are told at once; gives the dynamic references
/// in it.
fn check_values(
    template: &Template,
    target: &Target,
    pseudo: &Pseudo,
    exports: &BTreeMap<String, String>,
) -> Result<BTreeSet<Reference>> {
    let mut references = BTreeSet::new();
    let evaluator = Evaluator::new(template, &target.parameters, pseudo, exports, &NothingYet);
    rules::check(&evaluator)?;
    for name in template.conditions.keys() {
        evaluator.condition(name)?;
    }
    // An export that is missing stops the deployment, not the request; so does AWS.
    let is_ours = |error: &TemplateError| !error.0.starts_with("No export named");
    for (name, resource) in &template.resources {
        if !evaluator.is_active(name)? {
            continue;
        }
        plan::policies(resource, &|value| evaluator.value(value))?;
        match evaluator.value(&resource.properties) {
            Err(error) if is_ours(&error) => return Err(error.into()),
            Ok(Some(value)) => find_references(&resource.kind, &value, &mut references)?,
            _ => {}
        }
    }
    for output in template.outputs.values() {
        if let Some(condition) = &output.condition
            && !evaluator.condition(condition)?
        {
            continue;
        }
        if let Err(error) = evaluator.value(&output.value)
            && is_ours(&error)
        {
            let words = error.0.replace(" in the Resources block", " in the Outputs block");
            return Err(Error::Validation(match words.contains("Outputs block") {
                true => words.trim_start_matches("Template format error: ").to_owned(),
                false => words,
            }));
        }
    }
    Ok(references)
}

/// Work that `context` asks for.
pub(super) fn operation(context: &RequestContext, phase: Phase, target: Target, token: Option<String>) -> Operation {
    let id = Uuid::new_v4().to_string();
    Operation {
        base: id.clone(),
        id,
        phase,
        target,
        previous: None,
        token,
        asker: Asker::of(&context.principal),
        host: context.host.clone(),
        secure: context.secure,
        deadline: None,
        on_failure: records::OnFailure::Rollback,
        skip: Vec::new(),
        retain: Vec::new(),
        force: false,
        retain_except_on_create: false,
        policy: None,
        cancelled: false,
        then_delete: None,
    }
}

/// `minutes` from now.
pub(super) fn deadline(now: Timestamp, minutes: Option<i32>) -> Option<Timestamp> {
    minutes.map(|minutes| now.plus_millis(i64::from(minutes).saturating_mul(60_000)))
}
