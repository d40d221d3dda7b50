//! Compressed requests and answers.

use super::{Answer, logs, request, send, sign};
use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use http::{HeaderValue, Request};
use std::io::{Read, Write};

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("room");
    encoder.finish().expect("room")
}

fn get_item(body: impl Into<Bytes>) -> Request<Bytes> {
    let headers = [
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "DynamoDB_20120810.GetItem"),
    ];
    request("POST", "/", &headers, body)
}

/// Sends what is signed as it is, with a header that was not signed.
async fn encoded(request: Request<Bytes>, service: &str, coding: &'static str) -> Answer {
    let mut signed = sign(request, service);
    let coding = HeaderValue::from_static(coding);
    signed.headers_mut().insert("content-encoding", coding);
    send(signed).await
}

#[tokio::test]
async fn a_compressed_request_is_verified_as_sent_and_then_read() {
    let body = br#"{"TableNames":["a","b"]}"#;
    let answer = encoded(get_item(gzip(body)), "dynamodb", "GZIP").await;
    assert_eq!((answer.status, answer.text()), (200, r#"{"Count":2,"At":1.5}"#));
    let halves = [gzip(&body[..9]), gzip(&body[9..])].concat();
    assert_eq!(encoded(get_item(halves), "dynamodb", "gzip").await.status, 200);
    let mut tampered = sign(get_item(gzip(body)), "dynamodb");
    *tampered.body_mut() = gzip(b"{}").into();
    tampered
        .headers_mut()
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    let answer = send(tampered).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("InvalidSignatureException"), "{}", answer.text());
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused() {
    let body = br#"{"TableNames":[]}"#;
    for (body, coding) in [
        (body.to_vec(), "garbage"),
        (body.to_vec(), "gzip"),
        (body.to_vec(), "deflate"),
        (Vec::new(), "gzip"),
    ] {
        let answer = encoded(get_item(body), "dynamodb", coding).await;
        assert_eq!(answer.status, 500, "{coding}");
        assert!(answer.text().contains("InternalServerError"), "{}", answer.text());
    }
    let unknown = encoded(logs("CreateLogGroup", "{}"), "logs", "br").await;
    assert_eq!(unknown.status, 415);
    let corrupt = encoded(logs("CreateLogGroup", "{}"), "logs", "gzip").await;
    assert_eq!(
        (corrupt.status, corrupt.json()["__type"].as_str()),
        (400, Some("SerializationException"))
    );
}

#[tokio::test]
async fn a_bomb_is_too_large() {
    let bomb = gzip(format!("{{{}}}", " ".repeat(2_000_000)).as_bytes());
    assert!(bomb.len() < 5_000);
    let answer = encoded(get_item(bomb), "dynamodb", "gzip").await;
    assert_eq!(answer.status, 413);
    assert!(
        answer.text().contains("RequestEntityTooLargeException"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_who_asks() {
    let ask = async |accepted: &'static str| {
        let mut request = get_item(r#"{"TableNames":["long"]}"#);
        request
            .headers_mut()
            .insert("accept-encoding", HeaderValue::from_static(accepted));
        let answer = send(sign(request, "dynamodb")).await;
        assert_eq!(answer.header("x-amz-crc32"), crc32fast::hash(&answer.body).to_string());
        assert_eq!(answer.header("vary"), "accept-encoding");
        answer
    };
    let plain = ask("identity").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(plain.body.len() > 10_000);
    let gzipped = ask("br, gzip").await;
    assert_eq!(gzipped.header("content-encoding"), "gzip");
    let mut content = Vec::new();
    MultiGzDecoder::new(&gzipped.body[..])
        .read_to_end(&mut content)
        .unwrap();
    assert_eq!(content, plain.body);
    let deflated = ask("deflate").await;
    assert_eq!(deflated.header("content-encoding"), "deflate");
    content.clear();
    ZlibDecoder::new(&deflated.body[..]).read_to_end(&mut content).unwrap();
    assert_eq!(content, plain.body);
}
