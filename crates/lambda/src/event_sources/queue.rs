//! One queue of SQS, received from for a function.
//!
//! Batches are gathered one after the other and delivered side by side, as many as the mapping allows. What the function
//! has done is deleted; what failed stays in the queue and comes again when its visibility timeout is over, or goes to the
//! queue's own dead letters. In a FIFO queue the queue keeps the order: a group whose messages are in flight gives out no
//! other. Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.

use super::Mapping;
use super::filter::Filters;
use crate::Error;
use crate::lambda::Lambda;
use danbi_core::{ApiCall, Arn, ServiceError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Batches of one mapping under way at once, where it says nothing. AWS begins with five and adds more.
const CONCURRENCY: usize = 5;
/// Messages of one receive, and of one delete.
const AT_ONCE: usize = 10;
/// How long an empty queue is waited for.
const WAIT_SECS: u64 = 20;
/// The pause after a fault of the queue.
const AFTER_FAULT: Duration = Duration::from_secs(2);
/// Bytes of JSON at which messages are delivered, however few they are: an event has at most 6 MiB.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How often what is done with is tried to be deleted.
const ATTEMPTS: u32 = 5;

/// The answer of a function that reports failures one by one.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "batchItemFailures", default)]
    failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier", default)]
    identifier: Option<String>,
}

/// The messages that a report says have failed; `None` when it says that all have.
fn failed(answer: &[u8], messages: &[Value]) -> Option<BTreeSet<String>> {
    let report: Report = match answer {
        b"" | b"null" => Report { failures: None },
        answer => serde_json::from_slice(answer).ok()?,
    };
    let known: BTreeSet<&str> = messages
        .iter()
        .filter_map(|message| message["messageId"].as_str())
        .collect();
    let mut failed = BTreeSet::new();
    for failure in report.failures.unwrap_or_default() {
        let id = failure.identifier.filter(|id| known.contains(id.as_str()))?;
        failed.insert(id);
    }
    Some(failed)
}

/// A message as functions see it.
fn record(message: &Value, source: &Arn) -> Value {
    let mut record = json!({
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source.to_string(),
        "awsRegion": source.region,
    });
    if let Some(md5) = message["MD5OfMessageAttributes"].as_str() {
        record["md5OfMessageAttributes"] = md5.into();
    }
    if let Some(attributes) = message["MessageAttributes"].as_object() {
        let shown = attributes.iter().map(|(name, attribute)| {
            let mut members = Map::new();
            for (theirs, ours) in [("StringValue", "stringValue"), ("BinaryValue", "binaryValue")] {
                if let Some(value) = attribute.get(theirs).filter(|value| !value.is_null()) {
                    members.insert(ours.into(), value.clone());
                }
            }
            members.insert("stringListValues".into(), json!([]));
            members.insert("binaryListValues".into(), json!([]));
            members.insert("dataType".into(), attribute["DataType"].clone());
            (name.clone(), Value::Object(members))
        });
        record["messageAttributes"] = Value::Object(shown.collect());
    }
    record
}

/// Whether a message is wanted: patterns see a body that is a JSON document as such.
fn keeps(filters: &Filters, record: &Value) -> bool {
    let body = record["body"]
        .as_str()
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    match body.filter(|body| body.is_object() || body.is_array()) {
        Some(body) => {
            let mut parsed = record.clone();
            parsed["body"] = body;
            filters.keep(&parsed)
        }
        None => filters.keep(record),
    }
}

impl Lambda {
    /// Asks SQS.
    pub(super) async fn ask_queue(
        &self,
        mapping: &Mapping,
        operation: &str,
        input: Value,
    ) -> Result<Value, ServiceError> {
        let gone = || ServiceError::server("ServiceException", 503, "There are no queues here.");
        let (Some(api), Some(context)) = (&self.api, mapping.context()) else {
            return Err(gone());
        };
        api.call(&context, ApiCall::new("sqs", operation, input)).await
    }

