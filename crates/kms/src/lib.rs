//! AWS Key Management Service: keys that never leave the platform, and what is done with them.
//!
//! # Table of contents
//! [`Kms::service`] (`service`) lists every operation beside the question it puts to the authorizer (`access`) and its
//! room in `operations`. What other services use is [`DataKeys`](danbi_core::DataKeys), in `data_keys`.
//!
//! - A key (`record`), how requests name it (`names`) and how it is found (`catalog`); what its spec allows (`spec`).
//! - What is done with it: `ciphertext` (symmetric), `mac`, `asymmetric`.
//! - Who may: [`KeyPolicies`] (`authority`) gives the key's policy and its grants (`grant`) to the authorizer.
//! - What time does: `due` removes keys whose waiting time is over, rotates those that are due, and drops imported
//!   material that expired.
//!
//! The layout of the store is the table in `keys`; the errors and their words are in [`Error`].
//!
//! # Promises
//! - Key material is kept sealed under a master key that is a file of the data folder and never in the store; a lost file
//!   is noticed at the start.
//! - A ciphertext opens with the very key, material and encryption context that it was made with, and is refused with
//!   `InvalidCiphertextException` otherwise. Rotation keeps every older material.
//! - A key that is disabled or pending deletion is not used by anybody, from the answer on. A deleted key's material is
//!   removed with its record.
//! - The key policy must allow, or delegate to IAM by naming the account; nothing else lets anybody in, but a grant.
//!
//! # Never
//! - No plaintext key material is logged, shown by `Debug`, or answered, except what an operation is there to answer.
//! - It never asks another service but through the traits of `danbi_core`.

mod access;
mod asymmetric;
mod authority;
mod catalog;
mod ciphertext;
mod data_keys;
mod due;
mod error;
mod grant;
mod keys;
mod kms;
mod mac;
mod managed;
mod names;
mod operations;
mod paging;
mod policy;
mod record;
mod service;
pub mod shapes;
mod spec;
mod tags;

pub use authority::KeyPolicies;
pub use error::Error;
pub use kms::{Kms, Options, Parts};
