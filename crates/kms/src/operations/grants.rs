//! `CreateGrant`, `ListGrants`, `ListRetirableGrants`, `RevokeGrant`, `RetireGrant`.

use super::{check_dry_run, check_tokens, find, invalid_token};
use crate::error::{Error, Result};
use crate::grant::{self, Grant};
use crate::names::KeyName;
use crate::record::{Key, View, encode};
use crate::shapes::{
    CreateGrantRequest, CreateGrantResponse, ListGrantsRequest, ListGrantsResponse, ListRetirableGrantsRequest,
    RetireGrantRequest, RevokeGrantRequest,
};
use crate::spec::{KeySpec, KeyUsage};
use crate::{Kms, access, catalog, keys, paging};
use danbi_core::{Arn, RequestContext, Scope};
use danbi_store::Transaction;
use danbi_wire::Empty;
use std::sync::Arc;

/// Most grants of a key: AWS's quota.
const MAX_GRANTS: u32 = 50_000;
/// Most bytes of an encryption context of a constraint.
const MAX_CONSTRAINT_BYTES: usize = 384;

/// CreateGrant. The same grant under the same name once more is the one that there is.
pub(crate) async fn create(
    kms: Arc<Kms>,
    context: RequestContext,
    input: CreateGrantRequest,
) -> Result<CreateGrantResponse> {
    check_tokens(input.grant_tokens.as_ref())?;
    let grantee = principal(
        input.grantee_principal.as_deref(),
        input.grantee_service_principal.as_deref(),
    )?;
    let grantee = grantee.ok_or_else(|| Error::validation("A grant must have a grantee principal."))?;
    let retiring = principal(
        input.retiring_principal.as_deref(),
        input.retiring_service_principal.as_deref(),
    )?;
    check_constraints(&input)?;
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let issuer = access::account_of(&context.principal).unwrap_or_else(|| scope.account.to_string());
    let (now, grant_id) = (kms.now(), random_id()?);
    let made = kms
        .store
        .transact(async |tx| {
            let mut key = catalog::by_id(&tx, &scope, &id).await?;
            key.check_enabled(&scope, now)?;
            check_operations(&key, &input.operations)?;
            check_dry_run(input.dry_run)?;
            let grant = Grant {
                id: grant_id.clone(),
                name: input.name.clone(),
                created: now,
                grantee: grantee.clone(),
                retiring: retiring.clone(),
                issuer: issuer.clone(),
                operations: input.operations.clone(),
                constraints: input.constraints.clone(),
            };
            if grant.name.is_some() {
                let all = catalog::grants(&tx, &scope, &id).await?;
                if let Some(same) = all.into_iter().find(|other| is_same(other, &grant)) {
                    return Ok(same.id);
                }
            }
            if key.grants >= MAX_GRANTS {
                let message = format!("A key cannot have more than {MAX_GRANTS} grants.");
                return Err(Error::client("LimitExceededException", message));
            }
            key.grants += 1;
            tx.put(&keys::grant(&scope, &id, &grant.id), encode(&grant)?)?;
            if let Some(retiring) = &grant.retiring {
                tx.put(&keys::retirable(&scope, retiring, &id, &grant.id), Vec::new())?;
            }
            catalog::save(&tx, &scope, &mut key)?;
            Ok(grant.id)
        })
        .await?;
    Ok(CreateGrantResponse {
        grant_token: Some(grant::token(&scope, &id, &made)),
        grant_id: Some(made),
    })
}

fn is_same(one: &Grant, other: &Grant) -> bool {
    let name = |grant: &Grant| {
        let Grant {
            name,
            grantee,
            retiring,
            operations,
            ..
        } = grant.clone();
        (name, grantee, retiring, operations)
    };
    name(one) == name(other) && one.constraints == other.constraints
}

/// The principal that a member names.
///
/// # Errors
/// `ValidationException`, `InvalidArnException`.
fn principal(arn: Option<&str>, service: Option<&str>) -> Result<Option<String>> {
    let given = match (arn, service) {
        (Some(_), Some(_)) => {
            return Err(Error::validation(
                "A grant cannot name a principal and a service at once.",
            ));
        }
        (None, service) => return Ok(service.map(str::to_owned)),
        (Some(arn), None) => arn,
    };
    let invalid = || {
        Error::client(
            "InvalidArnException",
            format!("ARN does not refer to a valid principal: {given}"),
        )
    };
    let is_service = given.ends_with(".amazonaws.com") && !given.contains(':');
    if is_service {
        return Ok(Some(given.to_owned()));
    }
    let arn: Arn = given.parse().map_err(|_| invalid())?;
    match arn.service.as_str() {
        "iam" | "sts" => Ok(Some(given.to_owned())),
        _ => Err(invalid()),
    }
}

fn check_constraints(input: &CreateGrantRequest) -> Result<()> {
    let Some(constraints) = &input.constraints else {
        return Ok(());
    };
    let both = [
        &constraints.encryption_context_equals,
        &constraints.encryption_context_subset,
    ];
    for context in both.into_iter().flatten() {
        let bytes: usize = context.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > MAX_CONSTRAINT_BYTES {
            let message = format!("A grant's encryption context is larger than {MAX_CONSTRAINT_BYTES} bytes.");
            return Err(Error::validation(message));
        }
    }
    Ok(())
}

