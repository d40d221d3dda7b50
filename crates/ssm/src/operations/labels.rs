//! LabelParameterVersion, UnlabelParameterVersion.

use super::{history, labelled, newest, numbered};
use crate::error::{Error, Result};
use crate::records::put;
use crate::shapes::{
    LabelParameterVersionRequest, LabelParameterVersionResult, UnlabelParameterVersionRequest,
    UnlabelParameterVersionResult,
};
use crate::{Ssm, keys, names};
use danbi_core::RequestContext;
use danbi_store::Transaction;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Labels of a version.
const MOST: usize = 10;

/// LabelParameterVersion: labels that cannot be are named, the others attached; one of another version moves.
pub(crate) async fn label(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: LabelParameterVersionRequest,
) -> Result<LabelParameterVersionResult> {
    let (scope, name) = (&context.scope, &names::parse(&context.scope, &input.name)?.key);
    let wanted: BTreeSet<String> = input.labels.into_iter().collect();
    let (good, bad): (Vec<String>, Vec<String>) = wanted.into_iter().partition(|label| names::is_label(label));
    let (good, context_) = (&good, &context);
    let number = ssm
        .store
        .transact(async |tx: Transaction| {
            let newest = newest(&tx, scope, name, ssm.now()).await?;
            let number = input.parameter_version.unwrap_or(newest.number);
            numbered(&tx, scope, name, number).await?;
            let there = history::labels(&tx, context_, name).await?;
            let mut all: BTreeSet<&String> = there.get(&number).into_iter().flatten().collect();
            all.extend(good);
            if all.len() > MOST {
                return Err(Error::client(
                    "ParameterVersionLabelLimitExceeded",
                    "A parameter version can have maximum 10 labels.Move one or more labels to another version and try \
                     again.",
                ));
            }
            for label in good {
                put(&tx, &keys::label(scope, name, label), &number)?;
            }
            if !good.is_empty() {
                ssm.tell(&tx, scope, "LabelParameterVersion", &newest)?;
            }
            Ok(number)
        })
        .await?;
    ssm.outbox.ring();
    Ok(LabelParameterVersionResult {
        invalid_labels: Some(bad),
        parameter_version: Some(number),
    })
}

/// UnlabelParameterVersion: labels that the version does not have are named.
pub(crate) async fn unlabel(
    ssm: Arc<Ssm>,
    context: RequestContext,
    input: UnlabelParameterVersionRequest,
) -> Result<UnlabelParameterVersionResult> {
    let (scope, name) = (&context.scope, &names::parse(&context.scope, &input.name)?.key);
    let wanted: BTreeSet<String> = input.labels.into_iter().collect();
    let (wanted, number) = (&wanted, input.parameter_version);
    ssm.store
        .transact(async |tx: Transaction| {
            newest(&tx, scope, name, ssm.now()).await?;
            numbered(&tx, scope, name, number).await?;
            let (mut removed, mut invalid) = (Vec::new(), Vec::new());
            for label in wanted {
                if labelled(&tx, scope, name, label).await? == Some(number) {
                    tx.delete(&keys::label(scope, name, label))?;
                    removed.push(label.clone());
                } else {
                    invalid.push(label.clone());
                }
            }
            Ok(UnlabelParameterVersionResult {
                removed_labels: Some(removed),
                invalid_labels: Some(invalid),
            })
        })
        .await
}
