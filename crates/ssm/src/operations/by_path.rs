//! GetParametersByPath.

use super::get;
use crate::error::{Error, Result};
use crate::filters::{Asked, Filters, Tags};
use crate::paging::{self, LOOKED_AT};
use crate::records::{Version, View, decode};
use crate::shapes::{GetParametersByPathRequest, GetParametersByPathResult};
use crate::{Ssm, keys, names};
use danbi_core::RequestContext;
use std::sync::Arc;

const USUAL: usize = 10;

/// GetParametersByPath.
pub(crate) async fn get_parameters_by_path(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: GetParametersByPathRequest,
) -> Result<GetParametersByPathResult> {
    names::check_path(&input.path)?;
    let filters = Filters::read(Asked::ByPath, input.parameter_filters.as_deref().unwrap_or_default())?;
    let recursive = input.recursive.unwrap_or_default();
    let limit = paging::limit(input.max_results, USUAL);
    let scope = &context.scope;
    let below = format!("{}/", input.path.trim_end_matches('/'));
    // Names of one level lie without their slash.
    let mut range = match below.as_str() {
        "/" => keys::parameters(scope),
        below => keys::parameters_with(scope, below),
    };
    if let Some(last) = paging::after(input.next_token.as_deref())? {
        range = range.after(&keys::parameter(scope, &last));
    }
    let (view, now) = (ssm.snapshot().await?, ssm.now());
    let page = view.page(range, LOOKED_AT).await?;
    let looked_at = page.entries.len();
    let (mut found, mut last, mut seen) = (Vec::new(), None, 0);
    for (key, value) in &page.entries {
        if found.len() == limit {
            break;
        }
        seen += 1;
        let name = keys::parameter_name(scope, key).map_err(|error| Error::Damaged(error.to_string()))?;
        let rest = name.strip_prefix(&below).unwrap_or(&name);
        let is_level = !rest.trim_start_matches('/').contains('/');
        let mut version: Version = decode(value)?;
        let is_wanted = (recursive || is_level) && !version.is_expired(now) && filters.want(&version, &Tags::new());
        last = Some(name.clone());
        if !is_wanted {
            continue;
        }
        if let Some(labels) = filters.labels() {
            match get::with_label(&view, &context, &name, labels).await? {
                Some(labelled) => version = labelled,
                None => continue,
            }
        }
        found.push(version);
    }
    let decrypt = input.with_decryption.unwrap_or_default();
    let mut parameters = Vec::with_capacity(found.len());
    for version in found {
        parameters.push(get::shown(&ssm, &context, version, decrypt).await?);
    }
    Ok(GetParametersByPathResult {
        parameters: Some(parameters),
        next_token: last
            .filter(|_| page.more || seen < looked_at)
            .map(|last| paging::token(&last)),
    })
}
