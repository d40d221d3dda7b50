//! Objects: put, get, head, delete.

mod answer;
pub(crate) mod conditions;
pub(crate) mod delete;
pub(crate) mod delete_many;
pub(crate) mod get;
pub(crate) mod headers;
mod metadata;
pub(crate) mod put;
mod range;

pub(crate) use answer::quoted;
