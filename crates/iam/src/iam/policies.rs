//! Managed policies, the account's own and AWS's.

use super::paging::{Paged, listed, stored};
use super::show::{self, Detail};
use super::{Iam, documents, names, quotas};
use crate::iam_shapes::*;
use crate::records::{self, Identity, Kind, ManagedPolicy, PolicyVersion, Usage, View, put};
use crate::{IamError, Result, aws_managed, keys, random};
use danbi_core::{AccountId, RequestContext};
use danbi_store::key::KeyReader;
use danbi_store::{KeyRange, Transaction};
use danbi_wire::Empty;
use std::collections::HashMap;
use std::sync::Arc;

/// Entries read at a time where all of something is needed.
const BATCH: usize = 500;

/// How an identity uses a managed policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Attached,
    Boundary,
}

impl Use {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Boundary => "boundary",
        }
    }

    fn count(self, usage: &mut Usage) -> &mut u32 {
        match self {
            Self::Attached => &mut usage.attached,
            Self::Boundary => &mut usage.boundaries,
        }
    }
}

/// Whether `arn` names a policy that `account` can use.
pub(super) async fn exists(view: &impl View, account: &AccountId, arn: &str) -> Result<bool> {
    Ok(aws_managed::find(arn).is_some() || find(view, account, arn).await?.is_some())
}

/// The account's own policy with this ARN.
pub(super) async fn find(view: &impl View, account: &AccountId, arn: &str) -> Result<Option<ManagedPolicy>> {
    let found: Option<ManagedPolicy> = view.record(&keys::policy(account, names::last_part(arn))).await?;
    Ok(found.filter(|found| found.arn(account) == arn))
}

/// The policy with this ARN, the account's own or AWS's.
pub(super) async fn get_any(view: &impl View, account: &AccountId, arn: &str) -> Result<ManagedPolicy> {
    names::policy_arn(arn)?;
    if let Some(managed) = aws_managed::find(arn) {
        return Ok(managed.policy.clone());
    }
    let found = find(view, account, arn).await?;
    found.ok_or_else(|| not_found(arn))
}

/// The account's own policy with this ARN, to be changed.
pub(super) async fn get_own(view: &impl View, account: &AccountId, arn: &str) -> Result<ManagedPolicy> {
    names::policy_arn(arn)?;
    if aws_managed::find(arn).is_some() {
        return Err(IamError::AccessDenied("Policy is outside your own account.".into()));
    }
    let found = find(view, account, arn).await?;
    found.ok_or_else(|| not_found(arn))
}

fn not_found(arn: &str) -> IamError {
    IamError::NoSuchEntity(format!("Policy {arn} was not found."))
}

/// The path in a policy's ARN.
pub(super) fn path_of(arn: &str) -> &str {
    let resource = arn.split_once(":policy").map_or("/", |(_, rest)| rest);
    let end = resource.rfind('/').map_or(0, |at| at + 1);
    &resource[..end]
}

/// Writes that `identity` uses the policy.
pub(super) async fn begin_use(
    tx: &Transaction,
    account: &AccountId,
    policy: &str,
    use_: Use,
    identity: &Identity,
) -> Result<()> {
    let key = keys::usage(account, policy);
    let mut usage: Usage = tx.record(&key).await?.unwrap_or_default();
    *use_.count(&mut usage) += 1;
    put(tx, &key, &usage)?;
    let key = keys::user_of_policy(account, policy, use_.as_str(), identity.kind, &identity.name);
    Ok(tx.put(&key, identity.name.clone())?)
}

/// Writes that it does no more.
pub(super) async fn end_use(
    tx: &Transaction,
    account: &AccountId,
    policy: &str,
    use_: Use,
    identity: &Identity,
) -> Result<()> {
    let key = keys::usage(account, policy);
    let mut usage: Usage = tx.record(&key).await?.unwrap_or_default();
    let count = use_.count(&mut usage);
    *count = count.saturating_sub(1);
    match usage == Usage::default() {
        true => tx.delete(&key)?,
        false => put(tx, &key, &usage)?,
    }
    Ok(tx.delete(&keys::user_of_policy(
        account,
        policy,
        use_.as_str(),
        identity.kind,
        &identity.name,
    ))?)
}

pub(super) async fn usage(view: &impl View, account: &AccountId, arn: &str) -> Result<Usage> {
    Ok(view.record(&keys::usage(account, arn)).await?.unwrap_or_default())
}

