//! What a stranger sends never makes the verifier panic.

use super::*;
use bytes::Bytes;
use http::HeaderValue;
use proptest::collection::vec;
use proptest::prelude::*;

fn fragment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("AWS4-HMAC-SHA256".to_owned()),
        Just("Credential=AKIDEXAMPLE/20260101/us-east-1/lambda/aws4_request".to_owned()),
        Just("SignedHeaders=host;x-amz-date".to_owned()),
        Just("Signature=".to_owned() + &"0".repeat(64)),
        Just(", ".to_owned()),
        Just(" ".to_owned()),
        "[ -~]{0,40}",
    ]
}

proptest! {
    #[test]
    fn any_header_is_answered(fragments in vec(fragment(), 0..8), date in "[ -~]{0,20}|20260101T120000Z", path in "/[!-~]{0,40}", s3: bool) {
        let mut request = parts("GET", "http://localhost/", &[]);
        request.headers.insert("authorization", HeaderValue::from_str(&fragments.concat()).unwrap());
        request.headers.insert("x-amz-date", HeaderValue::from_str(&date).unwrap());
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        let view = RequestView { path, query, ..(&request).into() };
        let rules = Rules { profile: if s3 { Profile::S3 } else { Profile::Standard }, ..Rules::for_service("lambda") };
        let refused = accept(&verifier(PLAIN, at("20260101T120000Z")), &view, &rules, b"").unwrap_err();
        for dialect in [Dialect::Json, Dialect::RestJson, Dialect::Query, Dialect::S3] {
            let error = refused.clone().into_service_error(dialect);
            prop_assert!((400..500).contains(&error.status));
        }
    }

    #[test]
    fn any_query_is_answered(pairs in vec(("X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)|[a-z%]{0,5}", "[!-~]{0,30}|AWS4-HMAC-SHA256|20260101T120000Z"), 0..9)) {
        let query = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&");
        let request = parts("GET", "http://localhost/", &[]);
        let view = RequestView { query: &query, ..(&request).into() };
        let _ = accept(&verifier(PLAIN, at("20260101T120000Z")), &view, &Rules::for_service("s3"), b"");
    }

    #[test]
    fn any_chunked_body_is_decoded_or_refused(parts_of in vec(prop_oneof![
        Just(b"5\r\nhello\r\n".to_vec()), Just(b"0\r\n".to_vec()), Just(b"\r\n".to_vec()), Just(b"a:b\r\n".to_vec()),
        vec(any::<u8>(), 0..20),
    ], 0..10), length in 0u64..20, piece in 1usize..40) {
        let length = length.to_string();
        let request = parts("PUT", "http://localhost/b/k", &[("x-amz-decoded-content-length", &length), ("x-amz-trailer", "a")]);
        let mut decoder = ChunkDecoder::unsigned(&(&request).into()).unwrap();
        let input = parts_of.concat();
        let mut got = 0;
        'all: for part in input.chunks(piece) {
            let mut part = Bytes::copy_from_slice(part);
            loop {
                match decoder.push(&mut part) {
                    Ok(Some(Decoded::Data(data))) => got += data.len(),
                    Ok(Some(Decoded::Trailers(_))) => {}
                    Ok(None) => break,
                    Err(_) => break 'all,
                }
            }
        }
        prop_assert!(got <= input.len());
    }

    #[test]
    fn whatever_is_signed_is_accepted(path in "/[a-zA-Z0-9%/._~:!$'()*,;=@+-]{0,40}", query in "([a-z]{1,3}=[a-zA-Z0-9%._~:!$'()*,;@/?+-]{0,10}&){0,4}", value in "[ -~]{0,20}", body in vec(any::<u8>(), 0..64), s3: bool) {
        let secret = SecretKey::new("secret");
        let service = if s3 { "s3" } else { "lambda" };
        let signer = Signer { access_key_id: "AKIDEXAMPLE", secret: &secret, session_token: None, region: "us-east-1", service, at: at("20260101T120000Z") };
        let mut request = parts("PUT", &format!("http://localhost{path}?{query}"), &[("x-amz-meta-v", &value)]);
        signer.sign(&mut request, SignedPayload::Bytes(&body)).unwrap();
        prop_assert!(accept(&verifier(PLAIN, signer.at), &(&request).into(), &Rules::for_service(service), &body).is_ok());
        let query = signer.presign(&(&parts("GET", &format!("http://localhost{path}?{query}"), &[])).into(), 60, None);
        let request = parts("GET", &format!("http://localhost{path}?{query}"), &[]);
        prop_assert!(accept(&verifier(PLAIN, signer.at), &(&request).into(), &Rules::for_service(service), b"").is_ok());
    }
}
