//! The AWS wire: from an HTTP request to a typed operation of a service, and back.
//!
//! A service crate lists its operations once, like a table of contents, and writes handlers over typed shapes that
//! `cargo xtask model` generates from AWS's published service models:
//!
//! ```ignore
//! Service::builder(&danbi_wire::models::LAMBDA, lambda)
//!     .on(CreateFunction, access::create_function, functions::create)
//!     .on(GetFunction, access::get_function, functions::get)
//!     .on_stream(InvokeWithResponseStream, access::invoke_streaming, invoke::streaming)
//!     .build()
//! ```
//!
//! The [`Dispatcher`] takes each request through the same steps: route → authenticate → decode → validate → authorize →
//! handler → encode. The codecs ([`protocol`]) and the validation ([`validate`]) are written once, over the
//! [`model::Model`]; a handler has not heard of HTTP, JSON or XML.
//!
//! Promises: no request makes it panic; no client's mistake answers 5xx; every body, tree and header has a bound; every
//! answer carries a request id; an operation that is modelled and not built says so and does nothing.
//!
//! It never keeps state, never performs I/O of its own, and never decides what a principal may do: it asks the
//! [`Authorizer`](danbi_core::Authorizer), always.

mod blob;
#[cfg(test)]
mod conformance;
mod cross_origin;
mod direct_json;
mod dispatcher;
mod epoch_seconds;
mod form;
mod handler;
pub mod model;
pub mod models;
mod operation;
pub mod protocol;
mod route;
pub mod s3;
mod service;
mod sigv2;
pub mod sigv4;
mod sqs;
mod streaming;
pub mod validate;
pub mod value;

pub use blob::{Blob, Hidden};
pub use cross_origin::{CrossOrigin, CrossOriginRequest};
pub use danbi_core::Timestamp;
pub use dispatcher::{ApiDoor, Authenticated, Dispatcher, MAX_HEADER_BYTES, Peer};
pub use epoch_seconds::EpochSeconds;
pub use form::{FormRequest, FormSignature, FormSigner};
pub use handler::ResponseParts;
pub use model::LazyModel;
pub use operation::{Empty, EventStream, Operation, StreamOperation};
pub use service::{DEFAULT_BODY_LIMIT, Service, ServiceBuilder};
pub use streaming::StreamingBlob;
pub use value::Value;

/// A member whose content the model leaves open: any JSON value.
pub type Document = serde_json::Value;
