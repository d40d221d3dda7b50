//! DeleteMessage, ChangeMessageVisibility, and their batches: what a receiver does with what it has.
//!
//! A handle is of one receive. While its receiver has the message it can do everything. Once the time is over:
//! - in a FIFO queue the handle has expired;
//! - in a standard queue it still deletes the message, unless somebody else has received it since: then deleting does
//!   nothing, as AWS warns; and it changes how long the message stays invisible, whoever has it now, as at AWS.

use crate::claim::{self, Taken};
use crate::content;
use crate::handle::Receipt;
use crate::lines;
use crate::names::QueueName;
use crate::records::{Queue, Read, State};
use crate::shapes::{
    ChangeMessageVisibilityBatchRequest, ChangeMessageVisibilityBatchResult, ChangeMessageVisibilityBatchResultEntry,
    ChangeMessageVisibilityRequest, DeleteMessageBatchRequest, DeleteMessageBatchResult, DeleteMessageBatchResultEntry,
    DeleteMessageRequest,
};
use crate::{Error, Sqs, attributes, batch, keys};
use danbi_core::RequestContext;
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// A handle that was read, with its text for messages.
struct Held {
    receipt: Receipt,
    handle: String,
}

impl Held {
    fn read(sqs: &Sqs, name: &QueueName, handle: String) -> Result<Self, Error> {
        Ok(Self {
            receipt: Receipt::read(&sqs.sealing.key, name, &handle)?,
            handle,
        })
    }

    fn expired(&self) -> Error {
        Error::value(&self.handle, "ReceiptHandle", "The receipt handle has expired.")
    }

    fn gone(&self) -> Error {
        let reason = "Message does not exist or is not available for visibility timeout change.";
        Error::value(&self.handle, "ReceiptHandle", reason)
    }

    /// Whether nobody has received the message since.
    fn is_last(&self, state: &State) -> bool {
        self.receipt.count == state.received && state.taken
    }
}

/// When something became visible.
type Visible = Option<i64>;

/// Deletes a message as a receiver asks for it.
async fn delete_one(
    tx: &Transaction,
    name: &QueueName,
    queue: &Queue,
    held: &Held,
    now: i64,
) -> Result<Visible, Error> {
    let message = &held.receipt.message;
    let state: Option<State> = tx.record(&keys::message(&queue.id, message)).await?;
    let Some(state) = state else { return Ok(None) };
    let mine = held.is_last(&state);
    if name.is_fifo() && !(mine && state.in_flight(now)) {
        return Err(held.expired());
    }
    if !mine {
        return Ok(None);
    }
    remove(tx, queue, message, &state).await
}

/// Removes a message with everything that is kept of it.
pub(crate) async fn remove(
    tx: &Transaction,
    queue: &Queue,
    message: &keys::MessageKey,
    state: &State,
) -> Result<Visible, Error> {
    content::remove(tx, message, state)?;
    match &state.group {
        Some(group) => {
            let before = lines::head(tx, &queue.id, group).await?;
            tx.delete(&keys::message(&queue.id, message))?;
            tx.delete(&keys::line(&queue.id, group, message))?;
            lines::settle(tx, &queue.id, group, before).await
        }
        None => {
            tx.delete(&keys::message(&queue.id, message))?;
            tx.delete(&keys::ready(&queue.id, state.visible_ms, message))?;
            Ok(None)
        }
    }
}

/// Makes a message invisible for so many seconds from now.
async fn change_one(
    tx: &Transaction,
    name: &QueueName,
    queue: &Queue,
    held: &Held,
    seconds: i32,
    now: i64,
) -> Result<Visible, Error> {
    let message = &held.receipt.message;
    let state: Option<State> = tx.record(&keys::message(&queue.id, message)).await?;
    let mut state = state.ok_or_else(|| held.gone())?;
    if !state.taken {
        return Err(held.gone());
    }
    if name.is_fifo() && !(held.is_last(&state) && state.in_flight(now)) {
        return Err(held.expired());
    }
    let until = now + i64::from(seconds) * 1000;
    if until > held.receipt.received_ms + attributes::MAX_VISIBILITY * 1000 {
        let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
        return Err(Error::value(seconds, "VisibilityTimeout", reason));
    }
    let before = std::mem::replace(&mut state.visible_ms, until);
    claim::show_again(tx, &queue.id, message, before, &state).await
}

fn check_seconds(seconds: Option<i32>) -> Result<i32, Error> {
    let seconds = seconds.ok_or(Error::Missing("VisibilityTimeout"))?;
    match seconds {
        0..=43_200 => Ok(seconds),
        _ => Err(Error::value(
            seconds,
            "VisibilityTimeout",
            "VisibilityTimeout must be between 0 and 43200.",
        )),
    }
}

/// What is to be done with a message.
enum Act {
    Delete(Held),
    Change(Held, i32),
}

