//! GetParameterHistory.

use super::newest;
use crate::error::{Error, Result};
use crate::policies::Policy;
use crate::records::{Version, View, decode};
use crate::shapes::{GetParameterHistoryRequest, GetParameterHistoryResult, ParameterHistory};
use crate::{Ssm, keys, names, paging, secrets};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;

const USUAL: usize = 50;

/// GetParameterHistory: the oldest version first.
pub(crate) async fn get_parameter_history(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: GetParameterHistoryRequest,
) -> Result<GetParameterHistoryResult> {
    let scope = &context.scope;
    let name = &names::parse(scope, &input.name)?.key;
    let view = ssm.snapshot().await?;
    newest(&view, scope, name, ssm.now()).await?;
    let mut range = keys::versions(scope, name);
    if let Some(last) = paging::after(input.next_token.as_deref())? {
        let last = last
            .parse()
            .map_err(|_| Error::client("InvalidNextToken", "The specified token isn't valid."))?;
        range = range.after(&keys::version(scope, name, last));
    }
    let page = view.page(range, paging::limit(input.max_results, USUAL)).await?;
    let mut labels = labels(&view, &context, name).await?;
    let decrypt = input.with_decryption.unwrap_or_default();
    let mut history = Vec::with_capacity(page.entries.len());
    for (_, value) in &page.entries {
        let version: Version = decode(value)?;
        let value = match version.is_secret() && decrypt {
            true => secrets::open(&ssm, &context, &version.value, &version.arn(scope)).await?,
            false => version.value.clone(),
        };
        history.push(ParameterHistory {
            labels: Some(labels.remove(&version.number).unwrap_or_default()),
            ..shown(version, value)
        });
    }
    let last = history.last().and_then(|last| last.version);
    Ok(GetParameterHistoryResult {
        parameters: Some(history),
        next_token: last.filter(|_| page.more).map(|last| paging::token(&last.to_string())),
    })
}

/// The labels of each version.
pub(crate) async fn labels(
    view: &impl View,
    context: &RequestContext,
    name: &str,
) -> Result<BTreeMap<i64, Vec<String>>> {
    let mut labels: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    for (key, number) in view.all(keys::labels(&context.scope, name)).await? {
        let label = keys::label_text(&context.scope, name, &key);
        let label = label.map_err(|error| Error::Damaged(error.to_string()))?;
        labels.entry(decode(&number)?).or_default().push(label);
    }
    Ok(labels)
}

fn shown(version: Version, value: String) -> ParameterHistory {
    ParameterHistory {
        name: Some(version.name),
        r#type: Some(version.kind),
        key_id: version.key_id,
        last_modified_date: Some(version.modified),
        last_modified_user: Some(version.by),
        description: version.description,
        value: Some(value),
        allowed_pattern: version.allowed_pattern,
        version: Some(version.number),
        labels: None,
        tier: Some(version.tier),
        policies: Some(version.policies.iter().map(Policy::shown).collect()),
        data_type: Some(version.data_type),
    }
}
