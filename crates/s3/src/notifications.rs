//! Events: what happened to objects, told to whom a bucket's configuration names.
//!
//! `rules` says who wants to know of what, `configure` is the operations, `record` the document that functions, queues
//! and topics are sent, `bus` what event buses are told. An event is written to the store in the transaction of the
//! change itself ([`emit`]), so that no acknowledged change goes untold, and none is told that was not made; `outbox`
//! delivers it at least once, also after a crash.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html>.

mod bus;
mod configure;
mod emit;
mod outbox;
mod record;
mod rules;
#[cfg(test)]
mod tests;

pub(crate) use configure::{get, put};
pub(crate) use emit::{Happened, emit};
pub(crate) use outbox::run;
