//! GetFunctionCodeSigningConfig, GetRuntimeManagementConfig, PutRuntimeManagementConfig: what deployment tools read, and
//! what never differs here.

use crate::Error;
use crate::lambda::{Lambda, resolve};
use crate::names::FunctionRef;
use crate::shapes::{
    GetFunctionCodeSigningConfigRequest, GetFunctionCodeSigningConfigResponse, GetRuntimeManagementConfigRequest,
    GetRuntimeManagementConfigResponse, PutRuntimeManagementConfigRequest, PutRuntimeManagementConfigResponse,
};
use danbi_core::{Arn, RequestContext};
use std::sync::Arc;

/// The only way in which runtimes are updated here: with the machine's own interpreters.
const AUTO: &str = "Auto";

/// GetFunctionCodeSigningConfig: no function has one.
pub(crate) async fn code_signing(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetFunctionCodeSigningConfigRequest,
) -> Result<GetFunctionCodeSigningConfigResponse, Error> {
    let reference = FunctionRef::parse(&context.scope, &input.function_name, None)?;
    resolve(&lambda.snapshot().await?, &reference).await?;
    let function_name = reference.id.name.to_string();
    Ok(GetFunctionCodeSigningConfigResponse {
        function_name,
        code_signing_config_arn: String::new(),
    })
}

async fn qualified_arn(
    lambda: &Lambda,
    context: &RequestContext,
    name: &str,
    qualifier: Option<&str>,
) -> Result<Arn, Error> {
    let reference = FunctionRef::parse(&context.scope, name, qualifier)?;
    let resolved = resolve(&lambda.snapshot().await?, &reference).await?;
    Ok(reference.id.qualified_arn(resolved.version.label()))
}

/// GetRuntimeManagementConfig.
pub(crate) async fn runtime_management(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: GetRuntimeManagementConfigRequest,
) -> Result<GetRuntimeManagementConfigResponse, Error> {
    let arn = qualified_arn(&lambda, &context, &input.function_name, input.qualifier.as_deref()).await?;
    Ok(GetRuntimeManagementConfigResponse {
        function_arn: Some(arn.to_string()),
        update_runtime_on: Some(AUTO.into()),
        runtime_version_arn: None,
    })
}

/// PutRuntimeManagementConfig: accepts what is so.
pub(crate) async fn put_runtime_management(
    lambda: Arc<Lambda>,
    context: RequestContext,
    input: PutRuntimeManagementConfigRequest,
) -> Result<PutRuntimeManagementConfigResponse, Error> {
    let arn = qualified_arn(&lambda, &context, &input.function_name, input.qualifier.as_deref()).await?;
    if input.update_runtime_on != AUTO {
        return Err(Error::Unsupported(format!(
            "UpdateRuntimeOn {} is not supported by this platform: functions run on the machine's own interpreters.",
            input.update_runtime_on
        )));
    }
    Ok(PutRuntimeManagementConfigResponse {
        function_arn: arn.to_string(),
        update_runtime_on: AUTO.into(),
        runtime_version_arn: None,
    })
}
