//! RSA and elliptic curves, by AWS's own library, whose private-key operations take the same time whatever the key.
//!
//! A private key is kept as PKCS#8, a public one as `SubjectPublicKeyInfo`: the forms that the API takes and answers.

use crate::error::{Error, Result};
use crate::spec::KeySpec;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrapPadded};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair, RsaEncoding, RsaKeyPair};
use aws_lc_rs::{agreement, error::KeyRejected, error::Unspecified};
use zeroize::Zeroizing;

/// A private key and its public half.
pub(crate) struct Pair {
    /// PKCS#8.
    pub private: Zeroizing<Vec<u8>>,
    /// `SubjectPublicKeyInfo`.
    pub public: Vec<u8>,
}

/// What a signature is of.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Message<'m> {
    Raw(&'m [u8]),
    /// The digest, of the length that the algorithm's has.
    Digest(&'m [u8]),
}

/// Most bytes of a raw message.
pub(crate) const MAX_MESSAGE_BYTES: usize = 4096;

fn failed(what: &'static str) -> impl Fn(Unspecified) -> Error {
    move |_| Error::Computation(what)
}

fn rejected(what: &'static str) -> impl Fn(KeyRejected) -> Error {
    move |_| Error::Computation(what)
}

/// A fresh pair. Takes up to some seconds for RSA: not to be called on the threads that serve.
///
/// # Errors
/// [`Error::Computation`].
pub(crate) fn generate(spec: KeySpec) -> Result<Pair> {
    if let Some(curve) = curve(spec) {
        let pair = EcdsaKeyPair::generate(curve).map_err(failed("making a key on a curve"))?;
        let private = pair.to_pkcs8v1().map_err(failed("writing a key on a curve"))?;
        return Ok(Pair {
            private: Zeroizing::new(private.as_ref().to_vec()),
            public: ec_public(&pair)?,
        });
    }
    let size = match spec {
        KeySpec::Rsa2048 => KeySize::Rsa2048,
        KeySpec::Rsa3072 => KeySize::Rsa3072,
        KeySpec::Rsa4096 => KeySize::Rsa4096,
        _ => return Err(Error::Computation("a key of this spec has no public half")),
    };
    let private = PrivateDecryptingKey::generate(size).map_err(failed("making an RSA key"))?;
    let document: Pkcs8V1Der<'_> = private.as_der().map_err(failed("writing an RSA key"))?;
    Ok(Pair {
        private: Zeroizing::new(document.as_ref().to_vec()),
        public: rsa_public(&private)?,
    })
}

/// The pair of a private key that somebody brings; `None` when it is none of this spec.
pub(crate) fn import(spec: KeySpec, pkcs8: &[u8]) -> Option<Pair> {
    let public = match curve(spec) {
        Some(curve) => ec_public(&EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok()?).ok()?,
        None => {
            let private = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
            if private.key_size_bytes() != spec.modulus_bytes() {
                return None;
            }
            rsa_public(&private).ok()?
        }
    };
    Some(Pair {
        private: Zeroizing::new(pkcs8.to_vec()),
        public,
    })
}

fn ec_public(pair: &EcdsaKeyPair) -> Result<Vec<u8>> {
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(failed("writing a public key"))?;
    Ok(public.as_ref().to_vec())
}

fn rsa_public(private: &PrivateDecryptingKey) -> Result<Vec<u8>> {
    let public: PublicKeyX509Der<'_> = private.public_key().as_der().map_err(failed("writing a public key"))?;
    Ok(public.as_ref().to_vec())
}

fn curve(spec: KeySpec) -> Option<&'static EcdsaSigningAlgorithm> {
    match spec {
        KeySpec::P256 => Some(&signature::ECDSA_P256_SHA256_ASN1_SIGNING),
        KeySpec::P384 => Some(&signature::ECDSA_P384_SHA384_ASN1_SIGNING),
        KeySpec::P521 => Some(&signature::ECDSA_P521_SHA512_ASN1_SIGNING),
        KeySpec::P256k1 => Some(&signature::ECDSA_P256K1_SHA256_ASN1_SIGNING),
        _ => None,
    }
}

