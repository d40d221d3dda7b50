//! The database server behind one endpoint: where its files lie, how it is started, and who keeps it.

pub(crate) mod installation;
pub(crate) mod keeper;
pub(crate) mod launch;
mod log;
mod mariadb;
mod postgres;
pub(crate) mod running;
pub(crate) mod socket;
pub(crate) mod volume;

pub(crate) use keeper::{Database, Lease};
pub(crate) use launch::{Machine, Settings};
pub(crate) use log::ServerLog;
pub(crate) use mariadb::CLOSE_MARIADB;
pub(crate) use running::Running;
pub(crate) use socket::Socket;
pub(crate) use volume::Volume;

/// Why a server cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServerError {
    /// The program is not on this machine.
    #[error("{program} is not installed on this machine; install it: `{advice}`")]
    NotInstalled {
        /// What was looked for.
        program: &'static str,
        /// The command that installs it.
        advice: &'static str,
    },
    /// Its files cannot be used.
    #[error("the database's files cannot be used: {0}")]
    Files(String),
    /// It was started and ended, or did not answer.
    #[error("the database server did not start: {0}")]
    Start(String),
    /// It took longer than it may.
    #[error("{0} took too long")]
    TimedOut(&'static str),
    /// The database is being stopped or removed.
    #[error("the database is not running")]
    Closed,
    /// It answered with an error, or not at all.
    #[error("{0}")]
    Answer(String),
}

impl From<crate::mysql::client::ClientError> for ServerError {
    fn from(error: crate::mysql::client::ClientError) -> Self {
        Self::Answer(error.to_string())
    }
}

impl From<crate::postgres::client::ClientError> for ServerError {
    fn from(error: crate::postgres::client::ClientError) -> Self {
        Self::Answer(error.to_string())
    }
}

impl From<std::io::Error> for ServerError {
    fn from(error: std::io::Error) -> Self {
        Self::Files(error.to_string())
    }
}
