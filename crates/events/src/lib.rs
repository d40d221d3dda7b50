//! Amazon EventBridge and EventBridge Scheduler: rules, buses, archives and schedules.
//!
//! # Table of contents
//! [`Events::service`] lists EventBridge's operations (`table`), each in its room: `rules`, `targets`, `buses`,
//! `permissions`, `put_events`, `test_pattern`, `archives`, `replays`, `tags`. [`Events::scheduler_service`] lists
//! Scheduler's (`scheduler`). Below them: `schedule` (when something fires), `ticks` (what fires because time passes),
//! `input` (what a target is sent), `deliver` (how it gets there), `keys` (the layout).
//!
//! # Promises
//! - An event that PutEvents acknowledged reaches every target that matched at that moment at least once, or its
//!   dead-letter queue: the deliveries are written in the transaction that accepts it, and claimed by lease.
//! - A schedule fires at most one second late while the platform runs. Of the times that it missed while the platform was
//!   down the newest fires once, and the older ones are dropped and counted (`docs/events.md`).
//! - A tick is written down and its deliveries queued in one transaction: several nodes may race for it, one wins.
//!
//! # Never
//! - It never names another service's crate: functions through [`Invoker`], everything else through [`Api`], roles
//!   through [`ServiceRoles`].
//! - It delivers to no target that is not built: such a target is refused by name when it is put.

mod access;
mod archives;
mod buses;
mod deliver;
mod dispatch;
mod error;
mod events;
mod input;
mod keys;
mod names;
mod permissions;
mod put_events;
mod records;
mod replays;
mod rules;
mod schedule;
mod scheduler;
pub mod scheduler_shapes;
pub mod shapes;
mod table;
mod tags;
mod targets;
mod test_pattern;
mod ticks;

pub use error::Error;
pub use events::{Events, Options, Parts};
pub use permissions::BusPolicies;

#[cfg(doc)]
use danbi_core::{Api, Invoker, ServiceRoles};

#[cfg(test)]
mod stories;
