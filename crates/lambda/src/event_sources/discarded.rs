//! What a destination is told about records that were given up. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>.

use super::Mapping;
use crate::lambda::Lambda;
use crate::records::iso_date;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use danbi_core::{ApiCall, Arn};
use serde_json::{Value, json};
use std::time::Duration;

/// How often a destination is told, and the pause between.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Records that are given up, and why.
pub(super) struct Discarded<'d> {
    pub shard: &'d str,
    pub records: &'d [Value],
    /// `RetryAttemptsExhausted` or `RecordAgeExceeded`.
    pub condition: &'static str,
    pub invocations: u32,
    pub request_id: &'d str,
    /// Which version ran, and how it failed.
    pub response: Option<(&'d str, &'d str)>,
}

fn sequence(record: &Value) -> &str {
    record["dynamodb"]["SequenceNumber"].as_str().unwrap_or_default()
}

/// When a record arrived, in milliseconds since the epoch.
pub(super) fn arrived_ms(record: &Value) -> i64 {
    let seconds = record["dynamodb"]["ApproximateCreationDateTime"]
        .as_f64()
        .unwrap_or(0.0);
    (seconds * 1000.0) as i64
}

fn to_the_second(ms: i64) -> String {
    // `…T00:13:19.000Z` without its fraction.
    let text = iso_date(ms);
    text.split_once('.')
        .map_or(text.clone(), |(whole, _)| format!("{whole}Z"))
}

fn document(mapping: &Mapping, function_arn: &str, discarded: &Discarded<'_>, now_ms: i64) -> Value {
    let (first, last) = (discarded.records.first(), discarded.records.last());
    let at = |record: Option<&Value>| to_the_second(record.map_or(0, arrived_ms));
    let mut document = json!({
        "requestContext": {
            "requestId": discarded.request_id,
            "functionArn": function_arn,
            "condition": discarded.condition,
            "approximateInvokeCount": discarded.invocations,
        },
        "version": "1.0",
        "timestamp": iso_date(now_ms),
        "DDBStreamBatchInfo": {
            "shardId": discarded.shard,
            "startSequenceNumber": first.map_or("", sequence),
            "endSequenceNumber": last.map_or("", sequence),
            "approximateArrivalOfFirstRecord": at(first),
            "approximateArrivalOfLastRecord": at(last),
            "batchSize": discarded.records.len(),
            "streamArn": mapping.source,
        },
    });
    if let Some((version, error)) = discarded.response {
        document["responseContext"] = json!({"statusCode": 200, "executedVersion": version, "functionError": error});
    }
    document
}

/// The call that tells a destination; `None` for what is none.
fn call(
    mapping: &Mapping,
    destination: &str,
    shard: &str,
    mut document: Value,
    records: &[Value],
    now_ms: i64,
) -> Option<ApiCall> {
    let arn: Arn = destination.parse().ok()?;
    match arn.service.as_str() {
        "sns" => {
            let input = json!({"TopicArn": destination, "Message": document.to_string()});
            Some(ApiCall::new("sns", "Publish", input))
        }
        "sqs" => {
            let input = json!({"QueueUrl": arn.queue_url(), "MessageBody": document.to_string()});
            Some(ApiCall::new("sqs", "SendMessage", input))
        }
        "s3" => {
            // Only a bucket is told what the records were.
            document["payload"] = json!({"Records": records}).to_string().into();
            let time = iso_date(now_ms);
            let (day, clock) = time.split_once('T')?;
            let clock = clock
                .split_once('.')
                .map_or(clock, |(whole, _)| whole)
                .replace(':', ".");
            let key = format!(
                "aws/lambda/{}/{shard}/{}/{day}T{clock}-{}",
                mapping.uuid,
                day.replace('-', "/"),
                uuid::Uuid::new_v4()
            );
            let body = document.to_string();
            let input = json!({
                "Bucket": arn.resource,
                "Key": key,
                "ContentType": "application/json",
                "ContentLength": body.len(),
                "Body": STANDARD.encode(body),
            });
            Some(ApiCall::new("s3", "PutObject", input))
        }
        _ => None,
    }
}

impl Lambda {
    /// Tells the mapping's destination, if it has one. A destination that cannot be told is told again a few times, and
    /// then the records are in the platform's log only: the stream must go on.
    pub(super) async fn tell_discarded(&self, mapping: &Mapping, discarded: Discarded<'_>) {
        let function_arn = mapping
            .reference()
            .map_or(String::new(), |function| function.arn().to_string());
        let (count, condition) = (discarded.records.len(), discarded.condition);
        tracing::warn!(
            mapping = mapping.uuid,
            shard = discarded.shard,
            count,
            condition,
            "records of a stream were given up"
        );
        let (Some(destination), Some(api), Some(context)) = (&mapping.on_failure, &self.api, mapping.context()) else {
            return;
        };
        let now = self.now_ms();
        let document = document(mapping, &function_arn, &discarded, now);
        let Some(call) = call(mapping, destination, discarded.shard, document, discarded.records, now) else {
            return;
        };
        for attempt in 1..=ATTEMPTS {
            match api.call(&context, call.clone()).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(
                    mapping = mapping.uuid,
                    destination,
                    attempt,
                    code = error.code,
                    message = error.message,
                    "a destination could not be told of records that were given up"
                ),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
