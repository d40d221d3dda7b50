//! AWS Identity and Access Management: users, groups, roles, their policies and keys.
//!
//! The table of its operations is [`service`]; each group of them is a file.

mod access;
mod access_keys;
mod account;
mod attached;
mod boundaries;
mod details;
mod documents;
mod groups;
mod inline;
mod instance_profiles;
mod linked_roles;
mod linked_services;
mod names;
mod paging;
mod policies;
mod policy_versions;
mod providers;
mod quotas;
mod resources;
mod roles;
mod show;
mod simulate;
mod tags;
mod users;

pub(crate) use documents::compact_len;
pub use resources::IamResources;

use crate::directory::Directory;
use crate::iam_shapes::operations::*;
use crate::records::Kind;
use crate::{Result, RootCredentials, Sessions, keys, random};
use danbi_core::{AccountId, Clock, Timestamp};
use danbi_store::{Store, Transaction};
use danbi_wire::{Service, models};
use std::fmt;
use std::sync::Arc;

/// What IAM's operations work with.
pub struct Iam {
    store: Store,
    clock: Arc<dyn Clock>,
    directory: Arc<Directory>,
    sessions: Arc<Sessions>,
    /// The root keys' ids and accounts, for lists and summaries.
    root_keys: Vec<(AccountId, String)>,
}

impl fmt::Debug for Iam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Iam(…)")
    }
}

impl Iam {
    /// IAM over `store`. `directory` is told of every change; keys of `root` that name no account are of `account`.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        directory: Arc<Directory>,
        sessions: Arc<Sessions>,
        root: &RootCredentials,
        account: &AccountId,
    ) -> Self {
        let root_keys = root.keys().map(|key| {
            let owner = key.account.as_ref().unwrap_or(account);
            (owner.clone(), key.access_key_id.clone())
        });
        Self {
            root_keys: root_keys.collect(),
            store,
            clock,
            directory,
            sessions,
        }
    }

    fn now(&self) -> Timestamp {
        // AWS gives whole seconds.
        Timestamp::from_millis(self.clock.now().as_secs() * 1000)
    }

    /// Changes what decisions depend on: runs `f` in a transaction, and forgets what was remembered of the account,
    /// here at once and on other nodes within [`crate::directory::STALE_AFTER`].
    async fn change<T, F, Fut>(&self, account: &AccountId, f: F) -> Result<T>
    where
        F: Fn(Transaction) -> Fut,
        Fut: Future<Output = Result<T>> + Send,
    {
        let revision = random::bytes::<16>()?;
        let key = keys::revision(account);
        let (revision, key) = (&revision, &key);
        let changed = self
            .store
            .transact(|tx: Transaction| {
                let touched = tx.put(key, revision.to_vec());
                let changing = f(tx);
                async move {
                    touched?;
                    changing.await
                }
            })
            .await;
        // Even after an error: it may have come after the commit.
        self.directory.forget(account);
        changed
    }
}

