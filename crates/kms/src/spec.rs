//! What kinds of keys there are, and what each may be used for.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/developerguide/symm-asymm-choose-key-spec.html>.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// `KeySpec`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeySpec {
    #[serde(rename = "SYMMETRIC_DEFAULT")]
    Symmetric,
    #[serde(rename = "RSA_2048")]
    Rsa2048,
    #[serde(rename = "RSA_3072")]
    Rsa3072,
    #[serde(rename = "RSA_4096")]
    Rsa4096,
    #[serde(rename = "ECC_NIST_P256")]
    P256,
    #[serde(rename = "ECC_NIST_P384")]
    P384,
    #[serde(rename = "ECC_NIST_P521")]
    P521,
    #[serde(rename = "ECC_SECG_P256K1")]
    P256k1,
    #[serde(rename = "HMAC_224")]
    Hmac224,
    #[serde(rename = "HMAC_256")]
    Hmac256,
    #[serde(rename = "HMAC_384")]
    Hmac384,
    #[serde(rename = "HMAC_512")]
    Hmac512,
}

/// `KeyUsage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeyUsage {
    #[serde(rename = "ENCRYPT_DECRYPT")]
    Encrypt,
    #[serde(rename = "SIGN_VERIFY")]
    Sign,
    #[serde(rename = "GENERATE_VERIFY_MAC")]
    Mac,
    #[serde(rename = "KEY_AGREEMENT")]
    Agree,
}

use KeySpec::*;

const PSS_AND_PKCS1: &[&str] = &[
    "RSASSA_PKCS1_V1_5_SHA_256",
    "RSASSA_PKCS1_V1_5_SHA_384",
    "RSASSA_PKCS1_V1_5_SHA_512",
    "RSASSA_PSS_SHA_256",
    "RSASSA_PSS_SHA_384",
    "RSASSA_PSS_SHA_512",
];
const OAEP: &[&str] = &["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"];

impl KeySpec {
    /// By its name.
    ///
    /// # Errors
    /// `UnsupportedOperationException` for a spec of AWS's that is not built.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        let all = [
            Symmetric, Rsa2048, Rsa3072, Rsa4096, P256, P384, P521, P256k1, Hmac224, Hmac256, Hmac384, Hmac512,
        ];
        let named = all.into_iter().find(|spec| spec.name() == name);
        named.ok_or_else(|| Error::not_built(&format!("KeySpec {name}")))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Symmetric => "SYMMETRIC_DEFAULT",
            Rsa2048 => "RSA_2048",
            Rsa3072 => "RSA_3072",
            Rsa4096 => "RSA_4096",
            P256 => "ECC_NIST_P256",
            P384 => "ECC_NIST_P384",
            P521 => "ECC_NIST_P521",
            P256k1 => "ECC_SECG_P256K1",
            Hmac224 => "HMAC_224",
            Hmac256 => "HMAC_256",
            Hmac384 => "HMAC_384",
            Hmac512 => "HMAC_512",
        }
    }

    pub(crate) fn is_rsa(self) -> bool {
        matches!(self, Rsa2048 | Rsa3072 | Rsa4096)
    }

    pub(crate) fn is_ecc(self) -> bool {
        matches!(self, P256 | P384 | P521 | P256k1)
    }

    pub(crate) fn is_asymmetric(self) -> bool {
        self.is_rsa() || self.is_ecc()
    }

    /// Bytes of the modulus of an RSA key; 0 for others.
    pub(crate) fn modulus_bytes(self) -> usize {
        match self {
            Rsa2048 => 256,
            Rsa3072 => 384,
            Rsa4096 => 512,
            _ => 0,
        }
    }

    /// Bytes of key material that is nothing but random bytes.
    pub(crate) fn random_bytes(self) -> Option<usize> {
        match self {
            Symmetric | Hmac256 => Some(32),
            Hmac224 => Some(28),
            Hmac384 => Some(48),
            Hmac512 => Some(64),
            _ => None,
        }
    }

    fn usages(self) -> &'static [KeyUsage] {
        match self {
            Symmetric => &[KeyUsage::Encrypt],
            Rsa2048 | Rsa3072 | Rsa4096 => &[KeyUsage::Encrypt, KeyUsage::Sign],
            P256 | P384 | P521 => &[KeyUsage::Sign, KeyUsage::Agree],
            P256k1 => &[KeyUsage::Sign],
            Hmac224 | Hmac256 | Hmac384 | Hmac512 => &[KeyUsage::Mac],
        }
    }

    /// The usage that a request means.
    ///
    /// # Errors
    /// `ValidationException` when it must be said, or does not go with the spec.
    pub(crate) fn usage(self, asked: Option<&str>) -> Result<KeyUsage> {
        let Some(asked) = asked else {
            return match self {
                Symmetric => Ok(KeyUsage::Encrypt),
                _ => Err(Error::validation(
                    "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
                )),
            };
        };
        let usage = self.usages().iter().find(|usage| usage.name() == asked);
        usage.copied().ok_or_else(|| {
            Error::validation(format!(
                "KeyUsage {asked} is not compatible with KeySpec {}",
                self.name()
            ))
        })
    }

    /// The algorithms of one usage, as metadata lists them.
    pub(crate) fn algorithms(self, usage: KeyUsage) -> &'static [&'static str] {
        match (usage, self) {
            (KeyUsage::Encrypt, Symmetric) => &["SYMMETRIC_DEFAULT"],
            (KeyUsage::Encrypt, _) => OAEP,
            (KeyUsage::Sign, P256 | P256k1) => &["ECDSA_SHA_256"],
            (KeyUsage::Sign, P384) => &["ECDSA_SHA_384"],
            (KeyUsage::Sign, P521) => &["ECDSA_SHA_512"],
            (KeyUsage::Sign, _) => PSS_AND_PKCS1,
            (KeyUsage::Mac, Hmac224) => &["HMAC_SHA_224"],
            (KeyUsage::Mac, Hmac384) => &["HMAC_SHA_384"],
            (KeyUsage::Mac, Hmac512) => &["HMAC_SHA_512"],
            (KeyUsage::Mac, _) => &["HMAC_SHA_256"],
            (KeyUsage::Agree, _) => &["ECDH"],
        }
    }
}

impl KeyUsage {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "ENCRYPT_DECRYPT",
            Self::Sign => "SIGN_VERIFY",
            Self::Mac => "GENERATE_VERIFY_MAC",
            Self::Agree => "KEY_AGREEMENT",
        }
    }
}
