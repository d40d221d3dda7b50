//! Amazon RDS.
mod backup;
pub mod data_shapes;
mod error;
mod keys;
mod mysql;
mod names;
mod proxy;
mod records;
mod server;
pub mod shapes;

pub use error::Error;
pub(crate) use error::Result;