    /// Receives from the mapping's queue until it is to stop; ends when the batches under way have.
    pub(super) async fn read_queue(self: Arc<Self>, mapping: Arc<Mapping>, mut stop: watch::Receiver<bool>) {
        let (Some(filters), Ok(source)) = (Filters::parse(&mapping.filters), mapping.source.parse::<Arn>()) else {
            return tracing::error!(mapping = mapping.uuid, "a kept mapping cannot be read");
        };
        let most = mapping.max_concurrency.map_or(CONCURRENCY, |most| most as usize);
        let mut under_way = JoinSet::new();
        while !*stop.borrow() {
            while under_way.len() >= most {
                // One that panicked has said so; its messages come again.
                let _ = under_way.join_next().await;
            }
            while under_way.try_join_next().is_some() {}
            match self.gather_messages(&mapping, &source, &filters, &mut stop).await {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => {
                    let (lambda, mapping, source) = (Arc::clone(&self), Arc::clone(&mapping), source.clone());
                    under_way.spawn(async move { lambda.deliver_messages(&mapping, &source, batch).await });
                }
                Err(error) => {
                    self.note_result(&mapping, &format!("PROBLEM: {error}")).await;
                    tokio::select! {
                        () = tokio::time::sleep(AFTER_FAULT) => {}
                        _ = stop.wait_for(|stop| *stop) => {}
                    }
                }
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Receives until there are enough messages, or the window is over.
    async fn gather_messages(
        &self,
        mapping: &Mapping,
        source: &Arn,
        filters: &Filters,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Vec<Value>, ServiceError> {
        let window = Duration::from_secs(mapping.window_secs.into());
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let mut first: Option<Instant> = None;
        loop {
            let waited = first.map_or(Duration::ZERO, |first| first.elapsed());
            let left = (mapping.batch_size as usize).saturating_sub(batch.len());
            if left == 0 || bytes >= MAX_BYTES || *stop.borrow() {
                return Ok(batch);
            }
            let wait = match first {
                None => WAIT_SECS,
                Some(_) if waited >= window => return Ok(batch),
                // A part of a second is waited for as a whole one.
                Some(_) => (window - waited).as_secs().clamp(1, WAIT_SECS),
            };
            let input = json!({
                "QueueUrl": source.queue_url(),
                "MaxNumberOfMessages": left.min(AT_ONCE),
                "WaitTimeSeconds": wait,
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            });
            // A receive that is given up here gives back what it would have got.
            let answer = tokio::select! {
                answer = self.ask_queue(mapping, "ReceiveMessage", input) => answer,
                _ = stop.wait_for(|stop| *stop) => return Ok(batch),
            };
            let mut answer = match answer {
                Ok(answer) => answer,
                Err(error) if batch.is_empty() => return Err(error),
                // What is there already is delivered first.
                Err(_) => return Ok(batch),
            };
            let messages = match answer["Messages"].take() {
                Value::Array(messages) => messages,
                _ => Vec::new(),
            };
            let mut unwanted = Vec::new();
            for message in messages {
                let record = record(&message, source);
                if keeps(filters, &record) {
                    bytes += record.to_string().len();
                    batch.push(record);
                } else {
                    unwanted.push(record);
                }
            }
            // What a filter does not want is done with.
            self.delete_messages(mapping, source, &unwanted).await;
            if !batch.is_empty() {
                first = first.or_else(|| Some(Instant::now()));
            } else {
                return Ok(batch);
            }
            if window.is_zero() {
                return Ok(batch);
            }
        }
    }

    /// Gives a batch to the function, and deletes what it has done.
    async fn deliver_messages(&self, mapping: &Mapping, source: &Arn, batch: Vec<Value>) {
        let invoked = self.invoke_with(mapping, &batch, &Uuid::new_v4().to_string()).await;
        let outcome = match invoked {
            Ok((outcome, _)) => outcome,
            Err(error) => return self.note_result(mapping, &format!("PROBLEM: {error}")).await,
        };
        let failed = match outcome.function_error {
            None if mapping.report_failures => failed(&outcome.payload, &batch),
            None => Some(BTreeSet::new()),
            Some(_) => None,
        };
        let Some(failed) = failed else {
            return self.note_result(mapping, "PROBLEM: Function call failed").await;
        };
        let is_done = |record: &&Value| record["messageId"].as_str().is_none_or(|id| !failed.contains(id));
        let done: Vec<Value> = batch.iter().filter(is_done).cloned().collect();
        self.delete_messages(mapping, source, &done).await;
        let result = if failed.is_empty() {
            "OK"
        } else {
            "PROBLEM: Function call failed"
        };
        self.note_result(mapping, result).await;
    }

    /// Deletes messages; those that cannot be deleted come again.
    async fn delete_messages(&self, mapping: &Mapping, source: &Arn, messages: &[Value]) {
        for some in messages.chunks(AT_ONCE) {
            let entries: Vec<Value> = some
                .iter()
                .enumerate()
                .map(|(at, record)| json!({"Id": at.to_string(), "ReceiptHandle": record["receiptHandle"]}))
                .collect();
            let input = json!({"QueueUrl": source.queue_url(), "Entries": entries});
            for attempt in 1..=ATTEMPTS {
                match self.ask_queue(mapping, "DeleteMessageBatch", input.clone()).await {
                    Ok(_) => break,
                    Err(error) if attempt == ATTEMPTS || error.status < 500 => {
                        tracing::warn!(mapping = mapping.uuid, %error, "messages that are done with come again");
                        break;
                    }
                    Err(_) => tokio::time::sleep(AFTER_FAULT).await,
                }
            }
        }
    }

    /// Makes sure that a function can work on a queue's messages while nobody else gets them.
    ///
    /// # Errors
    /// AWS's words for a queue that is not there, or whose visibility timeout is shorter than the function's time.
    pub(super) async fn check_queue(&self, mapping: &Mapping, timeout_secs: u32) -> Result<(), Error> {
        let source: Arn = mapping.source.parse().map_err(Error::internal)?;
        let input = json!({"QueueUrl": source.queue_url(), "AttributeNames": ["VisibilityTimeout"]});
        let answer = self.ask_queue(mapping, "GetQueueAttributes", input).await;
        let answer = answer.map_err(|error| match error.code {
            "QueueDoesNotExist" => Error::InvalidParameter(format!(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error \
                 Message: {}",
                error.message
            )),
            _ => Error::Other(error),
        })?;
        let visibility = answer["Attributes"]["VisibilityTimeout"]
            .as_str()
            .and_then(|text| text.parse::<u32>().ok());
        match visibility {
            Some(visibility) if visibility < timeout_secs => Err(Error::InvalidParameter(format!(
                "Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout_secs} seconds"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_stays_in_the_queue() {
        let messages: Vec<Value> = ["a", "b"].iter().map(|id| json!({"messageId": id})).collect();
        let failed = |answer: &str| failed(answer.as_bytes(), &messages).map(|ids| ids.into_iter().collect::<Vec<_>>());
        for answer in [
            "",
            "null",
            "{}",
            r#"{"batchItemFailures":[]}"#,
            r#"{"batchItemFailures":null}"#,
        ] {
            assert_eq!(failed(answer), Some(Vec::new()), "{answer}");
        }
        assert_eq!(
            failed(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#),
            Some(vec!["b".to_owned()])
        );
        for answer in [
            r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
            r#"{"batchItemFailures":[{"foo":"b"}]}"#,
            r#"{"batchItemFailures":[{"itemIdentifier":"z"}]}"#,
            "\"text\"",
        ] {
            assert_eq!(failed(answer), None, "{answer}");
        }
    }

    #[test]
    fn patterns_see_bodies_as_documents() {
        let pattern = |pattern: Value| Filters::parse([&pattern.to_string()]).unwrap();
        let document = json!({"body": r#"{"kind":"a"}"#});
        assert!(keeps(&pattern(json!({"body": {"kind": ["a"]}})), &document));
        assert!(!keeps(&pattern(json!({"body": {"kind": ["b"]}})), &document));
        assert!(keeps(&pattern(json!({"body": ["plain"]})), &json!({"body": "plain"})));
    }
}
