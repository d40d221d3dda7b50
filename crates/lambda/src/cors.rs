//! Cross-origin requests to function URLs, answered from the URL's configuration. Source:
//! <https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html#urls-cors>.

use crate::shapes::Cors;
use danbi_core::{Body, empty_body};
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, Response, request};

/// The answer to a preflight request, which never reaches the function; `None` when the request is none.
pub(crate) fn preflight(cors: &Cors, parts: &request::Parts) -> Option<Response<Body>> {
    let asks =
        parts.headers.contains_key(header::ORIGIN) && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if parts.method != Method::OPTIONS || !asks {
        return None;
    }
    let mut response = Response::new(empty_body());
    let headers = response.headers_mut();
    if allow_origin(cors, &parts.headers, headers) {
        set_list(
            headers,
            header::ACCESS_CONTROL_ALLOW_METHODS,
            cors.allow_methods.as_ref(),
        );
        set_list(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            cors.allow_headers.as_ref(),
        );
        if let Some(age) = cors.max_age {
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, age.into());
        }
    }
    Some(response)
}

/// Puts the configured headers on an answer, in place of those the function gave.
pub(crate) fn apply(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    if request.contains_key(header::ORIGIN) && allow_origin(cors, request, response) {
        set_list(
            response,
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            cors.expose_headers.as_ref(),
        );
    }
}

/// Says that the request's origin may read the answer, when it may.
fn allow_origin(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    let Some(origin) = request.get(header::ORIGIN) else {
        return false;
    };
    let allowed = cors.allow_origins.iter().flatten();
    let credentials = cors.allow_credentials == Some(true);
    let mut found = None;
    for pattern in allowed {
        if pattern == "*" {
            // A browser refuses `*` together with credentials, so the origin itself is named then.
            found = Some(if credentials {
                origin.clone()
            } else {
                HeaderValue::from_static("*")
            });
            break;
        }
        if origin.as_bytes().eq_ignore_ascii_case(pattern.as_bytes()) {
            found = Some(origin.clone());
        }
    }
    let Some(value) = found else { return false };
    if value != "*" {
        response.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    if credentials {
        response.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
    }
    true
}

fn set_list(headers: &mut HeaderMap, name: HeaderName, list: Option<&Vec<String>>) {
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        return;
    };
    if let Ok(value) = HeaderValue::from_str(&list.join(",")) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: &[&str], credentials: bool) -> Cors {
        Cors {
            allow_origins: Some(origins.iter().map(|origin| (*origin).into()).collect()),
            allow_methods: Some(vec!["GET".into(), "POST".into()]),
            allow_headers: Some(vec!["x-a".into()]),
            expose_headers: Some(vec!["x-b".into()]),
            allow_credentials: Some(credentials),
            max_age: Some(60),
        }
    }

    fn parts(method: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const ASKING: [(&str, &str); 2] = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
    ];

    #[test]
    fn a_preflight_is_answered_from_the_configuration() {
        let answer = preflight(&cors(&["https://a.example"], true), &parts("OPTIONS", &ASKING)).unwrap();
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], "https://a.example");
        assert_eq!(headers["access-control-allow-methods"], "GET,POST");
        assert_eq!(headers["access-control-allow-headers"], "x-a");
        assert_eq!(headers["access-control-max-age"], "60");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["vary"], "Origin");
        let stranger = preflight(&cors(&["https://b.example"], false), &parts("OPTIONS", &ASKING)).unwrap();
        assert!(stranger.headers().is_empty());
        assert!(preflight(&cors(&["*"], false), &parts("OPTIONS", &ASKING[..1])).is_none());
        assert!(preflight(&cors(&["*"], false), &parts("POST", &ASKING)).is_none());
    }

    #[test]
    fn the_configuration_wins_over_the_function() {
        let request = parts("GET", &ASKING[..1]);
        let mut response = HeaderMap::new();
        response.insert(
            "access-control-allow-origin",
            HeaderValue::from_static("https://function.example"),
        );
        apply(&cors(&["*"], false), &request.headers, &mut response);
        assert_eq!(response["access-control-allow-origin"], "*");
        assert_eq!(response["access-control-expose-headers"], "x-b");
        apply(&cors(&["*"], true), &request.headers, &mut response);
        assert_eq!(response["access-control-allow-origin"], "https://a.example");
    }
}
