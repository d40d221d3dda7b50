use super::*;
use danbi_core::hex;
use proptest::prelude::*;

#[test]
fn the_check_values_are_the_published_ones() {
    let check = |algorithm| hex::encode(Hasher::hash(algorithm, b"123456789").as_bytes());
    // The catalogue of parametrised CRC algorithms, and FIPS 180.
    assert_eq!(check(ChecksumAlgorithm::Crc32), "cbf43926");
    assert_eq!(check(ChecksumAlgorithm::Crc32c), "e3069283");
    assert_eq!(check(ChecksumAlgorithm::Crc64nvme), "ae8b14860a799888");
    assert_eq!(
        check(ChecksumAlgorithm::Sha1),
        "f7c3bc1d808e04732adf679965ccc34ca7ae3441"
    );
    assert_eq!(
        check(ChecksumAlgorithm::Sha256),
        "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"
    );
    assert_eq!(
        check(ChecksumAlgorithm::Sha512),
        "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274ad27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"
    );
    assert_eq!(check(ChecksumAlgorithm::Md5), "25f9e794323b453885f5181f1b624d0b");
    // The canonical form of xxhsum, most significant byte first.
    assert_eq!(check(ChecksumAlgorithm::Xxhash64), "8cb841db40e6ae83");
    let nothing = |algorithm| hex::encode(Hasher::hash(algorithm, b"").as_bytes());
    assert_eq!(nothing(ChecksumAlgorithm::Xxhash64), "ef46db3751d8e999");
    assert_eq!(nothing(ChecksumAlgorithm::Xxhash3), "2d06800538d394c2");
    assert_eq!(
        nothing(ChecksumAlgorithm::Xxhash128),
        "99aa06d3014798d86001c324468d497f"
    );
    let mut md5 = Md5Hasher::default();
    md5.update(b"123456789");
    assert_eq!(hex::encode(md5.finish()), "25f9e794323b453885f5181f1b624d0b");
}

#[test]
fn base64_of_another_length_or_kind_is_no_value() {
    for (algorithm, text) in [
        (ChecksumAlgorithm::Crc32, "AAAAAA=="),
        (ChecksumAlgorithm::Crc64nvme, "AAAAAAAAAAA="),
    ] {
        let value = ChecksumValue::from_base64(algorithm, text).unwrap();
        assert_eq!(value.to_base64(), text);
    }
    for text in [
        "",
        "AAAA",
        "AAAAAA",
        "AAAAA",
        "test",
        "!!!!!!==",
        "AAAAAAAAAAA=",
        &"A".repeat(1000),
    ] {
        assert_eq!(
            ChecksumValue::from_base64(ChecksumAlgorithm::Crc32, text),
            None,
            "{text}"
        );
    }
}

#[test]
fn the_entity_tag_of_parts_counts_them() {
    let mut first = Md5Hasher::default();
    first.update(b"a");
    let parts = [first.clone().finish(), first.finish()];
    assert_eq!(multipart_etag(&parts), "7b3c799ee8b11a11c798c8b41bed8502-2");
}

#[test]
fn no_kind_but_those_of_the_algorithm() {
    use ChecksumAlgorithm::*;
    for (algorithm, composite, full) in [
        (Crc32, true, true),
        (Crc32c, true, true),
        (Crc64nvme, false, true),
        (Sha1, true, false),
        (Sha256, true, false),
        (Sha512, true, false),
        (Md5, true, false),
        (Xxhash64, true, false),
        (Xxhash3, true, false),
        (Xxhash128, true, false),
    ] {
        assert_eq!(Combiner::new(algorithm, ChecksumType::Composite).is_some(), composite);
        assert_eq!(Combiner::new(algorithm, ChecksumType::FullObject).is_some(), full);
    }
}

fn put() -> crate::shapes::PutObjectRequest {
    crate::shapes::PutObjectRequest::default()
}

fn code(result: crate::Result<impl std::fmt::Debug>) -> (&'static str, String) {
    let error = result.unwrap_err();
    (error.code().unwrap(), error.to_string())
}

#[test]
fn a_body_is_what_its_header_says_or_refused() {
    let bytes = b"123456789";
    for algorithm in ChecksumAlgorithm::ALL {
        let (mut request, value) = (put(), Hasher::hash(algorithm, bytes));
        request.show(&value);
        let declared = Declared::of(&request, None, Some(algorithm.name()), None).unwrap();
        let mut verifier = Verifier::of_object(declared.clone());
        verifier.update(bytes);
        let digests = verifier.finish(None).unwrap();
        assert_eq!(digests.kept(), Some(&value));
        let mut verifier = Verifier::of_object(declared);
        verifier.update(b"other");
        let message = format!("BadDigest: The {algorithm} you specified did not match the calculated checksum.");
        assert_eq!(code(verifier.finish(None)), ("BadDigest", message));
        *request.slot(algorithm) = Some("test".into());
        let message = format!("InvalidRequest: Value for {} header is invalid.", algorithm.header());
        assert_eq!(
            code(Declared::of(&request, None, None, None)),
            ("InvalidRequest", message)
        );
    }
    let mut verifier = Verifier::of_object(Declared::of(&put(), None, None, None).unwrap());
    verifier.update(bytes);
    let digests = verifier.finish(None).unwrap();
    assert_eq!(digests.declared, None);
    assert_eq!(digests.kept().unwrap().algorithm(), ChecksumAlgorithm::Crc64nvme);
}

