//! Which pages of other origins may use a bucket, and which rule of a bucket a request falls under.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cors.html>.

use super::{bucket_of, read, remove, set};
use crate::bucket_config::{self, kind};
use crate::records::{Bucket, View};
use crate::shapes::{
    CORSConfiguration, CORSRule, DeleteBucketCorsRequest, GetBucketCorsOutput, GetBucketCorsRequest,
    PutBucketCorsRequest,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const MAX_RULES: usize = 100;
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// PutBucketCors.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketCorsRequest) -> Result<Empty> {
    validate(&input.cors_configuration)?;
    set(&s3, &context, bucket_of!(input), kind::CORS, &input.cors_configuration).await
}

/// GetBucketCors.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketCorsRequest,
) -> Result<GetBucketCorsOutput> {
    let kept: Option<CORSConfiguration> = read(&s3, &context, bucket_of!(input), kind::CORS).await?;
    match kept {
        Some(kept) => Ok(GetBucketCorsOutput {
            cors_rules: Some(kept.cors_rules),
        }),
        None => {
            let message = "The CORS configuration does not exist";
            Err(Error::client("NoSuchCORSConfiguration", 404, message).with("BucketName", input.bucket))
        }
    }
}

/// DeleteBucketCors; there need not be one.
pub(crate) async fn delete(s3: Arc<S3>, context: RequestContext, input: DeleteBucketCorsRequest) -> Result<Empty> {
    remove(&s3, &context, bucket_of!(input), kind::CORS).await
}

/// The rules of a bucket, in their order; `None` when it has none.
pub(crate) async fn rules(view: &impl View, bucket: &Bucket) -> Result<Option<Vec<CORSRule>>> {
    let kept: Option<CORSConfiguration> = bucket_config::get(view, bucket, kind::CORS).await?;
    Ok(kept.map(|kept| kept.cors_rules))
}

/// The first rule that lets `origin` do `method` with these request headers, whose names may be of any case.
pub(crate) fn rule_for<'r>(
    rules: &'r [CORSRule],
    origin: &str,
    method: &str,
    headers: &[&str],
) -> Option<&'r CORSRule> {
    rules.iter().find(|rule| {
        let allowed = rule.allowed_headers.as_deref().unwrap_or_default();
        rule.allowed_methods.iter().any(|allowed| allowed == method)
            && rule.allowed_origins.iter().any(|allowed| fits(allowed, origin))
            && headers.iter().all(|header| {
                let header = header.to_ascii_lowercase();
                allowed
                    .iter()
                    .any(|allowed| fits(&allowed.to_ascii_lowercase(), &header))
            })
    })
}

/// Whether `text` is what `pattern`, which has one `*` at most, means.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn validate(configuration: &CORSConfiguration) -> Result<()> {
    let rules = &configuration.cors_rules;
    if rules.is_empty() || rules.len() > MAX_RULES {
        return Err(Error::malformed_xml());
    }
    for rule in rules {
        if rule.allowed_methods.is_empty() || rule.allowed_origins.is_empty() {
            return Err(Error::malformed_xml());
        }
        if rule.id.as_ref().is_some_and(|id| id.chars().count() > 255) {
            return Err(Error::malformed_xml());
        }
        if let Some(method) = rule
            .allowed_methods
            .iter()
            .find(|method| !METHODS.contains(&method.as_str()))
        {
            let message = format!("Found unsupported HTTP method in CORS config. Unsupported method is {method}");
            return Err(Error::invalid_request(message));
        }
        let two_wildcards = |text: &&String| text.matches('*').count() > 1;
        if let Some(origin) = rule.allowed_origins.iter().find(two_wildcards) {
            let message = format!("AllowedOrigin \"{origin}\" can not have more than one wildcard.");
            return Err(Error::invalid_request(message));
        }
        if let Some(header) = rule.allowed_headers.iter().flatten().find(two_wildcards) {
            let message = format!("AllowedHeader \"{header}\" can not have more than one wildcard.");
            return Err(Error::invalid_request(message));
        }
        if let Some(header) = rule.expose_headers.iter().flatten().find(|header| header.contains('*')) {
            let message = format!(
                "ExposeHeader \"{header}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
            );
            return Err(Error::invalid_request(message));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CORSRule {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        CORSRule {
            allowed_origins: texts(origins),
            allowed_methods: texts(methods),
            allowed_headers: Some(texts(headers)),
            ..CORSRule::default()
        }
    }

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules = [
            rule(&["https://a.example"], &["GET"], &[]),
            rule(&["https://*.example"], &["GET", "PUT"], &["x-amz-*", "Content-Type"]),
            rule(&["*"], &["HEAD"], &["*"]),
        ];
        let found = |origin, method, headers: &[&str]| {
            let found = rule_for(&rules, origin, method, headers)?;
            rules.iter().position(|rule| rule == found)
        };
        assert_eq!(found("https://a.example", "GET", &[]), Some(0));
        assert_eq!(found("https://a.example", "GET", &["x-amz-date"]), Some(1));
        assert_eq!(
            found("https://b.example", "PUT", &["X-Amz-Date", "content-type"]),
            Some(1)
        );
        assert_eq!(found("https://b.example", "PUT", &["authorization"]), None);
        assert_eq!(found("https://.example", "PUT", &[]), Some(1));
        assert_eq!(found("null", "HEAD", &["anything"]), Some(2));
        assert_eq!(found("http://a.example", "GET", &[]), None);
    }

    #[test]
    fn rules_are_checked() {
        let message = |rule: CORSRule| match validate(&CORSConfiguration { cors_rules: vec![rule] }) {
            Err(Error::Answer(answer)) => answer.message,
            _ => String::new(),
        };
        assert_eq!(message(rule(&["*"], &["GET"], &["*"])), "");
        assert!(message(rule(&["*"], &["get"], &[])).ends_with("Unsupported method is get"));
        assert!(message(rule(&["http://*.*.x"], &["GET"], &[])).contains("more than one wildcard"));
        assert!(validate(&CORSConfiguration::default()).is_err());
        assert!(
            validate(&CORSConfiguration {
                cors_rules: vec![rule(&[], &["GET"], &[])]
            })
            .is_err()
        );
    }
}
