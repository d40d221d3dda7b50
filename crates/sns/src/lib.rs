//! Amazon Simple Notification Service: topics and those who subscribe to them.

pub mod shapes;
