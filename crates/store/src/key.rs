//! Keys as tuples whose byte order is the order of the tuples, element by element.
//!
//! The encoding is FoundationDB's tuple layer (<https://github.com/apple/foundationdb/blob/main/design/tuple.md>)
//! for byte strings, text and integers, plus a descending integer; but strings end in two bytes, as CockroachDB's do,
//! so that the key of `("a",)` is no prefix of the key of `("a\0",)`. Elements of different kinds at the same place
//! order as: bytes, text, integers, descending integers. Text orders by its UTF-8 bytes.
//!
//! A key is a prefix of another only if its tuple is a prefix of the other's, so
//! `KeyRange::prefix(KeyBuilder::new().str("function").build())` holds exactly the tuples that begin with `"function"`.

use bytes::Bytes;

const BYTES: u8 = 0x01;
const TEXT: u8 = 0x02;
const ZERO: u8 = 0x14;
const DESCENDING: u8 = 0x30;
/// Stands behind a zero that belongs to a string.
const ESCAPED: u8 = 0xff;
/// Stands behind the zero that ends a string.
const END: u8 = 0x01;

/// Builds a key, element by element.
///
/// ```
/// use danbi_store::key::{KeyBuilder, KeyReader};
/// let key = KeyBuilder::new().str("alias").u64(7).build();
/// let mut reader = KeyReader::new(&key);
/// assert_eq!(reader.str()?, "alias");
/// assert_eq!(reader.u64()?, 7);
/// reader.end()?;
/// # Ok::<(), danbi_store::key::KeyError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct KeyBuilder(Vec<u8>);

/// Bytes that most keys fit into, so that building one moves nothing.
const USUAL_BYTES: usize = 128;

impl Default for KeyBuilder {
    fn default() -> Self {
        Self(Vec::with_capacity(USUAL_BYTES))
    }
}

impl KeyBuilder {
    /// The empty tuple.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text.
    pub fn str(mut self, text: &str) -> Self {
        self.0.push(TEXT);
        self.escaped(text.as_bytes());
        self.0.extend([0, END]);
        self
    }

    /// Appends bytes.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.push(BYTES);
        self.escaped(bytes);
        self.0.extend([0, END]);
        self
    }

    /// Appends an integer; orders together with [`KeyBuilder::i64`].
    pub fn u64(mut self, number: u64) -> Self {
        self.magnitude(number, ZERO, |zero, length| zero + length, 0);
        self
    }

    /// Appends an integer; orders together with [`KeyBuilder::u64`].
    pub fn i64(mut self, number: i64) -> Self {
        let mask = if number < 0 { 0xff } else { 0 };
        self.magnitude(
            number.unsigned_abs(),
            ZERO,
            if number < 0 { |z, l| z - l } else { |z, l| z + l },
            mask,
        );
        self
    }

    /// Appends an integer so that larger ones come first.
    pub fn u64_desc(mut self, number: u64) -> Self {
        self.0.push(DESCENDING);
        self.0.extend_from_slice(&(!number).to_be_bytes());
        self
    }

    /// Ends with the beginning of a text element: the result is no key but a prefix of all whose next element is text
    /// that begins with `text`.
    pub fn str_prefix(mut self, text: &str) -> Bytes {
        self.0.push(TEXT);
        self.escaped(text.as_bytes());
        self.build()
    }

    /// The encoded key.
    pub fn build(self) -> Bytes {
        // Keys are kept, so they get no more room than they need.
        Bytes::copy_from_slice(&self.0)
    }

    fn escaped(&mut self, bytes: &[u8]) {
        let mut pieces = bytes.split(|byte| *byte == 0);
        self.0.extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            self.0.extend_from_slice(&[0, ESCAPED]);
            self.0.extend_from_slice(piece);
        }
    }

    fn magnitude(&mut self, magnitude: u64, zero: u8, tag: fn(u8, u8) -> u8, mask: u8) {
        let skipped = magnitude.leading_zeros() as usize / 8;
        let digits = &magnitude.to_be_bytes()[skipped..];
        // At most eight digits, so the length fits.
        self.0.push(tag(zero, digits.len() as u8));
        self.0.extend(digits.iter().map(|digit| digit ^ mask));
    }
}

