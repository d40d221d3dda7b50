//! AWS Lambda: functions, their versions and aliases, and every way of invoking them.
//!
//! The service keeps its state in the store and its archives in the blobs, hands events to the execution environments
//! ([`danbi_runtime`]), and is spoken to through the wire ([`service`]), through function URLs and app names
//! ([`FunctionUrls`]), and by other services ([`danbi_core::Invoker`]).
//!
//! Promises:
//! - A call that was answered is durable; an asynchronous invocation is queued in the commit that answers 202 and runs at
//!   least once, whatever crashes in between.
//! - Names, sizes, states, codes and messages are AWS's, as recorded from it.
//! - An archive is believed nothing that it says about itself; one that is refused leaves nothing behind.
//! - Unpacked code is a cache: it may vanish at any time and is rebuilt from the blobs.
//! - Deleting a function removes everything that belongs to it.
//!
//! It never runs foreign code itself, never decides who may do what (the authorizer does, for every door), and never
//! answers that something was done which was not: what is not built is refused by name.

mod access;
mod account;
mod aliases;
mod async_invoke;
mod code;
mod concurrency;
mod configuration;
mod cors;
mod departures;
mod destinations;
mod error;
mod event_invoke_config;
mod event_sources;
mod function_urls;
mod functions;
mod http_event;
mod invoke;
mod keys;
mod lambda;
mod layer_permissions;
mod layers;
mod marker;
mod measured;
mod names;
mod payload;
mod permissions;
mod policy;
mod prepare;
mod provisioned;
mod records;
mod roles;
mod runtimes;
mod settings;
mod snapshots;
// Generated for every operation that this floor was planned with; some wait for what they control.
#[allow(dead_code)]
mod shapes;
mod static_site;
#[cfg(test)]
mod stories;
mod streaming;
mod table;
mod tags;
mod url_configs;
mod uses;
mod versions;
mod walk;

pub use code::Downloads;
pub use departures::Reach;
pub use error::{Error, Throttle};
pub use function_urls::{FunctionUrls, UrlCaller, UrlEndpoint};
pub use lambda::{Executor, Lambda, Options, Parts};
pub use permissions::ResourcePolicies;
pub use table::service;
