//! `GetAccountAuthorizationDetails`: everything about who may do what, a page at a time.

use super::show::{self, attached, boundary, inline, tags};
use super::{Iam, instance_profiles, policies};
use crate::iam_shapes::*;
use crate::records::{self, Identity, Kind, ManagedPolicy, Usage, View};
use crate::{IamError, Result, aws_managed, keys};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use danbi_core::{AccountId, RequestContext};
use danbi_store::KeyRange;
use std::collections::HashMap;
use std::sync::Arc;

/// The lists, in the order in which they are paged through. AWS's policies come last.
const USERS: usize = 0;
const GROUPS: usize = 1;
const ROLES: usize = 2;
const OWN: usize = 3;
const AWS: usize = 4;

/// Where a page begins: which list, and after which key's end.
struct Place {
    list: usize,
    after: Vec<u8>,
}

impl Place {
    fn parse(marker: Option<&str>) -> Result<Self> {
        let invalid = || IamError::Validation("Invalid Marker.".into());
        let Some(marker) = marker else {
            return Ok(Self {
                list: USERS,
                after: Vec::new(),
            });
        };
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(marker).map_err(|_| invalid())?;
        let (list, after) = bytes.split_first().ok_or_else(invalid)?;
        Ok(Self {
            list: usize::from(*list),
            after: after.to_vec(),
        })
    }

    fn marker(&self) -> String {
        // There are five lists.
        let list = u8::try_from(self.list).unwrap_or(u8::MAX);
        BASE64_URL_SAFE_NO_PAD.encode([&[list], self.after.as_slice()].concat())
    }
}

pub(super) async fn get(
    iam: Arc<Iam>,
    context: RequestContext,
    input: GetAccountAuthorizationDetailsRequest,
) -> Result<GetAccountAuthorizationDetailsResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let usages = policies::usages(&view, account).await?;
    let wanted = |name: &str| {
        let filter = input.filter.as_deref().unwrap_or_default();
        filter.is_empty() || filter.iter().any(|wanted| wanted == name)
    };
    let lists = [
        ("User", keys::identities(account, Kind::User)),
        ("Group", keys::identities(account, Kind::Group)),
        ("Role", keys::identities(account, Kind::Role)),
        ("LocalManagedPolicy", keys::policies(account)),
    ];
    let mut place = Place::parse(input.marker.as_deref())?;
    let mut room = input
        .max_items
        .and_then(|max| usize::try_from(max).ok())
        .unwrap_or(100)
        .max(1);
    let mut answer = GetAccountAuthorizationDetailsResponse {
        user_detail_list: Some(Vec::new()),
        group_detail_list: Some(Vec::new()),
        role_detail_list: Some(Vec::new()),
        policies: Some(Vec::new()),
        is_truncated: Some(false),
        marker: None,
    };
    while let Some((name, prefix)) = lists.get(place.list) {
        if wanted(name) {
            let more = take(&view, account, &usages, &mut place, prefix, &mut room, &mut answer).await?;
            if more {
                answer.is_truncated = Some(true);
                answer.marker = Some(place.marker());
                return Ok(answer);
            }
        }
        place = Place {
            list: place.list + 1,
            after: Vec::new(),
        };
    }
    if place.list == AWS && wanted("AWSManagedPolicy") {
        let used = usages
            .iter()
            .filter_map(|(arn, usage)| Some((aws_managed::find(arn)?, *usage)));
        let mut used: Vec<_> = used.collect();
        used.sort_by(|(a, _), (b, _)| a.policy.name.cmp(&b.policy.name));
        for (managed, usage) in used {
            let mut detail = policy_detail(&managed.policy, account, usage)?;
            detail.arn = Some(managed.arn());
            answer.policies.get_or_insert_default().push(detail);
        }
    }
    Ok(answer)
}

