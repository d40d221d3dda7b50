//! SendMessage, SendMessageBatch.

use crate::content::{self, Content};
use crate::keys::MessageKey;
use crate::message::{Checked, Given};
use crate::names::QueueName;
use crate::records::{Queue, Read, Seen, State, decode, put};
use crate::shapes::{
    SendMessageBatchRequest, SendMessageBatchResult, SendMessageBatchResultEntry, SendMessageRequest, SendMessageResult,
};
use crate::{Error, Sqs, attributes, batch, keys, lines, message};
use bytes::Bytes;
use danbi_core::{Principal, RequestContext};
use danbi_store::Transaction;
use std::sync::Arc;
use uuid::Uuid;

/// How long a deduplication id is remembered. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html>.
pub(crate) const DEDUPLICATION_MS: i64 = 5 * 60_000;

/// A message with its sealed content.
struct Outgoing {
    message: Checked,
    id: Uuid,
    kept: Bytes,
}

/// What became of a message.
struct Sent {
    message: Checked,
    key: MessageKey,
}

/// `SenderId`: an identity's unique id, an account for its root, the name of a service.
fn sender(context: &RequestContext) -> String {
    match &context.principal {
        Principal::Root(account) => account.to_string(),
        Principal::Identity { id, .. } => id.clone(),
        Principal::Service(name) => name.clone(),
        Principal::Anonymous => "Anonymous".into(),
    }
}

/// The sequence number that clients see: twenty digits.
pub(crate) fn shown_sequence(sequence: u64) -> String {
    format!("1{sequence:019}")
}

/// A queue's record, and the very bytes of it: a transaction that finds others begins anew.
pub(crate) async fn queue_and_bytes(sqs: &Sqs, name: &QueueName) -> Result<(Queue, Bytes), Error> {
    let bytes = sqs.snapshot().await?.read(&keys::queue(name)).await?;
    let bytes = bytes.ok_or(Error::NoQueue)?;
    Ok((decode(&bytes)?, bytes))
}

/// SendMessage.
pub(crate) async fn send(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: SendMessageRequest,
) -> Result<SendMessageResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    let given = Given::from(input);
    let (queue, bytes) = queue_and_bytes(&sqs, &name).await?;
    check_size(&queue, given.size(), "are invalid")?;
    let message = message::check(&name, &queue, given)?;
    let mut sent = deliver(&sqs, &context, &name, (queue, bytes), vec![message]).await?;
    let sent = sent
        .pop()
        .ok_or_else(|| Error::internal("a message was not answered"))?;
    Ok(SendMessageResult {
        md5_of_message_body: Some(sent.message.body_md5),
        md5_of_message_attributes: sent.message.attributes_md5,
        md5_of_message_system_attributes: sent.message.system_md5,
        message_id: Some(sent.key.id.to_string()),
        sequence_number: name.is_fifo().then(|| shown_sequence(sent.key.sequence)),
    })
}

fn check_size(queue: &Queue, size: usize, verdict: &str) -> Result<(), Error> {
    let most = queue.number("MaximumMessageSize");
    match i64::try_from(size) {
        Ok(size) if size <= most => Ok(()),
        _ => Err(Error::parameter(format!(
            "One or more parameters {verdict}. Reason: Message must be shorter than {most} bytes."
        ))),
    }
}

/// SendMessageBatch.
pub(crate) async fn send_batch(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: SendMessageBatchRequest,
) -> Result<SendMessageBatchResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    let (queue, bytes) = queue_and_bytes(&sqs, &name).await?;
    batch::check(
        input.entries.iter().map(|entry| entry.id.as_str()),
        "SendMessageBatchRequestEntry",
    )?;
    let entries: Vec<(String, Given)> = input
        .entries
        .into_iter()
        .map(|entry| (entry.id.clone(), Given::from(entry)))
        .collect();
    let sent: usize = entries.iter().map(|(_, given)| given.size()).sum();
    let most = attributes::MAX_MESSAGE as usize;
    if sent > most {
        return Err(Error::BatchTooLong { most, sent });
    }
    if name.is_fifo() {
        // What a FIFO queue needs of every message is asked for before any is looked at.
        if entries
            .iter()
            .any(|(_, given)| given.group.as_ref().is_none_or(String::is_empty))
        {
            return Err(Error::parameter(Error::Missing("MessageGroupId").to_string()));
        }
        let explicit = |(_, given): &(String, Given)| given.deduplication.is_some();
        if !queue.is("ContentBasedDeduplication") && !entries.iter().all(explicit) {
            return Err(message::no_deduplication());
        }
    }
    let (mut ids, mut good, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, given) in entries {
        let checked =
            check_size(&queue, given.size(), "cannot be validated").and_then(|()| message::check(&name, &queue, given));
        match checked {
            Ok(message) => {
                ids.push(id);
                good.push(message);
            }
            Err(error) => failed.push(batch::failed(id, &error)),
        }
    }
    let sent = match good.is_empty() {
        true => Vec::new(),
        false => deliver(&sqs, &context, &name, (queue, bytes), good).await?,
    };
    let successful = ids.into_iter().zip(sent).map(|(id, sent)| SendMessageBatchResultEntry {
        id,
        message_id: sent.key.id.to_string(),
        md5_of_message_body: sent.message.body_md5,
        md5_of_message_attributes: sent.message.attributes_md5,
        md5_of_message_system_attributes: sent.message.system_md5,
        sequence_number: name.is_fifo().then(|| shown_sequence(sent.key.sequence)),
    });
    Ok(SendMessageBatchResult {
        successful: batch::listed(successful.collect()),
        failed: batch::listed(failed),
    })
}

