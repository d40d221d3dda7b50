//! Velocity templates, as API Gateway's mapping templates use them.
//!
//! [`Template::parse`] reads a template once; [`Template::render`] evaluates it with `$input`, `$context`,
//! `$stageVariables` and `$util`. What a reference does not find is empty text.
//!
//! # Promises
//! - No template and no input makes it panic.
//! - Work is bounded: [`MAX_STEPS`] evaluations, [`MAX_BYTES`] of text made on the way, [`MAX_DEPTH`] of nesting,
//!   [`MAX_ITERATIONS`] of a loop.
//! - Rendering changes nothing but the overrides that the template itself sets ([`Rendered`]).
//!
//! # Never
//! - It reaches no file, no network and no Java: methods are those of texts, lists, maps and numbers that
//!   mapping templates use.
//!
//! Source: <https://velocity.apache.org/engine/1.7/user-guide.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html>.

mod eval;
mod methods;
mod parse;
mod tools;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use tools::url_decode;

use eval::Machine;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Evaluations that one rendering may take.
pub(crate) const MAX_STEPS: usize = 200_000;
/// Bytes of text that one rendering may make, the output included.
pub(crate) const MAX_BYTES: usize = 20 * 1024 * 1024;
/// How deep directives, expressions and values may nest.
pub(crate) const MAX_DEPTH: usize = 48;
/// Rounds of one `#foreach`; API Gateway's own limit.
pub(crate) const MAX_ITERATIONS: usize = 1_000;
/// Bytes of a template; API Gateway's own limit.
pub(crate) const MAX_TEMPLATE: usize = 300 * 1024;

/// Why a template has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VtlError {
    #[error("the template cannot be read at byte {at}: {why}")]
    Syntax { at: usize, why: &'static str },
    #[error("the template takes more than it may: {0}")]
    Bound(&'static str),
}

/// A template that has been read.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    nodes: Vec<tree::Node>,
}

/// The parameters of a request, by where they come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    pub path: BTreeMap<String, String>,
    pub querystring: BTreeMap<String, String>,
    pub header: BTreeMap<String, String>,
}

/// What a template can refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene<'a> {
    /// `$input.body`.
    pub body: &'a str,
    pub params: Option<&'a Params>,
    /// `$context`.
    pub context: &'a Json,
    /// `$stageVariables`.
    pub stage_variables: Option<&'a BTreeMap<String, String>>,
}

/// What a rendering made.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rendered {
    pub text: String,
    /// `$context.requestOverride` and `$context.responseOverride`, when the template set them.
    pub request_override: Option<Json>,
    pub response_override: Option<Json>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`VtlError::Syntax`], or [`VtlError::Bound`] for one that is too large or too deep.
    pub(crate) fn parse(text: &str) -> Result<Self, VtlError> {
        if text.len() > MAX_TEMPLATE {
            return Err(VtlError::Bound("the template's size"));
        }
        Ok(Self {
            nodes: parse::parse(text)?,
        })
    }

    /// Evaluates the template.
    ///
    /// # Errors
    /// [`VtlError::Bound`].
    pub(crate) fn render(&self, scene: &Scene<'_>) -> Result<Rendered, VtlError> {
        Machine::new(scene).run(&self.nodes)
    }
}
