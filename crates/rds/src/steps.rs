//! The steps by which a database is made, for who wants to know of each.

/// What has been done of a new database. After a crash at any of them it is made anew from the record, but for the last
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// It is written down.
    Entered,
    /// Its folder is there and empty.
    Emptied,
    /// The folder has the files of an empty database or of an image.
    Filled,
    /// The logs after the image lie beside it.
    Fetched,
    /// They are replayed.
    Replayed,
    /// The data is its own.
    Adopted,
    /// Its endpoint is open.
    Opened,
    /// The server has its users and what archiving needs.
    Provisioned,
    /// It is said to be available.
    Available,
}

impl Step {
    /// All, in their order; only what is restored to a moment takes the fourth and the fifth.
    pub const ALL: [Self; 9] = [
        Self::Entered,
        Self::Emptied,
        Self::Filled,
        Self::Fetched,
        Self::Replayed,
        Self::Adopted,
        Self::Opened,
        Self::Provisioned,
        Self::Available,
    ];
}

/// Is told of steps. The work goes on when it returns.
#[async_trait::async_trait]
pub trait Steps: std::fmt::Debug + Send + Sync + 'static {
    /// The database of that name has come to `step`.
    async fn reached(&self, database: &str, step: Step);
}