/// Adds what there is room for; whether there is more.
async fn take(
    view: &impl View,
    account: &AccountId,
    usages: &HashMap<String, Usage>,
    place: &mut Place,
    prefix: &Bytes,
    room: &mut usize,
    answer: &mut GetAccountAuthorizationDetailsResponse,
) -> Result<bool> {
    let mut range = KeyRange::prefix(prefix.clone());
    if !place.after.is_empty() {
        let last: Vec<u8> = [prefix.as_ref(), &place.after].concat();
        range = range.after(&last);
    }
    let page = view.page(range, (*room).max(1)).await?;
    if *room == 0 {
        return Ok(!page.entries.is_empty());
    }
    for (key, value) in &page.entries {
        match place.list {
            USERS => {
                let user: Identity = records::decode(value)?;
                answer
                    .user_detail_list
                    .get_or_insert_default()
                    .push(user_detail(&user, account));
            }
            GROUPS => {
                let group: Identity = records::decode(value)?;
                answer
                    .group_detail_list
                    .get_or_insert_default()
                    .push(group_detail(&group, account));
            }
            ROLES => {
                let role: Identity = records::decode(value)?;
                let detail = role_detail(view, &role, account).await?;
                answer.role_detail_list.get_or_insert_default().push(detail);
            }
            _ => {
                debug_assert_eq!(place.list, OWN);
                let policy: ManagedPolicy = records::decode(value)?;
                let usage = usages.get(&policy.arn(account)).copied().unwrap_or_default();
                answer
                    .policies
                    .get_or_insert_default()
                    .push(policy_detail(&policy, account, usage)?);
            }
        }
        place.after = key[prefix.len()..].to_vec();
        *room -= 1;
    }
    Ok(page.more)
}

fn user_detail(user: &Identity, account: &AccountId) -> UserDetail {
    UserDetail {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.id.clone()),
        arn: Some(user.arn(account)),
        create_date: Some(user.created),
        user_policy_list: Some(inline(user)),
        group_list: Some(user.groups.clone()),
        attached_managed_policies: Some(attached(&user.attached)),
        permissions_boundary: boundary(user.boundary.as_ref()),
        tags: Some(tags(&user.tags)),
    }
}

fn group_detail(group: &Identity, account: &AccountId) -> GroupDetail {
    GroupDetail {
        path: Some(group.path.clone()),
        group_name: Some(group.name.clone()),
        group_id: Some(group.id.clone()),
        arn: Some(group.arn(account)),
        create_date: Some(group.created),
        group_policy_list: Some(inline(group)),
        attached_managed_policies: Some(attached(&group.attached)),
    }
}

async fn role_detail(view: &impl View, role: &Identity, account: &AccountId) -> Result<RoleDetail> {
    Ok(RoleDetail {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.id.clone()),
        arn: Some(role.arn(account)),
        create_date: Some(role.created),
        assume_role_policy_document: Some(super::documents::encoded(&role.role()?.trust)),
        instance_profile_list: Some(instance_profiles::with_role(view, account, &role.name).await?),
        role_policy_list: Some(inline(role)),
        attached_managed_policies: Some(attached(&role.attached)),
        permissions_boundary: boundary(role.boundary.as_ref()),
        tags: Some(tags(&role.tags)),
        role_last_used: Some(RoleLastUsed::default()),
    })
}

fn policy_detail(policy: &ManagedPolicy, account: &AccountId, usage: Usage) -> Result<ManagedPolicyDetail> {
    Ok(ManagedPolicyDetail {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn(account)),
        path: Some(policy.path.clone()),
        default_version_id: Some(show::version_id(policy.default)),
        attachment_count: Some(show::count(usage.attached)?),
        permissions_boundary_usage_count: Some(show::count(usage.boundaries)?),
        is_attachable: Some(true),
        description: policy.description.clone(),
        create_date: Some(policy.created),
        update_date: Some(policy.updated),
        policy_version_list: Some(show::versions(policy, true)),
    })
}
