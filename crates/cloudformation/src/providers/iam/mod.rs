//! AWS::IAM

mod access_key;
mod group;
mod instance_profile;
mod managed_policy;
mod policies;
mod policy;
mod role;
mod user;
mod user_to_group_addition;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[
    &role::Role,
    &policy::Policy,
    &managed_policy::ManagedPolicy,
    &user::User,
    &group::Group,
    &access_key::AccessKey,
    &instance_profile::InstanceProfile,
    &user_to_group_addition::UserToGroupAddition,
];
