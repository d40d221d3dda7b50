//! Requests that botocore signed (AWS's signer for Python and the AWS CLI) on 2026-01-01T12:00:00Z with `AKIDEXAMPLE` and
//! `secret`: what unmodified clients really send.

use super::*;
use http::HeaderValue;

#[test]
fn what_botocore_signs_is_accepted_and_nothing_near_it() {
    let cases: serde_json::Value = serde_json::from_str(include_str!("signed_by_botocore.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap();
        let name = text("name");
        let mut request = parts(text("method"), text("url"), &[("host", "localhost:4566")]);
        for header in case["headers"].as_array().unwrap() {
            let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
            request.headers.insert(
                name.to_lowercase().parse::<http::HeaderName>().unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let token = case["token"].as_str().map(|token| &*token.to_owned().leak());
        let verifier = verifier(OneKey { token, ..PLAIN }, at("20260101T120030Z"));
        let rules = Rules::for_service(text("service"));
        let body = text("body").as_bytes();
        accept(&verifier, &(&request).into(), &rules, body).unwrap_or_else(|error| panic!("{name}: {error:#?}"));

        let view = RequestView::from(&request);
        for (changed, what) in [
            (
                RequestView {
                    method: "DELETE",
                    ..view
                },
                "method",
            ),
            (RequestView { path: "/other", ..view }, "path"),
            (
                RequestView {
                    query: &format!("{}&a=b", view.query),
                    ..view
                },
                "query",
            ),
        ] {
            let refused = accept(&verifier, &changed, &rules, body);
            assert!(
                matches!(refused, Err(SigV4Error::Mismatch { .. })),
                "{name}: accepted with another {what}"
            );
        }
        if rules.profile == Profile::Standard || view.headers.contains_key("x-amz-content-sha256") {
            assert!(
                accept(&verifier, &view, &rules, b"another body").is_err(),
                "{name}: accepted with another body"
            );
        }
    }
}
