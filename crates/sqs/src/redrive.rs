//! Dead-letter queues: where messages go that were received too often, and who may send there.

use crate::names::QueueName;
use crate::records::{Queue, Read};
use crate::shapes::{ListDeadLetterSourceQueuesRequest, ListDeadLetterSourceQueuesResult};
use crate::{Error, Sqs, keys, queues};
use danbi_core::RequestContext;
use danbi_store::{KeyRange, Transaction};
use serde_json::Value;
use std::sync::Arc;

/// Most sources that a `byQueue` policy names. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>.
const MOST_SOURCES: usize = 10;
const MOST_RECEIVES: i64 = 1_000;

/// Where messages go that were received `most` times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub target: QueueName,
    pub most: u32,
}

impl RedrivePolicy {
    /// Reads the attribute `RedrivePolicy`.
    ///
    /// # Errors
    /// [`Error::Parameter`] in AWS's words.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::value(text, "RedrivePolicy", reason);
        let policy: Value = serde_json::from_str(text).map_err(|_| wrong("Redrive policy is not a valid JSON map."))?;
        let policy = policy
            .as_object()
            .ok_or_else(|| wrong("Redrive policy is not a valid JSON map."))?;
        let target = policy.get("deadLetterTargetArn");
        let most = policy.get("maxReceiveCount");
        let (Some(target), Some(most)) = (target, most) else {
            let missing = if target.is_none() {
                "deadLetterTargetArn"
            } else {
                "maxReceiveCount"
            };
            return Err(wrong(&format!(
                "Redrive policy does not contain mandatory attribute: {missing}."
            )));
        };
        if let Some(other) = policy
            .keys()
            .find(|key| !["deadLetterTargetArn", "maxReceiveCount"].contains(&key.as_str()))
        {
            return Err(wrong(&format!(
                "Only following attributes are allowed: [deadLetterTargetArn, maxReceiveCount], got {other}."
            )));
        }
        let number = most.as_i64().or_else(|| most.as_str()?.parse().ok());
        let number = number.filter(|number| (1..=MOST_RECEIVES).contains(number));
        let most = number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            let given = most.as_str().map_or_else(|| most.to_string(), str::to_owned);
            wrong(&format!(
                "Invalid value for maxReceiveCount: {given}, valid values are from 1 to 1000 both inclusive."
            ))
        })?;
        let target = target
            .as_str()
            .and_then(QueueName::of_arn)
            .ok_or_else(|| wrong("Invalid value for deadLetterTargetArn."))?;
        Ok(Self { target, most })
    }
}

/// Reads the attribute `RedriveAllowPolicy`: whether `source` may send its dead letters.
fn allows(text: &str, source: &QueueName) -> bool {
    let policy: Value = serde_json::from_str(text).unwrap_or_default();
    match policy["redrivePermission"].as_str() {
        Some("denyAll") => false,
        Some("byQueue") => policy["sourceQueueArns"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|arn| arn.as_str().and_then(QueueName::of_arn).as_ref() == Some(source)),
        _ => true,
    }
}

/// Checks the attribute `RedriveAllowPolicy`.
pub(crate) fn check_allow(text: &str) -> Result<(), Error> {
    let wrong = |reason: &str| Error::value(text, "RedriveAllowPolicy", reason);
    let policy: Value =
        serde_json::from_str(text).map_err(|_| wrong("Redrive allow policy is not a valid JSON map."))?;
    let sources = policy.get("sourceQueueArns").map(|list| list.as_array());
    match (policy["redrivePermission"].as_str(), sources) {
        (Some("allowAll" | "denyAll"), None) => Ok(()),
        (Some("byQueue"), Some(Some(list))) if !list.is_empty() && list.len() <= MOST_SOURCES => {
            let all = list
                .iter()
                .all(|arn| arn.as_str().and_then(QueueName::of_arn).is_some());
            if all {
                Ok(())
            } else {
                Err(wrong("Invalid value for sourceQueueArns."))
            }
        }
        (Some("byQueue"), _) => Err(wrong(
            "sourceQueueArns must name 1 to 10 queues when redrivePermission is byQueue.",
        )),
        (Some("allowAll" | "denyAll"), Some(_)) => Err(wrong("sourceQueueArns is allowed with byQueue alone.")),
        _ => Err(wrong(
            "Amazon SQS can't create the redrive allow policy, as redrivePermission is not one of [allowAll, denyAll, byQueue].",
        )),
    }
}

