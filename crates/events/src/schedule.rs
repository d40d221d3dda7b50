//! When a schedule fires: `cron(…)`, `rate(…)` and `at(…)` in AWS's own dialect.
//!
//! The cron language is AWS's alone (six fields, exactly one `?`, years 1970 to 2199), and so are its rules about clocks
//! that are put forward and back; that is why it is ours and not a library's.
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>,
//! <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>.

mod cron;
mod expression;
mod field;

pub(crate) use expression::{Expression, Strictness};