/// Writes messages to their queue, all in one commit; what each became.
async fn deliver(
    sqs: &Sqs,
    context: &RequestContext,
    name: &QueueName,
    (mut queue, mut bytes): (Queue, Bytes),
    messages: Vec<Checked>,
) -> Result<Vec<Sent>, Error> {
    let sender = sender(context);
    let mut outgoing = Vec::with_capacity(messages.len());
    for mut message in messages {
        // A trace goes on with the message, whether the message says so or its request.
        message.trace = message.trace.or_else(|| context.facts.trace.clone());
        outgoing.push(Outgoing {
            message,
            id: Uuid::new_v4(),
            kept: Bytes::new(),
        });
    }
    let (sent, earliest) = loop {
        let sent_ms = sqs.now_ms();
        for one in &mut outgoing {
            // The text goes into the content and comes back, so that it is not copied once more.
            let content = Content {
                body: std::mem::take(&mut one.message.body),
                body_md5: one.message.body_md5.clone(),
                attributes: std::mem::take(&mut one.message.attributes),
                trace: one.message.trace.clone(),
                sender: sender.clone(),
                group: one.message.group.clone(),
                deduplication: one.message.deduplication.clone(),
            };
            one.kept = sqs.sealing.seal(context, name, &queue, &content.encode()?).await?;
            (one.message.body, one.message.attributes) = (content.body, content.attributes);
        }
        let (all, known, kept) = (&outgoing, &bytes, &queue);
        let written = sqs
            .store
            .transact(async |tx| {
                if tx.get(&keys::queue(name)).await?.as_ref() != Some(known) {
                    return Ok(None);
                }
                let mut keys_of = Vec::with_capacity(all.len());
                let mut earliest: Option<i64> = None;
                for one in all {
                    let (key, visible) = write(sqs, &tx, kept, one, sent_ms).await?;
                    keys_of.push(key);
                    if let Some(at) = visible {
                        earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
                    }
                }
                Ok::<_, Error>(Some((keys_of, earliest)))
            })
            .await?;
        match written {
            Some(written) => break written,
            // It was changed, purged or deleted since it was looked at.
            None => (queue, bytes) = queue_and_bytes(sqs, name).await?,
        }
    };
    if let Some(at) = earliest {
        sqs.touch(name, at);
    }
    Ok(outgoing
        .into_iter()
        .zip(sent)
        .map(|(one, key)| Sent {
            message: one.message,
            key,
        })
        .collect())
}

/// Writes one message: its key, and when it is visible if that is news.
async fn write(
    sqs: &Sqs,
    tx: &Transaction,
    queue: &Queue,
    one: &Outgoing,
    sent_ms: i64,
) -> Result<(MessageKey, Option<i64>), Error> {
    let mut state = State {
        visible_ms: sent_ms + one.message.delay_ms,
        pieces: content::pieces(&one.kept),
        ..State::default()
    };
    let (id, sequence) = (one.id, sqs.next_sequence(sent_ms));
    let (Some(group), Some(deduplication)) = (&one.message.group, &one.message.deduplication) else {
        let key = MessageKey { sequence, id };
        put(tx, &keys::message(&queue.id, &key), &state)?;
        tx.put(&keys::ready(&queue.id, state.visible_ms, &key), "")?;
        content::write(tx, &key, &one.kept)?;
        return Ok((key, Some(state.visible_ms)));
    };
    let (scope, beside) = queue.scopes(group, sent_ms);
    let seen: Option<Seen> = tx.record(&keys::seen(&queue.id, scope, deduplication)).await?;
    if let Some(seen) = seen.filter(|seen| seen.at > sent_ms - DEDUPLICATION_MS) {
        return Ok((seen.message, None));
    }
    state.group = Some(group.clone());
    let key = lines::append(tx, &queue.id, group, id, sequence, &state).await?;
    content::write(tx, &key, &one.kept)?;
    let seen = Seen {
        message: key,
        at: sent_ms,
    };
    for scope in [Some(scope), beside].into_iter().flatten() {
        // The sweep takes what stands at an earlier time, and sees that the id was seen again.
        put(tx, &keys::seen(&queue.id, scope, deduplication), &seen)?;
        tx.put(&keys::seen_at(&queue.id, sent_ms, scope, deduplication), "")?;
    }
    Ok((key, Some(state.visible_ms)))
}
