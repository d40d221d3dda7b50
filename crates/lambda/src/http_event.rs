//! HTTP as events and back: payload format 2.0, as function URLs and HTTP APIs use it. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads>.

use crate::payload::compact;
use crate::streaming::PRELUDE_END;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use danbi_core::{Body, Principal, RequestId, Timestamp, full_body};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Headers that belong to one connection and not to the message.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What an event says about the request beside the request itself.
#[derive(Debug)]
pub(crate) struct Origin<'a> {
    pub request_id: RequestId,
    pub url_id: &'a str,
    /// The host that was addressed, without its port.
    pub domain: &'a str,
    pub principal: &'a Principal,
    pub source_ip: IpAddr,
    pub secure: bool,
    pub port: u16,
    pub now: Timestamp,
}

/// The event for a request whose body is known whole.
pub(crate) fn event(parts: &http::request::Parts, body: &Bytes, origin: &Origin<'_>) -> Value {
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let header_text = |name: HeaderName| {
        parts
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
    };
    let mut context = json!({
        "accountId": "anonymous",
        "apiId": origin.url_id,
        "domainName": origin.domain,
        "domainPrefix": origin.domain.split('.').next().unwrap_or_default(),
        "http": {
            "method": parts.method.as_str(),
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": origin.source_ip.to_string(),
            "userAgent": header_text(header::USER_AGENT).unwrap_or_default(),
        },
        "requestId": origin.request_id.to_string(),
        "routeKey": "$default",
        "stage": "$default",
        "time": clf_time(origin.now),
        "timeEpoch": origin.now.as_millis(),
    });
    if let Some(iam) = iam(origin.principal) {
        context["accountId"] = iam["accountId"].clone();
        context["authorizer"] = json!({ "iam": iam });
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, origin),
        "requestContext": context,
    });
    let cookies: Vec<String> = parts
        .headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .map(|cookie| String::from_utf8_lossy(cookie).trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect();
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = query_parameters(query);
    }
    let content_type = header_text(header::CONTENT_TYPE);
    let text = is_text(content_type.as_deref())
        .then(|| std::str::from_utf8(body).ok())
        .flatten();
    match text {
        _ if body.is_empty() => event["isBase64Encoded"] = false.into(),
        Some(text) => {
            event["body"] = text.into();
            event["isBase64Encoded"] = false.into();
        }
        None => {
            event["body"] = STANDARD.encode(body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    event
}

/// Header names in lower case, several values joined by commas; what the platform knows better than the client is set.
fn headers(given: &HeaderMap, origin: &Origin<'_>) -> Value {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in given {
        if HOP_BY_HOP.contains(&name.as_str()) {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        let separator = if *name == header::COOKIE { "; " } else { "," };
        joined
            .entry(name.as_str().into())
            .and_modify(|all| {
                all.push_str(separator);
                all.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    joined.insert("x-forwarded-for".into(), origin.source_ip.to_string());
    joined.insert(
        "x-forwarded-proto".into(),
        if origin.secure { "https" } else { "http" }.into(),
    );
    joined.insert("x-forwarded-port".into(), origin.port.to_string());
    joined
        .entry("x-amzn-trace-id".into())
        .or_insert_with(|| trace_id(origin.now));
    joined
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// A fresh `X-Amzn-Trace-Id`.
pub(crate) fn trace_id(now: Timestamp) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("Root=1-{:08x}-{}", now.as_secs(), &random[..24])
}

/// Who signed the request, as the event tells it.
fn iam(principal: &Principal) -> Option<Value> {
    let (account, id) = match principal {
        Principal::Root(account) => (account.to_string(), account.to_string()),
        Principal::Identity { arn, id, .. } => (arn.account.clone(), id.clone()),
        Principal::Service(_) | Principal::Anonymous => return None,
    };
    Some(json!({
        "accessKey": Value::Null, "accountId": account, "callerId": id, "cognitoIdentity": Value::Null,
        "principalOrgId": Value::Null, "userArn": principal.arn(), "userId": id,
    }))
}

/// `21/Nov/2026:20:57:01 +0000`.
fn clf_time(now: Timestamp) -> String {
    let at = now.to_datetime();
    let month = &at.month().to_string()[..3];
    format!(
        "{:02}/{month}/{:04}:{:02}:{:02}:{:02} +0000",
        at.day(),
        at.year(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Parameters decoded, several of one name joined by commas.
fn query_parameters(query: &str) -> Value {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        joined
            .entry(decode(name))
            .and_modify(|all| {
                all.push(',');
                all.push_str(&value);
            })
            .or_insert(value);
    }
    joined
        .into_iter()
        .map(|(name, value)| (name, Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// Decodes `%XX` and `+`; what is no UTF-8 is replaced.
pub(crate) fn decode(text: &str) -> String {
    danbi_core::uri::decode_text(&text.replace('+', " ")).into_owned()
}

/// Whether a body of this type goes into the event as it is.
fn is_text(content_type: Option<&str>) -> bool {
    let Some(kind) = content_type else { return false };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || matches!(
            kind.as_str(),
            "application/json" | "application/xml" | "application/javascript" | "application/graphql"
        )
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// The members of an answer that is meant as an HTTP response.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    status_code: Value,
    headers: Map<String, Value>,
    cookies: Vec<String>,
    body: Value,
    is_base64_encoded: bool,
}

/// The HTTP response that a function's answer means; `None` when it means none, which is the function's fault.
pub(crate) fn response(answer: &Bytes) -> Option<Response<Body>> {
    // A streaming handler that was invoked whole: prelude, eight NULs, body.
    if let Some(at) = answer
        .windows(PRELUDE_END.len())
        .position(|window| window == PRELUDE_END)
    {
        let mut response = prelude(&answer.slice(..at))?;
        *response.body_mut() = full_body(answer.slice(at + PRELUDE_END.len()..));
        return Some(response);
    }
    let text = std::str::from_utf8(answer).ok()?;
    let value: Value = serde_json::from_str(text).ok()?;
    if value.get("statusCode").is_none() {
        let body = match value {
            Value::String(text) => text,
            _ => compact(text),
        };
        return build(200, &Answer::default(), body.into());
    }
    let parsed: Answer = serde_json::from_value(value).ok()?;
    let body: Bytes = match &parsed.body {
        Value::Null => Bytes::new(),
        Value::String(text) if parsed.is_base64_encoded => STANDARD.decode(text).ok()?.into(),
        Value::String(text) => text.clone().into(),
        other => other.to_string().into(),
    };
    build(status(&parsed.status_code)?, &parsed, body)
}

/// The head of a response whose body is streamed, from the prelude's JSON.
pub(crate) fn prelude(json: &[u8]) -> Option<Response<Body>> {
    let parsed: Answer = serde_json::from_slice(json).ok()?;
    let code = if parsed.status_code.is_null() {
        200
    } else {
        status(&parsed.status_code)?
    };
    build(code, &parsed, Bytes::new())
}

fn status(code: &Value) -> Option<u16> {
    match code {
        Value::Number(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn build(code: u16, answer: &Answer, body: Bytes) -> Option<Response<Body>> {
    let mut response = Response::new(full_body(body));
    *response.status_mut() = StatusCode::from_u16(code).ok().filter(|code| code.as_u16() >= 200)?;
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if HOP_BY_HOP.contains(&name.as_str()) || name == header::CONTENT_LENGTH {
            continue;
        }
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Null => continue,
            other => other.to_string(),
        };
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    for cookie in &answer.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).ok()?);
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use http_body_util::BodyExt;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> http::request::Parts {
        let mut request = Request::builder().uri(uri).method("POST");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn origin(principal: &Principal) -> Origin<'_> {
        Origin {
            request_id: RequestId::new(),
            url_id: "abc",
            domain: "abc.lambda-url.us-east-1.localhost",
            principal,
            source_ip: [10, 0, 0, 1].into(),
            secure: false,
            port: 4566,
            now: Timestamp::from_millis(1_795_294_621_007),
        }
    }

    fn seen(answer: &'static str) -> (u16, String, String) {
        let response = response(&Bytes::from_static(answer.as_bytes())).unwrap();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let (parts, body) = response.into_parts();
        let body = futures_util::FutureExt::now_or_never(body.collect())
            .unwrap()
            .unwrap()
            .to_bytes();
        (parts.status.as_u16(), kind, String::from_utf8(body.into()).unwrap())
    }

    #[test]
    fn a_request_becomes_the_event_that_aws_makes_of_it() {
        let parts = parts(
            "/pa%20th/1?q=a%20b&m=1&m=2&empty",
            &[
                ("cookie", "a=1; b=2"),
                ("x-many", "1"),
                ("x-many", "2"),
                ("content-type", "application/json"),
                ("connection", "close"),
            ],
        );
        let event = event(&parts, &Bytes::from_static(b"{}"), &origin(&Principal::Anonymous));
        assert_eq!(event["rawPath"], "/pa%20th/1");
        assert_eq!(event["rawQueryString"], "q=a%20b&m=1&m=2&empty");
        assert_eq!(
            event["queryStringParameters"],
            json!({"q": "a b", "m": "1,2", "empty": ""})
        );
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"]["x-many"], "1,2");
        assert_eq!(event["headers"]["x-forwarded-for"], "10.0.0.1");
        assert!(event["headers"].get("connection").is_none());
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("{}"), &json!(false))
        );
        assert_eq!(event["requestContext"]["time"], "21/Nov/2026:20:57:01 +0000");
        assert_eq!(event["requestContext"]["accountId"], "anonymous");
        assert_eq!(event["requestContext"]["http"]["method"], "POST");
        assert_eq!(event["requestContext"]["domainPrefix"], "abc");
    }

    #[test]
    fn what_is_not_text_is_base64() {
        let form = parts("/", &[("content-type", "application/x-www-form-urlencoded")]);
        let event_of =
            |parts: &_, body: &'static [u8]| event(parts, &Bytes::from_static(body), &origin(&Principal::Anonymous));
        assert_eq!(event_of(&form, b"a=1")["body"], "YT0x");
        assert_eq!(
            event_of(&parts("/", &[("content-type", "text/plain; charset=utf-8")]), b"\xff")["isBase64Encoded"],
            true
        );
        assert!(event_of(&form, b"").get("body").is_none());
    }

    #[test]
    fn an_answer_becomes_the_response_that_aws_makes_of_it() {
        let json = || "application/json".to_owned();
        assert_eq!(
            seen(r#"{"hello": "world"}"#),
            (200, json(), r#"{"hello":"world"}"#.into())
        );
        assert_eq!(seen(r#""hello""#), (200, json(), "hello".into()));
        assert_eq!(
            seen(r#"["hello", 3, true]"#),
            (200, json(), r#"["hello",3,true]"#.into())
        );
        assert_eq!(seen("3.1"), (200, json(), "3.1".into()));
        assert_eq!(
            seen(r#"{"statusCode": 200, "body": "body123"}"#),
            (200, json(), "body123".into())
        );
        assert_eq!(
            seen(
                r#"{"statusCode": "418", "headers": {"Content-Type": "text/plain", "X-N": 1}, "body": "aGk=", "isBase64Encoded": true}"#
            ),
            (418, "text/plain".into(), "hi".into())
        );
        let cookies = response(&Bytes::from_static(br#"{"statusCode":200,"cookies":["a=1","b=2"]}"#)).unwrap();
        assert_eq!(cookies.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(
            seen("{\"statusCode\":201}\0\0\0\0\0\0\0\0streamed"),
            (201, json(), "streamed".into())
        );
        for wrong in [
            "{\"statusCode\":99}",
            "{\"statusCode\":\"x\"}",
            "not json",
            "{\"statusCode\":200,\"headers\":{\"a b\":\"c\"}}",
        ] {
            assert!(response(&Bytes::from_static(wrong.as_bytes())).is_none(), "{wrong}");
        }
    }
}
