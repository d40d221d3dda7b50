use crate::definition::Definition;
use crate::plane::{Compiled, Trial, try_authorizer, try_method};
use crate::records::{Read, StageRecord};
use crate::shapes::*;
use crate::{ApiGateway, Error, keys, rest_apis, stages};
use danbi_core::RequestContext;
use std::collections::BTreeMap;
use std::sync::Arc;

type Single = Option<BTreeMap<String, String>>;
type Multi = Option<BTreeMap<String, Vec<String>>>;

fn headers(single: Single, multi: Multi) -> Vec<(String, String)> {
    let multi = multi
        .unwrap_or_default()
        .into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
    let mut all: Vec<(String, String)> = multi.collect();
    for (name, value) in single.unwrap_or_default() {
        if !all.iter().any(|(own, _)| *own == name) {
            all.push((name, value));
        }
    }
    all
}

/// The API as it stands now, at a stage that there is not.
async fn compiled(
    gateway: &ApiGateway,
    context: &RequestContext,
    api: &str,
    variables: Single,
) -> Result<Compiled, Error> {
    let view = gateway.store.snapshot().await?;
    let api = rest_apis::find(&view, &context.scope, api).await?;
    let definition = Definition::load(&view, api).await?;
    let mut record: StageRecord = stages::fresh(&context.scope, "test-invoke-stage", gateway.now());
    record.stage.variables = variables;
    Compiled::new(record, definition)
}

/// TestInvokeMethod.
pub(crate) async fn method(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: TestInvokeMethodRequest,
) -> Result<TestInvokeMethodResponse, Error> {
    let compiled = compiled(&gateway, &context, &input.rest_api_id, input.stage_variables).await?;
    let resource = compiled
        .definition
        .resources
        .iter()
        .find(|own| own.id.as_deref() == Some(&*input.resource_id));
    let path = resource.ok_or_else(Error::resource)?.path.clone();
    let trial = Trial {
        http_method: input.http_method,
        path: input
            .path_with_query_string
            .filter(|path| !path.is_empty())
            .or(path)
            .unwrap_or_default(),
        headers: headers(input.headers, input.multi_value_headers),
        body: input.body.unwrap_or_default(),
    };
    let began = gateway.now().as_millis();
    let (outcome, log) = try_method(&gateway, &compiled, &input.resource_id, &trial, &context.principal).await?;
    let mut multi: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &outcome.headers {
        multi.entry(name.clone()).or_default().push(value.clone());
    }
    Ok(TestInvokeMethodResponse {
        status: Some(outcome.status.into()),
        body: Some(String::from_utf8_lossy(&outcome.body).into_owned()),
        headers: Some(outcome.headers.into_iter().collect()),
        multi_value_headers: Some(multi),
        log: Some(log),
        latency: Some(gateway.now().as_millis() - began),
    })
}

/// TestInvokeAuthorizer.
pub(crate) async fn authorizer(
    gateway: Arc<ApiGateway>,
    context: RequestContext,
    input: TestInvokeAuthorizerRequest,
) -> Result<TestInvokeAuthorizerResponse, Error> {
    let compiled = compiled(&gateway, &context, &input.rest_api_id, input.stage_variables).await?;
    let view = gateway.store.snapshot().await?;
    let key = keys::child(&input.rest_api_id, keys::Kind::Authorizer, &input.authorizer_id);
    let authorizer: Option<Authorizer> = view.record(&key).await?;
    let authorizer = authorizer.ok_or_else(|| Error::missing("Invalid Authorizer identifier specified"))?;
    if authorizer.r#type.as_deref() == Some("COGNITO_USER_POOLS") {
        return Err(Error::NotBuilt(
            "TestInvokeAuthorizer of COGNITO_USER_POOLS authorizers is not built yet.".into(),
        ));
    }
    let trial = Trial {
        http_method: "GET".into(),
        path: input.path_with_query_string.unwrap_or_default(),
        headers: headers(input.headers, input.multi_value_headers),
        body: input.body.unwrap_or_default(),
    };
    let began = gateway.now().as_millis();
    let tried = try_authorizer(&gateway, &compiled, &authorizer, &trial).await?;
    let latency = Some(gateway.now().as_millis() - began);
    let (client_status, principal_id, policy) = match tried.result {
        Ok((principal, policy)) => (Some(0), principal, Some(policy)),
        Err(status) => (Some(status.into()), None, None),
    };
    Ok(TestInvokeAuthorizerResponse {
        client_status,
        principal_id,
        policy,
        log: Some(tried.log),
        latency,
        authorization: None,
        claims: None,
    })
}
