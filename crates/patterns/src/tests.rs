use crate::{Dialect, Event, Pattern};
use serde_json::{Value, json};

fn fits(pattern: Value, event: Value) -> bool {
    let compiled = Pattern::compile(&pattern.to_string(), Dialect::EventBridge).unwrap();
    compiled.matches(&Event::of(&event))
}

fn reason(text: &str) -> String {
    Pattern::compile(text, Dialect::EventBridge).unwrap_err().0
}

fn sns(text: &str) -> String {
    Pattern::compile(text, Dialect::Sns).unwrap_err().0
}

#[test]
fn plain_values() {
    assert!(fits(json!({"a": ["x", "y"]}), json!({"a": "y"})));
    assert!(!fits(json!({"a": ["x"]}), json!({"a": "z"})));
    assert!(fits(json!({"a": [3.018e2]}), json!({"a": 301.8})));
    assert!(!fits(json!({"a": [300]}), json!({"a": "300"})));
    assert!(fits(json!({"a": [null]}), json!({"a": null})));
    assert!(!fits(json!({"a": [null]}), json!({"a": []})));
    assert!(fits(json!({"a": [true]}), json!({"a": [false, true]})));
    assert!(fits(json!({"d": {"s": ["r"]}}), json!({"d.s": "r"})));
    assert!(fits(json!({"d": {"a.b": ["r"]}}), json!({"d": {"a": {"b": "r"}}})));
}

#[test]
fn content() {
    assert!(fits(json!({"a": [{"prefix": "ab"}]}), json!({"a": "abc"})));
    assert!(fits(
        json!({"a": [{"prefix": {"equals-ignore-case": "AB"}}]}),
        json!({"a": "aBc"})
    ));
    assert!(fits(json!({"a": [{"suffix": ".png"}]}), json!({"a": "x.png"})));
    assert!(fits(json!({"a": [{"anything-but": ["x"]}]}), json!({"a": null})));
    assert!(!fits(json!({"a": [{"anything-but": ["x"]}]}), json!({"b": 1})));
    assert!(!fits(json!({"a": [{"anything-but": 5}]}), json!({"a": 5.0})));
    assert!(fits(
        json!({"a": [{"anything-but": {"prefix": ["x", "y"]}}]}),
        json!({"a": 123})
    ));
    assert!(!fits(
        json!({"a": [{"anything-but": {"wildcard": "*/d/*"}}]}),
        json!({"a": "x/d/y"})
    ));
    assert!(fits(json!({"a": [{"numeric": [">", 0, "<=", 5]}]}), json!({"a": 5})));
    assert!(!fits(json!({"a": [{"numeric": [">", 0, "<", 5]}]}), json!({"a": 5})));
    assert!(fits(json!({"a": [{"exists": false}]}), json!({"a": {"b": 1}})));
    assert!(!fits(json!({"a": [{"exists": true}]}), json!({"a": []})));
    assert!(fits(
        json!({"a": [{"cidr": "10.0.0.0/24"}]}),
        json!({"a": "10.0.0.255"})
    ));
    assert!(!fits(json!({"a": [{"cidr": "10.0.0.0/24"}]}), json!({"a": "10.0.1.0"})));
    assert!(fits(
        json!({"a": [{"wildcard": "dir/*.p*g"}]}),
        json!({"a": "dir/x.png.png"})
    ));
    assert!(!fits(json!({"a": [{"wildcard": ""}]}), json!({"a": "x"})));
    assert!(fits(json!({"a": [{"wildcard": "\\*"}]}), json!({"a": "*"})));
    assert!(fits(
        json!({"$or": [{"a": [1]}, {"b": [2]}], "c": [3]}),
        json!({"b": 2, "c": 3})
    ));
    assert!(!fits(
        json!({"$or": [{"a": [1]}, {"b": [2]}], "c": [3]}),
        json!({"b": 2})
    ));
}

#[test]
fn values_of_one_element_go_together() {
    let pattern = json!({"list": {"a": [1], "b": [2]}});
    assert!(fits(
        pattern.clone(),
        json!({"list": [{"a": 9, "b": 9}, {"a": 1, "b": 2}]})
    ));
    assert!(!fits(pattern, json!({"list": [{"a": 1, "b": 9}, {"a": 9, "b": 2}]})));
}

