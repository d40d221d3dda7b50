//! StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask: dead letters that are to be tried again.

use crate::names::QueueName;
use crate::records::{Move, Queue, Read, decode, put};
use crate::shapes::{
    CancelMessageMoveTaskRequest, CancelMessageMoveTaskResult, ListMessageMoveTasksRequest, ListMessageMoveTasksResult,
    ListMessageMoveTasksResultEntry, StartMessageMoveTaskRequest, StartMessageMoveTaskResult,
};
use crate::{Error, Sqs, counts, keys};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use danbi_core::{Access, RequestContext};
use danbi_store::KeyRange;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

pub(crate) const RUNNING: &str = "RUNNING";
pub(crate) const COMPLETED: &str = "COMPLETED";
pub(crate) const CANCELLED: &str = "CANCELLED";
pub(crate) const FAILED: &str = "FAILED";

/// Messages a second, at most.
const MAX_RATE: i32 = 500;
/// Tasks of a queue that can be listed, and are kept.
const MOST_LISTED: i32 = 10;
const MAX_HANDLE: usize = 2_048;
/// Queues that a task without a destination may have to send to.
const MOST_SOURCES: usize = 1_000;

/// What a task handle says.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Handle {
    task_id: String,
    source_arn: String,
}

impl Handle {
    fn of(source: &QueueName, id: &Uuid) -> Result<String, Error> {
        let handle = Self {
            task_id: id.to_string(),
            source_arn: source.arn().to_string(),
        };
        Ok(STANDARD.encode(serde_json::to_vec(&handle)?))
    }

    fn read(text: &str) -> Option<Self> {
        let text = Some(text).filter(|text| text.len() <= MAX_HANDLE)?;
        serde_json::from_slice(&STANDARD.decode(text).ok()?).ok()
    }
}

/// The queue that a task handle is about, for the authorizer.
pub(crate) fn source_of(handle: &str) -> String {
    Handle::read(handle).map_or_else(|| "*".to_owned(), |handle| handle.source_arn)
}

fn no_queue(parameter: &str) -> Error {
    Error::NoResource(format!(
        "The resource that you specified for the {parameter} parameter doesn't exist."
    ))
}

/// A queue of the caller's account in the region that was addressed; of others there are none to move from or to.
fn named(context: &RequestContext, arn: &str, parameter: &'static str) -> Result<QueueName, Error> {
    if arn.is_empty() {
        return Err(Error::Missing(parameter));
    }
    let name = QueueName::of_arn(arn).ok_or_else(|| {
        Error::parameter(format!(
            "You must use this format to specify the {parameter}: arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
        ))
    })?;
    if name.scope == context.scope {
        Ok(name)
    } else {
        Err(no_queue(parameter))
    }
}

/// Asks for what a task does on behalf of its caller: it receives and deletes at the source, and sends to the destination
/// or, without one, to the queues whose dead letters these are. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html>.
async fn authorize(
    sqs: &Sqs,
    context: &RequestContext,
    source: &QueueName,
    destination: Option<&QueueName>,
) -> Result<(), Error> {
    let mut asked: Vec<Access> = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        .into_iter()
        .map(|action| Access::new(action, source.arn()))
        .collect();
    let send = |queue: &QueueName| Access::new("sqs:SendMessage", queue.arn());
    match destination {
        Some(destination) => asked.push(send(destination)),
        None => {
            let prefix = keys::sources(source);
            let page = sqs
                .snapshot()
                .await?
                .first(KeyRange::prefix(prefix.clone()), MOST_SOURCES)
                .await?;
            if page.more {
                return Err(Error::OverLimit(format!(
                    "More than {MOST_SOURCES} queues have their dead letters here: a task has to name its destination."
                )));
            }
            for (key, _) in &page.entries {
                let name = keys::name_behind(key, &prefix).map_err(Error::internal)?;
                asked.push(send(&QueueName::of(context, name)));
            }
        }
    }
    for access in &asked {
        sqs.authorizer.authorize(context, access).await.map_err(Error::Denied)?;
    }
    Ok(())
}

