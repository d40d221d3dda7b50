//! Event patterns: the language in which EventBridge's rules and SNS's filter policies say which events they want.
//!
//! A [`Pattern`] is compiled once from its JSON text and asked of [`Event`]s. The language is that of AWS's open
//! `event-ruler`, and so are the messages about texts that are not patterns, to the column: both services hand them to
//! their clients. The two services speak [`Dialect`]s of it.
//!
//! # Promises
//! - What compiles is bounded: [`MAX_RULES`] alternatives, [`MAX_VALUES`] values, and its text by the caller.
//! - Matching never recurses deeper than the event, and gives up (no match) after [`MAX_STEPS`] steps of trying which
//!   elements of arrays go together.
//!
//! # Never
//! - It knows no service and no store, and does no I/O.

mod compile;
mod event;
mod matcher;
mod tokens;

pub use compile::{Dialect, Pattern, PatternError};
pub use event::Event;

/// The most alternatives that `$or` may multiply to.
pub const MAX_RULES: usize = 1_000;
/// The most values of a pattern, all its alternatives together.
pub const MAX_VALUES: usize = 100_000;
/// The most steps of one match.
pub const MAX_STEPS: usize = 200_000;

#[cfg(test)]
mod tests;
