//! The courier of the outbox: rules' targets and schedules' targets.

pub(crate) use crate::dispatch::{Deliveries, kind_of};

use crate::dispatch::{Kind, Sender};
use crate::input::{self, Rule};
use crate::scheduler::target as scheduled;
use crate::scheduler_shapes;
use crate::shapes::Target;
use async_trait::async_trait;
use danbi_core::{Arn, Scope, Timestamp};
use danbi_outbox::{Courier, Failure, Parcel, Patience};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long a delivery is tried when nothing else was said. Source:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-retry-policy.html>.
const RETRIES: u32 = 185;
const MAX_AGE_SECS: i32 = 86_400;

/// What the outbox keeps of a delivery besides its body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Header {
    /// The body is the event.
    Rule {
        account: String,
        region: String,
        /// The rule's ARN and name.
        arn: String,
        name: String,
        target: Box<Target>,
        /// When the event was accepted.
        ingested: i64,
        /// The trace that it is part of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trace: Option<String>,
    },
    /// The body is the target's input.
    Schedule {
        account: String,
        region: String,
        /// The schedule's ARN.
        arn: String,
        target: Box<scheduler_shapes::Target>,
        /// For when it was planned, and when it ran.
        planned: i64,
    },
}

impl Header {
    /// As the outbox takes it.
    pub(crate) fn to_value(&self) -> Result<Value, crate::Error> {
        Ok(serde_json::to_value(self)?)
    }

    fn of(parcel: &Parcel) -> Result<Self, Failure> {
        serde_json::from_value(parcel.header.clone())
            .map_err(|error| Failure::lasting("InternalFailure", error.to_string()))
    }

    fn scope(&self) -> Result<Scope, Failure> {
        let (Self::Rule { account, region, .. } | Self::Schedule { account, region, .. }) = self;
        let wrong = |error: danbi_core::ScopeError| Failure::lasting("InternalFailure", error.to_string());
        Ok(Scope {
            account: account.parse().map_err(wrong)?,
            region: region.parse().map_err(wrong)?,
        })
    }
}

/// How long a delivery is tried, from a target's retry policy.
pub(crate) fn patience(retries: Option<i32>, max_age_secs: Option<i32>) -> Patience {
    Patience {
        retries: retries
            .and_then(|retries| u32::try_from(retries).ok())
            .unwrap_or(RETRIES),
        max_age_ms: i64::from(max_age_secs.unwrap_or(MAX_AGE_SECS)) * 1000,
    }
}

#[async_trait]
impl Courier for Deliveries {
    async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure> {
        let header = Header::of(parcel)?;
        let scope = header.scope()?;
        match &header {
            Header::Rule {
                arn,
                name,
                target,
                ingested,
                trace,
                ..
            } => {
                let rule = Rule {
                    arn,
                    name,
                    ingested: ingestion_time(*ingested),
                };
                let sender = Sender {
                    service: "events.amazonaws.com",
                    scope: &scope,
                    source: arn,
                    role: target.role_arn.as_deref(),
                    trace: trace.as_deref(),
                };
                self.to_target(&sender, target, &parcel.body, &rule).await
            }
            Header::Schedule {
                arn, target, planned, ..
            } => {
                let sender = Sender {
                    service: "scheduler.amazonaws.com",
                    scope: &scope,
                    source: arn,
                    role: Some(&target.role_arn),
                    trace: None,
                };
                scheduled::deliver(self, &sender, target, parcel, *planned).await
            }
        }
    }

    async fn give_up(&self, parcel: &Parcel, failure: &Failure) -> Result<(), Failure> {
        let header = Header::of(parcel)?;
        let scope = header.scope()?;
        let (source, role, service, target, queue) = match &header {
            Header::Rule { arn, target, .. } => {
                let queue = target.dead_letter_config.as_ref().and_then(|config| config.arn.clone());
                (arn, None, "events.amazonaws.com", &target.arn, queue)
            }
            Header::Schedule { arn, target, .. } => {
                let queue = target.dead_letter_config.as_ref().and_then(|config| config.arn.clone());
                (
                    arn,
                    Some(target.role_arn.as_str()),
                    "scheduler.amazonaws.com",
                    &target.arn,
                    queue,
                )
            }
        };
        let Some(queue) = queue else {
            tracing::warn!(
                source,
                target,
                code = failure.code,
                reason = failure.reason,
                "a delivery is given up"
            );
            return Ok(());
        };
        let queue: Arn = queue
            .parse()
            .map_err(|error| Failure::lasting("ValidationException", format!("{error}")))?;
        let context = self
            .context(&Sender {
                service,
                scope: &scope,
                source,
                role,
                trace: None,
            })
            .await?;
        let exhausted = if failure.again {
            "MaximumRetryAttempts"
        } else {
            "NonRetryable"
        };
        let source_name = if role.is_some() { "SCHEDULE_ARN" } else { "RULE_ARN" };
        let attributes = [
            (source_name, source.clone()),
            ("TARGET_ARN", target.clone()),
            ("ERROR_CODE", failure.code.clone()),
            ("ERROR_MESSAGE", failure.reason.clone()),
            ("RETRY_ATTEMPTS", parcel.attempts.to_string()),
            ("EXHAUSTED_RETRY_CONDITION", exhausted.into()),
        ];
        self.queue(&context, &queue, parcel.body.clone(), None, &attributes)
            .await
    }
}

impl Deliveries {
    async fn to_target(
        &self,
        sender: &Sender<'_>,
        target: &Target,
        event: &str,
        rule: &Rule<'_>,
    ) -> Result<(), Failure> {
        let arn: Arn = target
            .arn
            .parse()
            .map_err(|error| Failure::lasting("ValidationException", format!("{error}")))?;
        let kind = kind_of(&arn).map_err(|reason| Failure::lasting("NotImplementedException", reason))?;
        let Some(payload) = input::payload(target, event, rule) else {
            tracing::debug!(
                target = target.arn,
                rule = rule.arn,
                "a template did not become JSON: nothing is sent"
            );
            return Ok(());
        };
        if kind == Kind::LogGroup {
            return self.log_group(sender, &arn, payload);
        }
        let context = self.context(sender).await?;
        match kind {
            Kind::Function => self.function(&context, &arn, payload).await,
            Kind::Topic => self.topic(&context, &arn, payload).await,
            Kind::Queue => {
                let group = target
                    .sqs_parameters
                    .as_ref()
                    .and_then(|parameters| parameters.message_group_id.as_deref());
                self.queue(&context, &arn, payload, group, &[]).await
            }
            Kind::Bus => self.bus(&context, &arn, forwarded(event)).await,
            Kind::LogGroup => Ok(()),
        }
    }
}

/// An event as another bus is given it.
fn forwarded(event: &str) -> Value {
    let event: Value = serde_json::from_str(event).unwrap_or_default();
    let mut entry = json!({
        "Source": event["source"], "DetailType": event["detail-type"], "Detail": event["detail"].to_string(),
        "Resources": event["resources"],
    });
    if let Some(time) = event["time"]
        .as_str()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
    {
        entry["Time"] = time.as_second().into();
    }
    entry
}

/// `2026-01-02T03:04:05.678Z`.
pub(crate) fn ingestion_time(ms: i64) -> String {
    let seconds = crate::names::event_time(Timestamp::from_millis(ms));
    format!("{}.{:03}Z", seconds.trim_end_matches('Z'), ms.rem_euclid(1000))
}
