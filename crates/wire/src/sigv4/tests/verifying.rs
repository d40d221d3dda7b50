use super::*;
use danbi_core::{Region, full_body};
use http::HeaderValue;
use http_body_util::BodyExt;

const NOW: &str = "20260101T120000Z";
const LAMBDA: Rules<'static> = Rules {
    service: "lambda",
    region: None,
    profile: Profile::Standard,
};

fn signed_at(stamp: &str, service: &str, body: &[u8]) -> Parts {
    let secret = SecretKey::new("secret");
    let signer = Signer {
        access_key_id: "AKIDEXAMPLE",
        secret: &secret,
        session_token: None,
        region: "eu-central-1",
        service,
        at: at(stamp),
    };
    let mut request = parts(
        "POST",
        "http://localhost:4566/2015-03-31/functions/f/invocations",
        &[("x-amz-foo", "bar")],
    );
    signer.sign(&mut request, SignedPayload::Bytes(body)).unwrap();
    request
}

fn refused(request: &Parts, rules: &Rules<'_>, body: &[u8]) -> SigV4Error {
    accept(&verifier(PLAIN, at(NOW)), &request.into(), rules, body).unwrap_err()
}

fn words(error: SigV4Error) -> (&'static str, String) {
    let error = error.into_service_error(Dialect::RestJson);
    (error.code, error.message)
}

#[test]
fn a_signed_request_is_its_authors() {
    let verifier = verifier(PLAIN, at(NOW));
    let request = signed_at(NOW, "lambda", b"{}");
    for _ in 0..2 {
        let verified = accept(&verifier, &(&request).into(), &LAMBDA, b"{}").unwrap();
        assert_eq!(verified.principal, Principal::Root(Default::default()));
    }
    assert_eq!(verifier.kept_keys(), 1);
    assert!(matches!(
        accept(&verifier, &(&request).into(), &LAMBDA, b"{ }"),
        Err(SigV4Error::Mismatch { .. })
    ));
}

#[test]
fn an_unsigned_request_has_no_claim() {
    let request = parts("GET", "http://localhost/", &[]);
    assert_eq!(Claim::parse(&(&request).into()).unwrap(), None);
    assert_eq!(
        words(SigV4Error::NotSigned),
        (
            "MissingAuthenticationTokenException",
            "Missing Authentication Token".into()
        )
    );
}

#[test]
fn http2_has_an_authority_in_place_of_a_host() {
    let mut request = signed_at(NOW, "lambda", b"");
    request.headers.remove("host");
    accept(&verifier(PLAIN, at(NOW)), &(&request).into(), &LAMBDA, b"").unwrap();
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let check = |stamp: &str| {
        accept(
            &verifier(PLAIN, at(NOW)),
            &(&signed_at(stamp, "lambda", b"")).into(),
            &LAMBDA,
            b"",
        )
    };
    for near in ["20260101T115500Z", "20260101T120500Z"] {
        assert!(check(near).is_ok());
    }
    assert_eq!(
        words(check("20260101T115459Z").unwrap_err()),
        (
            "InvalidSignatureException",
            "Signature expired: 20260101T115459Z is now earlier than 20260101T115500Z (20260101T120000Z - 5 min.)"
                .into()
        )
    );
    assert_eq!(
        words(check("20260101T120501Z").unwrap_err()),
        (
            "InvalidSignatureException",
            "Signature not yet current: 20260101T120501Z is still later than 20260101T120500Z (20260101T120000Z + 5 min.)"
                .into()
        )
    );
}

#[test]
fn the_scope_must_fit() {
    let request = signed_at(NOW, "iam", b"");
    assert_eq!(
        words(refused(&request, &LAMBDA, b"")),
        (
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'lambda'. ".into()
        )
    );
    let region: Region = "us-east-1".parse().unwrap();
    let request = signed_at(NOW, "lambda", b"");
    let error = refused(&request, &LAMBDA.in_region(&region), b"");
    assert_eq!(
        words(error.clone()).1,
        "Credential should be scoped to a valid region. "
    );
    let s3 = error.into_service_error(Dialect::S3);
    assert_eq!(s3.code, "AuthorizationHeaderMalformed");
    assert_eq!(
        s3.message,
        "The authorization header is malformed; the region 'eu-central-1' is wrong; expecting 'us-east-1'"
    );

    let with = |from: &str, to: &str| {
        let mut request = signed_at(NOW, "lambda", b"");
        let text = request.headers["authorization"].to_str().unwrap().replace(from, to);
        request
            .headers
            .insert("authorization", HeaderValue::from_str(&text).unwrap());
        words(refused(&request, &LAMBDA, b""))
    };
    assert_eq!(
        with("aws4_request", "aws4").1,
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws4'. "
    );
    assert_eq!(
        with("/20260101/", "/20260102/").1,
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20260102' != \
         '20260101', from '20260101T120000Z'."
    );
    assert_eq!(with("/20260101/", "/").0, "IncompleteSignatureException",);
    assert_eq!(
        with("eu-central-1", "EU!").1,
        "Credential should be scoped to a valid region. "
    );
    assert_eq!(with("AKIDEXAMPLE", "AKIDOTHER").0, "UnrecognizedClientException");
}

