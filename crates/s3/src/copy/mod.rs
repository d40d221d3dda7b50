//! Copies: of whole objects, which share the stored bytes with their source, and of ranges into parts of an upload.
//!
//! A copy of an object takes over its data key, sealed anew for the copy's owner, and refers to the same blobs in its own
//! name: neither outlives or harms the other. Bytes are read only where an answer asks for a hash that is not known: the
//! MD5 of what was uploaded in parts, or another checksum. Small content, which lies in the store, is written again.

pub(crate) mod object;
mod share;
pub(crate) mod source;