/// Does all of it in one transaction; the error of each that failed.
async fn act(sqs: &Sqs, name: &QueueName, acts: &[Act]) -> Result<Vec<Option<Error>>, Error> {
    let (failed, earliest) = sqs
        .store
        .transact(async |tx| {
            let queue = tx.queue(name).await?;
            let now = sqs.now_ms();
            let (mut failed, mut earliest) = (Vec::with_capacity(acts.len()), None::<i64>);
            for act in acts {
                let done = match act {
                    Act::Delete(held) => delete_one(&tx, name, &queue, held, now).await,
                    Act::Change(held, seconds) => change_one(&tx, name, &queue, held, *seconds, now).await,
                };
                match done {
                    Ok(visible) => {
                        earliest = earliest.into_iter().chain(visible).min();
                        failed.push(None);
                    }
                    // The store's own faults end the transaction; what a client did wrong is told of its entry alone.
                    Err(error @ Error::Internal(_)) => return Err(error),
                    Err(error) => failed.push(Some(error)),
                }
            }
            Ok::<_, Error>((failed, earliest))
        })
        .await?;
    if let Some(at) = earliest {
        sqs.touch(name, at);
    }
    Ok(failed)
}

/// Makes messages visible again that nobody took; they count as received.
pub(crate) async fn give_back(sqs: &Sqs, name: &QueueName, taken: &[Taken]) -> Result<(), Error> {
    let now = sqs
        .store
        .transact(async |tx| {
            let queue = tx.queue(name).await?;
            let now = sqs.now_ms();
            for Taken { message, state, .. } in taken {
                let found: Option<State> = tx.record(&keys::message(&queue.id, message)).await?;
                let Some(mut found) = found.filter(|found| found == state) else {
                    continue;
                };
                let before = std::mem::replace(&mut found.visible_ms, now);
                claim::show_again(&tx, &queue.id, message, before, &found).await?;
            }
            Ok::<_, Error>(now)
        })
        .await?;
    sqs.touch(name, now);
    Ok(())
}

/// DeleteMessage.
pub(crate) async fn delete(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: DeleteMessageRequest,
) -> Result<Empty, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    sqs.snapshot().await?.queue(&name).await?;
    let held = Held::read(&sqs, &name, input.receipt_handle)?;
    one(&sqs, &name, Act::Delete(held)).await
}

/// ChangeMessageVisibility.
pub(crate) async fn change(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ChangeMessageVisibilityRequest,
) -> Result<Empty, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    sqs.snapshot().await?.queue(&name).await?;
    let held = Held::read(&sqs, &name, input.receipt_handle)?;
    let seconds = check_seconds(input.visibility_timeout)?;
    one(&sqs, &name, Act::Change(held, seconds)).await
}

async fn one(sqs: &Sqs, name: &QueueName, it: Act) -> Result<Empty, Error> {
    match act(sqs, name, &[it]).await?.pop().flatten() {
        Some(error) => Err(error),
        None => Ok(Empty {}),
    }
}

/// A batch after it was done: the ids that went well, and the entries that did not.
struct Done {
    successful: Vec<String>,
    failed: Vec<crate::shapes::BatchResultErrorEntry>,
}

async fn many(sqs: &Sqs, name: &QueueName, entries: Vec<(String, Result<Act, Error>)>) -> Result<Done, Error> {
    let (mut ids, mut acts, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, entry) in entries {
        match entry {
            Ok(act) => {
                ids.push(id);
                acts.push(act);
            }
            Err(error) => failed.push(batch::failed(id, &error)),
        }
    }
    let mut successful = Vec::with_capacity(ids.len());
    for (id, error) in ids.into_iter().zip(act(sqs, name, &acts).await?) {
        match error {
            None => successful.push(id),
            Some(error) => failed.push(batch::failed(id, &error)),
        }
    }
    Ok(Done { successful, failed })
}

/// DeleteMessageBatch.
pub(crate) async fn delete_batch(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: DeleteMessageBatchRequest,
) -> Result<DeleteMessageBatchResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    sqs.snapshot().await?.queue(&name).await?;
    batch::check(
        input.entries.iter().map(|entry| entry.id.as_str()),
        "DeleteMessageBatchRequestEntry",
    )?;
    let entries = input.entries.into_iter().map(|entry| {
        let held = Held::read(&sqs, &name, entry.receipt_handle);
        (entry.id, held.map(Act::Delete))
    });
    let Done { successful, failed } = many(&sqs, &name, entries.collect()).await?;
    let successful = successful.into_iter().map(|id| DeleteMessageBatchResultEntry { id });
    Ok(DeleteMessageBatchResult {
        successful: batch::listed(successful.collect()),
        failed: batch::listed(failed),
    })
}

/// ChangeMessageVisibilityBatch.
pub(crate) async fn change_batch(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ChangeMessageVisibilityBatchRequest,
) -> Result<ChangeMessageVisibilityBatchResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    sqs.snapshot().await?.queue(&name).await?;
    batch::check(
        input.entries.iter().map(|entry| entry.id.as_str()),
        "ChangeMessageVisibilityBatchRequestEntry",
    )?;
    let entries = input.entries.into_iter().map(|entry| {
        let held = Held::read(&sqs, &name, entry.receipt_handle);
        let act = held.and_then(|held| Ok(Act::Change(held, check_seconds(entry.visibility_timeout)?)));
        (entry.id, act)
    });
    let Done { successful, failed } = many(&sqs, &name, entries.collect()).await?;
    let successful = successful
        .into_iter()
        .map(|id| ChangeMessageVisibilityBatchResultEntry { id });
    Ok(ChangeMessageVisibilityBatchResult {
        successful: batch::listed(successful.collect()),
        failed: batch::listed(failed),
    })
}
