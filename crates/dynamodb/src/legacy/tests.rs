use super::*;
use crate::Item;
use crate::expression::KeyAttribute;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

fn read<T: DeserializeOwned>(json: Json) -> T {
    serde_json::from_value(json).unwrap()
}

fn holds(expected_json: Json, operator: Option<&str>, item: &Json) -> Result<bool, String> {
    let item: Item = read(item.clone());
    let condition = expected(Some(&read(expected_json)), operator).map_err(|error| error.message().to_owned())?;
    Ok(condition.is_none_or(|condition| condition.holds(&item)))
}

#[test]
fn expectations_hold_of_items() {
    let item = json!({"a": {"N": "2"}, "s": {"S": "hello"}, "l": {"L": [{"N": "4"}]}, "z": {"NULL": true}});
    for (condition, expected) in [
        (json!({"a": {"Value": {"N": "2.0"}}}), true),
        (json!({"a": {"Exists": true, "Value": {"N": "3"}}}), false),
        (json!({"q": {"Exists": false}}), true),
        (json!({"a": {"ComparisonOperator": "EQ", "Value": {"N": "2"}}}), true),
        (
            json!({"q": {"ComparisonOperator": "NE", "AttributeValueList": [{"N": "2"}]}}),
            true,
        ),
        (json!({"z": {"ComparisonOperator": "NOT_NULL"}}), true),
        (
            json!({"z": {"ComparisonOperator": "NULL", "AttributeValueList": []}}),
            false,
        ),
        (
            json!({"s": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"S": "ell"}]}}),
            true,
        ),
        (
            json!({"s": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [{"N": "1"}]}}),
            true,
        ),
        (
            json!({"q": {"ComparisonOperator": "NOT_CONTAINS", "AttributeValueList": [{"N": "1"}]}}),
            false,
        ),
        (
            json!({"s": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"S": "he"}]}}),
            true,
        ),
        (
            json!({"a": {"ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}, {"N": "5"}, {"N": "2"}]}}),
            true,
        ),
        (
            json!({"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "2"}, {"N": "2"}]}}),
            true,
        ),
        (
            json!({"a": {"ComparisonOperator": "LT", "AttributeValueList": [{"S": "9"}]}}),
            false,
        ),
        (json!({}), true),
    ] {
        assert_eq!(holds(condition.clone(), None, &item), Ok(expected), "{condition}");
    }
    let two = json!({"a": {"Value": {"N": "9"}}, "q": {"Exists": false}});
    assert_eq!(holds(two.clone(), Some("OR"), &item), Ok(true));
    assert_eq!(holds(two, Some("AND"), &item), Ok(false));
}

#[test]
fn expectations_are_refused_in_the_words_of_the_service() {
    let invalid = "One or more parameter values were invalid: ";
    for (condition, message) in [
        (
            json!({"a": {}}),
            "Value must be provided when Exists is null for Attribute: a",
        ),
        (
            json!({"a": {"Exists": true}}),
            "Value must be provided when Exists is true for Attribute: a",
        ),
        (
            json!({"a": {"Exists": false, "Value": {"N": "1"}}}),
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        (
            json!({"a": {"Value": {"N": "1"}, "AttributeValueList": []}}),
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        (
            json!({"a": {"Exists": true, "ComparisonOperator": "EQ"}}),
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        (
            json!({"a": {"ComparisonOperator": "EQ"}}),
            "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a",
        ),
        (
            json!({"a": {"AttributeValueList": [{"N": "1"}]}}),
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        (
            json!({"a": {"ComparisonOperator": "NULL", "AttributeValueList": [{"N": "1"}]}}),
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
        (
            json!({"a": {"ComparisonOperator": "IN", "AttributeValueList": [{"N": "1"}, {"S": "1"}]}}),
            "AttributeValues inside AttributeValueList must be of same type",
        ),
        (
            json!({"a": {"ComparisonOperator": "BEGINS_WITH", "AttributeValueList": [{"N": "1"}]}}),
            "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
        (
            json!({"a": {"ComparisonOperator": "LE", "AttributeValueList": [{"L": []}]}}),
            "ComparisonOperator LE is not valid for L AttributeValue type",
        ),
    ] {
        assert_eq!(
            holds(condition.clone(), None, &json!({})),
            Err(format!("{invalid}{message}")),
            "{condition}"
        );
    }
    let between = json!({"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [{"N": "4"}, {"N": "3"}]}});
    assert!(
        holds(between, None, &json!({}))
            .unwrap_err()
            .contains("lower bound is greater")
    );
    let one = json!({"a": {"Exists": false}});
    assert!(
        holds(one, Some("AND"), &json!({}))
            .unwrap_err()
            .starts_with("ConditionalOperator can only be used when")
    );
    assert!(
        holds(json!({}), Some("OR"), &json!({}))
            .unwrap_err()
            .starts_with("ConditionalOperator cannot be used without")
    );
}

#[test]
fn attribute_updates_put_add_and_delete() {
    let old: Item = read(json!({"n": {"N": "1"}, "s": {"SS": ["a", "b"]}, "l": {"L": [{"N": "1"}]}, "x": {"S": "x"}}));
    let apply = |updates: Json| {
        attribute_updates(&read(updates))
            .and_then(|update| update.apply(&old))
            .map_err(|error| error.message().to_owned())
    };
    let new = apply(json!({
        "n": {"Action": "ADD", "Value": {"N": "2"}}, "s": {"Action": "DELETE", "Value": {"SS": ["a"]}},
        "l": {"Action": "ADD", "Value": {"L": [{"N": "2"}]}}, "x": {"Action": "DELETE"}, "y": {"Value": {"BOOL": true}},
    }));
    let expected: Item = read(json!({
        "n": {"N": "3"}, "s": {"SS": ["b"]}, "l": {"L": [{"N": "1"}, {"N": "2"}]}, "y": {"BOOL": true},
    }));
    assert_eq!(new, Ok(expected));
    for (updates, message) in [
        (
            json!({"a": {"Action": "PUT"}}),
            "Only DELETE action is allowed when no attribute value is specified",
        ),
        (
            json!({"a": {"Action": "DELETE", "Value": {"N": "1"}}}),
            "DELETE action with value is not supported for the type N",
        ),
        (
            json!({"a": {"Action": "ADD", "Value": {"S": "1"}}}),
            "ADD action is not supported for the type S",
        ),
    ] {
        assert_eq!(
            apply(updates),
            Err(format!("One or more parameter values were invalid: {message}"))
        );
    }
    for updates in [
        json!({"s": {"Action": "ADD", "Value": {"N": "1"}}}),
        json!({"n": {"Action": "DELETE", "Value": {"SS": ["a"]}}}),
        json!({"n": {"Action": "ADD", "Value": {"L": []}}}),
    ] {
        assert_eq!(apply(updates), Err("Type mismatch for attribute to update".to_owned()));
    }
}

#[test]
fn key_conditions_are_held_against_the_schema() {
    let read_keys = |conditions: Json| {
        let key = |name, kind| KeyAttribute { name, kind };
        key_conditions(&read(conditions))
            .and_then(|keys| keys.against(key("p", AttributeType::S), Some(key("r", AttributeType::N))))
            .map_err(|error| error.message().to_owned())
    };
    let on = |operator: &str, values: Json| json!({"ComparisonOperator": operator, "AttributeValueList": values});
    let p = on("EQ", json!([{"S": "x"}]));
    assert!(read_keys(json!({"p": p, "r": on("BETWEEN", json!([{"N": "1"}, {"N": "2"}]))})).is_ok());
    for (conditions, message) in [
        (json!({}), "Conditions can be of length 1 or 2 only"),
        (
            json!({"r": on("EQ", json!([{"N": "1"}]))}),
            "Query condition missed key schema element: p",
        ),
        (json!({"p": p, "q": p}), "Query condition missed key schema element: r"),
        (
            json!({"p": on("NE", json!([{"S": "x"}]))}),
            "Attempted conditional constraint is not an indexable operation",
        ),
        (
            json!({"p": p, "r": on("NULL", json!([]))}),
            "Attempted conditional constraint is not an indexable operation",
        ),
        (
            json!({"p": on("GT", json!([{"S": "x"}]))}),
            "Query key condition not supported",
        ),
        (
            json!({"p": on("EQ", json!([{"N": "1"}]))}),
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
    ] {
        assert_eq!(read_keys(conditions), Err(message.to_owned()));
    }
}
