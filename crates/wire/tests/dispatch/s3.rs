//! What S3 asks of the wire: bodies that stream, other statuses and headers, virtual hosts, its own errors.

use super::{Answer, NOW, dispatcher, request, send, send_body, sign};
use bytes::Bytes;
use danbi_core::{Access, Body, Principal, RequestContext, SecretKey, ServiceError, full_body};
use danbi_wire::sigv4::{SignedPayload, Signer};
use danbi_wire::{Operation, ResponseParts, Service, StreamingBlob, models};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Object {
    #[serde(rename = "Bucket")]
    bucket: String,
    #[serde(rename = "Key")]
    key: String,
    #[serde(rename = "ContentLength")]
    length: Option<i64>,
    #[serde(rename = "ContentEncoding")]
    encoding: Option<String>,
    #[serde(rename = "IfModifiedSince")]
    since: Option<danbi_wire::Timestamp>,
    #[serde(skip)]
    body: StreamingBlob,
}

#[derive(Debug, Default, Serialize)]
pub struct Stored {
    #[serde(rename = "ETag")]
    etag: String,
    #[serde(rename = "ContentLength", skip_serializing_if = "Option::is_none")]
    length: Option<i64>,
    #[serde(skip)]
    body: StreamingBlob,
}

pub struct PutObject;
impl Operation for PutObject {
    const NAME: &'static str = "PutObject";
    type Input = Object;
    type Output = Stored;
    fn request_body(input: &mut Object) -> Option<&mut StreamingBlob> {
        Some(&mut input.body)
    }
}

pub struct GetObject;
impl Operation for GetObject {
    const NAME: &'static str = "GetObject";
    type Input = Object;
    type Output = Stored;
    fn response_body(output: &mut Stored) -> Option<&mut StreamingBlob> {
        Some(&mut output.body)
    }
}

pub struct HeadObject;
impl Operation for HeadObject {
    const NAME: &'static str = "HeadObject";
    type Input = Object;
    type Output = Stored;
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Listing {
    #[serde(rename = "MaxKeys")]
    max_keys: Option<i32>,
}

#[derive(Debug, Default, Serialize)]
pub struct Listed {
    #[serde(rename = "Name")]
    name: String,
}

pub struct ListObjects;
impl Operation for ListObjects {
    const NAME: &'static str = "ListObjects";
    type Input = Listing;
    type Output = Listed;
}

async fn put(_: Arc<()>, context: RequestContext, mut input: Object) -> Result<Stored, ServiceError> {
    let mut body = input.body.take();
    let (mut content, mut trailers) = (Vec::new(), String::new());
    while let Some(frame) = body.frame().await {
        match frame.map_err(ServiceError::of_body)?.into_data() {
            Ok(data) => content.extend_from_slice(&data),
            Err(frame) => trailers = format!("{:?}", frame.into_trailers().expect("trailers")),
        }
    }
    let who = if context.principal == Principal::Anonymous {
        "nobody"
    } else {
        "root"
    };
    let text = String::from_utf8(content).expect("text");
    Ok(Stored {
        etag: format!(
            "{who} {}/{} {:?} {:?} {text:.9} {trailers}",
            input.bucket, input.key, input.length, input.encoding
        ),
        ..Stored::default()
    })
}

async fn get(_: Arc<()>, _: RequestContext, input: Object) -> Result<(Stored, ResponseParts), ServiceError> {
    let stored = |body: &'static str| Stored {
        etag: "e".into(),
        length: None,
        body: full_body(body).into(),
    };
    match input.key.as_str() {
        "range" => {
            let parts = ResponseParts::status(206).with_header("content-range", "bytes 0-1/9");
            Ok((stored("ab"), parts))
        }
        "unchanged" => Ok((
            stored("ignored"),
            ResponseParts::status(304).with_header("cache-control", "no-store"),
        )),
        "deleted" => Err(
            ServiceError::client("NoSuchKey", 404, "The specified key does not exist.")
                .with("Key", input.key)
                .with_header("x-amz-delete-marker", "true"),
        ),
        "since" => Ok((
            Stored {
                etag: format!("{:?}", input.since),
                ..stored("")
            },
            ResponseParts::default(),
        )),
        _ => Ok((stored("whole"), ResponseParts::default())),
    }
}

async fn head(_: Arc<()>, _: RequestContext, input: Object) -> Result<Stored, ServiceError> {
    match input.key.as_str() {
        "missing" => Err(ServiceError::client(
            "NoSuchKey",
            404,
            "The specified key does not exist.",
        )),
        _ => Ok(Stored {
            length: Some(1234),
            ..Stored::default()
        }),
    }
}

