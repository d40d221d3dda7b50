//! GetQueueAttributes, SetQueueAttributes: what can be said of a queue, and within which bounds. Source:
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>.

use crate::names::QueueName;
use crate::records::{Queue, Read, put};
use crate::shapes::{GetQueueAttributesRequest, GetQueueAttributesResult, SetQueueAttributesRequest};
use crate::{Error, Sqs, counts, keys, permissions, redrive};
use danbi_core::{PolicyLanguage, RequestContext};
use danbi_wire::Empty;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The largest message, in bytes, body and attributes together.
pub(crate) const MAX_MESSAGE: i64 = 1_048_576;
/// The longest that a message can be invisible, in seconds.
pub(crate) const MAX_VISIBILITY: i64 = 43_200;

/// Attributes that are numbers: by default, at least, at most.
const NUMBERS: [(&str, i64, i64, i64); 6] = [
    ("DelaySeconds", 0, 0, 900),
    ("KmsDataKeyReusePeriodSeconds", 300, 60, 86_400),
    ("MaximumMessageSize", MAX_MESSAGE, 1_024, MAX_MESSAGE),
    ("MessageRetentionPeriod", 345_600, 60, 1_209_600),
    ("ReceiveMessageWaitTimeSeconds", 0, 0, 20),
    ("VisibilityTimeout", 30, 0, MAX_VISIBILITY),
];
const BOOLEANS: [&str; 3] = ["ContentBasedDeduplication", "FifoQueue", "SqsManagedSseEnabled"];
/// What is counted or known otherwise, and cannot be set.
const READ_ONLY: [&str; 6] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesDelayed",
    "ApproximateNumberOfMessagesNotVisible",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
    "QueueArn",
];
/// What has no value unless it is given one.
const OPTIONAL: [&str; 4] = ["KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"];
const FIFO_CHOICES: [(&str, &str, &str); 2] = [
    ("DeduplicationScope", "queue", "messageGroup"),
    ("FifoThroughputLimit", "perQueue", "perMessageGroupId"),
];

/// What a number is when it was not set; 0 for what is none.
pub(crate) fn default_number(attribute: &str) -> i64 {
    let found = NUMBERS.iter().find(|(name, ..)| *name == attribute);
    found.map_or(0, |(_, default, ..)| *default)
}

fn unknown(attribute: &str) -> Error {
    Error::AttributeName(format!("Unknown Attribute {attribute}."))
}

/// What a client may ask for.
fn is_known(attribute: &str) -> bool {
    NUMBERS.iter().any(|(name, ..)| *name == attribute)
        || FIFO_CHOICES.iter().any(|(name, ..)| *name == attribute)
        || [&BOOLEANS[..], &READ_ONLY[..], &OPTIONAL[..]]
            .iter()
            .any(|names| names.contains(&attribute))
}

fn boolean(attribute: &str, value: &str) -> Result<String, Error> {
    let value = value.to_ascii_lowercase();
    if value == "true" || value == "false" {
        Ok(value)
    } else {
        Err(Error::attribute_value(attribute))
    }
}

/// Sets the attributes of a request in `queue`, which is called `name`.
///
/// # Errors
/// [`Error::AttributeName`], [`Error::AttributeValue`], [`Error::Parameter`] for redrive policies.
pub(crate) fn set(
    language: &dyn PolicyLanguage,
    name: &QueueName,
    queue: &mut Queue,
    given: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let managed = given
        .get("SqsManagedSseEnabled")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if managed && given.get("KmsMasterKeyId").is_some_and(|key| !key.is_empty()) {
        return Err(Error::AttributeName(
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE."
                .into(),
        ));
    }
    for (attribute, value) in given {
        set_one(language, name, queue, attribute, value)?;
    }
    if managed {
        queue.attributes.remove("KmsMasterKeyId");
    }
    Ok(())
}

