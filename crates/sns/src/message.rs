//! What is checked of a message, and how it waits for its deliveries.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>.

use crate::Error;
use crate::names::TopicName;
use crate::records::Topic;
use crate::shapes::MessageAttributeValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The most bytes of a message with its attributes, and of all messages of a batch.
pub(crate) const MAX_BYTES: usize = 262_144;

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    /// `String`, `Number`, `Binary`, `String.Array` or one of these with a label.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub string: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<String>,
}

/// A message as it waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Publication {
    pub id: String,
    pub topic: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub message: String,
    /// What some protocols are told instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_protocol: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    pub at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deduplication: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    pub signature_version: String,
}

/// What a client publishes, alone or in a batch.
pub(crate) struct Given {
    pub message: String,
    pub subject: Option<String>,
    pub structure: Option<String>,
    pub attributes: Option<BTreeMap<String, MessageAttributeValue>>,
    pub deduplication: Option<String>,
    pub group: Option<String>,
}

impl Given {
    /// Bytes as SNS counts them.
    pub(crate) fn size(&self) -> usize {
        let attributes = self.attributes.iter().flatten().map(|(name, value)| {
            let string = value.string_value.as_ref().map_or(0, String::len);
            let binary = value.binary_value.as_ref().map_or(0, |blob| blob.0.len());
            name.len() + value.data_type.len() + string + binary
        });
        self.message.len() + attributes.sum::<usize>()
    }

    /// Checks it all and makes it ready.
    pub(crate) fn check(self, name: &TopicName, topic: &Topic, id: String, at: i64) -> Result<Publication, Error> {
        if self.message.is_empty() {
            return Err(Error::invalid("Empty message"));
        }
        if self.size() > MAX_BYTES {
            return Err(Error::invalid("Message too long"));
        }
        if let Some(subject) = &self.subject {
            let plain = |c: char| !c.is_control();
            if subject.is_empty()
                || subject.chars().count() > 100
                || !subject.chars().all(plain)
                || subject.starts_with(' ')
            {
                return Err(Error::invalid("Subject"));
            }
        }
        let (message, by_protocol) = structured(self.message, self.structure.as_deref())?;
        let attributes = attributes(self.attributes.unwrap_or_default())?;
        let deduplication = self.deduplication.clone();
        let deduplication = match (name.is_fifo(), deduplication) {
            (true, _) if self.group.is_none() => {
                return Err(Error::invalid(
                    "The MessageGroupId parameter is required for FIFO topics",
                ));
            }
            (true, Some(id)) => Some(id),
            (true, None) if topic.is("ContentBasedDeduplication") => Some(digest(&message)),
            (true, None) => {
                return Err(Error::invalid(
                    "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
                ));
            }
            (false, Some(_)) => {
                return Err(Error::invalid(
                    "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not valid for this topic type",
                ));
            }
            (false, None) => None,
        };
        Ok(Publication {
            id,
            topic: name.arn(),
            subject: self.subject,
            message,
            by_protocol,
            attributes,
            at,
            group: self.group,
            deduplication,
            sequence: None,
            signature_version: topic
                .attributes
                .get("SignatureVersion")
                .cloned()
                .unwrap_or_else(|| "1".into()),
        })
    }
}

fn digest(text: &str) -> String {
    danbi_core::hex::encode(Sha256::digest(text.as_bytes()))
}

/// The message for everybody, and those for some protocols, of `MessageStructure=json`.
fn structured(message: String, structure: Option<&str>) -> Result<(String, BTreeMap<String, String>), Error> {
    match structure {
        None | Some("") => return Ok((message, BTreeMap::new())),
        Some("json") => {}
        Some(_) => return Err(Error::invalid("MessageStructure")),
    }
    let Ok(Value::Object(members)) = serde_json::from_str(&message) else {
        return Err(Error::invalid("Message Structure - JSON message body failed to parse"));
    };
    let mut texts: BTreeMap<String, String> = members
        .into_iter()
        .filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            // AWS takes no other values; they are passed over.
            _ => None,
        })
        .collect();
    match texts.remove("default") {
        Some(default) => Ok((default, texts)),
        None => Err(Error::invalid(
            "Message Structure - No default entry in JSON message body",
        )),
    }
}

fn attributes(given: BTreeMap<String, MessageAttributeValue>) -> Result<BTreeMap<String, Attribute>, Error> {
    use base64::Engine as _;
    let mut attributes = BTreeMap::new();
    for (name, value) in given {
        check_name(&name)?;
        let kind = value.data_type;
        let prefix = kind.split('.').next().unwrap_or_default();
        let wrong_field = |field: &str| {
            Error::Value(format!(
                "The message attribute '{name}' with type '{kind}' must use field '{field}'."
            ))
        };
        let empty = || {
            Error::Value(format!(
                "The message attribute '{name}' must contain non-empty message attribute value for message attribute type '{kind}'."
            ))
        };
        let attribute = match (prefix, value.string_value, value.binary_value) {
            ("String" | "Number", None, Some(_)) => return Err(wrong_field("String")),
            ("Binary", Some(_), None) => return Err(wrong_field("Binary")),
            ("String" | "Number", Some(text), _) if !text.is_empty() => Attribute {
                kind,
                string: Some(text),
                binary: None,
            },
            ("Binary", _, Some(blob)) if !blob.0.is_empty() => {
                let binary = base64::engine::general_purpose::STANDARD.encode(&blob.0);
                Attribute {
                    kind,
                    string: None,
                    binary: Some(binary),
                }
            }
            ("String" | "Number" | "Binary", _, _) => return Err(empty()),
            _ => {
                return Err(Error::Value(format!(
                    "The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
                )));
            }
        };
        attributes.insert(name, attribute);
    }
    Ok(attributes)
}

fn check_name(name: &str) -> Result<(), Error> {
    let wrong = |message: String| Err(Error::Value(message));
    if name.is_empty() || name.len() > 256 {
        return wrong("Length of message attribute name must be less than 256 bytes.".into());
    }
    if let Some(found) = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
    {
        return wrong(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(found)
        ));
    }
    if name.starts_with('.') {
        return wrong("Invalid message attribute name starting with character '.' was found.".into());
    }
    if name.ends_with('.') {
        return wrong("Invalid message attribute name ending with character '.' was found.".into());
    }
    if name.contains("..") {
        return wrong("Message attribute name can not have successive '.' character.".into());
    }
    Ok(())
}
