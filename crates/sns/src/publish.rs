//! Publish, PublishBatch.

use crate::deliver::Header;
use crate::filter;
use crate::message::{Given, MAX_BYTES, Publication};
use crate::names::{SubscriptionName, TopicName};
use crate::records::{Read, Seen, Subscription, Topic, decode, put};
use crate::shapes::{
    BatchResultErrorEntry, PublishBatchInput, PublishBatchResponse, PublishBatchResultEntry, PublishInput,
    PublishResponse,
};
use crate::{Error, Sns, keys, topics};
use danbi_core::{RequestContext, ServiceError};
use danbi_store::Transaction;
use std::collections::HashSet;
use std::sync::Arc;
use uuid::Uuid;

const MOST_ENTRIES: usize = 10;
/// How long a FIFO topic remembers a deduplication id.
const REMEMBERED_MS: i64 = 5 * 60 * 1000;
/// Old deduplication ids forgotten with each message.
const FORGOTTEN_AT_ONCE: usize = 4;

/// Publish.
pub(crate) async fn publish(sns: Arc<Sns>, _: RequestContext, input: PublishInput) -> Result<PublishResponse, Error> {
    if input.phone_number.is_some() {
        return Err(Error::Unsupported("Text messages (PhoneNumber) are not built.".into()));
    }
    let arn = match (&input.topic_arn, &input.target_arn) {
        (Some(arn), _) | (None, Some(arn)) => arn.clone(),
        (None, None) => {
            return Err(Error::invalid(
                "TopicArn or TargetArn Reason: no value for required parameter",
            ));
        }
    };
    if arn.contains(":endpoint/") {
        return Err(Error::invalid(
            "TargetArn Reason: No endpoint found for the target arn specified",
        ));
    }
    let name = &TopicName::of_arn(&arn, "TopicArn")?;
    let at = sns.now_ms();
    let view = sns.snapshot().await?;
    let topic = topics::of(&view, name).await?;
    let given = Given {
        message: input.message,
        subject: input.subject,
        structure: input.message_structure,
        attributes: input.message_attributes,
        deduplication: input.message_deduplication_id,
        group: input.message_group_id,
    };
    let publication = &given.check(name, &topic, Uuid::new_v4().to_string(), at)?;
    let service = &*sns;
    let (id, sequence) = sns
        .store
        .transact(async |tx| accept(service, &tx, name, publication).await)
        .await?;
    sns.outbox.ring();
    Ok(PublishResponse {
        message_id: Some(id),
        sequence_number: sequence,
    })
}

/// Writes a message down for everybody who wants it; its id, and its place in a FIFO topic.
async fn accept(
    sns: &Sns,
    tx: &Transaction,
    name: &TopicName,
    publication: &Publication,
) -> Result<(String, Option<String>), Error> {
    let key = keys::topic(&name.scope, &name.name);
    let mut topic: Topic = tx.record(&key).await?.ok_or_else(topics::missing)?;
    let mut publication = publication.clone();
    if let Some(id) = publication.deduplication.clone() {
        let seen_key = keys::seen(&name.scope, &name.name, &id);
        if let Some(seen) = tx.record::<Seen>(&seen_key).await?
            && publication.at - seen.at < REMEMBERED_MS
        {
            return Ok((seen.message, Some(seen.sequence)));
        }
        topic.sequence += 1;
        put(tx, &key, &topic)?;
        let sequence = format!("1{:019}", topic.sequence);
        publication.sequence = Some(sequence.clone());
        put(
            tx,
            &seen_key,
            &Seen {
                message: publication.id.clone(),
                sequence,
                at: publication.at,
            },
        )?;
        tx.put(&keys::seen_at(&name.scope, &name.name, publication.at, &id), Vec::new())?;
        forget(tx, name, publication.at).await?;
    }
    let mut body = None;
    for (key, value) in tx.all(keys::subscriptions(&name.scope, &name.name)).await? {
        let subscription: Subscription = decode(&value)?;
        if !filter::wants(&subscription.attributes, &publication)? {
            continue;
        }
        let (_, id) = keys::subscription_of(&name.scope, &key).map_err(Error::internal)?;
        let body = match &body {
            Some(body) => body,
            None => body.insert(sns.outbox.body(tx, &serde_json::to_string(&publication)?)?),
        };
        let header = Header {
            subscription: SubscriptionName {
                topic: name.clone(),
                id,
            }
            .arn(),
            protocol: subscription.protocol,
            endpoint: subscription.endpoint,
            raw: subscription
                .attributes
                .get("RawMessageDelivery")
                .is_some_and(|raw| raw == "true"),
            redrive: subscription.attributes.get("RedrivePolicy").cloned(),
        };
        sns.outbox.put(
            tx,
            serde_json::to_value(&header)?,
            body,
            publication.at,
            Header::PATIENCE,
        )?;
    }
    Ok((publication.id, publication.sequence))
}

