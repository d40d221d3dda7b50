//! Buckets as websites: index and error documents, redirects, pages of HTML for what goes wrong.
//!
//! A website answers anybody, with what everybody may read: each object is asked for as [`Principal::Anonymous`].
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/WebsiteHosting.html>.

mod page;
mod redirects;

use crate::objects;
use crate::records::{Bucket, View};
use crate::shapes::{GetObjectRequest, WebsiteConfiguration};
use crate::{Error, S3, configurations, keys, names};
use danbi_core::{Access, Body, Principal, RequestContext, RequestFacts, RequestId, Scope, ServiceError, empty_body};
use danbi_wire::protocol::{Protocol, encode_response};
use danbi_wire::{Timestamp, models, value};
use http::header::{
    HOST, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, LOCATION, RANGE,
    REFERER, USER_AGENT,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use std::net::IpAddr;
use std::sync::Arc;

/// Set on an object by `x-amz-website-redirect-location`.
const REDIRECT_LOCATION: &str = "x-amz-website-redirect-location";

/// A request to a website.
pub struct WebsiteRequest<'r> {
    /// The bucket.
    pub bucket: &'r str,
    /// The path below the bucket, as it was sent; it begins with `/`.
    pub path: &'r str,
    /// The rest of the request.
    pub parts: &'r Parts,
    /// What stands before the path in links, when the bucket is addressed by path: `/_aws/s3-website/BUCKET`.
    pub base: &'r str,
    /// Who is at the other end.
    pub source_ip: IpAddr,
    /// Whether the connection is TLS.
    pub secure: bool,
}

/// One request on its way.
struct Visit<'r> {
    s3: &'r Arc<S3>,
    request: WebsiteRequest<'r>,
    context: RequestContext,
}

impl S3 {
    /// Answers a request to a bucket's website. Never fails: what goes wrong becomes a page.
    pub async fn website(self: &Arc<Self>, request: WebsiteRequest<'_>) -> Response<Body> {
        let context = context(&request);
        let visit = Visit {
            s3: self,
            request,
            context,
        };
        let id = visit.context.request_id;
        let mut response = match visit.answer().await {
            Ok(response) => response,
            Err(error) => page::of(&error, None, id),
        };
        if visit.request.parts.method == Method::HEAD {
            *response.body_mut() = empty_body();
        }
        page::sign_off(response.headers_mut(), id, self.now());
        response
    }
}

