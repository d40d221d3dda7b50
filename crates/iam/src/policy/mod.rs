//! The IAM policy language, and AWS's logic for deciding with it.
//!
//! [`Policy::parse`] reads a document once; [`decide`] answers for a [`Request`] and the policies that bear on it. Both
//! are pure: no I/O, no clock, no state. Sources:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.

mod condition;
mod decision;
mod document;
mod json;
mod operators;
mod pattern;
mod positions;
mod principal;
mod request;
mod statement;

#[cfg(test)]
mod tests;

pub(crate) use decision::fitting;
pub use decision::{Decision, PolicyKind, PolicySet, decide};
pub use document::{MAX_POLICY_BYTES, Policy, PolicyError};
pub(crate) use positions::{Place, statements as statement_places};
pub use request::{ContextKeys, Request};
