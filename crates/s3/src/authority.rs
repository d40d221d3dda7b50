//! S3's side of every decision: whose a bucket or an object is, its policy, and what its list grants the caller.
//!
//! The authorizer asks for it before an operation runs. It costs one read of the bucket's record; the policy is read
//! only when there is one, lists and objects only in buckets whose lists count, tags only for policies that ask for them.
//! Nothing is cached, so nothing can be stale, on any node.

use crate::acl::{self, Acl, Caller, Permission};
use crate::bucket_config::{self, kind};
use crate::ids::UploadId;
use crate::names::MAX_KEY_BYTES;
use crate::parts_access::UPLOAD_ID;
use crate::records::{Bucket, Upload, Version, View};
use crate::{Error, Result, S3, keys, versions};
use async_trait::async_trait;
use danbi_core::{
    Access, AccountId, Accounts, Arn, Granted, PolicyUse, Principal, Refusal, RequestContext, ResourcePolicySource,
    ResourceSide, ServiceError,
};
use danbi_store::{Snapshot, Store};
use std::borrow::Cow;
use std::sync::Arc;

/// Gives S3's side of decisions to the authorizer, out of the store that the service writes to.
pub struct Authority {
    store: Store,
    accounts: Arc<dyn Accounts>,
}

impl Authority {
    /// Over the service's own store.
    pub fn new(store: Store, accounts: Arc<dyn Accounts>) -> Self {
        Self { store, accounts }
    }
}

const BUCKET_ARN: &str = "arn:aws:s3:::";

/// Actions on objects that are decided by the bucket alone: the object's owner and list have no say.
const BY_BUCKET: [&str; 8] = [
    "s3:PutObject",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:BypassGovernanceRetention",
    "s3:PutObjectRetention",
    "s3:PutObjectLegalHold",
];

/// Actions whose operations tell a caller who may not list the bucket nothing of what is not there.
const READS: [&str; 3] = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTorrent"];

/// What the root of the owning account may do whatever the policy says: mend the policy.
const OF_POLICIES: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

#[async_trait]
impl ResourcePolicySource for Authority {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let name = resource.resource.split('/').next().unwrap_or_default();
        let view = self.store.snapshot().await.map_err(Error::from)?;
        let Some(bucket) = find(&view, name).await? else {
            return Ok(None);
        };
        Ok(bucket_config::get(&view, &bucket, kind::POLICY).await?)
    }

    async fn resource_side(&self, context: &RequestContext, access: &Access) -> Result<ResourceSide, ServiceError> {
        let mut side = ResourceSide {
            refusal: Some(Refusal::Code("AccessDenied")),
            conditions: of_request(context),
            ..ResourceSide::default()
        };
        let resource = access.resource.strip_prefix(BUCKET_ARN);
        let Some(resource) = resource.filter(|_| access.action != "s3:CreateBucket") else {
            return Ok(side);
        };
        let (name, key) = match resource.split_once('/') {
            Some((name, key)) => (name, Some(key)),
            None => (resource, None),
        };
        let view = self.store.snapshot().await.map_err(Error::from)?;
        let bucket = find(&view, name).await?.ok_or_else(|| Error::no_such_bucket(name))?;
        match key {
            None => self.of_bucket(&view, context, access, &bucket, &mut side).await?,
            Some(key) => self.of_object(&view, context, access, &bucket, key, &mut side).await?,
        }
        self.add_policy(&view, context, access, &bucket, &mut side).await?;
        Ok(side)
    }
}

impl Authority {
    async fn of_bucket(
        &self,
        view: &Snapshot,
        context: &RequestContext,
        access: &Access,
        bucket: &Bucket,
        side: &mut ResourceSide,
    ) -> Result<()> {
        side.owner = Some(account(&bucket.owner)?);
        side.granted = self.granted_by_bucket(view, context, access.action, bucket).await?;
        Ok(())
    }

    async fn of_object(
        &self,
        view: &Snapshot,
        context: &RequestContext,
        access: &Access,
        bucket: &Bucket,
        key: &str,
        side: &mut ResourceSide,
    ) -> Result<()> {
        side.owner = Some(account(&bucket.owner)?);
        let lists_count = bucket.has_lists();
        if BY_BUCKET.contains(&access.action) {
            if lists_count {
                side.granted = self.granted_by_bucket(view, context, access.action, bucket).await?;
                if side.granted == Granted::Nothing && began(view, context, access, bucket, key).await? {
                    side.granted = Granted::ToAccount;
                }
            }
            return Ok(());
        }
        let reads_tags = bucket.policy.is_some_and(|policy| policy.reads_tags)
            || matches!(context.principal, Principal::Identity { .. });
        let owner = matches!(&context.principal, Principal::Root(account) if account.as_str() == bucket.owner);
        if !lists_count && !reads_tags && owner {
            return Ok(());
        }
        let version = access.conditions.get("s3:VersionId").and_then(|ids| ids.first());
        let Some(version) = find_version(view, bucket, key, version.map(String::as_str)).await? else {
            // What to say of something that is not there depends on whether the caller may list the bucket, which the
            // operations that read objects ask for themselves (`access::of_missing`).
            if READS.contains(&access.action) {
                side.granted = Granted::ToEverybody;
            }
            return Ok(());
        };
        if reads_tags {
            add_tags(&version, side);
        }
        if lists_count {
            self.granted_by_object(context, access.action, bucket, &version, side)?;
        }
        Ok(())
    }

