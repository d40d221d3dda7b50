//! AWS::Scheduler

mod schedule;
mod schedule_group;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&schedule::Schedule, &schedule_group::ScheduleGroup];
