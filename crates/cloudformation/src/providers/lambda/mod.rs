//! AWS::Lambda

mod alias;
mod event_invoke_config;
mod event_source_mapping;
mod function;
mod layer_version;
mod layer_version_permission;
mod permission;
mod url;
mod version;

use super::Provider;

pub(super) const ALL: &[&dyn Provider] = &[
    &function::Function,
    &permission::Permission,
    &version::Version,
    &alias::Alias,
    &layer_version::LayerVersion,
    &layer_version_permission::LayerVersionPermission,
    &url::Url,
    &event_invoke_config::EventInvokeConfig,
    &event_source_mapping::EventSourceMapping,
];

/// The function's name and the qualifier in a name, a partial or a whole ARN.
fn split(function: &str) -> (String, Option<String>) {
    let rest = match function.split_once(":function:") {
        Some((_, rest)) => rest,
        None => function,
    };
    match rest.split_once(':') {
        Some((name, qualifier)) => (name.to_owned(), Some(qualifier.to_owned())),
        None => (rest.to_owned(), None),
    }
}
