use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use xxhash_rust::xxh3::Xxh3Default;
use xxhash_rust::xxh64::Xxh64;

use super::ChecksumAlgorithm;

/// A checksum that is being computed over bytes as they pass. The CRCs and the SHAs use the CPU's own instructions
/// where it has them.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    Sha1(Sha1),
    Sha256(Box<Sha256>),
    Sha512(Box<Sha512>),
    Md5(Md5),
    Xxhash64(Box<Xxh64>),
    /// Of 64 bits, or of 128.
    Xxhash3(ChecksumAlgorithm, Box<Xxh3Default>),
}

impl Hasher {
    /// Begins.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        Self(match algorithm {
            ChecksumAlgorithm::Sha1 => State::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => State::Sha256(Box::default()),
            ChecksumAlgorithm::Sha512 => State::Sha512(Box::default()),
            ChecksumAlgorithm::Md5 => State::Md5(Md5::new()),
            ChecksumAlgorithm::Xxhash64 => State::Xxhash64(Box::new(Xxh64::new(0))),
            ChecksumAlgorithm::Xxhash3 | ChecksumAlgorithm::Xxhash128 => {
                State::Xxhash3(algorithm, Box::new(Xxh3Default::new()))
            }
            crc => State::Crc(crc, Box::new(crc_fast::Digest::new(crc_kind(crc)))),
        })
    }

    /// The value of `bytes` at once.
    pub fn hash(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> ChecksumValue {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// What is being computed.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        match &self.0 {
            State::Crc(algorithm, _) | State::Xxhash3(algorithm, _) => *algorithm,
            State::Sha1(_) => ChecksumAlgorithm::Sha1,
            State::Sha256(_) => ChecksumAlgorithm::Sha256,
            State::Sha512(_) => ChecksumAlgorithm::Sha512,
            State::Md5(_) => ChecksumAlgorithm::Md5,
            State::Xxhash64(_) => ChecksumAlgorithm::Xxhash64,
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Crc(_, crc) => crc.update(bytes),
            State::Sha1(sha) => sha.update(bytes),
            State::Sha256(sha) => sha.update(bytes),
            State::Sha512(sha) => sha.update(bytes),
            State::Md5(md5) => md5.update(bytes),
            State::Xxhash64(hash) => hash.update(bytes),
            State::Xxhash3(_, hash) => hash.update(bytes),
        }
    }

    /// The value over all that was taken.
    pub fn finish(self) -> ChecksumValue {
        match self.0 {
            State::Crc(algorithm, crc) => ChecksumValue::from_number(algorithm, crc.finalize()),
            State::Sha1(sha) => ChecksumValue::from_bytes(ChecksumAlgorithm::Sha1, &sha.finalize()),
            State::Sha256(sha) => ChecksumValue::from_bytes(ChecksumAlgorithm::Sha256, &sha.finalize()),
            State::Sha512(sha) => ChecksumValue::from_bytes(ChecksumAlgorithm::Sha512, &sha.finalize()),
            State::Md5(md5) => ChecksumValue::from_bytes(ChecksumAlgorithm::Md5, &md5.finalize()),
            State::Xxhash64(hash) => ChecksumValue::from_number(ChecksumAlgorithm::Xxhash64, hash.digest()),
            State::Xxhash3(ChecksumAlgorithm::Xxhash128, hash) => {
                ChecksumValue::from_bytes(ChecksumAlgorithm::Xxhash128, &hash.digest128().to_be_bytes())
            }
            State::Xxhash3(algorithm, hash) => ChecksumValue::from_number(algorithm, hash.digest()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm())
    }
}

fn crc_kind(algorithm: ChecksumAlgorithm) -> CrcAlgorithm {
    match algorithm {
        ChecksumAlgorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        ChecksumAlgorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
        _ => CrcAlgorithm::Crc64Nvme,
    }
}

/// The value of a checksum: its raw bytes, most significant first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChecksumValue {
    algorithm: ChecksumAlgorithm,
    bytes: [u8; ChecksumAlgorithm::MAX_VALUE_BYTES],
}

impl ChecksumValue {
    /// From base64 as headers carry it; `None` when it is not base64 of the right length.
    pub fn from_base64(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        // The longest value, SHA-512's, has 88 characters.
        if text.len() > 88 {
            return None;
        }
        let bytes = STANDARD.decode(text).ok()?;
        (bytes.len() == algorithm.value_bytes()).then(|| Self::from_bytes(algorithm, &bytes))
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.value_bytes()]
    }

    /// Base64, as headers and answers write it.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.as_bytes())
    }

    /// The value of `a ++ b` from that of `a` (this one) and that of `b`, which has `length` bytes; `None` for what is
    /// no CRC and does not combine.
    pub fn followed_by(&self, next: &Self, length: u64) -> Option<Self> {
        if !self.algorithm.combines() || self.algorithm != next.algorithm {
            return None;
        }
        let kind = crc_kind(self.algorithm);
        let number = crc_fast::checksum_combine(kind, self.number(), next.number(), length);
        Some(Self::from_number(self.algorithm, number))
    }

    fn number(&self) -> u64 {
        self.as_bytes()
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn from_number(algorithm: ChecksumAlgorithm, number: u64) -> Self {
        let bytes = number.to_be_bytes();
        Self::from_bytes(algorithm, &bytes[bytes.len() - algorithm.value_bytes()..])
    }

    /// `bytes` has the algorithm's length.
    fn from_bytes(algorithm: ChecksumAlgorithm, value: &[u8]) -> Self {
        let mut bytes = [0; ChecksumAlgorithm::MAX_VALUE_BYTES];
        bytes[..value.len()].copy_from_slice(value);
        Self { algorithm, bytes }
    }
}

impl fmt::Debug for ChecksumValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_base64())
    }
}

/// The MD5 of bytes as they pass: the entity tag of an object that was put whole.
#[derive(Debug, Clone, Default)]
pub struct Md5Hasher(Md5);

impl Md5Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash over all that was taken.
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}
