//! Whatever arrives, a decoder answers with a value or an error: it never panics, and it stays within its bounds.

use bytes::Bytes;
use danbi_wire::model::{Model, OperationModel};
use danbi_wire::protocol::{Protocol, RoutedRequest, decode_request, encode_response};
use danbi_wire::{models, validate, value};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

const PROTOCOLS: [Protocol; 7] = [
    Protocol::Json10,
    Protocol::Json11,
    Protocol::RestJson,
    Protocol::RestXml,
    Protocol::Query,
    Protocol::Ec2,
    Protocol::RpcV2Cbor,
];

fn operations() -> Vec<(&'static Model, &'static OperationModel)> {
    let all = models::ALL.iter().map(|model| model.get());
    let mut all: Vec<_> = all
        .flat_map(|model| model.operations().map(move |operation| (model, operation)))
        .collect();
    all.retain(|(_, operation)| operation.input.is_some());
    all.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    all
}

fn decode_everywhere(which: usize, query: &str, header: &[u8], body: &Bytes) {
    let operations = operations();
    let (model, operation) = operations[which % operations.len()];
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(header) {
        for name in ["x-amz-client-context", "x-amz-invocation-type", "x-amz-log-type"] {
            headers.insert(name, value.clone());
        }
    }
    let labels = [("FunctionName".to_owned(), query.to_owned())];
    for protocol in PROTOCOLS {
        let request = RoutedRequest {
            labels: &labels,
            query,
            headers: &headers,
            body,
        };
        let Ok(decoded) = decode_request(model, operation, protocol, request) else {
            continue;
        };
        if let Some(input) = &operation.input {
            let _ = validate::validate(model, input, &decoded);
        }
        // What was decoded can be encoded, whatever the operation's output is.
        let _ = encode_response(model, operation, protocol, &decoded, "id");
    }
}

/// Text that is close to what the decoders expect.
fn near_misses() -> impl Strategy<Value = Vec<u8>> {
    let json = r#"[\[\]{}",:0-9a-zA-Z\\.eE+ -]{0,80}"#;
    let xml = r#"(<[/?!]?[a-zA-Z]{0,4}( [a-z]{1,3}="[^"]{0,3}")?/?>|&#?[a-z0-9]{0,4};?|[a-z]{0,3}|\]\]>|<!\[CDATA\[|<!DOCTYPE x>){0,12}"#;
    let form = r#"([a-zA-Z.0-9%+]{0,12}(=[a-zA-Z0-9%+]{0,6})?&?){0,8}"#;
    prop_oneof![
        json.prop_map(String::into_bytes),
        xml.prop_map(String::into_bytes),
        form.prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..120),
        // CBOR heads: major type and length, mostly lying.
        proptest::collection::vec(
            prop_oneof![any::<u8>(), 0x80u8..=0xbf, 0x5fu8..=0x7f, Just(0xff)],
            0..60
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_request_is_answered(
        which in any::<usize>(),
        query in "[ -~]{0,60}",
        header in proptest::collection::vec(0x20u8..=0xff, 0..40),
        body in near_misses(),
    ) {
        decode_everywhere(which, &query, &header, &body.into());
    }

    #[test]
    fn what_serde_writes_it_reads(
        text in ".{0,20}", number in any::<i64>(), flag in any::<bool>(), bytes in proptest::collection::vec(any::<u8>(), 0..20),
        list in proptest::collection::vec(any::<i32>(), 0..5), map in proptest::collection::btree_map(".{0,5}", ".{0,5}", 0..4),
    ) {
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        struct Shape {
            #[serde(rename = "Text")]
            text: String,
            number: i64,
            flag: Option<bool>,
            #[serde(skip_serializing_if = "Option::is_none")]
            nothing: Option<String>,
            blob: danbi_wire::Blob,
            list: Vec<i32>,
            map: std::collections::BTreeMap<String, String>,
            below: Option<Box<Shape>>,
        }
        let shape = Shape { text, number, flag: Some(flag), nothing: None, blob: bytes.into(), list, map, below: None };
        let shape = Shape { below: Some(Box::new(shape.clone())), ..shape };
        let tree = value::to_value(&shape).expect("a tree");
        prop_assert_eq!(value::from_value::<Shape>(tree).expect("the shape"), shape);
    }
}

#[test]
fn bombs_are_refused() {
    let operations = operations();
    let (model, operation) = operations
        .iter()
        .find(|(_, operation)| operation.name == "CreateFunction")
        .expect("modelled");
    let refused = |protocol, body: String| {
        let headers = HeaderMap::new();
        let request = RoutedRequest {
            labels: &[],
            query: "",
            headers: &headers,
            body: &body.into(),
        };
        decode_request(model, operation, protocol, request).is_err()
    };
    let entities = "<!DOCTYPE b [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><X><Description>&b;</Description></X>";
    assert!(refused(Protocol::RestXml, entities.into()));
    assert!(refused(Protocol::RestXml, "<a>".repeat(100_000)));
    assert!(refused(Protocol::RestJson, "[".repeat(1_000_000)));
    assert!(refused(
        Protocol::RestJson,
        format!("{{\"Layers\":[{}\"\"]}}", "\"\",".repeat(1_000_001))
    ));
    assert!(refused(Protocol::Query, "a=b&".repeat(60_000)));
    assert!(refused(Protocol::Query, format!("{}=1", ".a".repeat(1000))));
    // A CBOR array that claims 2^60 items, and arrays in arrays.
    let (model, operation) = operations
        .iter()
        .find(|(_, operation)| operation.name == "PutLogEvents")
        .expect("modelled");
    for body in [b"\xa1\x69logEvents\x9b\x10\0\0\0\0\0\0\0".to_vec(), vec![0x81; 1000]] {
        let headers = HeaderMap::new();
        let request = RoutedRequest {
            labels: &[],
            query: "",
            headers: &headers,
            body: &body.into(),
        };
        assert!(decode_request(model, operation, Protocol::RpcV2Cbor, request).is_err());
    }
}
