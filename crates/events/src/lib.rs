//! Amazon EventBridge: rules, buses and schedules.

pub mod scheduler_shapes;
pub mod shapes;