/// The service, with the operations that are built.
pub fn service(iam: Arc<Iam>) -> Service {
    let builder = Service::builder(&models::IAM, iam);
    // Users.
    let builder = builder
        .on(CreateUser, access::create_user, users::create)
        .on(GetUser, access::get_user, users::get)
        .on(ListUsers, access::list_users, users::list)
        .on(UpdateUser, access::update_user, users::update)
        .on(
            DeleteUser,
            |_, c, i| Ok(access::on(c, "iam:DeleteUser", Kind::User, &i.user_name)),
            users::delete,
        )
        .on(
            ListGroupsForUser,
            |_, c, i| Ok(access::on(c, "iam:ListGroupsForUser", Kind::User, &i.user_name)),
            users::groups,
        );
    // Groups.
    let builder = builder
        .on(CreateGroup, access::create_group, groups::create)
        .on(
            GetGroup,
            |_, c, i| Ok(access::on(c, "iam:GetGroup", Kind::Group, &i.group_name)),
            groups::get,
        )
        .on(ListGroups, access::list_groups, groups::list)
        .on(UpdateGroup, access::update_group, groups::update)
        .on(
            DeleteGroup,
            |_, c, i| Ok(access::on(c, "iam:DeleteGroup", Kind::Group, &i.group_name)),
            groups::delete,
        )
        .on(
            AddUserToGroup,
            |_, c, i| Ok(access::on(c, "iam:AddUserToGroup", Kind::Group, &i.group_name)),
            groups::add,
        )
        .on(
            RemoveUserFromGroup,
            |_, c, i| Ok(access::on(c, "iam:RemoveUserFromGroup", Kind::Group, &i.group_name)),
            groups::remove,
        );
    // Roles.
    let builder = builder
        .on(CreateRole, access::create_role, roles::create)
        .on(
            GetRole,
            |_, c, i| Ok(access::on(c, "iam:GetRole", Kind::Role, &i.role_name)),
            roles::get,
        )
        .on(ListRoles, access::list_roles, roles::list)
        .on(
            UpdateRole,
            |_, c, i| Ok(access::on(c, "iam:UpdateRole", Kind::Role, &i.role_name)),
            roles::update,
        )
        .on(
            UpdateRoleDescription,
            |_, c, i| Ok(access::on(c, "iam:UpdateRoleDescription", Kind::Role, &i.role_name)),
            roles::describe,
        )
        .on(
            UpdateAssumeRolePolicy,
            |_, c, i| Ok(access::on(c, "iam:UpdateAssumeRolePolicy", Kind::Role, &i.role_name)),
            roles::trust,
        )
        .on(
            DeleteRole,
            |_, c, i| Ok(access::on(c, "iam:DeleteRole", Kind::Role, &i.role_name)),
            roles::delete,
        )
        .on(CreateServiceLinkedRole, access::create_linked, linked_roles::create)
        .on(
            DeleteServiceLinkedRole,
            |_, c, i| Ok(access::on(c, "iam:DeleteServiceLinkedRole", Kind::Role, &i.role_name)),
            linked_roles::delete,
        )
        .on(
            GetServiceLinkedRoleDeletionStatus,
            access::linked_status,
            linked_roles::deletion_status,
        );
    inline_and_attached(builder)
}

type Builder = danbi_wire::ServiceBuilder<Iam>;

