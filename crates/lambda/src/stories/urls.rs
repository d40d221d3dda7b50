use super::{Stage, context, request};
use crate::function_urls::{FunctionUrls, UrlCaller};
use crate::shapes::*;
use crate::{aliases, url_configs};
use danbi_core::{Body, Principal, full_body};
use http_body_util::BodyExt;

fn caller() -> UrlCaller {
    UrlCaller {
        principal: Principal::Anonymous,
        source_ip: [10, 0, 0, 9].into(),
        secure: false,
        host: "x.lambda-url.us-east-1.localhost:4566".into(),
    }
}

async fn open_url(stage: &Stage, name: &str, auth_type: &str, invoke_mode: Option<&str>) -> String {
    let input = CreateFunctionUrlConfigRequest {
        function_name: name.into(),
        auth_type: auth_type.into(),
        invoke_mode: invoke_mode.map(Into::into),
        cors: Some(Cors {
            allow_origins: Some(vec!["*".into()]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let url = url_configs::create(stage.lambda.clone(), context(), input)
        .await
        .unwrap()
        .function_url;
    url.trim_start_matches("http://").split('.').next().unwrap().to_owned()
}

async fn send(stage: &Stage, url_id: &str, request: http::Request<Body>) -> (u16, http::HeaderMap, String) {
    let urls = FunctionUrls::new(stage.lambda.clone());
    let endpoint = urls.by_url_id(url_id).await.unwrap().unwrap();
    let (parts, body) = urls.serve(&endpoint, request, caller()).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        parts.status.as_u16(),
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

fn post(body: &'static str) -> http::Request<Body> {
    http::Request::post("/a/b?c=d")
        .header("origin", "https://o.example")
        .header("content-type", "text/plain")
        .body(full_body(body))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_becomes_an_event_and_its_answer_a_response() {
    let mut stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let id = open_url(&stage, "f", "NONE", None).await;
    stage.says(r#"{"statusCode": 418, "headers": {"x-a": "b"}, "body": "tea"}"#, None);
    let (status, headers, body) = send(&stage, &id, post("hi")).await;
    assert_eq!(
        (status, body.as_str(), headers["x-a"].to_str().unwrap()),
        (418, "tea", "b")
    );
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert!(headers.contains_key("x-amzn-requestid"));
    let (_, invocation) = stage.next().await;
    let event: serde_json::Value = serde_json::from_slice(&invocation.payload).unwrap();
    assert_eq!(
        (event["rawPath"].as_str(), event["body"].as_str()),
        (Some("/a/b"), Some("hi"))
    );
    assert_eq!(event["requestContext"]["apiId"], id.as_str());
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "10.0.0.9");
    assert_eq!(
        event["requestContext"]["domainName"],
        "x.lambda-url.us-east-1.localhost"
    );

    stage.says("{}", Some("Unhandled"));
    let (status, _, body) = send(&stage, &id, post("")).await;
    assert_eq!((status, body.as_str()), (502, "Internal Server Error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_wants_signatures_refuses_who_has_none() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let id = open_url(&stage, "f", "AWS_IAM", None).await;
    let (status, headers, body) = send(&stage, &id, post("")).await;
    assert_eq!(
        (status, headers["x-amzn-errortype"].to_str().unwrap()),
        (403, "AccessDeniedException")
    );
    assert_eq!(
        body,
        r#"{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}"#
    );
    let urls = FunctionUrls::new(stage.lambda.clone());
    assert!(urls.by_url_id(&id).await.unwrap().unwrap().requires_signature());
    assert!(urls.by_url_id("nobody").await.unwrap().is_none());
    assert_eq!(FunctionUrls::unknown().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streaming_url_sends_the_prelude_as_the_head() {
    let stage = Stage::open().await;
    stage.create("f").await.unwrap();
    let id = open_url(&stage, "f", "NONE", Some("RESPONSE_STREAM")).await;
    stage.says("streamed", None);
    let (status, headers, body) = send(&stage, &id, post("")).await;
    assert_eq!(
        (status, body.as_str(), headers["set-cookie"].to_str().unwrap()),
        (201, "streamed", "a=1")
    );
    stage.says("", Some("Unhandled"));
    assert_eq!(send(&stage, &id, post("")).await.0, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_its_functions_alias_live() {
    let stage = Stage::open().await;
    let urls = FunctionUrls::new(stage.lambda.clone());
    let app = async |name: &str, variables: &[(&str, &str)]| {
        let variables = variables
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        let archive = crate::code::tests::zip(&[("public/index.html", 0o644, b"<p>hi")]);
        let input = CreateFunctionRequest {
            function_name: name.into(),
            code: FunctionCode {
                zip_file: Some(archive.into()),
                ..Default::default()
            },
            environment: Some(Environment {
                variables: Some(variables),
            }),
            tags: Some([("danbi:app".into(), name.into())].into()),
            publish: Some(true),
            ..request()
        };
        stage.create_with(input).await.unwrap();
        assert!(urls.by_app(name).await.unwrap().is_none());
        let alias = CreateAliasRequest {
            function_name: name.into(),
            name: "live".into(),
            function_version: "1".into(),
            ..Default::default()
        };
        aliases::create(stage.lambda.clone(), context(), alias).await.unwrap();
        open_url(&stage, &format!("{name}:live"), "NONE", None).await;
        urls.by_app(name).await.unwrap().unwrap()
    };
    let site = app("site", &[("DANBI_STATIC_DIR", "public")]).await;
    let response = urls
        .serve(&site, http::Request::get("/").body(full_body("")).unwrap(), caller())
        .await;
    assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "<p>hi");
    let server = app("server", &[("DANBI_HTTP_COMMAND", "./server")]).await;
    let response = urls.serve(&server, post("through"), caller()).await;
    assert_eq!(response.headers()["x-seen"], "10.0.0.9");
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "through");
}
