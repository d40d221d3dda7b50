//! Recurring work that one node at a time does, without a record of how far it has come.

use crate::{DynamoDb, Error, layout};
use std::time::Duration;

impl DynamoDb {
    /// Whether this node may do a recurring work for a while.
    pub(crate) async fn lease(&self, name: &str, time: Duration) -> Result<bool, Error> {
        let key = layout::lease(name);
        self.store
            .transact_relaxed(async |tx| {
                let now = self.clock.now().as_millis();
                let held: Option<(u64, i64)> = match tx.get(&key).await? {
                    Some(value) => Some(serde_json::from_slice(&value).map_err(Error::internal)?),
                    None => None,
                };
                if held.is_some_and(|(holder, until)| holder != self.jobs.node && until > now) {
                    return Ok(false);
                }
                let lease = (self.jobs.node, now + time.as_millis() as i64);
                tx.put(&key, serde_json::to_vec(&lease).map_err(Error::internal)?)?;
                Ok::<_, Error>(true)
            })
            .await
    }
}
