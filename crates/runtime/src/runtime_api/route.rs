use http::Method;

/// What a request to the Runtime API asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    Next,
    Response(&'a str),
    Error(&'a str),
    InitError,
    Ping,
    Credentials,
    Assignment,
    Restore,
    Extension,
    LogsApi,
    TelemetryApi,
    WrongMethod,
    Unknown,
}

/// Reads method and path. The version is not interpreted beyond telling the APIs apart.
pub(crate) fn route<'a>(method: &Method, path: &'a str) -> Route<'a> {
    let mut parts = path.trim_start_matches('/').split('/');
    let version = parts.next().unwrap_or_default();
    let rest: [&str; 4] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let (expected, found) = match (version, rest) {
        ("2018-06-01", ["runtime", "invocation", "next", ""]) => (Method::GET, Route::Next),
        ("2018-06-01", ["runtime", "invocation", id, "response"]) if !id.is_empty() => {
            (Method::POST, Route::Response(id))
        }
        ("2018-06-01", ["runtime", "invocation", id, "error"]) if !id.is_empty() => (Method::POST, Route::Error(id)),
        ("2018-06-01", ["runtime", "init", "error", ""]) => (Method::POST, Route::InitError),
        ("2018-06-01", ["ping", "", "", ""]) => (Method::GET, Route::Ping),
        ("danbi", ["assignment", "", "", ""]) => (Method::GET, Route::Assignment),
        ("2021-04-23", ["credentials", "", "", ""]) => (Method::GET, Route::Credentials),
        ("2018-06-01", ["runtime", "restore", ..]) => return Route::Restore,
        ("2020-01-01", ["extension", ..]) => return Route::Extension,
        ("2020-08-15", ["logs", ..]) => return Route::LogsApi,
        ("2022-07-01", ["telemetry", ..]) => return Route::TelemetryApi,
        _ => return Route::Unknown,
    };
    if *method == expected { found } else { Route::WrongMethod }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_runtime_api_is_told_apart() {
        let get = |path| route(&Method::GET, path);
        let post = |path| route(&Method::POST, path);
        assert_eq!(get("/2018-06-01/runtime/invocation/next"), Route::Next);
        assert_eq!(
            post("/2018-06-01/runtime/invocation/i-d/response"),
            Route::Response("i-d")
        );
        assert_eq!(post("/2018-06-01/runtime/invocation/i-d/error"), Route::Error("i-d"));
        assert_eq!(post("/2018-06-01/runtime/init/error"), Route::InitError);
        assert_eq!(get("/2018-06-01/runtime/restore/next"), Route::Restore);
        assert_eq!(post("/2020-01-01/extension/register"), Route::Extension);
        assert_eq!(route(&Method::PUT, "/2022-07-01/telemetry"), Route::TelemetryApi);
        assert_eq!(route(&Method::PUT, "/2020-08-15/logs"), Route::LogsApi);
        assert_eq!(post("/2018-06-01/runtime/invocation/next"), Route::WrongMethod);
        assert_eq!(get("/2018-06-01/runtime/invocation//response"), Route::Unknown);
        assert_eq!(get("/2021-04-23/credentials"), Route::Credentials);
        assert_eq!(get("/danbi/assignment"), Route::Assignment);
        assert_eq!(get("/"), Route::Unknown);
    }
}
