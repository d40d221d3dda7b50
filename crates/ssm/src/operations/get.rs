//! GetParameter, GetParameters.

use super::{labelled, newest, numbered};
use crate::error::{Error, Result};
use crate::names::{self, Named};
use crate::records::{Version, View};
use crate::shapes::{GetParameterRequest, GetParameterResult, GetParametersRequest, GetParametersResult, Parameter};
use crate::{Ssm, secrets};
use danbi_core::RequestContext;
use std::sync::Arc;

const SECRETS: &str = "/aws/reference/secretsmanager/";

/// GetParameter.
pub(crate) async fn get_parameter(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: GetParameterRequest,
) -> Result<GetParameterResult> {
    let decrypt = input.with_decryption.unwrap_or_default();
    let parameter = one(&ssm, &context, &input.name, decrypt).await?;
    Ok(GetParameterResult {
        parameter: Some(parameter),
    })
}

/// GetParameters: those that are not there are named.
pub(crate) async fn get_parameters(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: GetParametersRequest,
) -> Result<GetParametersResult> {
    let decrypt = input.with_decryption.unwrap_or_default();
    let mut found = Vec::with_capacity(input.names.len());
    let mut missing = Vec::new();
    for name in &input.names {
        match one(&ssm, &context, name, decrypt).await {
            Ok(parameter) => found.push(parameter),
            Err(error) if error.is_absence() => missing.push(name.clone()),
            Err(error) => return Err(error),
        }
    }
    Ok(GetParametersResult {
        parameters: Some(found),
        invalid_parameters: Some(missing),
    })
}

async fn one(ssm: &Ssm, context: &RequestContext, given: &str, decrypt: bool) -> Result<Parameter> {
    if given.starts_with(SECRETS) {
        return Err(Error::not_built(format!(
            "{given} cannot be read: AWS Secrets Manager is not built."
        )));
    }
    let named = names::parse(&context.scope, given)?;
    let version = selected(ssm, context, &named).await?;
    let mut parameter = shown(ssm, context, version, decrypt).await?;
    if let Some(name) = named.shown {
        parameter.name = Some(name);
    }
    parameter.selector = named.selector.map(|selector| format!(":{selector}"));
    Ok(parameter)
}

/// The version that a name with its selector means.
async fn selected(ssm: &Ssm, context: &RequestContext, named: &Named) -> Result<Version> {
    let (view, scope, name) = (ssm.snapshot().await?, &context.scope, named.key.as_str());
    let newest = newest(&view, scope, name, ssm.now()).await?;
    match &named.selector {
        None => Ok(newest),
        Some(selector) => match selector.parse::<i64>() {
            Ok(number) => numbered(&view, scope, name, number).await,
            Err(_) => {
                let number = labelled(&view, scope, name, selector).await?;
                numbered(
                    &view,
                    scope,
                    name,
                    number.ok_or_else(|| Error::no_label(selector, name))?,
                )
                .await
            }
        },
    }
}

/// A version as answers have it.
pub(crate) async fn shown(ssm: &Ssm, context: &RequestContext, version: Version, decrypt: bool) -> Result<Parameter> {
    let arn = version.arn(&context.scope);
    let value = match version.is_secret() && decrypt {
        true => secrets::open(ssm, context, &version.value, &arn).await?,
        false => version.value,
    };
    Ok(Parameter {
        name: Some(version.name),
        r#type: Some(version.kind),
        value: Some(value),
        version: Some(version.number),
        selector: None,
        source_result: None,
        last_modified_date: Some(version.modified),
        arn: Some(arn),
        data_type: Some(version.data_type),
    })
}

/// Whether any of `labels` is on a version of a parameter; the version, if so.
pub(crate) async fn with_label(
    view: &impl View,
    context: &RequestContext,
    name: &str,
    labels: &[String],
) -> Result<Option<Version>> {
    for label in labels {
        if let Some(number) = labelled(view, &context.scope, name, label).await? {
            return numbered(view, &context.scope, name, number).await.map(Some);
        }
    }
    Ok(None)
}