/// The usage of all policies that are used.
pub(super) async fn usages(view: &impl View, account: &AccountId) -> Result<HashMap<String, Usage>> {
    let prefix = keys::usages(account);
    let mut range = KeyRange::prefix(prefix.clone());
    let mut all = HashMap::new();
    loop {
        let page = view.page(range.clone(), BATCH).await?;
        for (key, value) in &page.entries {
            let arn = KeyReader::after_prefix(key, &prefix).and_then(|mut reader| reader.str());
            all.insert(arn.map_err(|_| IamError::Record)?, records::decode(value)?);
        }
        match page.entries.last() {
            Some((key, _)) if page.more => range = range.after(key),
            _ => return Ok(all),
        }
    }
}

pub(super) fn check_size(document: &str) -> Result<()> {
    match documents::compact_len(document) > quotas::POLICY_SIZE {
        true => Err(quotas::exceeded("PolicySize", quotas::POLICY_SIZE)),
        false => Ok(()),
    }
}

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreatePolicyRequest,
) -> Result<CreatePolicyResponse> {
    let account = &context.scope.account;
    documents::check(&input.policy_document)?;
    check_size(&input.policy_document)?;
    let now = iam.now();
    let policy = ManagedPolicy {
        name: input.policy_name,
        path: names::path(input.path),
        id: random::id("ANPA", 17)?,
        created: now,
        updated: now,
        description: input.description,
        tags: names::tags(input.tags)?,
        versions: vec![PolicyVersion {
            number: 1,
            document: input.policy_document,
            created: now,
        }],
        default: 1,
        last: 1,
    };
    let (key, policy) = (&keys::policy(account, &policy.name), &policy);
    iam.change(account, async |tx| {
        if tx.value(key).await?.is_some() {
            return Err(IamError::EntityAlreadyExists(format!(
                "A policy called {} already exists. Duplicate names are not allowed.",
                policy.name
            )));
        }
        quotas::take(&tx, account, quotas::policies).await?;
        put(&tx, key, policy)
    })
    .await?;
    Ok(CreatePolicyResponse {
        policy: Some(show::policy(policy, account, Usage::default(), Detail::Created)?),
    })
}

pub(super) async fn get(iam: Arc<Iam>, context: RequestContext, input: GetPolicyRequest) -> Result<GetPolicyResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let policy = get_any(&view, account, &input.policy_arn).await?;
    let usage = usage(&view, account, &input.policy_arn).await?;
    let mut shown = show::policy(&policy, account, usage, Detail::Whole)?;
    shown.arn = Some(input.policy_arn);
    Ok(GetPolicyResponse { policy: Some(shown) })
}

pub(super) async fn list(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListPoliciesRequest,
) -> Result<ListPoliciesResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    let usages = usages(&view, account).await?;
    let prefix = input.path_prefix.as_deref().unwrap_or("/");
    let only_attached = input.only_attached.unwrap_or(false);
    let filter = input.policy_usage_filter.as_deref();
    let shown = |policy: &ManagedPolicy, arn: String| {
        let usage = usages.get(&arn).copied().unwrap_or_default();
        let used = match filter {
            Some("PermissionsPolicy") => usage.attached > 0,
            Some("PermissionsBoundary") => usage.boundaries > 0,
            _ => !only_attached || usage.attached > 0,
        };
        if !used || !policy.path.starts_with(prefix) {
            return Ok(None);
        }
        let mut shown = show::policy(policy, account, usage, Detail::Listed)?;
        shown.arn = Some(arn);
        Ok(Some(shown))
    };
    let scope = input.scope.as_deref().unwrap_or("All");
    // The account's own come first, then AWS's, whose markers say so.
    let (marker, of_aws) = match input.marker.as_deref().map(|marker| marker.strip_prefix("aws.")) {
        Some(Some(rest)) => (Some(rest.to_owned()).filter(|rest| !rest.is_empty()), true),
        _ => (input.marker.clone(), false),
    };
    let mut page = Paged {
        items: Vec::new(),
        marker: None,
    };
    if scope != "AWS" && !of_aws {
        page = stored(
            &view,
            keys::policies(account),
            input.max_items,
            marker.as_deref(),
            |_, value| {
                let policy: ManagedPolicy = records::decode(value)?;
                let arn = policy.arn(account);
                shown(&policy, arn)
            },
        )
        .await?;
    }
    let room = input.max_items.unwrap_or(100) - i32::try_from(page.items.len()).unwrap_or(i32::MAX);
    if scope != "Local" && page.marker.is_none() {
        let all = aws_managed::ALL
            .values()
            .map(|managed| shown(&managed.policy, managed.arn()));
        let all: Vec<Policy> = all.filter_map(Result::transpose).collect::<Result<_>>()?;
        if room > 0 {
            let rest = listed(all, Some(room), marker.as_deref().filter(|_| of_aws))?;
            page.items.extend(rest.items);
            page.marker = rest.marker.map(|marker| format!("aws.{marker}"));
        } else if !all.is_empty() {
            page.marker = Some("aws.".into());
        }
    }
    Ok(ListPoliciesResponse {
        is_truncated: page.truncated(),
        policies: Some(page.items),
        marker: page.marker,
    })
}

