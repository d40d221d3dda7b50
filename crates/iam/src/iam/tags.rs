//! Tags of users, roles, policies and instance profiles.

use super::paging::{Paged, listed};
use super::{Iam, instance_profiles, names, policies, quotas, roles, show};
use crate::iam_shapes::*;
use crate::records::{self, Kind, Tags, put, save};
use crate::{IamError, Result, keys};
use danbi_core::{AccountId, RequestContext};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// Sets `new` among `tags`: a key that is there, whatever its case, gets the new value.
fn set(tags: &mut Tags, new: &Tags) -> Result<()> {
    for (key, value) in new {
        let same = |(have, _): &&mut (String, String)| have.to_lowercase() == key.to_lowercase();
        match tags.iter_mut().find(same) {
            Some(entry) => *entry = (key.clone(), value.clone()),
            None => tags.push((key.clone(), value.clone())),
        }
    }
    match tags.len() > quotas::TAGS {
        true => Err(IamError::LimitExceeded(format!(
            "The number of tags has reached the maximum limit of {}.",
            quotas::TAGS
        ))),
        false => Ok(()),
    }
}

fn unset(tags: &mut Tags, keys: &[String]) {
    tags.retain(|(have, _)| !keys.iter().any(|key| key.to_lowercase() == have.to_lowercase()));
}

/// What a request does to tags.
enum Change {
    Set(Tags),
    Unset(Vec<String>),
}

impl Change {
    fn apply(&self, tags: &mut Tags) -> Result<()> {
        match self {
            Self::Set(new) => set(tags, new),
            Self::Unset(keys) => {
                unset(tags, keys);
                Ok(())
            }
        }
    }
}

/// What is tagged.
#[derive(Clone, Copy)]
enum Tagged<'a> {
    Identity(Kind, &'a str),
    Policy(&'a str),
    Profile(&'a str),
}

async fn change(iam: &Iam, account: &AccountId, tagged: Tagged<'_>, change: Change) -> Result<Empty> {
    let change = &change;
    iam.change(account, async |tx| change_in(&tx, account, tagged, change).await)
        .await?;
    Ok(Empty {})
}

async fn change_in(tx: &Transaction, account: &AccountId, tagged: Tagged<'_>, change: &Change) -> Result<()> {
    match tagged {
        Tagged::Identity(kind, name) => {
            let mut identity = records::get(tx, account, kind, name).await?;
            roles::check_changeable(&identity)?;
            change.apply(&mut identity.tags)?;
            save(tx, account, &identity)
        }
        Tagged::Policy(arn) => {
            let mut policy = policies::get_own(tx, account, arn).await?;
            change.apply(&mut policy.tags)?;
            put(tx, &keys::policy(account, &policy.name), &policy)
        }
        Tagged::Profile(name) => {
            let mut profile = instance_profiles::find(tx, account, name).await?;
            change.apply(&mut profile.tags)?;
            put(tx, &keys::profile(account, name), &profile)
        }
    }
}

async fn list(
    iam: &Iam,
    account: &AccountId,
    tagged: Tagged<'_>,
    max_items: Option<i32>,
    marker: Option<&str>,
) -> Result<Paged<Tag>> {
    let view = iam.store.snapshot().await?;
    let tags = match tagged {
        Tagged::Identity(kind, name) => records::get(&view, account, kind, name).await?.tags,
        Tagged::Policy(arn) => policies::get_any(&view, account, arn).await?.tags,
        Tagged::Profile(name) => instance_profiles::find(&view, account, name).await?.tags,
    };
    listed(show::tags(&tags), max_items, marker)
}

/// The three operations of a kind, which differ in the names of their shapes and members alone; a function cannot be
/// generic over those.
macro_rules! operations {
    ($tagged:expr, $name:ident: $tag:ident($tag_in:ty), $untag:ident($untag_in:ty), $list:ident($list_in:ty, $list_out:ident)) => {
        pub(super) async fn $tag(iam: Arc<Iam>, context: RequestContext, input: $tag_in) -> Result<Empty> {
            let new = names::tags(Some(input.tags))?;
            change(
                &iam,
                &context.scope.account,
                $tagged(&input.$name),
                Change::Set(new),
            )
            .await
        }

        pub(super) async fn $untag(iam: Arc<Iam>, context: RequestContext, input: $untag_in) -> Result<Empty> {
            change(
                &iam,
                &context.scope.account,
                $tagged(&input.$name),
                Change::Unset(input.tag_keys),
            )
            .await
        }

        pub(super) async fn $list(iam: Arc<Iam>, context: RequestContext, input: $list_in) -> Result<$list_out> {
            let (account, marker) = (&context.scope.account, input.marker.as_deref());
            let page = list(&iam, account, $tagged(&input.$name), input.max_items, marker).await?;
            Ok($list_out {
                is_truncated: page.truncated(),
                tags: page.items,
                marker: page.marker,
            })
        }
    };
}

operations!(|name| Tagged::Identity(Kind::User, name), user_name: tag_user(TagUserRequest), untag_user(UntagUserRequest),
    list_user(ListUserTagsRequest, ListUserTagsResponse));
operations!(|name| Tagged::Identity(Kind::Role, name), role_name: tag_role(TagRoleRequest), untag_role(UntagRoleRequest),
    list_role(ListRoleTagsRequest, ListRoleTagsResponse));
operations!(Tagged::Policy, policy_arn: tag_policy(TagPolicyRequest), untag_policy(UntagPolicyRequest),
    list_policy(ListPolicyTagsRequest, ListPolicyTagsResponse));
operations!(Tagged::Profile, instance_profile_name: tag_profile(TagInstanceProfileRequest),
    untag_profile(UntagInstanceProfileRequest), list_profile(ListInstanceProfileTagsRequest, ListInstanceProfileTagsResponse));
