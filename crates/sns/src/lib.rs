//! Amazon Simple Notification Service: topics, who subscribes to them, and what is published.
//!
//! # Table of contents
//! [`Sns::service`] lists the operations (`table`), each in its room: `topics`, `topic_attributes`, `subscriptions`,
//! `subscription_attributes`, `publish`, `permissions`, `tags`. Below them: `message` (what is checked of a message),
//! `filter` (who wants it), `deliver` (how it gets there), `keys` (the layout).
//!
//! # Promises
//! - A message that Publish acknowledged reaches every subscription that wanted it at that moment at least once, or its
//!   dead-letter queue: the deliveries are written in the transaction that accepts it, and claimed by lease.
//! - A topic has at most [`MOST_SUBSCRIPTIONS`] subscriptions, so that one transaction can accept a message for all.
//!
//! # Never
//! - It never names another service's crate: functions through [`Invoker`], queues through [`Api`].
//! - It delivers by no protocol that is not built: HTTP(S), e-mail, text messages, mobile push and Firehose are refused
//!   by name when somebody subscribes.
//! - Messages to functions and queues bear an empty `Signature`: they never leave the platform.

mod deliver;
mod error;
mod filter;
mod keys;
mod message;
mod names;
mod permissions;
mod publish;
mod records;
pub mod shapes;
mod sns;
mod subscription_attributes;
mod subscriptions;
mod table;
mod tags;
mod topic_attributes;
mod topics;

pub use error::Error;
pub use permissions::TopicPolicies;
pub use sns::{Parts, Sns};

/// The most subscriptions of a topic. AWS allows 12,500,000.
pub const MOST_SUBSCRIPTIONS: usize = 1_000;

#[cfg(doc)]
use danbi_core::{Api, Invoker};
