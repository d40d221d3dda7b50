//! Every operation that is built, with the permission it needs and the function that does it.

use crate::access::{any, archive, arn, bus, passing, put_events as asked_buses, replay, rule};
use crate::scheduler::{self, groups, schedules};
use crate::scheduler_shapes::operations as planned;
use crate::shapes::operations as op;
use crate::{Events, archives, buses, permissions, put_events, replays, rules, tags, targets, test_pattern};
use danbi_wire::{Service, models};
use std::sync::Arc;

/// Whom a role is passed to.
const EVENTS: &str = "events.amazonaws.com";
const SCHEDULER: &str = "scheduler.amazonaws.com";
/// The largest request, in bytes: ten entries of 256 KiB together, or targets with their inputs.
const MAX_REQUEST: usize = 2 << 20;

impl Events {
    /// The EventBridge API.
    pub fn service(self: &Arc<Self>) -> Service {
        Service::builder(&models::EVENTS, Arc::clone(self))
            .body_limit(MAX_REQUEST)
            .on(
                op::PutRule,
                |_, c, i| {
                    passing(
                        rule(c, "events:PutRule", i.event_bus_name.as_deref(), &i.name),
                        EVENTS,
                        &i.role_arn,
                    )
                },
                rules::put_rule,
            )
            .on(
                op::DeleteRule,
                |_, c, i| rule(c, "events:DeleteRule", i.event_bus_name.as_deref(), &i.name),
                rules::delete,
            )
            .on(
                op::DescribeRule,
                |_, c, i| rule(c, "events:DescribeRule", i.event_bus_name.as_deref(), &i.name),
                rules::describe,
            )
            .on(
                op::EnableRule,
                |_, c, i| rule(c, "events:EnableRule", i.event_bus_name.as_deref(), &i.name),
                rules::enable,
            )
            .on(
                op::DisableRule,
                |_, c, i| rule(c, "events:DisableRule", i.event_bus_name.as_deref(), &i.name),
                rules::disable,
            )
            .on(
                op::ListRules,
                |_, c, i| bus(c, "events:ListRules", i.event_bus_name.as_deref()),
                rules::list,
            )
            .on(
                op::PutTargets,
                |_, c, i| {
                    passing(
                        rule(c, "events:PutTargets", i.event_bus_name.as_deref(), &i.rule),
                        EVENTS,
                        i.targets.iter().filter_map(|target| target.role_arn.as_ref()),
                    )
                },
                targets::put_targets,
            )
            .on(
                op::RemoveTargets,
                |_, c, i| rule(c, "events:RemoveTargets", i.event_bus_name.as_deref(), &i.rule),
                targets::remove,
            )
            .on(
                op::ListTargetsByRule,
                |_, c, i| rule(c, "events:ListTargetsByRule", i.event_bus_name.as_deref(), &i.rule),
                targets::list,
            )
            .on(
                op::ListRuleNamesByTarget,
                |_, c, i| bus(c, "events:ListRuleNamesByTarget", i.event_bus_name.as_deref()),
                targets::rule_names,
            )
            .on(op::PutEvents, |_, c, i| asked_buses(c, i), put_events::put_events)
            .on(
                op::TestEventPattern,
                |_, _, _| any("events:TestEventPattern"),
                test_pattern::test,
            )
            .on(
                op::CreateEventBus,
                |_, c, i| bus(c, "events:CreateEventBus", Some(&i.name)),
                buses::create,
            )
            .on(
                op::DeleteEventBus,
                |_, c, i| bus(c, "events:DeleteEventBus", Some(&i.name)),
                buses::delete,
            )
            .on(
                op::DescribeEventBus,
                |_, c, i| bus(c, "events:DescribeEventBus", i.name.as_deref()),
                buses::describe,
            )
            .on(
                op::UpdateEventBus,
                |_, c, i| bus(c, "events:UpdateEventBus", i.name.as_deref()),
                buses::update,
            )
            .on(op::ListEventBuses, |_, _, _| any("events:ListEventBuses"), buses::list)
            .on(
                op::PutPermission,
                |_, c, i| bus(c, "events:PutPermission", i.event_bus_name.as_deref()),
                permissions::put_permission,
            )
            .on(
                op::RemovePermission,
                |_, c, i| bus(c, "events:RemovePermission", i.event_bus_name.as_deref()),
                permissions::remove,
            )
            .on(
                op::CreateArchive,
                |_, c, i| archive(c, "events:CreateArchive", &i.archive_name),
                archives::create,
            )
            .on(
                op::DeleteArchive,
                |_, c, i| archive(c, "events:DeleteArchive", &i.archive_name),
                archives::delete,
            )
            .on(
                op::DescribeArchive,
                |_, c, i| archive(c, "events:DescribeArchive", &i.archive_name),
                archives::describe,
            )
            .on(
                op::UpdateArchive,
                |_, c, i| archive(c, "events:UpdateArchive", &i.archive_name),
                archives::update,
            )
            .on(op::ListArchives, |_, _, _| any("events:ListArchives"), archives::list)
            .on(
                op::StartReplay,
                |_, c, i| replay(c, "events:StartReplay", &i.replay_name),
                replays::start,
            )
            .on(
                op::CancelReplay,
                |_, c, i| replay(c, "events:CancelReplay", &i.replay_name),
                replays::cancel,
            )
            .on(
                op::DescribeReplay,
                |_, c, i| replay(c, "events:DescribeReplay", &i.replay_name),
                replays::describe,
            )
            .on(op::ListReplays, |_, _, _| any("events:ListReplays"), replays::list)
            .on(
                op::TagResource,
                |_, _, i| arn("events:TagResource", &i.resource_arn),
                tags::tag,
            )
            .on(
                op::UntagResource,
                |_, _, i| arn("events:UntagResource", &i.resource_arn),
                tags::untag,
            )
            .on(
                op::ListTagsForResource,
                |_, _, i| arn("events:ListTagsForResource", &i.resource_arn),
                tags::list,
            )
            .build()
    }

