//! `CreateAlias`, `UpdateAlias`, `DeleteAlias`, `ListAliases`.

use crate::error::{Error, Result};
use crate::names::{self, ALIAS, KeyName, MANAGED};
use crate::record::{Alias, Key, View, decode, encode};
use crate::shapes::{
    AliasListEntry, CreateAliasRequest, DeleteAliasRequest, ListAliasesRequest, ListAliasesResponse, UpdateAliasRequest,
};
use crate::{Kms, access, catalog, keys, paging};
use danbi_core::{RequestContext, Scope};
use danbi_store::Direction;
use danbi_wire::Empty;
use std::sync::Arc;

/// The name of an alias without `alias/`.
///
/// # Errors
/// `ValidationException`, `InvalidAliasNameException`, `NotFoundException`.
fn name(given: &str) -> Result<&str> {
    let Some(name) = given.strip_prefix(ALIAS) else {
        return Err(Error::validation(
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    };
    if name.is_empty() {
        return Err(Error::validation("Alias must have a name."));
    }
    if name.starts_with(MANAGED) {
        return Err(Error::client("NotAuthorizedException", ""));
    }
    if name.contains(':') {
        return Err(Error::client(
            "InvalidAliasNameException",
            format!("{given} contains invalid characters for an alias"),
        ));
    }
    Ok(name)
}

/// CreateAlias.
pub(crate) async fn create(kms: Arc<Kms>, context: RequestContext, input: CreateAliasRequest) -> Result<Empty> {
    let alias = name(&input.alias_name)?;
    let (scope, id) = own_key(&context, &input.target_key_id)?;
    let now = kms.now();
    kms.store
        .transact(async |tx| {
            let place = keys::alias(&scope, alias);
            if tx.get(&place).await?.is_some() {
                let arn = names::alias_arn(&scope, alias);
                return Err(Error::client(
                    "AlreadyExistsException",
                    format!("An alias with the name {arn} already exists"),
                ));
            }
            let key = catalog::by_id(&tx, &scope, &id).await?;
            check_target(&scope, &key)?;
            let record = Alias {
                target: id.clone(),
                created: now,
                updated: now,
            };
            tx.put(&place, encode(&record)?)?;
            tx.put(&keys::alias_of(&scope, &id, alias), Vec::new())?;
            Ok(Empty {})
        })
        .await
}

/// UpdateAlias.
pub(crate) async fn update(kms: Arc<Kms>, context: RequestContext, input: UpdateAliasRequest) -> Result<Empty> {
    let alias = name(&input.alias_name)?;
    let (scope, id) = own_key(&context, &input.target_key_id)?;
    let before = catalog::alias_record(&kms.snapshot().await?, &scope, alias).await?;
    kms.ask(&context, access::on(&context, "kms:UpdateAlias", &before.target))
        .await?;
    let now = kms.now();
    kms.store
        .transact(async |tx| {
            let record = catalog::alias_record(&tx, &scope, alias).await?;
            if record.target != before.target {
                // Whoever was asked about is not the key that it is for any more.
                return Err(Error::client(
                    "ConflictException",
                    "The alias was changed by another request.",
                ));
            }
            let key = catalog::by_id(&tx, &scope, &id).await?;
            check_target(&scope, &key)?;
            let old = catalog::by_id(&tx, &scope, &record.target).await?;
            if old.usage != key.usage || old.spec.is_asymmetric() != key.spec.is_asymmetric() {
                return Err(Error::validation(format!(
                    "Alias {} cannot be changed to a key of another type or usage.",
                    names::alias_arn(&scope, alias)
                )));
            }
            tx.delete(&keys::alias_of(&scope, &record.target, alias))?;
            let record = Alias {
                target: id.clone(),
                created: record.created,
                updated: now,
            };
            tx.put(&keys::alias(&scope, alias), encode(&record)?)?;
            tx.put(&keys::alias_of(&scope, &id, alias), Vec::new())?;
            Ok(Empty {})
        })
        .await
}

/// DeleteAlias.
pub(crate) async fn delete(kms: Arc<Kms>, context: RequestContext, input: DeleteAliasRequest) -> Result<Empty> {
    let alias = name(&input.alias_name)?;
    let scope = &context.scope;
    let before = catalog::alias_record(&kms.snapshot().await?, scope, alias).await?;
    kms.ask(&context, access::on(&context, "kms:DeleteAlias", &before.target))
        .await?;
    kms.store
        .transact(async |tx| {
            let record = catalog::alias_record(&tx, scope, alias).await?;
            if record.target != before.target {
                return Err(Error::client(
                    "ConflictException",
                    "The alias was changed by another request.",
                ));
            }
            tx.delete(&keys::alias(scope, alias))?;
            tx.delete(&keys::alias_of(scope, &record.target, alias))?;
            Ok(Empty {})
        })
        .await
}

/// The id of a key that an alias of the caller may be for.
fn own_key(context: &RequestContext, given: &str) -> Result<(Scope, String)> {
    let (scope, id) = KeyName::parse_id(context, given)?;
    if scope != context.scope {
        return Err(Error::validation(
            "An alias must be for a key in the same account and region.",
        ));
    }
    Ok((scope, id))
}

fn check_target(scope: &Scope, key: &Key) -> Result<()> {
    if key.managed_for.is_some() {
        return Err(Error::unsupported("An alias cannot be for a key that AWS manages."));
    }
    key.check_not_doomed(scope)
}

/// ListAliases: by name; of one key when the request names it.
pub(crate) async fn list(
    kms: Arc<Kms>,
    context: RequestContext,
    input: ListAliasesRequest,
) -> Result<ListAliasesResponse> {
    let view = kms.snapshot().await?;
    let of = match &input.key_id {
        Some(key_id) => {
            let (scope, id) = KeyName::parse_id(&context, key_id)?;
            catalog::by_id(&view, &scope, &id).await?;
            Some((scope, id))
        }
        None => None,
    };
    let scope = of.as_ref().map_or(&context.scope, |(scope, _)| scope);
    let after = paging::after(input.marker.as_deref())?;
    let mut range = match &of {
        Some((scope, id)) => keys::below(keys::aliases_of(scope, id)),
        None => keys::below(keys::all_aliases(scope)),
    };
    if let Some(after) = after {
        range = range.after(&match &of {
            Some((scope, id)) => keys::alias_of(scope, id, &after),
            None => keys::alias(scope, &after),
        });
    }
    let page = view.scan(range, Direction::Forward, paging::limit(input.limit)).await?;
    let mut listed = Vec::with_capacity(page.entries.len());
    let mut last = None;
    for (place, value) in &page.entries {
        let name = catalog::name_of(place, if of.is_some() { 5 } else { 4 })?;
        let record: Option<Alias> = match &of {
            Some(_) => view.record(&keys::alias(scope, &name)).await?,
            None => Some(decode(value)?),
        };
        listed.extend(record.map(|record| AliasListEntry {
            alias_name: Some(format!("{ALIAS}{name}")),
            alias_arn: Some(names::alias_arn(scope, &name)),
            target_key_id: Some(record.target),
            creation_date: Some(record.created),
            last_updated_date: Some(record.updated),
        }));
        last = Some(name);
    }
    Ok(ListAliasesResponse {
        aliases: Some(listed),
        next_marker: last.filter(|_| page.more).map(|last| paging::marker(&last)),
        truncated: Some(page.more),
    })
}
