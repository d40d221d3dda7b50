//! Amazon Simple Queue Service: queues, standard and FIFO, what is sent to them, and who has received it.
//!
//! # Table of contents
//! [`Sqs::service`] lists the operations (`table`), each in its room: `queues`, `attributes`, `send`, `receive`, `settle`
//! (deleting, and changing how long a message stays invisible), `moves` (redriving dead letters), `permissions`, `tags`.
//! Below them: `message` (what is checked of a message) and `digest` (its MD5s), `redrive` (dead-letter policies),
//! `content` (what is kept of a message, and `sealing` it), `claim` (giving visible messages to receivers), `lines` (the
//! order of message groups), `lanes` (who waits for a queue), `handle` (receipt handles), `sweep` (what time does), and
//! `keys` (the layout).
//!
//! # Promises
//! - A message that was acknowledged is on disk, and stays until somebody deletes it or its retention is over.
//! - Of two receivers, on whatever nodes, one gets a message while it is invisible: claiming is a transaction that reads
//!   the very entry by which the message is visible, and takes it away.
//! - Receiving reads what it returns: visible messages lie in the order in which they became visible, and those in flight
//!   lie behind them.
//! - Within a message group of a FIFO queue nothing is received before what was sent earlier, and nothing behind a message
//!   that is in flight.
//! - A long poll wakes when something is sent, costs one look a second otherwise, and gives nothing to a client that left.
//!
//! # Never
//! - It never names another service's crate: data keys come by [`DataKeys`](danbi_core::DataKeys).
//! - It never counts beforehand: approximate numbers are counted when they are asked for.
//! - Unlike AWS it has no limit on messages in flight.

mod access;
mod attributes;
mod batch;
mod claim;
mod content;
mod counts;
mod digest;
mod error;
mod handle;
mod keys;
mod lanes;
mod lines;
mod message;
mod mover;
mod moves;
mod names;
mod permissions;
mod queues;
mod receive;
mod records;
mod redrive;
mod sealing;
mod send;
mod settle;
pub mod shapes;
mod sqs;
#[cfg(test)]
mod stories;
mod sweep;
mod table;
mod tags;

pub use error::Error;
pub use permissions::QueuePolicies;
pub use sqs::{Options, Parts, Sqs};
