//! What browsers are told about requests from pages of other origins, by the rules of the bucket.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>; AWS's answers as LocalStack recorded them.

use crate::configurations::cors::{rule_for, rules};
use crate::records::{Bucket, View};
use crate::shapes::CORSRule;
use crate::{Result, S3, keys};
use async_trait::async_trait;
use danbi_core::ServiceError;
use danbi_wire::{CrossOrigin, CrossOriginRequest};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};

const VARIES: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
const NO_RULE: &str = "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
     request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the \
     resource's CORS spec.";

/// What a bucket says about requests across origins.
enum Says {
    NoBucket,
    Nothing,
    Rules(Vec<CORSRule>),
}

/// What the browser asks.
struct Asked<'r> {
    origin: &'r str,
    method: &'r str,
    headers: Vec<String>,
}

impl<'r> Asked<'r> {
    /// `None` without an origin.
    fn of(request: &CrossOriginRequest<'r>) -> Option<Self> {
        let asked_for = text(request.headers, ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
        let headers = asked_for.split(',').map(|name| name.trim().to_ascii_lowercase());
        Some(Self {
            origin: text(request.headers, ORIGIN)?,
            method: text(request.headers, ACCESS_CONTROL_REQUEST_METHOD).unwrap_or(request.method.as_str()),
            headers: headers.filter(|name| !name.is_empty()).collect(),
        })
    }

    fn rule<'c>(&self, rules: &'c [CORSRule]) -> Option<&'c CORSRule> {
        let headers: Vec<&str> = self.headers.iter().map(String::as_str).collect();
        rule_for(rules, self.origin, self.method, &headers)
    }

    /// The answer that `rule` gives.
    fn answer(&self, rule: &CORSRule) -> HeaderMap {
        let mut answer = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            // What a rule or a header holds that HTTP cannot carry is left out.
            if let Ok(value) = HeaderValue::from_str(value) {
                answer.insert(name, value);
            }
        };
        if rule.allowed_origins.iter().any(|origin| origin == "*") {
            put(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            put(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
            put(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        put(ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed_methods.join(", "));
        if !self.headers.is_empty() {
            put(ACCESS_CONTROL_ALLOW_HEADERS, &self.headers.join(", "));
        }
        if let Some(exposed) = rule.expose_headers.as_ref().filter(|exposed| !exposed.is_empty()) {
            put(ACCESS_CONTROL_EXPOSE_HEADERS, &exposed.join(", "));
        }
        if let Some(secs) = rule.max_age_seconds {
            put(ACCESS_CONTROL_MAX_AGE, &secs.to_string());
        }
        put(VARY, VARIES);
        answer
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

impl S3 {
    async fn says_across_origins(&self, bucket: &str) -> Result<Says> {
        if bucket.is_empty() || bucket.len() > 255 {
            return Ok(Says::NoBucket);
        }
        let view = self.snapshot().await?;
        let Some(found): Option<Bucket> = view.record(&keys::bucket(bucket)).await? else {
            return Ok(Says::NoBucket);
        };
        Ok(rules(&view, &found).await?.map_or(Says::Nothing, Says::Rules))
    }
}

#[async_trait]
impl CrossOrigin for S3 {
    async fn preflight(&self, request: CrossOriginRequest<'_>) -> std::result::Result<HeaderMap, ServiceError> {
        let bad = |message: &str| ServiceError::client("BadRequest", 400, message);
        let Some(asked) = Asked::of(&request) else {
            return Err(bad("Insufficient information. Origin request header needed."));
        };
        let forbidden = |message: &str, resource: &str| {
            ServiceError::client("AccessForbidden", 403, message)
                .with("Method", asked.method)
                .with("ResourceType", resource)
        };
        let rules = match self.says_across_origins(request.bucket).await? {
            Says::NoBucket => return Err(forbidden("CORSResponse: Bucket not found", "BUCKET")),
            Says::Nothing => {
                return Err(forbidden(
                    "CORSResponse: CORS is not enabled for this bucket.",
                    "BUCKET",
                ));
            }
            Says::Rules(rules) => rules,
        };
        if !request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Err(bad("Invalid Access-Control-Request-Method: null"));
        }
        let resource = if request.key.is_some() { "OBJECT" } else { "BUCKET" };
        let rule = asked.rule(&rules).ok_or_else(|| forbidden(NO_RULE, resource))?;
        Ok(asked.answer(rule))
    }

    async fn headers(&self, request: CrossOriginRequest<'_>) -> HeaderMap {
        let Some(asked) = Asked::of(&request) else {
            return HeaderMap::new();
        };
        match self.says_across_origins(request.bucket).await {
            Ok(Says::Rules(rules)) => asked.rule(&rules).map(|rule| asked.answer(rule)).unwrap_or_default(),
            Ok(Says::NoBucket | Says::Nothing) => HeaderMap::new(),
            Err(error) => {
                // The answer itself is not to fail for this; a browser then keeps it from the page.
                tracing::warn!(%error, "the rules for requests across origins cannot be read");
                HeaderMap::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    fn answered(rule: &CORSRule, headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        let request = CrossOriginRequest {
            bucket: "b",
            key: None,
            method: &Method::GET,
            headers: &map,
        };
        let rules = std::slice::from_ref(rule);
        let asked = Asked::of(&request).unwrap();
        let answer = asked.rule(rules).map(|rule| asked.answer(rule)).unwrap_or_default();
        let lines = answer
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut lines: Vec<String> = lines.filter(|line| !line.starts_with("vary")).collect();
        lines.sort();
        lines
    }

    #[test]
    fn an_origin_is_named_unless_all_are_welcome() {
        let mut rule = CORSRule {
            allowed_origins: vec!["http://*.origin.com".into()],
            allowed_methods: vec!["GET".into(), "PUT".into()],
            allowed_headers: Some(vec!["x-amz-*".into()]),
            max_age_seconds: Some(3000),
            ..CORSRule::default()
        };
        let from = ("origin", "http://test.origin.com");
        let lines = answered(
            &rule,
            &[from, ("access-control-request-headers", "X-Amz-Date,x-amz-acl")],
        );
        let expected = [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: x-amz-date, x-amz-acl",
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-origin: http://test.origin.com",
            "access-control-max-age: 3000",
        ];
        assert_eq!(lines, expected);
        assert!(answered(&rule, &[from, ("access-control-request-headers", "other")]).is_empty());
        assert!(answered(&rule, &[from, ("access-control-request-method", "DELETE")]).is_empty());
        assert!(answered(&rule, &[("origin", "http://origin.com")]).is_empty());
        rule.allowed_origins = vec!["*".into()];
        rule.max_age_seconds = None;
        rule.expose_headers = Some(vec!["x-amz-id-2".into(), "ETag".into()]);
        let expected = [
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-origin: *",
            "access-control-expose-headers: x-amz-id-2, ETag",
        ];
        assert_eq!(answered(&rule, &[from]), expected);
    }
}
