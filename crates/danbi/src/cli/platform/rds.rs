//! RDS's operations, in AWS's query protocol.

use super::client::{Call, encode};
use super::xml::Element;
use super::{Failure, Platform};
use http::Method;
use serde_json::Value;

impl Platform {
    /// Calls an operation of RDS; the answer is what stands in its result.
    ///
    /// # Errors
    /// The platform's own error, with its code.
    pub async fn rds(&self, what: &str, operation: &str, parameters: &[(&str, String)]) -> Result<Element, Failure> {
        let mut body = format!("Action={operation}&Version=2014-10-31");
        for (name, value) in parameters {
            body.push_str(&format!("&{name}={}", encode(value)));
        }
        let mut call = Call::new("rds", Method::POST, "/".into(), &Value::Null);
        call.body = body.into();
        call.headers.push((
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8".into(),
        ));
        let reply = self
            .call(what, call)
            .await
            .map_err(|failure| match failure.error_code() {
                Some("DBInstanceNotFound") => {
                    failure.next("`danbi db list` shows the databases, `danbi db create` makes one")
                }
                _ => failure,
            })?;
        let document = Element::parse(&reply.body).ok_or_else(|| Failure::new(what, "the answer is no XML"))?;
        let result = document
            .children
            .into_iter()
            .find(|child| child.name.ends_with("Result"));
        Ok(result.unwrap_or_default())
    }
}
