//! Which action on which resource each operation asks for: the HTTP method on the path, as AWS has it
//! (`apigateway:GET` on `arn:aws:apigateway:us-east-1::/restapis/a1b2`).
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-iam-policy-examples.html>.

use danbi_core::{Access, RequestContext, ServiceError};

pub(crate) const GET: &str = "apigateway:GET";
pub(crate) const POST: &str = "apigateway:POST";
pub(crate) const PUT: &str = "apigateway:PUT";
pub(crate) const PATCH: &str = "apigateway:PATCH";
pub(crate) const DELETE: &str = "apigateway:DELETE";

/// Asks for `action` on the resource at this path.
pub(crate) fn ask(context: &RequestContext, action: &'static str, path: &[&str]) -> Result<Access, ServiceError> {
    let region = context.scope.region.as_str();
    let path = path.join("/");
    Ok(Access::new(action, format!("arn:aws:apigateway:{region}::/{path}")))
}

/// The same for a tagged resource, whose ARN the request gives: tags are the sub-resource `/tags/ARN`.
pub(crate) fn ask_tags(context: &RequestContext, action: &'static str, arn: &str) -> Result<Access, ServiceError> {
    let encoded = arn.replace('%', "%25").replace(':', "%3A").replace('/', "%2F");
    ask(context, action, &["tags", &encoded])
}
