//! Identity and access: who a caller is, and what a caller may do.
//!
//! - [`RootCredentials`]: the root keys of the platform's accounts, kept in `DATA/credentials`.
//! - [`Sessions`]: temporary credentials that carry their own proof, so that none has to be stored.
//! - [`Credentials`]: both of them as the [`danbi_core::CredentialSource`] that signatures are verified against.
//! - [`KnownAccounts`]: how accounts are shown to each other, as the [`danbi_core::Accounts`] that lists and grants are written with.
//! - [`policy`]: the IAM policy language and AWS's evaluation logic, as pure functions.
//! - [`PolicyAuthorizer`]: the [`danbi_core::Authorizer`] that asks them.
//! - [`sts`]: the service that tells callers who they are.
//!
//! Promises: a secret is never logged, shown by `Debug` or put into an error; what cannot be understood is denied; an
//! explicit deny wins; a policy document of any content is decided in bounded time, without a panic.
//!
//! Never: it keeps no list of services or actions (but for `sts:GetCallerIdentity`, which needs no permission), and never
//! decides by anything but principal, action, resource, policies and the request's context.

mod accounts;
mod authorizer;
mod credentials;
mod error;
pub mod policy;
mod profiles;
mod random;
mod sessions;
pub mod shapes;
mod source;
pub mod sts;

pub use accounts::KnownAccounts;
pub use authorizer::{IdentityPolicies, IdentityPolicySource, NoIdentityPolicies, PolicyAuthorizer};
pub use credentials::{GivenRootKey, RootCredentials, RootKey};
pub use error::IamError;
pub use sessions::{SESSION_LIFETIME, Sessions};
pub use source::Credentials;
