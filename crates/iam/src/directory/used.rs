//! When access keys were last used: written down now and then, because AWS's figure is some minutes old as well.

use super::{Directory, remember};
use crate::records::{LastUsed, put};
use crate::{IamError, keys};
use danbi_core::Timestamp;
use std::time::{Duration, Instant};

/// How often the use of one key is written.
const EVERY: Duration = Duration::from_secs(60);

impl Directory {
    /// Writes that a user's key was used, unless that was done a short while ago.
    pub(super) async fn note_use(&self, id: &str, service: &str, region: &str) {
        {
            let mut remembered = self.remembered();
            // Root keys and sessions have no record to write to.
            if !remembered.keys.contains_key(id) {
                return;
            }
            let recent = remembered.used.get(id).is_some_and(|at| at.elapsed() < EVERY);
            if recent {
                return;
            }
            remember(&mut remembered.used, id, Instant::now());
        }
        let used = &LastUsed {
            at: Timestamp::from_millis(self.clock.now().as_secs() * 1000),
            service: service.into(),
            region: region.into(),
        };
        let (key, record) = (&keys::access_key(id), &keys::last_used(id));
        let written = self
            .store
            .transact_relaxed(async |tx| {
                // It may have been deleted meanwhile.
                match tx.get(key).await? {
                    Some(_) => put(&tx, record, used),
                    None => Ok(()),
                }
            })
            .await;
        if let Err(error) = written {
            let error: IamError = error;
            tracing::warn!(%error, "the use of an access key could not be written down");
        }
    }
}
