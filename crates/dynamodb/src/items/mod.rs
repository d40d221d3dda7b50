//! Items: how they lie in the store, and the operations on them.
//!
//! `codec` and `stored` (an item in the store), `key` (its key), `index` (what it leaves in secondary indexes), `view`
//! (where it is read from).

pub(crate) mod codec;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod stored;
pub(crate) mod view;
