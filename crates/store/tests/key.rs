//! Keys order as their tuples do, and read back as they were written.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use std::cmp::Reverse;

use danbi_store::KeyRange;
use danbi_store::key::{KeyBuilder, KeyError, KeyReader};
use proptest::collection::vec;
use proptest::prelude::*;

/// An element; the derived order of the variants is the documented order of kinds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Element {
    Bytes(Vec<u8>),
    Text(String),
    Number(i128),
    Descending(Reverse<u64>),
}

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        vec(prop_oneof![Just(0_u8), Just(0xff), any::<u8>()], 0..6).prop_map(Element::Bytes),
        "[\\x00\\x01a-zé가\u{10ffff}]{0,5}".prop_map(Element::Text),
        any::<u64>().prop_map(|number| Element::Number(number.into())),
        any::<i64>().prop_map(|number| Element::Number(number.into())),
        (-300_i64..300).prop_map(|number| Element::Number(number.into())),
        any::<u64>().prop_map(|number| Element::Descending(Reverse(number))),
    ]
}

fn encode(tuple: &[Element]) -> bytes::Bytes {
    let append = |key: KeyBuilder, element: &Element| match element {
        Element::Bytes(bytes) => key.bytes(bytes),
        Element::Text(text) => key.str(text),
        Element::Number(number) => match u64::try_from(*number) {
            Ok(number) => key.u64(number),
            Err(_) => key.i64(i64::try_from(*number).unwrap()),
        },
        Element::Descending(Reverse(number)) => key.u64_desc(*number),
    };
    tuple.iter().fold(KeyBuilder::new(), append).build()
}

fn decode(key: &[u8], like: &[Element]) -> Result<Vec<Element>, KeyError> {
    let mut reader = KeyReader::new(key);
    let read = |element: &Element| {
        Ok(match element {
            Element::Bytes(_) => Element::Bytes(reader.bytes()?),
            Element::Text(_) => Element::Text(reader.str()?),
            Element::Number(number) if *number < 0 => Element::Number(reader.i64()?.into()),
            Element::Number(_) => Element::Number(reader.u64()?.into()),
            Element::Descending(_) => Element::Descending(Reverse(reader.u64_desc()?)),
        })
    };
    let tuple = like.iter().map(read).collect();
    reader.end()?;
    tuple
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_order_as_tuples(left in vec(element(), 0..4), right in vec(element(), 0..4)) {
        prop_assert_eq!(encode(&left).cmp(&encode(&right)), left.cmp(&right));
    }

    #[test]
    fn neighbours_order_as_tuples(number in any::<i64>(), step in -2_i64..3) {
        let (left, right) = (number, number.saturating_add(step));
        let key = |number| KeyBuilder::new().i64(number).build();
        prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
    }

    #[test]
    fn decoding_gives_back_the_tuple(tuple in vec(element(), 0..5)) {
        prop_assert_eq!(decode(&encode(&tuple), &tuple), Ok(tuple));
    }

    #[test]
    fn garbage_is_an_error_or_a_tuple(garbage in vec(any::<u8>(), 0..40)) {
        let mut reader = KeyReader::new(&garbage);
        let _ = (reader.str(), reader.bytes(), reader.u64(), reader.i64(), reader.u64_desc(), reader.end());
    }

    #[test]
    fn a_prefix_range_holds_the_tuples_that_begin_so(head in vec(element(), 0..3), tuple in vec(element(), 0..4)) {
        let range = KeyRange::prefix(encode(&head));
        prop_assert_eq!(range.contains(&encode(&tuple)), tuple.starts_with(&head));
    }

    #[test]
    fn a_text_prefix_holds_the_texts_that_begin_so(head in "[\\x00a-c]{0,2}", text in "[\\x00a-c]{0,4}") {
        let range = KeyRange::prefix(KeyBuilder::new().u64(1).str_prefix(&head));
        prop_assert_eq!(range.contains(&KeyBuilder::new().u64(1).str(&text).build()), text.starts_with(&head));
    }
}

#[test]
fn integers_of_both_signs_share_one_order() {
    assert_eq!(KeyBuilder::new().u64(7).build(), KeyBuilder::new().i64(7).build());
    let minus_one = KeyBuilder::new().i64(-1).build();
    assert_eq!(KeyReader::new(&minus_one).u64(), Err(KeyError::OutOfRange));
    assert!(minus_one < KeyBuilder::new().u64(0).build());
}
