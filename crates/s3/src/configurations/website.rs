//! How a bucket is served as a website.
//!
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html>.

use super::{bucket_of, read, remove, set};
use crate::bucket_config::{self, kind};
use crate::records::{Bucket, View};
use crate::shapes::{
    DeleteBucketWebsiteRequest, GetBucketWebsiteOutput, GetBucketWebsiteRequest, PutBucketWebsiteRequest, Redirect,
    RoutingRule, WebsiteConfiguration,
};
use crate::{Error, Result, S3};
use danbi_core::RequestContext;
use danbi_wire::Empty;
use std::sync::Arc;

const MAX_ROUTING_RULES: usize = 50;

/// PutBucketWebsite.
pub(crate) async fn put(s3: Arc<S3>, context: RequestContext, input: PutBucketWebsiteRequest) -> Result<Empty> {
    validate(&input.website_configuration)?;
    set(
        &s3,
        &context,
        bucket_of!(input),
        kind::WEBSITE,
        &input.website_configuration,
    )
    .await
}

/// GetBucketWebsite.
pub(crate) async fn get(
    s3: Arc<S3>,
    context: RequestContext,
    input: GetBucketWebsiteRequest,
) -> Result<GetBucketWebsiteOutput> {
    let kept: Option<WebsiteConfiguration> = read(&s3, &context, bucket_of!(input), kind::WEBSITE).await?;
    match kept {
        Some(kept) => Ok(GetBucketWebsiteOutput {
            redirect_all_requests_to: kept.redirect_all_requests_to,
            index_document: kept.index_document,
            error_document: kept.error_document,
            routing_rules: kept.routing_rules,
        }),
        None => Err(none(&input.bucket)),
    }
}

/// DeleteBucketWebsite; there need not be one.
pub(crate) async fn delete(s3: Arc<S3>, context: RequestContext, input: DeleteBucketWebsiteRequest) -> Result<Empty> {
    remove(&s3, &context, bucket_of!(input), kind::WEBSITE).await
}

/// The website of a bucket.
///
/// # Errors
/// `NoSuchWebsiteConfiguration`, when it is none.
pub(crate) async fn of(view: &impl View, name: &str, bucket: &Bucket) -> Result<WebsiteConfiguration> {
    let kept: Option<WebsiteConfiguration> = bucket_config::get(view, bucket, kind::WEBSITE).await?;
    kept.ok_or_else(|| none(name))
}

fn none(bucket: &str) -> Error {
    let message = "The specified bucket does not have a website configuration";
    Error::client("NoSuchWebsiteConfiguration", 404, message).with("BucketName", bucket)
}

fn validate(website: &WebsiteConfiguration) -> Result<()> {
    if let Some(all) = &website.redirect_all_requests_to {
        let alone =
            website.index_document.is_none() && website.error_document.is_none() && website.routing_rules.is_none();
        if !alone {
            let message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
            return Err(Error::invalid_argument("RedirectAllRequestsTo", "not null", message));
        }
        if all.host_name.is_empty() {
            return Err(Error::malformed_xml());
        }
        return check_protocol(all.protocol.as_deref());
    }
    let Some(index) = &website.index_document else {
        let message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        return Err(Error::invalid_argument("IndexDocument", "null", message));
    };
    if index.suffix.is_empty() || index.suffix.contains('/') {
        let message = "The IndexDocument Suffix is not well formed";
        return Err(Error::invalid_argument("IndexDocument", &index.suffix, message));
    }
    if website
        .error_document
        .as_ref()
        .is_some_and(|error| error.key.is_empty())
    {
        return Err(Error::malformed_xml());
    }
    let Some(rules) = &website.routing_rules else {
        return Ok(());
    };
    if rules.is_empty() {
        return Err(Error::malformed_xml());
    }
    if rules.len() > MAX_ROUTING_RULES {
        let message = format!(
            "{} routing rules provided, the number of routing rules in a website configuration is limited to \
             {MAX_ROUTING_RULES}.",
            rules.len()
        );
        return Err(Error::invalid_request(message));
    }
    rules.iter().try_for_each(check_rule)
}

fn check_rule(rule: &RoutingRule) -> Result<()> {
    let redirect = &rule.redirect;
    if redirect.replace_key_prefix_with.is_some() && redirect.replace_key_with.is_some() {
        let message = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
        return Err(Error::invalid_request(message));
    }
    if let Some(condition) = &rule.condition {
        if condition.http_error_code_returned_equals.is_none() && condition.key_prefix_equals.is_none() {
            let message = "Condition cannot be empty. To redirect all requests without a condition, the condition \
                           element shouldn't be present.";
            return Err(Error::invalid_request(message));
        }
        if let Some(code) = &condition.http_error_code_returned_equals
            && !status(code).is_some_and(|code| (400..600).contains(&code))
        {
            let message = format!("The provided HTTP error code ({code}) is not valid. Valid codes are 4XX or 5XX.");
            return Err(Error::invalid_request(message));
        }
    }
    if *redirect == Redirect::default() {
        return Err(Error::malformed_xml());
    }
    if let Some(code) = &redirect.http_redirect_code
        && !status(code).is_some_and(|code| (300..400).contains(&code) && code != 300)
    {
        let message = format!("The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300.");
        return Err(Error::invalid_request(message));
    }
    check_protocol(redirect.protocol.as_deref())
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.len() == 3)
}

fn check_protocol(protocol: Option<&str>) -> Result<()> {
    match protocol {
        None | Some("http" | "https") => Ok(()),
        Some(_) => {
            let message = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected \
                           automatically.";
            Err(Error::invalid_request(message))
        }
    }
}
