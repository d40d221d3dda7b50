//! One batch on its way to the function: retries, halves, partial failures, and what is given up.

use super::Mapping;
use super::discarded::{Discarded, arrived_ms};
use crate::Error;
use crate::lambda::Lambda;
use bytes::Bytes;
use danbi_runtime::{Invocation, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The mapping was changed or deleted, or the platform ends: what is not done with is read again.
#[derive(Debug)]
pub(super) struct Stopped;

/// Records, and how often they failed together.
struct Part {
    records: Vec<Value>,
    failures: u32,
}

/// The answer of a function that reports failures one by one.
#[derive(Deserialize)]
struct Report {
    #[serde(rename = "batchItemFailures", default)]
    failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "itemIdentifier", default)]
    identifier: Option<String>,
}

/// How much of a batch is done with.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    All,
    /// The first so many.
    Only(usize),
}

/// Reads a report: the first record that failed, and all behind it, are to come again.
fn done(answer: &[u8], records: &[Value]) -> Done {
    let report: Option<Report> = match answer {
        b"" | b"null" => Some(Report { failures: None }),
        answer => serde_json::from_slice(answer).ok(),
    };
    // What is no report says that everything failed.
    let Some(report) = report else { return Done::Only(0) };
    let mut first = records.len();
    for failure in report.failures.unwrap_or_default() {
        let identifier = failure.identifier.unwrap_or_default();
        let of = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str() == Some(&identifier);
        match records.iter().position(of) {
            Some(at) if !identifier.is_empty() => first = first.min(at),
            _ => return Done::Only(0),
        }
    }
    if first == records.len() {
        Done::All
    } else {
        Done::Only(first)
    }
}

impl Lambda {
    /// Delivers records, in their order, or gives them up as the mapping says.
    pub(super) async fn deliver(
        &self,
        mapping: &Mapping,
        shard: &str,
        records: Vec<Value>,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Stopped> {
        let mut parts = vec![Part { records, failures: 0 }];
        let mut pauses = 0;
        while let Some(mut part) = parts.pop() {
            if *stop.borrow() {
                return Err(Stopped);
            }
            self.give_up_old(mapping, shard, &mut part).await;
            if part.records.is_empty() {
                continue;
            }
            let request_id = Uuid::new_v4().to_string();
            let invoked = self.invoke_with(mapping, &part.records, &request_id).await;
            let (outcome, version) = match invoked {
                Ok(invoked) => invoked,
                // The function could not run at all: that is nothing that the records have done.
                Err(error) => {
                    self.note_result(mapping, &format!("PROBLEM: {error}")).await;
                    parts.push(part);
                    pauses += 1;
                    self.pause(pauses, stop).await?;
                    continue;
                }
            };
            let done = match outcome.function_error {
                None if mapping.report_failures => done(&outcome.payload, &part.records),
                None => Done::All,
                Some(_) => Done::Only(0),
            };
            let Done::Only(count) = done else {
                self.note_result(mapping, "OK").await;
                pauses = 0;
                continue;
            };
            self.note_result(mapping, "PROBLEM: Function call failed").await;
            part.records.drain(..count);
            if mapping.bisect && part.records.len() > 1 {
                // Taking a batch apart is no retry: its halves have as many left.
                let behind = part.records.split_off(part.records.len() / 2);
                parts.push(Part {
                    records: behind,
                    failures: part.failures,
                });
                parts.push(part);
                continue;
            }
            part.failures += 1;
            let invocations = part.failures;
            if u32::try_from(mapping.max_retries).is_ok_and(|most| invocations > most) {
                let discarded = Discarded {
                    shard,
                    records: &part.records,
                    condition: "RetryAttemptsExhausted",
                    invocations,
                    request_id: &request_id,
                    response: Some((&version, outcome.function_error.unwrap_or("Unhandled"))),
                };
                self.tell_discarded(mapping, discarded).await;
                pauses = 0;
                continue;
            }
            parts.push(part);
            pauses += 1;
            self.pause(pauses, stop).await?;
        }
        Ok(())
    }

    async fn give_up_old(&self, mapping: &Mapping, shard: &str, part: &mut Part) {
        let most = i64::from(mapping.max_age_secs);
        if most < 0 {
            return;
        }
        let oldest = self.now_ms() - most * 1000;
        let old = part
            .records
            .iter()
            .take_while(|record| arrived_ms(record) < oldest)
            .count();
        if old == 0 {
            return;
        }
        let behind = part.records.split_off(old);
        let discarded = Discarded {
            shard,
            records: &part.records,
            condition: "RecordAgeExceeded",
            invocations: part.failures,
            request_id: &Uuid::new_v4().to_string(),
            response: None,
        };
        self.tell_discarded(mapping, discarded).await;
        part.records = behind;
    }

    pub(super) async fn invoke_with(
        &self,
        mapping: &Mapping,
        records: &[Value],
        request_id: &str,
    ) -> Result<(Outcome, String), Error> {
        let reference = mapping
            .reference()
            .ok_or_else(|| Error::internal("a mapping names no function"))?;
        let admitted = self.admit(&reference).await?;
        let invocation = Invocation {
            request_id: request_id.to_owned(),
            payload: Bytes::from(json!({ "Records": records }).to_string()),
            invoked_arn: reference.arn().to_string(),
            ..Invocation::default()
        };
        let outcome = self.executor.invoke(admitted.spec.clone(), invocation).await?;
        Ok((outcome, admitted.spec.version.clone()))
    }

    /// Waits longer each time.
    async fn pause(&self, pauses: u32, stop: &watch::Receiver<bool>) -> Result<(), Stopped> {
        let doubled = self
            .options
            .source_retry
            .saturating_mul(1 << pauses.saturating_sub(1).min(10));
        let mut stop = stop.clone();
        tokio::select! {
            () = tokio::time::sleep(doubled.min(MAX_PAUSE)) => Ok(()),
            // When nobody can tell any more, it is over as well.
            _ = stop.wait_for(|stop| *stop) => Err(Stopped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_where_to_begin_again() {
        let records: Vec<Value> = ["1", "2", "3"]
            .iter()
            .map(|number| json!({"dynamodb": {"SequenceNumber": number}}))
            .collect();
        for (answer, expected) in [
            ("", Done::All),
            ("null", Done::All),
            ("{}", Done::All),
            (r#"{"batchItemFailures":[]}"#, Done::All),
            (r#"{"batchItemFailures":null}"#, Done::All),
            (
                r#"{"batchItemFailures":[{"itemIdentifier":"3"},{"itemIdentifier":"2"}]}"#,
                Done::Only(1),
            ),
            (r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#, Done::Only(0)),
            (r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#, Done::Only(0)),
            (r#"{"batchItemFailures":[{"other":"2"}]}"#, Done::Only(0)),
            (r#"{"batchItemFailures":[{"itemIdentifier":"9"}]}"#, Done::Only(0)),
            (r#"{"batchItemFailures":7}"#, Done::Only(0)),
            ("\"text\"", Done::Only(0)),
        ] {
            assert_eq!(done(answer.as_bytes(), &records), expected, "{answer}");
        }
    }
}
