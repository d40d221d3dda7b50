//! What every part of Danbi shares and nothing more: scope and names ([`AccountId`], [`Region`], [`Arn`]), the clock,
//! the error that a service answers with, who is calling, and the traits by which services meet.
//!
//! It depends on no other crate of ours, performs no I/O and holds no state. A service that needs another service asks
//! for a trait from here ([`Invoker`], [`LogSink`], [`Authorizer`], …); the composition root in the `danbi` crate
//! decides who implements it.

mod accounts;
mod api;
mod arn;
mod authorize;
mod body;
mod client;
mod clock;
mod context;
mod credentials;
mod data_keys;
mod error;
pub mod hex;
pub mod host;
mod invoke;
mod log;
mod metric;
mod object;
mod resource_side;
mod scope;
mod session;
pub mod uri;

pub use accounts::{AccountProfile, Accounts};
pub use api::{Api, ApiCall, ServiceRoles};
pub use arn::{Arn, ArnError};
pub use authorize::{Access, Authorizer, PolicyLanguage, Principal, ResourcePolicySource, Verdict};
pub use body::{Body, BodyError, ReadBodyError, empty_body, full_body, read_body};
pub use client::{Client, Presence};
pub use clock::{Clock, SystemClock, Timestamp};
pub use context::{RequestContext, RequestFacts, RequestId, SignatureFacts, SourceResource};
pub use credentials::{Credential, CredentialSource, RoleCredentials, SecretKey, SessionCredentials};
pub use data_keys::{DataKey, DataKeys, KeyUse, PlainDataKey};
pub use error::{ErrorExtras, Fault, ServiceError};
pub use invoke::{InvocationType, InvokeRequest, InvokeResponse, Invoker};
pub use log::{LogEvent, LogSink, LogStreamName};
pub use metric::{MetricSink, MetricValue};
pub use object::{ObjectLocation, ObjectSource};
pub use resource_side::{Granted, PolicyUse, Refusal, ResourceSide};
pub use scope::{AccountId, Region, Scope, ScopeError};
pub use session::Session;
