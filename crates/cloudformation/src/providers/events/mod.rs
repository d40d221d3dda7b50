//! AWS::Events

mod event_bus;
mod event_bus_policy;
mod rule;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&rule::Rule, &event_bus::EventBus, &event_bus_policy::EventBusPolicy];
