//! Which operation of S3 a request means: by method, by whether bucket and key are there, by subresource, by header.

use super::Address;
use crate::model::{Location, Model, OperationModel};
use danbi_core::ServiceError;
use http::{HeaderMap, Method};
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// How one operation is asked for.
#[derive(Debug)]
struct Route {
    operation: String,
    /// Subresources that must be there, with their value when it matters (`list-type=2`).
    subresources: Vec<(String, Option<String>)>,
    /// Parameters without which it is another operation (`uploadId`, the `id` of a configuration).
    parameters: Vec<String>,
    /// Headers without which it is another operation: `x-amz-copy-source`.
    headers: Vec<String>,
}

#[derive(Debug, Default)]
struct Routes {
    by_method: HashMap<(String, Level), Vec<Route>>,
    /// Every subresource of any operation.
    subresources: HashSet<String>,
}

/// The header that makes a copy of a put.
const COPY_SOURCE: &str = "x-amz-copy-source";

static ROUTES: OnceLock<Routes> = OnceLock::new();

impl Routes {
    fn new(model: &Model) -> Self {
        let mut routes = Self::default();
        for operation in model.operations() {
            let (path, query) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
            let level = match path {
                "/" => Level::Service,
                "/{Bucket}" => Level::Bucket,
                "/{Bucket}/{Key+}" => Level::Object,
                // The back door of Object Lambda is no part of a bucket.
                _ => continue,
            };
            let subresources: Vec<_> = query
                .split('&')
                .filter(|part| !part.is_empty())
                .map(|part| match part.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (part.to_owned(), None),
                })
                .collect();
            for (name, _) in subresources.iter().filter(|(_, value)| value.is_none()) {
                routes.subresources.insert(name.clone());
            }
            let required = |location: Location| required(model, operation, location);
            let mut headers = required(Location::Header);
            headers.retain(|name| name == COPY_SOURCE);
            let route = Route {
                operation: operation.name.clone(),
                parameters: required(Location::Query),
                subresources,
                headers,
            };
            routes
                .by_method
                .entry((operation.method.clone(), level))
                .or_default()
                .push(route);
        }
        routes
    }
}

fn required(model: &Model, operation: &OperationModel, location: Location) -> Vec<String> {
    let members = operation.input.as_ref().and_then(|input| model.structure(input));
    let members = members.map_or(&[][..], |structure| &structure.members);
    let fitting = members
        .iter()
        .filter(|member| member.required && member.location == location);
    fitting.map(|member| member.wire_name().to_owned()).collect()
}

/// The operation's name. `is_built` decides between operations that look alike. Query parameters that are no
/// subresources (`x-id` among them) are passed over, as S3 does.
///
/// # Errors
/// S3's: `MethodNotAllowed` for a method that a resource does not know, `InvalidArgument` for two subresources at once,
/// `InvalidRequest` for one that is not the bucket's or not the object's.
pub(crate) fn find(
    model: &'static Model,
    method: &Method,
    address: &Address,
    query: &str,
    headers: &HeaderMap,
    is_built: impl Fn(&str) -> bool,
) -> Result<&'static str, ServiceError> {
    let routes = ROUTES.get_or_init(|| Routes::new(model));
    let level = match (&address.bucket, &address.key) {
        (None, None) => Level::Service,
        (Some(_), None) => Level::Bucket,
        (Some(_), Some(_)) => Level::Object,
        // `//key`: a bucket's name is never empty.
        (None, Some(_)) => {
            let message = "The specified bucket is not valid.";
            return Err(ServiceError::client("InvalidBucketName", 400, message).with("BucketName", ""));
        }
    };
    let given = parameters(query);
    let value = |name: &str| {
        given
            .iter()
            .find(|(have, _)| have == name)
            .map(|(_, value)| value.as_str())
    };
    let mut subresources: Vec<&str> = given.iter().map(|(name, _)| name.as_str()).collect();
    subresources.retain(|name| routes.subresources.contains(*name));
    subresources.dedup();
    // A HEAD knows no subresources.
    if *method == Method::HEAD {
        subresources.clear();
    }
    let named: Vec<&str> = subresources.iter().copied().filter(|name| *name != "select").collect();
    if let [first, second, ..] = named[..] {
        let message = format!("Conflicting query string parameters: {first}, {second}");
        return Err(ServiceError::client("InvalidArgument", 400, message)
            .with("ArgumentName", "ResourceType")
            .with("ArgumentValue", first));
    }
    let candidates = routes
        .by_method
        .get(&(method.as_str().to_owned(), level))
        .into_iter()
        .flatten();
    let fitting = candidates.filter(|route| {
        let subresource = |(name, wanted): &(String, Option<String>)| {
            value(name).is_some_and(|have| wanted.as_deref().is_none_or(|wanted| wanted == have))
        };
        route.subresources.iter().all(subresource)
            && route.parameters.iter().all(|name| value(name).is_some())
            && route.headers.iter().all(|name| headers.contains_key(name))
            && subresources
                .iter()
                .all(|name| route.subresources.iter().any(|(have, _)| have == name))
    });
    let rank = |route: &&Route| {
        let parts = route.subresources.len() + route.parameters.len() + route.headers.len();
        // Where an operation has a successor under the same address, the successor's name is the longer one.
        (parts, is_built(&route.operation), route.operation.len())
    };
    match fitting.max_by_key(rank) {
        Some(route) => Ok(&route.operation),
        None => Err(nothing_fits(routes, method, level, &subresources)),
    }
}

/// Whether a query names a subresource.
pub(crate) fn has_subresource(model: Option<&'static Model>, query: &str) -> bool {
    let Some(model) = model else { return false };
    let routes = ROUTES.get_or_init(|| Routes::new(model));
    parameters(query)
        .iter()
        .any(|(name, _)| routes.subresources.contains(name))
}

