//! Compressed answers of DynamoDB, for clients that ask for them with `Accept-Encoding`.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::{HeaderMap, HeaderValue};
use std::io::Write;

/// From how many bytes on DynamoDB compresses an answer.
const THRESHOLD: usize = 4096;
/// The lowest level at which text without repetitions gets smaller, too: codes of its own for each block.
const LEVEL: u32 = 3;
/// Bytes that are compressed at once, after which other tasks have their turn.
const PIECE: usize = 64 * 1024;

/// An encoding of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepted {
    Gzip,
    /// zlib's form, as RFC 9110 has it.
    Deflate,
}

/// Compresses `body` as `asked`, the request's headers, allow, and says so in `headers`, those of the answer. A body
/// that is small, or does not get smaller, is left as it is.
pub(super) async fn compress(asked: &HeaderMap, headers: &mut HeaderMap, body: Bytes) -> Bytes {
    if body.len() < THRESHOLD {
        return body;
    }
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let Some(accepted) = preferred(asked) else { return body };
    let (name, compressed) = match accepted {
        Accepted::Gzip => {
            let encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
            ("gzip", run(encoder, &body, GzEncoder::finish).await)
        }
        Accepted::Deflate => {
            let encoder = ZlibEncoder::new(Vec::new(), Compression::new(LEVEL));
            ("deflate", run(encoder, &body, ZlibEncoder::finish).await)
        }
    };
    match compressed {
        Ok(compressed) if compressed.len() < body.len() => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
            compressed.into()
        }
        _ => body,
    }
}

