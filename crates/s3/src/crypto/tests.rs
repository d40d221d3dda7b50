use super::segment::SEALED_SEGMENT_BYTES;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

const SEGMENT: usize = SEGMENT_BYTES as usize;

fn content(length: usize) -> Bytes {
    (0..length)
        .map(|at| (at * 31 + at / 251) as u8)
        .collect::<Vec<_>>()
        .into()
}

/// Encrypts in pieces of `step` bytes.
fn sealed(key: &SecretKey, plain: &Bytes, step: usize) -> Vec<u8> {
    let (mut encryptor, mut out) = (Encryptor::new(key), BytesMut::new());
    for piece in plain.chunks(step.max(1)) {
        encryptor.push(piece, &mut out).unwrap();
    }
    encryptor.finish(&mut out).unwrap();
    out.into()
}

/// Decrypts a range, fed in pieces of `step` bytes.
fn opened(
    key: &SecretKey,
    sealed: &[u8],
    length: usize,
    range: std::ops::Range<u64>,
    step: usize,
) -> Result<Vec<u8>, CryptoError> {
    let mut decryptor = Decryptor::new(key, length as u64, range)?;
    let within = decryptor.sealed_range();
    let read = &sealed[(within.start as usize).min(sealed.len())..(within.end as usize).min(sealed.len())];
    let mut plain = Vec::new();
    for piece in read.chunks(step.max(1)) {
        let mut piece = Bytes::copy_from_slice(piece);
        while !piece.is_empty() {
            if let Some(bytes) = decryptor.push(&mut piece)? {
                plain.extend_from_slice(&bytes);
            }
        }
    }
    decryptor.finish()?;
    Ok(plain)
}

#[test]
fn every_length_around_a_segment_comes_back() {
    let key = SecretKey::random().unwrap();
    for length in [
        0,
        1,
        15,
        SEGMENT - 1,
        SEGMENT,
        SEGMENT + 1,
        2 * SEGMENT,
        3 * SEGMENT + 7,
    ] {
        let plain = content(length);
        for step in [1021, SEGMENT, SEGMENT + 16, 1 << 20] {
            let bytes = sealed(&key, &plain, step);
            assert_eq!(bytes.len() as u64, sealed_length(length as u64));
            assert_eq!(opened(&key, &bytes, length, 0..length as u64, step).unwrap(), plain);
            assert_eq!(seal(&key, &plain).unwrap(), bytes);
            assert_eq!(open(&key, length as u64, bytes.into()).unwrap(), plain);
        }
    }
}

#[test]
fn segments_that_are_moved_repeated_or_missing_are_damage() {
    let key = SecretKey::random().unwrap();
    let plain = content(3 * SEGMENT);
    let good = sealed(&key, &plain, SEGMENT);
    let whole = 0..plain.len() as u64;
    let (one, two) = (SEALED_SEGMENT_BYTES as usize, 2 * SEALED_SEGMENT_BYTES as usize);
    let swapped = [&good[one..two], &good[..one], &good[two..]].concat();
    let repeated = [&good[..one], &good[..one], &good[two..]].concat();
    for bad in [
        swapped,
        repeated,
        good[..two].to_vec(),
        good[..good.len() - 1].to_vec(),
        Vec::new(),
    ] {
        assert!(matches!(
            opened(&key, &bad, plain.len(), whole.clone(), 4096),
            Err(CryptoError::Damaged)
        ));
        assert!(open(&key, plain.len() as u64, bad.into()).is_err());
    }
    // A record that says less than there is does not make a shorter content of it.
    for length in [0, 1, SEGMENT, 2 * SEGMENT, 3 * SEGMENT - 1] {
        assert!(opened(&key, &good, length, 0..length as u64, 4096).is_err(), "{length}");
    }
    assert!(opened(&key, &good, 3 * SEGMENT + 1, 0..3 * SEGMENT as u64 + 1, 4096).is_err());
    // Bytes behind the end are damage too.
    let mut longer = good.clone();
    longer.push(0);
    assert!(open(&key, plain.len() as u64, longer.into()).is_err());
}

#[test]
fn a_range_reads_only_its_segments() {
    let key = SecretKey::random().unwrap();
    let decryptor = Decryptor::new(&key, 10 * SEGMENT_BYTES, SEGMENT_BYTES + 5..SEGMENT_BYTES + 6).unwrap();
    assert_eq!(decryptor.sealed_range(), SEALED_SEGMENT_BYTES..2 * SEALED_SEGMENT_BYTES);
    assert_eq!(Decryptor::new(&key, 100, 5..5).unwrap().sealed_range(), 0..0);
    assert!(matches!(Decryptor::new(&key, 10, 5..11), Err(CryptoError::Range)));
}