fn set_one(
    language: &dyn PolicyLanguage,
    name: &QueueName,
    queue: &mut Queue,
    attribute: &str,
    value: &str,
) -> Result<(), Error> {
    let mut keep = |value: String| {
        queue.attributes.insert(attribute.to_owned(), value);
    };
    if let Some((_, _, least, most)) = NUMBERS.iter().find(|(name, ..)| *name == attribute) {
        let number: Option<i64> = value.parse().ok();
        let number = number.filter(|number| (least..=most).contains(&number));
        keep(number.ok_or_else(|| Error::attribute_value(attribute))?.to_string());
        if attribute == "KmsDataKeyReusePeriodSeconds" && number == Some(default_number(attribute)) {
            queue.attributes.remove(attribute);
        }
        return Ok(());
    }
    if let Some((_, one, other)) = FIFO_CHOICES.iter().find(|(name, ..)| *name == attribute) {
        if !name.is_fifo() {
            return Err(Error::AttributeName(format!(
                "You can specify the {attribute} only when FifoQueue is set to true."
            )));
        }
        if value != *one && value != *other {
            return Err(Error::attribute_value(attribute));
        }
        keep(value.to_owned());
        return Ok(());
    }
    match attribute {
        "FifoQueue" if !name.is_fifo() => return Err(unknown(attribute)),
        "FifoQueue" => {
            if !value.eq_ignore_ascii_case("true") {
                return Err(Error::AttributeValue(
                    "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.".into(),
                ));
            }
            keep("true".into());
        }
        "ContentBasedDeduplication" if !name.is_fifo() => return Err(unknown(attribute)),
        "ContentBasedDeduplication" | "SqsManagedSseEnabled" => keep(boolean(attribute, value)?),
        "KmsMasterKeyId" | "Policy" | "RedrivePolicy" | "RedriveAllowPolicy" if value.is_empty() => {
            queue.attributes.remove(attribute);
        }
        "KmsMasterKeyId" => {
            keep(value.to_owned());
            queue.attributes.insert("SqsManagedSseEnabled".into(), "false".into());
        }
        "Policy" => {
            permissions::check(language, value)?;
            keep(value.to_owned());
        }
        "RedrivePolicy" => {
            redrive::RedrivePolicy::parse(value)?;
            keep(value.to_owned());
        }
        "RedriveAllowPolicy" => {
            redrive::check_allow(value)?;
            keep(value.to_owned());
        }
        _ => return Err(unknown(attribute)),
    }
    Ok(())
}

/// All attributes but the counted ones, with what they are by default.
pub(crate) fn shown(name: &QueueName, queue: &Queue) -> BTreeMap<String, String> {
    let mut all = queue.attributes.clone();
    for (attribute, default, ..) in NUMBERS {
        if attribute != "KmsDataKeyReusePeriodSeconds" {
            all.entry(attribute.into()).or_insert_with(|| default.to_string());
        }
    }
    if all.contains_key("KmsMasterKeyId") {
        all.entry("KmsDataKeyReusePeriodSeconds".into())
            .or_insert_with(|| default_number("KmsDataKeyReusePeriodSeconds").to_string());
    }
    all.entry("SqsManagedSseEnabled".into())
        .or_insert_with(|| "true".into());
    if name.is_fifo() {
        for (attribute, default, _) in FIFO_CHOICES {
            all.entry(attribute.into()).or_insert_with(|| default.into());
        }
        all.entry("ContentBasedDeduplication".into())
            .or_insert_with(|| "false".into());
    }
    all.insert("QueueArn".into(), name.arn().to_string());
    all.insert("CreatedTimestamp".into(), queue.created_ms.div_euclid(1000).to_string());
    all.insert(
        "LastModifiedTimestamp".into(),
        queue.modified_ms.div_euclid(1000).to_string(),
    );
    all
}

/// GetQueueAttributes.
pub(crate) async fn get(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: GetQueueAttributesRequest,
) -> Result<GetQueueAttributesResult, Error> {
    let name = QueueName::of_url(&context, &input.queue_url)?;
    let wanted = input.attribute_names.unwrap_or_default();
    if let Some(other) = wanted.iter().find(|wanted| *wanted != "All" && !is_known(wanted)) {
        return Err(unknown(other));
    }
    let view = sqs.snapshot().await?;
    let queue = view.queue(&name).await?;
    if wanted.is_empty() {
        return Ok(GetQueueAttributesResult::default());
    }
    let all = wanted.iter().any(|wanted| wanted == "All");
    let mut attributes = shown(&name, &queue);
    if all || wanted.iter().any(|wanted| wanted.starts_with("ApproximateNumberOf")) {
        let counts = counts::of(&sqs, &queue).await?;
        attributes.insert("ApproximateNumberOfMessages".into(), counts.visible.to_string());
        attributes.insert("ApproximateNumberOfMessagesDelayed".into(), counts.delayed.to_string());
        attributes.insert(
            "ApproximateNumberOfMessagesNotVisible".into(),
            counts.in_flight.to_string(),
        );
    }
    attributes.retain(|attribute, _| all || wanted.contains(attribute));
    Ok(GetQueueAttributesResult {
        attributes: (!attributes.is_empty()).then_some(attributes),
    })
}

/// SetQueueAttributes.
pub(crate) async fn put_all(
    sqs: Arc<Sqs>,
    context: RequestContext,
    input: SetQueueAttributesRequest,
) -> Result<Empty, Error> {
    let name = &QueueName::of_url(&context, &input.queue_url)?;
    let (given, sqs) = (&input.attributes, &sqs);
    if given.is_empty() {
        return Err(Error::Missing("Attributes"));
    }
    sqs.store
        .transact(async |tx| {
            let before = tx.queue(name).await?;
            let mut queue = before.clone();
            set(&*sqs.language, name, &mut queue, given)?;
            redrive::connect(&tx, name, Some(&before), &queue).await?;
            queue.modified_ms = sqs.now_ms();
            queue.note_scope(&before, queue.modified_ms);
            put(&tx, &keys::queue(name), &queue)?;
            Ok(Empty {})
        })
        .await
}
