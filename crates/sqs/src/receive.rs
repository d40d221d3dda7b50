//! ReceiveMessage.

use crate::claim::{Taken, Want};
use crate::content::{self, Attribute, Content};
use crate::handle::Receipt;
use crate::names::QueueName;
use crate::records::{Queue, Read, State};
use crate::shapes::{Message, MessageAttributeValue, ReceiveMessageRequest, ReceiveMessageResult};
use crate::{Error, Sqs, attributes, digest, lanes, send};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const MOST_MESSAGES: i32 = 10;
const MAX_WAIT_SECS: i32 = 20;
/// What can be asked for besides a message's own attributes.
const SYSTEM: [&str; 10] = [
    "All",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

fn within(given: Option<i32>, parameter: &str, least: i32, most: i32, reason: &str) -> Result<Option<i32>, Error> {
    match given {
        Some(value) if !(least..=most).contains(&value) => Err(Error::value(value, parameter, reason)),
        given => Ok(given),
    }
}

/// ReceiveMessage: waits as long as it may, and no longer than its client does.
pub(crate) async fn receive(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: ReceiveMessageRequest,
) -> Result<ReceiveMessageResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    let queue = sqs.snapshot().await?.queue(&name).await?;
    let count = within(
        input.max_number_of_messages,
        "MaxNumberOfMessages",
        1,
        MOST_MESSAGES,
        "Must be between 1 and 10, if provided.",
    )?;
    let wait = within(
        input.wait_time_seconds,
        "WaitTimeSeconds",
        0,
        MAX_WAIT_SECS,
        "Must be >= 0 and <= 20, if provided.",
    )?;
    let visibility = within(
        input.visibility_timeout,
        "VisibilityTimeout",
        0,
        attributes::MAX_VISIBILITY as i32,
        "Must be >= 0 and <= 43200, if provided.",
    )?;
    let system: Vec<String> = [input.attribute_names, input.message_system_attribute_names]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    if let Some(other) = system.iter().find(|name| !SYSTEM.contains(&name.as_str())) {
        return Err(Error::AttributeName(format!("Unknown Attribute {other}.")));
    }
    if let Some(attempt) = &input.receive_request_attempt_id {
        let good = (1..=128).contains(&attempt.len()) && attempt.bytes().all(|byte| byte.is_ascii_graphic());
        if !good || !name.is_fifo() {
            let reason = if name.is_fifo() {
                "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length."
            } else {
                "The request includes a parameter that is not valid for this queue type."
            };
            let shown: String = attempt.chars().take(1024).collect();
            return Err(Error::value(shown, "ReceiveRequestAttemptId", reason));
        }
    }
    let want = Want {
        count: count.map_or(1, |count| count.unsigned_abs() as usize),
        visibility_ms: visibility.map(|seconds| i64::from(seconds) * 1000),
        attempt: input.receive_request_attempt_id,
    };
    let wait = wait.map_or_else(|| queue.number("ReceiveMessageWaitTimeSeconds"), i64::from);
    let wait = Duration::from_secs(u64::try_from(wait).unwrap_or(0));
    let taken = tokio::select! {
        taken = lanes::wait(&sqs, &name, want, wait) => taken?,
        () = context.facts.client.left() => return Ok(ReceiveMessageResult::default()),
    };
    let shown = Shown {
        system,
        own: input.message_attribute_names.unwrap_or_default(),
    };
    let mut messages = Vec::with_capacity(taken.len());
    for taken in taken {
        if let Some(content) = open(&sqs, &context, &queue, &taken).await? {
            messages.push(shown.message(&sqs, &name, taken, content)?);
        }
    }
    Ok(ReceiveMessageResult {
        messages: (!messages.is_empty()).then_some(messages),
    })
}

/// What was sent; `None` when the message was deleted meanwhile.
async fn open(sqs: &Sqs, context: &RequestContext, queue: &Queue, taken: &Taken) -> Result<Option<Content>, Error> {
    let view = sqs.snapshot().await?;
    match content::read(&view, &taken.message, &taken.state).await? {
        Some(kept) => Ok(Some(Content::decode(&sqs.sealing.open(context, queue, &kept).await?)?)),
        None => Ok(None),
    }
}

/// Which attributes a receiver wants to see.
struct Shown {
    system: Vec<String>,
    own: Vec<String>,
}

impl Shown {
    /// Whether an attribute of this name was asked for: by `All` or `.*`, its name, or a prefix as `name.*`.
    fn wants(&self, name: &str) -> bool {
        self.own.iter().any(|wanted| match wanted.as_str() {
            "All" | ".*" | "*" => true,
            wanted => match wanted.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => wanted == name,
            },
        })
    }

    fn message(&self, sqs: &Sqs, queue: &QueueName, taken: Taken, content: Content) -> Result<Message, Error> {
        let receipt = Receipt {
            message: taken.message,
            count: taken.state.received,
            received_ms: taken.received_ms,
        };
        let system = self.system_attributes(queue, &taken, &content);
        let mut own = content.attributes;
        own.retain(|name, _| self.wants(name));
        Ok(Message {
            message_id: Some(taken.message.id.to_string()),
            receipt_handle: Some(receipt.handle(&sqs.sealing.key, queue)?),
            md5_of_body: Some(content.body_md5),
            body: Some(content.body),
            attributes: (!system.is_empty()).then_some(system),
            md5_of_message_attributes: digest::of_attributes(&own),
            message_attributes: (!own.is_empty()).then(|| own.into_iter().map(attribute).collect()),
        })
    }

    fn system_attributes(&self, queue: &QueueName, taken: &Taken, content: &Content) -> BTreeMap<String, String> {
        let State {
            received,
            first_ms,
            source,
            ..
        } = &taken.state;
        let sequence = queue.is_fifo().then(|| send::shown_sequence(taken.message.sequence));
        let all = [
            ("SenderId", Some(content.sender.clone())),
            ("SentTimestamp", Some(taken.message.sent_ms().to_string())),
            ("ApproximateReceiveCount", Some(received.to_string())),
            ("ApproximateFirstReceiveTimestamp", Some(first_ms.to_string())),
            ("SequenceNumber", sequence),
            ("MessageDeduplicationId", content.deduplication.clone()),
            ("MessageGroupId", content.group.clone()),
            ("AWSTraceHeader", content.trace.clone()),
            ("DeadLetterQueueSourceArn", source.clone()),
        ];
        let wanted = |name: &str| self.system.iter().any(|wanted| wanted == "All" || wanted == name);
        all.into_iter()
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect()
    }
}

fn attribute((name, attribute): (String, Attribute)) -> (String, MessageAttributeValue) {
    let value = MessageAttributeValue {
        data_type: attribute.kind,
        string_value: attribute.text,
        binary_value: attribute.bytes,
        ..MessageAttributeValue::default()
    };
    (name, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_asked_for_by_name_or_prefix() {
        let wants = |own: &str, name: &str| {
            let shown = Shown {
                system: Vec::new(),
                own: vec![own.into()],
            };
            shown.wants(name)
        };
        for (own, name, expected) in [
            ("All", "a", true),
            (".*", "a", true),
            ("*", "a", true),
            ("a", "a", true),
            ("Hel.*", "Help.Me", true),
            ("Help", "Help.Me", false),
            ("b.*", "a", false),
        ] {
            assert_eq!(wants(own, name), expected, "{own} {name}");
        }
    }
}
