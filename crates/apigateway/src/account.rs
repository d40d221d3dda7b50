use crate::patch::{self, ADD_REMOVE, Holds, Rule, Words, rule};
use crate::records::{self, Read};
use crate::shapes::*;
use crate::{ApiGateway, Error, keys};
use danbi_core::{Arn, RequestContext};
use std::sync::Arc;

const RULES: &[Rule] = &[
    rule("/cloudwatchRoleArn", Holds::Text, &["replace", "remove", "add"]),
    rule("/features/*", Holds::Set, ADD_REMOVE).member("/features"),
    rule("/features", Holds::Set, ADD_REMOVE),
];

fn by_default() -> Account {
    Account {
        cloudwatch_role_arn: None,
        throttle_settings: Some(ThrottleSettings {
            burst_limit: Some(5000),
            rate_limit: Some(10_000.0),
        }),
        features: Some(vec!["UsagePlans".into()]),
        api_key_version: Some("4".into()),
    }
}

/// GetAccount.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    _: GetAccountRequest,
) -> Result<Account, Error> {
    let view = gateway.store.snapshot().await?;
    Ok(view
        .record(&keys::account(&context.scope))
        .await?
        .unwrap_or_else(by_default))
}

/// UpdateAccount. The role for CloudWatch is kept and shown; logs need none here.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateAccountRequest,
) -> Result<Account, Error> {
    let (scope, operations) = (&context.scope, input.patch_operations.as_deref());
    gateway
        .store
        .transact(async |tx| {
            let key = keys::account(scope);
            let old = tx.record(&key).await?.unwrap_or_else(by_default);
            let mut new: Account = patch::apply(&old, operations, RULES, Words::Listing)?;
            new.cloudwatch_role_arn = new.cloudwatch_role_arn.filter(|arn| !arn.is_empty());
            if let Some(arn) = &new.cloudwatch_role_arn {
                let is_role = arn.parse::<Arn>().is_ok_and(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
                if !is_role {
                    return Err(Error::bad("The role ARN does not have required permissions configured. Please grant trust permission for API Gateway and add the required role policy."));
                }
            }
            records::put(&tx, &key, &new)?;
            Ok(new)
        })
        .await
}
