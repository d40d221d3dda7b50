//! Identity and access: who a caller is, and what a caller may do.
//!
//! - [`RootCredentials`]: the root keys of the platform's accounts, kept in `DATA/credentials`.
//! - [`iam`]: users, groups, roles, their policies and access keys.
//! - [`sts`]: who a caller is, and credentials for a while.
//! - [`Sessions`]: temporary credentials that carry their own proof, so that none has to be stored.
//! - [`Credentials`]: all of them as the [`danbi_core::CredentialSource`] that signatures are verified against.
//! - [`Directory`]: what a node remembers of users, roles and keys; functions and services act as roles through it.
//! - [`KnownAccounts`]: how accounts are shown to each other, as the [`danbi_core::Accounts`] that lists and grants are written with.
//! - [`policy`]: the IAM policy language and AWS's evaluation logic, as pure functions.
//! - [`PolicyAuthorizer`]: the [`danbi_core::Authorizer`] that asks them.
//!
//! Promises: a secret is never stored, logged, shown by `Debug` or put into an error; what cannot be understood is denied;
//! an explicit deny wins; a policy document of any content is decided in bounded time, without a panic; a permission that
//! was taken away is gone with the next request on the same node, and on others within [`STALE_AFTER`].
//!
//! Never: it keeps no list of services or actions (but for what STS lets everybody do), and never decides by anything but
//! principal, action, resource, policies and the request's context.

mod accounts;
mod authorizer;
mod aws_managed;
mod credentials;
mod directory;
mod error;
pub mod iam;
pub mod iam_shapes;
mod keys;
pub mod policy;
mod profiles;
mod random;
mod records;
mod sessions;
pub mod shapes;
mod source;
pub mod sts;

pub use accounts::KnownAccounts;
pub use authorizer::{Held, IdentityPolicySource, NoIdentityPolicies, PolicyAuthorizer};
pub use credentials::{GivenRootKey, RootCredentials, RootKey};
pub use directory::{Directory, KnownIdentity, STALE_AFTER};
pub use error::IamError;
pub(crate) use error::Result;
pub use sessions::{SESSION_LIFETIME, Sessions};
pub use source::Credentials;
