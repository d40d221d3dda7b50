//! Topic names and ARNs.

use crate::Error;
use danbi_core::{Arn, Scope, Timestamp};

/// A topic, by whose it is and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicName {
    pub scope: Scope,
    pub name: String,
}

impl TopicName {
    /// The topic that an ARN names; `parameter` is how errors call it.
    pub(crate) fn of_arn(text: &str, parameter: &str) -> Result<Self, Error> {
        let elements = text.split(':').count();
        if elements < 6 {
            return Err(Error::Invalid(format!(
                "{parameter} Reason: An ARN must have at least 6 elements, not {elements}"
            )));
        }
        let arn: Option<Arn> = text.parse().ok().filter(|arn: &Arn| arn.service == "sns");
        let topic = arn.and_then(|arn| {
            Some(Self {
                scope: arn.scope()?,
                name: arn.resource,
            })
        });
        topic
            .filter(|topic| !topic.name.contains(':'))
            .ok_or_else(|| Error::invalid(parameter))
    }

    pub(crate) fn arn(&self) -> String {
        Arn::new("sns", &self.scope, self.name.as_str()).to_string()
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.name.ends_with(".fifo")
    }
}

/// A subscription, by its topic and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubscriptionName {
    pub topic: TopicName,
    pub id: String,
}

impl SubscriptionName {
    /// The subscription that an ARN names.
    pub(crate) fn of_arn(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::invalid(
                "SubscriptionArn Reason: no value for required parameter",
            ));
        }
        let elements = text.split(':').count();
        if elements < 6 {
            let message = format!("SubscriptionArn Reason: An ARN must have at least 6 elements, not {elements}");
            return Err(Error::Invalid(message));
        }
        let wrong = || Error::invalid("SubscriptionId");
        let (topic, id) = text.rsplit_once(':').ok_or_else(wrong)?;
        let topic = TopicName::of_arn(topic, "SubscriptionArn").map_err(|_| wrong())?;
        Ok(Self {
            topic,
            id: id.to_owned(),
        })
    }

    pub(crate) fn arn(&self) -> String {
        format!("{}:{}", self.topic.arn(), self.id)
    }
}

/// Whether a topic may be called so: letters, digits, hyphens and underscores, 1 to 256; `.fifo` at the end counts.
pub(crate) fn is_topic_name(name: &str) -> bool {
    let plain = name.strip_suffix(".fifo").unwrap_or(name);
    !plain.is_empty()
        && name.len() <= 256
        && plain
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// `2026-01-02T03:04:05.678Z`.
pub(crate) fn iso_time(ms: i64) -> String {
    let at = Timestamp::from_millis(ms).to_datetime();
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}
