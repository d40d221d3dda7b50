//! Which action on which resource each operation asks for.
//! Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html>.
//!
//! An access function cannot know a path, so it names what exists without one; [`super::IamResources`] gives the
//! authorizer the whole ARN.

use super::Iam;
use crate::iam_shapes::*;
use crate::records::Kind;
use danbi_core::{Access, Principal, RequestContext, ServiceError};

type Asked = Result<Access, ServiceError>;

fn arn(context: &RequestContext, resource: impl std::fmt::Display) -> String {
    format!("arn:aws:iam::{}:{resource}", context.scope.account)
}

/// An existing user, group or role.
pub(super) fn on(context: &RequestContext, action: &'static str, kind: Kind, name: &str) -> Access {
    Access::new(action, arn(context, format_args!("{}/{name}", kind.as_str())))
}

/// An existing instance profile.
pub(super) fn profile(context: &RequestContext, action: &'static str, name: &str) -> Access {
    Access::new(action, arn(context, format_args!("instance-profile/{name}")))
}

/// What the request names by its ARN.
pub(super) fn policy(action: &'static str, arn: &str) -> Access {
    Access::new(action, arn)
}

pub(super) fn attach(context: &RequestContext, action: &'static str, kind: Kind, name: &str, policy: &str) -> Access {
    on(context, action, kind, name).with("iam:PolicyARN", policy)
}

pub(super) fn bound(context: &RequestContext, action: &'static str, kind: Kind, name: &str, boundary: &str) -> Access {
    on(context, action, kind, name).with("iam:PermissionsBoundary", boundary)
}

/// The user that the request names, else the caller.
pub(super) fn own(context: &RequestContext, action: &'static str, name: Option<&str>) -> Access {
    match (name, &context.principal) {
        (Some(name), _) => on(context, action, Kind::User, name),
        (None, Principal::Identity { arn, .. }) if arn.resource.starts_with("user/") => Access::new(action, arn),
        (None, _) => Access::new(action, arn(context, "user/")),
    }
}

/// Something to be made, at this path.
fn new(
    context: &RequestContext,
    action: &'static str,
    kind: &str,
    path: Option<&str>,
    name: &str,
    tags: Option<&Vec<Tag>>,
) -> Access {
    let path = path.unwrap_or("/");
    let access = Access::new(action, arn(context, format_args!("{kind}{path}{name}")));
    with_tags(access, tags.map(Vec::as_slice).unwrap_or_default())
}

fn with_tags(mut access: Access, tags: &[Tag]) -> Access {
    for tag in tags {
        access = access
            .with(format!("aws:RequestTag/{}", tag.key), tag.value.as_str())
            .with("aws:TagKeys", tag.key.as_str());
    }
    access
}

pub(super) fn tag(context: &RequestContext, action: &'static str, kind: &str, name: &str, tags: &[Tag]) -> Access {
    with_tags(Access::new(action, arn(context, format_args!("{kind}/{name}"))), tags)
}

pub(super) fn untag(context: &RequestContext, action: &'static str, kind: &str, name: &str, keys: &[String]) -> Access {
    without_tags(Access::new(action, arn(context, format_args!("{kind}/{name}"))), keys)
}

fn without_tags(access: Access, keys: &[String]) -> Access {
    keys.iter()
        .fold(access, |access, key| access.with("aws:TagKeys", key.as_str()))
}

pub(super) fn tag_policy(_: &Iam, _: &RequestContext, input: &TagPolicyRequest) -> Asked {
    Ok(with_tags(Access::new("iam:TagPolicy", &input.policy_arn), &input.tags))
}

pub(super) fn untag_policy(_: &Iam, _: &RequestContext, input: &UntagPolicyRequest) -> Asked {
    Ok(without_tags(
        Access::new("iam:UntagPolicy", &input.policy_arn),
        &input.tag_keys,
    ))
}

fn list(context: &RequestContext, action: &'static str, kind: &str, prefix: Option<&str>) -> Asked {
    let prefix = prefix.unwrap_or("/");
    Ok(Access::new(action, arn(context, format_args!("{kind}{prefix}"))))
}

pub(super) fn list_users(_: &Iam, context: &RequestContext, input: &ListUsersRequest) -> Asked {
    list(context, "iam:ListUsers", "user", input.path_prefix.as_deref())
}

pub(super) fn list_groups(_: &Iam, context: &RequestContext, input: &ListGroupsRequest) -> Asked {
    list(context, "iam:ListGroups", "group", input.path_prefix.as_deref())
}

pub(super) fn list_roles(_: &Iam, context: &RequestContext, input: &ListRolesRequest) -> Asked {
    list(context, "iam:ListRoles", "role", input.path_prefix.as_deref())
}

pub(super) fn list_policies(_: &Iam, context: &RequestContext, input: &ListPoliciesRequest) -> Asked {
    list(context, "iam:ListPolicies", "policy", input.path_prefix.as_deref())
}

pub(super) fn list_profiles(_: &Iam, context: &RequestContext, input: &ListInstanceProfilesRequest) -> Asked {
    let prefix = input.path_prefix.as_deref();
    list(context, "iam:ListInstanceProfiles", "instance-profile", prefix)
}

pub(super) fn create_user(_: &Iam, context: &RequestContext, input: &CreateUserRequest) -> Asked {
    let (path, tags) = (input.path.as_deref(), input.tags.as_ref());
    let access = new(context, "iam:CreateUser", "user", path, &input.user_name, tags);
    Ok(with_boundary(access, input.permissions_boundary.as_deref()))
}

