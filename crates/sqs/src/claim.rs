//! Gives visible messages to those who want them: one transaction for all who ask at the same moment.
//!
//! Candidates are found outside of the transaction, so that what others send meanwhile is no conflict. Within it each
//! candidate's entry is read again, which is what two receivers of the same message cannot both do.

use crate::content;
use crate::keys::{self, MessageKey, QueueId};
use crate::lines;
use crate::names::QueueName;
use crate::records::{Attempt, Queue, Read, State, decode, put};
use crate::redrive::RedrivePolicy;
use crate::{Error, Sqs};
use bytes::Bytes;
use danbi_store::{KeyRange, Transaction};

/// Entries that are looked at beyond what is wanted: some will be too old, or somebody else's by then.
const SPARE: usize = 16;
/// How long a receive with an attempt id can be repeated.
const ATTEMPT_MS: i64 = 5 * 60_000;

/// What one receiver asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Want {
    pub count: usize,
    /// Otherwise as the queue says.
    pub visibility_ms: Option<i64>,
    /// `ReceiveRequestAttemptId`.
    pub attempt: Option<String>,
}

/// A message that a receiver has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub message: MessageKey,
    pub state: State,
    pub received_ms: i64,
}

/// What a round of claims brought.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// For each who asked.
    pub shares: Vec<Vec<Taken>>,
    /// Nothing that was there before is visible before this time.
    pub floor_ms: i64,
    /// Other queues where something became visible, and when.
    pub touched: Vec<(QueueName, i64)>,
    /// The entries looked at were all there are.
    pub exhausted: bool,
}

/// One round within its transaction.
struct Run<'r> {
    name: &'r QueueName,
    queue: &'r Queue,
    redrive: Option<RedrivePolicy>,
    /// The queue that dead letters go to, once it was looked for.
    target: Option<Option<QueueId>>,
    sequence: u64,
    now: i64,
    oldest_ms: i64,
    visibility_ms: i64,
    wants: &'r [Want],
    round: Round,
}

/// What is to become of a message that could be received.
enum Fate {
    Expired,
    /// It was received too often: off to this queue.
    Dead(QueueId, QueueName),
    Fine,
}

/// Claims what is visible at `from_ms` and later.
///
/// # Errors
/// [`Error::NoQueue`] and what the store answers.
pub(crate) async fn claim(sqs: &Sqs, name: &QueueName, from_ms: i64, wants: &[Want]) -> Result<Round, Error> {
    loop {
        let view = sqs.snapshot().await?;
        let bytes = view.read(&keys::queue(name)).await?.ok_or(Error::NoQueue)?;
        let queue: Queue = decode(&bytes)?;
        let now = sqs.now_ms();
        let wanted: usize = wants.iter().map(|want| want.count).sum();
        let page = view
            .first(keys::ready_between(&queue.id, from_ms, now), wanted + SPARE)
            .await?;
        let repeats = wants.iter().any(|want| want.attempt.is_some());
        if page.entries.is_empty() && !repeats {
            return Ok(Round {
                shares: wants.iter().map(|_| Vec::new()).collect(),
                floor_ms: now,
                exhausted: true,
                ..Round::default()
            });
        }
        let (queue, known, sequence) = (&queue, &bytes, sqs.next_sequence(now));
        let entries = &page.entries;
        let round = sqs
            .store
            .transact(async |tx| {
                if tx.get(&keys::queue(name)).await?.as_ref() != Some(known) {
                    return Ok(None);
                }
                let mut run = Run {
                    name,
                    queue,
                    redrive: queue.redrive(),
                    target: None,
                    sequence,
                    now,
                    oldest_ms: now - queue.millis("MessageRetentionPeriod"),
                    visibility_ms: queue.millis("VisibilityTimeout"),
                    wants,
                    round: Round {
                        shares: wants.iter().map(|_| Vec::new()).collect(),
                        floor_ms: now,
                        exhausted: !page.more,
                        ..Round::default()
                    },
                };
                run.repeat(&tx).await?;
                for (key, group) in entries {
                    let (at, message) = keys::ready_of(&queue.id, key).map_err(Error::internal)?;
                    if run.open().is_none() {
                        run.round.floor_ms = at;
                        run.round.exhausted = false;
                        break;
                    }
                    run.entry(&tx, key, group, &message).await?;
                }
                if page.more && run.round.exhausted {
                    run.round.exhausted = false;
                }
                if page.more && run.round.floor_ms == now {
                    // What lies behind the page was not looked at.
                    let last = entries.last().map(|(key, _)| keys::ready_of(&queue.id, key));
                    if let Some((at, _)) = last.transpose().map_err(Error::internal)? {
                        run.round.floor_ms = at;
                    }
                }
                run.remember(&tx)?;
                Ok::<_, Error>(Some(run.round))
            })
            .await?;
        if let Some(round) = round {
            return Ok(round);
        }
    }
}

