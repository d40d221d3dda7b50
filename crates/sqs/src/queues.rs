//! CreateQueue, DeleteQueue, GetQueueUrl, ListQueues, PurgeQueue.

use crate::names::{self, QueueName};
use crate::records::{Queue, Read, put};
use crate::shapes::{
    CreateQueueRequest, CreateQueueResult, DeleteQueueRequest, GetQueueUrlRequest, GetQueueUrlResult,
    ListQueuesRequest, ListQueuesResult, PurgeQueueRequest,
};
use crate::{Error, Sqs, attributes, keys, redrive, tags};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;
use uuid::Uuid;

/// The most queues in one answer.
const PAGE: usize = 1_000;

/// How many are asked for.
///
/// # Errors
/// [`Error::Parameter`] for less than one or more than a page.
pub(crate) fn page_of(given: Option<i32>) -> Result<usize, Error> {
    match given {
        None => Ok(PAGE),
        Some(given) => match usize::try_from(given) {
            Ok(limit) if (1..=PAGE).contains(&limit) => Ok(limit),
            _ => Err(Error::value(
                given,
                "MaxResults",
                "MaxResults must be an integer between 1 and 1000.",
            )),
        },
    }
}

/// The token that goes on behind the queue of this name.
pub(crate) fn token_of(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

pub(crate) fn name_of_token(token: &str) -> Result<String, Error> {
    let wrong = || Error::parameter("Invalid or expired next token.");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    String::from_utf8(bytes)
        .ok()
        .filter(|name| name.len() <= 80)
        .ok_or_else(wrong)
}

/// CreateQueue: the same request again gives the same queue.
pub(crate) async fn create(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: CreateQueueRequest,
) -> Result<CreateQueueResult, Error> {
    if input.queue_name.is_empty() {
        return Err(Error::Missing("QueueName"));
    }
    let given = &input.attributes.unwrap_or_default();
    let fifo = given
        .get("FifoQueue")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    names::check(&input.queue_name, fifo)?;
    let name = &QueueName::of(&context, input.queue_name);
    let now = sqs.now_ms();
    let mut new = Queue {
        id: Uuid::new_v4(),
        attributes: BTreeMap::new(),
        tags: input.tags.unwrap_or_default(),
        created_ms: now,
        modified_ms: now,
        purged_ms: 0,
        scope_changed_ms: 0,
    };
    tags::check(&new.tags)?;
    attributes::set(&*sqs.language, name, &mut new, given)?;
    let (new, rest) = (
        &new,
        i64::try_from(sqs.options.rest_of_names.as_millis()).unwrap_or(i64::MAX),
    );
    sqs.store
        .transact(async |tx| {
            let key = keys::queue(name);
            if let Some(before) = tx.record::<Queue>(&key).await? {
                let (before, wanted) = (attributes::shown(name, &before), attributes::shown(name, new));
                let differs = given
                    .keys()
                    .find(|attribute| before.get(*attribute) != wanted.get(*attribute));
                return match differs {
                    Some(attribute) => Err(Error::NameExists(attribute.clone())),
                    None => Ok(()),
                };
            }
            let resting = keys::deleted(name);
            if let Some(at) = tx.record::<i64>(&resting).await? {
                if at > now.saturating_sub(rest) {
                    return Err(Error::DeletedRecently);
                }
                tx.delete(&resting)?;
            }
            redrive::connect(&tx, name, None, new).await?;
            put(&tx, &key, new)
        })
        .await?;
    Ok(CreateQueueResult {
        queue_url: Some(name.url(&context)),
    })
}

/// DeleteQueue: at once, whatever it holds; that is swept later.
pub(crate) async fn delete(sqs: Arc<Sqs>, context: RequestContext, input: DeleteQueueRequest) -> Result<Empty, Error> {
    let name = &QueueName::of_url(&context, &input.queue_url)?;
    let now = sqs.now_ms();
    sqs.store
        .transact(async |tx| {
            let queue = tx.queue(name).await?;
            if let Some(redrive) = queue.redrive() {
                tx.delete(&keys::source(&redrive.target, &name.name))?;
            }
            tx.delete(&keys::queue(name))?;
            tx.put(&keys::trash(&queue.id), "")?;
            put(&tx, &keys::deleted(name), &now)
        })
        .await?;
    // Whoever waits there learns of it.
    sqs.touch(name, now);
    Ok(Empty {})
}

/// GetQueueUrl.
pub(crate) async fn url(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: GetQueueUrlRequest,
) -> Result<GetQueueUrlResult, Error> {
    let name = named(&context, &input)?;
    sqs.snapshot().await?.queue(&name).await?;
    Ok(GetQueueUrlResult {
        queue_url: Some(name.url(&context)),
    })
}

/// The queue that GetQueueUrl asks for.
pub(crate) fn named(context: &RequestContext, input: &GetQueueUrlRequest) -> Result<QueueName, Error> {
    if input.queue_name.is_empty() {
        return Err(Error::Missing("QueueName"));
    }
    let mut name = QueueName::of(context, input.queue_name.as_str());
    if let Some(owner) = &input.queue_owner_aws_account_id {
        let reason = "QueueOwnerAWSAccountId must be an account id of 12 digits.";
        let wrong = |_| {
            Error::value(
                owner.chars().take(64).collect::<String>(),
                "QueueOwnerAWSAccountId",
                reason,
            )
        };
        name.scope.account = owner.parse().map_err(wrong)?;
    }
    Ok(name)
}

/// ListQueues.
pub(crate) async fn list(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ListQueuesRequest,
) -> Result<ListQueuesResult, Error> {
    let limit = page_of(input.max_results)?;
    let scope = &context.scope;
    let mut range = keys::queues_like(scope, input.queue_name_prefix.as_deref().unwrap_or_default());
    if let Some(token) = &input.next_token {
        range = range.after(&keys::queue(&QueueName::of(&context, name_of_token(token)?)));
    }
    let page = sqs.snapshot().await?.first(range, limit).await?;
    let prefix = keys::queues(scope);
    let names: Result<Vec<String>, _> = page
        .entries
        .iter()
        .map(|(key, _)| keys::name_behind(key, &prefix))
        .collect();
    let names = names.map_err(Error::internal)?;
    // Without a number of results there is no next page, as AWS says.
    let next = names
        .last()
        .filter(|_| page.more && input.max_results.is_some())
        .map(|name| token_of(name));
    let urls: Vec<String> = names
        .into_iter()
        .map(|name| QueueName::of(&context, name).url(&context))
        .collect();
    Ok(ListQueuesResult {
        queue_urls: (!urls.is_empty()).then_some(urls),
        next_token: next,
    })
}

/// PurgeQueue: the queue goes on under another id, without what it held.
pub(crate) async fn purge(sqs: Arc<Sqs>, context: RequestContext, input: PurgeQueueRequest) -> Result<Empty, Error> {
    let name = &QueueName::of_url(&context, &input.queue_url)?;
    let (now, fresh) = (sqs.now_ms(), Uuid::new_v4());
    let rest = i64::try_from(sqs.options.rest_of_purges.as_millis()).unwrap_or(i64::MAX);
    sqs.store
        .transact(async |tx| {
            let mut queue = tx.queue(name).await?;
            if queue.purged_ms > now.saturating_sub(rest) {
                return Err(Error::PurgeInProgress(name.name.clone()));
            }
            tx.put(&keys::trash(&queue.id), "")?;
            queue.id = fresh;
            queue.purged_ms = now;
            put(&tx, &keys::queue(name), &queue)?;
            Ok(Empty {})
        })
        .await
}
