use crate::family::Family;
use crate::keys::Kind;
use crate::patch::{Holds, REPLACE, Words, rule};
use crate::records::Read;
use crate::shapes::*;
use crate::{ApiGateway, Error, ids, keys, rest_apis};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const MAX_MODELS: usize = 1_000;
const EMPTY_SCHEMA: &str = "Model schema must have at least 1 property or array items defined";

const FAMILY: Family = Family {
    kind: Kind::Model,
    unknown: |name| Error::missing(format!("Invalid model name specified: {name}")),
    hides_api: true,
    rules: &[
        rule("/description", Holds::Text, REPLACE),
        rule("/schema", Holds::Text, REPLACE),
    ],
    words: Words::Listing,
};

/// The models that every API begins with.
pub(crate) fn defaults() -> Result<[Model; 2], Error> {
    let model = |name: &str, description: &str, schema: Value| {
        Ok::<_, Error>(Model {
            id: Some(ids::id()?),
            name: Some(name.into()),
            description: Some(description.into()),
            schema: Some(serde_json::to_string_pretty(&schema)?),
            content_type: Some("application/json".into()),
        })
    };
    let draft = "http://json-schema.org/draft-04/schema#";
    Ok([
        model(
            "Empty",
            "This is a default empty schema model",
            json!({ "$schema": draft, "title": "Empty Schema", "type": "object" }),
        )?,
        model(
            "Error",
            "This is a default error schema model",
            json!({
                "$schema": draft,
                "title": "Error Schema",
                "type": "object",
                "properties": { "message": { "type": "string" } }
            }),
        )?,
    ])
}

fn check(model: &Model) -> Result<(), Error> {
    let schema = model.schema.as_deref().unwrap_or_default();
    if schema.is_empty() {
        return Err(Error::bad(EMPTY_SCHEMA));
    }
    let invalid = |why: &dyn std::fmt::Display| {
        Error::bad(format!(
            "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified. {why}]"
        ))
    };
    if model.content_type.as_deref().is_some_and(|kind| !kind.contains("json")) {
        return Ok(());
    }
    let schema: Value = serde_json::from_str(schema).map_err(|error| invalid(&error))?;
    if !schema.is_object() {
        return Err(invalid(&"A schema is an object."));
    }
    crate::json_schema::check(&schema).map_err(|why| invalid(&why))
}

/// CreateModel.
pub(crate) async fn create(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: CreateModelRequest,
) -> Result<Model, Error> {
    let name = input.name;
    let model = Model {
        id: Some(ids::id()?),
        name: Some(name.clone()),
        description: input.description.filter(|text| !text.is_empty()),
        schema: input.schema,
        content_type: Some(input.content_type),
    };
    let view = gateway.store.snapshot().await?;
    rest_apis::find(&view, &context.scope, &input.rest_api_id).await?;
    if name.is_empty() {
        return Err(Error::bad("Model name must be non-empty"));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(Error::bad(format!("Model name must be alphanumeric: {name}")));
    }
    check(&model)?;
    let place = (&context.scope, input.rest_api_id.as_str(), name.as_str());
    FAMILY
        .create(&gateway, place, MAX_MODELS, &model, |all| {
            if all.iter().any(|other: &Model| other.name == model.name) {
                return Err(Error::Conflict("Model name already exists for this REST API".into()));
            }
            Ok(())
        })
        .await?;
    Ok(model)
}

/// GetModel.
pub(crate) async fn get(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetModelRequest,
) -> Result<Model, Error> {
    let mut model: Model = FAMILY
        .get(&gateway, &context, &input.rest_api_id, &input.model_name)
        .await?;
    if input.flatten == Some(true) {
        let view = gateway.store.snapshot().await?;
        let all: Vec<Model> = view.children(&input.rest_api_id, Kind::Model).await?;
        model.schema = model.schema.as_deref().map(|schema| flattened(schema, &all));
    }
    Ok(model)
}

/// The schema with the models that it refers to among its definitions, as far as they lead.
pub(crate) fn flattened(schema: &str, all: &[Model]) -> String {
    let Ok(mut whole) = serde_json::from_str::<Value>(schema) else {
        return schema.into();
    };
    let mut definitions = serde_json::Map::new();
    let mut wanted = Vec::new();
    localize(&mut whole, &mut wanted, 0);
    while let Some(name) = wanted.pop() {
        let found = all.iter().find(|model| model.name.as_deref() == Some(name.as_str()));
        let found = found.and_then(|model| serde_json::from_str::<Value>(model.schema.as_deref()?).ok());
        if let (Some(mut found), false) = (found, definitions.contains_key(&name)) {
            localize(&mut found, &mut wanted, 0);
            definitions.insert(name, found);
        }
    }
    if let (Value::Object(whole), false) = (&mut whole, definitions.is_empty()) {
        match whole.entry("definitions").or_insert_with(|| json!({})) {
            Value::Object(own) => own.extend(definitions),
            other => *other = Value::Object(definitions),
        }
    }
    whole.to_string()
}

