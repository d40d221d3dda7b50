//! AWS CloudFormation: templates become stacks of resources, and stacks keep their promises.
//!
//! # Table of contents
//! [`service`] lists every operation beside the question it puts to the authorizer (`access`) and its room in
//! `operations`. `template` reads templates and computes their functions; `engine` brings stacks to what they are to be
//! and back; `providers` has one small file for each resource type; `callback` takes the answers of custom resources and
//! the signals of wait conditions. Below them: `records`, `keys`, `names`.
//!
//! # Promises
//! - Every call that changes something is recorded before and after it: a platform that ends in the middle of a stack
//!   goes on where it was; only types whose API knows neither a token nor a name (KMS keys) may be made once more.
//! - Resources are made in parallel as their references allow, and taken away the other way round.
//! - A create or update that fails is undone; a stack that cannot be undone says why and has a way out
//!   (ContinueUpdateRollback, DeleteStack with what to retain).
//! - Providers use the platform's public API as whoever asked for the stack, or as the stack's role: validation and
//!   authorization hold as for any other request.
//! - A stack is worked on by one node at a time, by a lease in the store.
//!
//! # Never
//! - It knows no other service's crate, and no provider touches anything but the API.
//! - No type, transform or dynamic reference that is not built is passed over: each is refused by name.

mod access;
mod callback;
mod engine;
mod error;
mod keys;
mod names;
mod operations;
mod providers;
mod records;
pub mod shapes;
mod sources;
mod template;

pub use callback::{ANSWERS, Callbacks};
pub use engine::{CloudFormation, Options, Parts};
pub use error::{Error, Result};
pub use operations::service;
pub use template::TemplateError;