fn on_object(action: &'static str, input: &Object) -> Result<Access, ServiceError> {
    let forbidden = input.key == "forbidden";
    Ok(Access::new(action, if forbidden { "forbidden" } else { &input.key }))
}

pub fn service() -> Service {
    Service::builder(&models::S3, Arc::new(()))
        .on(PutObject, |_, _, input| on_object("s3:PutObject", input), put)
        .on_parts(GetObject, |_, _, input| on_object("s3:GetObject", input), get)
        .on(HeadObject, |_, _, input| on_object("s3:GetObject", input), head)
        .on(
            ListObjects,
            |_, _, _| Ok(Access::any("s3:ListBucket")),
            |_, _, input: Listing| async move {
                Ok::<_, ServiceError>(Listed {
                    name: format!("{:?}", input.max_keys),
                })
            },
        )
        .body_limit_of(PutObject, 100_000)
        .anonymous()
        .build()
}

fn xml<'a>(answer: &'a Answer, element: &str) -> &'a str {
    let text = answer.text();
    let (_, rest) = text.split_once(&format!("<{element}>")).unwrap_or(("", ""));
    rest.split_once("</").map_or("", |(value, _)| value)
}

/// A request in `aws-chunked` framing, and its body in pieces that respect no chunk.
fn chunked(path: &str, payload: SignedPayload, content: &[u8], spoil: bool) -> Request<Body> {
    let length = content.len().to_string();
    let headers = [
        ("x-amz-decoded-content-length", length.as_str()),
        ("content-encoding", "gzip,aws-chunked"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let (mut parts, _) = request("PUT", path, &headers, "").into_parts();
    let secret = SecretKey::new("secret");
    let signer = Signer {
        access_key_id: "AKIDTEST",
        secret: &secret,
        session_token: None,
        region: "eu-central-1",
        service: "s3",
        at: NOW,
    };
    let mut encoder = signer.sign(&mut parts, payload).expect("headers").expect("an encoder");
    let mut framed = Vec::new();
    for chunk in content.chunks(10_000) {
        framed.extend(encoder.chunk(chunk));
    }
    framed.extend(encoder.finish(&[("x-amz-checksum-crc32", "AAAAAA==")]));
    if spoil {
        framed[20_300] ^= 1;
    }
    let pieces: Vec<_> = framed
        .chunks(777)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    Request::from_parts(
        parts,
        StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync(),
    )
}

#[tokio::test]
async fn an_object_streams_in_whatever_its_framing() {
    let headers = [("content-length", "5")];
    let answer = send(sign(request("PUT", "/b/a%2Fb//..", &headers, "hello"), "s3")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("etag"), "root b/a/b//.. Some(5) None hello ");
    let content = vec![b'x'; 35_000];
    for payload in [
        SignedPayload::SignedChunks { trailer: true },
        SignedPayload::UnsignedChunks,
    ] {
        let answer = send_body(chunked("/b/k", payload, &content, false)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let expected = "root b/k Some(35000) Some(\"gzip\") xxxxxxxxx {\"x-amz-checksum-crc32\": \"AAAAAA==\"}";
        assert_eq!(answer.header("etag"), expected);
    }
    let answer = send_body(chunked(
        "/b/k",
        SignedPayload::SignedChunks { trailer: true },
        &content,
        true,
    ))
    .await;
    assert_eq!((answer.status, xml(&answer, "Code")), (403, "SignatureDoesNotMatch"));
}

#[tokio::test]
async fn a_body_that_is_not_the_declared_one_fails_in_the_handler() {
    let headers = [("content-length", "5")];
    let (parts, _) = sign(request("PUT", "/b/k", &headers, "hello"), "s3").into_parts();
    let answer = send(Request::from_parts(parts.clone(), Bytes::from("HELLO"))).await;
    assert_eq!(
        (answer.status, xml(&answer, "Code")),
        (400, "XAmzContentSHA256Mismatch")
    );
    let pieces = [Ok(Frame::data(Bytes::from("hel"))), Err("gone".into())];
    let body = StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync();
    let answer = send_body(Request::from_parts(parts, body)).await;
    assert_eq!((answer.status, xml(&answer, "Code")), (400, "IncompleteBody"));
    let answer = send(sign(request("PUT", "/b/k", &[], "hello"), "s3")).await;
    assert_eq!((answer.status, xml(&answer, "Code")), (411, "MissingContentLength"));
    let answer = send(sign(
        request("PUT", "/b/k", &[("content-length", "100001")], "hello"),
        "s3",
    ))
    .await;
    assert_eq!((answer.status, xml(&answer, "Code")), (400, "EntityTooLarge"));
    assert_eq!(xml(&answer, "ProposedSize"), "100001");
}

#[tokio::test]
async fn nothing_of_a_body_is_read_for_one_who_may_not() {
    let never = StreamBody::new(futures_util::stream::pending::<
        Result<Frame<Bytes>, danbi_core::BodyError>,
    >());
    let (parts, _) = sign(
        request("PUT", "/b/forbidden", &[("content-length", "5")], "hello"),
        "s3",
    )
    .into_parts();
    let answer = send_body(Request::from_parts(parts, never.boxed_unsync())).await;
    assert_eq!((answer.status, xml(&answer, "Code")), (403, "AccessDenied"));
}

#[tokio::test]
async fn a_handler_chooses_status_and_headers() {
    let get = async |key: &str| send(sign(request("GET", &format!("/b/{key}"), &[], ""), "s3")).await;
    let answer = get("range").await;
    assert_eq!(
        (answer.status, answer.header("content-range"), answer.text()),
        (206, "bytes 0-1/9", "ab")
    );
    let answer = get("unchanged").await;
    assert_eq!((answer.status, answer.header("etag"), answer.text()), (304, "e", ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    let answer = get("deleted").await;
    assert_eq!((answer.status, answer.header("x-amz-delete-marker")), (404, "true"));
    let id = answer.header("x-amz-request-id").to_owned();
    assert_eq!(
        (id.len(), answer.header("x-amzn-requestid"), answer.header("server")),
        (16, "", "AmazonS3")
    );
    let expected = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not \
         exist.</Message><Key>deleted</Key><RequestId>{id}</RequestId><HostId>{}</HostId></Error>",
        answer.header("x-amz-id-2")
    );
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn a_streamed_answer_keeps_its_size() {
    let peer = danbi_wire::Peer {
        ip: [127, 0, 0, 1].into(),
        secure: false,
        client: danbi_core::Client::default(),
    };
    let request = sign(request("GET", "/b/k", &[], ""), "s3").map(full_body);
    let response = dispatcher().call(request, peer).await;
    assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(5));
}

#[tokio::test]
async fn head_has_no_body() {
    let answer = send(sign(request("HEAD", "/b/k", &[], ""), "s3")).await;
    assert_eq!(
        (answer.status, answer.header("content-length"), answer.text()),
        (200, "1234", "")
    );
    let answer = send(sign(request("HEAD", "/b/missing", &[], ""), "s3")).await;
    assert_eq!((answer.status, answer.text()), (404, ""));
}

#[tokio::test]
async fn the_unsigned_are_anonymous_and_virtual_hosts_are_paths() {
    let answer = send(request("PUT", "/b/k", &[("content-length", "1")], "x")).await;
    assert_eq!(answer.header("etag"), "nobody b/k Some(1) None x ");
    for host in ["v.s3.localhost:4566", "v.s3.eu-central-1.amazonaws.com"] {
        let unsigned = Request::builder()
            .method("PUT")
            .uri("/b/k")
            .header("host", host)
            .header("content-length", "1");
        let unsigned = unsigned.body(Bytes::from("x")).unwrap();
        for (who, request) in [("root", sign(unsigned.clone(), "s3")), ("nobody", unsigned)] {
            let answer = send(request).await;
            assert_eq!(answer.header("etag"), format!("{who} v/b/k Some(1) None x "), "{host}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_in_s3s_words() {
    let code = async |method: &str, uri: &str| {
        let answer = send(sign(request(method, uri, &[], ""), "s3")).await;
        (answer.status, xml(&answer, "Code").to_owned())
    };
    assert_eq!(code("GET", "/b?max-keys=many").await, (400, "InvalidArgument".into()));
    assert_eq!(code("POST", "/b/k").await, (405, "MethodNotAllowed".into()));
    assert_eq!(code("GET", "/b?website").await, (501, "NotImplemented".into()));
    assert_eq!(code("GET", "/b/%ff").await, (400, "InvalidURI".into()));
    assert_eq!(code("PUT", "/b?tagging").await, (501, "NotImplemented".into()));
    let answer = send(sign(request("GET", "/b?max-keys=7&x-id=List", &[], ""), "s3")).await;
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
        xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>Some(7)</Name></ListBucketResult>";
    assert_eq!(answer.text(), expected);
    let since = [("if-modified-since", "some day")];
    let answer = send(sign(request("GET", "/b/since", &since, ""), "s3")).await;
    assert_eq!(answer.header("etag"), "None");
}
