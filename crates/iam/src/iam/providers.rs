//! OpenID Connect providers. They are kept and named in trust policies; `AssumeRoleWithWebIdentity`, which would verify
//! their tokens, is not built.

use super::{Iam, names, quotas, show};
use crate::iam_shapes::*;
use crate::records::{self, Provider, View, put};
use crate::{IamError, Result, keys};
use bytes::Bytes;
use danbi_core::{AccountId, RequestContext};
use danbi_store::KeyRange;
use danbi_wire::Empty;
use std::sync::Arc;

/// Client ids and thumbprints that one provider may have.
const CLIENTS: usize = 100;
const THUMBPRINTS: usize = 5;

/// The URL as ARNs and keys have it.
pub(super) fn without_scheme(url: &str) -> &str {
    url.strip_prefix("https://").unwrap_or(url).trim_end_matches('/')
}

fn arn(account: &AccountId, url: &str) -> String {
    format!("arn:aws:iam::{account}:oidc-provider/{url}")
}

fn key_of(account: &AccountId, provider: &str) -> Result<Bytes> {
    let url = provider.strip_prefix(&arn(account, ""));
    let url = url.ok_or_else(|| not_found(provider))?;
    Ok(keys::provider(account, url))
}

fn not_found(arn: &str) -> IamError {
    IamError::NoSuchEntity(format!("OpenIDConnect Provider not found for arn {arn}"))
}

pub(super) async fn create(
    iam: Arc<Iam>,
    context: RequestContext,
    input: CreateOpenIDConnectProviderRequest,
) -> Result<CreateOpenIDConnectProviderResponse> {
    let account = &context.scope.account;
    if !input.url.starts_with("https://") || without_scheme(&input.url).is_empty() {
        return Err(IamError::Validation("Invalid Open ID Connect Provider URL".into()));
    }
    let (clients, thumbprints) = (
        input.client_id_list.unwrap_or_default(),
        input.thumbprint_list.unwrap_or_default(),
    );
    if clients.len() > CLIENTS {
        return Err(quotas::exceeded("ClientIdsPerOpenIdConnectProvider", CLIENTS));
    }
    if thumbprints.len() > THUMBPRINTS {
        return Err(IamError::InvalidInput(
            "Thumbprint list must contain fewer than 5 entries.".into(),
        ));
    }
    let provider = &Provider {
        url: without_scheme(&input.url).to_owned(),
        created: iam.now(),
        clients,
        thumbprints,
        tags: names::tags(input.tags)?,
    };
    let key = &keys::provider(account, &provider.url);
    iam.change(account, async |tx| {
        if tx.value(key).await?.is_some() {
            let url = &provider.url;
            return Err(IamError::EntityAlreadyExists(format!(
                "Provider with url https://{url} already exists."
            )));
        }
        quotas::take(&tx, account, quotas::providers).await?;
        put(&tx, key, provider)
    })
    .await?;
    Ok(CreateOpenIDConnectProviderResponse {
        open_id_connect_provider_arn: Some(arn(account, &provider.url)),
        tags: Some(show::tags(&provider.tags)),
    })
}

pub(super) async fn get(
    iam: Arc<Iam>,
    context: RequestContext,
    input: GetOpenIDConnectProviderRequest,
) -> Result<GetOpenIDConnectProviderResponse> {
    let arn = &input.open_id_connect_provider_arn;
    let key = key_of(&context.scope.account, arn)?;
    let found: Option<Provider> = iam.store.snapshot().await?.record(&key).await?;
    let provider = found.ok_or_else(|| not_found(arn))?;
    Ok(GetOpenIDConnectProviderResponse {
        tags: Some(show::tags(&provider.tags)),
        url: Some(provider.url),
        client_id_list: Some(provider.clients),
        thumbprint_list: Some(provider.thumbprints),
        create_date: Some(provider.created),
    })
}

pub(super) async fn list(
    iam: Arc<Iam>,
    context: RequestContext,
    _: ListOpenIDConnectProvidersRequest,
) -> Result<ListOpenIDConnectProvidersResponse> {
    let account = &context.scope.account;
    let range = KeyRange::prefix(keys::providers(account));
    // The quota bounds the list.
    let page = iam
        .store
        .snapshot()
        .await?
        .page(range, quotas::PROVIDERS as usize)
        .await?;
    let entries = page.entries.iter().map(|(_, value)| {
        let provider: Provider = records::decode(value)?;
        Ok(OpenIDConnectProviderListEntry {
            arn: Some(arn(account, &provider.url)),
        })
    });
    Ok(ListOpenIDConnectProvidersResponse {
        open_id_connect_provider_list: Some(entries.collect::<Result<_>>()?),
    })
}

pub(super) async fn delete(
    iam: Arc<Iam>,
    context: RequestContext,
    input: DeleteOpenIDConnectProviderRequest,
) -> Result<Empty> {
    let account = &context.scope.account;
    let arn = &input.open_id_connect_provider_arn;
    let key = &key_of(account, arn)?;
    iam.change(account, async |tx| {
        if tx.value(key).await?.is_none() {
            return Err(not_found(arn));
        }
        quotas::give_back(&tx, account, quotas::providers).await?;
        Ok(tx.delete(key)?)
    })
    .await?;
    Ok(Empty {})
}
