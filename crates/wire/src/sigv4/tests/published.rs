//! The worked examples in AWS's documentation of S3.

use super::*;
use bytes::Bytes;
use danbi_core::{Body, full_body};
use http_body_util::BodyExt;

const KEY: OneKey = OneKey {
    id: "AKIAIOSFODNN7EXAMPLE",
    secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    token: None,
    expires: None,
};
const AT: &str = "20130524T000000Z";

fn example(secret: &SecretKey) -> Signer<'_> {
    Signer {
        access_key_id: KEY.id,
        secret,
        session_token: None,
        region: "us-east-1",
        service: "s3",
        at: at(AT),
    }
}

fn signature(parts: &Parts) -> String {
    parts.headers["authorization"]
        .to_str()
        .unwrap()
        .rsplit_once('=')
        .unwrap()
        .1
        .to_owned()
}

#[test]
fn a_get_of_ten_bytes() {
    let secret = SecretKey::new(KEY.secret);
    let mut request = parts(
        "GET",
        "https://examplebucket.s3.amazonaws.com/test.txt",
        &[("range", "bytes=0-9")],
    );
    example(&secret).sign(&mut request, SignedPayload::Bytes(b"")).unwrap();
    assert_eq!(
        signature(&request),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    );
    accept(
        &verifier(KEY, at(AT)),
        &(&request).into(),
        &Rules::for_service("s3"),
        b"",
    )
    .unwrap();
}

#[test]
fn a_presigned_get() {
    let secret = SecretKey::new(KEY.secret);
    let request = parts("GET", "https://examplebucket.s3.amazonaws.com/test.txt", &[]);
    let query = example(&secret).presign(&(&request).into(), 86_400, None);
    assert!(
        query.ends_with("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
        "{query}"
    );
    let request = parts(
        "GET",
        &format!("https://examplebucket.s3.amazonaws.com/test.txt?{query}"),
        &[],
    );
    accept(
        &verifier(KEY, at("20130524T235959Z")),
        &(&request).into(),
        &Rules::for_service("s3"),
        b"",
    )
    .unwrap();
    let late = accept(
        &verifier(KEY, at("20130525T000001Z")),
        &(&request).into(),
        &Rules::for_service("s3"),
        b"",
    );
    let error = late.unwrap_err().into_service_error(Dialect::S3);
    assert_eq!(
        (error.code, error.status, error.message.as_str()),
        ("AccessDenied", 403, "Request has expired")
    );
    assert_eq!(error.members["Expires"], "2013-05-25T00:00:00Z");
}

fn chunked(trailer: bool) -> (Parts, Vec<u8>) {
    let secret = SecretKey::new(KEY.secret);
    let mut headers = vec![
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ];
    headers.push(if trailer {
        ("x-amz-trailer", "x-amz-checksum-crc32c")
    } else {
        ("content-length", "66824")
    });
    let mut request = parts(
        "PUT",
        "https://s3.amazonaws.com/examplebucket/chunkObject.txt",
        &headers,
    );
    let mut encoder = example(&secret)
        .sign(&mut request, SignedPayload::SignedChunks { trailer })
        .unwrap()
        .unwrap();
    let mut body = encoder.chunk(&[b'a'; 65536]);
    body.extend(encoder.chunk(&[b'a'; 1024]));
    body.extend(encoder.finish(&[("x-amz-checksum-crc32c", "sOO8/Q==")]));
    (request, body)
}

fn received(request: &Parts, body: Body) -> Result<(Bytes, Option<http::HeaderMap>), String> {
    let verified = accept(&verifier(KEY, at(AT)), &request.into(), &Rules::for_service("s3"), b"").unwrap();
    let collected = verified
        .guard(body)
        .collect()
        .now_or_never()
        .unwrap()
        .map_err(|error| error.to_string())?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

#[test]
fn a_put_in_signed_chunks() {
    let (request, body) = chunked(false);
    assert_eq!(
        signature(&request),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    );
    assert_eq!(body.len(), 66824);
    let text = String::from_utf8_lossy(&body);
    for chunk in [
        "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n",
        "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n",
        "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n",
    ] {
        assert!(text.contains(chunk), "{chunk}");
    }
    let (got, trailers) = received(&request, full_body(body)).unwrap();
    assert_eq!((got.len(), trailers), (66560, None));
}

#[test]
fn a_put_in_signed_chunks_with_a_trailer() {
    let (request, body) = chunked(true);
    assert_eq!(
        signature(&request),
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    );
    let text = String::from_utf8_lossy(&body);
    for part in [
        "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n",
        "400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
        "0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n",
        "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
    ] {
        assert!(
            text.contains(part),
            "{part} is not in {}",
            &text[66000.min(text.len())..]
        );
    }
    let (got, trailers) = received(&request, full_body(body)).unwrap();
    assert_eq!(got.len(), 66560);
    assert_eq!(trailers.unwrap()["x-amz-checksum-crc32c"], "sOO8/Q==");
}

#[test]
fn any_change_to_a_signed_chunk_breaks_the_body_off() {
    let (request, body) = chunked(true);
    for index in [
        5,
        50,
        100,
        40_000,
        65_620,
        66_000,
        66_800,
        body.len() - 20,
        body.len() - 75,
        body.len() - 100,
    ] {
        let mut bad = body.clone();
        bad[index] ^= 1;
        assert!(received(&request, full_body(bad)).is_err(), "byte {index}");
    }
    for end in [0, 10, 65_000, 65_700, body.len() - 90, body.len() - 1] {
        assert!(
            received(&request, full_body(body[..end].to_vec())).is_err(),
            "cut at {end}"
        );
    }
}