/// What is wrong with a key that was to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key ends within an element, or before the one asked for.
    #[error("the key ends early")]
    Truncated,
    /// The next element is of another kind than the one asked for, or the key goes on where it should end.
    #[error("the key holds another element than expected")]
    Unexpected,
    /// A text element is not UTF-8.
    #[error("a text element of the key is not UTF-8")]
    NotText,
    /// The number does not fit the type asked for.
    #[error("a number in the key is out of range")]
    OutOfRange,
}

/// Takes a key apart, element by element, in the order in which it was built.
#[derive(Debug, Clone)]
pub struct KeyReader<'k>(&'k [u8]);

impl<'k> KeyReader<'k> {
    /// Reads `key` from its first element.
    pub fn new(key: &'k [u8]) -> Self {
        Self(key)
    }

    /// Reads `key` behind `prefix`, which another [`KeyBuilder`] made.
    pub fn after_prefix(key: &'k [u8], prefix: &[u8]) -> Result<Self, KeyError> {
        key.strip_prefix(prefix).map(Self).ok_or(KeyError::Unexpected)
    }

    /// Takes a text element.
    pub fn str(&mut self) -> Result<String, KeyError> {
        String::from_utf8(self.unescaped(TEXT)?).map_err(|_| KeyError::NotText)
    }

    /// Takes a byte string.
    pub fn bytes(&mut self) -> Result<Vec<u8>, KeyError> {
        self.unescaped(BYTES)
    }

    /// Takes an integer that is not negative.
    pub fn u64(&mut self) -> Result<u64, KeyError> {
        match self.integer()? {
            (false, magnitude) => Ok(magnitude),
            (true, _) => Err(KeyError::OutOfRange),
        }
    }

    /// Takes an integer.
    pub fn i64(&mut self) -> Result<i64, KeyError> {
        let number = match self.integer()? {
            (false, magnitude) => i128::from(magnitude),
            (true, magnitude) => -i128::from(magnitude),
        };
        i64::try_from(number).map_err(|_| KeyError::OutOfRange)
    }

    /// Takes an integer that [`KeyBuilder::u64_desc`] wrote.
    pub fn u64_desc(&mut self) -> Result<u64, KeyError> {
        self.tag(|tag| tag == DESCENDING)?;
        let (digits, rest) = self.0.split_first_chunk().ok_or(KeyError::Truncated)?;
        self.0 = rest;
        Ok(!u64::from_be_bytes(*digits))
    }

    /// Whether no element is left.
    pub fn is_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes sure that no element is left.
    pub fn end(&self) -> Result<(), KeyError> {
        if self.is_end() {
            Ok(())
        } else {
            Err(KeyError::Unexpected)
        }
    }

    fn tag(&mut self, accepts: impl Fn(u8) -> bool) -> Result<u8, KeyError> {
        let (&tag, rest) = self.0.split_first().ok_or(KeyError::Truncated)?;
        if !accepts(tag) {
            return Err(KeyError::Unexpected);
        }
        self.0 = rest;
        Ok(tag)
    }

    fn integer(&mut self) -> Result<(bool, u64), KeyError> {
        let tag = self.tag(|tag| (ZERO - 8..=ZERO + 8).contains(&tag))?;
        let length = usize::from(tag.abs_diff(ZERO));
        let (digits, rest) = self.0.split_at_checked(length).ok_or(KeyError::Truncated)?;
        self.0 = rest;
        let mask = if tag < ZERO { 0xff } else { 0 };
        let magnitude = digits
            .iter()
            .fold(0, |number, digit| number << 8 | u64::from(digit ^ mask));
        Ok((tag < ZERO, magnitude))
    }

    fn unescaped(&mut self, kind: u8) -> Result<Vec<u8>, KeyError> {
        self.tag(|tag| tag == kind)?;
        let mut bytes = Vec::new();
        loop {
            let end = self.0.iter().position(|&byte| byte == 0).ok_or(KeyError::Truncated)?;
            bytes.extend_from_slice(&self.0[..end]);
            self.0 = &self.0[end + 1..];
            let (&kind, rest) = self.0.split_first().ok_or(KeyError::Truncated)?;
            self.0 = rest;
            match kind {
                ESCAPED => bytes.push(0),
                END => return Ok(bytes),
                _ => return Err(KeyError::Unexpected),
            }
        }
    }
}
