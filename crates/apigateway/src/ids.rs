//! Ids and key values as API Gateway makes them.

use crate::Error;

const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const KEY_ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Ten lower-case letters and digits.
pub(crate) fn id() -> Result<String, Error> {
    random(ALPHABET, 10)
}

/// The value of an API key: forty letters and digits.
pub(crate) fn key_value() -> Result<String, Error> {
    random(KEY_ALPHABET, 40)
}

/// What `x-amz-apigw-id` shows: fifteen characters and an equals sign, like the base64 of eleven bytes.
pub(crate) fn extended_request_id() -> String {
    let text = random(KEY_ALPHABET, 15).unwrap_or_else(|_| "AAAAAAAAAAAAAAA".into());
    text + "="
}

fn random(alphabet: &[u8], count: usize) -> Result<String, Error> {
    let mut bytes = [0; 40];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    // The bias of the remainder costs a fraction of a bit.
    let letter = |byte: &u8| char::from(alphabet[usize::from(*byte) % alphabet.len()]);
    Ok(bytes[..count.min(bytes.len())].iter().map(letter).collect())
}
