//! DescribeParameters.

use crate::error::{Error, Result};
use crate::filters::{Asked, Filters, Tags};
use crate::paging::{self, LOOKED_AT};
use crate::policies::Policy;
use crate::records::{Version, View, decode};
use crate::shapes::{DescribeParametersRequest, DescribeParametersResult, ParameterMetadata};
use crate::{Ssm, keys};
use danbi_core::{RequestContext, Scope};
use std::sync::Arc;

const USUAL: usize = 10;

/// DescribeParameters.
pub(crate) async fn describe_parameters(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: DescribeParametersRequest,
) -> Result<DescribeParametersResult> {
    if input.filters.is_some() && input.parameter_filters.is_some() {
        return Err(Error::validation(
            "You can use either Filters or ParameterFilters in a single request.",
        ));
    }
    let filters = match &input.filters {
        Some(old) => Filters::of_old(old),
        None => Filters::read(Asked::Describe, input.parameter_filters.as_deref().unwrap_or_default())?,
    };
    if input.shared.unwrap_or_default() {
        return Err(Error::not_built("Parameters shared by other accounts are not built."));
    }
    let scope = &context.scope;
    let limit = paging::limit(input.max_results, USUAL);
    let mut range = keys::parameters(scope);
    if let Some(last) = paging::after(input.next_token.as_deref())? {
        range = range.after(&keys::parameter(scope, &last));
    }
    let (view, now) = (ssm.snapshot().await?, ssm.now());
    let page = view.page(range, LOOKED_AT).await?;
    let (mut found, mut last, mut seen) = (Vec::new(), None, 0);
    for (key, value) in &page.entries {
        if found.len() == limit {
            break;
        }
        seen += 1;
        let name = keys::parameter_name(scope, key).map_err(|error| Error::Damaged(error.to_string()))?;
        let version: Version = decode(value)?;
        let tags: Tags = match filters.ask_for_tags() {
            true => view.record(&keys::tags(scope, &name)).await?.unwrap_or_default(),
            false => Tags::new(),
        };
        last = Some(name);
        if !version.is_expired(now) && filters.want(&version, &tags) {
            found.push(shown(scope, version));
        }
    }
    Ok(DescribeParametersResult {
        parameters: Some(found),
        next_token: last
            .filter(|_| page.more || seen < page.entries.len())
            .map(|last| paging::token(&last)),
    })
}

fn shown(scope: &Scope, version: Version) -> ParameterMetadata {
    ParameterMetadata {
        arn: Some(version.arn(scope)),
        name: Some(version.name),
        r#type: Some(version.kind),
        key_id: version.key_id,
        last_modified_date: Some(version.modified),
        last_modified_user: Some(version.by),
        description: version.description,
        allowed_pattern: version.allowed_pattern,
        version: Some(version.number),
        tier: Some(version.tier),
        policies: Some(version.policies.iter().map(Policy::shown).collect()),
        data_type: Some(version.data_type),
    }
}
