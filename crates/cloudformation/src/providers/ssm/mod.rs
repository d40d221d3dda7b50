//! AWS::SSM

mod parameter;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&parameter::Parameter];
