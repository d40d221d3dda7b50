use super::*;
use bytes::Bytes;
use http::HeaderMap;

fn decoder(length: &str, trailers: &[&str]) -> Result<ChunkDecoder, SigV4Error> {
    let mut headers = vec![("x-amz-decoded-content-length", length)];
    headers.extend(trailers.iter().map(|name| ("x-amz-trailer", *name)));
    let request = parts("PUT", "http://localhost/b/k", &headers);
    ChunkDecoder::unsigned(&(&request).into())
}

/// Decodes `input` cut into pieces of `piece` bytes.
fn decode(mut decoder: ChunkDecoder, input: &[u8], piece: usize) -> Result<(Vec<u8>, HeaderMap), SigV4Error> {
    let (mut data, mut trailers) = (Vec::new(), HeaderMap::new());
    for part in input.chunks(piece) {
        let mut part = Bytes::copy_from_slice(part);
        while let Some(decoded) = decoder.push(&mut part)? {
            match decoded {
                Decoded::Data(bytes) => data.extend_from_slice(&bytes),
                Decoded::Trailers(all) => trailers = all,
            }
        }
    }
    decoder.finish()?;
    Ok((data, trailers))
}

#[test]
fn unsigned_chunks_come_out_whole_however_they_are_cut() {
    let input = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
    for piece in 1..input.len() {
        let (data, trailers) = decode(decoder("5", &["x-amz-checksum-crc32"]).unwrap(), input, piece).unwrap();
        assert_eq!(data, b"hello");
        assert_eq!(trailers["x-amz-checksum-crc32"], "AAAAAA==");
    }
}

#[test]
fn framing_is_held_to_its_grammar() {
    let reason = |length: &str, input: &[u8]| decode(decoder(length, &[]).unwrap(), input, 3).unwrap_err();
    use SigV4Error as E;
    assert!(matches!(reason("5", b"5\r\nhello\r\n"), E::Truncated));
    assert!(matches!(reason("5", b"5\r\nhelloX\r\n0\r\n\r\n"), E::MalformedChunk(_)));
    assert!(matches!(reason("5", b"-5\r\nhello\r\n0\r\n\r\n"), E::MalformedChunk(_)));
    assert!(matches!(reason("5", b"5\nhello\r\n0\r\n\r\n"), E::MalformedChunk(_)));
    assert!(matches!(reason("5", b"ffffffffffffffff\r\n"), E::MalformedChunk(_)));
    assert!(matches!(
        reason("4", b"5\r\nhello\r\n0\r\n\r\n"),
        E::LengthMismatch { declared: 4, got: 5 }
    ));
    assert!(matches!(
        reason("6", b"5\r\nhello\r\n0\r\n\r\n"),
        E::LengthMismatch { declared: 6, got: 5 }
    ));
    assert!(matches!(reason("5", b"0\r\nevil:1\r\n\r\n"), E::LengthMismatch { .. }));
    assert!(matches!(reason("0", b"0\r\nevil:1\r\n\r\n"), E::MalformedTrailer(_)));
    assert!(matches!(reason("0", b"0\r\n\r\nmore"), E::MalformedChunk(_)));
    assert!(matches!(
        reason("6", b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),
        E::ChunkTooSmall { chunk: 1, size: 3 }
    ));
    assert!(matches!(reason("0", &[b'0'; 10_000]), E::MalformedChunk(_)));
    let absent = decode(decoder("0", &["x-amz-checksum-crc32"]).unwrap(), b"0\r\n\r\n", 1).unwrap_err();
    assert!(matches!(absent, E::MalformedTrailer(_) | E::Truncated));
    assert_eq!(decoder("x", &[]).unwrap_err(), E::DecodedLengthMissing);
}
