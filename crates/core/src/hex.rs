//! Bytes as hexadecimal digits, two for each byte.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

/// The digits of `bytes`, in lower case.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

/// The bytes that `digits`, of either case, stand for; `None` for anything else.
pub fn decode(digits: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}

/// As [`decode`], for just `N` bytes.
pub fn decode_array<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let right = digits.len() == 2 * N && HEXLOWER_PERMISSIVE.decode_mut(digits.as_bytes(), &mut bytes).is_ok();
    right.then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bytes() {
        assert_eq!(encode([0, 0xaf, 0x10]), "00af10");
        assert_eq!(decode("00aF10"), Some(vec![0, 0xaf, 0x10]));
        assert_eq!(decode_array("00AF10"), Some([0, 0xaf, 0x10]));
        for wrong in ["0", "0g", " 0", "\u{e9}"] {
            assert_eq!(decode(wrong), None, "{wrong}");
            assert_eq!(decode_array::<1>(wrong), None, "{wrong}");
        }
        assert_eq!(decode_array::<2>("00"), None);
    }
}
