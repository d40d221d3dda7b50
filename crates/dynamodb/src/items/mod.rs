//! Items: how they lie in the store, and the operations on them.
//!
//! - The operations: `single` (GetItem, PutItem, UpdateItem, DeleteItem), `query`, `scan` and what both share (`select`),
//!   `batch` (BatchGetItem, BatchWriteItem), `transactions` (TransactGetItems, TransactWriteItems).
//! - Requests: `members` (the model's constraints), `parameters` (expressions and what came before them).
//! - Writing: `write` (one write of one item), `queue` (the line before a hot item), `transact` (several or none),
//!   `token` (once for each request token).
//! - Reading: `page` (one page of a Query or Scan).
//! - Charging: `capacity`; throughput that binds: `throttle`.
//! - In the store: `codec` and `stored` (an item), `key` (its key), `index` (what it leaves in secondary indexes),
//!   `view` (where it is read from), `check` (whether all of it belongs together).

pub(crate) mod batch;
pub(crate) mod capacity;
pub(crate) mod check;
pub(crate) mod codec;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod members;
pub(crate) mod page;
pub(crate) mod parameters;
pub(crate) mod query;
pub(crate) mod queue;
pub(crate) mod scan;
pub(crate) mod select;
pub(crate) mod single;
pub(crate) mod stored;
pub(crate) mod throttle;
pub(crate) mod token;
pub(crate) mod transact;
pub(crate) mod transactions;
pub(crate) mod view;
pub(crate) mod write;

#[cfg(test)]
mod tests;
