//! The layout of API Gateway in the store. All keys begin with `apigateway` and one of:
//!
//! | key | value |
//! |---|---|
//! | `api`, account, region, api | the REST API's own settings |
//! | `of`, api, kind, id | what belongs to an API: see [`Kind`] |
//! | `piece`, api, deployment, number | the definition that was deployed, in pieces |
//! | kind, account, region, id | API keys, usage plans, domain names, the account's settings |
//! | `key-value`, account, region, value | the id of the API key with this value |
//! | `plan-key`, account, region, plan, key | that the key belongs to the plan |
//! | `key-plan`, account, region, key, plan | the same the other way round |
//! | `stage-plan`, api, stage, plan | that the plan covers the stage |
//! | `usage`, account, region, plan, key | the requests that the key made under the plan, by day |
//! | `host`, name | whose custom domain a host name is |
//! | `mapping`, account, region, domain, base path | the stage behind a base path |
//!
//! An API's id is unique on the platform, so the data plane needs no account to find a stage.

use bytes::Bytes;
use danbi_core::Scope;
use danbi_store::KeyRange;
use danbi_store::key::KeyBuilder;

/// What belongs to an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Resource,
    /// By `RESOURCE/METHOD`.
    Method,
    Authorizer,
    Model,
    Validator,
    GatewayResponse,
    DocumentationPart,
    DocumentationVersion,
    Deployment,
    Stage,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Method => "method",
            Self::Authorizer => "authorizer",
            Self::Model => "model",
            Self::Validator => "validator",
            Self::GatewayResponse => "gateway-response",
            Self::DocumentationPart => "documentation-part",
            Self::DocumentationVersion => "documentation-version",
            Self::Deployment => "deployment",
            Self::Stage => "stage",
        }
    }
}

fn root(kind: &str) -> KeyBuilder {
    KeyBuilder::new().str("apigateway").str(kind)
}

fn scoped(kind: &str, scope: &Scope) -> KeyBuilder {
    root(kind).str(scope.account.as_str()).str(scope.region.as_str())
}

pub(crate) fn api(scope: &Scope, api: &str) -> Bytes {
    scoped("api", scope).str(api).build()
}

pub(crate) fn apis(scope: &Scope) -> KeyBuilder {
    scoped("api", scope)
}

pub(crate) fn child(api: &str, kind: Kind, id: &str) -> Bytes {
    children(api, kind).str(id).build()
}

pub(crate) fn children(api: &str, kind: Kind) -> KeyBuilder {
    root("of").str(api).str(kind.as_str())
}

/// Everything that belongs to the API.
pub(crate) fn whole(api: &str) -> [KeyRange; 3] {
    ["of", "piece", "stage-plan"].map(|kind| KeyRange::prefix(root(kind).str(api).build()))
}

pub(crate) fn method(api: &str, resource: &str, method: &str) -> Bytes {
    child(api, Kind::Method, &format!("{resource}/{method}"))
}

pub(crate) fn methods(api: &str, resource: &str) -> KeyRange {
    KeyRange::prefix(children(api, Kind::Method).str_prefix(&format!("{resource}/")))
}

pub(crate) fn piece(api: &str, deployment: &str, number: u64) -> Bytes {
    root("piece").str(api).str(deployment).u64(number).build()
}

pub(crate) fn pieces(api: &str, deployment: &str) -> KeyRange {
    KeyRange::prefix(root("piece").str(api).str(deployment).build())
}

pub(crate) fn api_key(scope: &Scope, id: &str) -> Bytes {
    api_keys(scope).str(id).build()
}

pub(crate) fn api_keys(scope: &Scope) -> KeyBuilder {
    scoped("api-key", scope)
}

pub(crate) fn key_value(scope: &Scope, value: &str) -> Bytes {
    scoped("key-value", scope).str(value).build()
}

pub(crate) fn plan(scope: &Scope, id: &str) -> Bytes {
    plans(scope).str(id).build()
}

pub(crate) fn plans(scope: &Scope) -> KeyBuilder {
    scoped("usage-plan", scope)
}

pub(crate) fn plan_key(scope: &Scope, plan: &str, key: &str) -> Bytes {
    plan_keys(scope, plan).str(key).build()
}

pub(crate) fn plan_keys(scope: &Scope, plan: &str) -> KeyBuilder {
    scoped("plan-key", scope).str(plan)
}

pub(crate) fn key_plan(scope: &Scope, key: &str, plan: &str) -> Bytes {
    key_plans(scope, key).str(plan).build()
}

pub(crate) fn key_plans(scope: &Scope, key: &str) -> KeyBuilder {
    scoped("key-plan", scope).str(key)
}

pub(crate) fn stage_plan(api: &str, stage: &str, plan: &str) -> Bytes {
    stage_plans(api, stage).str(plan).build()
}

pub(crate) fn stage_plans(api: &str, stage: &str) -> KeyBuilder {
    root("stage-plan").str(api).str(stage)
}

pub(crate) fn usage(scope: &Scope, plan: &str, key: &str) -> Bytes {
    scoped("usage", scope).str(plan).str(key).build()
}

pub(crate) fn usages_of_plan(scope: &Scope, plan: &str) -> KeyRange {
    KeyRange::prefix(scoped("usage", scope).str(plan).build())
}

pub(crate) fn account(scope: &Scope) -> Bytes {
    scoped("account", scope).build()
}

pub(crate) fn domain(scope: &Scope, name: &str) -> Bytes {
    domains(scope).str(name).build()
}

pub(crate) fn domains(scope: &Scope) -> KeyBuilder {
    scoped("domain", scope)
}

pub(crate) fn host(name: &str) -> Bytes {
    root("host").str(name).build()
}

pub(crate) fn mapping(scope: &Scope, domain: &str, base_path: &str) -> Bytes {
    mappings(scope, domain).str(base_path).build()
}

pub(crate) fn mappings(scope: &Scope, domain: &str) -> KeyBuilder {
    scoped("mapping", scope).str(domain)
}
