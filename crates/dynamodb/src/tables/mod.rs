//! Tables: what is kept of them and the operations on them.
//!
//! - `record` (what is kept), `catalog` (how it is found), `definition` (what requests define, checked), `usage` (how
//!   much they hold).
//! - Operations: `create`, `describe`, `list`, `update`, `delete`, `tags`, `policy`, `limits`, `expiry` (time to live).
//! - Afterwards: `backfill` (fills a new index), `expiry` (removes what has expired).

pub(crate) mod access;
pub(crate) mod backfill;
pub(crate) mod catalog;
pub(crate) mod create;
pub(crate) mod definition;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod expiry;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod tags;
pub(crate) mod update;
pub(crate) mod usage;
