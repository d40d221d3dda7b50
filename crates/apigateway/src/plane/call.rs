//! One request on its way through an API: what it brought, and what was found out about it.

use super::compiled::{Compiled, CompiledMethod};
use crate::ids;
use crate::vtl::Params;
use crate::vtl::url_decode;
use bytes::Bytes;
use danbi_core::{RequestId, Timestamp};
use http::request::Parts;
use http::{HeaderMap, Version, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Parameters of a query that are looked at.
const MAX_QUERY: usize = 1_000;

/// Headers that belong to the connection, or that API Gateway keeps for itself: no method sees them. Source:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html>.
const DROPPED: [&str; 13] = [
    "connection",
    "content-length",
    "content-md5",
    "expect",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// Who called, as far as `requestContext.identity` says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Identity {
    pub access_key: Option<String>,
    pub account: Option<String>,
    pub caller: Option<String>,
    pub user: Option<String>,
    pub user_arn: Option<String>,
    pub api_key: Option<String>,
    pub api_key_id: Option<String>,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub request_id: RequestId,
    pub extended_request_id: String,
    pub time: Timestamp,
    pub http_method: String,
    /// The path below the stage, as it was sent; begins with one slash.
    pub path: String,
    /// The path as the client sees it, the stage or base path included.
    pub full_path: String,
    /// In the form in which functions see their names.
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub path_parameters: BTreeMap<String, String>,
    pub body: Bytes,
    pub source_ip: IpAddr,
    pub secure: bool,
    /// Without its port.
    pub domain: String,
    pub protocol: &'static str,
    pub trace_id: String,
    pub stage_variables: Option<BTreeMap<String, String>>,
    pub stage_name: String,
    pub api_id: String,
    pub account: String,
    pub deployment_id: String,
    pub resource_id: String,
    pub resource_path: String,
    pub identity: Identity,
    /// `requestContext.authorizer`.
    pub authorizer: Option<Value>,
}

/// Where a request came from and what it is called there.
#[derive(Debug, Clone)]
pub(crate) struct Origin<'a> {
    pub host: &'a str,
    pub path: &'a str,
    pub full_path: String,
    pub source_ip: IpAddr,
    pub secure: bool,
    pub now: Timestamp,
}