/// Policies of identities: inline, attached, boundaries.
fn inline_and_attached(builder: Builder) -> Service {
    let builder = builder
        .on(
            PutUserPolicy,
            |_, c, i| Ok(access::on(c, "iam:PutUserPolicy", Kind::User, &i.user_name)),
            inline::put_user,
        )
        .on(
            GetUserPolicy,
            |_, c, i| Ok(access::on(c, "iam:GetUserPolicy", Kind::User, &i.user_name)),
            inline::get_user,
        )
        .on(
            DeleteUserPolicy,
            |_, c, i| Ok(access::on(c, "iam:DeleteUserPolicy", Kind::User, &i.user_name)),
            inline::delete_user,
        )
        .on(
            ListUserPolicies,
            |_, c, i| Ok(access::on(c, "iam:ListUserPolicies", Kind::User, &i.user_name)),
            inline::list_user,
        )
        .on(
            PutGroupPolicy,
            |_, c, i| Ok(access::on(c, "iam:PutGroupPolicy", Kind::Group, &i.group_name)),
            inline::put_group,
        )
        .on(
            GetGroupPolicy,
            |_, c, i| Ok(access::on(c, "iam:GetGroupPolicy", Kind::Group, &i.group_name)),
            inline::get_group,
        )
        .on(
            DeleteGroupPolicy,
            |_, c, i| Ok(access::on(c, "iam:DeleteGroupPolicy", Kind::Group, &i.group_name)),
            inline::delete_group,
        )
        .on(
            ListGroupPolicies,
            |_, c, i| Ok(access::on(c, "iam:ListGroupPolicies", Kind::Group, &i.group_name)),
            inline::list_group,
        )
        .on(
            PutRolePolicy,
            |_, c, i| Ok(access::on(c, "iam:PutRolePolicy", Kind::Role, &i.role_name)),
            inline::put_role,
        )
        .on(
            GetRolePolicy,
            |_, c, i| Ok(access::on(c, "iam:GetRolePolicy", Kind::Role, &i.role_name)),
            inline::get_role,
        )
        .on(
            DeleteRolePolicy,
            |_, c, i| Ok(access::on(c, "iam:DeleteRolePolicy", Kind::Role, &i.role_name)),
            inline::delete_role,
        )
        .on(
            ListRolePolicies,
            |_, c, i| Ok(access::on(c, "iam:ListRolePolicies", Kind::Role, &i.role_name)),
            inline::list_role,
        );
    let builder = builder
        .on(
            AttachUserPolicy,
            |_, c, i| {
                Ok(access::attach(
                    c,
                    "iam:AttachUserPolicy",
                    Kind::User,
                    &i.user_name,
                    &i.policy_arn,
                ))
            },
            attached::attach_user,
        )
        .on(
            DetachUserPolicy,
            |_, c, i| {
                Ok(access::attach(
                    c,
                    "iam:DetachUserPolicy",
                    Kind::User,
                    &i.user_name,
                    &i.policy_arn,
                ))
            },
            attached::detach_user,
        )
        .on(
            ListAttachedUserPolicies,
            |_, c, i| Ok(access::on(c, "iam:ListAttachedUserPolicies", Kind::User, &i.user_name)),
            attached::list_user,
        )
        .on(
            AttachGroupPolicy,
            |_, c, i| {
                Ok(access::attach(
                    c,
                    "iam:AttachGroupPolicy",
                    Kind::Group,
                    &i.group_name,
                    &i.policy_arn,
                ))
            },
            attached::attach_group,
        )
        .on(
            DetachGroupPolicy,
            |_, c, i| {
                Ok(access::attach(
                    c,
                    "iam:DetachGroupPolicy",
                    Kind::Group,
                    &i.group_name,
                    &i.policy_arn,
                ))
            },
            attached::detach_group,
        )
        .on(
            ListAttachedGroupPolicies,
            |_, c, i| {
                Ok(access::on(
                    c,
                    "iam:ListAttachedGroupPolicies",
                    Kind::Group,
                    &i.group_name,
                ))
            },
            attached::list_group,
        )
        .on(
            AttachRolePolicy,
            |_, c, i| {
                Ok(access::attach(
                    c,
                    "iam:AttachRolePolicy",
                    Kind::Role,
                    &i.role_name,
                    &i.policy_arn,
                ))
            },
            attached::attach_role,
        )
        .on(
            DetachRolePolicy,
            |_, c, i| {
                Ok(access::attach(
                    c,
                    "iam:DetachRolePolicy",
                    Kind::Role,
                    &i.role_name,
                    &i.policy_arn,
                ))
            },
            attached::detach_role,
        )
        .on(
            ListAttachedRolePolicies,
            |_, c, i| Ok(access::on(c, "iam:ListAttachedRolePolicies", Kind::Role, &i.role_name)),
            attached::list_role,
        );
    let builder = builder
        .on(
            PutUserPermissionsBoundary,
            |_, c, i| {
                Ok(access::bound(
                    c,
                    "iam:PutUserPermissionsBoundary",
                    Kind::User,
                    &i.user_name,
                    &i.permissions_boundary,
                ))
            },
            boundaries::put_user,
        )
        .on(
            DeleteUserPermissionsBoundary,
            |_, c, i| {
                Ok(access::on(
                    c,
                    "iam:DeleteUserPermissionsBoundary",
                    Kind::User,
                    &i.user_name,
                ))
            },
            boundaries::delete_user,
        )
        .on(
            PutRolePermissionsBoundary,
            |_, c, i| {
                Ok(access::bound(
                    c,
                    "iam:PutRolePermissionsBoundary",
                    Kind::Role,
                    &i.role_name,
                    &i.permissions_boundary,
                ))
            },
            boundaries::put_role,
        )
        .on(
            DeleteRolePermissionsBoundary,
            |_, c, i| {
                Ok(access::on(
                    c,
                    "iam:DeleteRolePermissionsBoundary",
                    Kind::Role,
                    &i.role_name,
                ))
            },
            boundaries::delete_role,
        );
    managed(builder)
}

