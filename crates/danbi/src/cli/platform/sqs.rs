//! SQS's operations, in its own JSON.

use super::client::Call;
use super::{Failure, Platform};
use http::Method;
use serde_json::Value;

impl Platform {
    /// Calls an operation of SQS.
    ///
    /// # Errors
    /// The platform's own error, with its code.
    pub async fn sqs(&self, what: &str, operation: &str, input: &Value) -> Result<Value, Failure> {
        let mut call = Call::new("sqs", Method::POST, "/".into(), input);
        call.headers.push(("content-type", "application/x-amz-json-1.0".into()));
        call.headers.push(("x-amz-target", format!("AmazonSQS.{operation}")));
        let reply = self
            .call(what, call)
            .await
            .map_err(|failure| match failure.error_code() {
                Some("QueueDoesNotExist") => {
                    failure.next("`danbi queue ls` shows the queues, `danbi queue create` makes one")
                }
                _ => failure,
            })?;
        match reply.body.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_slice(&reply.body).map_err(|error| Failure::new(what, error)),
        }
    }
}
