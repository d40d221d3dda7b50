//! Works on move tasks: some messages a step, each step one transaction of the node that holds the task's lease.
//!
//! A moved message is a new one, with another id and as old as its move, as on AWS; its content stays where it is.

use crate::keys::{self, MessageKey, QueueId};
use crate::moves::{COMPLETED, FAILED, RUNNING};
use crate::names::QueueName;
use crate::records::{Move, Queue, Read, State, put};
use crate::{Error, Sqs, lines};
use bytes::Bytes;
use danbi_store::{KeyRange, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// How often tasks are looked for, and the second that rates are about.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a task is this node's after each step.
const LEASE_MS: i64 = 6_000;
/// Messages of one step.
const STEP: usize = 100;
/// Tasks that one look finds.
const PAGE: usize = 1_000;

/// Whether a task goes on.
enum Step {
    More,
    Over,
}

/// Looks for tasks for as long as the service runs.
pub(crate) async fn run(sqs: Arc<Sqs>) {
    let holder = Uuid::new_v4().to_string();
    while !sqs.is_closing() {
        if let Err(error) = look(&sqs, &holder).await {
            tracing::warn!(%error, "the move tasks of queues could not be worked on; trying again");
        }
        tokio::select! {
            () = sqs.moves.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = sqs.closed() => {}
        }
    }
}

async fn look(sqs: &Sqs, holder: &str) -> Result<(), Error> {
    let page = sqs
        .snapshot()
        .await?
        .first(KeyRange::prefix(keys::all_moving()), PAGE)
        .await?;
    for (place, task) in &page.entries {
        let source = keys::moving_of(place).map_err(Error::internal)?;
        while !sqs.is_closing() {
            match step(sqs, holder, &source, task).await? {
                (Step::More, false) => {}
                _ => break,
            }
        }
    }
    Ok(())
}

/// One step of a task; also whether it has to wait for the next second.
async fn step(sqs: &Sqs, holder: &str, source: &QueueName, task_key: &Bytes) -> Result<(Step, bool), Error> {
    let view = sqs.snapshot().await?;
    let now = sqs.now_ms();
    let queue: Option<Queue> = view.record(&keys::queue(source)).await?;
    let id = queue.as_ref().map(|queue| queue.id);
    let rate = view.record::<Move>(task_key).await?.and_then(|task| task.per_second);
    let limit = rate.map_or(STEP, |rate| STEP.min(rate as usize));
    let candidates = match &id {
        Some(id) => view.first(keys::ready_between(id, i64::MIN, now), limit).await?,
        None => danbi_store::Page::default(),
    };
    let (candidates, id) = (&candidates, &id);
    let (step, touched) = sqs
        .store
        .transact(async |tx| {
            let task: Option<Move> = tx.record(task_key).await?;
            let Some(mut task) = task.filter(|task| task.status == RUNNING) else {
                tx.delete(&keys::moving(source))?;
                return Ok((Step::Over, Vec::new()));
            };
            if task.holder != holder && task.held_until_ms > now {
                return Ok((Step::Over, Vec::new()));
            }
            (task.holder, task.held_until_ms) = (holder.to_owned(), now + LEASE_MS);
            let run_source = id.unwrap_or_default();
            let mut run = Run {
                sqs,
                now,
                source: run_source,
                task: &mut task,
                targets: BTreeMap::new(),
                moved: 0,
            };
            for (key, group) in &candidates.entries {
                if run.task.failure.is_some() {
                    break;
                }
                run.one(&tx, key, group).await?;
            }
            let (moved, touched) = (run.moved, run.targets.into_keys().collect::<Vec<_>>());
            // Messages that came after the task stay; before them there are none left.
            let newer = |(key, _): &(Bytes, Bytes)| {
                let place = keys::ready_of(&run_source, key);
                place.is_ok_and(|(_, message)| message.sequence > task.until)
            };
            let nothing_left = !candidates.more || candidates.entries.iter().all(newer);
            let over = task.failure.is_some() || moved == 0 && nothing_left;
            if over {
                task.status = if task.failure.is_some() { FAILED } else { COMPLETED }.into();
                tx.delete(&keys::moving(source))?;
            }
            put(&tx, task_key, &task)?;
            Ok::<_, Error>((if over || moved == 0 { Step::Over } else { Step::More }, touched))
        })
        .await?;
    for queue in touched {
        sqs.touch(&queue, now);
    }
    Ok((step, rate.is_some()))
}

struct Run<'r> {
    sqs: &'r Sqs,
    now: i64,
    source: QueueId,
    task: &'r mut Move,
    /// Where messages went to.
    targets: BTreeMap<QueueName, QueueId>,
    moved: usize,
}

impl Run<'_> {
    /// Moves the message of one entry: of a group, the first in its line.
    async fn one(&mut self, tx: &Transaction, key: &Bytes, group: &Bytes) -> Result<(), Error> {
        if tx.get(key).await?.is_none() {
            return Ok(());
        }
        let (_, message) = keys::ready_of(&self.source, key).map_err(Error::internal)?;
        let place = keys::message(&self.source, &message);
        let state: Option<State> = tx.record(&place).await?;
        let Some(state) = state.filter(|_| message.sequence <= self.task.until) else {
            return Ok(());
        };
        let Some((name, target)) = self.target(tx, &state).await? else {
            return Ok(());
        };
        match std::str::from_utf8(group).map_err(Error::internal)? {
            "" => tx.delete(key)?,
            group => {
                let before = lines::head(tx, &self.source, group).await?;
                tx.delete(&keys::line(&self.source, group, &message))?;
                lines::settle(tx, &self.source, group, before).await?;
            }
        }
        tx.delete(&place)?;
        self.put(tx, target, &message, state).await?;
        self.targets.insert(name, target);
        self.task.moved += 1;
        self.moved += 1;
        Ok(())
    }

    /// Where a message is to go; notes in the task why that cannot be known.
    async fn target(&mut self, tx: &Transaction, state: &State) -> Result<Option<(QueueName, QueueId)>, Error> {
        let arn = self.task.destination.as_ref().or(state.source.as_ref());
        let Some(name) = arn.and_then(|arn| QueueName::of_arn(arn)) else {
            self.task.failure = Some("CouldNotDetermineMessageSource".into());
            return Ok(None);
        };
        if let Some(known) = self.targets.get(&name) {
            return Ok(Some((name, *known)));
        }
        let queue: Option<Queue> = tx.record(&keys::queue(&name)).await?;
        match queue {
            Some(queue) => Ok(Some((name, queue.id))),
            None => {
                self.task.failure = Some("AWS.SimpleQueueService.NonExistentQueue".into());
                Ok(None)
            }
        }
    }

    async fn put(&self, tx: &Transaction, target: QueueId, message: &MessageKey, old: State) -> Result<(), Error> {
        let new = State {
            visible_ms: self.now,
            content: Some(old.content_key(message)),
            pieces: old.pieces,
            group: old.group,
            ..State::default()
        };
        let (id, sequence) = (Uuid::new_v4(), self.sqs.next_sequence(self.now));
        if let Some(group) = &new.group {
            lines::append(tx, &target, group, id, sequence, &new).await?;
            return Ok(());
        }
        let key = MessageKey { sequence, id };
        put(tx, &keys::message(&target, &key), &new)?;
        tx.put(&keys::ready(&target, new.visible_ms, &key), "")?;
        Ok(())
    }
}
