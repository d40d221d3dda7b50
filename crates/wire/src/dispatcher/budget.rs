//! How much memory the bodies that are being read may take together.
//!
//! A signature covers the body, so a body is held before it is known to be its signer's: whoever knows a key's id (every
//! function knows its own) could otherwise make the platform hold as many as connections allow.

use danbi_core::{Principal, ServiceError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of all bodies together. The largest single one (code in base64) takes some 70 MB.
const ALL: usize = 1024 * 1024 * 1024;
/// Bytes of each body that are not counted: most requests are smaller.
const FREE: usize = 64 * 1024;
/// After how many seconds a refused client may try again.
const RETRY_AFTER_SECS: u32 = 1;

/// The bytes that are held now. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
    all: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self::of(ALL)
    }
}

impl Budget {
    fn of(all: usize) -> Self {
        let used = Arc::default();
        Self { used, all }
    }

    /// An account for one body of who claims to be `principal`: all that are not the account's root have half of it
    /// together, so that functions cannot shut their owner out.
    pub(super) fn open(&self, principal: &Principal) -> Held {
        let limit = match principal {
            Principal::Root(_) => self.all,
            Principal::Identity { .. } | Principal::Service(_) | Principal::Anonymous => self.all / 2,
        };
        Held {
            used: Arc::clone(&self.used),
            limit,
            own: 0,
        }
    }
}

/// What one body takes; leaving scope gives it back.
#[derive(Debug)]
pub(super) struct Held {
    used: Arc<AtomicUsize>,
    limit: usize,
    own: usize,
}

impl Held {
    /// Accounts for a body that has `length` bytes by now.
    ///
    /// # Errors
    /// 503 when there is no room for it.
    pub(super) fn grow_to(&mut self, length: usize) -> Result<(), ServiceError> {
        let more = length.saturating_sub(FREE).saturating_sub(self.own);
        if more == 0 {
            return Ok(());
        }
        let room = |used: usize| used.checked_add(more).filter(|used| *used <= self.limit);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room) {
            Ok(_) => {
                self.own += more;
                Ok(())
            }
            Err(_) => {
                let message = "Too many large requests are being received at the moment. Try again.";
                let mut error = ServiceError::server("ServiceUnavailableException", 503, message);
                error.retry_after_secs = Some(RETRY_AFTER_SECS);
                Err(error)
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.fetch_sub(self.own, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use danbi_core::AccountId;

    #[test]
    fn functions_cannot_take_what_their_owner_needs() {
        let budget = Budget::of(1_000_000);
        let root = Principal::Root(AccountId::default());
        let mut small = budget.open(&Principal::Anonymous);
        small.grow_to(FREE).unwrap();
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
        let mut greedy = budget.open(&Principal::Service("f".into()));
        greedy.grow_to(FREE + 300_000).unwrap();
        greedy.grow_to(FREE + 500_000).unwrap();
        assert_eq!(greedy.grow_to(FREE + 500_001).unwrap_err().status, 503);
        let mut another = budget.open(&Principal::Anonymous);
        assert!(another.grow_to(FREE + 1).is_err());
        let mut owner = budget.open(&root);
        owner.grow_to(FREE + 500_000).unwrap();
        assert!(owner.grow_to(FREE + 500_001).is_err());
        drop((greedy, owner));
        another.grow_to(FREE + 500_000).unwrap();
        drop(another);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }
}