impl Run<'_> {
    /// The first who has not all that was asked for.
    fn open(&self) -> Option<usize> {
        let mut both = self.wants.iter().zip(&self.round.shares);
        both.position(|(want, share)| share.len() < want.count)
    }

    /// Gives those who ask again what they got the first time, while nobody else had it and it is still theirs.
    async fn repeat(&mut self, tx: &Transaction) -> Result<(), Error> {
        let wants = self.wants;
        for (at, want) in wants.iter().enumerate() {
            let Some(id) = &want.attempt else { continue };
            let attempt: Option<Attempt> = tx.record(&keys::attempt(&self.queue.id, id)).await?;
            let Some(attempt) = attempt.filter(|attempt| attempt.at > self.now - ATTEMPT_MS) else {
                continue;
            };
            let mut again = Vec::with_capacity(attempt.messages.len());
            for (message, count) in &attempt.messages {
                let state: Option<State> = tx.record(&keys::message(&self.queue.id, message)).await?;
                match state.filter(|state| state.received == *count && state.in_flight(self.now)) {
                    Some(state) => again.push((*message, state)),
                    None => break,
                }
            }
            if again.len() < attempt.messages.len() {
                continue;
            }
            for (message, mut state) in again {
                let before = state.visible_ms;
                state.visible_ms = self.now + want.visibility_ms.unwrap_or(self.visibility_ms);
                show_again(tx, &self.queue.id, &message, before, &state).await?;
                self.round.shares[at].push(Taken {
                    message,
                    state,
                    received_ms: self.now,
                });
            }
        }
        Ok(())
    }

    /// Keeps what receives with attempt ids got.
    fn remember(&self, tx: &Transaction) -> Result<(), Error> {
        for (want, share) in self.wants.iter().zip(&self.round.shares) {
            if let Some(id) = want.attempt.as_ref().filter(|_| !share.is_empty()) {
                let messages = share
                    .iter()
                    .map(|taken| (taken.message, taken.state.received))
                    .collect();
                put(
                    tx,
                    &keys::attempt(&self.queue.id, id),
                    &Attempt { messages, at: self.now },
                )?;
            }
        }
        Ok(())
    }

    async fn entry(&mut self, tx: &Transaction, key: &Bytes, group: &Bytes, message: &MessageKey) -> Result<(), Error> {
        if tx.get(key).await?.is_none() {
            return Ok(());
        }
        if !group.is_empty() {
            let group = std::str::from_utf8(group).map_err(Error::internal)?;
            return self.line(tx, group).await;
        }
        let Some(at) = self.open() else { return Ok(()) };
        tx.delete(key)?;
        let state: Option<State> = tx.record(&keys::message(&self.queue.id, message)).await?;
        let Some(state) = state else { return Ok(()) };
        match self.fate(tx, message, &state).await? {
            Fate::Expired => self.remove(tx, message, &state),
            Fate::Dead(target, name) => self.bury(tx, message, state, target, name).await,
            Fate::Fine => {
                if let Some(state) = self.take(at, tx, message, state)? {
                    tx.put(&keys::ready(&self.queue.id, state.visible_ms, message), "")?;
                }
                Ok(())
            }
        }
    }

    /// Takes what can be taken from the front of a group's line, for one receiver: what is behind waits until that one is
    /// done with what it has, also for those who ask in the same round.
    async fn line(&mut self, tx: &Transaction, group: &str) -> Result<(), Error> {
        let Some(at) = self.open() else { return Ok(()) };
        let queue = self.queue.id;
        let before = lines::head(tx, &queue, group).await?;
        let mut rest = KeyRange::prefix(keys::lines(&queue, group));
        'line: loop {
            let page = tx.first(rest.clone(), self.wants[at].count + 1).await?;
            for (key, _) in &page.entries {
                rest = rest.after(key);
                let message = keys::line_of(&queue, group, key).map_err(Error::internal)?;
                let state: Option<State> = tx.record(&keys::message(&queue, &message)).await?;
                let Some(state) = state else {
                    tx.delete(key)?;
                    continue;
                };
                if state.visible_ms > self.now {
                    break 'line;
                }
                match self.fate(tx, &message, &state).await? {
                    Fate::Expired => {
                        self.remove(tx, &message, &state)?;
                        tx.delete(key)?;
                    }
                    Fate::Dead(target, name) => {
                        tx.delete(key)?;
                        self.bury(tx, &message, state, target, name).await?;
                    }
                    Fate::Fine => {
                        if self.take(at, tx, &message, state)?.is_none() {
                            break 'line;
                        }
                    }
                }
            }
            if !page.more {
                break;
            }
        }
        lines::settle(tx, &queue, group, before).await?;
        Ok(())
    }

    async fn fate(&mut self, tx: &Transaction, message: &MessageKey, state: &State) -> Result<Fate, Error> {
        if message.sent_ms() <= self.oldest_ms {
            return Ok(Fate::Expired);
        }
        let Some(redrive) = self.redrive.as_ref().filter(|redrive| state.received >= redrive.most) else {
            return Ok(Fate::Fine);
        };
        let name = redrive.target.clone();
        if self.target.is_none() {
            let target: Option<Queue> = tx.record(&keys::queue(&name)).await?;
            self.target = Some(target.map(|target| target.id));
        }
        // Without its dead-letter queue a message goes on being received.
        Ok(match self.target.flatten() {
            Some(target) => Fate::Dead(target, name),
            None => Fate::Fine,
        })
    }

    /// Gives the message to the receiver `at`; `None` when that one has all it asked for.
    fn take(
        &mut self,
        at: usize,
        tx: &Transaction,
        message: &MessageKey,
        mut state: State,
    ) -> Result<Option<State>, Error> {
        if self.round.shares[at].len() >= self.wants[at].count {
            return Ok(None);
        }
        state.received += 1;
        state.taken = true;
        if state.first_ms == 0 {
            state.first_ms = self.now;
        }
        state.visible_ms = self.now + self.wants[at].visibility_ms.unwrap_or(self.visibility_ms);
        put(tx, &keys::message(&self.queue.id, message), &state)?;
        self.round.shares[at].push(Taken {
            message: *message,
            state: state.clone(),
            received_ms: self.now,
        });
        Ok(Some(state))
    }

    fn remove(&self, tx: &Transaction, message: &MessageKey, state: &State) -> Result<(), Error> {
        tx.delete(&keys::message(&self.queue.id, message))?;
        content::remove(tx, message, state)
    }

    /// Moves a message to the dead-letter queue. Its content stays where it is. In a standard queue it keeps its age; in a
    /// FIFO queue it begins anew. Source:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>.
    async fn bury(
        &mut self,
        tx: &Transaction,
        message: &MessageKey,
        mut state: State,
        target: QueueId,
        name: QueueName,
    ) -> Result<(), Error> {
        tx.delete(&keys::message(&self.queue.id, message))?;
        state.source = Some(self.name.arn().to_string());
        state.taken = false;
        state.visible_ms = self.now;
        match state.group.clone() {
            Some(group) => {
                state.content = Some(state.content_key(message));
                lines::append(tx, &target, &group, message.id, self.sequence, &state).await?;
            }
            None => {
                put(tx, &keys::message(&target, message), &state)?;
                tx.put(&keys::ready(&target, state.visible_ms, message), "")?;
            }
        }
        self.round.touched.push((name, self.now));
        Ok(())
    }
}

/// Writes a message whose visibility changed, and the entry that says so.
pub(crate) async fn show_again(
    tx: &Transaction,
    queue: &QueueId,
    message: &MessageKey,
    before_ms: i64,
    state: &State,
) -> Result<Option<i64>, Error> {
    match &state.group {
        Some(group) => {
            let before = lines::head(tx, queue, group).await?;
            put(tx, &keys::message(queue, message), state)?;
            lines::settle(tx, queue, group, before).await
        }
        None => {
            put(tx, &keys::message(queue, message), state)?;
            tx.delete(&keys::ready(queue, before_ms, message))?;
            tx.put(&keys::ready(queue, state.visible_ms, message), "")?;
            Ok(Some(state.visible_ms))
        }
    }
}
