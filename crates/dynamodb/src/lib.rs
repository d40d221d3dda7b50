//! Amazon DynamoDB: tables, items and streams, kept in the [`Store`](danbi_store::Store).
//!
//! # Table of contents
//! [`DynamoDb::service`] and [`DynamoDb::streams_service`] (`service`) list every operation beside the question it puts
//! to the authorizer (`access`) and its room.
//!
//! - Values: [`AttributeValue`] (`value`), its 38-digit numbers (`number`), its typed JSON (`item_json`).
//! - Items: `items` has one room for each operation on them, and below them how an item lies in the store.
//! - Tables to and from S3: `transfer`.
//! - Tables: `tables` has what is kept of a table and how it is found.
//!
//! The layout of the store is the table in `keys`; the errors and their words are in [`Error`].
//!
//! # Promises
//! - A write that was answered is on disk, with its index entries and its stream record: they are one transaction.
//! - Reads and conditions see whole transactions only. Every read is as consistent as `ConsistentRead` asks for, also
//!   where the caller did not ask, and also of a global index.
//! - Errors, their order and their words are AWS's.
//! - A request touches what it answers: a Query reads its range, a page of it at a time. Nothing that grows with a
//!   table is kept in memory.
//! - The table's record is in the read set of every write: none lands in a table that was deleted, and none misses an
//!   index that was added.
//!
//! # Never
//! - It does not decide who may do what: the authorizer does.
//! - It does not throttle, unless a table's provisioned throughput is told to bind.
//! - It never asks another service but through the traits of `danbi_core`.

mod access;
mod changes;
mod dynamodb;
mod error;
pub mod expression;
mod history;
mod item_json;
mod items;
mod jobs;
mod keys;
mod layout;
mod legacy;
mod number;
mod partiql;
mod service;
mod shapes;
mod stream_shapes;
mod streams;
mod tables;
mod told;
mod transfer;
mod validation;
mod value;

pub use dynamodb::{DynamoDb, Options, Parts};
pub use error::{Error, Reason, ReasonCode};
pub use item_json::refusal;
pub use items::check::Checked;
pub use items::throttle::Throttled;
pub use number::{MAX_DIGITS, MAX_ENCODED_BYTES, Number};
pub use tables::policy::TablePolicies;
pub use validation::ValidationError;
pub use value::{AttributeType, AttributeValue, Item, MAX_DEPTH, Set, item_size};

/// Reads a PartiQL statement and says whether it is one; for the fuzzer, which sees nothing but the public API.
#[cfg(feature = "fuzzing")]
pub fn read_statement(text: &str) -> bool {
    partiql::is_statement(text)
}