/// The decoded parameters; a name without a value has an empty one.
fn parameters(query: &str) -> Vec<(String, String)> {
    // A query of too many parameters has no subresource that counts.
    crate::protocol::parse_form(query).unwrap_or_default()
}

fn nothing_fits(routes: &Routes, method: &Method, level: Level, subresources: &[&str]) -> ServiceError {
    let Some(name) = subresources.first() else {
        return not_allowed(
            method,
            match level {
                Level::Service => "SERVICE",
                Level::Bucket => "BUCKET",
                Level::Object => "OBJECT",
            },
        );
    };
    let known_at = |other: Level| {
        let mut there = routes
            .by_method
            .get(&(method.as_str().to_owned(), other))
            .into_iter()
            .flatten();
        other != level && there.any(|route| route.subresources.iter().any(|(have, _)| have == name))
    };
    if level == Level::Object && known_at(Level::Bucket) {
        let message = format!("Key is not expected for the {method} method ?{name} subresource");
        return ServiceError::client("InvalidRequest", 400, message);
    }
    if level != Level::Object && known_at(Level::Object) {
        return without_key();
    }
    not_allowed(method, &name.to_ascii_uppercase())
}

/// The answer to an operation on an object that names none.
fn without_key() -> ServiceError {
    ServiceError::client("InvalidRequest", 400, "A key must be specified")
}

fn not_allowed(method: &Method, resource: &str) -> ServiceError {
    let message = "The specified method is not allowed against this resource.";
    ServiceError::client("MethodNotAllowed", 405, message)
        .with("Method", method.as_str())
        .with("ResourceType", resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::S3;

    fn route(method: &str, target: &str, headers: &[&'static str]) -> Result<&'static str, &'static str> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let address = Address::of(&parts).unwrap();
        let mut map = HeaderMap::new();
        for name in headers {
            map.insert(*name, "x".parse().unwrap());
        }
        let built = |name: &str| name == "ListBuckets";
        find(S3.get(), &parts.method, &address, query, &map, built).map_err(|error| error.code)
    }

    #[test]
    fn the_table_of_requests() {
        for (method, target, expected) in [
            ("GET", "/", "ListBuckets"),
            ("GET", "/?x-id=ListBuckets", "ListBuckets"),
            ("PUT", "/b", "CreateBucket"),
            ("PUT", "/b/", "CreateBucket"),
            ("HEAD", "/b", "HeadBucket"),
            ("HEAD", "/b/k?acl", "HeadObject"),
            ("GET", "/b", "ListObjects"),
            ("GET", "/b?prefix=a&whatever", "ListObjects"),
            ("GET", "/b?list-type=2&prefix=a", "ListObjectsV2"),
            ("GET", "/b?list-type=1", "ListObjects"),
            ("GET", "/b?versions", "ListObjectVersions"),
            ("GET", "/b?versions=odd&prefix=", "ListObjectVersions"),
            ("GET", "/b?uploads", "ListMultipartUploads"),
            ("GET", "/b?acl=", "GetBucketAcl"),
            ("GET", "/b?lifecycle", "GetBucketLifecycleConfiguration"),
            ("PUT", "/b?notification", "PutBucketNotificationConfiguration"),
            ("GET", "/b?analytics", "ListBucketAnalyticsConfigurations"),
            ("GET", "/b?analytics&id=a", "GetBucketAnalyticsConfiguration"),
            ("POST", "/b?delete", "DeleteObjects"),
            ("DELETE", "/b?policy", "DeleteBucketPolicy"),
            ("GET", "/b/k?x-id=GetObject&response-content-type=a", "GetObject"),
            ("GET", "/b//", "GetObject"),
            ("GET", "/b/k?uploadId=u", "ListParts"),
            ("GET", "/b/k?attributes", "GetObjectAttributes"),
            ("PUT", "/b/k", "PutObject"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "UploadPart"),
            ("PUT", "/b/k?legal-hold", "PutObjectLegalHold"),
            ("POST", "/b/k?uploads", "CreateMultipartUpload"),
            ("POST", "/b/k?uploads=", "CreateMultipartUpload"),
            ("POST", "/b/k?uploadId=u", "CompleteMultipartUpload"),
            ("POST", "/b/k?select&select-type=2", "SelectObjectContent"),
            ("DELETE", "/b/k?versionId=null", "DeleteObject"),
            ("DELETE", "/b/k?uploadId=u", "AbortMultipartUpload"),
            ("DELETE", "/b/k?tagging&versionId=1", "DeleteObjectTagging"),
        ] {
            assert_eq!(route(method, target, &[]), Ok(expected), "{method} {target}");
        }
        assert_eq!(route("PUT", "/b/k", &[COPY_SOURCE]), Ok("CopyObject"));
        assert_eq!(
            route("PUT", "/b/k?partNumber=1&uploadId=u", &[COPY_SOURCE]),
            Ok("UploadPartCopy")
        );
    }

    #[test]
    fn what_s3_does_not_know_is_refused_in_its_words() {
        for (method, target, code) in [
            ("DELETE", "/", "MethodNotAllowed"),
            ("POST", "/b/k", "MethodNotAllowed"),
            ("POST", "/b?acl", "MethodNotAllowed"),
            ("PATCH", "/b", "MethodNotAllowed"),
            ("GET", "/b/k?uploads", "InvalidRequest"),
            ("GET", "/b/k?policy", "InvalidRequest"),
            ("GET", "/b?torrent", "InvalidRequest"),
            ("GET", "/b?acl&policy", "InvalidArgument"),
            ("GET", "//k", "InvalidBucketName"),
        ] {
            assert_eq!(route(method, target, &[]), Err(code), "{method} {target}");
        }
    }
}
