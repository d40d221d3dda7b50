//! Where templates and stack policies come from: the request itself, or an object in a bucket.

use crate::engine::CloudFormation;
use crate::template::{MAX_BODY_BYTES, MAX_TEMPLATE_BYTES};
use crate::{Error, Result};
use danbi_core::{ObjectLocation, RequestContext};

impl CloudFormation {
    /// The text of a template that is given in one of two ways.
    pub(crate) async fn template_text(
        &self,
        context: &RequestContext,
        body: Option<&String>,
        url: Option<&String>,
    ) -> Result<Option<String>> {
        match (body, url) {
            (Some(_), Some(_)) => Err(Error::validation(
                "You cannot specify both TemplateURL and TemplateBody",
            )),
            (Some(body), None) if body.len() > MAX_BODY_BYTES => Err(Error::validation(format!(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have \
                 length less than or equal to {MAX_BODY_BYTES}"
            ))),
            (Some(body), None) => Ok(Some(body.clone())),
            (None, Some(url)) => self.object(context, url, "TemplateURL").await.map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The text of a stack policy that is given in one of two ways.
    pub(crate) async fn policy_text(
        &self,
        context: &RequestContext,
        body: Option<&String>,
        url: Option<&String>,
    ) -> Result<Option<String>> {
        let text = match (body, url) {
            (Some(_), Some(_)) => {
                return Err(Error::validation(
                    "You cannot specify both StackPolicyURL and StackPolicyBody",
                ));
            }
            (Some(body), None) => body.clone(),
            (None, Some(url)) => self.object(context, url, "StackPolicyURL").await?,
            (None, None) => return Ok(None),
        };
        crate::engine::stack_policy::check(&text).map_err(Error::Validation)?;
        Ok(Some(text))
    }

    async fn object(&self, context: &RequestContext, url: &str, what: &str) -> Result<String> {
        let location = location(url).ok_or_else(|| Error::validation(format!("{what} must be a supported URL.")))?;
        let objects = self.objects.as_ref();
        let objects =
            objects.ok_or_else(|| Error::validation(format!("{what} cannot be used: there is no S3 here.")))?;
        let bytes = objects
            .object(context, &location, MAX_TEMPLATE_BYTES)
            .await
            .map_err(|error| match error.code {
                "AccessDenied" | "NoSuchKey" | "NoSuchBucket" => {
                    Error::validation(format!("S3 error: {}\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", error.message))
                }
                _ => Error::validation(format!("S3 error: {}", error.message)),
            })?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| Error::validation("Template format error: unsupported structure."))
    }
}

/// The object that a URL names: by path, by virtual host, global, regional, or at this platform's own address.
fn location(url: &str) -> Option<ObjectLocation> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .or_else(|| url.strip_prefix("s3://").map(|_| ""))?;
    if let Some(path) = url.strip_prefix("s3://") {
        let (bucket, key) = path.split_once('/')?;
        return object(bucket, key, None);
    }
    let (host, path) = rest.split_once('/')?;
    let (path, query) = path
        .split_once('?')
        .map_or((path, None), |(path, query)| (path, Some(query)));
    let version = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("versionId=")));
    let named = danbi_wire::s3::Host::parse(host);
    match named.and_then(|host| host.bucket) {
        Some(bucket) => object(bucket, path, version),
        None => {
            let (bucket, key) = path.split_once('/')?;
            object(bucket, key, version)
        }
    }
}

fn object(bucket: &str, key: &str, version: Option<&str>) -> Option<ObjectLocation> {
    let decode = |text| String::from_utf8(danbi_core::uri::decode(text).into_owned()).ok();
    let (bucket, key) = (decode(bucket)?, decode(key)?);
    (!bucket.is_empty() && !key.is_empty()).then(|| ObjectLocation {
        bucket,
        key,
        version: version.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_objects() {
        for url in [
            "https://s3.amazonaws.com/b/k/t.json",
            "https://s3-eu-west-1.amazonaws.com/b/k/t.json",
            "https://s3.eu-west-1.amazonaws.com/b/k/t.json",
            "https://b.s3.amazonaws.com/k/t.json",
            "https://b.s3.eu-west-1.amazonaws.com/k%2Ft.json",
            "http://127.0.0.1:4566/b/k/t.json",
            "http://b.s3.localhost:4566/k/t.json",
        ] {
            let found = location(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!((found.bucket.as_str(), found.key.as_str()), ("b", "k/t.json"), "{url}");
        }
        assert_eq!(location("ftp://x/y/z"), None);
        assert_eq!(location("https://s3.amazonaws.com/b"), None);
    }
}
