//! A Lambda invocation of an HTTP-server app: the API Gateway payload format 2.0, both ways. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use danbi_core::{Body, full_body};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{Request, response};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    request_context: RequestContext,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
struct RequestContext {
    http: HttpContext,
}

#[derive(Deserialize)]
struct HttpContext {
    method: String,
}

/// The request that the event describes; otherwise why it describes none.
pub(super) fn to_request(payload: &[u8]) -> Result<Request<Body>, String> {
    let event: Event = serde_json::from_slice(payload)
        .map_err(|error| format!("an HTTP-server app takes API Gateway v2 events (payload format 2.0): {error}"))?;
    let body = match event.body {
        Some(text) if event.is_base64_encoded => STANDARD.decode(text).map_err(|error| format!("body: {error}"))?,
        Some(text) => text.into_bytes(),
        None => Vec::new(),
    };
    let path = if event.raw_path.starts_with('/') {
        event.raw_path
    } else {
        format!("/{}", event.raw_path)
    };
    let uri = if event.raw_query_string.is_empty() {
        path
    } else {
        format!("{path}?{}", event.raw_query_string)
    };
    let mut request = Request::builder()
        .method(event.request_context.http.method.as_str())
        .uri(uri);
    for (name, value) in &event.headers {
        // The body is sent as it is here, whatever its length was on its way.
        if !name.eq_ignore_ascii_case("content-length") {
            request = request.header(name, value);
        }
    }
    if !event.cookies.is_empty() {
        request = request.header(COOKIE, event.cookies.join("; "));
    }
    request.body(full_body(body)).map_err(|error| error.to_string())
}

/// The answer in the same format: cookies apart, text as it is, anything else as base64.
pub(super) fn from_response(head: &response::Parts, body: &[u8]) -> Bytes {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == SET_COOKIE {
            cookies.push(value);
            continue;
        }
        headers
            .entry(name.as_str())
            .and_modify(|joined| {
                joined.push(',');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.clone().into_owned());
    }
    let text = if is_text(head) {
        std::str::from_utf8(body).ok()
    } else {
        None
    };
    let (body, is_base64) = text.map_or_else(|| (STANDARD.encode(body), true), |text| (text.to_owned(), false));
    let mut answer = json!({
        "statusCode": head.status.as_u16(), "headers": headers, "body": body, "isBase64Encoded": is_base64,
    });
    if !cookies.is_empty() {
        answer["cookies"] = json!(cookies);
    }
    answer.to_string().into()
}

/// A Lambda error document.
pub(super) fn error(error_type: &str, message: &str) -> Bytes {
    json!({ "errorType": error_type, "errorMessage": message })
        .to_string()
        .into()
}

fn is_text(head: &response::Parts) -> bool {
    if head.headers.contains_key(CONTENT_ENCODING) {
        return false;
    }
    let Some(content_type) = head.headers.get(CONTENT_TYPE) else {
        return true;
    };
    let content_type = String::from_utf8_lossy(content_type.as_bytes()).to_ascii_lowercase();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || matches!(
            essence,
            "application/json" | "application/xml" | "application/javascript" | "application/x-www-form-urlencoded"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn an_event_becomes_a_request() {
        let event = json!({
            "version": "2.0", "rawPath": "/a/b", "rawQueryString": "q=1&q=2",
            "headers": { "content-type": "text/plain", "content-length": "99" },
            "cookies": ["a=1", "b=2"],
            "requestContext": { "http": { "method": "POST", "path": "/a/b" } },
            "body": STANDARD.encode("hello"), "isBase64Encoded": true,
        });
        let request = to_request(event.to_string().as_bytes()).unwrap();
        assert_eq!(
            (request.method().as_str(), request.uri().to_string().as_str()),
            ("POST", "/a/b?q=1&q=2")
        );
        assert_eq!(request.headers()[COOKIE], "a=1; b=2");
        assert!(!request.headers().contains_key("content-length"));
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "hello");
    }

    #[test]
    fn an_event_that_is_no_request_says_what_is_expected() {
        assert!(to_request(b"{}").unwrap_err().contains("payload format 2.0"));
    }

    #[test]
    fn an_answer_keeps_cookies_apart_and_bytes_intact() {
        let response = |content_type: &str| {
            Response::builder()
                .status(201)
                .header("content-type", content_type)
                .header("set-cookie", "a=1")
                .header("set-cookie", "b=2")
                .header("x-many", "1")
                .header("x-many", "2")
                .body(())
                .unwrap()
                .into_parts()
                .0
        };
        let answer: serde_json::Value =
            serde_json::from_slice(&from_response(&response("text/html; charset=utf-8"), b"<p>")).unwrap();
        assert_eq!(answer["statusCode"], 201);
        assert_eq!(answer["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(answer["headers"]["x-many"], "1,2");
        assert_eq!(
            (&answer["body"], &answer["isBase64Encoded"]),
            (&json!("<p>"), &json!(false))
        );
        let answer: serde_json::Value =
            serde_json::from_slice(&from_response(&response("image/png"), &[0x89, 0x50])).unwrap();
        assert_eq!(
            (&answer["body"], &answer["isBase64Encoded"]),
            (&json!("iVA="), &json!(true))
        );
    }
}
