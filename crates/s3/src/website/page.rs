//! The pages that tell what went wrong, as S3's website endpoints write them.

use danbi_core::{Body, RequestId, ServiceError, Timestamp, empty_body, full_body};
use danbi_wire::s3::{host_id, request_id};
use http::header::{CONTENT_TYPE, DATE, HeaderName, SERVER};
use http::{HeaderMap, HeaderValue, Response};
use quick_xml::escape::escape;

const ERROR_CODE: HeaderName = HeaderName::from_static("x-amz-error-code");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-amz-error-message");

/// The page for an error. `second` is what happened when the website's own error document was looked for.
pub(super) fn of(error: &ServiceError, second: Option<&ServiceError>, id: RequestId) -> Response<Body> {
    let status = super::status(error.status);
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let id = request_id(id);
    let mut page = format!("<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n");
    page.push_str(&items(error));
    page.push_str(&format!(
        "<li>RequestId: {id}</li>\n<li>HostId: {}</li>\n</ul>\n",
        host_id(&id)
    ));
    if let Some(second) = second {
        page.push_str("<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n<ul>\n");
        page.push_str(&items(second));
        page.push_str("</ul>\n");
    }
    page.push_str("<hr/>\n</body>\n</html>\n");
    let mut response = Response::new(full_body(page));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    name_error(headers, error);
    response
}

fn items(error: &ServiceError) -> String {
    let mut items = format!(
        "<li>Code: {}</li>\n<li>Message: {}</li>\n",
        error.code,
        escape(&error.message)
    );
    for (name, value) in &error.members {
        items.push_str(&format!("<li>{name}: {}</li>\n", escape(value)));
    }
    items
}

/// Says in headers what the error is.
pub(super) fn name_error(headers: &mut HeaderMap, error: &ServiceError) {
    headers.insert(ERROR_CODE, HeaderValue::from_static(error.code));
    if let Ok(message) = HeaderValue::from_str(&error.message) {
        headers.insert(ERROR_MESSAGE, message);
    }
}

/// The client has it already.
pub(super) fn not_modified(error: &ServiceError) -> Response<Body> {
    let mut response = Response::new(empty_body());
    *response.status_mut() = super::status(304);
    for (name, value) in error.headers() {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// What every answer bears.
pub(super) fn sign_off(headers: &mut HeaderMap, id: RequestId, now: Timestamp) {
    let id = request_id(id);
    let mut put = |name: HeaderName, value: &str| {
        // Ids and dates are header text by their grammar.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(HeaderName::from_static("x-amz-id-2"), &host_id(&id));
    put(HeaderName::from_static("x-amz-request-id"), &id);
    put(SERVER, "AmazonS3");
    put(DATE, &danbi_wire::protocol::http_date(now));
}