/// Turns links to models of the API (`https://apigateway.amazonaws.com/restapis/ID/models/NAME`) into local ones.
fn localize(value: &mut Value, names: &mut Vec<String>, depth: usize) {
    if depth > 64 {
        return;
    }
    match value {
        Value::Object(members) => {
            if let Some(Value::String(link)) = members.get_mut("$ref")
                && let Some((_, name)) = link.split_once("/models/")
            {
                let name = name.to_owned();
                *link = format!("#/definitions/{name}");
                names.push(name);
            }
            members.values_mut().for_each(|value| localize(value, names, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| localize(value, names, depth + 1)),
        _ => {}
    }
}

/// GetModels.
pub(crate) async fn list(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetModelsRequest,
) -> Result<Models, Error> {
    let position = input.position.as_deref();
    let (items, position) = FAMILY
        .list(&gateway, &context, &input.rest_api_id, position, input.limit)
        .await?;
    Ok(Models {
        position,
        items: Some(items),
    })
}

/// DeleteModel, unless a method uses it.
pub(crate) async fn delete(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: DeleteModelRequest,
) -> Result<Empty, Error> {
    let (scope, api, name) = (&context.scope, &input.rest_api_id, &input.model_name);
    gateway
        .store
        .transact(async |tx| {
            rest_apis::find_or(&tx, scope, api, Error::resource)
                .await
                .map_err(|_| (FAMILY.unknown)(name))?;
            let key = keys::child(api, Kind::Model, name);
            tx.bytes(&key).await?.ok_or_else(|| (FAMILY.unknown)(name))?;
            let resources: Vec<Resource> = tx.children(api, Kind::Resource).await?;
            for resource in &resources {
                let id = resource.id.as_deref().unwrap_or_default();
                for method in tx.all::<Method>(keys::methods(api, id)).await? {
                    if method
                        .request_models
                        .iter()
                        .flat_map(BTreeMap::values)
                        .any(|used| used == name)
                    {
                        let path = resource.path.as_deref().unwrap_or_default();
                        let method = method.http_method.as_deref().unwrap_or_default();
                        return Err(Error::Conflict(format!(
                            "Cannot delete model '{name}', is referenced in method request: {path}/{method}"
                        )));
                    }
                }
            }
            tx.delete(&key)?;
            Ok(Empty {})
        })
        .await
}

/// UpdateModel.
pub(crate) async fn update(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: UpdateModelRequest,
) -> Result<Model, Error> {
    let place = (input.rest_api_id.as_str(), input.model_name.as_str());
    FAMILY
        .update(&gateway, &context, place, input.patch_operations.as_deref(), check)
        .await
}

/// GetModelTemplate: a mapping template that shows the model's form.
pub(crate) async fn template(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: GetModelTemplateRequest,
) -> Result<Template, Error> {
    let model: Model = FAMILY
        .get(&gateway, &context, &input.rest_api_id, &input.model_name)
        .await?;
    let schema: Value = serde_json::from_str(model.schema.as_deref().unwrap_or("{}")).unwrap_or_default();
    let mut text = String::from("#set($inputRoot = $input.path('$'))\n");
    sample(&schema, &mut text, 0);
    Ok(Template { value: Some(text) })
}

fn sample(schema: &Value, text: &mut String, depth: usize) {
    if depth > 16 {
        text.push_str("null");
        return;
    }
    match schema["type"].as_str() {
        Some("array") => {
            text.push_str("[ ");
            sample(&schema["items"], text, depth + 1);
            text.push_str(" ]");
        }
        Some("string") => text.push_str("\"foo\""),
        Some("number" | "integer") => text.push_str("42"),
        Some("boolean") => text.push_str("true"),
        _ => {
            text.push('{');
            for (at, (name, member)) in schema["properties"].as_object().into_iter().flatten().enumerate() {
                text.push_str(if at == 0 { "\n" } else { ",\n" });
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push_str(" : ");
                sample(member, text, depth + 1);
            }
            text.push('\n');
            text.push_str(&"  ".repeat(depth));
            text.push('}');
        }
    }
}