/// Makes sure that the key can do what is granted.
///
/// # Errors
/// `ValidationException`.
fn check_operations(key: &Key, operations: &[String]) -> Result<()> {
    let allowed: &[&str] = match (key.usage, key.spec) {
        (KeyUsage::Encrypt, KeySpec::Symmetric) => &[
            "Decrypt",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
            "ReEncryptFrom",
            "ReEncryptTo",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
        ],
        (KeyUsage::Encrypt, _) => &["Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo", "GetPublicKey"],
        (KeyUsage::Sign, _) => &["Sign", "Verify", "GetPublicKey"],
        (KeyUsage::Mac, _) => &["GenerateMac", "VerifyMac"],
        (KeyUsage::Agree, _) => &["DeriveSharedSecret", "GetPublicKey"],
    };
    for operation in operations {
        let of_all = ["CreateGrant", "RetireGrant", "DescribeKey"].contains(&operation.as_str());
        if !of_all && !allowed.contains(&operation.as_str()) {
            return Err(Error::validation(format!(
                "Grant operation {operation} is not supported for key spec {} and key usage {}.",
                key.spec.name(),
                key.usage.name()
            )));
        }
    }
    Ok(())
}

fn random_id() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Error::Computation("drawing random bytes"))?;
    Ok(danbi_core::hex::encode(bytes))
}

/// ListGrants.
pub(crate) async fn list(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ListGrantsRequest,
) -> Result<ListGrantsResponse> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    let view = kms.snapshot().await?;
    let key = catalog::by_id(&view, &scope, &id).await?;
    let grantee = input
        .grantee_principal
        .as_deref()
        .or(input.grantee_service_principal.as_deref());
    let wanted = |grant: &Grant| {
        grantee.is_none_or(|grantee| grant.grantee == grantee)
            && input.grant_id.as_ref().is_none_or(|id| grant.id == *id)
    };
    let mut range = keys::below(keys::grants(&scope, &id));
    if let Some(after) = paging::after(input.marker.as_deref())? {
        range = range.after(&keys::grant(&scope, &id, &after));
    }
    let page = view.page(range, paging::limit(input.limit)).await?;
    let (mut listed, mut last) = (Vec::new(), None);
    for (_, value) in &page.entries {
        let grant: Grant = crate::record::decode(value)?;
        last = Some(grant.id.clone());
        if wanted(&grant) {
            listed.push(grant.listed(&key.arn(&scope)));
        }
    }
    Ok(ListGrantsResponse {
        grants: Some(listed),
        next_marker: last.filter(|_| page.more).map(|last| paging::marker(&last)),
        truncated: Some(page.more),
    })
}

/// ListRetirableGrants: those of the caller's account and region that a principal may retire.
pub(crate) async fn retirable(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ListRetirableGrantsRequest,
) -> Result<ListGrantsResponse> {
    let retiring = principal(
        input.retiring_principal.as_deref(),
        input.retiring_service_principal.as_deref(),
    )?;
    let retiring = retiring.ok_or_else(|| Error::validation("A retiring principal must be named."))?;
    let scope = &context.scope;
    let view = kms.snapshot().await?;
    let mut range = keys::below(keys::retirable_by(scope, &retiring));
    if let Some(after) = paging::after(input.marker.as_deref())? {
        let (key, grant) = after
            .split_once('/')
            .ok_or_else(|| Error::client("InvalidMarkerException", "Could not deserialize marker"))?;
        range = range.after(&keys::retirable(scope, &retiring, key, grant));
    }
    let page = view.page(range, paging::limit(input.limit)).await?;
    let (mut listed, mut last) = (Vec::new(), None);
    for (place, _) in &page.entries {
        let (id, grant) = (catalog::name_of(place, 5)?, catalog::name_of(place, 6)?);
        let record: Option<Grant> = view.record(&keys::grant(scope, &id, &grant)).await?;
        let arn = crate::names::key_arn(scope, &id);
        listed.extend(record.map(|record| record.listed(&arn)));
        last = Some(format!("{id}/{grant}"));
    }
    Ok(ListGrantsResponse {
        grants: Some(listed),
        next_marker: last.filter(|_| page.more).map(|last| paging::marker(&last)),
        truncated: Some(page.more),
    })
}

/// RevokeGrant.
pub(crate) async fn revoke(kms: Arc<Kms>, context: RequestContext, input: RevokeGrantRequest) -> Result<Empty> {
    let (scope, id) = KeyName::parse_id(&context, &input.key_id)?;
    remove(&kms, &scope, &id, &input.grant_id, input.dry_run).await
}

/// RetireGrant.
pub(crate) async fn retire(kms: Arc<Kms>, context: RequestContext, input: RetireGrantRequest) -> Result<Empty> {
    let (scope, key, id) = match (&input.grant_token, &input.key_id, &input.grant_id) {
        (Some(token), None, None) => grant::parse_token(token).ok_or_else(invalid_token)?,
        (None, Some(key_id), Some(grant_id)) => {
            let (scope, key) = find(&kms, &context, key_id).await?;
            (scope, key.id, grant_id.clone())
        }
        _ => {
            let message = "A grant must be named by its token, or by its id and its key.";
            return Err(Error::validation(message));
        }
    };
    remove(&kms, &scope, &key, &id, input.dry_run).await
}

async fn remove(kms: &Kms, scope: &Scope, id: &str, grant_id: &str, dry_run: Option<bool>) -> Result<Empty> {
    kms.store
        .transact(async |tx: Transaction| {
            let mut key = catalog::by_id(&tx, scope, id).await?;
            key.check_not_doomed(scope)?;
            let record: Option<Grant> = match grant_id.len() {
                0..=128 => tx.record(&keys::grant(scope, id, grant_id)).await?,
                _ => None,
            };
            let record = record.ok_or_else(|| Error::not_found(format!("Grant ID {grant_id} not found")))?;
            check_dry_run(dry_run)?;
            catalog::forget_grant(&tx, scope, id, &record)?;
            key.grants = key.grants.saturating_sub(1);
            catalog::save(&tx, scope, &mut key)?;
            Ok(Empty {})
        })
        .await
}