/// StartMessageMoveTask.
pub(crate) async fn start(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: StartMessageMoveTaskRequest,
) -> Result<StartMessageMoveTaskResult, Error> {
    let source = &named(&context, &input.source_arn, "SourceArn")?;
    let destination = input
        .destination_arn
        .as_deref()
        .map(|arn| named(&context, arn, "DestinationArn"))
        .transpose()?;
    let destination = &destination;
    let rate = input.max_number_of_messages_per_second;
    if let Some(rate) = rate.filter(|rate| !(1..=MAX_RATE).contains(rate)) {
        let reason = "MaxNumberOfMessagesPerSecond must be between 1 and 500.";
        return Err(Error::value(rate, "MaxNumberOfMessagesPerSecond", reason));
    }
    let queue: Option<Queue> = sqs.snapshot().await?.record(&keys::queue(source)).await?;
    let queue = queue.ok_or_else(|| no_queue("SourceArn"))?;
    authorize(&sqs, &context, source, destination.as_ref()).await?;
    let counted = counts::of(&sqs, &queue).await?;
    let now = sqs.now_ms();
    let task = &Move {
        id: Uuid::new_v4(),
        status: RUNNING.into(),
        destination: input.destination_arn.clone(),
        per_second: rate.map(i32::unsigned_abs),
        moved: 0,
        to_move: counted.visible + counted.delayed + counted.in_flight,
        failure: None,
        started_ms: now,
        until: sqs.next_sequence(now),
        holder: String::new(),
        held_until_ms: 0,
    };
    sqs.store
        .transact(async |tx| {
            if tx.get(&keys::queue(source)).await?.is_none() {
                return Err(no_queue("SourceArn"));
            }
            let sources = tx.first(KeyRange::prefix(keys::sources(source)), 1).await?;
            if sources.entries.is_empty() {
                return Err(Error::parameter("Source queue must be configured as a Dead Letter Queue."));
            }
            if let Some(destination) = destination {
                if tx.get(&keys::queue(destination)).await?.is_none() {
                    return Err(no_queue("DestinationArn"));
                }
                if destination.is_fifo() != source.is_fifo() || destination == source {
                    return Err(Error::parameter("Destination queue must be another queue of the same type as the source."));
                }
            }
            let place = keys::moving(source);
            if tx.get(&place).await?.is_some() {
                return Err(Error::parameter(
                    "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
                ));
            }
            let key = keys::move_task(source, task.started_ms, &task.id);
            put(&tx, &key, task)?;
            tx.put(&place, key)?;
            let kept = tx.first(KeyRange::prefix(keys::move_tasks(source)), 2 * MOST_LISTED as usize).await?;
            for (old, _) in kept.entries.iter().skip(MOST_LISTED as usize) {
                tx.delete(old)?;
            }
            Ok(())
        })
        .await?;
    sqs.moves.notify_one();
    Ok(StartMessageMoveTaskResult {
        task_handle: Some(Handle::of(source, &task.id)?),
    })
}

/// ListMessageMoveTasks: the newest first.
pub(crate) async fn list(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ListMessageMoveTasksRequest,
) -> Result<ListMessageMoveTasksResult, Error> {
    let source = named(&context, &input.source_arn, "SourceArn")?;
    let limit = input.max_results.unwrap_or(1);
    if !(1..=MOST_LISTED).contains(&limit) {
        let reason = "MaxResults must be an integer between 1 and 10.";
        return Err(Error::value(limit, "MaxResults", reason));
    }
    let view = sqs.snapshot().await?;
    if view.read(&keys::queue(&source)).await?.is_none() {
        return Err(no_queue("SourceArn"));
    }
    let range = KeyRange::prefix(keys::move_tasks(&source));
    let page = view.first(range, limit.unsigned_abs() as usize).await?;
    let mut results = Vec::with_capacity(page.entries.len());
    for (_, value) in &page.entries {
        let task: Move = decode(value)?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        results.push(ListMessageMoveTasksResultEntry {
            task_handle: (task.status == RUNNING)
                .then(|| Handle::of(&source, &task.id))
                .transpose()?,
            status: Some(task.status),
            source_arn: Some(source.arn().to_string()),
            destination_arn: task.destination,
            max_number_of_messages_per_second: task.per_second.map(u32::cast_signed),
            approximate_number_of_messages_moved: Some(number(task.moved)),
            approximate_number_of_messages_to_move: Some(number(task.to_move)),
            failure_reason: task.failure,
            started_timestamp: Some(task.started_ms),
        });
    }
    Ok(ListMessageMoveTasksResult { results: Some(results) })
}

/// CancelMessageMoveTask: what was moved stays where it is.
pub(crate) async fn cancel(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: CancelMessageMoveTaskRequest,
) -> Result<CancelMessageMoveTaskResult, Error> {
    let wrong = || Error::parameter("Value for parameter TaskHandle is invalid.");
    let handle = Handle::read(&input.task_handle).ok_or_else(wrong)?;
    QueueName::of_arn(&handle.source_arn).ok_or_else(wrong)?;
    let source = &named(&context, &handle.source_arn, "SourceArn")?;
    let moved = sqs
        .store
        .transact(async |tx| {
            if tx.get(&keys::queue(source)).await?.is_none() {
                return Err(no_queue("SourceArn"));
            }
            let missing = || Error::NoResource("Task does not exist.".into());
            let place = keys::moving(source);
            let key: Bytes = tx.get(&place).await?.ok_or_else(missing)?;
            let mut task: Move = tx.record(&key).await?.ok_or_else(missing)?;
            if task.id.to_string() != handle.task_id {
                return Err(missing());
            }
            task.status = CANCELLED.into();
            put(&tx, &key, &task)?;
            tx.delete(&place)?;
            Ok(task.moved)
        })
        .await?;
    Ok(CancelMessageMoveTaskResult {
        approximate_number_of_messages_moved: Some(i64::try_from(moved).unwrap_or(i64::MAX)),
    })
}
