//! CloudWatch Logs, as far as the verbs need it.

use super::client::Call;
use super::{Failure, Platform};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which log lines.
#[derive(Debug, Clone, Default)]
pub struct LogQuery<'a> {
    /// The group.
    pub group: &'a str,
    /// Only these streams; all when empty.
    pub streams: Vec<String>,
    /// A filter pattern; everything when empty.
    pub pattern: &'a str,
    /// Milliseconds since the epoch, inclusive.
    pub from: Option<i64>,
    /// Milliseconds since the epoch, exclusive.
    pub until: Option<i64>,
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogRecord {
    /// The stream.
    pub log_stream_name: String,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The text.
    pub message: String,
    /// Unique in the group.
    pub event_id: String,
}

impl Platform {
    /// Every line that `query` names, in the order of time. A group that does not exist (yet) has no lines.
    pub async fn log_lines(&self, query: &LogQuery<'_>) -> Result<Vec<LogRecord>, Failure> {
        let mut lines: Vec<LogRecord> = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut body = json!({"logGroupName": query.group, "limit": 10_000});
            let members = [
                ("startTime", query.from.map(Value::from)),
                ("endTime", query.until.map(Value::from)),
                ("nextToken", token.map(Value::from)),
                (
                    "filterPattern",
                    (!query.pattern.is_empty()).then(|| query.pattern.into()),
                ),
                (
                    "logStreamNames",
                    (!query.streams.is_empty()).then(|| json!(query.streams)),
                ),
            ];
            for (name, value) in members {
                if let Some(value) = value {
                    body[name] = value;
                }
            }
            let outcome = self
                .logs::<Value>("cannot read the logs", "FilterLogEvents", &body)
                .await;
            let mut answer = match outcome {
                Err(failure) if failure.is("ResourceNotFoundException") => return Ok(lines),
                outcome => outcome?,
            };
            lines.extend(serde_json::from_value::<Vec<LogRecord>>(answer["events"].take()).unwrap_or_default());
            token = answer["nextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                lines.sort_by_key(|line| line.timestamp);
                return Ok(lines);
            }
        }
    }

    /// Deletes a group; it may be gone already.
    pub async fn delete_log_group(&self, group: &str) -> Result<(), Failure> {
        match self
            .logs::<Value>(
                "cannot delete the logs",
                "DeleteLogGroup",
                &json!({"logGroupName": group}),
            )
            .await
        {
            Err(failure) if !failure.is("ResourceNotFoundException") => Err(failure),
            _ => Ok(()),
        }
    }

    async fn logs<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        operation: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let mut call = Call::new("logs", Method::POST, "/".into(), body);
        call.headers
            .push(("x-amz-target", format!("Logs_20140328.{operation}")));
        call.headers.push(("content-type", "application/x-amz-json-1.1".into()));
        self.json(what, call).await
    }
}
