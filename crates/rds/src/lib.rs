//! Amazon RDS: databases that are real. Each DB instance or cluster is a MariaDB or a PostgreSQL of the distribution in a
//! sandbox of its own, behind a proxy that starts it for its first client and stops it when nobody has used it for a
//! while.
//!
//! # Table of contents
//! [`service`] lists every operation beside the question it puts to the authorizer; `create`, `describe`, `change`,
//! `snapshots`, `restore`, `groups`, `cluster_groups`, `tags`, `engines`, `events`, `logs` and `reads` answer them.
//! [`data_service`] is the Data API, in `data`. What takes longer than a request is in `work`: it does what a record's
//! status says, and again after a crash; `steps` names what it does. Below: `server` (files, start, stop), `ports` and
//! `proxy` (clients and the pool behind them), `mysql` and `postgres` (the protocols), `provision` (what a new server is
//! given), `backup` (images and archived logs), `keys` (the layout in the store).
//!
//! # Promises
//! - A commit that a client was told of is on disk: `innodb_flush_log_at_trx_commit=1` and `sync_binlog=1`, or `fsync`.
//!   Killing the server or the platform loses none; recovery is the server's own.
//! - A server has no network, sees no file but its own and ends with the platform, however that ends.
//! - Clients come in by their passwords as the server keeps them; what is not a user's right is refused by the server. No
//!   user's password is kept by the platform, but for the server's own hash of a new master password until it has it.
//! - A session is moved between server connections only while nothing of it would be lost; one that vanishes in the midst
//!   of a transaction is rolled back.
//! - Logs are archived within [`Options::archive_every`]; with them and an image a day, any second of the retention can
//!   be restored as another database. What no moment of the retention needs any more is removed.
//!
//! # Never
//! - It reads no file that a server could have exchanged for something else, and runs nothing over a database's files
//!   outside of a sandbox.
//! - It does not pretend to an engine: what answers say of a version is the installed server's.
//! - A database belongs to the node in whose folder its files lie; backups are in the blobs, for all.

mod backup;
mod change;
mod cluster_groups;
mod create;
mod data;
pub mod data_shapes;
mod describe;
mod engines;
mod error;
mod events;
mod groups;
mod keys;
mod logs;
mod mysql;
mod names;
mod ports;
mod postgres;
mod provision;
mod proxy;
mod rds;
mod reads;
mod records;
mod restore;
mod server;
mod service;
pub mod shapes;
mod snapshots;
mod steps;
mod tags;
mod work;

pub use data::service as data_service;
pub use error::Error;
pub(crate) use error::Result;
pub use proxy::{Authority, Tls};
pub use rds::{Options, Parts, Rds};
pub use server::ServerError;
pub use server::installation::{MARIADB_ADVICE, MariaDb, POSTGRES_ADVICE, Postgres};
pub use service::service;
pub use steps::{Step, Steps};