/// The digest of a signing algorithm, by its name's end.
fn digest_of(algorithm: &str) -> &'static digest::Algorithm {
    match algorithm.rsplit('_').next() {
        Some("512") => &digest::SHA512,
        Some("384") => &digest::SHA384,
        _ => &digest::SHA256,
    }
}

/// The digest that a request brings.
///
/// # Errors
/// `ValidationException` when it has not the length that the algorithm's has.
fn given_digest(algorithm: &str, bytes: &[u8]) -> Result<Digest> {
    Digest::import_less_safe(bytes, digest_of(algorithm))
        .map_err(|_| Error::validation(format!("Digest is invalid length for algorithm {algorithm}.")))
}

fn rsa_encoding(algorithm: &str) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        "RSASSA_PSS_SHA_256" => &signature::RSA_PSS_SHA256,
        "RSASSA_PSS_SHA_384" => &signature::RSA_PSS_SHA384,
        "RSASSA_PSS_SHA_512" => &signature::RSA_PSS_SHA512,
        "RSASSA_PKCS1_V1_5_SHA_256" => &signature::RSA_PKCS1_SHA256,
        "RSASSA_PKCS1_V1_5_SHA_384" => &signature::RSA_PKCS1_SHA384,
        "RSASSA_PKCS1_V1_5_SHA_512" => &signature::RSA_PKCS1_SHA512,
        _ => return None,
    })
}

/// Signs.
///
/// # Errors
/// `ValidationException` for a digest of another length.
pub(crate) fn sign(spec: KeySpec, private: &[u8], algorithm: &str, message: Message<'_>) -> Result<Vec<u8>> {
    if let Some(curve) = curve(spec) {
        let pair = EcdsaKeyPair::from_pkcs8(curve, private).map_err(rejected("reading a key on a curve"))?;
        let signed = match message {
            Message::Raw(message) => pair.sign(&SystemRandom::new(), message),
            Message::Digest(bytes) => pair.sign_digest(&given_digest(algorithm, bytes)?),
        };
        return Ok(signed.map_err(failed("signing"))?.as_ref().to_vec());
    }
    let pair = RsaKeyPair::from_pkcs8(private).map_err(rejected("reading an RSA key"))?;
    let encoding = rsa_encoding(algorithm).ok_or(Error::Computation("an algorithm that no RSA key has"))?;
    let mut signature = vec![0; pair.public_modulus_len()];
    match message {
        Message::Raw(message) => pair.sign(encoding, &SystemRandom::new(), message, &mut signature),
        Message::Digest(bytes) => pair.sign_digest(encoding, &given_digest(algorithm, bytes)?, &mut signature),
    }
    .map_err(failed("signing"))?;
    Ok(signature)
}

/// Whether the signature is one of the message.
///
/// # Errors
/// `ValidationException` for a digest of another length.
pub(crate) fn verify(
    spec: KeySpec,
    public: &[u8],
    algorithm: &str,
    message: Message<'_>,
    signature: &[u8],
) -> Result<bool> {
    let verification: &'static dyn signature::VerificationAlgorithm = match (spec, algorithm) {
        (KeySpec::P256, _) => &signature::ECDSA_P256_SHA256_ASN1,
        (KeySpec::P384, _) => &signature::ECDSA_P384_SHA384_ASN1,
        (KeySpec::P521, _) => &signature::ECDSA_P521_SHA512_ASN1,
        (KeySpec::P256k1, _) => &signature::ECDSA_P256K1_SHA256_ASN1,
        (_, "RSASSA_PSS_SHA_256") => &signature::RSA_PSS_2048_8192_SHA256,
        (_, "RSASSA_PSS_SHA_384") => &signature::RSA_PSS_2048_8192_SHA384,
        (_, "RSASSA_PSS_SHA_512") => &signature::RSA_PSS_2048_8192_SHA512,
        (_, "RSASSA_PKCS1_V1_5_SHA_256") => &signature::RSA_PKCS1_2048_8192_SHA256,
        (_, "RSASSA_PKCS1_V1_5_SHA_384") => &signature::RSA_PKCS1_2048_8192_SHA384,
        _ => &signature::RSA_PKCS1_2048_8192_SHA512,
    };
    let key = signature::ParsedPublicKey::new(verification, public).map_err(rejected("reading a public key"))?;
    let verified = match message {
        Message::Raw(message) => key.verify_sig(message, signature),
        Message::Digest(bytes) => key.verify_digest_sig(&given_digest(algorithm, bytes)?, signature),
    };
    Ok(verified.is_ok())
}

