//! Test invocations: a call that nobody made, at the API as it stands, with all that was noted on its way.

use super::authorize;
use super::call::{Call, Origin};
use super::compiled::Compiled;
use super::event;
use super::failure::Failure;
use super::integrate::{Outcome, Work};
use super::journal::Journal;
use super::validate;
use crate::shapes::Authorizer;
use crate::{ApiGateway, Error};
use danbi_core::{Principal, Timestamp, empty_body};
use http::Request;
use serde_json::Value;
use std::net::Ipv4Addr;

/// What a test invocation asks for.
#[derive(Debug, Default)]
pub(crate) struct Trial {
    pub http_method: String,
    /// With its query.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What came of it: status, headers, body, and the log.
pub(crate) type Tried = (Outcome, String);

fn call(compiled: &Compiled, trial: &Trial, now: Timestamp) -> Result<Call, Error> {
    let path = format!("/{}", trial.path.trim_start_matches('/'));
    let request = Request::builder()
        .method(trial.http_method.as_str())
        .uri(path.as_str())
        .body(empty_body());
    let request = request.map_err(|_| Error::bad("Invalid path or method specified"))?;
    let (parts, _) = request.into_parts();
    let origin = Origin {
        host: "testPrefix.testDomainName",
        path: parts.uri.path(),
        full_path: parts.uri.path().to_owned(),
        source_ip: Ipv4Addr::LOCALHOST.into(),
        secure: true,
        now,
    };
    let mut call = Call::new(&parts, trial.body.clone().into(), &origin);
    call.headers = trial.headers.clone();
    call.at(compiled);
    Ok(call)
}

fn dated(now: Timestamp, line: &str) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second] UTC [year]"
    );
    format!("{} : {line}\n", now.to_datetime().format(format).unwrap_or_default())
}

fn map(values: &[(String, String)]) -> String {
    let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", values.join(", "))
}

/// TestInvokeMethod: authorizers, keys and throttles are not asked.
pub(crate) async fn try_method(
    gateway: &ApiGateway,
    compiled: &Compiled,
    resource: &str,
    trial: &Trial,
    caller: &Principal,
) -> Result<Tried, Error> {
    let now = gateway.now();
    let mut call = call(compiled, trial, now)?;
    let own = |name: &str| {
        let of = |method: &&super::compiled::CompiledMethod| {
            method.resource_id == resource && method.method.http_method.as_deref() == Some(name)
        };
        compiled.methods.iter().find(of)
    };
    let method = own(&trial.http_method)
        .or_else(|| own("ANY"))
        .ok_or_else(Error::method)?;
    if trial.http_method == "ANY" {
        call.http_method = "GET".into();
    }
    let parameters = compiled
        .route(&call.path, &call.http_method)
        .map(|(_, parameters)| parameters);
    call.found(method, parameters.unwrap_or_default());
    let journal = Journal::new(true);
    let path: Vec<(String, String)> = call.path_parameters.clone().into_iter().collect();
    journal.note(|| format!("Starting execution for request: {}", call.request_id));
    journal.note(|| format!("HTTP Method: {}, Resource Path: {}", call.http_method, call.path));
    journal.note(|| format!("Method request path: {}", map(&path)));
    journal.note(|| format!("Method request query string: {}", map(&call.query)));
    journal.note(|| format!("Method request headers: {}", map(&call.headers)));
    journal.note(|| format!("Method request body before transformations: {}", trial.body));
    let work = Work {
        gateway,
        compiled,
        method,
        call: &call,
        caller,
        journal: &journal,
    };
    let answered = match validate::check(&call, method) {
        Ok(()) => work.run().await,
        Err(failure) => Err(failure),
    };
    let outcome = match answered {
        Ok(outcome) => {
            journal.note(|| format!("Method response headers: {}", map(&outcome.headers)));
            journal.note(|| "Successfully completed execution".into());
            outcome
        }
        Err(failure) => {
            if let Some(cause) = &failure.cause {
                journal.failure(cause.clone());
            }
            refused(&failure)
        }
    };
    journal.note(|| format!("Method completed with status: {}", outcome.status));
    let lines: String = journal.take().iter().map(|line| dated(now, line)).collect();
    let log = format!("Execution log for request {}\n{lines}", call.request_id);
    Ok((outcome, log))
}

fn refused(failure: &Failure) -> Outcome {
    Outcome {
        status: failure.status,
        headers: vec![("x-amzn-ErrorType".into(), failure.error_type.into())],
        body: serde_json::json!({ "message": failure.message }).to_string().into(),
    }
}

/// What came of a test of an authorizer.
#[derive(Debug)]
pub(crate) struct TriedAuthorizer {
    /// The principal and the policy, or the status of the refusal.
    pub result: Result<(Option<String>, String), u16>,
    pub log: String,
}

/// TestInvokeAuthorizer.
pub(crate) async fn try_authorizer(
    gateway: &ApiGateway,
    compiled: &Compiled,
    authorizer: &Authorizer,
    trial: &Trial,
) -> Result<TriedAuthorizer, Error> {
    let now = gateway.now();
    let call = call(compiled, trial, now)?;
    let mut log = format!("Execution log for request {}\n", call.request_id);
    log += &dated(
        now,
        &format!("Starting authorizer: {}", authorizer.id.as_deref().unwrap_or_default()),
    );
    let arn = call.arn(compiled.scope.region.as_str());
    let source = authorizer.identity_source.as_deref().unwrap_or_default();
    let event = if authorizer.r#type.as_deref() == Some("TOKEN") {
        let name = source.strip_prefix("method.request.header.").unwrap_or_default();
        let token = call.header(&name.to_ascii_lowercase());
        serde_json::json!({ "type": "TOKEN", "methodArn": arn, "authorizationToken": token })
    } else {
        event::authorizer(&call, &arn)
    };
    let asked = authorize::ask(gateway, compiled, authorizer, &call, event).await;
    let grant = asked.and_then(|answer: Value| {
        log += &dated(now, &format!("Incoming identity: {answer}"));
        authorize::read(&answer)
    });
    let result = match grant {
        Ok(grant) => Ok(grant.parts()),
        Err(failure) => {
            log += &dated(
                now,
                failure
                    .cause
                    .as_deref()
                    .or(failure.message.as_deref())
                    .unwrap_or_default(),
            );
            Err(failure.status)
        }
    };
    Ok(TriedAuthorizer { result, log })
}
