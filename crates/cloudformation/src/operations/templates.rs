//! Templates shown, summed up and checked.

use super::{prepare, stacks};
use crate::engine::CloudFormation;
use crate::records::{self, ChangeSet};
use crate::shapes::*;
use crate::template::Template;
use crate::{Error, Result, names};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;

/// GetTemplate.
pub(super) async fn get(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: GetTemplateInput,
) -> Result<GetTemplateOutput> {
    let snapshot = engine.store.snapshot().await?;
    let text = match (&input.stack_name, &input.change_set_name) {
        (stack, Some(set)) => {
            let (stack, set): (records::Stack, ChangeSet) =
                super::change_sets::find(&snapshot, &context.scope, stack.as_ref(), set).await?;
            stacks::text_of(&snapshot, &stack, &set.target.template).await?
        }
        (Some(name), None) => {
            let stack = names::existing(&snapshot, &context.scope, name).await?;
            match stack.target.template.as_str() {
                "" => String::new(),
                template => stacks::text_of(&snapshot, &stack, template).await?,
            }
        }
        (None, None) => {
            return Err(Error::validation(
                "StackName is required if ChangeSetName is not specified.",
            ));
        }
    };
    Ok(GetTemplateOutput {
        template_body: Some(text),
        stages_available: Some(vec!["Original".to_owned(), "Processed".to_owned()]),
    })
}

/// GetTemplateSummary.
pub(super) async fn summary(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: GetTemplateSummaryInput,
) -> Result<GetTemplateSummaryOutput> {
    if input.stack_set_name.is_some() {
        return Err(Error::validation("Stack sets are not built on this platform."));
    }
    let text = engine
        .template_text(&context, input.template_body.as_ref(), input.template_url.as_ref())
        .await?;
    let text = match (text, &input.stack_name) {
        (Some(text), None) => text,
        (None, Some(name)) => {
            let snapshot = engine.store.snapshot().await?;
            let stack = names::existing(&snapshot, &context.scope, name).await?;
            if stack.status == "REVIEW_IN_PROGRESS" {
                return Err(Error::validation(
                    "GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.",
                ));
            }
            stacks::text_of(&snapshot, &stack, &stack.target.template).await?
        }
        _ => {
            return Err(Error::validation(
                "Exactly one of StackName, TemplateBody, TemplateURL or StackSetName must be specified.",
            ));
        }
    };
    let template = Template::read(&text)?;
    let (capabilities, reason) = asked(&template);
    let mut by_kind = BTreeMap::<&str, Vec<String>>::new();
    for (name, resource) in &template.resources {
        by_kind.entry(&resource.kind).or_default().push(name.clone());
    }
    let parameters = template.parameters.iter().map(|(key, declared)| ParameterDeclaration {
        parameter_key: Some(key.clone()),
        default_value: declared.default.clone(),
        parameter_type: Some(declared.kind.clone()),
        no_echo: Some(declared.no_echo),
        description: declared.description.clone(),
        parameter_constraints: Some(ParameterConstraints {
            allowed_values: declared.allowed_values.clone(),
        }),
    });
    let identifiers = by_kind.iter().map(|(kind, names)| ResourceIdentifierSummary {
        resource_type: Some((*kind).to_owned()),
        logical_resource_ids: Some(names.clone()),
        ..ResourceIdentifierSummary::default()
    });
    Ok(GetTemplateSummaryOutput {
        parameters: Some(parameters.collect()),
        description: template.description.clone(),
        capabilities,
        capabilities_reason: reason,
        resource_types: Some(by_kind.keys().map(|kind| (*kind).to_owned()).collect()),
        version: template.version.clone(),
        metadata: template.metadata.as_ref().map(ToString::to_string),
        declared_transforms: Some(template.transforms.clone()).filter(|list| !list.is_empty()),
        resource_identifier_summaries: Some(identifiers.collect()),
        ..GetTemplateSummaryOutput::default()
    })
}

fn asked(template: &Template) -> (Option<Vec<String>>, Option<String>) {
    match template.capabilities() {
        Some((capability, reason)) => (Some(vec![capability.to_owned()]), Some(reason)),
        None => (None, None),
    }
}

/// ValidateTemplate.
pub(super) async fn validate(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ValidateTemplateInput,
) -> Result<ValidateTemplateOutput> {
    let text = engine
        .template_text(&context, input.template_body.as_ref(), input.template_url.as_ref())
        .await?;
    let text = text.ok_or_else(|| Error::validation("Either Template URL or Template Body must be specified."))?;
    let template = Template::read(&text)?;
    prepare::check_types(&template, None)?;
    let (capabilities, reason) = asked(&template);
    let parameters = template.parameters.iter().map(|(key, declared)| TemplateParameter {
        parameter_key: Some(key.clone()),
        default_value: declared.default.clone(),
        no_echo: Some(declared.no_echo),
        description: declared.description.clone(),
    });
    Ok(ValidateTemplateOutput {
        parameters: Some(parameters.collect()),
        description: template.description.clone(),
        capabilities,
        capabilities_reason: reason,
        declared_transforms: Some(template.transforms.clone()).filter(|list| !list.is_empty()),
    })
}

/// EstimateTemplateCost: there is nothing to pay, and so there is no calculator to lead to.
pub(super) async fn estimate(
    engine: Arc<CloudFormation>,
    context: RequestContext,
    input: EstimateTemplateCostInput,
) -> Result<EstimateTemplateCostOutput> {
    let text = engine
        .template_text(&context, input.template_body.as_ref(), input.template_url.as_ref())
        .await?;
    let text = text.ok_or_else(|| Error::validation("Either Template URL or Template Body must be specified."))?;
    Template::read(&text)?;
    Err(Error::validation(
        "Resources of this platform have no price: there is no estimate to make.",
    ))
}
