//! What EventBridge is told: changes of parameters, and what policies did.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-ssm.html>.

use crate::Ssm;
use crate::error::Result;
use crate::policies::Policy;
use crate::records::Version;
use async_trait::async_trait;
use danbi_core::{AccountId, Api, ApiCall, Principal, Region, RequestContext, Scope, SourceResource};
use danbi_outbox::{Body, Courier, Failure, Parcel, Patience};
use danbi_store::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// As long as EventBridge itself tries: a day.
const PATIENCE: Patience = Patience {
    retries: 185,
    max_age_ms: 86_400_000,
};

#[derive(Serialize, Deserialize)]
struct Header {
    account: String,
    region: String,
    kind: String,
    arn: String,
}

impl Ssm {
    /// Writes down that a parameter was changed (`Create`, `Update`, `Delete`, `LabelParameterVersion`).
    pub(crate) fn tell(&self, tx: &Transaction, scope: &Scope, operation: &str, version: &Version) -> Result<()> {
        let mut detail = json!({ "operation": operation, "name": version.name, "type": version.kind });
        if let Some(description) = &version.description {
            detail["description"] = Value::String(description.clone());
        }
        self.send(tx, scope, "Parameter Store Change", version, &detail)
    }

    /// Writes down that a policy did what it does.
    pub(crate) fn tell_policy(&self, tx: &Transaction, scope: &Scope, version: &Version, done: &Policy) -> Result<()> {
        let detail = json!({
            "parameter-name": version.name,
            "parameter-type": version.kind,
            "policy-type": done.kind,
            "policy-content": done.text,
            "action-status": "Success",
        });
        self.send(tx, scope, "Parameter Store Policy Action", version, &detail)
    }

    fn send(&self, tx: &Transaction, scope: &Scope, kind: &str, version: &Version, detail: &Value) -> Result<()> {
        let header = serde_json::to_value(Header {
            account: scope.account.to_string(),
            region: scope.region.to_string(),
            kind: kind.to_owned(),
            arn: version.arn(scope),
        })?;
        let body: Body = self.outbox.body(tx, &detail.to_string())?;
        self.outbox.put(tx, header, &body, self.now().as_millis(), PATIENCE)?;
        Ok(())
    }
}

/// Brings events to the default bus of their account.
pub(crate) struct Telling {
    pub api: Arc<dyn Api>,
}

#[async_trait]
impl Courier for Telling {
    async fn deliver(&self, parcel: &Parcel) -> Result<(), Failure> {
        let broken = |error: &dyn std::fmt::Display| Failure::lasting("InternalError", error.to_string());
        let header: Header = serde_json::from_value(parcel.header.clone()).map_err(|error| broken(&error))?;
        let account: AccountId = header.account.parse().map_err(|error| broken(&error))?;
        let region: Region = header.region.parse().map_err(|error| broken(&error))?;
        let source = SourceResource {
            arn: header.arn.clone(),
            account: account.clone(),
        };
        let scope = Scope {
            account: account.clone(),
            region,
        };
        let context = RequestContext::inside(scope, Principal::Root(account), Some(source));
        let entry = json!({
            "Source": "aws.ssm",
            "DetailType": header.kind,
            "Detail": parcel.body,
            "Resources": [header.arn],
        });
        let call = ApiCall::new("events", "PutEvents", json!({ "Entries": [entry] }));
        self.api
            .call(&context, call)
            .await
            .map(drop)
            .map_err(|error| Failure::of(&error))
    }

    async fn give_up(&self, parcel: &Parcel, failure: &Failure) -> Result<(), Failure> {
        tracing::warn!(
            parcel = parcel.id,
            code = failure.code,
            reason = failure.reason,
            "a change is told to nobody"
        );
        Ok(())
    }
}