/// The scheme of an encryption algorithm, and the bytes of its digest.
fn oaep(algorithm: &str) -> (&'static OaepAlgorithm, usize) {
    match algorithm {
        "RSAES_OAEP_SHA_1" => (&OAEP_SHA1_MGF1SHA1, 20),
        _ => (&OAEP_SHA256_MGF1SHA256, 32),
    }
}

/// Encrypts by RSA-OAEP.
///
/// # Errors
/// `ValidationException` for more bytes than the key can encrypt.
pub(crate) fn encrypt(spec: KeySpec, public: &[u8], algorithm: &str, plain: &[u8]) -> Result<Vec<u8>> {
    let (scheme, digest_bytes) = oaep(algorithm);
    let most = spec.modulus_bytes() - 2 * digest_bytes - 2;
    if plain.len() > most {
        return Err(Error::validation(format!(
            "Algorithm {algorithm} and key spec {} cannot encrypt data larger than {most} bytes.",
            spec.name()
        )));
    }
    let key = PublicEncryptingKey::from_der(public).map_err(rejected("reading an RSA key"))?;
    let key = OaepPublicEncryptingKey::new(key).map_err(failed("reading an RSA key"))?;
    let mut sealed = vec![0; key.ciphertext_size()];
    let sealed = key
        .encrypt(scheme, plain, &mut sealed, None)
        .map_err(failed("encrypting"))?;
    Ok(sealed.to_vec())
}

/// Decrypts by RSA-OAEP; `None` for bytes that this key and algorithm did not encrypt.
///
/// # Errors
/// [`Error::Computation`].
pub(crate) fn decrypt(private: &[u8], algorithm: &str, sealed: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let key = PrivateDecryptingKey::from_pkcs8(private).map_err(rejected("reading an RSA key"))?;
    let key = OaepPrivateDecryptingKey::new(key).map_err(failed("reading an RSA key"))?;
    if sealed.len() != key.key_size_bytes() {
        return Ok(None);
    }
    let mut plain = Zeroizing::new(vec![0; key.min_output_size()]);
    let opened = key.decrypt(oaep(algorithm).0, sealed, &mut plain, None);
    let Ok(length) = opened.map(|plain| plain.len()) else {
        return Ok(None);
    };
    plain.truncate(length);
    Ok(Some(plain))
}

/// The secret that the key shares with the owner of another public key; `None` when that is no key on its curve.
///
/// # Errors
/// [`Error::Computation`].
pub(crate) fn agree(spec: KeySpec, private: &[u8], public: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let curve = match spec {
        KeySpec::P256 => &agreement::ECDH_P256,
        KeySpec::P384 => &agreement::ECDH_P384,
        KeySpec::P521 => &agreement::ECDH_P521,
        _ => return Err(Error::Computation("a key of this spec agrees on nothing")),
    };
    let private =
        agreement::PrivateKey::from_private_key_der(curve, private).map_err(rejected("reading a key on a curve"))?;
    let peer = agreement::UnparsedPublicKey::new(curve, public);
    let shared = agreement::agree(&private, peer, (), |secret| Ok(Zeroizing::new(secret.to_vec())));
    Ok(shared.ok())
}

