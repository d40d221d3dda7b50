//! What is checked of a message before it is sent, in AWS's words.

use crate::content::Attribute;
use crate::names::QueueName;
use crate::records::Queue;
use crate::shapes::{
    MessageAttributeValue, MessageSystemAttributeValue, SendMessageBatchRequestEntry, SendMessageRequest,
};
use crate::{Error, digest};
use danbi_core::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Attributes of one message. Source:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.
const MOST_ATTRIBUTES: usize = 10;
/// Bytes of an attribute's name and of its type, less one.
const MAX_NAME: usize = 256;
const MAX_DELAY: i32 = 900;
const MAX_GROUP: usize = 128;

/// A message as a client gives it.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub body: String,
    pub delay: Option<i32>,
    pub attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    pub system: Option<BTreeMap<String, MessageSystemAttributeValue>>,
    pub deduplication: Option<String>,
    pub group: Option<String>,
}

impl From<SendMessageRequest> for Given {
    fn from(input: SendMessageRequest) -> Self {
        Self {
            body: input.message_body,
            delay: input.delay_seconds,
            attributes: input.message_attributes,
            system: input.message_system_attributes,
            deduplication: input.message_deduplication_id,
            group: input.message_group_id,
        }
    }
}

impl From<SendMessageBatchRequestEntry> for Given {
    fn from(entry: SendMessageBatchRequestEntry) -> Self {
        Self {
            body: entry.message_body,
            delay: entry.delay_seconds,
            attributes: entry.message_attributes,
            system: entry.message_system_attributes,
            deduplication: entry.message_deduplication_id,
            group: entry.message_group_id,
        }
    }
}

impl Given {
    /// Bytes that count: the body, and the names, types and values of attributes.
    pub(crate) fn size(&self) -> usize {
        let attribute = |(name, value): (&String, &MessageAttributeValue)| {
            let text = value.string_value.as_ref().map_or(0, String::len);
            let bytes = value.binary_value.as_ref().map_or(0, |bytes| bytes.len());
            name.len() + value.data_type.len() + text + bytes
        };
        self.body.len() + self.attributes.iter().flatten().map(attribute).sum::<usize>()
    }
}

/// A message that can be sent to its queue.
#[derive(Debug)]
pub(crate) struct Checked {
    pub body: String,
    pub body_md5: String,
    pub attributes: BTreeMap<String, Attribute>,
    pub attributes_md5: Option<String>,
    pub trace: Option<String>,
    pub system_md5: Option<String>,
    pub delay_ms: i64,
    pub group: Option<String>,
    /// Always there for FIFO queues.
    pub deduplication: Option<String>,
}

/// XML 1.0's characters.
fn is_text(text: &str) -> bool {
    text.chars().all(|letter| {
        matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
    })
}

fn is_id(text: &str) -> bool {
    (1..=MAX_GROUP).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_id(given: Option<&String>, parameter: &str) -> Result<(), Error> {
    match given {
        Some(id) if !is_id(id) => Err(Error::value(
            id.chars().take(1024).collect::<String>(),
            parameter,
            &format!("{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."),
        )),
        _ => Ok(()),
    }
}

/// Checks a message for `queue`, all but its size.
///
/// # Errors
/// [`Error::Missing`], [`Error::Parameter`], [`Error::Contents`].
pub(crate) fn check(name: &QueueName, queue: &Queue, given: Given) -> Result<Checked, Error> {
    if given.body.is_empty() {
        return Err(Error::Missing("MessageBody"));
    }
    if !is_text(&given.body) {
        return Err(Error::Contents);
    }
    check_id(given.group.as_ref(), "MessageGroupId")?;
    check_id(given.deduplication.as_ref(), "MessageDeduplicationId")?;
    let attributes = attributes(given.attributes.unwrap_or_default())?;
    let (trace, system_md5) = trace(given.system.unwrap_or_default())?;
    let mut deduplication = given.deduplication;
    let delay = given.delay;
    if let Some(delay) = delay.filter(|delay| !(0..=MAX_DELAY).contains(delay)) {
        return Err(Error::value(
            delay,
            "DelaySeconds",
            "DelaySeconds must be >= 0 and <= 900.",
        ));
    }
    let mut delay_ms = queue.millis("DelaySeconds");
    if name.is_fifo() {
        if let Some(delay) = delay.filter(|delay| *delay != 0) {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(Error::value(delay, "DelaySeconds", reason));
        }
        if given.group.is_none() {
            return Err(Error::Missing("MessageGroupId"));
        }
        if deduplication.is_none() && queue.is("ContentBasedDeduplication") {
            deduplication = Some(content_id(&given.body));
        }
        if deduplication.is_none() {
            return Err(no_deduplication());
        }
    } else {
        if let Some(id) = &deduplication {
            let reason = "The request includes a parameter that is not valid for this queue type.";
            return Err(Error::value(id, "MessageDeduplicationId", reason));
        }
        delay_ms = delay.map_or(delay_ms, |seconds| i64::from(seconds) * 1000);
    }
    Ok(Checked {
        body_md5: digest::of_body(&given.body),
        body: given.body,
        attributes_md5: digest::of_attributes(&attributes),
        attributes,
        trace,
        system_md5,
        delay_ms,
        group: given.group,
        deduplication,
    })
}

pub(crate) fn no_deduplication() -> Error {
    Error::parameter(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )
}

/// The deduplication id that a body gives.
fn content_id(body: &str) -> String {
    hex::encode(Sha256::digest(body))
}

fn attributes(given: BTreeMap<String, MessageAttributeValue>) -> Result<BTreeMap<String, Attribute>, Error> {
    if given.len() > MOST_ATTRIBUTES {
        return Err(Error::parameter(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [{MOST_ATTRIBUTES}].",
            given.len()
        )));
    }
    given
        .into_iter()
        .map(|(name, value)| {
            check_name(&name)?;
            let lists = [
                value.string_list_values.is_some_and(|list| !list.is_empty()),
                value.binary_list_values.is_some_and(|list| !list.is_empty()),
            ];
            if lists.contains(&true) {
                return Err(Error::parameter(
                    "Message attribute list values in SendMessage operation are not supported.",
                ));
            }
            let attribute = attribute(&name, value.data_type, value.string_value, value.binary_value, "user")?;
            Ok((name, attribute))
        })
        .collect()
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.len() >= MAX_NAME {
        return Err(Error::parameter(
            "Message (user) attribute names must be shorter than 256 Bytes",
        ));
    }
    // Letters with accents are not documented and taken all the same.
    let letter = |letter: char| {
        letter.is_ascii_alphanumeric() || "_.-".contains(letter) || ('\u{c0}'..='\u{17f}').contains(&letter)
    };
    if name.is_empty() || !name.chars().all(letter) {
        return Err(Error::parameter(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens \
             and underscores. ",
        ));
    }
    let low = name.to_ascii_lowercase();
    let reserved = ["aws.", "amazon.", "."].iter().any(|prefix| low.starts_with(prefix)) || low.ends_with('.');
    if reserved || low.contains("..") {
        return Err(Error::parameter(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for \
             internal use. Additionally, they cannot start or end with '.'.",
        ));
    }
    Ok(())
}