#[test]
fn a_sealed_key_opens_with_its_own_key_only() {
    let master = MasterKeys::ephemeral(DATA_KEY).unwrap();
    let key = SecretKey::random().unwrap();
    let kept = master.seal_key(&key).unwrap();
    let bytes = seal(&content_key(&key, b"salt"), &content(10)).unwrap();
    let again = master.open_key(&kept).unwrap();
    assert_eq!(
        open(&content_key(&again, b"salt"), 10, bytes.clone()).unwrap(),
        content(10)
    );
    assert!(open(&content_key(&again, b"pepper"), 10, bytes).is_err());
    assert!(!kept.contains(&STANDARD.encode(key.expose())));
    assert_ne!(kept, master.seal_key(&key).unwrap(), "salted");
    for bad in ["", ".", "x.y", &kept[..kept.len() - 1], &kept.replace('.', "")] {
        assert!(matches!(master.open_key(bad), Err(KeyringError::Sealed)), "{bad}");
    }
    assert!(matches!(
        MasterKeys::ephemeral(DATA_KEY).unwrap().open_key(&kept),
        Err(KeyringError::Sealed)
    ));
}

fn customer(fill: u8) -> CustomerKey {
    let key = STANDARD.encode([fill; 32]);
    let md5 = STANDARD.encode(<md5::Md5 as md5::Digest>::digest([fill; 32]));
    CustomerKey::from_headers(Some("AES256"), Some(&key), Some(&md5))
        .unwrap()
        .unwrap()
}

#[test]
fn a_customer_key_is_known_again_but_not_kept() {
    let (mine, other) = (customer(1), customer(2));
    let key = SecretKey::random().unwrap();
    let kept = mine.seal_key(&key).unwrap();
    assert_ne!(kept, mine.seal_key(&key).unwrap(), "salted");
    assert!(!kept.contains(&STANDARD.encode([1; 32])) && !format!("{mine:?}").contains("AQEB"));
    assert!(matches!(other.open_key(&kept), Err(CryptoError::Key)));
    let bytes = seal(&key, &content(5)).unwrap();
    // A copy to another owner's key shares the bytes.
    let handed = other.seal_key(&mine.open_key(&kept).unwrap()).unwrap();
    assert_eq!(open(&other.open_key(&handed).unwrap(), 5, bytes).unwrap(), content(5));
}

#[test]
fn customer_headers_are_checked() {
    use CustomerKeyProblem::*;
    let key = STANDARD.encode([1; 32]);
    let md5 = customer(1).md5().to_owned();
    let from = |algorithm, key, md5| CustomerKey::from_headers(algorithm, key, md5).map(|key| key.is_some());
    assert_eq!(from(None, None, None), Ok(false));
    assert_eq!(from(Some("AES256"), Some(&key), Some(&md5)), Ok(true));
    assert_eq!(from(Some("AES256"), None, None), Err(NoKey));
    assert_eq!(from(Some("AES256"), None, Some(&md5)), Err(NoKey));
    assert_eq!(from(Some("AES256"), Some(&key), None), Err(NoMd5));
    assert_eq!(from(None, Some(&key), Some(&md5)), Err(Algorithm));
    assert_eq!(from(Some("AES128"), Some(&key), Some(&md5)), Err(Algorithm));
    assert_eq!(from(Some("AES256"), Some("AAAA"), Some(&md5)), Err(Key));
    assert_eq!(from(Some("AES256"), Some("not base64"), Some(&md5)), Err(Key));
    assert_eq!(
        from(Some("AES256"), Some(&key), Some("AAAAAAAAAAAAAAAAAAAAAA==")),
        Err(Md5)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_range_comes_back(
        length in 0..5 * SEGMENT,
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        step in 1..200_000usize,
    ) {
        let key = SecretKey::random().unwrap();
        let plain = content(length);
        let bytes = sealed(&key, &plain, step);
        let (from, to) = (from.index(length + 1), to.index(length + 1));
        let (from, to) = (from.min(to), from.max(to));
        let read = opened(&key, &bytes, length, from as u64..to as u64, step).unwrap();
        prop_assert_eq!(&read[..], &plain[from..to]);
    }

    #[test]
    fn any_flipped_bit_is_detected(
        length in 0..3 * SEGMENT,
        place in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let key = SecretKey::random().unwrap();
        let plain = content(length);
        let mut bytes = sealed(&key, &plain, SEGMENT);
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        prop_assert!(matches!(
            opened(&key, &bytes, length, 0..length as u64, 8192),
            Err(CryptoError::Damaged)
        ));
    }
}