async fn run<W: Write>(
    mut encoder: W,
    body: &[u8],
    finish: fn(W) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<Vec<u8>> {
    for piece in body.chunks(PIECE) {
        encoder.write_all(piece)?;
        if piece.len() == PIECE {
            tokio::task::yield_now().await;
        }
    }
    finish(encoder)
}

/// The encoding with the greatest weight, the first of equals; `*` stands for those that are not named, after them.
/// As DynamoDB reads it, `identity` has no say, and neither has a second header.
fn preferred(asked: &HeaderMap) -> Option<Accepted> {
    let first = asked.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let entries = first.unwrap_or_default().split(',');
    let mut named: Vec<(Accepted, f32)> = Vec::with_capacity(2);
    let mut others = 0.0_f32;
    for entry in entries {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let name = name.trim();
        let weight = weight(parameters);
        let accepted = match name {
            "*" => {
                others = others.max(weight);
                continue;
            }
            _ if name.eq_ignore_ascii_case("gzip") => Accepted::Gzip,
            _ if name.eq_ignore_ascii_case("deflate") => Accepted::Deflate,
            _ => continue,
        };
        match named.iter_mut().find(|(known, _)| *known == accepted) {
            Some((_, known)) => *known = known.max(weight),
            None => named.push((accepted, weight)),
        }
    }
    for accepted in [Accepted::Gzip, Accepted::Deflate] {
        if named.iter().all(|(known, _)| *known != accepted) {
            named.push((accepted, others));
        }
    }
    let mut best: Option<(Accepted, f32)> = None;
    for (accepted, weight) in named {
        if weight > best.map_or(0.0, |(_, weight)| weight) {
            best = Some((accepted, weight));
        }
    }
    best.map(|(accepted, _)| accepted)
}

/// The weight among an entry's parameters, from 0 to 1. DynamoDB takes the first `q=` wherever it stands, and for 1
/// what is no number.
fn weight(parameters: &str) -> f32 {
    let Some((_, value)) = parameters.split_once("q=").or_else(|| parameters.split_once("Q=")) else {
        return 1.0;
    };
    let value = value.split(';').next().unwrap_or_default().trim();
    let number = value.parse::<f32>().ok().filter(|number| number.is_finite());
    number.map_or(1.0, |number| number.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_encoding_is_chosen_as_dynamodb_chooses_it() {
        const GZIP: Option<Accepted> = Some(Accepted::Gzip);
        const DEFLATE: Option<Accepted> = Some(Accepted::Deflate);
        let cases = [
            ("", None),
            ("identity", None),
            ("br", None),
            ("x-gzip", None),
            ("gzip, deflate", GZIP),
            ("br, identity, deflate, gzip", DEFLATE),
            ("GZIP, identity", GZIP),
            ("dog, gzip ,, cat", GZIP),
            ("gzip;q=0.8, deflate;q=0.5", GZIP),
            ("br, gzip;q=0, deflate; q = 0.5 , identity;q=0", DEFLATE),
            ("*", GZIP),
            ("*, deflate;q=0.5", GZIP),
            ("*, deflate", DEFLATE),
            ("*, gzip;q=0.5", DEFLATE),
            ("gzip ;q=0", None),
            ("identity;q=0", None),
            ("*;q=0", None),
            ("*;q=0.5,identity", GZIP),
            ("gzip;q=0.5,identity;q=0.8", GZIP),
            ("br;q=0.8,identity;q=0.5,*;q=0", None),
            ("\"gzip\"", None),
            ("gzip br", None),
            ("gzip:q=1", None),
            ("deflate;q=0.5, gzip;q=31", GZIP),
            ("gzip;q=31,deflate;q=51", GZIP),
            ("deflate;q=0.5, gzip;q=0.2", DEFLATE),
            ("deflate;q=0.5, gzip;q=1;q=0.2", GZIP),
            ("deflate;q=0.5,gzip;q=0.", DEFLATE),
            ("deflate;q=0.5,gzip;q=0. x", GZIP),
            ("deflate;q=-0.5,gzip;q=0.2", GZIP),
            ("gzip;q= 0;q=1", None),
            ("gzip;q =0;q=1", GZIP),
            ("gzip;nq=0;q=1", None),
            ("gzip;q=0, gzip;q=1, gzip;q=0", GZIP),
            ("br,identity;q=0.5,gzip;q=0.0001", GZIP),
            ("deflate;q=0.5,gzip;q=NaN", GZIP),
        ];
        for (value, expected) in cases {
            assert_eq!(preferred(&asked(&[value])), expected, "{value}");
        }
        assert_eq!(preferred(&asked(&["identity", "gzip"])), None);
        assert_eq!(preferred(&asked(&["gzip", "identity"])), GZIP);
        assert_eq!(preferred(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn only_what_is_large_and_shrinks_is_compressed() {
        let mut headers = HeaderMap::new();
        let small = Bytes::from(vec![b'x'; THRESHOLD - 1]);
        assert_eq!(compress(&asked(&["gzip"]), &mut headers, small.clone()).await, small);
        assert!(headers.is_empty());
        let noise: Bytes = (0..THRESHOLD / 32)
            .flat_map(|n| crate::sigv4::sha256(&n.to_le_bytes()))
            .collect();
        assert_eq!(compress(&asked(&["gzip"]), &mut headers, noise.clone()).await, noise);
        assert!(!headers.contains_key(CONTENT_ENCODING));
        let digits = noise.iter().map(|byte| b'0' + byte % 36);
        let text: Bytes = digits.collect::<Vec<u8>>().into();
        let mut of_text = HeaderMap::new();
        let shrunk = compress(&asked(&["gzip"]), &mut of_text, text.clone()).await;
        assert!(shrunk.len() * 5 < text.len() * 4, "{} of {}", shrunk.len(), text.len());
        let large = Bytes::from(vec![b'x'; 6 * 1024]);
        for name in ["gzip", "deflate"] {
            let mut headers = HeaderMap::new();
            let compressed = compress(&asked(&[name]), &mut headers, large.clone()).await;
            assert!(compressed.len() * 30 < large.len(), "{}", compressed.len());
            assert_eq!(headers[CONTENT_ENCODING], name);
            assert_eq!(headers[VARY], "accept-encoding");
        }
    }
}
