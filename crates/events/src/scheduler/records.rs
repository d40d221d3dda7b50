//! What the store holds of schedules and groups.

use crate::scheduler_shapes::{CreateScheduleInput, FlexibleTimeWindow, Target, UpdateScheduleInput};
use danbi_core::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A group of schedules. The group `default` has a record once it has tags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    pub created: Timestamp,
    pub modified: Timestamp,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// What a client said of a schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Plan {
    pub expression: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    pub window: FlexibleTimeWindow,
    pub state: String,
    pub after_completion: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub target: Target,
}

/// A schedule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Schedule {
    pub plan: Plan,
    pub created: Timestamp,
    pub modified: Timestamp,
    /// From when a rate counts.
    pub begin: i64,
    /// When it fires next; it is in the order of ticks then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
    /// How many times were dropped because the platform was not there.
    #[serde(default)]
    pub dropped: u64,
}

/// A request that was done, by its client's token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Token {
    /// What it asked for.
    pub request: String,
    pub arn: String,
    pub at: i64,
}

macro_rules! plan_of {
    ($name:ident, $shape:ty) => {
        /// The members that creating and updating share.
        pub(super) fn $name(input: &$shape) -> Plan {
            Plan {
                expression: input.schedule_expression.clone(),
                zone: input.schedule_expression_timezone.clone(),
                start: input.start_date,
                end: input.end_date,
                window: input.flexible_time_window.clone(),
                state: input.state.clone().unwrap_or_else(|| "ENABLED".into()),
                after_completion: input
                    .action_after_completion
                    .clone()
                    .unwrap_or_else(|| "NONE".into()),
                description: input.description.clone(),
                target: input.target.clone(),
            }
        }
    };
}
// A macro, because the two generated shapes have the same members and no trait in common.
plan_of!(plan_to_create, CreateScheduleInput);
plan_of!(plan_to_update, UpdateScheduleInput);