/// Forgets a few deduplication ids that are too old to matter: as many as a busy topic writes, and more.
async fn forget(tx: &Transaction, name: &TopicName, now: i64) -> Result<(), Error> {
    let page = tx
        .page(keys::all_seen_at(&name.scope, &name.name), FORGOTTEN_AT_ONCE)
        .await?;
    for (key, _) in &page.entries {
        let (at, id) = keys::seen_time(&name.scope, &name.name, key).map_err(Error::internal)?;
        if now - at < REMEMBERED_MS {
            break;
        }
        tx.delete(key)?;
        let seen = keys::seen(&name.scope, &name.name, &id);
        if tx.record::<Seen>(&seen).await?.is_some_and(|seen| seen.at == at) {
            tx.delete(&seen)?;
        }
    }
    Ok(())
}

/// PublishBatch: each message is accepted or refused on its own.
pub(crate) async fn publish_batch(
    sns: Arc<Sns>,
    _: RequestContext,
    input: PublishBatchInput,
) -> Result<PublishBatchResponse, Error> {
    let entries = input.publish_batch_request_entries;
    check_batch(&entries)?;
    let name = &TopicName::of_arn(&input.topic_arn, "TopicArn")?;
    let at = sns.now_ms();
    let topic = topics::of(&sns.snapshot().await?, name).await?;
    let mut size = 0;
    let mut publications = Vec::with_capacity(entries.len());
    let mut failed = Vec::new();
    for entry in entries {
        let given = Given {
            message: entry.message,
            subject: entry.subject,
            structure: entry.message_structure,
            attributes: entry.message_attributes,
            deduplication: entry.message_deduplication_id,
            group: entry.message_group_id,
        };
        size += given.size();
        match given.check(name, &topic, Uuid::new_v4().to_string(), at) {
            Ok(publication) => publications.push((entry.id, publication)),
            Err(error) => failed.push(refused(entry.id, error)),
        }
    }
    if size > MAX_BYTES {
        let message = "The length of all the messages put together is more than the limit.";
        return Err(Error::Batch("BatchRequestTooLong", message.into()));
    }
    let service = &*sns;
    let mut successful = Vec::with_capacity(publications.len());
    // A transaction for each: ten messages for a thousand subscriptions are more than one may write.
    for (id, publication) in publications {
        let publication = &publication;
        let accepted = sns
            .store
            .transact(async |tx| accept(service, &tx, name, publication).await)
            .await;
        match accepted {
            Ok((message_id, sequence_number)) => successful.push(PublishBatchResultEntry {
                id: Some(id),
                message_id: Some(message_id),
                sequence_number,
            }),
            Err(error) => failed.push(refused(id, error)),
        }
    }
    sns.outbox.ring();
    Ok(PublishBatchResponse {
        successful: Some(successful),
        failed: Some(failed),
    })
}

fn refused(id: String, error: Error) -> BatchResultErrorEntry {
    let error = ServiceError::from(error);
    BatchResultErrorEntry {
        id,
        code: error.code.into(),
        message: Some(error.message),
        sender_fault: error.status < 500,
    }
}

fn check_batch(entries: &[crate::shapes::PublishBatchRequestEntry]) -> Result<(), Error> {
    if entries.is_empty() {
        return Err(Error::Batch(
            "EmptyBatchRequest",
            "The batch request doesn't contain any entries.".into(),
        ));
    }
    if entries.len() > MOST_ENTRIES {
        let message = "The batch request contains more entries than permissible.";
        return Err(Error::Batch("TooManyEntriesInBatchRequest", message.into()));
    }
    let mut ids = HashSet::new();
    for entry in entries {
        let id = &entry.id;
        if id.len() > 80 {
            return Err(Error::Batch(
                "InvalidBatchEntryId",
                format!("The Id of a batch entry in the batch request is too long: {id}"),
            ));
        }
        if id.is_empty()
            || !id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        {
            let message =
                format!("The Id of a batch entry in the batch request contains an impermissible character: {id}");
            return Err(Error::Batch("InvalidBatchEntryId", message));
        }
        if !ids.insert(id) {
            let message = "Two or more batch entries in the request have the same Id.";
            return Err(Error::Batch("BatchEntryIdsNotDistinct", message.into()));
        }
    }
    Ok(())
}
