use super::*;
use crate::item_size;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn read(json: &str) -> Result<AttributeValue, ServiceError> {
    serde_json::from_str(json).map_err(|error| refusal(&error.to_string()))
}

fn refused(json: &str) -> (&'static str, String) {
    match read(json) {
        Ok(value) => panic!("{json} became {value:?}"),
        Err(error) => (error.code, error.message),
    }
}

#[test]
fn reads_every_type() {
    for json in [
        r#"{"S":"a\u00e9\n"}"#,
        r#"{"S":""}"#,
        r#"{"N":"-1.5"}"#,
        r#"{"B":"AAH/"}"#,
        r#"{"B":""}"#,
        r#"{"BOOL":false}"#,
        r#"{"NULL":true}"#,
        r#"{"M":{"a":{"L":[{"S":"x"},{"M":{}}]}}}"#,
        r#"{"L":[]}"#,
        r#"{"SS":["a","b"]}"#,
        r#"{"NS":["-1","2"]}"#,
        r#"{"BS":["AA==","AQ=="]}"#,
    ] {
        let value = read(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(read(&serde_json::to_string(&value).unwrap()).unwrap(), value, "{json}");
    }
    assert_eq!(
        read(r#"{"S":null,"N":"1","Other":[{"x":1}]}"#).unwrap(),
        AttributeValue::N(1u64.into())
    );
}

#[test]
fn a_wrong_shape_is_a_serialization_exception() {
    for (json, message) in [
        (r#"{"N":123}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"S":true}"#, "TRUE_VALUE cannot be converted to String"),
        (r#"{"S":1.5}"#, "DECIMAL_VALUE cannot be converted to String"),
        (r#"{"S":["a"]}"#, "Unrecognized collection type class java.lang.String"),
        (r#"{"S":{"a":1}}"#, "Start of structure or map found where not expected"),
        (
            r#"{"B":"YWJ"}"#,
            "Base64 encoded length is expected a multiple of 4 bytes but found: 3",
        ),
        (r#"{"B":"YWJ?"}"#, "Invalid Base64 character: '?'"),
        (r#"{"B":7}"#, "only base-64-encoded strings are convertible to bytes"),
        (r#"{"SS":"a"}"#, "Unexpected field type"),
        (r#"{"L":{}}"#, "Start of structure or map found where not expected"),
        (r#""a""#, "Unexpected value type in payload"),
        (r#"{"BOOL":"maybe"}"#, "Unexpected token received from parser"),
    ] {
        assert_eq!(refused(json), ("SerializationException", message.to_owned()), "{json}");
    }
    assert_eq!(refused(r#"{"S":"a"#).0, "SerializationException");
}

#[test]
fn a_wrong_value_is_a_validation_exception() {
    let empty = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    for (json, message) in [
        ("{}", empty),
        (r#"{"S":null}"#, empty),
        ("null", empty),
        (
            r#"{"S":"a","N":"1"}"#,
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            r#"{"NULL":false}"#,
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        ),
        (
            r#"{"SS":[]}"#,
            "One or more parameter values were invalid: An string set  may not be empty",
        ),
        (
            r#"{"NS":[]}"#,
            "One or more parameter values were invalid: An number set  may not be empty",
        ),
        (
            r#"{"BS":[]}"#,
            "One or more parameter values were invalid: Binary sets should not be empty",
        ),
        (
            r#"{"SS":["b","a","b"]}"#,
            "One or more parameter values were invalid: Input collection [b, a, b] contains duplicates.",
        ),
        (r#"{"NS":["1","1.0"]}"#, "Input collection contains duplicates"),
        (
            r#"{"BS":["AQ==","AQ=="]}"#,
            "One or more parameter values were invalid: Input collection [AQ==, AQ==]of type BS contains duplicates.",
        ),
        (
            r#"{"N":"dog at line 3"}"#,
            "The parameter cannot be converted to a numeric value: dog at line 3",
        ),
    ] {
        assert_eq!(refused(json), ("ValidationException", message.to_owned()), "{json}");
    }
}

/// A scalar inside `wraps` lists.
fn nested(wraps: usize) -> String {
    format!("{}{{\"S\":\"x\"}}{}", "{\"L\":[".repeat(wraps), "]}".repeat(wraps))
}

#[test]
fn nests_32_levels_deep_and_no_deeper() {
    assert_eq!(read(&nested(31)).unwrap().depth(), 32);
    let (code, message) = refused(&nested(32));
    assert_eq!(code, "ValidationException");
    assert!(
        message.starts_with("Nesting Levels have exceeded supported limits"),
        "{message}"
    );
    assert!(read(&nested(200_000)).is_err());
}

#[test]
fn sizes_are_those_of_the_developer_guide() {
    let item: Item = serde_json::from_str(
        r#"{"pk":{"S":"héllo"},"n":{"N":"123"},"flag":{"BOOL":true},"none":{"NULL":true},
            "list":{"L":[{"S":"ab"},{"N":"1"}]},"map":{"M":{"k":{"B":"AAEC"}}},"set":{"SS":["x","yz"]}}"#,
    )
    .unwrap();
    let expected = (2 + 6) + (1 + 3) + (4 + 1) + (4 + 1) + (4 + 3 + (1 + 2) + (1 + 2)) + (3 + 3 + 1 + 1 + 3) + (3 + 3);
    assert_eq!(item_size(&item), expected);
}

#[test]
fn a_value_takes_32_bytes() {
    assert_eq!(size_of::<AttributeValue>(), 32);
}

pub(crate) fn any_value() -> impl Strategy<Value = AttributeValue> {
    let number = (-1000i64..1000).prop_map(Number::from);
    let leaf = prop_oneof![
        "[a-c]{0,3}".prop_map(AttributeValue::S),
        number.clone().prop_map(AttributeValue::N),
        vec(any::<u8>(), 0..3).prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        vec("[a-c]{1,2}", 1..4).prop_map(|texts| AttributeValue::Ss(Set::new(texts).unwrap())),
        vec(number, 1..4).prop_map(|numbers| AttributeValue::Ns(Set::new(numbers).unwrap())),
        vec(vec(any::<u8>(), 1..3), 1..4).prop_map(|blobs| AttributeValue::Bs(Set::new(blobs).unwrap())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            btree_map("[a-c]{1,2}", inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

proptest! {
    #[test]
    fn values_round_trip_through_json(value in any_value()) {
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(read(&json).unwrap(), value);
    }

    #[test]
    fn values_round_trip_through_the_tree_of_the_wire(value in any_value()) {
        let tree = danbi_wire::value::to_value(&value).unwrap();
        prop_assert_eq!(danbi_wire::value::from_value::<AttributeValue>(tree).unwrap(), value);
    }

    #[test]
    fn reading_never_panics(json in r#"[\{\}\[\]":,SNBML0-9a]{0,40}"#) {
        let _ = read(&json);
    }
}
