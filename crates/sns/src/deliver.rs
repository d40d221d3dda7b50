//! The courier: functions get AWS's `Records`, queues the notification's document or the message itself.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>,
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>.

use crate::message::{Attribute, Publication};
use crate::names::{SubscriptionName, iso_time};
use async_trait::async_trait;
use danbi_core::{
    Api, ApiCall, Arn, InvocationType, InvokeRequest, Invoker, Principal, RequestContext, SourceResource,
};
use danbi_outbox::{Courier, Failure, Parcel, Patience};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What the outbox keeps of a delivery besides the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    /// The subscription's ARN.
    pub subscription: String,
    pub protocol: String,
    pub endpoint: String,
    pub raw: bool,
    /// The redrive policy, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redrive: Option<String>,
}

impl Header {
    /// As long as AWS tries to reach its own services: 23 days. Source:
    /// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>.
    pub(crate) const PATIENCE: Patience = Patience {
        retries: 100_015,
        max_age_ms: 23 * 86_400_000,
    };
}

/// The other parts of the platform.
pub(crate) struct Deliveries {
    pub invoker: Arc<dyn Invoker>,
    pub api: Arc<dyn Api>,
}

fn read(parcel: &Parcel) -> Result<(Header, Publication, SubscriptionName), Failure> {
    let broken = |error: serde_json::Error| Failure::lasting("InternalError", error.to_string());
    let header: Header = serde_json::from_value(parcel.header.clone()).map_err(broken)?;
    let publication = serde_json::from_str(&parcel.body).map_err(broken)?;
    let name = SubscriptionName::of_arn(&header.subscription)
        .map_err(|error| Failure::lasting("InternalError", error.to_string()))?;
    Ok((header, publication, name))
}

/// SNS's own name, for the topic.
fn context(name: &SubscriptionName) -> RequestContext {
    let source = SourceResource {
        arn: name.topic.arn(),
        account: name.topic.scope.account.clone(),
    };
    RequestContext::inside(
        name.topic.scope.clone(),
        Principal::Service("sns.amazonaws.com".into()),
        Some(source),
    )
}

#[async_trait]
impl Courier for Deliveries {
    async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure> {
        let (header, publication, name) = read(parcel)?;
        let arn: Arn = header
            .endpoint
            .parse()
            .map_err(|_| Failure::lasting("InvalidParameter", "the endpoint is no ARN"))?;
        match header.protocol.as_str() {
            "lambda" => {
                let request = InvokeRequest {
                    function: arn,
                    invocation_type: InvocationType::Event,
                    payload: records(&header, &publication).to_string().into(),
                    trace_id: None,
                };
                match self.invoker.invoke(&context(&name), request).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(Failure::of(&error)),
                }
            }
            "sqs" => self.send(&name, &arn, &header, &publication).await,
            other => Err(Failure::lasting(
                "NotImplementedException",
                format!("Deliveries by {other} are not built."),
            )),
        }
    }

    async fn give_up(&self, parcel: &Parcel, failure: &Failure) -> Result<(), Failure> {
        let (header, publication, name) = read(parcel)?;
        let policy: Option<Value> = header.redrive.as_ref().and_then(|text| serde_json::from_str(text).ok());
        let queue = policy.and_then(|policy| policy["deadLetterTargetArn"].as_str()?.parse::<Arn>().ok());
        let Some(queue) = queue else {
            tracing::warn!(
                subscription = header.subscription,
                code = failure.code,
                reason = failure.reason,
                "a message is given up"
            );
            return Ok(());
        };
        self.send(&name, &queue, &header, &publication).await
    }
}

impl Deliveries {
    async fn send(
        &self,
        name: &SubscriptionName,
        queue: &Arn,
        header: &Header,
        publication: &Publication,
    ) -> Result<(), Failure> {
        let mut input = json!({
            "QueueUrl": queue.queue_url(),
        });
        if header.raw {
            input["MessageBody"] = message_for(header, publication).into();
            if !publication.attributes.is_empty() {
                let attributes = publication
                    .attributes
                    .iter()
                    .map(|(name, Attribute { kind, string, binary })| {
                        let value = match binary {
                            Some(binary) => json!({ "DataType": kind, "BinaryValue": binary }),
                            None => json!({ "DataType": kind, "StringValue": string }),
                        };
                        (name.clone(), value)
                    });
                input["MessageAttributes"] = Value::Object(attributes.collect());
            }
        } else {
            input["MessageBody"] = notification(header, publication).to_string().into();
        }
        if queue.resource.ends_with(".fifo") {
            input["MessageGroupId"] = publication.group.clone().into();
            input["MessageDeduplicationId"] = publication.deduplication.clone().into();
        }
        match self
            .api
            .call(&context(name), ApiCall::new("sqs", "SendMessage", input))
            .await
        {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::of(&error)),
        }
    }
}

fn message_for<'p>(header: &Header, publication: &'p Publication) -> &'p str {
    publication
        .by_protocol
        .get(&header.protocol)
        .unwrap_or(&publication.message)
}

fn attributes(publication: &Publication) -> Value {
    let shown = publication
        .attributes
        .iter()
        .map(|(name, Attribute { kind, string, binary })| {
            (
                name.clone(),
                json!({ "Type": kind, "Value": binary.as_ref().or(string.as_ref()) }),
            )
        });
    Value::Object(shown.collect())
}

fn region(publication: &Publication) -> &str {
    publication.topic.split(':').nth(3).unwrap_or_default()
}

fn certificate_url(publication: &Publication) -> String {
    format!(
        "https://sns.{}.amazonaws.com/SimpleNotificationService.pem",
        region(publication)
    )
}

fn unsubscribe_url(header: &Header, publication: &Publication) -> String {
    let region = region(publication);
    format!(
        "https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={}",
        header.subscription
    )
}

/// What a function is given.
fn records(header: &Header, publication: &Publication) -> Value {
    json!({
        "Records": [{
            "EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": header.subscription,
            "Sns": {
                "Type": "Notification", "MessageId": publication.id, "TopicArn": publication.topic,
                "Subject": publication.subject, "Message": message_for(header, publication),
                "Timestamp": iso_time(publication.at), "SignatureVersion": publication.signature_version, "Signature": "",
                "SigningCertUrl": certificate_url(publication), "UnsubscribeUrl": unsubscribe_url(header, publication),
                "MessageAttributes": attributes(publication),
            },
        }],
    })
}

/// What a queue is given, unless it wants the message itself.
fn notification(header: &Header, publication: &Publication) -> Value {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.into(), value);
    put("Type", "Notification".into());
    put("MessageId", publication.id.clone().into());
    if let Some(sequence) = &publication.sequence {
        put("SequenceNumber", sequence.clone().into());
    }
    put("TopicArn", publication.topic.clone().into());
    if let Some(subject) = &publication.subject {
        put("Subject", subject.clone().into());
    }
    put("Message", message_for(header, publication).into());
    put("Timestamp", iso_time(publication.at).into());
    if publication.sequence.is_none() {
        put("SignatureVersion", publication.signature_version.clone().into());
        put("Signature", "".into());
        put("SigningCertURL", certificate_url(publication).into());
    }
    put("UnsubscribeURL", unsubscribe_url(header, publication).into());
    if !publication.attributes.is_empty() {
        put("MessageAttributes", attributes(publication));
    }
    Value::Object(document)
}
