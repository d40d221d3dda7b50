//! Integrations with HTTP backends, as they are (`HTTP_PROXY`) or through mappings (`HTTP`).

use super::failure::Failure;
use super::integrate::{Answer, Asked, MAX_ANSWER, Outcome, Work, set};
use super::mapping::{self, Mapped};
use super::proxy_answer::passed_on;
use bytes::Bytes;
use danbi_core::uri::{self, RESERVED};
use danbi_core::{BodyError, full_body, read_body};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::BodyExt;
use std::fmt::Write as _;

/// Request headers that do not go on to a backend.
const KEPT_BACK: [&str; 4] = ["host", "content-encoding", "via", "x-forwarded-proto"];

/// The backend's address: the integration's URI with its variables put in, and the query.
fn address(work: &Work<'_>, mapped: &Mapped, query: &[(String, String)]) -> Result<(Uri, String), Failure> {
    let mut text = work.with_variables(work.method.integration.uri.as_deref().unwrap_or_default());
    for (name, value) in &mapped.path {
        let greedy = format!("{{{name}+}}");
        text = text.replace(&format!("{{{name}}}"), value).replace(&greedy, value);
    }
    for (name, value) in query {
        text.push(if text.contains('?') { '&' } else { '?' });
        // Writing to a String cannot fail.
        let encoded = |text| uri::encode(text, RESERVED);
        let _ = write!(text, "{}={}", encoded(name), encoded(value));
    }
    let invalid = || Failure::configuration("Execution failed due to configuration error: Invalid endpoint address");
    let uri: Uri = text.parse().map_err(|_| invalid())?;
    let authority = uri.authority().ok_or_else(invalid)?;
    if authority.as_str().contains('@') || !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(invalid());
    }
    let host = authority.as_str().to_owned();
    Ok((uri, host))
}

async fn send(
    work: &Work<'_>,
    mapped: &Mapped,
    query: &[(String, String)],
    headers: Vec<(String, String)>,
    body: Bytes,
) -> Result<Answer, Failure> {
    let (uri, host) = address(work, mapped, query)?;
    let method = match work.method.integration.http_method.as_deref() {
        None | Some("" | "ANY") => work.call.http_method.as_str(),
        Some(method) => method,
    };
    work.journal.note(|| format!("Sending request to {uri}"));
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(http::header::HOST, host);
    for (name, value) in &headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name.as_str()),
            HeaderValue::try_from(value.as_str()),
        ) {
            request = request.header(name, value);
        }
    }
    let request = request.body(full_body(body));
    let request = request.map_err(|error| Failure::configuration(format!("The request cannot be made: {error}")))?;
    let answered = work.gateway.outbound.send(request).await;
    let response = answered.map_err(|error| match &error {
        super::outbound::OutboundError::Closed(_) => {
            Failure::configuration(format!("Execution failed due to configuration error: {error}"))
        }
        _ => Failure::unreachable(format!(
            "Execution failed due to a network error communicating with endpoint: {error}"
        )),
    })?;
    let (parts, body) = response.into_parts();
    let body = body.map_err(|error| Box::new(error) as BodyError).boxed_unsync();
    let body = read_body(body, MAX_ANSWER).await;
    let body = body.map_err(|error| Failure::unreachable(format!("The endpoint's answer cannot be read: {error}")))?;
    work.journal
        .note(|| format!("Received response. Status: {}", parts.status.as_u16()));
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (
            super::call::title_case(name.as_str()),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    };
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(header).collect(),
        selector: parts.status.as_u16().to_string(),
        body,
    })
}

fn own_headers(work: &Work<'_>) -> Vec<(String, String)> {
    vec![
        ("X-Amzn-Apigateway-Api-Id".into(), work.compiled.api_id.clone()),
        ("X-Amzn-Trace-Id".into(), work.call.trace_id.clone()),
    ]
}

/// The request as mappings and templates made it.
pub(super) async fn custom(work: &Work<'_>, asked: &Asked) -> Result<Answer, Failure> {
    let mut headers = own_headers(work);
    headers.push(("Accept".into(), "application/json".into()));
    headers.push(("Content-Type".into(), work.call.content_type().to_owned()));
    headers.push((
        "User-Agent".into(),
        format!("AmazonAPIGateway_{}", work.compiled.api_id),
    ));
    for (name, value) in &asked.mapped.headers {
        set(&mut headers, name, value.clone());
    }
    send(work, &asked.mapped, &asked.mapped.query, headers, asked.body.clone()).await
}

/// The client's request, and the backend's answer, but for what belongs to each connection.
pub(super) async fn proxy(work: &Work<'_>) -> Result<Outcome, Failure> {
    let mapped = mapping::request(
        work.method.integration.request_parameters.as_ref(),
        work.call,
        &work.context(),
    );
    let forwarded = ["x-forwarded-for", "x-forwarded-port"];
    let kept = |name: &String| {
        let name = name.to_ascii_lowercase();
        !KEPT_BACK.contains(&name.as_str()) && !forwarded.contains(&name.as_str())
    };
    let mut headers: Vec<(String, String)> = work
        .call
        .headers
        .iter()
        .filter(|(name, _)| kept(name))
        .cloned()
        .collect();
    for (name, value) in own_headers(work).into_iter().chain(mapped.headers.iter().cloned()) {
        set(&mut headers, &name, value);
    }
    let mut query = work.call.query.clone();
    for (name, value) in &mapped.query {
        query.retain(|(own, _)| own != name);
        query.push((name.clone(), value.clone()));
    }
    let answer = send(work, &mapped, &query, headers, work.call.body.clone()).await?;
    let passed = answer
        .headers
        .into_iter()
        .filter_map(|(name, value)| Some((passed_on(&name)?, value)));
    Ok(Outcome {
        status: answer.status,
        headers: passed.collect(),
        body: answer.body,
    })
}
