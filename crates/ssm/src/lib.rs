//! The Parameter Store of AWS Systems Manager: values by name, in hierarchies, with versions, labels and policies.
//!
//! # Table of contents
//! [`Ssm::service`] lists the operations (`table`) beside what they ask the authorizer for (`access`); each has its room
//! in `operations`. Below them: `names` (the grammar of names and selectors), `policies` (what time does to a
//! parameter), `due` (when it does so), `secrets` (what SecureString keeps), `filters`, `changes` (what EventBridge is
//! told), `records`, `keys` (the layout).
//!
//! # Promises
//! - A value that PutParameter acknowledged is there, with the last [`MOST_VERSIONS`] versions of it.
//! - The value of a SecureString is never stored or answered in the clear but to whom KMS lets decrypt it: it is sealed
//!   under a data key of the KMS key that the parameter names, bound to the parameter's ARN.
//! - An expired parameter is gone: to readers at once, from the store within a minute.
//! - What EventBridge is told of a change is written in the change's own transaction, and delivered at least once.
//!
//! # Never
//! - It never names another service's crate: keys through [`DataKeys`], events through [`Api`].
//! - Of Systems Manager nothing but the Parameter Store is built: documents, commands, maintenance windows and the rest
//!   answer 501. So do parameters shared by other accounts, and `aws:ec2:image` as a data type.

mod access;
mod changes;
mod due;
mod error;
mod filters;
mod keys;
mod names;
mod operations;
mod paging;
mod policies;
mod records;
mod secrets;
pub mod shapes;
mod ssm;
mod table;

pub use error::Error;
pub use ssm::{Options, Parts, Ssm};

/// The versions that are kept of a parameter. Source:
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html>.
pub const MOST_VERSIONS: i64 = 100;

#[cfg(doc)]
use danbi_core::{Api, DataKeys};
