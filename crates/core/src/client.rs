use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;

/// Tells when whoever made a request has gone. Implemented by the gateway.
#[async_trait]
pub trait Presence: Send + Sync + 'static {
    /// Returns once nobody waits for the answer any more; cancelling the wait is harmless.
    async fn left(&self);
}

/// The one at the other end of a request. Without a [`Presence`] it is taken to wait for ever, as the platform itself does.
#[derive(Clone, Default)]
pub struct Client(Option<Arc<dyn Presence>>);

impl Client {
    /// A client whose presence is known.
    pub fn new(presence: Arc<dyn Presence>) -> Self {
        Self(Some(presence))
    }

    /// Returns once it has left, and never when that cannot be known.
    pub async fn left(&self) {
        match &self.0 {
            Some(presence) => presence.left().await,
            None => std::future::pending().await,
        }
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