/// Keeps the index of sources in step when the redrive policy of `name` changes.
pub(crate) async fn connect(
    tx: &Transaction,
    name: &QueueName,
    before: Option<&Queue>,
    after: &Queue,
) -> Result<(), Error> {
    let (old, text) = (before.and_then(Queue::redrive), after.attributes.get("RedrivePolicy"));
    let unchanged = before.is_some_and(|before| before.attributes.get("RedrivePolicy") == text);
    if unchanged {
        return Ok(());
    }
    if let Some(old) = old {
        tx.delete(&keys::source(&old.target, &name.name))?;
    }
    let Some(text) = text else { return Ok(()) };
    let new = RedrivePolicy::parse(text)?;
    let wrong = |reason: &str| Error::value(text, "RedrivePolicy", reason);
    if new.target.scope != name.scope {
        return Err(wrong("Dead-letter target owner should be same as the source."));
    }
    let target: Option<Queue> = tx.record(&keys::queue(&new.target)).await?;
    let target = target.ok_or_else(|| wrong("Dead letter target does not exist."))?;
    if new.target.is_fifo() != name.is_fifo() {
        return Err(wrong("Dead-letter queue must be same type of queue as the source."));
    }
    if target
        .attributes
        .get("RedriveAllowPolicy")
        .is_some_and(|policy| !allows(policy, name))
    {
        return Err(wrong("Dead-letter queue does not allow this queue as its source."));
    }
    tx.put(&keys::source(&new.target, &name.name), "")?;
    Ok(())
}

/// ListDeadLetterSourceQueues.
pub(crate) async fn list_sources(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ListDeadLetterSourceQueuesRequest,
) -> Result<ListDeadLetterSourceQueuesResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    let limit = queues::page_of(input.max_results)?;
    let view = sqs.snapshot().await?;
    view.queue(&name).await?;
    let prefix = keys::sources(&name);
    let mut range = KeyRange::prefix(prefix.clone());
    if let Some(token) = &input.next_token {
        range = range.after(&keys::source(&name, &queues::name_of_token(token)?));
    }
    let page = view.first(range, limit).await?;
    let mut urls = Vec::with_capacity(page.entries.len());
    let mut last = None;
    for (key, _) in &page.entries {
        let source = QueueName {
            scope: name.scope.clone(),
            name: keys::name_behind(key, &prefix).map_err(Error::internal)?,
        };
        urls.push(source.url(&context));
        last = Some(source.name);
    }
    let next = last.filter(|_| page.more && input.max_results.is_some());
    Ok(ListDeadLetterSourceQueuesResult {
        queue_urls: urls,
        next_token: next.map(|name| queues::token_of(&name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redrive_policies_name_a_queue_and_a_count() {
        let arn = "arn:aws:sqs:us-east-1:000000000000:dead";
        for count in ["3", "\"3\""] {
            let text = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{count}}}"#);
            let policy = RedrivePolicy::parse(&text).unwrap();
            assert_eq!((policy.most, policy.target.arn().to_string().as_str()), (3, arn));
        }
        for text in [
            "",
            "[]",
            r#"{"maxReceiveCount":3}"#,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#,
            r#"{"deadLetterTargetArn":"dummy","maxReceiveCount":3}"#,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":0}"#,
            r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:dead","maxReceiveCount":"many"}"#,
        ] {
            assert!(matches!(RedrivePolicy::parse(text), Err(Error::Parameter(_))), "{text}");
        }
    }

    #[test]
    fn allow_policies_let_in_whom_they_name() {
        let source = |name: &str| QueueName::of_arn(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).unwrap();
        let by_queue = r#"{"redrivePermission":"byQueue","sourceQueueArns":["arn:aws:sqs:us-east-1:000000000000:a"]}"#;
        check_allow(by_queue).unwrap();
        assert!(allows(by_queue, &source("a")) && !allows(by_queue, &source("b")));
        assert!(!allows(r#"{"redrivePermission":"denyAll"}"#, &source("a")));
        for text in [
            "{}",
            "x",
            r#"{"redrivePermission":"byQueue"}"#,
            r#"{"redrivePermission":"some"}"#,
        ] {
            assert!(check_allow(text).is_err(), "{text}");
        }
    }
}
