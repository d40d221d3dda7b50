//! Work that one node at a time does, by a lease in the store.

use crate::records::{self, View};
use crate::{Result, S3, keys};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// A claim on a piece of work. A node that does not renew it loses it when it runs out.
#[derive(Debug)]
pub(crate) struct Lease {
    work: &'static str,
    holder: Uuid,
    lasts: Duration,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    holder: Uuid,
    until: i64,
}

impl Lease {
    /// A claim on `work` that lasts for so long after each renewal.
    pub(crate) fn new(work: &'static str, lasts: Duration) -> Self {
        Self {
            work,
            holder: Uuid::new_v4(),
            lasts,
        }
    }

    /// Takes or renews the lease; whether this node has it now. A lease with more than half of its time left is not
    /// written again.
    pub(crate) async fn hold(&self, s3: &S3) -> Result<bool> {
        let lasts = i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX);
        let key = keys::lease(self.work);
        s3.store
            .transact(async |tx| {
                let now = s3.now().as_millis();
                match tx.record::<Held>(&key).await? {
                    Some(held) if held.holder != self.holder && held.until > now => return Ok(false),
                    Some(held) if held.holder == self.holder && held.until - now > lasts / 2 => return Ok(true),
                    _ => {}
                }
                let held = Held {
                    holder: self.holder,
                    until: now.saturating_add(lasts),
                };
                tx.put(&key, records::encode(&held)?)?;
                Ok(true)
            })
            .await
    }
}
