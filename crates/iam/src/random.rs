use crate::IamError;

/// `N` bytes of the operating system's randomness.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], IamError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| IamError::Random(error.to_string()))?;
    Ok(bytes)
}

/// `prefix` followed by `count` random characters of the alphabet of AWS's ids, `A`–`Z` and `2`–`7`; at most 32.
pub(crate) fn id(prefix: &str, count: usize) -> Result<String, IamError> {
    Ok(id_from(prefix, count, &bytes::<32>()?))
}

/// The same from given bytes, one character a byte.
pub(crate) fn id_from(prefix: &str, count: usize, bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let letters = bytes
        .iter()
        .take(count)
        .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
    prefix.chars().chain(letters).collect()
}