/// Managed policies and tags.
fn managed(builder: Builder) -> Service {
    let builder = builder
        .on(CreatePolicy, access::create_policy, policies::create)
        .on(
            GetPolicy,
            |_, _, i| Ok(access::policy("iam:GetPolicy", &i.policy_arn)),
            policies::get,
        )
        .on(ListPolicies, access::list_policies, policies::list)
        .on(
            DeletePolicy,
            |_, _, i| Ok(access::policy("iam:DeletePolicy", &i.policy_arn)),
            policies::delete,
        )
        .on(
            ListEntitiesForPolicy,
            |_, _, i| Ok(access::policy("iam:ListEntitiesForPolicy", &i.policy_arn)),
            policies::entities,
        )
        .on(
            CreatePolicyVersion,
            |_, _, i| Ok(access::policy("iam:CreatePolicyVersion", &i.policy_arn)),
            policy_versions::create,
        )
        .on(
            GetPolicyVersion,
            |_, _, i| Ok(access::policy("iam:GetPolicyVersion", &i.policy_arn)),
            policy_versions::get,
        )
        .on(
            ListPolicyVersions,
            |_, _, i| Ok(access::policy("iam:ListPolicyVersions", &i.policy_arn)),
            policy_versions::list,
        )
        .on(
            DeletePolicyVersion,
            |_, _, i| Ok(access::policy("iam:DeletePolicyVersion", &i.policy_arn)),
            policy_versions::delete,
        )
        .on(
            SetDefaultPolicyVersion,
            |_, _, i| Ok(access::policy("iam:SetDefaultPolicyVersion", &i.policy_arn)),
            policy_versions::set_default,
        );
    let builder = builder
        .on(
            TagUser,
            |_, c, i| Ok(access::tag(c, "iam:TagUser", "user", &i.user_name, &i.tags)),
            tags::tag_user,
        )
        .on(
            UntagUser,
            |_, c, i| Ok(access::untag(c, "iam:UntagUser", "user", &i.user_name, &i.tag_keys)),
            tags::untag_user,
        )
        .on(
            ListUserTags,
            |_, c, i| Ok(access::on(c, "iam:ListUserTags", Kind::User, &i.user_name)),
            tags::list_user,
        )
        .on(
            TagRole,
            |_, c, i| Ok(access::tag(c, "iam:TagRole", "role", &i.role_name, &i.tags)),
            tags::tag_role,
        )
        .on(
            UntagRole,
            |_, c, i| Ok(access::untag(c, "iam:UntagRole", "role", &i.role_name, &i.tag_keys)),
            tags::untag_role,
        )
        .on(
            ListRoleTags,
            |_, c, i| Ok(access::on(c, "iam:ListRoleTags", Kind::Role, &i.role_name)),
            tags::list_role,
        )
        .on(TagPolicy, access::tag_policy, tags::tag_policy)
        .on(UntagPolicy, access::untag_policy, tags::untag_policy)
        .on(
            ListPolicyTags,
            |_, _, i| Ok(access::policy("iam:ListPolicyTags", &i.policy_arn)),
            tags::list_policy,
        )
        .on(
            TagInstanceProfile,
            |_, c, i| {
                Ok(access::tag(
                    c,
                    "iam:TagInstanceProfile",
                    "instance-profile",
                    &i.instance_profile_name,
                    &i.tags,
                ))
            },
            tags::tag_profile,
        )
        .on(
            UntagInstanceProfile,
            |_, c, i| {
                let name = &i.instance_profile_name;
                Ok(access::untag(
                    c,
                    "iam:UntagInstanceProfile",
                    "instance-profile",
                    name,
                    &i.tag_keys,
                ))
            },
            tags::untag_profile,
        )
        .on(
            ListInstanceProfileTags,
            |_, c, i| {
                Ok(access::profile(
                    c,
                    "iam:ListInstanceProfileTags",
                    &i.instance_profile_name,
                ))
            },
            tags::list_profile,
        );
    others(builder)
}

