//! A durable outbox: what one service has promised to hand to another, kept in the [`Store`] until it is handed over.
//!
//! A service writes a parcel in the very transaction that accepts what the parcel tells of ([`Outbox::put`]); the outbox
//! then hands it to a [`Courier`], again and again within the parcel's [`Patience`], and when that ends lets the courier
//! give it up (to a dead-letter queue).
//!
//! # Promises
//! - A parcel whose transaction was committed is delivered at least once, or given up; also after a crash.
//! - Whoever delivers a parcel claims it by a lease in the store: several nodes share the work, and when one dies its
//!   parcels are due again after [`LEASE`].
//! - Bounded: at most [`Options::at_once`] deliveries run, each for at most [`ATTEMPT`]. A large body that goes to many is
//!   kept once.
//!
//! # Never
//! - It knows no service: what a parcel means is its courier's.
//! - No order among parcels.

mod keys;
mod outbox;
mod parcel;
mod run;

pub use outbox::{Options, Outbox};
pub use parcel::{Body, Courier, Failure, OutboxError, Parcel, Patience};
pub use run::{ATTEMPT, LEASE};

#[cfg(test)]
mod tests;
