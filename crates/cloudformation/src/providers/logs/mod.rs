//! AWS::Logs

mod log_group;
mod log_stream;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&log_group::LogGroup, &log_stream::LogStream];
