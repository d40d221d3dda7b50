//! Access logs: one line for each request, by the stage's format. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html#apigateway-cloudwatch-log-formats>.

use super::call::Call;
use super::compiled::Compiled;
use super::failure::Failure;
use crate::ApiGateway;
use danbi_core::{Body, LogEvent, LogStreamName, Scope};
use http::Response;
use http_body::Body as _;
use serde_json::{Value, json};

/// Streams over which a stage's access log is spread.
const STREAMS: usize = 16;

/// Writes the line for an answered request.
pub(crate) fn access(
    gateway: &ApiGateway,
    compiled: &Compiled,
    call: &Call,
    response: &Response<Body>,
    failure: Option<&Failure>,
) {
    let Some(settings) = &compiled.stage.access_log_settings else {
        return;
    };
    let (Some(destination), Some(format)) = (&settings.destination_arn, &settings.format) else {
        return;
    };
    let Some(stream) = stream(compiled, destination, call) else {
        return;
    };
    let mut context = call.context();
    context["status"] = response.status().as_u16().to_string().into();
    context["responseLength"] = response.body().size_hint().exact().unwrap_or(0).to_string().into();
    context["responseLatency"] = (gateway.now().as_millis() - call.time.as_millis()).to_string().into();
    context["apiId"] = call.api_id.clone().into();
    context["xrayTraceId"] = call.trace_id.clone().into();
    if let Some(failure) = failure {
        let message = failure.message.clone();
        context["error"] = json!({
            "message": message,
            "messageString": Value::from(message.clone()).to_string(),
            "responseType": failure.kind,
            "validationErrorString": failure.validation,
        });
        context["integrationErrorMessage"] = failure.cause.clone().into();
    }
    let event = LogEvent {
        timestamp: gateway.now(),
        message: line(format, &context),
    };
    gateway.parts.logs.write(&stream, vec![event]);
}

fn stream(compiled: &Compiled, destination: &str, call: &Call) -> Option<LogStreamName> {
    let arn: danbi_core::Arn = destination.parse().ok()?;
    let group = arn
        .resource
        .strip_prefix("log-group:")?
        .trim_end_matches(":*")
        .to_owned();
    // Logs go to groups of the API's own account and region only.
    let scope: Scope = arn.scope().filter(|scope| *scope == compiled.scope)?;
    let id = call.request_id.to_string();
    let number = id.bytes().map(usize::from).sum::<usize>() % STREAMS;
    Some(LogStreamName {
        scope,
        group,
        stream: format!("{}/{number:02x}", compiled.stage_name),
    })
}

/// The format with its `$context.…` variables put in; one that has no value is a hyphen.
fn line(format: &str, context: &Value) -> String {
    let mut out = String::with_capacity(format.len() * 2);
    let mut rest = format;
    while let Some((before, after)) = rest.split_once("$context.") {
        out.push_str(before);
        let end = after
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'))
            .unwrap_or(after.len());
        let name = after[..end].trim_end_matches('.');
        match context.pointer(&format!("/{}", name.replace('.', "/"))) {
            None | Some(Value::Null) => out.push('-'),
            Some(Value::String(text)) => out.push_str(text),
            Some(other) => out.push_str(&other.to_string()),
        }
        rest = &after[name.len()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_filled_in() {
        let context = json!({ "requestId": "r", "identity": { "sourceIp": "1.2.3.4", "user": null }, "status": "200" });
        assert_eq!(
            line(
                r#"$context.identity.sourceIp $context.identity.user {"id":"$context.requestId"} $context.status."#,
                &context
            ),
            r#"1.2.3.4 - {"id":"r"} 200."#
        );
    }
}
