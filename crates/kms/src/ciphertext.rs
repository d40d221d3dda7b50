//! What symmetric keys encrypt: opaque to everybody else, and versioned.
//!
//! ```text
//! 0x01 0xda | version 0x01 | length of the key's ARN, 2 bytes | the ARN | 8 bytes of the material's id | sealed bytes
//! ```
//! The sealed bytes are AES-256-GCM under a key derived from the material with a random salt (the keyring's `seal`); all
//! that stands before them and the encryption context are authenticated with them.

use crate::error::{Error, Result};
use crate::record::Key;
use danbi_core::Arn;
use danbi_keyring::SecretKey;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const MAGIC: [u8; 3] = [0x01, 0xda, 0x01];
const MATERIAL_BYTES: usize = 8;
const PURPOSE: &[u8] = b"danbi kms ciphertext";
const MATERIAL_ID: &[u8] = b"danbi kms material id";
/// Most bytes of an encryption context, names and values together: AWS's limit.
const MAX_CONTEXT_BYTES: usize = 8192;

/// An encryption context.
pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// A ciphertext, taken apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parsed<'c> {
    /// The ARN of the key that made it.
    pub key_arn: &'c str,
    material: &'c [u8],
    header: &'c [u8],
    sealed: &'c [u8],
}

/// Takes a ciphertext apart; `None` for what is none.
pub(crate) fn parse(blob: &[u8]) -> Option<Parsed<'_>> {
    let rest = blob.strip_prefix(&MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (arn, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (material, sealed) = rest.split_at_checked(MATERIAL_BYTES)?;
    let key_arn = std::str::from_utf8(arn).ok()?;
    key_arn.parse::<Arn>().ok()?.scope()?;
    Some(Parsed {
        key_arn,
        material,
        header: &blob[..blob.len() - sealed.len()],
        sealed,
    })
}

/// Encrypts with the material of this id.
pub(crate) fn encrypt(
    key_arn: &str,
    material_id: &str,
    material: &[u8],
    plain: &[u8],
    context: &EncryptionContext,
) -> Result<Vec<u8>> {
    let secret = SecretKey::from_bytes(material).ok_or_else(odd_material)?;
    let mut blob = MAGIC.to_vec();
    let length = u16::try_from(key_arn.len()).map_err(|_| Error::Damaged("a key's ARN is too long".into()))?;
    blob.extend(length.to_be_bytes());
    blob.extend_from_slice(key_arn.as_bytes());
    blob.extend(short(material_id).ok_or_else(odd_material)?);
    let sealed = secret.seal(PURPOSE, plain, &bound(&blob, context))?;
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

impl Parsed<'_> {
    /// Whether the material of this id encrypted it.
    pub(crate) fn is_by(&self, material_id: &str) -> bool {
        short(material_id).is_some_and(|short| short == self.material)
    }

    /// Decrypts with the material that encrypted it.
    ///
    /// # Errors
    /// `InvalidCiphertextException` for another context or altered bytes.
    pub(crate) fn decrypt(&self, material: &[u8], context: &EncryptionContext) -> Result<Zeroizing<Vec<u8>>> {
        let secret = SecretKey::from_bytes(material).ok_or_else(odd_material)?;
        secret
            .open(PURPOSE, self.sealed, &bound(self.header, context))
            .map_err(|_| Error::invalid_ciphertext())
    }
}

/// The id of a generation of material, which tells nothing of it: 64 hexadecimal digits.
pub(crate) fn material_id(key: &Key, material: &[u8]) -> String {
    // Any length will do for the key of an HMAC, so its digest stands for it.
    use sha2::Digest;
    let digest = Zeroizing::new(<[u8; 32]>::from(sha2::Sha256::digest(material)));
    let id = SecretKey::from_bytes(&digest[..]).map(|secret| secret.derive(MATERIAL_ID, key.id.as_bytes()));
    id.map(|id| danbi_core::hex::encode(id.expose())).unwrap_or_default()
}

/// Makes sure that an encryption context is not larger than AWS takes.
///
/// # Errors
/// `ValidationException`.
pub(crate) fn check_context(context: &EncryptionContext) -> Result<()> {
    let bytes: usize = context.iter().map(|(name, value)| name.len() + value.len()).sum();
    match bytes {
        0..=MAX_CONTEXT_BYTES => Ok(()),
        _ => Err(Error::validation(format!(
            "EncryptionContext is larger than {MAX_CONTEXT_BYTES} bytes."
        ))),
    }
}

fn short(material_id: &str) -> Option<[u8; MATERIAL_BYTES]> {
    let digits = material_id.get(..2 * MATERIAL_BYTES)?;
    u64::from_str_radix(digits, 16).ok().map(u64::to_be_bytes)
}

/// What is authenticated: the header, then each pair of the context with the lengths of both.
fn bound(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut bound = header.to_vec();
    for (name, value) in context {
        for text in [name, value] {
            bound.extend((text.len() as u64).to_be_bytes());
            bound.extend_from_slice(text.as_bytes());
        }
    }
    bound
}

fn odd_material() -> Error {
    Error::Damaged("a symmetric key's material is not 256 bits".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:us-east-1:000000000000:key/134f2428-cec1-4b25-a1ae-9048164dba47";
    const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect()
    }

    #[test]
    fn a_ciphertext_opens_with_its_material_and_context_only() {
        let ab = context(&[("a", "b"), ("c", "d")]);
        let blob = encrypt(ARN, ID, &[7; 32], b"plain", &ab).unwrap();
        let parsed = parse(&blob).unwrap();
        assert_eq!(parsed.key_arn, ARN);
        assert!(parsed.is_by(ID) && !parsed.is_by(&ID.replace('0', "1")));
        assert_eq!(&parsed.decrypt(&[7; 32], &ab).unwrap()[..], b"plain");
        assert!(parsed.decrypt(&[8; 32], &ab).is_err());
        for other in [context(&[]), context(&[("a", "bc"), ("", "d")]), context(&[("a", "b")])] {
            assert!(parsed.decrypt(&[7; 32], &other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn no_altered_ciphertext_opens() {
        let none = context(&[]);
        let blob = encrypt(ARN, ID, &[7; 32], b"plain", &none).unwrap();
        for at in 0..blob.len() {
            let mut altered = blob.clone();
            altered[at] ^= 1;
            let opened = parse(&altered).map(|parsed| parsed.decrypt(&[7; 32], &none).is_ok());
            assert_ne!(opened, Some(true), "byte {at}");
        }
        for length in 0..blob.len() {
            let opened = parse(&blob[..length]).map(|parsed| parsed.decrypt(&[7; 32], &none).is_ok());
            assert_ne!(opened, Some(true), "{length} bytes");
        }
        assert!(parse(b"").is_none() && parse(&[0xff; 300]).is_none());
    }
}
