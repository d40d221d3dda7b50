//! What each operation asks permission for: which action on which resource.

use crate::layers;
use crate::names::{FunctionRef, LayerId, Qualifier};
use crate::tags;
use danbi_core::{Access, RequestContext, ServiceError};

/// An action on a function that does not exist yet.
pub(crate) fn new_function(action: &'static str, context: &RequestContext, name: &str) -> Result<Access, ServiceError> {
    Ok(Access::new(action, FunctionRef::parse_new(&context.scope, name)?.arn()))
}

/// An action on a function, or on what the qualifier names.
pub(crate) fn function(
    action: &'static str,
    context: &RequestContext,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Access, ServiceError> {
    Ok(Access::new(
        action,
        FunctionRef::parse(&context.scope, name, qualifier)?.arn(),
    ))
}

/// An action on a function's URL, whose qualifier can only be an alias.
pub(crate) fn url(
    action: &'static str,
    context: &RequestContext,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Access, ServiceError> {
    if let Some(qualifier) = qualifier {
        Qualifier::parse_for_url(qualifier)?;
    }
    function(action, context, name, qualifier)
}

/// An action on an event source mapping, whether or not there is one.
pub(crate) fn mapping(action: &'static str, context: &RequestContext, uuid: &str) -> Access {
    Access::new(action, crate::event_sources::operations::arn(context, uuid))
}

/// An action on a layer.
pub(crate) fn layer(action: &'static str, context: &RequestContext, name: &str) -> Result<Access, ServiceError> {
    Ok(Access::new(action, LayerId::parse(&context.scope, name)?.arn()))
}

/// An action on a layer's version.
pub(crate) fn layer_version(
    action: &'static str,
    context: &RequestContext,
    name: &str,
    version: i64,
) -> Result<Access, ServiceError> {
    layers::number(version)?;
    Ok(Access::new(
        action,
        LayerId::parse(&context.scope, name)?.version_arn(version),
    ))
}

/// An action on a layer's version, named by its ARN.
pub(crate) fn layer_version_arn(action: &'static str, arn: &str) -> Result<Access, ServiceError> {
    layers::version_arn(arn)?;
    Ok(Access::new(action, arn))
}

/// An action on a resource that can have tags.
pub(crate) fn resource(action: &'static str, arn: &str) -> Result<Access, ServiceError> {
    Ok(Access::new(action, tags::resource(arn)?.arn()))
}
