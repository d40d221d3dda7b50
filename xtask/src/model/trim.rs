//! Keeps of a service model what the wire needs: no prose, no shapes that nothing built refers to.

use super::Failure;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The model without prose, with full detail only for `built` operations and without the values of `open_enums`.
pub fn trim(model: &Value, built: &[&str], open_enums: &[&str]) -> Result<Value, Failure> {
    let operations = model["operations"].as_object().ok_or("the model has no operations")?;
    for name in built {
        if !operations.contains_key(*name) {
            return Err(format!("the model has no operation {name}").into());
        }
    }
    let mut kept = Map::new();
    let mut roots = Vec::new();
    for (name, operation) in operations {
        let mut operation = operation.clone();
        if built.contains(&name.as_str()) {
            let errors = operation["errors"].as_array().cloned().unwrap_or_default();
            let references = [&operation["input"], &operation["output"]].into_iter().chain(&errors);
            roots.extend(references.filter_map(|reference| reference["shape"].as_str().map(str::to_owned)));
        } else if let Some(fields) = operation.as_object_mut() {
            fields.retain(|field, _| matches!(field.as_str(), "name" | "http"));
        }
        strip_prose(&mut operation);
        kept.insert(name.clone(), operation);
    }
    let shapes = model["shapes"].as_object().ok_or("the model has no shapes")?;
    let reachable = reachable(shapes, roots);
    let mut kept_shapes = Map::new();
    for name in &reachable {
        let mut shape = shapes
            .get(name)
            .ok_or_else(|| format!("the model lacks the shape {name}"))?
            .clone();
        if let Some(members) = shape.get_mut("members").and_then(Value::as_object_mut) {
            members.values_mut().for_each(strip_prose);
        }
        strip_prose(&mut shape);
        if open_enums.contains(&name.as_str())
            && let Some(fields) = shape.as_object_mut()
        {
            fields.remove("enum");
        }
        kept_shapes.insert(name.clone(), shape);
    }
    let mut metadata = model["metadata"].clone();
    if let Some(fields) = metadata.as_object_mut() {
        fields.retain(|field, _| !matches!(field.as_str(), "serviceFullName" | "serviceAbbreviation"));
    }
    Ok(serde_json::json!({ "metadata": metadata, "operations": kept, "shapes": kept_shapes }))
}

fn strip_prose(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|field, value| {
            // A structure may have a *member* called `documentation`; members are stripped one by one, never as a map.
            !matches!(
                field.as_str(),
                "documentation" | "documentationUrl" | "deprecatedMessage" | "deprecatedSince"
            ) || value.is_object()
        });
    }
}

fn reachable(shapes: &Map<String, Value>, mut pending: Vec<String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let shape = &shapes[&name];
        let members = shape["members"].as_object().into_iter().flat_map(Map::values);
        let references = members.chain([&shape["member"], &shape["key"], &shape["value"]]);
        pending.extend(references.filter_map(|reference| reference["shape"].as_str().map(str::to_owned)));
    }
    seen
}