    /// The EventBridge Scheduler API.
    pub fn scheduler_service(self: &Arc<Self>) -> Service {
        use scheduler::{asked_group as group, asked_schedule as schedule};
        Service::builder(&models::SCHEDULER, Arc::clone(self))
            .body_limit(MAX_REQUEST)
            .on(
                planned::CreateSchedule,
                |_, c, i| {
                    passing(
                        schedule(c, "scheduler:CreateSchedule", i.group_name.as_deref(), &i.name),
                        SCHEDULER,
                        [&i.target.role_arn],
                    )
                },
                schedules::create,
            )
            .on(
                planned::GetSchedule,
                |_, c, i| schedule(c, "scheduler:GetSchedule", i.group_name.as_deref(), &i.name),
                schedules::get,
            )
            .on(
                planned::UpdateSchedule,
                |_, c, i| {
                    passing(
                        schedule(c, "scheduler:UpdateSchedule", i.group_name.as_deref(), &i.name),
                        SCHEDULER,
                        [&i.target.role_arn],
                    )
                },
                schedules::update,
            )
            .on(
                planned::DeleteSchedule,
                |_, c, i| schedule(c, "scheduler:DeleteSchedule", i.group_name.as_deref(), &i.name),
                schedules::delete,
            )
            .on(
                planned::ListSchedules,
                |_, c, i| {
                    schedule(
                        c,
                        "scheduler:ListSchedules",
                        Some(i.group_name.as_deref().unwrap_or("*")),
                        "*",
                    )
                },
                schedules::list,
            )
            .on(
                planned::CreateScheduleGroup,
                |_, c, i| group(c, "scheduler:CreateScheduleGroup", &i.name),
                groups::create,
            )
            .on(
                planned::GetScheduleGroup,
                |_, c, i| group(c, "scheduler:GetScheduleGroup", &i.name),
                groups::get,
            )
            .on(
                planned::DeleteScheduleGroup,
                |_, c, i| group(c, "scheduler:DeleteScheduleGroup", &i.name),
                groups::delete,
            )
            .on(
                planned::ListScheduleGroups,
                |_, c, _| group(c, "scheduler:ListScheduleGroups", "*"),
                groups::list,
            )
            .on(
                planned::TagResource,
                |_, _, i| arn("scheduler:TagResource", &i.resource_arn),
                groups::tag,
            )
            .on(
                planned::UntagResource,
                |_, _, i| arn("scheduler:UntagResource", &i.resource_arn),
                groups::untag,
            )
            .on(
                planned::ListTagsForResource,
                |_, _, i| arn("scheduler:ListTagsForResource", &i.resource_arn),
                groups::tags,
            )
            .build()
    }
}