#[test]
fn what_a_client_declares_must_make_sense() {
    let mut both = put();
    both.checksum_crc32 = Some("AAAAAA==".into());
    assert_eq!(code(Declared::of(&both, None, Some("SHA1"), None)).0, "InvalidRequest");
    both.checksum_sha1 = Some("AAAA".into());
    assert_eq!(code(Declared::of(&both, None, None, None)).0, "InvalidRequest");
    assert_eq!(
        code(Declared::of(&put(), None, Some("CRC32"), None)).0,
        "InvalidRequest"
    );
    assert_eq!(
        code(Declared::of(&put(), None, Some("CRC31"), None)).0,
        "InvalidRequest"
    );
    for md5 in [
        "",
        "AAAA",
        "1B2M2Y8AsgTpgAmY7PhCfg",
        "1B2M2Y8AsgTpgAmY7PhCfg===",
        "!B2M2Y8AsgTpgAmY7PhCfg==",
    ] {
        assert_eq!(code(Declared::of(&put(), Some(md5), None, None)).0, "InvalidDigest");
    }
    let empty = Declared::of(&put(), Some("1B2M2Y8AsgTpgAmY7PhCfg=="), None, None).unwrap();
    assert!(Verifier::of_object(empty.clone()).finish(None).is_ok());
    let mut verifier = Verifier::of_object(empty);
    verifier.update(b"x");
    assert_eq!(code(verifier.finish(None)).0, "BadDigest");
}

#[test]
fn a_trailer_is_as_good_as_a_header() {
    let kind = Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
    for announced in [Some("SHA256"), None] {
        let declared = Declared::of(&put(), None, announced, kind).unwrap();
        let trailers = |algorithm: ChecksumAlgorithm, bytes: &[u8]| {
            let mut trailers = http::HeaderMap::new();
            let value = Hasher::hash(algorithm, bytes).to_base64().parse().unwrap();
            trailers.insert(algorithm.header(), value);
            trailers
        };
        let finish = |trailers: Option<http::HeaderMap>| {
            let mut verifier = Verifier::of_object(declared.clone());
            verifier.update(b"body");
            verifier.finish(trailers.as_ref())
        };
        let digests = finish(Some(trailers(ChecksumAlgorithm::Sha256, b"body"))).unwrap();
        assert_eq!(digests.declared, Some(ChecksumAlgorithm::Sha256));
        assert_eq!(
            code(finish(Some(trailers(ChecksumAlgorithm::Sha256, b"other")))).0,
            "BadDigest"
        );
        let other = finish(Some(trailers(ChecksumAlgorithm::Crc32, b"body")));
        assert_eq!(other.is_ok(), announced.is_none());
        assert_eq!(finish(None).is_ok(), announced.is_none());
        let mut bad = http::HeaderMap::new();
        bad.insert("x-amz-checksum-sha256", "x".parse().unwrap());
        assert_eq!(code(finish(Some(bad))).0, "InvalidRequest");
    }
}

#[test]
fn an_upload_has_a_kind_of_checksum() {
    use ChecksumAlgorithm::*;
    use ChecksumType::*;
    assert_eq!(parse_upload(None, None).unwrap(), None);
    assert_eq!(parse_upload(Some("CRC32"), None).unwrap(), Some((Crc32, Composite)));
    assert_eq!(
        parse_upload(Some("CRC32"), Some("FULL_OBJECT")).unwrap(),
        Some((Crc32, FullObject))
    );
    assert_eq!(
        parse_upload(Some("CRC64NVME"), None).unwrap(),
        Some((Crc64nvme, FullObject))
    );
    let message = "InvalidRequest: The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.";
    assert_eq!(code(parse_upload(Some("SHA256"), Some("FULL_OBJECT"))).1, message);
    assert_eq!(code(parse_upload(None, Some("COMPOSITE"))).0, "InvalidRequest");
}

proptest! {
    #[test]
    fn parts_combine_to_the_checksum_of_the_whole(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..6)) {
        let whole = parts.concat();
        for algorithm in ChecksumAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.combines()) {
            let mut combiner = Combiner::new(algorithm, ChecksumType::FullObject).unwrap();
            for part in &parts {
                combiner.push(&Hasher::hash(algorithm, part), part.len() as u64);
            }
            prop_assert_eq!(combiner.finish().unwrap(), Hasher::hash(algorithm, &whole).to_base64());
        }
    }

    #[test]
    fn pieces_hash_as_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..3000), at in any::<prop::sample::Index>()) {
        let at = at.index(bytes.len() + 1);
        for algorithm in ChecksumAlgorithm::ALL {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(&bytes[..at]);
            hasher.update(&bytes[at..]);
            prop_assert_eq!(hasher.finish(), Hasher::hash(algorithm, &bytes));
        }
    }

    #[test]
    fn a_composite_hashes_the_values(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..6)) {
        for algorithm in ChecksumAlgorithm::ALL.into_iter().filter(|algorithm| algorithm.supports(ChecksumType::Composite)) {
            let mut combiner = Combiner::new(algorithm, ChecksumType::Composite).unwrap();
            let mut values = Vec::new();
            for part in &parts {
                let value = Hasher::hash(algorithm, part);
                values.extend_from_slice(value.as_bytes());
                combiner.push(&value, part.len() as u64);
            }
            let expected = format!("{}-{}", Hasher::hash(algorithm, &values).to_base64(), parts.len());
            prop_assert_eq!(combiner.finish().unwrap(), expected);
        }
    }
}