    /// What the bucket's list grants for an action on the bucket or in it.
    async fn granted_by_bucket(
        &self,
        view: &Snapshot,
        context: &RequestContext,
        action: &str,
        bucket: &Bucket,
    ) -> Result<Granted> {
        let permission = Permission::of_bucket_action(action);
        let Some(permission) = permission.filter(|_| bucket.has_lists()) else {
            return Ok(Granted::Nothing);
        };
        let list: Option<Acl> = bucket_config::get(view, bucket, kind::ACL).await?;
        let Some(list) = list else {
            return Ok(Granted::Nothing);
        };
        let caller = Caller::of(&context.principal, &*self.accounts);
        Ok(list.grants(permission, &caller, !bucket.blocks().granted_by_acls))
    }

    fn granted_by_object(
        &self,
        context: &RequestContext,
        action: &str,
        bucket: &Bucket,
        version: &Version,
        side: &mut ResourceSide,
    ) -> Result<()> {
        // What strangers wrote is the bucket owner's to look after: there is no account that it could be of.
        if version.owner != acl::ANONYMOUS {
            side.owner = Some(account(&version.owner)?);
            if version.owner != bucket.owner {
                side.policy_use = PolicyUse::DeniesOnly;
            }
        }
        let list = version.object.as_ref().and_then(|object| object.acl.as_ref());
        if let (Some(list), Some(permission)) = (list, Permission::of_object_action(action)) {
            let caller = Caller::of(&context.principal, &*self.accounts);
            side.granted = list.grants(permission, &caller, !bucket.blocks().granted_by_acls);
        }
        Ok(())
    }

    async fn add_policy(
        &self,
        view: &Snapshot,
        context: &RequestContext,
        access: &Access,
        bucket: &Bucket,
        side: &mut ResourceSide,
    ) -> Result<()> {
        let caller = acl::account_of(&context.principal);
        let of_owner = caller.is_some_and(|caller| caller.as_str() == bucket.owner);
        if let Some(facts) = bucket.policy {
            let policy: Option<String> = bucket_config::get(view, bucket, kind::POLICY).await?;
            side.policy = policy.map(Arc::from);
            let outsider = !of_owner && !matches!(context.principal, Principal::Service(_));
            if facts.is_public && bucket.blocks().granted_by_policies && outsider {
                side.policy_use = PolicyUse::DeniesOnly;
            } else if OF_POLICIES.contains(&access.action) {
                side.policy_use = PolicyUse::SparesRoot;
            }
        }
        if !of_owner {
            // Strangers are not told how the bucket is guarded.
            side.refusal = Some(Refusal::Error(Error::access_denied().into()));
        }
        Ok(())
    }
}

/// Whether the caller's account began the upload that an access is about.
async fn began(view: &Snapshot, context: &RequestContext, access: &Access, bucket: &Bucket, key: &str) -> Result<bool> {
    let id = access.conditions.get(UPLOAD_ID).and_then(|ids| ids.first());
    let id: Option<UploadId> = id.and_then(|id| id.parse().ok());
    let Some(id) = id.filter(|_| key.len() <= MAX_KEY_BYTES) else {
        return Ok(false);
    };
    let upload: Option<Upload> = view.record(&keys::upload(&bucket.id, key, &id)).await?;
    let caller = acl::account_of(&context.principal);
    Ok(upload.is_some_and(|upload| caller.is_some_and(|caller| caller.as_str() == upload.owner)))
}

async fn find(view: &Snapshot, name: &str) -> Result<Option<Bucket>> {
    // A name that no bucket can have may not even be a key of the store.
    if name.len() > 255 {
        return Ok(None);
    }
    view.record(&keys::bucket(name)).await
}

/// The version of a key that a request means, if it is there.
async fn find_version(view: &Snapshot, bucket: &Bucket, key: &str, which: Option<&str>) -> Result<Option<Version>> {
    if key.len() > MAX_KEY_BYTES {
        return Ok(None);
    }
    match which {
        None => Ok(versions::current(view, bucket, key)
            .await?
            .filter(|version| version.object.is_some())),
        Some(which) => match S3::version_id(which) {
            Ok(which) => versions::named(view, bucket, key, which).await,
            // The operation itself says what is wrong with it.
            Err(_) => Ok(None),
        },
    }
}

fn account(owner: &str) -> Result<AccountId> {
    owner
        .parse()
        .map_err(|_| Error::Damaged(format!("{owner:?} owns something and is no account")))
}

fn add_tags(version: &Version, side: &mut ResourceSide) {
    let tags = version.object.iter().flat_map(|object| &object.tags);
    for (key, value) in tags {
        side.conditions
            .push((Cow::Owned(format!("s3:ExistingObjectTag/{key}")), value.clone()));
    }
}

/// What policies may ask of how a request came.
fn of_request(context: &RequestContext) -> Vec<(Cow<'static, str>, String)> {
    let facts = &context.facts;
    let mut conditions: Vec<(Cow<'static, str>, String)> = Vec::new();
    let mut add = |key: &'static str, value: String| conditions.push((Cow::Borrowed(key), value));
    if let Some(referer) = &facts.referer {
        add("aws:Referer", referer.clone());
    }
    if let Some(signature) = &facts.signature {
        add("s3:signatureversion", signature.version.to_owned());
        add("s3:authType", signature.kind.to_owned());
        add("s3:signatureAge", signature.age_ms.to_string());
    }
    if let Some(digest) = &facts.content_sha256 {
        add("s3:x-amz-content-sha256", digest.clone());
    }
    conditions
}
