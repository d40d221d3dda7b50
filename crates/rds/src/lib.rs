//! Amazon RDS: databases that are real. Each DB instance or cluster is a MariaDB of the distribution in a sandbox of its
//! own, behind a proxy that starts it for its first client and stops it when nobody has used it for a while.
//!
//! # Table of contents
//! [`service`] lists every operation beside the question it puts to the authorizer; `create`, `describe`, `change`,
//! `snapshots`, `groups`, `tags` and `engines` answer them. What takes longer than a request is in `work`: it does what a
//! record's status says, and again after a crash. Below: `server` (files, start, stop), `proxy` (clients and the pool
//! behind them), `mysql` (the protocol), `backup` (images and archived logs), `keys` (the layout in the store).
//!
//! # Promises
//! - A commit that a client was told of is on disk: `innodb_flush_log_at_trx_commit=1`, `sync_binlog=1`. Killing the
//!   server or the platform loses none; recovery is InnoDB's.
//! - A server has no network, sees no file but its own and ends with the platform, however that ends.
//! - Clients come in by their passwords as the server keeps them; what is not a user's right is refused by the server. No
//!   password is kept by the platform, but for MySQL's hash of a new master password until the server has it.
//! - A session is moved between server connections only while nothing of it would be lost; one that vanishes in the midst
//!   of a transaction is rolled back.
//! - Binary logs are archived within [`Options::archive_every`]; with them, and an image a day, any second of the
//!   retention is to be restorable; until that is shown to work it is refused ([`Options::restores_to_moments`]).
//!
//! # Never
//! - It reads no file that a server could have exchanged for something else, and runs nothing over a database's files
//!   outside of a sandbox.
//! - It does not pretend to an engine: what answers say of a version is the installed server's. PostgreSQL is not built.
//! - A database belongs to the node in whose folder its files lie; backups are in the blobs, for all.

mod backup;
mod change;
mod create;
pub mod data_shapes;
mod describe;
mod engines;
mod error;
mod groups;
mod keys;
mod mysql;
mod names;
mod proxy;
mod rds;
mod records;
mod server;
mod service;
pub mod shapes;
mod snapshots;
mod tags;
mod work;

pub use error::Error;
pub(crate) use error::Result;
pub use proxy::Tls;
pub use rds::{Options, Parts, Rds};
pub use server::ServerError;
pub use server::installation::{MARIADB_ADVICE, MariaDb};
pub use service::service;
