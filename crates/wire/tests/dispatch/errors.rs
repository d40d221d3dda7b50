use super::{Answer, logs, request, send, send_body, sign};
use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn invoke(name: &str, body: impl Into<bytes::Bytes>) -> http::Request<bytes::Bytes> {
    request("POST", &format!("/2015-03-31/functions/{name}/invocations"), &[], body)
}

fn assert_json_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json()["__type"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
}

fn assert_rest_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.header("x-amzn-errortype")),
        (status, code),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("x-amzn-requestid").len(), 36);
}

#[tokio::test]
async fn an_unsigned_request_is_refused_in_its_protocol() {
    assert_json_error(
        &send(logs("CreateLogGroup", "{}")).await,
        400,
        "MissingAuthenticationTokenException",
    );
    assert_rest_error(&send(invoke("f", "")).await, 403, "MissingAuthenticationTokenException");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = send(request(
        "POST",
        "/",
        &form,
        "Action=GetCallerIdentity&Version=2011-06-15",
    ))
    .await;
    assert_eq!(answer.status, 403);
    assert!(
        answer.text().contains("<Code>MissingAuthenticationToken</Code>"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_changed_body_breaks_the_signature() {
    let mut request = sign(invoke("f", "{}"), "lambda");
    *request.body_mut() = "{ }".into();
    assert_rest_error(&send(request).await, 403, "InvalidSignatureException");
}

#[tokio::test]
async fn validation_speaks_before_the_handler() {
    let answer = send(sign(logs("CreateLogGroup", r#"{"logGroupName":"a b"}"#), "logs")).await;
    assert_json_error(&answer, 400, "InvalidParameterException");
    assert_eq!(
        answer.json()["message"],
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    );
    let answer = send(sign(logs("CreateLogGroup", ""), "logs")).await;
    assert!(
        answer.text().contains("Value null at 'logGroupName'"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_body_of_the_wrong_form_is_a_serialization_exception() {
    for body in ["{", "[]", r#"{"logGroupName":1}"#, r#"{"logGroupName":"g"} x"#] {
        let answer = send(sign(logs("CreateLogGroup", body), "logs")).await;
        assert_json_error(&answer, 400, "SerializationException");
    }
    let answer = send(sign(logs("CreateLogGroup", r#"{"logGroupName":1}"#), "logs")).await;
    assert_eq!(answer.json()["message"], "NUMBER_VALUE cannot be converted to String");
}

#[tokio::test]
async fn modelled_errors_bear_their_members() {
    let answer = send(sign(invoke("missing", ""), "lambda")).await;
    assert_rest_error(&answer, 404, "ResourceNotFoundException");
    assert_eq!(answer.json()["Type"], "User");
    assert!(
        answer.json()["Message"]
            .as_str()
            .is_some_and(|text| text.starts_with("Function not found: "))
    );

    let answer = send(sign(invoke("busy", ""), "lambda")).await;
    assert_rest_error(&answer, 429, "TooManyRequestsException");
    assert_eq!(
        answer.json()["Reason"],
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    );
    assert_eq!(answer.header("retry-after"), "2");

    let answer = send(sign(logs("CreateLogGroup", r#"{"logGroupName":"taken"}"#), "logs")).await;
    assert_json_error(&answer, 400, "ResourceAlreadyExistsException");
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let answer = send(sign(logs("StartQuery", "{}"), "logs")).await;
    assert_json_error(&answer, 501, "NotImplementedException");
    assert_eq!(
        answer.json()["message"],
        "StartQuery of logs is not implemented. Nothing was changed."
    );
    assert_json_error(
        &send(sign(logs("Nonsense", "{}"), "logs")).await,
        404,
        "UnknownOperationException",
    );
    assert_rest_error(
        &send(sign(request("GET", "/nowhere", &[], ""), "lambda")).await,
        404,
        "UnknownOperationException",
    );
    assert_rest_error(
        &send(sign(request("PATCH", "/2015-03-31/functions", &[], ""), "lambda")).await,
        405,
        "MethodNotAllowedException",
    );
    assert_rest_error(
        &send(sign(request("GET", "/", &[], ""), "gamelift")).await,
        501,
        "NotImplementedException",
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = send(sign(
        request("POST", "/", &form, "Action=Nonsense&Version=2011-06-15"),
        "sts",
    ))
    .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains("<Code>InvalidAction</Code>"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn what_may_not_be_done_is_not_done() {
    let answer = send(sign(invoke("forbidden", ""), "lambda")).await;
    assert_rest_error(&answer, 403, "AccessDeniedException");
    let answer = send(sign(logs("CreateLogGroup", r#"{"logGroupName":"forbidden"}"#), "logs")).await;
    assert_json_error(&answer, 400, "AccessDeniedException");
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("user-agent", "forbidden"),
    ];
    let action = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = send(sign(request("POST", "/", &form, action), "sts")).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("<Code>AccessDenied</Code>"), "{}", answer.text());
}

#[tokio::test]
async fn bodies_and_headers_have_bounds() {
    let answer = send(sign(invoke("f", vec![b' '; 2001]), "lambda")).await;
    assert_rest_error(&answer, 413, "RequestEntityTooLargeException");
    assert_eq!(
        answer.json()["message"],
        "Request must be smaller than 2000 bytes for the Invoke operation"
    );
    let answer = send(sign(logs("CreateLogGroup", &" ".repeat(1001)), "logs")).await;
    assert_json_error(&answer, 413, "RequestEntityTooLargeException");
    let long = "a".repeat(70_000);
    let answer = send(request("GET", "/2015-03-31/functions", &[("x-long", &long)], "")).await;
    assert_eq!(answer.status, 431);
    let deep = format!("{}{}", "[".repeat(400), "]".repeat(400));
    assert_json_error(
        &send(sign(logs("CreateLogGroup", &deep), "logs")).await,
        400,
        "SerializationException",
    );
}

#[tokio::test]
async fn a_panic_of_a_handler_answers_500() {
    let answer = send(sign(logs("CreateLogGroup", r#"{"logGroupName":"panic"}"#), "logs")).await;
    assert_json_error(&answer, 500, "InternalFailure");
}

/// The request with a body of its declared length that notes when somebody asks for it.
fn watched(request: Request<Bytes>) -> (Request<danbi_core::Body>, Arc<AtomicBool>) {
    let asked = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&asked);
    let request = request.map(|body| {
        let pieces = futures_util::stream::once(async move {
            note.store(true, Ordering::SeqCst);
            Ok::<_, danbi_core::BodyError>(Frame::data(body))
        });
        StreamBody::new(pieces).boxed_unsync()
    });
    (request, asked)
}

#[tokio::test]
async fn the_body_of_a_stranger_is_not_read() {
    let unknown_key = |request: Request<Bytes>, service| {
        let mut request = sign(request, service);
        let value = request.headers()["authorization"].to_str().unwrap();
        let value = value.replace("AKIDTEST", "AKIDNOBODY").parse().unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let caller = || request("POST", "/", &form, "Action=GetCallerIdentity&Version=2011-06-15");
    let strangers = [
        invoke("f", "{}"),
        logs("CreateLogGroup", "{}"),
        caller(),
        request("POST", "/?Action=AssumeRoleWithSAML&Version=2011-06-15", &form, "x=y"),
        unknown_key(invoke("f", "{}"), "lambda"),
        unknown_key(logs("CreateLogGroup", "{}"), "logs"),
        unknown_key(caller(), "sts"),
    ];
    for stranger in strangers {
        let what = format!("{} {:?}", stranger.uri(), stranger.headers());
        let (stranger, asked) = watched(stranger);
        let answer = send_body(stranger).await;
        assert!(matches!(answer.status, 400 | 403), "{what}: {}", answer.status);
        assert!(!asked.load(Ordering::SeqCst), "{what}");
    }
    let (known, asked) = watched(sign(invoke("f", "{}"), "lambda"));
    assert_eq!(send_body(known).await.status, 202);
    assert!(asked.load(Ordering::SeqCst));
}