/// Checks the type and value of an attribute; `whose` is `user` or `system`.
fn attribute(
    name: &str,
    kind: String,
    text: Option<String>,
    bytes: Option<danbi_wire::Blob>,
    whose: &str,
) -> Result<Attribute, Error> {
    if kind.is_empty() {
        return Err(Error::parameter(format!(
            "The message attribute '{name}' must contain non-empty message attribute type."
        )));
    }
    if kind.len() >= MAX_NAME {
        return Err(Error::parameter(format!(
            "Message ({whose}) attribute types must be shorter than 256 Bytes"
        )));
    }
    let base = kind.split('.').next().unwrap_or_default();
    let empty = |base: &str| {
        Error::parameter(format!(
            "Message ({whose}) attribute '{name}' must contain a non-empty value of type '{base}'."
        ))
    };
    match base {
        "String" | "Number" => {
            let text = text.filter(|text| !text.is_empty()).ok_or_else(|| empty("String"))?;
            if bytes.is_some_and(|bytes| !bytes.is_empty()) {
                return Err(Error::parameter(format!(
                    "Message ({whose}) attribute '{name}' has multiple values. Attribute values should be exactly one of: \
                     StringValue, BinaryValue."
                )));
            }
            if !is_text(&text) {
                return Err(Error::parameter(Error::Contents.to_string()));
            }
            if base == "Number" && text.trim().parse::<f64>().ok().is_none_or(|number| !number.is_finite()) {
                return Err(Error::parameter(format!(
                    "Can't cast the value of message ({whose}) attribute '{name}' to a number."
                )));
            }
            Ok(Attribute {
                kind,
                text: Some(text),
                bytes: None,
            })
        }
        "Binary" => {
            let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| empty("Binary"))?;
            Ok(Attribute {
                kind,
                text: None,
                bytes: Some(bytes),
            })
        }
        _ => Err(Error::parameter(format!(
            "The type of message ({whose}) attribute '{name}' is invalid. You must use only the following supported type \
             prefixes: Binary, Number, String."
        ))),
    }
}

/// `AWSTraceHeader`, the one system attribute that can be sent, and its MD5.
fn trace(given: BTreeMap<String, MessageSystemAttributeValue>) -> Result<(Option<String>, Option<String>), Error> {
    let mut kept = BTreeMap::new();
    for (name, value) in given {
        if name != "AWSTraceHeader" {
            return Err(Error::parameter(format!(
                "Message system attribute name '{name}' is invalid."
            )));
        }
        let checked = attribute(&name, value.data_type, value.string_value, value.binary_value, "system")?;
        if checked.text.is_none() {
            return Err(Error::parameter(
                "Message (system) attribute 'AWSTraceHeader' must be of type 'String'.",
            ));
        }
        kept.insert(name, checked);
    }
    let md5 = digest::of_attributes(&kept);
    Ok((kept.remove("AWSTraceHeader").and_then(|attribute| attribute.text), md5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: &str, text: &str) -> MessageAttributeValue {
        MessageAttributeValue {
            data_type: kind.into(),
            string_value: Some(text.into()),
            ..MessageAttributeValue::default()
        }
    }

    #[test]
    fn attributes_have_names_types_and_values() {
        let check = |name: &str, value: MessageAttributeValue| attributes(BTreeMap::from([(name.to_owned(), value)]));
        for (name, kind, text) in [
            ("a", "String", "x"),
            ("a.b-c_d", "Number.int", "-1.5e3"),
            ("ä", "String.label", "x"),
        ] {
            check(name, value(kind, text)).unwrap();
        }
        for (name, kind, text) in [
            ("AWS.x", "String", "x"),
            ("a.", "String", "x"),
            ("a b", "String", "x"),
            ("a", "Text", "x"),
            ("a", "", "x"),
            ("a", "String", ""),
            ("a", "Number", "one"),
            ("a", "Binary", "x"),
            ("a", "String", "\u{0}"),
        ] {
            assert!(check(name, value(kind, text)).is_err(), "{name} {kind} {text}");
        }
    }

    #[test]
    fn text_is_what_xml_can_hold() {
        assert!(is_text("a\t\n\r \u{1f600}"));
        assert!(!is_text("a\u{1}") && !is_text("\u{ffff}"));
    }
}
