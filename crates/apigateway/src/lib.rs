//! Amazon API Gateway: REST APIs, from their definition to the answer of a request.
//!
//! # Table of contents
//! [`ApiGateway::service`] is the control plane: `table` lists every operation beside the question it puts to the
//! authorizer (`access`) and its room: `rest_apis`, `resources`, `methods`, `integrations`, `deployments`, `stages`,
//! `models`, `validators`, `authorizers`, `gateway_responses`, `documentation`, `api_keys`, `usage_plans`, `usage`,
//! `domains`, `openapi`, `test_invoke`, `tags`, `account`. [`ApiGateway::serve`] is the data plane (`plane`). Below them:
//! `keys` (the layout in the store), `records`, `patch` (AWS's JSON patches), `definition` (an API as a whole), `vtl`
//! (mapping templates), `json_path`, `json_schema`.
//!
//! # Promises
//! - A deployment is a copy of the API that nothing changes; a stage serves the deployment that it names from the
//!   moment its record is committed, and after a crash as before.
//! - A request costs one point read of the store; the rest is a table of routes kept ready for each stage.
//! - A function with proxy integration sees the event that AWS would give it; `plane::event` has the order of members.
//! - Nothing that a client sends makes a template, a schema, a path or a pattern run without bound.
//! - Every failure's cause is in the execution log of the stage, and beside the function's own lines.
//! - Requests to HTTP backends never reach link-local addresses or other ports of this machine.
//!
//! # Never
//! - Answers are not cached, and there are no canaries, VPC links, client certificates and SDKs: asked for, they are
//!   refused by name.
//! - It keeps no state in memory that matters: routes and authorizers' answers are caches, and token buckets
//!   count for each node alone.

mod access;
mod account;
mod api_keys;
mod authorizers;
mod definition;
mod deployments;
mod documentation;
mod domains;
mod error;
mod family;
mod gateway_responses;
mod ids;
mod integrations;
mod json_path;
mod json_schema;
mod keys;
mod methods;
mod models;
mod openapi;
mod patch;
mod plane;
mod policy_text;
mod records;
mod resources;
mod rest_apis;
pub mod shapes;
mod stages;
mod table;
mod tags;
mod test_invoke;
mod usage;
mod usage_plans;
mod validators;
mod vtl;

pub use error::Error;
pub use plane::{ApiPolicies, DomainVisit, Visit};

use danbi_core::{
    Api, Authorizer, Clock, Invoker, LogSink, MetricSink, MetricValue, PolicyLanguage, ServiceRoles, Timestamp,
};
use danbi_store::Store;
use danbi_wire::Service;
use plane::{Cache, Compiled, Grants, Outbound, Throttle, Tokens};
use std::sync::Arc;

/// What API Gateway is made of.
#[derive(Clone)]
pub struct Parts {
    /// Where APIs are kept.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Runs functions.
    pub invoker: Arc<dyn Invoker>,
    /// Asks other services, for AWS integrations.
    pub api: Arc<dyn Api>,
    /// Lets integrations work as a role.
    pub roles: Arc<dyn ServiceRoles>,
    /// Decides about calls with `AWS_IAM`, and with the APIs' own policies ([`ApiPolicies`]).
    pub authorizer: Arc<dyn Authorizer>,
    /// Reads policy documents.
    pub language: Arc<dyn PolicyLanguage>,
    /// Takes execution and access logs.
    pub logs: Arc<dyn LogSink>,
    /// Takes what is counted, if anybody does.
    pub metrics: Option<Arc<dyn MetricSink>>,
    /// The platform's own port, which HTTP integrations may reach on this machine.
    pub own_port: Option<u16>,
}

/// API Gateway: give [`ApiGateway::service`] to the wire and requests to APIs to [`ApiGateway::serve`].
pub struct ApiGateway {
    store: Store,
    parts: Parts,
    cache: Cache,
    grants: Grants,
    throttle: Throttle,
    tokens: Tokens,
    outbound: Outbound,
}

impl ApiGateway {
    /// API Gateway over its parts. It has no background work, so there is nothing to drain.
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            store: parts.store.clone(),
            outbound: Outbound::new(parts.own_port),
            parts,
            cache: Cache::default(),
            grants: Grants::default(),
            throttle: Throttle::default(),
            tokens: Tokens::default(),
        })
    }

    /// The control plane.
    pub fn service(self: &Arc<Self>) -> Service {
        table::service(self)
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Counts an answered request under the names and dimensions that CloudWatch has for it.
    fn count(&self, compiled: &Compiled, status: u16, latency_ms: i64) {
        let Some(metrics) = &self.parts.metrics else { return };
        let name = compiled.definition.api.name.as_deref().unwrap_or_default();
        let value = |name, value, unit| MetricValue { name, unit, value };
        let is = |class: u16| if status / 100 == class { 1.0 } else { 0.0 };
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of one request are exact in an f64"
        )]
        let latency = latency_ms as f64;
        metrics.record(
            &compiled.scope,
            "AWS/ApiGateway",
            &[
                &[("ApiName", name)],
                &[("ApiName", name), ("Stage", &compiled.stage_name)],
            ],
            self.now(),
            &[
                value("Count", 1.0, "Count"),
                value("4XXError", is(4), "Count"),
                value("5XXError", is(5), "Count"),
                value("Latency", latency, "Milliseconds"),
            ],
        );
    }
}
