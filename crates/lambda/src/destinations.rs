//! The record that an asynchronous invocation sends to its destination. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>.

use crate::Error;
use crate::records::iso_date;
use bytes::Bytes;
use danbi_runtime::Outcome;
use serde::Serialize;
use serde_json::value::RawValue;

/// How an asynchronous invocation went.
pub(crate) struct Report<'a> {
    pub now_ms: i64,
    pub request_id: &'a str,
    /// Qualified.
    pub function_arn: &'a str,
    /// `Success`, `RetriesExhausted`, `EventAgeExceeded` or `ZeroReservedConcurrency`.
    pub condition: &'a str,
    pub attempts: u32,
    pub request: &'a [u8],
    /// The last attempt's outcome and the version that ran, when it ran.
    pub outcome: Option<(&'a Outcome, &'a str)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    version: &'static str,
    timestamp: String,
    request_context: RequestContext<'a>,
    request_payload: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_context: Option<ResponseContext<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_payload: Option<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    request_id: &'a str,
    function_arn: &'a str,
    condition: &'a str,
    approximate_invoke_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResponseContext<'a> {
    status_code: u16,
    executed_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_error: Option<&'static str>,
}

/// The record's JSON.
pub(crate) fn record(report: &Report<'_>) -> Result<Bytes, Error> {
    let response_payload = report
        .outcome
        .map(|(outcome, _)| answer(&outcome.payload))
        .transpose()?;
    let record = Record {
        version: "1.0",
        timestamp: iso_date(report.now_ms),
        request_context: RequestContext {
            request_id: report.request_id,
            function_arn: report.function_arn,
            condition: report.condition,
            approximate_invoke_count: report.attempts,
        },
        request_payload: serde_json::from_slice(report.request).map_err(Error::internal)?,
        response_context: report.outcome.map(|(outcome, version)| ResponseContext {
            status_code: 200,
            executed_version: version,
            function_error: outcome.function_error,
        }),
        response_payload,
    };
    Ok(serde_json::to_vec(&record).map_err(Error::internal)?.into())
}

/// A function's answer as JSON: as it is, or as a JSON string when it is none.
fn answer(payload: &[u8]) -> Result<Box<RawValue>, Error> {
    match serde_json::from_slice(payload) {
        Ok(raw) => Ok(raw),
        Err(_) => {
            let text = String::from_utf8_lossy(payload);
            serde_json::value::to_raw_value(&text).map_err(Error::internal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_awss_does() {
        let outcome = Outcome {
            payload: Bytes::from_static(br#"{"errorType":"E"}"#),
            function_error: Some("Unhandled"),
            log_tail: None,
            usage: Default::default(),
        };
        let record = record(&Report {
            now_ms: 0,
            request_id: "r",
            function_arn: "arn:f:$LATEST",
            condition: "RetriesExhausted",
            attempts: 3,
            request: b"{\"raise_error\": 1}",
            outcome: Some((&outcome, "$LATEST")),
        });
        assert_eq!(
            record.unwrap(),
            r#"{"version":"1.0","timestamp":"1970-01-01T00:00:00.000Z","requestContext":{"requestId":"r","functionArn":"arn:f:$LATEST","condition":"RetriesExhausted","approximateInvokeCount":3},"requestPayload":{"raise_error": 1},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorType":"E"}}"#
        );
    }
}
