//! What a function with proxy integration answered, as a response. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html#api-gateway-simple-proxy-for-lambda-output-format>.

use super::binary;
use super::failure::Failure;
use super::integrate::{MAX_ANSWER, Outcome, Work, cut};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use danbi_core::InvokeResponse;
use serde_json::Value;

const MALFORMED: &str = "Execution failed due to configuration error: Malformed Lambda proxy response";
const MEMBERS: [&str; 6] = [
    "statusCode",
    "headers",
    "multiValueHeaders",
    "body",
    "isBase64Encoded",
    "cookies",
];

/// Response headers that API Gateway keeps for itself: a backend's go by another name.
const REMAPPED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "host",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "user-agent",
    "www-authenticate",
];
const DROPPED: [&str; 5] = ["keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// A backend's header as the client sees it; `None` when it does not.
pub(super) fn passed_on(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if DROPPED.contains(&lower.as_str()) {
        return None;
    }
    if REMAPPED.contains(&lower.as_str()) || lower == "x-amzn-requestid" {
        return Some(format!("x-amzn-Remapped-{name}"));
    }
    Some(name.to_owned())
}

/// The response that the function's answer asks for.
pub(super) fn outcome(work: &Work<'_>, answer: &InvokeResponse) -> Result<Outcome, Failure> {
    work.journal.note(|| {
        format!(
            "Endpoint response body before transformations: {}",
            cut(&String::from_utf8_lossy(&answer.payload))
        )
    });
    if answer.status == 202 {
        // Queued: there is no answer of the function.
        return Ok(Outcome {
            status: 200,
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: Bytes::new(),
        });
    }
    let types = work
        .compiled
        .definition
        .api
        .binary_media_types
        .as_deref()
        .unwrap_or_default();
    let accept = work.call.header("accept").unwrap_or("*/*");
    let made = read(&answer.payload, binary::is_binary(accept, types));
    let mut outcome = made.map_err(|why| {
        let shown = String::from_utf8_lossy(&answer.payload);
        let error = answer
            .function_error
            .as_deref()
            .map_or(String::new(), |kind| format!(" (the function failed: {kind})"));
        Failure::malformed(format!("{MALFORMED}: {why}{error}. It answered: {}", cut(&shown)))
    })?;
    // Tells clients where to look in the traces.
    outcome
        .headers
        .push(("X-Amzn-Trace-Id".into(), work.call.trace_id.clone()));
    Ok(outcome)
}

fn read(payload: &[u8], decodes: bool) -> Result<Outcome, &'static str> {
    let Ok(Value::Object(answer)) = serde_json::from_slice::<Value>(payload) else {
        return Err("it is not a JSON object");
    };
    if answer.keys().any(|name| !MEMBERS.contains(&name.as_str())) {
        return Err("it has members other than statusCode, headers, multiValueHeaders, body and isBase64Encoded");
    }
    let status = match answer.get("statusCode") {
        Some(Value::Number(status)) => status.as_u64(),
        Some(Value::String(status)) => status.trim().parse().ok(),
        _ => None,
    };
    let status = status
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..600).contains(status));
    let status = status.ok_or("its statusCode is not one")?;
    let body = match answer.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(body)) => body,
        Some(_) => return Err("its body is not text"),
    };
    let is_base64 = match answer.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(is)) => *is,
        Some(Value::String(is)) => is.eq_ignore_ascii_case("true"),
        Some(_) => return Err("its isBase64Encoded is not a boolean"),
    };
    let body = if is_base64 && decodes {
        Bytes::from(STANDARD.decode(body).map_err(|_| "its body is not base64")?)
    } else {
        Bytes::copy_from_slice(body.as_bytes())
    };
    if body.len() > MAX_ANSWER {
        return Err("its body is too large");
    }
    Ok(Outcome {
        status,
        headers: headers(answer.get("headers"), answer.get("multiValueHeaders"))?,
        body,
    })
}

fn headers(single: Option<&Value>, multi: Option<&Value>) -> Result<Vec<(String, String)>, &'static str> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(number) => Ok(Some(number.to_string())),
        Value::Bool(bool) => Ok(Some(bool.to_string())),
        Value::Null => Ok(None),
        _ => Err("a header's value is not text"),
    };
    let mut all: Vec<(String, String)> = Vec::new();
    match multi {
        None | Some(Value::Null) => {}
        Some(Value::Object(members)) => {
            for (name, values) in members {
                let Value::Array(values) = values else {
                    return Err("a value of multiValueHeaders is not a list");
                };
                for value in values {
                    all.extend(text(value)?.map(|value| (name.clone(), value)));
                }
            }
        }
        Some(_) => return Err("its multiValueHeaders are not an object"),
    }
    match single {
        None | Some(Value::Null) => {}
        Some(Value::Object(members)) => {
            for (name, value) in members {
                let Some(value) = text(value)? else { continue };
                // A value in both counts once.
                let same = |(own, other): &(String, String)| own.eq_ignore_ascii_case(name) && *other == value;
                if !all.iter().any(same) {
                    all.push((name.clone(), value));
                }
            }
        }
        Some(_) => return Err("its headers are not an object"),
    }
    let mut passed: Vec<(String, String)> = all
        .into_iter()
        .filter_map(|(name, value)| Some((passed_on(&name)?, value)))
        .collect();
    if !passed.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        passed.push(("Content-Type".into(), "application/json".into()));
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(answer: Value) -> Result<Outcome, &'static str> {
        read(answer.to_string().as_bytes(), true)
    }

    #[test]
    fn answers_become_responses() {
        let outcome = made(json!({
            "statusCode": "201",
            "headers": { "X-A": "1", "X-Flag": true, "Server": "s", "X-None": null },
            "multiValueHeaders": { "Set-Cookie": ["a=1", "b=2"] },
            "body": "aGk=",
            "isBase64Encoded": true
        }))
        .unwrap();
        assert_eq!((outcome.status, &outcome.body[..]), (201, &b"hi"[..]));
        let header = |name: &str, value: &str| outcome.headers.contains(&(name.into(), value.into()));
        assert!(header("Set-Cookie", "a=1") && header("Set-Cookie", "b=2"));
        assert!(header("X-A", "1") && header("X-Flag", "true") && header("x-amzn-Remapped-Server", "s"));
        assert!(header("Content-Type", "application/json"));
    }

    #[test]
    fn what_is_malformed_is_told() {
        for wrong in [
            json!([]),
            json!("text"),
            json!({}),
            json!({ "statusCode": 200, "wrongValue": 1 }),
            json!({ "statusCode": "abc" }),
            json!({ "statusCode": 200, "body": { "a": 1 } }),
            json!({ "statusCode": 200, "headers": ["a"] }),
            json!({ "statusCode": 200, "multiValueHeaders": { "a": "b" } }),
            json!({ "errorMessage": "x", "errorType": "y" }),
        ] {
            assert!(made(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(made(json!({ "statusCode": 204, "body": null, "headers": null })).is_ok());
    }
}
