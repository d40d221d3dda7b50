//! Amazon S3: buckets, objects, versions, multipart uploads, kept in the [`Store`](danbi_store::Store) and in
//! [`Blobs`](danbi_blobs::Blobs).
//!
//! # Table of contents
//! [`service`] lists every operation beside the question it puts to the authorizer (`access`) and its room:
//! - `buckets`: create, head, list, delete, location, versioning. `bucket_config`: where the configurations of a bucket
//!   are kept.
//! - `objects`: put, get, head, delete (one and many); `conditions` (`If-Match` and its kin), `range`, `headers` (what
//!   is kept with an object). `versions`: which version of a key is meant, and how a new one takes its place.
//! - `listing`: ListObjects, ListObjectsV2, ListObjectVersions.
//! - Who may do what: `authority` (S3's side of every decision), `acl` (access control lists), `policy` (bucket policies),
//!   `ownership`, `public_access`.
//! - `configurations`: what else is kept for a bucket, one file each. `lifecycle`: the rules, and the worker that
//!   expires and moves.
//!   `notifications`: events, written down with the change and told to functions. `lease`: work of one node at a time.
//! - `archive`: storage classes that have to be restored from, RestoreObject, and the end of restored copies.
//! - `dialect`: where others answer otherwise than AWS.
//! - Below them: `content` (how bytes are received, sealed, stored and read), `keys` (the layout of the store),
//!   `records`, `ids`, `names`, `error`, `sweep` (removal of what is too much for one request).
//!
//! # How an object is stored
//! A small object ([`Options::inline_bytes`]) is one transaction: its head and, apart from it, its bytes. Larger content
//! is a blob, written while it arrives, and the commit that makes the object refers to it. A multipart object is the
//! list of its parts' blobs: completing copies nothing. All content is sealed with a data key of its own.
//!
//! # Promises
//! - What was acknowledged is on disk, whole; what was not is never seen. A request that breaks off leaves nothing but
//!   bytes that the collector of blobs removes ([`S3::uses_blob`]).
//! - A reader gets the bytes that were written or an error: every frame of the content is authenticated before it is
//!   handed out. A bit that flipped on disk breaks the response off; it never reaches the client.
//! - Memory does not grow with the size of an object, in either direction.
//! - A listing reads what it returns: old versions, delete markers, and the inside of common prefixes are not touched.
//! - Everything is in the store: any node can serve any request.
//!
//! # Never
//! - It names no other service's crate: who may do what is asked through [`danbi_core::Authorizer`], and code is handed
//!   to Lambda through [`danbi_core::ObjectSource`].
//! - It never writes plain content to disk, and never keeps a client's key (SSE-C).
//! - It has no accelerated, dual-stack or access-point addresses of its own, and no directory buckets.

// What the rooms that are being built will use is declared before them.
#![allow(dead_code)]

mod access;
mod acl;
mod archive;
mod authority;
mod bucket_config;
mod buckets;
pub mod checksum;
mod configurations;
mod content;
mod copy;
mod cross_origin;
pub mod crypto;
mod dialect;
mod encryption;
mod error;
mod facets;
mod ids;
mod keys;
mod lease;
mod lifecycle;
mod listing;
mod multipart;
mod names;
mod notifications;
mod object_lock;
mod objects;
mod ownership;
mod parts_access;
mod policy;
mod post_object;
mod public_access;
mod records;
mod s3;
mod select;
pub mod shapes;
mod source;
mod sweep;
mod table;
mod tags;
mod token;
mod versions;
mod website;

pub use authority::Authority;
pub use dialect::Dialect;
pub use error::Error;
pub use lifecycle::Days;
pub use s3::{Listeners, NewBuckets, Options, Parts, S3};
pub use table::service;
pub use website::WebsiteRequest;

pub(crate) use error::Result;

#[cfg(test)]
mod stories;
