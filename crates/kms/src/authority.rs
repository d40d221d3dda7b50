//! KMS's side of every decision: a key's policy, which must allow or delegate, and its grants.
//!
//! The authorizer asks for it before an operation runs. A key that is named by an alias is decided under its own ARN, as
//! policies know it.

use crate::ciphertext::EncryptionContext;
use crate::error::Error;
use crate::grant::Grant;
use crate::names::{ALIAS, KeyName, key_arn};
use crate::record::Key;
use crate::{catalog, names};
use async_trait::async_trait;
use danbi_core::{
    Access, Arn, Granted, PolicyUse, Principal, RequestContext, ResourcePolicySource, ResourceSide, Scope, ServiceError,
};
use danbi_store::{Snapshot, Store};
use std::borrow::Cow;

/// Condition keys by which an access tells the encryption context.
pub(crate) const CONTEXT: &str = "kms:EncryptionContext:";
/// Condition key by which an access tells which grant is to be retired; no policy asks for it.
pub(crate) const GRANT_ID: &str = "kms:GrantId";
/// Actions on aliases themselves, which have no policies.
const OF_ALIASES: [&str; 3] = ["kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"];

/// Gives KMS's side of decisions to the authorizer, out of the store that the service writes to.
pub struct KeyPolicies {
    store: Store,
}

impl KeyPolicies {
    /// Over the service's own store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl ResourcePolicySource for KeyPolicies {
    async fn resource_policy(&self, resource: &Arn) -> Result<Option<String>, ServiceError> {
        let view = self.store.snapshot().await.map_err(Error::from)?;
        Ok(find(&view, resource).await?.map(|(_, key)| key.policy))
    }

    async fn resource_side(&self, context: &RequestContext, access: &Access) -> Result<ResourceSide, ServiceError> {
        let caller = crate::access::account_of(&context.principal);
        let mut side = ResourceSide {
            conditions: caller
                .map(|account| (Cow::Borrowed("kms:CallerAccount"), account))
                .into_iter()
                .collect(),
            ..ResourceSide::default()
        };
        let Ok(arn) = access.resource.parse::<Arn>() else {
            return Ok(side);
        };
        if arn.resource.starts_with(ALIAS) && OF_ALIASES.contains(&access.action) {
            return Ok(side);
        }
        let view = self.store.snapshot().await.map_err(Error::from)?;
        let Some((scope, key)) = find(&view, &arn).await? else {
            return Ok(side);
        };
        if arn.resource.starts_with(ALIAS) {
            let alias = (Cow::Borrowed("kms:RequestAlias"), arn.resource.clone());
            side.conditions.push(alias);
        }
        add_conditions(&view, &scope, &key, &mut side).await?;
        if key.grants > 0 {
            let grants = catalog::grants(&view, &scope, &key.id).await?;
            side.granted = granted(&grants, context, access);
        }
        side.resource = Some(key_arn(&scope, &key.id));
        side.policy_use = PolicyUse::Required;
        side.policy = Some(key.policy.into());
        Ok(side)
    }
}

async fn find(view: &Snapshot, arn: &Arn) -> Result<Option<(Scope, Key)>, Error> {
    let Some(scope) = arn.scope() else { return Ok(None) };
    let name = match (arn.resource.strip_prefix(ALIAS), arn.resource.strip_prefix("key/")) {
        (Some(alias), _) => KeyName::Alias(scope, alias.to_owned()),
        (_, Some(id)) if names::is_key_id(id) => KeyName::Id(scope, id.to_owned()),
        _ => return Ok(None),
    };
    match catalog::find(view, &name).await {
        Ok(found) => Ok(Some(found)),
        // What is not there is for the operation to say, to those who may ask.
        Err(Error::Answer(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What policies may ask of the key itself.
async fn add_conditions(view: &Snapshot, scope: &Scope, key: &Key, side: &mut ResourceSide) -> Result<(), Error> {
    let mut add = |name: &'static str, value: String| side.conditions.push((Cow::Borrowed(name), value));
    add("kms:KeySpec", key.spec.name().into());
    add("kms:KeyUsage", key.usage.name().into());
    add("kms:KeyOrigin", key.origin().into());
    add("kms:MultiRegion", key.regions.is_some().to_string());
    if let Some(regions) = &key.regions {
        let is_primary = regions.primary == scope.region.as_str();
        add(
            "kms:MultiRegionKeyType",
            if is_primary { "PRIMARY" } else { "REPLICA" }.into(),
        );
        add("kms:PrimaryRegion", regions.primary.clone());
    }
    for alias in catalog::aliases_of(view, scope, &key.id).await? {
        side.conditions
            .push((Cow::Borrowed("kms:ResourceAliases"), format!("{ALIAS}{alias}")));
    }
    for (name, value) in &key.tags {
        side.conditions
            .push((Cow::Owned(format!("aws:ResourceTag/{name}")), value.clone()));
    }
    Ok(())
}

/// What the key's grants give the caller.
fn granted(grants: &[Grant], context: &RequestContext, access: &Access) -> Granted {
    let operation = access.action.strip_prefix("kms:").unwrap_or(access.action);
    let source = context.facts.source.as_ref().map(|source| source.arn.as_str());
    let encryption: EncryptionContext = access
        .conditions
        .iter()
        .filter_map(|(name, values)| Some((name.strip_prefix(CONTEXT)?.to_owned(), values.first()?.clone())))
        .collect();
    let principal: &Principal = &context.principal;
    let retired = access.conditions.get(GRANT_ID).and_then(|ids| ids.first());
    let made = access
        .conditions
        .get("kms:GrantOperations")
        .filter(|_| operation == "CreateGrant");
    let of = |grant: &Grant| match (retired, made) {
        (Some(id), _) if *id == grant.id => grant.retirable_by(principal),
        (Some(_), _) => Granted::Nothing,
        (None, Some(made)) => grant.gives_on(principal, made),
        (None, None) => grant.gives(principal, operation, &encryption, source),
    };
    let mut best = Granted::Nothing;
    for grant in grants {
        match of(grant) {
            Granted::ToEverybody => return Granted::ToEverybody,
            Granted::ToAccount => best = Granted::ToAccount,
            Granted::Nothing => {}
        }
    }
    best
}
