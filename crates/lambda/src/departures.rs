//! What an asynchronous invocation sends elsewhere than to a function: the record of how it went to a topic, a queue or
//! an event bus that is its destination, and the event itself to a dead-letter topic or queue.
//!
//! It waits in an outbox, written in the commit that ends the event, and is sent as the function's role.
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.

use crate::Error;
use async_trait::async_trait;
use danbi_core::{Api, ApiCall, Arn, Principal, RequestContext, Scope, ServiceRoles};
use danbi_outbox::{Courier, Failure, Outbox, Parcel, Patience};
use danbi_store::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// How long it is tried.
const PATIENCE: Patience = Patience {
    retries: 185,
    max_age_ms: 86_400_000,
};

/// How Lambda reaches what is not a function.
#[derive(Clone)]
pub struct Reach {
    /// Topics, queues and event buses.
    pub api: Arc<dyn Api>,
    /// The functions' roles.
    pub roles: Arc<dyn ServiceRoles>,
}

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Departure {
    /// The topic, queue or event bus.
    pub to: String,
    pub role: String,
    /// The function, qualified, and its name.
    pub function: String,
    pub name: String,
    /// Whether the event succeeded.
    pub success: bool,
    /// For a dead letter: the request's id and the error's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<(String, String)>,
}

/// Whether an ARN names something of which `service` and form can be sent to.
pub(crate) fn is_destination(arn: &Arn) -> bool {
    match arn.service.as_str() {
        "sns" | "sqs" => true,
        "events" => arn.resource.starts_with("event-bus/"),
        _ => false,
    }
}

/// Puts it into the outbox, in the caller's transaction.
pub(crate) fn put(outbox: &Outbox, tx: &Transaction, departure: &Departure, body: &str, now: i64) -> Result<(), Error> {
    let header = serde_json::to_value(departure).map_err(Error::internal)?;
    let body = outbox.body(tx, body).map_err(Error::internal)?;
    outbox.put(tx, header, &body, now, PATIENCE).map_err(Error::internal)?;
    Ok(())
}

#[async_trait]
impl Courier for Reach {
    async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure> {
        let lasting = |error: String| Failure::lasting("InvalidParameterValueException", error);
        let departure: Departure =
            serde_json::from_value(parcel.header.clone()).map_err(|error| lasting(error.to_string()))?;
        let to: Arn = departure.to.parse().map_err(|error| lasting(format!("{error}")))?;
        let role: Arn = departure.role.parse().map_err(|error| lasting(format!("{error}")))?;
        let function: Arn = departure
            .function
            .parse()
            .map_err(|error| lasting(format!("{error}")))?;
        let scope = function.scope().unwrap_or_default();
        let acting = self
            .roles
            .act_as(&role, "lambda.amazonaws.com", &departure.name, None)
            .await;
        let principal = acting.map_err(|error| Failure::of(&error))?;
        let (service, operation, input) = request(&departure, &to, &parcel.body);
        self.call(scope, principal, ApiCall::new(service, operation, input))
            .await
    }

    async fn give_up(&self, parcel: &Parcel, failure: &Failure) -> Result<(), Failure> {
        tracing::warn!(to = %parcel.header["to"], function = %parcel.header["function"], code = failure.code, reason = failure.reason,
            "the destination of an asynchronous invocation could not be told");
        Ok(())
    }
}

impl Reach {
    async fn call(&self, scope: Scope, principal: Principal, call: ApiCall) -> Result<(), Failure> {
        let is_events = call.service == "events";
        let answer = self
            .api
            .call(&RequestContext::inside(scope, principal, None), call)
            .await;
        let answer = answer.map_err(|error| Failure::of(&error))?;
        match answer["Entries"][0]["ErrorCode"].as_str().filter(|_| is_events) {
            Some(code) => Err(Failure::lasting(
                code,
                answer["Entries"][0]["ErrorMessage"].as_str().unwrap_or_default(),
            )),
            None => Ok(()),
        }
    }
}

fn request(departure: &Departure, to: &Arn, body: &str) -> (&'static str, &'static str, Value) {
    let attributes = departure.dead_letter.as_ref().map(|(request_id, message)| {
        // Text longer than AWS's kilobyte is cut.
        let message: String = message.chars().take(1024).collect();
        json!({
            "RequestID": { "DataType": "String", "StringValue": request_id },
            "ErrorCode": { "DataType": "Number", "StringValue": "200" },
            "ErrorMessage": { "DataType": "String", "StringValue": message },
        })
    });
    let (service, operation, mut input) = match to.service.as_str() {
        "sns" => ("sns", "Publish", json!({ "TopicArn": to.to_string(), "Message": body })),
        "sqs" => (
            "sqs",
            "SendMessage",
            json!({ "QueueUrl": to.queue_url(), "MessageBody": body }),
        ),
        _ => {
            let outcome = if departure.success { "Success" } else { "Failure" };
            let entry = json!({
                "Source": "lambda", "DetailType": format!("Lambda Function Invocation Result - {outcome}"), "Detail": body,
                "Resources": [to.to_string(), departure.function], "EventBusName": to.to_string(),
            });
            ("events", "PutEvents", json!({ "Entries": [entry] }))
        }
    };
    if let Some(attributes) = attributes {
        input["MessageAttributes"] = attributes;
    }
    (service, operation, input)
}