/// Key material that was wrapped for import with the public half of `private`; `None` when it was not.
///
/// # Errors
/// [`Error::Computation`].
pub(crate) fn unwrap(private: &[u8], algorithm: &str, wrapped: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let scheme = match algorithm {
        "RSAES_OAEP_SHA_1" | "RSAES_OAEP_SHA_256" => return decrypt(private, algorithm, wrapped),
        "RSA_AES_KEY_WRAP_SHA_1" => "RSAES_OAEP_SHA_1",
        "RSA_AES_KEY_WRAP_SHA_256" => "RSAES_OAEP_SHA_256",
        _ => return Err(Error::not_built(&format!("WrappingAlgorithm {algorithm}"))),
    };
    let key = PrivateDecryptingKey::from_pkcs8(private).map_err(rejected("reading an RSA key"))?;
    let Some((wrapped_key, wrapped)) = wrapped.split_at_checked(key.key_size_bytes()) else {
        return Ok(None);
    };
    let Some(aes) = decrypt(private, scheme, wrapped_key)? else {
        return Ok(None);
    };
    let Ok(kek) = AesKek::new(&AES_256, &aes) else {
        return Ok(None);
    };
    let mut plain = Zeroizing::new(vec![0; wrapped.len()]);
    let Ok(length) = kek.unwrap_with_padding(wrapped, &mut plain).map(|plain| plain.len()) else {
        return Ok(None);
    };
    plain.truncate(length);
    Ok(Some(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURVES: [KeySpec; 4] = [KeySpec::P256, KeySpec::P384, KeySpec::P521, KeySpec::P256k1];

    fn round(spec: KeySpec, algorithm: &str) {
        let pair = generate(spec).unwrap();
        let digest = digest::digest(digest_of(algorithm), b"hello");
        let (raw, hashed) = (Message::Raw(b"hello"), Message::Digest(digest.as_ref()));
        for (signed, verified) in [(raw, hashed), (hashed, raw)] {
            let signature = sign(spec, &pair.private, algorithm, signed).unwrap();
            let holds = |message| verify(spec, &pair.public, algorithm, message, &signature).unwrap();
            assert!(holds(verified), "{algorithm}");
            assert!(!holds(Message::Raw(b"hallo")), "{algorithm}");
        }
        assert!(sign(spec, &pair.private, algorithm, Message::Digest(b"short")).is_err());
        assert_eq!(import(spec, &pair.private).unwrap().public, pair.public);
        assert!(import(KeySpec::Rsa3072, &pair.private).is_none());
    }

    #[test]
    fn curves_sign_raw_messages_and_digests_alike() {
        for (spec, digest) in CURVES.into_iter().zip([256, 384, 512, 256]) {
            round(spec, &format!("ECDSA_SHA_{digest}"));
        }
    }

    #[test]
    fn rsa_signs_encrypts_and_unwraps() {
        for algorithm in ["RSASSA_PSS_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512"] {
            round(KeySpec::Rsa2048, algorithm);
        }
        let pair = generate(KeySpec::Rsa2048).unwrap();
        for (algorithm, most) in [("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)] {
            let plain = vec![7; most];
            let sealed = encrypt(KeySpec::Rsa2048, &pair.public, algorithm, &plain).unwrap();
            assert_eq!(
                decrypt(&pair.private, algorithm, &sealed).unwrap().unwrap().to_vec(),
                plain
            );
            assert!(decrypt(&pair.private, algorithm, &sealed[1..]).unwrap().is_none());
            assert!(encrypt(KeySpec::Rsa2048, &pair.public, algorithm, &[0; 215]).is_err());
        }
        let aes = [9; 32];
        let mut wrapped = encrypt(KeySpec::Rsa2048, &pair.public, "RSAES_OAEP_SHA_256", &aes).unwrap();
        let mut inner = [0; 48];
        let kek = AesKek::new(&AES_256, &aes).unwrap();
        wrapped.extend_from_slice(kek.wrap_with_padding(b"some key material", &mut inner).unwrap());
        let opened = unwrap(&pair.private, "RSA_AES_KEY_WRAP_SHA_256", &wrapped)
            .unwrap()
            .unwrap();
        assert_eq!(&opened[..], b"some key material");
        assert!(
            unwrap(&pair.private, "RSA_AES_KEY_WRAP_SHA_1", &wrapped)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn both_sides_agree_on_one_secret() {
        for spec in [KeySpec::P256, KeySpec::P384, KeySpec::P521] {
            let (one, other) = (generate(spec).unwrap(), generate(spec).unwrap());
            let here = agree(spec, &one.private, &other.public).unwrap().unwrap();
            assert_eq!(here, agree(spec, &other.private, &one.public).unwrap().unwrap());
            assert!(agree(spec, &one.private, b"no key").unwrap().is_none());
        }
    }
}