#[test]
fn an_unknown_key_is_named_as_each_protocol_names_it() {
    let error = SigV4Error::UnknownKey {
        access_key_id: "AKID".into(),
        with_token: false,
    };
    let code = |dialect| error.clone().into_service_error(dialect).code;
    assert_eq!(code(Dialect::Json), "UnrecognizedClientException");
    assert_eq!(code(Dialect::Query), "InvalidClientTokenId");
    assert_eq!(code(Dialect::S3), "InvalidAccessKeyId");
}

#[test]
fn what_is_missing_is_said() {
    let say = |authorization: &str, date: bool| {
        let mut headers = vec![("authorization", authorization)];
        if date {
            headers.push(("x-amz-date", NOW));
        }
        words(refused(&parts("GET", "http://localhost/", &headers), &LAMBDA, b""))
    };
    let (code, message) = say("Bearer abc", false);
    assert_eq!(code, "IncompleteSignatureException");
    assert!(
        message.starts_with(
            "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
             Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
             'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization="
        ),
        "{message}"
    );
    assert!(!message.contains("abc"), "what was sent may be a secret");
    assert!(
        say("AWS4-HMAC-SHA256 Credential", true)
            .1
            .contains("missing equal-sign")
    );
    let whole = "AWS4-HMAC-SHA256 Credential=A/20260101/r/lambda/aws4_request, SignedHeaders=host, Signature=0";
    assert_eq!(
        say(whole, false).1.split(" (Hashed").next().unwrap(),
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
    );
    assert_eq!(
        say("AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=0", true).1,
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'A/b'"
    );
    assert!(
        say(
            "AWS4-ECDSA-P256-SHA256 Credential=A, SignedHeaders=host, Signature=0",
            true
        )
        .1
        .contains("4A")
    );
    let query = parts("GET", "http://localhost/?X-Amz-Algorithm=AWS4-HMAC-SHA256", &[]);
    assert!(
        words(refused(&query, &LAMBDA, b""))
            .1
            .starts_with("AWS query-string parameters must include 'X-Amz-Credential'. ")
    );
}

#[test]
fn host_and_amazons_headers_must_be_signed() {
    let mut request = signed_at(NOW, "lambda", b"");
    request
        .headers
        .insert("x-amz-target", HeaderValue::from_static("DeleteEverything"));
    assert_eq!(
        refused(&request, &LAMBDA, b""),
        SigV4Error::HeadersNotSigned(vec!["x-amz-target".into()])
    );
    let mut request = signed_at(NOW, "lambda", b"");
    let text = request.headers["authorization"].to_str().unwrap().replace("host;", "");
    request
        .headers
        .insert("authorization", HeaderValue::from_str(&text).unwrap());
    assert_eq!(
        words(refused(&request, &LAMBDA, b"")).1,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    );
}

#[test]
fn a_session_needs_its_token_and_ends() {
    let secret = SecretKey::new("secret");
    let key = |expires| OneKey {
        token: Some("token"),
        expires: Some(at(expires)),
        ..PLAIN
    };
    let sign = |token| {
        let mut request = parts("GET", "http://localhost/x", &[]);
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret: &secret,
            session_token: token,
            region: "us-east-1",
            service: "lambda",
            at: at(NOW),
        };
        signer.sign(&mut request, SignedPayload::Bytes(b"")).unwrap();
        request
    };
    let verify = |request: &Parts, expires| accept(&verifier(key(expires), at(NOW)), &request.into(), &LAMBDA, b"");
    assert!(verify(&sign(Some("token")), "20260102T000000Z").is_ok());
    assert!(matches!(
        verify(&sign(Some("other")), "20260102T000000Z"),
        Err(SigV4Error::UnknownKey { .. })
    ));
    assert!(matches!(
        verify(&sign(None), "20260102T000000Z"),
        Err(SigV4Error::UnknownKey { .. })
    ));
    assert_eq!(verify(&sign(Some("token")), NOW).unwrap_err(), SigV4Error::ExpiredToken);
}

