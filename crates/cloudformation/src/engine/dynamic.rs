//! What the Parameter Store knows, put into parameters and dynamic references.
//!
//! Values of references are put in for each call of a provider and are not kept: records and events show the reference,
//! as on AWS, so no secret lies in a stack.

use super::{CloudFormation, Run};
use crate::records::Output;
use crate::template::Template;
use crate::template::dynamic::{Piece, Reference, find, has_any, pieces};
use crate::template::parameters::{Given, stored_kind};
use crate::{Error, Result};
use danbi_core::{ApiCall, RequestContext, ServiceError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Names in one GetParameters.
const AT_ONCE: usize = 10;

type Values = BTreeMap<Reference, String>;

/// The properties with every reference put in.
///
/// # Errors
/// In words: which parameter cannot be had.
pub(super) async fn resolved(run: &Run, kind: &str, properties: &Value) -> Result<Value, String> {
    if !has_any(properties) {
        return Ok(properties.clone());
    }
    let mut references = BTreeSet::new();
    find(kind, properties, &mut references).map_err(|error| error.0)?;
    let values = values(&run.engine, &run.context, &references).await?;
    put_in(properties, &values).map_err(|error| error.0)
}

/// Puts references into outputs. What is secure is never put there.
pub(super) async fn outputs(run: &Run, outputs: &mut [Output]) -> Result<(), String> {
    for output in outputs {
        let value = resolved(run, "Outputs", &Value::String(output.value.clone())).await?;
        if let Value::String(text) = value {
            output.value = text;
        }
    }
    Ok(())
}

fn put_in(value: &Value, values: &Values) -> Result<Value, crate::TemplateError> {
    Ok(match value {
        Value::String(text) => {
            let mut out = String::with_capacity(text.len());
            for piece in pieces(text)? {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Reference(reference) => out.push_str(values.get(&reference).map_or("", String::as_str)),
                }
            }
            Value::String(out)
        }
        Value::Array(items) => items
            .iter()
            .map(|item| put_in(item, values))
            .collect::<Result<_, _>>()?,
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(name, inner)| Ok((name.clone(), put_in(inner, values)?)))
                .collect::<Result<_, crate::TemplateError>>()?,
        ),
        other => other.clone(),
    })
}

async fn values(
    engine: &CloudFormation,
    context: &RequestContext,
    references: &BTreeSet<Reference>,
) -> Result<Values, String> {
    let mut values = Values::new();
    for reference in references {
        let input = json!({ "Name": reference.name, "WithDecryption": reference.secure });
        let found = engine
            .api
            .call(context, ApiCall::new("ssm", "GetParameter", input))
            .await;
        let prefix = if reference.secure { "ssm-secure" } else { "ssm" };
        let found = found.map_err(|error| match is_absence(&error) {
            true => format!("Parameters: [{prefix}:{}] cannot be found.", reference.name),
            false => error.message,
        })?;
        let is_secure = found.pointer("/Parameter/Type") == Some(&json!("SecureString"));
        if is_secure && !reference.secure {
            return Err(format!(
                "Non-secure ssm prefix was used for secure parameter: [{}]",
                reference.name
            ));
        }
        let value = found.pointer("/Parameter/Value").and_then(Value::as_str);
        values.insert(reference.clone(), value.unwrap_or_default().to_owned());
    }
    Ok(values)
}

fn is_absence(error: &ServiceError) -> bool {
    matches!(error.code, "ParameterNotFound" | "ParameterVersionNotFound")
}

/// Whether all references of a template can be had by whoever asks for the stack.
///
/// # Errors
/// `ValidationError`.
pub(crate) async fn check(
    engine: &CloudFormation,
    context: &RequestContext,
    references: &BTreeSet<Reference>,
) -> Result<()> {
    values(engine, context, references)
        .await
        .map(drop)
        .map_err(Error::Validation)
}

/// Fills in what parameters of the types `AWS::SSM::Parameter::Value<…>` name.
///
/// # Errors
/// `ValidationError` for what is not there or is secret.
pub(crate) async fn parameters(
    engine: &CloudFormation,
    context: &RequestContext,
    template: &Template,
    given: &mut BTreeMap<String, Given>,
) -> Result<()> {
    let is_stored = |name: &String| {
        let declared = template.parameters.get(name);
        declared.is_some_and(|declared| stored_kind(&declared.kind).is_some())
    };
    let mut stored: Vec<(&String, &mut Given)> = given.iter_mut().filter(|(name, _)| is_stored(name)).collect();
    let names: BTreeSet<String> = stored.iter().map(|(_, given)| given.value.clone()).collect();
    let mut values = BTreeMap::new();
    let names: Vec<String> = names.into_iter().collect();
    for some in names.chunks(AT_ONCE) {
        let call = ApiCall::new("ssm", "GetParameters", json!({ "Names": some }));
        let found = engine.api.call(context, call).await;
        let found = found.map_err(|error| Error::Validation(error.message))?;
        let missing: Vec<&str> = texts(found.get("InvalidParameters")).collect();
        if !missing.is_empty() {
            return Err(Error::validation(format!(
                "Unable to fetch parameters [{}] from parameter store for this account.",
                missing.join(",")
            )));
        }
        for parameter in found.get("Parameters").and_then(Value::as_array).into_iter().flatten() {
            let member = |name: &str| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
            // A name with its version is answered apart.
            let name = format!("{}{}", member("Name"), member("Selector"));
            if member("Type") == "SecureString" {
                return Err(Error::validation(format!(
                    "Parameters [{name}] referenced by template have types not supported by CloudFormation."
                )));
            }
            values.insert(name, member("Value").to_owned());
        }
    }
    for (_, given) in &mut stored {
        given.resolved = values.get(&given.value).cloned();
    }
    Ok(())
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}
