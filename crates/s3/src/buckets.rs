//! Buckets themselves. Their configurations are rooms of their own.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod versioning;
