//! Items: how they lie in the store, and the operations on them.
//!
//! - In the store: `codec` and `stored` (an item), `key` (its key), `index` (what it leaves in secondary indexes),
//!   `view` (where it is read from).
//! - Writing: `write` (one write of one item), `queue` (the line before a hot item), `transact` (several or none),
//!   `token` (once for each request token).
//! - Reading: `page` (one page of a Query or Scan).
//! - Charging: `capacity`.

pub(crate) mod capacity;
pub(crate) mod codec;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod page;
pub(crate) mod queue;
pub(crate) mod stored;
pub(crate) mod token;
pub(crate) mod transact;
pub(crate) mod view;
pub(crate) mod write;
