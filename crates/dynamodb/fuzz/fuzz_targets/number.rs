//! Texts are numbers or are refused; numbers keep their text, their order as bytes, and sums that can be taken back.
#![no_main]

use danbi_dynamodb::Number;
use libfuzzer_sys::fuzz_target;

fn encoded(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode_ordered(&mut bytes);
    bytes
}

fuzz_target!(|texts: (&str, &str, &[u8])| {
    let _ = Number::decode_ordered(texts.2);
    let (Ok(first), Ok(second)) = (texts.0.parse::<Number>(), texts.1.parse::<Number>()) else { return };
    assert_eq!(first.to_string().parse(), Ok(first));
    assert_eq!(encoded(first).cmp(&encoded(second)), first.cmp(&second));
    if let Ok(sum) = first.checked_add(second)
        && let Ok(back) = sum.checked_sub(second)
    {
        assert_eq!(back, first);
    }
});
