//! HMAC, with the digest that the key's spec names.

use crate::error::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

/// The code of a message.
///
/// # Errors
/// [`Error::Computation`] for an algorithm that there is not.
pub(crate) fn generate(material: &[u8], algorithm: &str, message: &[u8]) -> Result<Vec<u8>> {
    match algorithm {
        "HMAC_SHA_224" => of::<Hmac<Sha224>>(material, message),
        "HMAC_SHA_256" => of::<Hmac<Sha256>>(material, message),
        "HMAC_SHA_384" => of::<Hmac<Sha384>>(material, message),
        "HMAC_SHA_512" => of::<Hmac<Sha512>>(material, message),
        _ => Err(Error::Computation("an algorithm that no HMAC key has")),
    }
}

/// Whether `mac` is the message's; takes the same time whatever it is.
///
/// # Errors
/// As [`generate`].
pub(crate) fn verify(material: &[u8], algorithm: &str, message: &[u8], mac: &[u8]) -> Result<bool> {
    Ok(generate(material, algorithm, message)?.ct_eq(mac).into())
}

fn of<M: Mac + KeyInit>(material: &[u8], message: &[u8]) -> Result<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(material).map_err(|_| Error::Computation("reading an HMAC key"))?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 2 of RFC 4231.
    #[test]
    fn codes_are_those_of_the_rfc() {
        for (algorithm, begins) in [
            ("HMAC_SHA_224", [0xa3, 0x0e, 0x01, 0x09]),
            ("HMAC_SHA_256", [0x5b, 0xdc, 0xc1, 0x46]),
            ("HMAC_SHA_384", [0xaf, 0x45, 0xd2, 0xe3]),
            ("HMAC_SHA_512", [0x16, 0x4b, 0x7a, 0x7b]),
        ] {
            let mac = generate(b"Jefe", algorithm, b"what do ya want for nothing?").unwrap();
            assert_eq!(mac[..4], begins, "{algorithm}");
            assert!(verify(b"Jefe", algorithm, b"what do ya want for nothing?", &mac).unwrap());
            assert!(!verify(b"Jefe", algorithm, b"something else", &mac).unwrap());
            assert!(!verify(b"Jefe", algorithm, b"what do ya want for nothing?", &mac[1..]).unwrap());
        }
    }
}
