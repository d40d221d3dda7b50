//! Backups: images of a database's files, and the logs (binary logs, the write-ahead log) that lead from one to any later
//! second.
//!
//! An image is taken as a storage system takes one. MariaDB is told to hold commits (`BACKUP STAGE BLOCK_COMMIT`), for its
//! two logs have to agree; the server's processes are frozen, what changed since a first copy is copied once more, and everything goes on; a new server
//! recovers from the copy as from a power cut. So nothing of the backup runs beside the server or reads its formats, and
//! the pause is as long as it takes to copy what is being written to at the moment. The copy then goes to the blobs in
//! pieces; one that did not change since an earlier image is there already.

pub(crate) mod archive;
pub(crate) mod binlog;
pub(crate) mod image;
pub(crate) mod take;
pub(crate) mod wal;

pub(crate) use archive::{Archive, CaughtUp};
pub(crate) use image::{Image, Position};