impl Call {
    /// The call that a request makes; what it is at which API is filled in by [`Call::at`].
    pub(crate) fn new(parts: &Parts, body: Bytes, origin: &Origin<'_>) -> Self {
        let (domain, port) = match origin.host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
                (name, port.to_owned())
            }
            _ => (origin.host, if origin.secure { "443" } else { "80" }.to_owned()),
        };
        let mut call = Self {
            request_id: RequestId::new(),
            extended_request_id: ids::extended_request_id(),
            time: origin.now,
            http_method: parts.method.as_str().to_owned(),
            path: format!("/{}", origin.path.trim_start_matches('/')),
            full_path: origin.full_path.clone(),
            headers: Vec::new(),
            query: query(parts.uri.query().unwrap_or_default()),
            path_parameters: BTreeMap::new(),
            body,
            source_ip: origin.source_ip,
            secure: origin.secure,
            domain: domain.to_owned(),
            protocol: if parts.version == Version::HTTP_2 {
                "HTTP/2.0"
            } else {
                "HTTP/1.1"
            },
            trace_id: String::new(),
            stage_variables: None,
            stage_name: String::new(),
            api_id: String::new(),
            account: String::new(),
            deployment_id: String::new(),
            resource_id: String::new(),
            resource_path: String::new(),
            identity: Identity::default(),
            authorizer: None,
        };
        call.headers = headers(&parts.headers, parts.version);
        call.trace_id = trace_id(
            parts
                .headers
                .get("x-amzn-trace-id")
                .and_then(|value| value.to_str().ok()),
            origin.now,
        );
        let forwarded = parts
            .headers
            .get("x-forwarded-for")
            .and_then(|value| value.to_str().ok());
        let forwarded = match forwarded {
            Some(before) => format!("{before}, {}", origin.source_ip),
            None => origin.source_ip.to_string(),
        };
        let scheme = if origin.secure { "https" } else { "http" };
        call.set_header("Host", &call.domain.clone());
        call.set_header("X-Amzn-Trace-Id", &call.trace_id.clone());
        call.set_header("X-Forwarded-For", &forwarded);
        call.set_header("X-Forwarded-Port", &port);
        call.set_header("X-Forwarded-Proto", scheme);
        call
    }

    /// Says at which method of which API the call is.
    pub(crate) fn at(&mut self, compiled: &Compiled) {
        self.stage_variables = compiled.stage.variables.clone();
        self.stage_name = compiled.stage_name.clone();
        self.api_id = compiled.api_id.clone();
        self.account = compiled.scope.account.as_str().to_owned();
        self.deployment_id = compiled.stage.deployment_id.clone().unwrap_or_default();
    }

    pub(crate) fn found(&mut self, method: &CompiledMethod, parameters: BTreeMap<String, String>) {
        self.resource_id = method.resource_id.clone();
        self.resource_path = method.resource_path.clone();
        self.path_parameters = parameters;
    }

    /// The last value of a header, whose name is given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .rev()
            .find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(own, _)| !own.eq_ignore_ascii_case(name));
        self.headers.push((name.into(), value.into()));
    }

    /// What `$input.params()` has.
    pub(crate) fn params(&self) -> Params {
        Params {
            path: self
                .path_parameters
                .iter()
                .map(|(name, value)| (name.clone(), url_decode(value)))
                .collect(),
            querystring: self.query.iter().cloned().collect(),
            header: self.headers.iter().cloned().collect(),
        }
    }

    /// The body's media type without its parameters; JSON when there is none.
    pub(crate) fn content_type(&self) -> &str {
        let kind = self.header("content-type").unwrap_or("application/json");
        kind.split(';').next().unwrap_or_default().trim()
    }

    /// The ARN of what is called, for authorizers and policies.
    pub(crate) fn arn(&self, region: &str) -> String {
        let path = self.path.trim_start_matches('/');
        let Self {
            account,
            api_id,
            stage_name,
            http_method,
            ..
        } = self;
        format!("arn:aws:execute-api:{region}:{account}:{api_id}/{stage_name}/{http_method}/{path}")
    }

    /// The ARN by which a function's policy knows the method: its path is the resource's.
    pub(crate) fn source_arn(&self, region: &str) -> String {
        let path = self.resource_path.trim_start_matches('/');
        let Self {
            account,
            api_id,
            stage_name,
            http_method,
            ..
        } = self;
        format!("arn:aws:execute-api:{region}:{account}:{api_id}/{stage_name}/{http_method}/{path}")
    }

    /// `requestContext`, in the order in which API Gateway writes it.
    pub(crate) fn context(&self) -> Value {
        let user_agent = self.header("user-agent");
        let mut identity = json!({
            "cognitoIdentityPoolId": null,
            "accountId": self.identity.account,
            "cognitoIdentityId": null,
            "caller": self.identity.caller,
            "sourceIp": self.source_ip.to_string(),
            "principalOrgId": null,
            "accessKey": self.identity.access_key,
            "cognitoAuthenticationType": null,
            "cognitoAuthenticationProvider": null,
            "userArn": self.identity.user_arn,
            "userAgent": user_agent,
            "user": self.identity.user,
        });
        if let Some(key) = &self.identity.api_key {
            identity["apiKey"] = key.as_str().into();
            identity["apiKeyId"] = self.identity.api_key_id.clone().into();
        }
        let mut context = json!({ "resourceId": self.resource_id });
        if let Some(authorizer) = &self.authorizer {
            context["authorizer"] = authorizer.clone();
        }
        let rest = json!({
            "resourcePath": self.resource_path,
            "httpMethod": self.http_method,
            "extendedRequestId": self.extended_request_id,
            "requestTime": clf_time(self.time),
            "path": self.full_path,
            "accountId": self.account,
            "protocol": self.protocol,
            "stage": self.stage_name,
            "domainPrefix": self.domain.split('.').next().unwrap_or_default(),
            "requestTimeEpoch": self.time.as_millis(),
            "requestId": self.request_id.to_string(),
            "identity": identity,
            "domainName": self.domain,
            "deploymentId": self.deployment_id,
            "apiId": self.api_id,
        });
        if let (Value::Object(context), Value::Object(rest)) = (&mut context, rest) {
            context.extend(rest);
        }
        context
    }
}

/// Headers as functions see them: HTTP/1 clients write capitals, HTTP/2 has none.
fn headers(headers: &HeaderMap, version: Version) -> Vec<(String, String)> {
    let kept = headers
        .iter()
        .filter(|(name, _)| !DROPPED.contains(&name.as_str()) && *name != header::HOST);
    kept.map(|(name, value)| {
        let name = if version == Version::HTTP_2 {
            name.as_str().to_owned()
        } else {
            title_case(name.as_str())
        };
        (name, String::from_utf8_lossy(value.as_bytes()).into_owned())
    })
    .collect()
}

/// `x-api-key` → `X-Api-Key`.
pub(crate) fn title_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut first = true;
    for c in name.chars() {
        out.push(if first { c.to_ascii_uppercase() } else { c });
        first = c == '-';
    }
    out
}

fn query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .take(MAX_QUERY)
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (url_decode(name), url_decode(value))
        })
        .collect()
}

/// The trace id of the client, or a new one.
fn trace_id(given: Option<&str>, now: Timestamp) -> String {
    match given {
        Some(given) if given.contains("Root=") && given.len() <= 256 => given.to_owned(),
        _ => {
            let random = uuid::Uuid::new_v4().simple().to_string();
            format!("Root=1-{:08x}-{}", now.as_secs(), &random[..24])
        }
    }
}

/// `22/Nov/2026:04:05:06 +0000`.
pub(crate) fn clf_time(now: Timestamp) -> String {
    let format = time::macros::format_description!("[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000");
    now.to_datetime().format(format).unwrap_or_default()
}