impl Visit<'_> {
    async fn answer(&self) -> Result<Response<Body>, ServiceError> {
        let method = &self.request.parts.method;
        if !matches!(*method, Method::GET | Method::HEAD) {
            let message = "The specified method is not allowed against this resource.";
            return Err(ServiceError::client("MethodNotAllowed", 405, message)
                .with("Method", method.as_str())
                .with("ResourceType", "OBJECT"));
        }
        let website = self.configuration().await?;
        let key = self.key()?;
        if let Some(all) = &website.redirect_all_requests_to {
            let query = self
                .request
                .parts
                .uri
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            let protocol = all.protocol.as_deref().unwrap_or(self.scheme());
            let target = format!("{protocol}://{}{}{query}", all.host_name, self.request.path);
            return redirect(301, &target);
        }
        let rules = website.routing_rules.as_deref().unwrap_or_default();
        if let Some(found) = redirects::before(rules, &key) {
            return self.follow(found, &key);
        }
        let suffix = website
            .index_document
            .as_ref()
            .map_or("", |index| index.suffix.as_str());
        let wanted = match key.is_empty() || key.ends_with('/') {
            true => format!("{key}{suffix}"),
            false => key.clone(),
        };
        let mut error = match self.object(&wanted, true).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        if error.status == 304 {
            return Ok(page::not_modified(&error));
        }
        let is_folder = wanted == key && self.object(&format!("{key}/{suffix}"), false).await.is_ok();
        if is_folder {
            return redirect(302, &format!("{}{}/", self.request.base, self.request.path));
        }
        if error.code == "NoSuchKey" && !self.may_list().await {
            // Whoever may not list is not told what is missing.
            error = Error::access_denied().into();
        }
        if let Some(found) = redirects::after(rules, &key, error.status) {
            return self.follow(found, &key);
        }
        Err(error).or_else_page(self, &website).await
    }

    async fn configuration(&self) -> Result<WebsiteConfiguration, ServiceError> {
        let name = self.request.bucket;
        if name.is_empty() || name.len() > 255 {
            return Err(Error::no_such_bucket(name).into());
        }
        let view = self.s3.snapshot().await?;
        let bucket: Option<Bucket> = view.record(&keys::bucket(name)).await?;
        let bucket = bucket.ok_or_else(|| Error::no_such_bucket(name))?;
        Ok(configurations::website::of(&view, name, &bucket).await?)
    }

    /// The path without its slash, decoded.
    fn key(&self) -> Result<String, ServiceError> {
        let path = self.request.path.strip_prefix('/').unwrap_or(self.request.path);
        names::unescaped(path).ok_or_else(|| {
            ServiceError::client("InvalidURI", 400, "Couldn't parse the specified URI.").with("URI", self.request.path)
        })
    }

    /// An object as everybody may read it. Conditions and ranges count when it is what was asked for.
    async fn object(&self, key: &str, asked_for: bool) -> Result<Response<Body>, ServiceError> {
        let access = Access::new("s3:GetObject", names::object_arn(self.request.bucket, key));
        self.s3.authorizer.authorize(&self.context, &access).await?;
        let header = |name: HeaderName| {
            let value = self.request.parts.headers.get(name).filter(|_| asked_for);
            value.and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let date = |name: HeaderName| header(name).and_then(|text| http_date(&text));
        let input = GetObjectRequest {
            bucket: self.request.bucket.to_owned(),
            key: key.to_owned(),
            range: header(RANGE),
            if_match: header(IF_MATCH),
            if_none_match: header(IF_NONE_MATCH),
            if_modified_since: date(IF_MODIFIED_SINCE),
            if_unmodified_since: date(IF_UNMODIFIED_SINCE),
            ..GetObjectRequest::default()
        };
        let (mut output, parts) = objects::get::get(self.s3.clone(), self.context.clone(), input).await?;
        if let Some(target) = output.website_redirect_location.take() {
            return redirect(301, &target);
        }
        let body = output.body.take();
        let model = models::S3.get();
        let (Some(operation), Ok(tree)) = (model.operation("GetObject"), value::to_value(&output)) else {
            return Err(Error::Damaged("an answer does not fit its model".into()).into());
        };
        let encoded = encode_response(model, operation, Protocol::RestXml, &tree, "");
        let mut response = Response::new(body);
        *response.status_mut() = status(parts.status.unwrap_or(encoded.status));
        *response.headers_mut() = encoded.headers;
        response.headers_mut().extend(parts.headers);
        response.headers_mut().remove(REDIRECT_LOCATION);
        if response.status() == StatusCode::NOT_MODIFIED {
            *response.body_mut() = empty_body();
        }
        Ok(response)
    }

    /// Whether everybody may list the bucket.
    async fn may_list(&self) -> bool {
        let access = Access::new("s3:ListBucket", names::bucket_arn(self.request.bucket));
        self.s3.authorizer.authorize(&self.context, &access).await.is_ok()
    }

    fn follow(&self, found: redirects::Found<'_>, key: &str) -> Result<Response<Body>, ServiceError> {
        let own = format!("{}{}", self.context.host, self.request.base);
        redirect(found.status, &found.target(self.scheme(), &own, key))
    }

    fn scheme(&self) -> &'static str {
        if self.request.secure { "https" } else { "http" }
    }
}

/// What becomes of an error that no rule redirects.
trait OrElsePage {
    async fn or_else_page(self, visit: &Visit<'_>, website: &WebsiteConfiguration) -> Self;
}

impl OrElsePage for Result<Response<Body>, ServiceError> {
    /// The website's own error document with the error's status, else the page that tells the error.
    async fn or_else_page(self, visit: &Visit<'_>, website: &WebsiteConfiguration) -> Self {
        let (Err(error), Some(document)) = (&self, &website.error_document) else {
            return self;
        };
        // Faults of the platform are not the website's to word.
        if error.status >= 500 {
            return self;
        }
        match visit.object(&document.key, false).await {
            Ok(mut response) => {
                *response.status_mut() = status(error.status);
                page::name_error(response.headers_mut(), error);
                Ok(response)
            }
            Err(second) => Ok(page::of(error, Some(&second), visit.context.request_id)),
        }
    }
}

fn redirect(code: u16, target: &str) -> Result<Response<Body>, ServiceError> {
    let mut response = Response::new(empty_body());
    *response.status_mut() = status(code);
    let value = HeaderValue::from_str(target)
        .map_err(|_| ServiceError::client("InvalidRequest", 400, "The redirect's target is no URL."))?;
    response.headers_mut().insert(LOCATION, value);
    Ok(response)
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn http_date(text: &str) -> Option<Timestamp> {
    let at = time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc2822).ok()?;
    Some(Timestamp::from_millis(at.unix_timestamp().saturating_mul(1000)))
}

fn context(request: &WebsiteRequest<'_>) -> RequestContext {
    let headers: &HeaderMap = &request.parts.headers;
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let authority = request.parts.uri.authority().map(http::uri::Authority::as_str);
    RequestContext {
        request_id: RequestId::new(),
        scope: Scope::default(),
        principal: Principal::Anonymous,
        source_ip: request.source_ip,
        secure: request.secure,
        host: text(HOST).or(authority).unwrap_or_default().to_owned(),
        user_agent: text(USER_AGENT).unwrap_or_default().chars().take(1024).collect(),
        facts: RequestFacts {
            resource: request.path.to_owned(),
            referer: text(REFERER).map(|referer| referer.chars().take(4096).collect()),
            if_range: text(IF_RANGE).map(|state| state.chars().take(256).collect()),
            ..RequestFacts::default()
        },
    }
}