pub(super) fn create_role(_: &Iam, context: &RequestContext, input: &CreateRoleRequest) -> Asked {
    let (path, tags) = (input.path.as_deref(), input.tags.as_ref());
    let access = new(context, "iam:CreateRole", "role", path, &input.role_name, tags);
    Ok(with_boundary(access, input.permissions_boundary.as_deref()))
}

fn with_boundary(access: Access, boundary: Option<&str>) -> Access {
    match boundary {
        Some(boundary) => access.with("iam:PermissionsBoundary", boundary),
        None => access,
    }
}

pub(super) fn create_group(_: &Iam, context: &RequestContext, input: &CreateGroupRequest) -> Asked {
    let path = input.path.as_deref();
    Ok(new(context, "iam:CreateGroup", "group", path, &input.group_name, None))
}

pub(super) fn create_policy(_: &Iam, context: &RequestContext, input: &CreatePolicyRequest) -> Asked {
    let (path, tags) = (input.path.as_deref(), input.tags.as_ref());
    Ok(new(
        context,
        "iam:CreatePolicy",
        "policy",
        path,
        &input.policy_name,
        tags,
    ))
}

pub(super) fn create_profile(_: &Iam, context: &RequestContext, input: &CreateInstanceProfileRequest) -> Asked {
    let (path, tags, name) = (input.path.as_deref(), input.tags.as_ref(), &input.instance_profile_name);
    Ok(new(
        context,
        "iam:CreateInstanceProfile",
        "instance-profile",
        path,
        name,
        tags,
    ))
}

/// Making an instance profile act as a role is passing the role.
pub(super) fn add_role_to_profile(
    _: &Iam,
    context: &RequestContext,
    input: &AddRoleToInstanceProfileRequest,
) -> Result<Vec<Access>, ServiceError> {
    let pass = on(context, "iam:PassRole", Kind::Role, &input.role_name);
    Ok(vec![
        profile(context, "iam:AddRoleToInstanceProfile", &input.instance_profile_name),
        pass.with("iam:PassedToService", "ec2.amazonaws.com"),
    ])
}

pub(super) fn get_user(_: &Iam, context: &RequestContext, input: &GetUserRequest) -> Asked {
    Ok(own(context, "iam:GetUser", input.user_name.as_deref()))
}

/// Renaming needs the right for the old name and the new one.
pub(super) fn update_user(
    _: &Iam,
    context: &RequestContext,
    input: &UpdateUserRequest,
) -> Result<Vec<Access>, ServiceError> {
    let (path, name) = (input.new_path.as_deref(), input.new_user_name.as_deref());
    Ok(renamed(
        context,
        "iam:UpdateUser",
        Kind::User,
        &input.user_name,
        path,
        name,
    ))
}

pub(super) fn update_group(
    _: &Iam,
    context: &RequestContext,
    input: &UpdateGroupRequest,
) -> Result<Vec<Access>, ServiceError> {
    let (path, name) = (input.new_path.as_deref(), input.new_group_name.as_deref());
    Ok(renamed(
        context,
        "iam:UpdateGroup",
        Kind::Group,
        &input.group_name,
        path,
        name,
    ))
}

fn renamed(
    context: &RequestContext,
    action: &'static str,
    kind: Kind,
    old: &str,
    path: Option<&str>,
    name: Option<&str>,
) -> Vec<Access> {
    let mut asked = vec![on(context, action, kind, old)];
    if path.is_some() || name.is_some() {
        asked.push(new(context, action, kind.as_str(), path, name.unwrap_or(old), None));
    }
    asked
}

pub(super) fn create_linked(_: &Iam, context: &RequestContext, input: &CreateServiceLinkedRoleRequest) -> Asked {
    let service = &input.aws_service_name;
    let resource = arn(context, format_args!("role/aws-service-role/{service}/*"));
    Ok(Access::new("iam:CreateServiceLinkedRole", resource).with("iam:AWSServiceName", service.as_str()))
}

pub(super) fn linked_status(
    _: &Iam,
    context: &RequestContext,
    input: &GetServiceLinkedRoleDeletionStatusRequest,
) -> Asked {
    let task = input.deletion_task_id.strip_prefix("task/").unwrap_or_default();
    let role = task.rsplit_once('/').map_or(task, |(role, _)| role);
    let resource = arn(context, format_args!("role/{role}"));
    Ok(Access::new("iam:GetServiceLinkedRoleDeletionStatus", resource))
}

pub(super) fn key_last_used(_: &Iam, context: &RequestContext, _: &GetAccessKeyLastUsedRequest) -> Asked {
    Ok(Access::new("iam:GetAccessKeyLastUsed", arn(context, "user/*")))
}

pub(super) fn create_provider(_: &Iam, context: &RequestContext, input: &CreateOpenIDConnectProviderRequest) -> Asked {
    let url = super::providers::without_scheme(&input.url);
    let resource = arn(context, format_args!("oidc-provider/{url}"));
    let tags = input.tags.as_deref().unwrap_or_default();
    Ok(with_tags(
        Access::new("iam:CreateOpenIDConnectProvider", resource),
        tags,
    ))
}

pub(super) fn list_providers(_: &Iam, context: &RequestContext, _: &ListOpenIDConnectProvidersRequest) -> Asked {
    Ok(Access::new(
        "iam:ListOpenIDConnectProviders",
        arn(context, "oidc-provider/*"),
    ))
}