pub(super) async fn delete(iam: Arc<Iam>, context: RequestContext, input: DeletePolicyRequest) -> Result<Empty> {
    let (account, arn) = (&context.scope.account, input.policy_arn.as_str());
    iam.change(account, async |tx| {
        let policy = get_own(&tx, account, arn).await?;
        if usage(&tx, account, arn).await? != Usage::default() {
            return Err(IamError::DeleteConflict("Cannot delete a policy attached to entities."));
        }
        if policy.versions.len() > 1 {
            return Err(IamError::DeleteConflict(
                "This policy has more than one version. Before you delete a policy, you must delete the policy's \
                 versions. The default version is deleted with the policy.",
            ));
        }
        quotas::give_back(&tx, account, quotas::policies).await?;
        Ok(tx.delete(&keys::policy(account, &policy.name))?)
    })
    .await?;
    Ok(Empty {})
}

pub(super) async fn entities(
    iam: Arc<Iam>,
    context: RequestContext,
    input: ListEntitiesForPolicyRequest,
) -> Result<ListEntitiesForPolicyResponse> {
    let account = &context.scope.account;
    let view = iam.store.snapshot().await?;
    get_any(&view, account, &input.policy_arn).await?;
    let wanted_kind = match input.entity_filter.as_deref() {
        Some("User") => Some(Kind::User),
        Some("Group") => Some(Kind::Group),
        Some("Role") => Some(Kind::Role),
        _ => None,
    };
    let wanted_use = match input.policy_usage_filter.as_deref() {
        Some("PermissionsPolicy") => Some("attached"),
        Some("PermissionsBoundary") => Some("boundary"),
        _ => None,
    };
    let prefix = keys::users_of_policy(account, &input.policy_arn);
    let page = stored(
        &view,
        prefix.clone(),
        input.max_items,
        input.marker.as_deref(),
        |key, value| {
            let mut reader = KeyReader::after_prefix(key, &prefix).map_err(|_| IamError::Record)?;
            let use_ = reader.str().map_err(|_| IamError::Record)?;
            let kind = reader.str().map_err(|_| IamError::Record)?;
            let kind = Kind::parse(&kind).ok_or(IamError::Record)?;
            let wanted =
                wanted_kind.is_none_or(|wanted| wanted == kind) && wanted_use.is_none_or(|wanted| wanted == use_);
            Ok(wanted.then(|| (kind, String::from_utf8_lossy(value).into_owned())))
        },
    )
    .await?;
    let path = input.path_prefix.as_deref().unwrap_or("/");
    let (mut users, mut groups, mut roles) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, name) in &page.items {
        let Some(found) = records::find(&view, account, *kind, name).await? else {
            continue;
        };
        if !found.path.starts_with(path) {
            continue;
        }
        let (name, id) = (Some(found.name), Some(found.id));
        match kind {
            Kind::User => users.push(PolicyUser {
                user_name: name,
                user_id: id,
            }),
            Kind::Group => groups.push(PolicyGroup {
                group_name: name,
                group_id: id,
            }),
            Kind::Role => roles.push(PolicyRole {
                role_name: name,
                role_id: id,
            }),
        }
    }
    Ok(ListEntitiesForPolicyResponse {
        is_truncated: page.truncated(),
        policy_groups: Some(groups),
        policy_users: Some(users),
        policy_roles: Some(roles),
        marker: page.marker,
    })
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn a_policy_arn_has_a_path() {
        assert_eq!(path_of("arn:aws:iam::000000000000:policy/a/b/c"), "/a/b/");
        assert_eq!(path_of("arn:aws:iam::aws:policy/AdministratorAccess"), "/");
        assert_eq!(path_of("rubbish"), "/");
    }
}
