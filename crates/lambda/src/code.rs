//! Deployment packages: what is in the archive, and the unpacked copy that functions run from.

mod archive;
mod cache;
mod download;

pub(crate) use archive::{MAX_UNPACKED_BYTES, MAX_ZIPPED_BYTES};
pub(crate) use cache::{CodeCache, blob_id, merged_name};
pub use download::Downloads;

#[cfg(test)]
pub(crate) use archive::tests;
