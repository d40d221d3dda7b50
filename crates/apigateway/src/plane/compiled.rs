//! A deployed API made ready for requests: kept in a bounded cache by stage, and made again when the stage changes.

use super::routes::Routes;
use crate::definition::Definition;
use crate::json_schema::Schema;
use crate::records::{Read, StageRecord};
use crate::shapes::*;
use crate::vtl::{Template, VtlError};
use crate::{Error, keys, models};
use danbi_core::Scope;
use danbi_store::Store;
use regex::Regex;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Stages whose APIs are kept ready.
const MAX_CACHED: usize = 256;

/// The templates of one direction, by content type.
pub(crate) type Templates = BTreeMap<String, Result<Template, VtlError>>;

/// A method with all that its requests need.
#[derive(Debug)]
pub(crate) struct CompiledMethod {
    pub resource_id: String,
    pub resource_path: String,
    pub method: Method,
    pub integration: Integration,
    pub request_templates: Templates,
    pub responses: Vec<CompiledResponse>,
    pub authorizer: Option<Authorizer>,
    pub validator: Option<RequestValidator>,
    /// By content type, for the validator.
    pub schemas: BTreeMap<String, Schema>,
}

/// An integration response.
#[derive(Debug)]
pub(crate) struct CompiledResponse {
    pub response: IntegrationResponse,
    pub status: u16,
    /// `None` for the one that takes what no other does.
    pub pattern: Option<Regex>,
    pub templates: Templates,
    /// Content types of the method response's models.
    pub content_type: Option<String>,
}

/// An API as a stage serves it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub scope: Scope,
    pub api_id: String,
    pub stage_name: String,
    pub version: String,
    pub stage: Stage,
    pub definition: Definition,
    pub gateway_responses: HashMap<String, GatewayResponse>,
    pub methods: Vec<CompiledMethod>,
    routes: Routes,
}

fn templates(given: Option<&BTreeMap<String, String>>) -> Templates {
    let made = |(kind, text): (&String, &String)| (kind.clone(), Template::parse(text));
    given.into_iter().flatten().map(made).collect()
}

/// A selection pattern, which must fit the whole text; `None` when it is no expression.
pub(crate) fn selection(pattern: &str) -> Option<Regex> {
    regex::RegexBuilder::new(&format!("^(?:{pattern})$"))
        .dot_matches_new_line(true)
        .size_limit(1 << 18)
        .build()
        .ok()
}

fn responses(integration: &Integration, method: &Method) -> Vec<CompiledResponse> {
    let all = integration.integration_responses.iter().flatten();
    let made = all.map(|(status, response)| {
        let pattern = response
            .selection_pattern
            .as_deref()
            .filter(|pattern| !pattern.is_empty());
        let declared = method.method_responses.as_ref().and_then(|all| all.get(status));
        let models = declared.and_then(|declared| declared.response_models.as_ref());
        CompiledResponse {
            status: status.parse().unwrap_or(200),
            pattern: pattern.and_then(selection),
            templates: templates(response.response_templates.as_ref()),
            content_type: models.and_then(|models| models.keys().next().cloned()),
            response: response.clone(),
        }
    });
    made.collect()
}

impl Compiled {
    /// Makes a definition ready.
    pub(crate) fn new(record: StageRecord, definition: Definition) -> Result<Self, Error> {
        let mut routes = Routes::default();
        let mut methods = Vec::new();
        for resource in &definition.resources {
            let id = resource.id.clone().unwrap_or_default();
            let path = resource.path.clone().unwrap_or_default();
            for method in definition.methods.get(&id).into_iter().flatten() {
                routes.add(&path, method.http_method.as_deref().unwrap_or_default(), methods.len());
                methods.push(Self::method(&definition, method, &id, &path));
            }
        }
        let responses = definition.gateway_responses.iter();
        Ok(Self {
            scope: record.scope()?,
            api_id: definition.api.id.clone().unwrap_or_default(),
            stage_name: record.stage.stage_name.clone().unwrap_or_default(),
            version: record.version,
            stage: record.stage,
            gateway_responses: responses
                .map(|response| (response.response_type.clone().unwrap_or_default(), response.clone()))
                .collect(),
            definition,
            methods,
            routes,
        })
    }

    fn method(definition: &Definition, method: &Method, id: &str, path: &str) -> CompiledMethod {
        let integration = method.method_integration.clone().unwrap_or_default();
        let by_id = |id: &Option<String>, wanted: &Option<String>| wanted.is_some() && id == wanted;
        let authorizer = definition
            .authorizers
            .iter()
            .find(|own| by_id(&own.id, &method.authorizer_id));
        let validator = definition
            .validators
            .iter()
            .find(|own| by_id(&own.id, &method.request_validator_id));
        let schema = |name: &str| {
            let model = definition
                .models
                .iter()
                .find(|model| model.name.as_deref() == Some(name))?;
            let schema = models::flattened(model.schema.as_deref()?, &definition.models);
            Schema::new(serde_json::from_str(&schema).ok()?).ok()
        };
        let schemas = method.request_models.iter().flatten();
        CompiledMethod {
            resource_id: id.into(),
            resource_path: path.into(),
            request_templates: templates(integration.request_templates.as_ref()),
            responses: responses(&integration, method),
            integration,
            authorizer: authorizer.cloned(),
            validator: validator.cloned(),
            schemas: schemas
                .filter_map(|(kind, name)| Some((kind.clone(), schema(name)?)))
                .collect(),
            method: method.clone(),
        }
    }

    /// The method for a request, and the values of its path's variables.
    pub(crate) fn route(&self, path: &str, http_method: &str) -> Option<(&CompiledMethod, BTreeMap<String, String>)> {
        let found = self.routes.find(path, http_method)?;
        Some((self.methods.get(found.method)?, found.parameters))
    }

    /// The stage's setting for the method, by its own, by the resource's for every method, or by that for all.
    pub(crate) fn setting(&self, method: &CompiledMethod) -> Option<&MethodSetting> {
        let settings = self.stage.method_settings.as_ref()?;
        let path = method.resource_path.strip_prefix('/').unwrap_or(&method.resource_path);
        let name = method.method.http_method.as_deref().unwrap_or_default();
        settings.get(&format!("{path}/{name}")).or_else(|| settings.get("*/*"))
    }
}

/// The cache: one read of the store tells whether what is kept still holds.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    stages: Mutex<HashMap<(String, String), Arc<Compiled>>>,
}

impl Cache {
    /// The API as the stage serves it now; `None` when there is no such stage.
    pub(crate) async fn stage(&self, store: &Store, api: &str, stage: &str) -> Result<Option<Arc<Compiled>>, Error> {
        let view = store.snapshot().await?;
        let record: Option<StageRecord> = view.record(&keys::child(api, keys::Kind::Stage, stage)).await?;
        let Some(record) = record else {
            return Ok(None);
        };
        let name = (api.to_owned(), stage.to_owned());
        {
            let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(found) = stages.get(&name).filter(|found| found.version == record.version) {
                return Ok(Some(Arc::clone(found)));
            }
        }
        let deployment = record.stage.deployment_id.clone().unwrap_or_default();
        let Some(definition) = Definition::frozen(&view, api, &deployment).await? else {
            return Ok(None);
        };
        let compiled = Arc::new(Compiled::new(record, definition)?);
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        if stages.len() >= MAX_CACHED {
            stages.clear();
        }
        stages.insert(name, Arc::clone(&compiled));
        Ok(Some(compiled))
    }
}
