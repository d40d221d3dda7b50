//! Compressed answers, where the API has a `minimumCompressionSize` and the client can read them. Source:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gzip-compression-decompression.html>.

use super::integrate::Outcome;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::io::{self, Write};

/// Bodies above this are compressed away from the threads that serve.
const QUICK: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
}

/// Compresses the answer when `at_least` says that it is large enough, `accepted` (the client's `Accept-Encoding`) that
/// it may be, and nobody has encoded it already.
pub(crate) async fn compressed(mut outcome: Outcome, at_least: Option<i32>, accepted: Option<&str>) -> Outcome {
    let large = at_least.is_some_and(|size| usize::try_from(size).is_ok_and(|size| outcome.body.len() >= size));
    let is_encoded = |(name, _): &(String, String)| name.eq_ignore_ascii_case("content-encoding");
    if !large || outcome.body.is_empty() || outcome.headers.iter().any(is_encoded) {
        return outcome;
    }
    let Some(coding) = accepted.and_then(chosen) else {
        return outcome;
    };
    let body = outcome.body.clone();
    let packed = if body.len() > QUICK {
        tokio::task::spawn_blocking(move || pack(coding, &body))
            .await
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
    } else {
        pack(coding, &body)
    };
    // An answer that cannot be compressed is still an answer.
    if let Ok(packed) = packed {
        let name = match coding {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        };
        outcome.body = packed;
        outcome.headers.push(("Content-Encoding".into(), name.into()));
    }
    outcome
}

fn pack(coding: Coding, body: &[u8]) -> io::Result<Bytes> {
    let room = Vec::with_capacity(body.len() / 4 + 64);
    let packed = match coding {
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(room, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()?
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(room, Compression::fast());
            encoder.write_all(body)?;
            encoder.finish()?
        }
    };
    Ok(packed.into())
}

/// The coding of an `Accept-Encoding` that is ours to give; gzip where both are.
fn chosen(accepted: &str) -> Option<Coding> {
    let takes = |coding: &str| {
        accepted.split(',').any(|part| {
            let mut words = part.split(';').map(str::trim);
            let names_it = words
                .next()
                .is_some_and(|name| name == "*" || name.eq_ignore_ascii_case(coding));
            let weight = words.find_map(|word| word.strip_prefix("q="));
            names_it && weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
        })
    };
    if takes("gzip") {
        Some(Coding::Gzip)
    } else if takes("deflate") {
        Some(Coding::Deflate)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    fn outcome(body: &str, headers: &[(&str, &str)]) -> Outcome {
        Outcome {
            status: 200,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn a_client_says_what_it_takes() {
        assert_eq!(chosen("gzip, deflate, br"), Some(Coding::Gzip));
        assert_eq!(chosen("br;q=1.0, deflate;q=0.5"), Some(Coding::Deflate));
        assert_eq!(chosen("gzip;q=0, identity"), None);
        assert_eq!(chosen("*"), Some(Coding::Gzip));
        assert_eq!(chosen(""), None);
    }

    #[tokio::test]
    async fn what_is_large_enough_and_not_encoded_is_compressed() {
        let text = "rain ".repeat(10_000);
        let packed = compressed(outcome(&text, &[]), Some(0), Some("gzip")).await;
        assert_eq!(packed.headers, [("Content-Encoding".to_owned(), "gzip".to_owned())]);
        let mut read = String::new();
        GzDecoder::new(&packed.body[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        let encoded: &[(&str, &str)] = &[("content-encoding", "br")];
        for (at_least, accepted, headers) in [
            (None, Some("gzip"), &encoded[..0]),
            (Some(1_000_000), Some("gzip"), &encoded[..0]),
            (Some(0), None, &encoded[..0]),
            (Some(0), Some("br"), &encoded[..0]),
            (Some(0), Some("gzip"), encoded),
        ] {
            let kept = compressed(outcome(&text, headers), at_least, accepted).await;
            assert_eq!(kept.body, text);
            assert_eq!(kept.headers.len(), headers.len());
        }
    }
}