#[test]
fn presigned_urls_live_seven_days_at_most() {
    let secret = SecretKey::new("secret");
    let view_of = |expires: u32| {
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE",
            secret: &secret,
            session_token: None,
            region: "us-east-1",
            service: "s3",
            at: at(NOW),
        };
        let query = signer.presign(&(&parts("GET", "http://localhost/b/k", &[])).into(), expires, None);
        parts("GET", &format!("http://localhost/b/k?{query}"), &[])
    };
    let s3 = Rules::for_service("s3");
    let later = verifier(PLAIN, at("20260108T115959Z"));
    accept(&later, &(&view_of(604_800)).into(), &s3, b"").unwrap();
    let error = accept(&later, &(&view_of(604_801)).into(), &s3, b"")
        .unwrap_err()
        .into_service_error(Dialect::S3);
    assert_eq!((error.code, error.status), ("AuthorizationQueryParametersError", 400));
    let mut both = view_of(60);
    both.headers
        .insert("authorization", HeaderValue::from_static("AWS4-HMAC-SHA256 x"));
    assert_eq!(refused(&both, &s3, b""), SigV4Error::SeveralMechanisms);
}

#[test]
fn a_mismatch_shows_the_canonical_form_and_no_secret() {
    let request = signed_at(NOW, "lambda", b"");
    let (code, message) = words(refused(&request, &LAMBDA, b"other"));
    assert_eq!(code, "InvalidSignatureException");
    assert!(message.starts_with(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key \
         and signing method. Consult the service documentation for details.\n\nThe Canonical String for this request \
         should have been\n'POST\n/2015-03-31/functions/f/invocations\n\nhost:localhost:4566\n"
    ));
    assert!(message.contains("The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20260101T120000Z\n"));
}

#[test]
fn nothing_shows_a_secret() {
    let secret = SecretKey::new("hush-hush");
    let key = key::SigningKey::derive(&secret, "20260101", "r", "s");
    let signer = Signer {
        access_key_id: "A",
        secret: &secret,
        session_token: None,
        region: "r",
        service: "s",
        at: at(NOW),
    };
    assert!(!format!("{signer:?}{key:?}").contains("hush"));
}

#[test]
fn a_body_is_held_to_its_declared_hash() {
    let request = signed_at(NOW, "s3", b"the body");
    let s3 = Rules::for_service("s3");
    let receive = |body: &'static [u8]| {
        let claim = Claim::parse(&(&request).into()).unwrap().unwrap();
        let payload = Payload::declared(&(&request).into(), &claim, &s3).unwrap();
        let verifier = verifier(PLAIN, at(NOW));
        let view = RequestView::from(&request);
        let verified = verifier
            .verify(&view, &claim, &s3, payload, None)
            .now_or_never()
            .unwrap()
            .unwrap();
        verified
            .guard(full_body(body))
            .collect()
            .now_or_never()
            .unwrap()
            .map(|got| got.to_bytes())
    };
    assert_eq!(receive(b"the body").unwrap(), "the body");
    let error = receive(b"the b0dy").unwrap_err();
    let error = error
        .downcast_ref::<SigV4Error>()
        .unwrap()
        .clone()
        .into_service_error(Dialect::S3);
    assert_eq!((error.code, error.status), ("XAmzContentSHA256Mismatch", 400));
}

#[test]
fn the_key_cache_is_bounded_and_minds_a_new_secret() {
    let cache = key::KeyCache::new();
    let scope = |day: usize| CredentialScope {
        date: format!("{day:08}"),
        region: "r".into(),
        service: "s".into(),
        terminator: TERMINATOR.into(),
    };
    let secret = SecretKey::new("one");
    for day in 0..key::KeyCache::CAPACITY + 10 {
        cache.keep(
            "A",
            &scope(day),
            &secret,
            key::SigningKey::derive(&secret, "d", "r", "s"),
        );
        assert!(cache.get("A", &scope(0), &secret).is_some(), "in use, so kept");
    }
    assert_eq!(cache.len(), key::KeyCache::CAPACITY);
    assert!(cache.get("A", &scope(1), &secret).is_none());
    assert!(cache.get("A", &scope(0), &SecretKey::new("two")).is_none());
}