/// Access keys, instance profiles, providers, the account, simulation.
fn others(builder: Builder) -> Service {
    let builder = builder
        .on(
            CreateAccessKey,
            |_, c, i| Ok(access::own(c, "iam:CreateAccessKey", i.user_name.as_deref())),
            access_keys::create,
        )
        .on(
            ListAccessKeys,
            |_, c, i| Ok(access::own(c, "iam:ListAccessKeys", i.user_name.as_deref())),
            access_keys::list,
        )
        .on(
            UpdateAccessKey,
            |_, c, i| Ok(access::own(c, "iam:UpdateAccessKey", i.user_name.as_deref())),
            access_keys::update,
        )
        .on(
            DeleteAccessKey,
            |_, c, i| Ok(access::own(c, "iam:DeleteAccessKey", i.user_name.as_deref())),
            access_keys::delete,
        )
        .on(GetAccessKeyLastUsed, access::key_last_used, access_keys::last_used);
    let builder = builder
        .on(CreateInstanceProfile, access::create_profile, instance_profiles::create)
        .on(
            GetInstanceProfile,
            |_, c, i| Ok(access::profile(c, "iam:GetInstanceProfile", &i.instance_profile_name)),
            instance_profiles::get,
        )
        .on(ListInstanceProfiles, access::list_profiles, instance_profiles::list)
        .on(
            ListInstanceProfilesForRole,
            |_, c, i| {
                Ok(access::on(
                    c,
                    "iam:ListInstanceProfilesForRole",
                    Kind::Role,
                    &i.role_name,
                ))
            },
            instance_profiles::of_role,
        )
        .on(
            DeleteInstanceProfile,
            |_, c, i| {
                Ok(access::profile(
                    c,
                    "iam:DeleteInstanceProfile",
                    &i.instance_profile_name,
                ))
            },
            instance_profiles::delete,
        )
        .on(
            AddRoleToInstanceProfile,
            access::add_role_to_profile,
            instance_profiles::add_role,
        )
        .on(
            RemoveRoleFromInstanceProfile,
            |_, c, i| {
                Ok(access::profile(
                    c,
                    "iam:RemoveRoleFromInstanceProfile",
                    &i.instance_profile_name,
                ))
            },
            instance_profiles::remove_role,
        );
    let builder = builder
        .on(CreateOpenIDConnectProvider, access::create_provider, providers::create)
        .on(
            GetOpenIDConnectProvider,
            |_, _, i| {
                Ok(access::policy(
                    "iam:GetOpenIDConnectProvider",
                    &i.open_id_connect_provider_arn,
                ))
            },
            providers::get,
        )
        .on(ListOpenIDConnectProviders, access::list_providers, providers::list)
        .on(
            DeleteOpenIDConnectProvider,
            |_, _, i| {
                Ok(access::policy(
                    "iam:DeleteOpenIDConnectProvider",
                    &i.open_id_connect_provider_arn,
                ))
            },
            providers::delete,
        );
    builder
        .on(
            CreateAccountAlias,
            |_, _, _| Ok(danbi_core::Access::any("iam:CreateAccountAlias")),
            account::create_alias,
        )
        .on(
            ListAccountAliases,
            |_, _, _| Ok(danbi_core::Access::any("iam:ListAccountAliases")),
            account::list_aliases,
        )
        .on(
            DeleteAccountAlias,
            |_, _, _| Ok(danbi_core::Access::any("iam:DeleteAccountAlias")),
            account::delete_alias,
        )
        .on(
            GetAccountSummary,
            |_, _, _| Ok(danbi_core::Access::any("iam:GetAccountSummary")),
            account::summary,
        )
        .on(
            GetAccountAuthorizationDetails,
            |_, _, _| Ok(danbi_core::Access::any("iam:GetAccountAuthorizationDetails")),
            details::get,
        )
        .on(
            SimulateCustomPolicy,
            |_, _, _| Ok(danbi_core::Access::any("iam:SimulateCustomPolicy")),
            simulate::custom,
        )
        .on(
            SimulatePrincipalPolicy,
            |_, _, i| Ok(access::policy("iam:SimulatePrincipalPolicy", &i.policy_source_arn)),
            simulate::principal,
        )
        .on(
            GetContextKeysForCustomPolicy,
            |_, _, _| Ok(danbi_core::Access::any("iam:GetContextKeysForCustomPolicy")),
            simulate::custom_keys,
        )
        .on(
            GetContextKeysForPrincipalPolicy,
            |_, _, i| {
                Ok(access::policy(
                    "iam:GetContextKeysForPrincipalPolicy",
                    &i.policy_source_arn,
                ))
            },
            simulate::principal_keys,
        )
        .build()
}
