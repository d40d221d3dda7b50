//! Templates: from text to what a stack is to be.
//!
//! [`Template::read`] takes JSON and YAML (`text`), expands loops (`loops`) and checks the sections (`sections`);
//! `references` finds who needs whom; [`parameters`] judges values; [`evaluate`] computes the intrinsic functions.

pub(crate) mod cidr;
pub(crate) mod dynamic;
pub(crate) mod evaluate;
mod functions;
mod loops;
pub(crate) mod parameters;
pub(crate) mod references;
pub(crate) mod rules;
mod sections;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most bytes of a template in an S3 object. Source: CloudFormation quotas.
pub(crate) const MAX_TEMPLATE_BYTES: u64 = 1_048_576;
/// Most bytes of a template in a request; the model's own constraint, which the wire checks for strangers.
pub(crate) const MAX_BODY_BYTES: usize = 51_200;
/// Most bytes of what a resource's properties may come to be.
pub(crate) const MAX_PROPERTIES_BYTES: usize = 4 * 1024 * 1024;

/// Why a template cannot be used, in CloudFormation's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub String);

impl TemplateError {
    pub(crate) fn format(message: impl std::fmt::Display) -> Self {
        Self(format!("Template format error: {message}"))
    }

    pub(crate) fn error(message: impl std::fmt::Display) -> Self {
        Self(format!("Template error: {message}"))
    }
}

impl From<TemplateError> for crate::Error {
    fn from(error: TemplateError) -> Self {
        Self::Validation(error.0)
    }
}

/// A template whose sections are well-formed and whose names all lead somewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    pub description: Option<String>,
    pub version: Option<String>,
    pub metadata: Option<Value>,
    pub transforms: Vec<String>,
    pub parameters: BTreeMap<String, Parameter>,
    pub mappings: Map<String, Value>,
    pub conditions: Map<String, Value>,
    pub rules: Map<String, Value>,
    pub resources: BTreeMap<String, Resource>,
    pub outputs: BTreeMap<String, Output>,
}

/// A parameter's declaration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameter {
    pub kind: String,
    pub default: Option<String>,
    pub no_echo: bool,
    pub description: Option<String>,
    pub allowed_values: Option<Vec<String>>,
    pub allowed_pattern: Option<String>,
    pub constraint: Option<String>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min_value: Option<f64>,
    pub max_value: Option<f64>,
}

/// A resource's declaration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resource {
    pub kind: String,
    pub properties: Value,
    pub depends_on: Vec<String>,
    pub condition: Option<String>,
    pub deletion_policy: Option<Value>,
    pub update_replace_policy: Option<Value>,
    pub creation_policy: Option<Value>,
    pub metadata: Option<Value>,
}

/// An output's declaration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Output {
    pub description: Option<Value>,
    pub value: Value,
    pub export: Option<Value>,
    pub condition: Option<String>,
}

impl Template {
    /// Reads and checks a template whose parameters have their defaults.
    pub(crate) fn read(text: &str) -> Result<Self, TemplateError> {
        Self::read_with(text, &|_| None)
    }

    /// Reads and checks a template; `known` gives the values of parameters that are not their defaults, for loops over
    /// them.
    pub(crate) fn read_with(text: &str, known: loops::Known<'_>) -> Result<Self, TemplateError> {
        let tree = text::read(text)?;
        let template = sections::read(tree, known)?;
        references::check(&template)?;
        Ok(template)
    }

    /// Whether `AWS::LanguageExtensions` is switched on.
    pub(crate) fn has_extensions(&self) -> bool {
        self.transforms.iter().any(|name| name == loops::LANGUAGE_EXTENSIONS)
    }

    /// What has to be agreed to before such a stack is made, and why.
    pub(crate) fn capabilities(&self) -> Option<(&'static str, String)> {
        let is_identity = |kind: &str| {
            matches!(
                kind,
                "AWS::IAM::AccessKey"
                    | "AWS::IAM::Group"
                    | "AWS::IAM::GroupPolicy"
                    | "AWS::IAM::InstanceProfile"
                    | "AWS::IAM::ManagedPolicy"
                    | "AWS::IAM::Policy"
                    | "AWS::IAM::Role"
                    | "AWS::IAM::RolePolicy"
                    | "AWS::IAM::User"
                    | "AWS::IAM::UserPolicy"
                    | "AWS::IAM::UserToGroupAddition"
            )
        };
        let asking = self.resources.values().filter(|resource| is_identity(&resource.kind));
        let mut kinds: Vec<&str> = asking.clone().map(|resource| resource.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.is_empty() {
            return None;
        }
        let names = [
            "RoleName",
            "UserName",
            "GroupName",
            "ManagedPolicyName",
            "InstanceProfileName",
        ];
        let is_named = |resource: &Resource| {
            // A user named in a policy is not a name that is given.
            let own = match resource.kind.as_str() {
                "AWS::IAM::Role" => "RoleName",
                "AWS::IAM::User" => "UserName",
                "AWS::IAM::Group" => "GroupName",
                "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
                "AWS::IAM::InstanceProfile" => "InstanceProfileName",
                _ => return false,
            };
            names.contains(&own) && resource.properties.get(own).is_some()
        };
        let capability = if asking.into_iter().any(is_named) {
            "CAPABILITY_NAMED_IAM"
        } else {
            "CAPABILITY_IAM"
        };
        let why = format!("The following resource(s) require capabilities: [{}]", kinds.join(", "));
        Some((capability, why))
    }
}
