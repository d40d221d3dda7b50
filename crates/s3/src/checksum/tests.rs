use super::*;
use proptest::prelude::*;

#[test]
fn the_check_values_are_the_published_ones() {
    let check = |algorithm| hex(Hasher::hash(algorithm, b"123456789").as_bytes());
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
    let mut md5 = Md5Hasher::default();
    md5.update(b"123456789");
    assert_eq!(hex(&md5.finish()), "25f9e794323b453885f5181f1b624d0b");
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
    ] {
        assert_eq!(Combiner::new(algorithm, ChecksumType::Composite).is_some(), composite);
        assert_eq!(Combiner::new(algorithm, ChecksumType::FullObject).is_some(), full);
    }
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
