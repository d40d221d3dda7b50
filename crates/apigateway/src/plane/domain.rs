//! Custom domain names: whose a host is, and which stage stands behind a path.

use crate::records::{HostRecord, Read};
use crate::shapes::BasePathMapping;
use crate::{ApiGateway, Error, keys};
use danbi_core::Scope;

/// Segments of a base path.
const MAX_SEGMENTS: usize = 16;

/// The owner of a custom domain.
#[derive(Debug)]
pub(crate) struct Owner {
    scope: Scope,
    domain: String,
}

/// A stage, and what is left of the path there.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub api: String,
    pub stage: String,
    pub path: String,
}

/// Whose the host is; `None` for hosts that are no custom domain.
pub(crate) async fn owner(gateway: &ApiGateway, host: &str) -> Result<Option<Owner>, Error> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let cannot_be = !name.contains('.')
        || name.ends_with(".amazonaws.com")
        || name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if cannot_be || name.len() > 253 {
        return Ok(None);
    }
    let view = gateway.store.snapshot().await?;
    let Some(record) = view.record::<HostRecord>(&keys::host(&name)).await? else {
        return Ok(None);
    };
    Ok(Some(Owner {
        scope: Scope {
            account: record.account.parse().map_err(Error::internal)?,
            region: record.region.parse().map_err(Error::internal)?,
        },
        domain: record.domain,
    }))
}

/// The stage behind the longest base path that the path begins with.
pub(crate) async fn mapping(gateway: &ApiGateway, owner: &Owner, path: &str) -> Result<Option<Mapped>, Error> {
    let view = gateway.store.snapshot().await?;
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    for count in (0..=parts.len().min(MAX_SEGMENTS)).rev() {
        let base = if count == 0 {
            "(none)".to_owned()
        } else {
            parts[..count].join("/")
        };
        if base.is_empty() {
            continue;
        }
        let found: Option<BasePathMapping> = view.record(&keys::mapping(&owner.scope, &owner.domain, &base)).await?;
        let Some(found) = found else { continue };
        let mut rest = &parts[count..];
        let stage = match found.stage.filter(|stage| !stage.is_empty() && stage != "(none)") {
            Some(stage) => stage,
            // Without a stage in the mapping the path names it.
            None => {
                let Some((stage, below)) = rest.split_first() else {
                    return Ok(None);
                };
                rest = below;
                (*stage).to_owned()
            }
        };
        return Ok(Some(Mapped {
            api: found.rest_api_id.unwrap_or_default(),
            stage,
            path: format!("/{}", rest.join("/")),
        }));
    }
    Ok(None)
}
