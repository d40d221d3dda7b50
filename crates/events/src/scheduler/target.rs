//! What a schedule calls: templated targets, and any operation (`arn:aws:scheduler:::aws-sdk:SERVICE:ACTION`).
//!
//! Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets.html>.

use crate::Error;
use crate::dispatch::{Deliveries, Kind, Sender, kind_of};
use crate::names::event_time;
use crate::scheduler_shapes::{RetryPolicy, Target};
use danbi_core::{Arn, Timestamp};
use danbi_outbox::{Failure, Parcel};
use serde_json::{Value, json};

const RETRIES: i32 = 185;
const MAX_AGE_SECS: i32 = 86_400;

/// The service and the operation of a universal target.
fn universal(arn: &Arn) -> Option<(&str, String)> {
    if arn.service != "scheduler" {
        return None;
    }
    let (service, action) = arn.resource.strip_prefix("aws-sdk:")?.split_once(':')?;
    let mut letters = action.chars();
    let first = letters.next()?.to_ascii_uppercase();
    Some((service, format!("{first}{}", letters.as_str())))
}

/// The name under which the platform knows a service that SDKs call otherwise.
fn model_name(service: &str) -> &str {
    match service {
        "eventbridge" => "events",
        "cloudwatchlogs" => "logs",
        "sfn" => "stepfunctions",
        other => other,
    }
}

/// Refuses what cannot be called.
pub(super) fn check(target: &Target) -> Result<(), Error> {
    let wrong = || Error::Validation(format!("Provided target arn {} is not in correct format.", target.arn));
    let arn: Arn = target.arn.parse().map_err(|_| wrong())?;
    if target.role_arn.parse::<Arn>().is_err() {
        return Err(Error::Validation(format!(
            "Provided role arn {} is not in correct format.",
            target.role_arn
        )));
    }
    if let Some((service, operation)) = universal(&arn) {
        // Scheduler takes no operation that only reads.
        if [
            "Get",
            "Describe",
            "List",
            "Poll",
            "Receive",
            "Search",
            "Scan",
            "Query",
            "Select",
            "Read",
            "Lookup",
            "Discover",
            "Validate",
            "BatchGet",
            "BatchDescribe",
            "BatchRead",
            "TransactGet",
            "Adjust",
            "Admin",
            "Head",
            "Check",
            "Monitor",
            "Access",
        ]
        .iter()
        .any(|reading| operation.starts_with(reading))
        {
            return Err(Error::Validation(format!(
                "{} is not a supported target: {service} {operation} reads.",
                target.arn
            )));
        }
        let input = target.input.as_deref().unwrap_or("{}");
        if !serde_json::from_str::<Value>(input).is_ok_and(|input| input.is_object()) {
            return Err(Error::validation("Input must be a JSON object for this target."));
        }
    } else {
        match kind_of(&arn) {
            Ok(Kind::LogGroup) => return Err(Error::Unsupported("A log group is no target of a schedule.".into())),
            Ok(Kind::Bus) if target.event_bridge_parameters.is_none() => {
                return Err(Error::validation(
                    "EventBridgeParameters is required for an event bus target.",
                ));
            }
            Ok(_) => {}
            Err(reason) => return Err(Error::Unsupported(reason)),
        }
    }
    let dead = target
        .dead_letter_config
        .as_ref()
        .and_then(|config| config.arn.as_ref());
    match dead {
        Some(dead) if !dead.parse::<Arn>().is_ok_and(|arn| arn.service == "sqs") => Err(Error::Validation(format!(
            "Dead-letter queue {dead} is not an Amazon SQS queue."
        ))),
        _ => Ok(()),
    }
}

/// As GetSchedule shows it: with the retry policy that applies.
pub(super) fn shown(mut target: Target) -> Target {
    let policy = target.retry_policy.get_or_insert_default();
    *policy = RetryPolicy {
        maximum_event_age_in_seconds: policy.maximum_event_age_in_seconds.or(Some(MAX_AGE_SECS)),
        maximum_retry_attempts: policy.maximum_retry_attempts.or(Some(RETRIES)),
    };
    target
}

/// Delivers to a schedule's target.
pub(crate) async fn deliver(
    parts: &Deliveries,
    sender: &Sender<'_>,
    target: &Target,
    parcel: &Parcel,
    planned: i64,
) -> Result<(), Failure> {
    let arn: Arn = target
        .arn
        .parse()
        .map_err(|error| Failure::lasting("ValidationException", format!("{error}")))?;
    let context = parts.context(sender).await?;
    let input = filled(&parcel.body, sender.source, parcel, planned);
    if let Some((service, operation)) = universal(&arn) {
        let text = if input.is_empty() { "{}" } else { &input };
        let mut input: Value =
            serde_json::from_str(text).map_err(|error| Failure::lasting("ValidationException", error.to_string()))?;
        if (service, operation.as_str()) == ("lambda", "Invoke") {
            encode_payload(&mut input);
        }
        return parts.ask(&context, model_name(service), &operation, input).await;
    }
    let nothing = "{}".to_owned();
    match kind_of(&arn).map_err(|reason| Failure::lasting("NotImplementedException", reason))? {
        Kind::Function => {
            // Without an input a function is told about the schedule.
            let payload = if input.is_empty() { nothing } else { input };
            parts.function(&context, &arn, payload).await
        }
        Kind::Topic => {
            parts
                .topic(&context, &arn, if input.is_empty() { nothing } else { input })
                .await
        }
        Kind::Queue => {
            let group = target
                .sqs_parameters
                .as_ref()
                .and_then(|parameters| parameters.message_group_id.as_deref());
            parts
                .queue(
                    &context,
                    &arn,
                    if input.is_empty() { nothing } else { input },
                    group,
                    &[],
                )
                .await
        }
        Kind::Bus => {
            let parameters = target.event_bridge_parameters.clone().unwrap_or_default();
            let entry = json!({
                "Source": parameters.source, "DetailType": parameters.detail_type,
                "Detail": if input.is_empty() { nothing } else { input },
            });
            parts.bus(&context, &arn, entry).await
        }
        Kind::LogGroup => Err(Failure::lasting(
            "ValidationException",
            "A log group is no target of a schedule.",
        )),
    }
}

/// Schedules write a function's payload as it is; the platform's own API takes bytes in base64.
fn encode_payload(input: &mut Value) {
    use base64::Engine as _;
    let Some(payload) = input.get_mut("Payload") else {
        return;
    };
    let text = match payload.take() {
        Value::String(text) => text,
        other => other.to_string(),
    };
    *payload = base64::engine::general_purpose::STANDARD.encode(text).into();
}

/// The input with Scheduler's own words in it replaced.
fn filled(input: &str, arn: &str, parcel: &Parcel, planned: i64) -> String {
    if !input.contains("<aws.scheduler.") {
        return input.to_owned();
    }
    input
        .replace("<aws.scheduler.schedule-arn>", arn)
        .replace(
            "<aws.scheduler.scheduled-time>",
            &event_time(Timestamp::from_millis(planned)),
        )
        .replace("<aws.scheduler.execution-id>", &parcel.id)
        .replace("<aws.scheduler.attempt-number>", &(parcel.attempts + 1).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_bytes_to_the_platform() {
        for payload in [json!("{\"a\":1}"), json!({ "a": 1 })] {
            let mut input = json!({ "FunctionName": "f", "Payload": payload });
            encode_payload(&mut input);
            assert_eq!(input, json!({ "FunctionName": "f", "Payload": "eyJhIjoxfQ==" }));
        }
    }
}
