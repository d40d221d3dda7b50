//! What is delivered, to whom the courier brings it, and how long it is tried.

use async_trait::async_trait;
use danbi_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a delivery is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Attempts after the first.
    pub retries: u32,
    /// Milliseconds after which no further attempt is made.
    pub max_age_ms: i64,
}

/// A body, ready to be put into parcels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// In the parcel itself.
    Inline(String),
    /// Kept apart, in so many parts.
    Kept {
        /// Its name.
        id: String,
        /// How many parts it is in.
        parts: u64,
    },
}

/// What a courier is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Parcel {
    /// Unique; the same for each attempt.
    pub id: String,
    /// What the service wrote about it.
    pub header: Value,
    /// What is to be delivered.
    pub body: String,
    /// When it was accepted, in milliseconds.
    pub since_ms: i64,
    /// Attempts made before this one.
    pub attempts: u32,
}

/// Why a delivery did not come to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The error code, such as `ResourceNotFoundException`.
    pub code: String,
    /// In words.
    pub reason: String,
    /// Whether another attempt may fare better.
    pub again: bool,
}

impl Failure {
    /// One that trying again does not mend.
    pub fn lasting(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
            again: false,
        }
    }

    /// One that may pass.
    pub fn passing(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
            again: true,
        }
    }

    /// What a service answered: throttles and the platform's own faults may pass.
    pub fn of(error: &danbi_core::ServiceError) -> Self {
        let throttled = error.status == 429 || error.retry_after_secs.is_some();
        Self {
            code: error.code.to_owned(),
            reason: error.message.clone(),
            again: throttled || (error.status >= 500 && error.status != 501),
        }
    }
}

/// Brings parcels where they belong.
#[async_trait]
pub trait Courier: Send + Sync + 'static {
    /// Delivers a parcel. It may be called again for one that was delivered already.
    ///
    /// # Errors
    /// Why it was not delivered, and whether to try again.
    async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure>;

    /// Is told of a parcel that will not be tried again, to bring it to a dead-letter queue or say that it is lost.
    ///
    /// # Errors
    /// Why that could not be done; one that may pass is tried again a few times.
    async fn give_up(&self, parcel: &Parcel, failure: &Failure) -> Result<(), Failure>;
}

/// A fault of the outbox itself.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be read or written.
    #[error("a parcel cannot be understood: {0}")]
    Record(String),
}

impl From<serde_json::Error> for OutboxError {
    fn from(error: serde_json::Error) -> Self {
        Self::Record(error.to_string())
    }
}
