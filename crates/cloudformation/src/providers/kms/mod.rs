//! AWS::KMS

mod alias;
mod key;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[&key::Key, &alias::Alias];
