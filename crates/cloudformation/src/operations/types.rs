//! Resource types and limits.

use super::describe::page;
use crate::engine::CloudFormation;
use crate::providers;
use crate::shapes::*;
use crate::{Error, Result};
use danbi_core::RequestContext;
use std::sync::Arc;

fn arn(context: &RequestContext, kind: &str) -> String {
    format!(
        "arn:aws:cloudformation:{}::type/resource/{}",
        context.scope.region,
        kind.replace("::", "-")
    )
}

/// ListTypes: the resource types that there are; nobody can register further ones.
pub(super) async fn list(
    _engine: Arc<CloudFormation>,
    context: RequestContext,
    input: ListTypesInput,
) -> Result<ListTypesOutput> {
    let prefix = input
        .filters
        .as_ref()
        .and_then(|filters| filters.type_name_prefix.clone())
        .unwrap_or_default();
    let is_public = input.visibility.as_deref() == Some("PUBLIC");
    let is_resource = input.r#type.as_deref().is_none_or(|kind| kind == "RESOURCE");
    let kinds = providers::kinds()
        .into_iter()
        .filter(|kind| is_public && is_resource && kind.starts_with(&prefix));
    let all = kinds.map(|kind| TypeSummary {
        r#type: Some("RESOURCE".to_owned()),
        type_name: Some(kind.to_owned()),
        type_arn: Some(arn(&context, kind)),
        ..TypeSummary::default()
    });
    let most = input
        .max_results
        .and_then(|most| usize::try_from(most).ok())
        .unwrap_or(100);
    let (summaries, next_token) = page(all.collect(), input.next_token.as_ref(), most)?;
    Ok(ListTypesOutput {
        type_summaries: Some(summaries),
        next_token,
    })
}

/// DescribeType.
pub(super) async fn describe(
    _engine: Arc<CloudFormation>,
    context: RequestContext,
    input: DescribeTypeInput,
) -> Result<DescribeTypeOutput> {
    let asked = match (&input.type_name, &input.arn) {
        (Some(name), _) => name.clone(),
        (None, Some(arn)) => arn.rsplit('/').next().unwrap_or_default().replace('-', "::"),
        (None, None) => return Err(Error::validation("Either TypeName or Arn must be specified.")),
    };
    let provider =
        providers::find(&asked).ok_or_else(|| Error::NoType(format!("The type '{asked}' cannot be found.")))?;
    Ok(DescribeTypeOutput {
        arn: Some(arn(&context, provider.kind())),
        r#type: Some("RESOURCE".to_owned()),
        type_name: Some(provider.kind().to_owned()),
        visibility: Some("PUBLIC".to_owned()),
        provisioning_type: Some("FULLY_MUTABLE".to_owned()),
        deprecated_status: Some("LIVE".to_owned()),
        ..DescribeTypeOutput::default()
    })
}

/// DescribeAccountLimits.
pub(super) async fn limits(
    _engine: Arc<CloudFormation>,
    _context: RequestContext,
    _input: DescribeAccountLimitsInput,
) -> Result<DescribeAccountLimitsOutput> {
    let limit = |name: &str, value: i32| AccountLimit {
        name: Some(name.to_owned()),
        value: Some(value),
    };
    Ok(DescribeAccountLimitsOutput {
        account_limits: Some(vec![
            limit("StackLimit", i32::MAX),
            limit("StackOutputsLimit", 200),
            limit("ConcurrentResourcesLimit", i32::MAX),
        ]),
        next_token: None,
    })
}
