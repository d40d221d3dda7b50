//! AWS::DynamoDB

mod table;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&table::Table];
