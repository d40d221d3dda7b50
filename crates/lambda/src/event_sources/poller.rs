//! Which node reads which mapping: one that holds its lease.

use super::Mapping;
use crate::lambda::Lambda;
use crate::records::{Read, decode, new_revision, put};
use crate::walk::Walk;
use crate::{Error, keys};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How often mappings are looked for that changed without a word to this node.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a lease lasts after it was renewed.
const LEASE_MS: i64 = 15_000;
/// How often a stream is asked for its shards.
const SHARDS_EVERY: Duration = Duration::from_secs(10);
/// Mappings read at once from the store.
const PAGE: usize = 100;

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    holder: String,
    until: i64,
}

/// A mapping that this node reads.
struct Working {
    revision: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Lambda {
    /// Reads the streams of mappings that nobody else reads, until the service stops.
    pub(crate) async fn poll_event_sources(self: Arc<Self>) {
        let holder = new_revision();
        let mut working: HashMap<String, Working> = HashMap::new();
        while !self.is_stopping() {
            if let Err(error) = self.look_after_mappings(&holder, &mut working).await {
                tracing::warn!(%error, "the event source mappings could not be read; trying again");
            }
            tokio::select! {
                () = self.mappings_changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.stopped() => {}
            }
        }
        for one in working.values() {
            one.stop.send_replace(true);
        }
        for one in working.into_values() {
            // One that panicked has said so.
            let _ = one.task.await;
        }
    }

    async fn look_after_mappings(
        self: &Arc<Self>,
        holder: &str,
        working: &mut HashMap<String, Working>,
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut walk = Walk::below(&keys::all_mappings(), PAGE);
        while let Some(entries) = walk.next(self).await? {
            for (_, value) in &entries {
                let mapping: Mapping = decode(value)?;
                if mapping.enabled && self.hold_mapping(&mapping.uuid, holder).await? {
                    seen.insert(mapping.uuid.clone());
                    self.work_on_mapping(mapping, working);
                }
            }
        }
        for (uuid, one) in working.iter() {
            if !seen.contains(uuid) {
                one.stop.send_replace(true);
            }
        }
        working.retain(|_, one| !one.task.is_finished());
        Ok(())
    }

    fn work_on_mapping(self: &Arc<Self>, mapping: Mapping, working: &mut HashMap<String, Working>) {
        if let Some(one) = working.get(&mapping.uuid) {
            if one.revision != mapping.revision {
                // What is under way ends first: two readers would mix up the order.
                one.stop.send_replace(true);
            }
            if !one.task.is_finished() {
                return;
            }
        }
        let (stop, stopped) = watch::channel(false);
        let (uuid, revision) = (mapping.uuid.clone(), mapping.revision.clone());
        let (lambda, mapping) = (Arc::clone(self), Arc::new(mapping));
        let task = match mapping.is_of_queue() {
            true => tokio::spawn(lambda.read_queue(mapping, stopped)),
            false => tokio::spawn(lambda.read_source(mapping, stopped)),
        };
        working.insert(uuid, Working { revision, stop, task });
    }

    /// Takes or renews the lease of a mapping; whether this node has it.
    async fn hold_mapping(&self, uuid: &str, holder: &str) -> Result<bool, Error> {
        let key = keys::mapping_lease(uuid);
        let alone = self.options.sole_node;
        self.store
            .transact(async |tx| {
                let now = self.now_ms();
                match tx.record::<Held>(&key).await? {
                    Some(held) if held.holder != holder && held.until > now && !alone => return Ok(false),
                    Some(held) if held.holder == holder && held.until - now > LEASE_MS / 2 => return Ok(true),
                    _ => {}
                }
                let held = Held {
                    holder: holder.to_owned(),
                    until: now + LEASE_MS,
                };
                put(&tx, &key, &held)?;
                Ok::<_, Error>(true)
            })
            .await
    }

    /// Reads all shards of a mapping's stream, each in a task of its own.
    async fn read_source(self: Arc<Self>, mapping: Arc<Mapping>, mut stop: watch::Receiver<bool>) {
        let (mut known, mut reading) = (HashSet::new(), JoinSet::new());
        while !*stop.borrow() {
            match self.shards_of(&mapping).await {
                Ok(shards) => {
                    for shard in shards {
                        if known.insert(shard.clone()) {
                            reading.spawn(Arc::clone(&self).read_shard(Arc::clone(&mapping), shard, stop.clone()));
                        }
                    }
                }
                Err(error) => self.note_result(&mapping, &format!("PROBLEM: {error}")).await,
            }
            tokio::select! {
                () = tokio::time::sleep(SHARDS_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        while reading.join_next().await.is_some() {}
    }

    /// The shards of a mapping's stream.
    pub(super) async fn shards_of(&self, mapping: &Mapping) -> Result<Vec<String>, Error> {
        let mut shards = Vec::new();
        loop {
            let mut input = json!({"StreamArn": mapping.source});
            if let Some(last) = shards.last() {
                input["ExclusiveStartShardId"] = serde_json::Value::clone(last);
            }
            let mut answer = self.ask_stream(mapping, "DescribeStream", input).await?;
            let stream = &mut answer["StreamDescription"];
            for shard in stream["Shards"].as_array_mut().into_iter().flatten() {
                shards.push(shard["ShardId"].take());
            }
            if stream["LastEvaluatedShardId"].is_null() {
                let shards = shards.iter().filter_map(|shard| shard.as_str().map(str::to_owned));
                return Ok(shards.collect());
            }
        }
    }

    /// Keeps what came of the last attempt, when it is something else than before.
    pub(super) async fn note_result(&self, mapping: &Mapping, result: &str) {
        let key = keys::mapping_result(&mapping.uuid);
        let noted = async {
            if self.snapshot().await?.record::<String>(&key).await?.as_deref() == Some(result) {
                return Ok(());
            }
            self.store
                .transact(async |tx| {
                    // A mapping that was deleted leaves nothing behind.
                    let there = tx
                        .get(&keys::mapping(&mapping.account, &mapping.region, &mapping.uuid))
                        .await?;
                    match there {
                        Some(_) => put(&tx, &key, &result),
                        None => Ok::<_, Error>(()),
                    }
                })
                .await
        };
        let noted = noted.await;
        if let Err(error) = noted {
            tracing::warn!(mapping = mapping.uuid, %error, "the result of a mapping could not be kept");
        }
    }
}