#[test]
fn mistakes_are_told_as_aws_tells_them() {
    let at = |text: &str, column: u32| format!("\n at [Source: (String)\"{text}\"; line: 1, column: {column}]");
    for (text, message, column) in [
        (r#"{"int": 42}"#, "\"int\" must be an object or an array", 11),
        (
            r#"{"string": "my-value"}"#,
            "\"string\" must be an object or an array",
            13,
        ),
        (r#"{"resources": []}"#, "Empty arrays are not allowed", 17),
        (
            r#"{"my_key": [{"EXISTS": true}]}"#,
            "Unrecognized match type EXISTS",
            28,
        ),
        (
            r#"{"detail": {"equal": [{"NUMERIC": ["=", 5]}]}}"#,
            "Unrecognized match type NUMERIC",
            36,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, ">", 0]}]}}"#,
            "Bad numeric range operator: >",
            49,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": [">", 0, "<"]}]}}"#,
            "Value of < must be numeric",
            50,
        ),
        (
            r#"{"detail": {"c-count": [{"numeric": 10}]}}"#,
            "Value of numeric must be an array.",
            39,
        ),
        (
            r#"{"time": [{"prefix": 123}]}"#,
            "prefix match pattern must be a string",
            25,
        ),
        (
            r#"{"FileName": [{"suffix": [".png"]}]}"#,
            "suffix match pattern must be a string",
            27,
        ),
        (
            r#"{"detail": {"FileName": [{"anything-but": {"prefix": ""}}]}}"#,
            "Null prefix/suffix not allowed",
            56,
        ),
        (
            r#"["not", "a", "dict", "but valid json"]"#,
            "Filter is not an object",
            2,
        ),
        (
            r#"{'bad': 'quotation'}"#,
            "Unexpected character (''' (code 39)): was expecting double-quote to start field name",
            2,
        ),
    ] {
        assert_eq!(reason(text), format!("{message}{}", at(text, column)));
    }
    let text = r#"{"detail": {"state": [{"anything-but": ["stopped", null]}]}}"#;
    let place = at(text, 56);
    assert_eq!(
        reason(text),
        format!("Inside anything but list, start|null|boolean is not supported.{place}{place}")
    );
    assert_eq!(
        reason(r#"{"a": [{"cidr": "xx.11.xx/8"}]}"#),
        "Nonstandard IP address: xx.11.xx"
    );
    assert!(reason(r#"{"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}"#).starts_with("Rule is too complex"));
    assert!(reason("{\"a\": \u{e9}}").contains("Unrecognized token"));
    assert!(reason("\u{20ac}").ends_with("column: 2]"));
    assert!(reason("this is valid json but not a dict").ends_with("column: 5]"));
    assert!(reason(r#"{"not": closed mark""#).ends_with("column: 15]"));
}

#[test]
fn mistakes_in_filter_policies() {
    for (text, message, column) in [
        (
            r#"{"key":[["value"]]}"#,
            "Match value must be String, number, true, false, or null",
            10,
        ),
        (
            r#"{"key":[{"wrong-operator":true}]}"#,
            "Unrecognized match type wrong-operator",
            31,
        ),
        (
            r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#,
            "Only one key allowed in match expression",
            37,
        ),
        (
            r#"{"key":[{"numeric":["operator"]}]}"#,
            "Unrecognized numeric range operator: operator",
            32,
        ),
        (
            r#"{"key":[{"numeric":["=","000"]}]}"#,
            "Value of equals must be numeric",
            26,
        ),
        (
            r#"{"key":[{"numeric":["<",100,">",10]}]}"#,
            "Too many elements in numeric expression",
            30,
        ),
        (
            r#"{"key":[{"numeric":[">",3,"<",1]}]}"#,
            "Bottom must be less than top",
            33,
        ),
        (
            r#"{"key":[{"numeric":[">",20,30]}]}"#,
            "Bad value in numeric range: 30",
            30,
        ),
        (
            r#"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"#,
            "Too many terms in numeric range expression",
            36,
        ),
        (
            r#"{"key":[{"exists":"no"}]}"#,
            "exists match pattern must be either true or false.",
            20,
        ),
        (
            r#"{"key":[{"anything-but":{"suffix":"test"}}]}"#,
            "Unsupported anything-but pattern: suffix",
            36,
        ),
        (
            r#"{"key":[{"anything-but":{"prefix":false}}]}"#,
            "prefix match pattern must be a string",
            40,
        ),
    ] {
        assert_eq!(
            sns(text),
            format!("{message}\n at [Source: (String)\"{text}\"; line: 1, column: {column}]")
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,60}", json in r#"[\[\]{}:,"a0-9\\* .-]{0,40}"#) {
        let _ = Pattern::compile(&text, Dialect::EventBridge);
        let _ = Pattern::compile(&json, Dialect::Sns);
        let _ = Pattern::compile(&format!("{{\"a\":[{json}]}}"), Dialect::EventBridge);
    }
}
