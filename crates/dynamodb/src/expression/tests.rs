use super::*;
use crate::item_json::tests::any_value;
use crate::{AttributeValue, Item};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

type Names = BTreeMap<String, String>;
type Values = BTreeMap<String, AttributeValue>;

fn item(json: Json) -> Item {
    serde_json::from_value(json).unwrap()
}

/// `#x` stands for `x`, for some letters; `:n` is 1, `:s` is "a", and so on.
fn placeholders() -> (Names, Values) {
    let names = ["a", "b", "c", "d", "4g"].map(|name| (format!("#{name}"), name.to_owned()));
    let values = item(json!({
        ":n": {"N": "1"}, ":m": {"N": "5"}, ":s": {"S": "a"}, ":t": {"S": "b"}, ":bool": {"BOOL": true},
        ":l": {"L": [{"S": "x"}]}, ":ss": {"SS": ["a"]}, ":map": {"M": {}}, ":type": {"S": "SS"}, ":b": {"B": "YQ=="},
    }));
    (names.into(), values)
}

fn parse<T>(read: impl FnOnce(&mut Placeholders<'_>) -> Result<T, ValidationError>) -> Result<T, String> {
    let (names, values) = placeholders();
    let mut placeholders = Placeholders::new(Some(&names), Some(&values)).unwrap();
    read(&mut placeholders).map_err(|error| error.message().to_owned())
}

fn condition(text: &str) -> Result<Condition, String> {
    parse(|placeholders| Condition::parse(Parameter::Filter, text, placeholders))
}

fn update(text: &str) -> Result<Update, String> {
    parse(|placeholders| Update::parse(text, placeholders))
}

fn projection(text: &str) -> Result<Projection, String> {
    parse(|placeholders| Projection::parse(text, placeholders))
}

fn refuses<T: std::fmt::Debug>(parameter: Parameter, read: fn(&str) -> Result<T, String>, cases: &[(&str, &str)]) {
    for (text, message) in cases {
        match read(text) {
            Ok(tree) => panic!("{text} became {tree:?}"),
            Err(error) => {
                let expected = format!("Invalid {}: {message}", parameter.name());
                assert!(error.starts_with(&expected), "{text}:\n  {error}\n  {expected}");
            }
        }
    }
}

const SYNTAX: &str = "Syntax error; token: ";

#[test]
fn syntax_errors_of_conditions_show_the_token_and_its_neighbours() {
    for (text, token, near) in [
        ("things are not gonna be ok", "are", "things are not"),
        ("a > 4", "4", "> 4"),
        ("a =", "<EOF>", "="),
        ("= a", "=", "= a"),
        ("a = _b", "_", "= _b"),
        ("!!! INVALID", "!", "!!"),
        ("attribute_exists(Pictures-RearView)", "-", "Pictures-RearView"),
        ("attribute_exists(Pictures..RearView)", ".", "..RearView"),
        ("attribute_exists(\"x\")", "\"", "(\"x"),
        ("attribute_exists(b[a])", "a", "[a]"),
        ("a in b", "b", "in b"),
        ("a in (b,c,)", ")", ",)"),
        ("a > between", "between", "> between"),
        ("(a)between(b.c.d)and((c)", "<EOF>", ")"),
        ("b[:n] > a", ":n", "[:n]"),
        ("size(a).b > a", ".", ").b"),
        ("(size(a))[0] > a", "[", ")[0"),
        ("ü > a", "ü", "ü >"),
        ("a", "<EOF>", "a"),
        ("a = b c", "c", "b c"),
        ("(a = b", "<EOF>", "b"),
        ("a = b)", ")", "b)"),
    ] {
        let expected = format!("Invalid FilterExpression: Syntax error; token: \"{token}\", near: \"{near}\"");
        assert_eq!(condition(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn conditions_are_checked_in_the_order_of_the_service() {
    let reserved = "Attribute name is a reserved keyword; reserved keyword: ";
    let parens = "The expression has redundant parentheses;";
    let distinct =
        "The first operand must be distinct from the remaining operands for this operator or function; operator: ";
    let misused = "The function is not allowed to be used this way in an expression; function: ";
    let count = "Incorrect number of operands for operator or function; operator or function: ";
    let wrong = "Incorrect operand type for operator or function; operator or function: ";
    refuses(
        Parameter::Filter,
        condition,
        &[
            ("", "The expression can not be empty;"),
            ("a=c and a > ((views))", parens),
            ("(a)between(((b.c)).d)and(c)", parens),
            ("a > whatever((:things), ((a)))", parens),
            ("a=b AND ((a=b AND a=c)) AND a=d", parens),
            ("a=b OR ((a=b OR (a=c OR a=d)))", parens),
            ("((a=b))", parens),
            (
                "a=a and whatever((:things)) > a",
                "Invalid function name; function: whatever",
            ),
            (
                "attRIbute_exIsts((views), #a)",
                "Invalid function name; function: attRIbute_exIsts",
            ),
            (
                "a=a and attribute_exists((views), (#a)) > b",
                &format!("{misused}attribute_exists"),
            ),
            ("size(contains(a, b)) > a", &format!("{misused}contains")),
            (
                "if_not_exists(a, b) = c",
                "The function is not allowed in a condition expression; function: if_not_exists",
            ),
            ("size(things)", &format!("{misused}size")),
            (
                "a in (b, attribute_exists(things))",
                &format!("{misused}attribute_exists"),
            ),
            ("attribute_exists(views, #z)", &format!("{reserved}views")),
            (":z < abOrT", &format!("{reserved}abOrT")),
            (
                "begins_with(Pictures.#RearView)",
                "An expression attribute name used in the document path is not defined; attribute name: #RearView",
            ),
            (
                "#4g > #_",
                "An expression attribute name used in the document path is not defined; attribute name: #_",
            ),
            (
                "begins_with(:hello, #a, #b)",
                "An expression attribute value used in expression is not defined; attribute value: :hello",
            ),
            (
                "attribute_exists(things, a) and a=a",
                &format!("{count}attribute_exists, number of operands: 2"),
            ),
            (
                "begins_with(things, size(a), b)",
                &format!("{count}begins_with, number of operands: 3"),
            ),
            ("size(things, a) > b", &format!("{count}size, number of operands: 2")),
            (
                "attribute_type(a, size(a)) and a=a",
                &format!("{wrong}attribute_type, operand type: N"),
            ),
            (
                "attribute_type(a, b)",
                &format!("{wrong}attribute_type, operand type: {{NS,SS"),
            ),
            (
                "attribute_type(a, :s)",
                "Invalid attribute type name found; type: a, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
            ),
            (
                "begins_with(a, size(a)) and a=:a",
                &format!("{wrong}begins_with, operand type: N"),
            ),
            ("begins_with(:l, a)", &format!("{wrong}begins_with, operand type: L")),
            ("size(size(a)) > :n", &format!("{wrong}size, operand type: N")),
            (
                "attribute_not_exists(size(:n))",
                &format!("{wrong}size, operand type: N"),
            ),
            (
                "attribute_not_exists(size(:s))",
                "Operator or function requires a document path; operator or function: attribute_not_exists",
            ),
            (
                "attribute_exists(:s) and a=a",
                "Operator or function requires a document path; operator or function: attribute_exists",
            ),
            ("a < :bool", &format!("{wrong}<, operand type: BOOL")),
            (
                "a between :bool and :bool",
                &format!("{wrong}BETWEEN, operand type: BOOL"),
            ),
            ("a = a AND #a = b", &format!("{distinct}=, first operand: [a]")),
            ("#a <> a", &format!("{distinct}<>, first operand: [a]")),
            (
                "contains(ab.bc[1].a, ab.bc[1].#a)",
                &format!("{distinct}contains, first operand: [ab, bc, [1], a]"),
            ),
            (
                "a between :n and :s",
                "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}",
            ),
            (
                "a between :t and :s",
                "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound operand: AttributeValue: {S:a}",
            ),
        ],
    );
}

#[test]
fn conditions_keep_to_their_limits() {
    let nested = |depth| format!("a<b {}{}", "or (a<b ".repeat(depth), ")".repeat(depth));
    assert!(condition(&nested(149)).is_ok());
    let operators = "The expression contains too many operators; operator count: 301";
    let too_many = format!("a in (:n{})", ",:n".repeat(100));
    let long = format!("a = b{}", " ".repeat(4092));
    let deep = format!("a{} = :n", ".b".repeat(32));
    refuses(
        Parameter::Filter,
        condition,
        &[
            (&nested(454), operators),
            (&format!("{}a<b", "not ".repeat(1000)), operators),
            (&"(".repeat(4096), SYNTAX),
            (
                &format!("{}a<b{}", "(".repeat(2046), ")".repeat(2046)),
                "The expression has redundant parentheses;",
            ),
            (&format!("a < {}b{}", "f(".repeat(1355), ")".repeat(1355)), ""),
            (
                &too_many,
                "The IN operator is provided with too many operands; number of operands: 101",
            ),
            (
                &long,
                "Expression size has exceeded the maximum allowed size; expression size: 4097",
            ),
            (
                &deep,
                "The document path has too many nesting levels; nesting levels: 33",
            ),
        ],
    );
}

#[test]
fn conditions_hold_of_items() {
    let item = item(json!({
        "n": {"N": "3"}, "s": {"S": "hello"}, "b": {"B": "AQID"}, "t": {"BOOL": true}, "z": {"NULL": true},
        "m": {"M": {"x": {"N": "5"}, "l": {"L": [{"S": "p"}, {"S": "q"}]}}},
        "l": {"L": [{"N": "1"}, {"S": "a"}, {"NULL": true}]}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.0"]},
    }));
    for (text, holds) in [
        ("n > :n", true),
        ("n < :n", false),
        (":m >= n", true),
        ("n = :s", false),
        ("n <> :s", true),
        ("n < :s", false),
        ("gone = :n", false),
        ("gone <> :n", true),
        ("gone <> gone2", true),
        ("gone = gone2", false),
        ("n between :n and :m", true),
        ("s between :s and :t", false),
        ("n in (:n, m.x, n2)", false),
        ("m.x in (:n, :m)", true),
        ("m.l[1] = :s or m.l[0] <> :s", true),
        ("m.l[2] = :s", false),
        ("attribute_exists(m.x) and attribute_not_exists(m.y)", true),
        ("attribute_type(ss, :type)", true),
        ("attribute_type(gone, :type)", false),
        ("begins_with(s, :s)", false),
        ("begins_with(:s, :s)", true),
        ("contains(ss, :s) and contains(ns, :n) and contains(l, :s)", true),
        ("contains(ss, :n) or contains(n, :n)", false),
        ("size(s) = :m and size(l) > :n", true),
        ("size(n) = :n", false),
        ("size(m) < :m", true),
        ("not n = :n", true),
        ("not not n = :n", false),
        ("n = :n or n = :n and gone = :n or t = :bool", true),
        ("(n = :n or t = :bool) and (t = :bool)", true),
        ("not (n = :n or t = :bool)", false),
        ("(m.l)[0] <> (:s) and (m).x = :m", true),
        ("NOT n=:n AND nOt (n)=(:n)", true),
    ] {
        assert_eq!(condition(text).unwrap().holds(&item), holds, "{text}");
    }
}

#[test]
fn unused_and_malformed_placeholders_are_refused() {
    let names: Names = [("#a".to_owned(), "a".to_owned()), ("#b".to_owned(), "b".to_owned())].into();
    let mut placeholders = Placeholders::new(Some(&names), None).unwrap();
    Projection::parse("#a", &mut placeholders).unwrap();
    assert_eq!(
        placeholders.finish().unwrap_err().message(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}"
    );
    let refused = |key: &str| {
        let names: Names = [(key.to_owned(), "a".to_owned())].into();
        Placeholders::new(Some(&names), None).unwrap_err().message().to_owned()
    };
    for key in ["a", "#", "#a-b", ":a"] {
        assert_eq!(
            refused(key),
            format!("ExpressionAttributeNames contains invalid key: Syntax error; key: \"{key}\"")
        );
    }
    let empty = Placeholders::new(Some(&Names::new()), None).unwrap_err();
    assert_eq!(empty.message(), "ExpressionAttributeNames must not be empty");
}

#[test]
fn projections_take_parts_and_close_lists() {
    let whole = item(json!({
        "a": {"M": {"x": {"N": "1"}, "y": {"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}]}}}, "b": {"S": "b"}, "l": {"L": []},
    }));
    for (text, expected) in [
        ("a.x, b", json!({"a": {"M": {"x": {"N": "1"}}}, "b": {"S": "b"}})),
        (
            "#a.y[2], a.y[0]",
            json!({"a": {"M": {"y": {"L": [{"S": "0"}, {"S": "2"}]}}}}),
        ),
        ("a.y[7], a.z, gone, b.c, l[0]", json!({})),
        ("l", json!({"l": {"L": []}})),
    ] {
        assert_eq!(projection(text).unwrap().of(&whole), item(expected), "{text}");
    }
    refuses(
        Parameter::Projection,
        projection,
        &[
            ("a,", "Syntax error; token: \"<EOF>\", near: \",\""),
            ("a b", "Syntax error; token: \"b\", near: \"a b\""),
            (
                "a, abort",
                "Attribute name is a reserved keyword; reserved keyword: abort",
            ),
            (
                "#zz",
                "An expression attribute name used in the document path is not defined; attribute name: #zz",
            ),
            (
                "a.b, a",
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a]",
            ),
            (
                "a.b, a[1]",
                "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, b], path two: [a, [1]]",
            ),
            (
                &format!("a{}", ".b".repeat(32)),
                "The document path has too many nesting levels; nesting levels: 33",
            ),
            (
                "a[99999999999999999999]",
                "List index is not within the allowable range; index: [99999999999999999999]",
            ),
        ],
    );
}

#[test]
fn updates_are_checked_in_the_order_of_the_service() {
    for text in [
        "whatever",
        "set a",
        "set a=set",
        "remove a = b",
        "add a = b",
        "delete a b",
        "add abort b",
        "set a b",
        "set :a = b",
        "remove :a",
        "set a = b / c",
        "set a[1] = 1",
        "SET a = if_not_exist(a, 100)",
        "SET if_not_exist(a, b) = a",
        "set (a = (b + c))",
        "set a = (b.c).d + e",
        "set a = b + c + d",
        "SET c = if_not_exists(c, :n+:m)",
        "set a = _f(b)",
        "set a = b,",
        "set a = b remove",
    ] {
        let error = update(text).unwrap_err();
        assert!(
            error.starts_with("Invalid UpdateExpression: Syntax error; "),
            "{text}: {error}"
        );
    }
    refuses(
        Parameter::Update,
        update,
        &[
            (
                "set #c = :zz set abOrt = b ",
                "Attribute name is a reserved keyword; reserved keyword: abOrt",
            ),
            (
                "set #c = if_not_exist(:zz) set c = d",
                "Invalid function name; function: if_not_exist",
            ),
            (
                "set a = #z set c = :d",
                "The \"SET\" section can only be used once in an update expression;",
            ),
            (
                "SET #z = if_not_exists(:zz)",
                "An expression attribute name used in the document path is not defined; attribute name: #z",
            ),
            (
                "SET #a = if_not_exists(:zz)",
                "An expression attribute value used in expression is not defined; attribute value: :zz",
            ),
            (
                "set d[1] = a, d.b = a, c[1].a = a, #c = if_not_exists(a)",
                "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [c, [1], a], path two: [c]",
            ),
            ("set a.b = c, a[1] = c", "Two document paths conflict with each other"),
            (
                "add a :s",
                "Incorrect operand type for operator or function; operator: ADD, operand type: STRING",
            ),
            (
                "delete a :n",
                "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER",
            ),
            (
                "set a = :s + :n",
                "Incorrect operand type for operator or function; operator or function: +, operand type: S",
            ),
            (
                "set a = if_not_exists(b)",
                "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1",
            ),
            (
                "set a = if_not_exists(:n, :n)",
                "Operator or function requires a document path; operator or function: if_not_exists",
            ),
            (
                "set a = list_append(:s, b)",
                "Incorrect operand type for operator or function; operator or function: list_append, operand type: S",
            ),
            (
                "set a = list_append(list_append(b, :l), :l)",
                "The function is not allowed to be used this way in an expression; function: list_append",
            ),
        ],
    );
}

#[test]
fn updates_change_items() {
    let old = item(json!({
        "n": {"N": "3"}, "s": {"S": "x"}, "l": {"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}]}, "m": {"M": {"k": {"N": "1"}}},
        "ss": {"SS": ["a", "b"]},
    }));
    let changed = |json: Json| {
        let mut new = old.clone();
        for (name, value) in json.as_object().unwrap() {
            match value {
                Json::Null => drop(new.remove(name)),
                value => drop(new.insert(name.clone(), serde_json::from_value(value.clone()).unwrap())),
            }
        }
        new
    };
    for (text, changes) in [
        ("set n = n + :n, s = n", json!({"n": {"N": "4"}, "s": {"N": "3"}})),
        ("set a = (n - :m)", json!({"a": {"N": "-2"}})),
        ("set a = if_not_exists(a, :n) + :m", json!({"a": {"N": "6"}})),
        (
            "set l = list_append(:l, l)",
            json!({"l": {"L": [{"S": "x"}, {"S": "0"}, {"S": "1"}, {"S": "2"}]}}),
        ),
        (
            "set l[7] = :s, l[9] = :t, l[1] = :n",
            json!({"l": {"L": [{"S": "0"}, {"N": "1"}, {"S": "2"}, {"S": "a"}, {"S": "b"}]}}),
        ),
        ("remove l[0], l[2], l[8]", json!({"l": {"L": [{"S": "1"}]}})),
        (
            "remove l[0] set l[5] = :s",
            json!({"l": {"L": [{"S": "1"}, {"S": "2"}, {"S": "a"}]}}),
        ),
        ("set m.j = :s remove m.k, gone", json!({"m": {"M": {"j": {"S": "a"}}}})),
        ("add n :m, a :n, ss :ss, b.c :ss", Json::Null),
        ("add n :m, a :n, ss :ss", json!({"n": {"N": "8"}, "a": {"N": "1"}})),
        ("delete ss :ss", json!({"ss": {"SS": ["b"]}})),
        ("delete gone :ss remove s", json!({"s": null})),
    ] {
        let result = update(text).unwrap().apply(&old);
        match changes {
            Json::Null => assert!(result.is_err(), "{text}"),
            changes => assert_eq!(result.unwrap(), changed(changes), "{text}"),
        }
    }
    let one = item(json!({"ss": {"SS": ["a"]}}));
    assert_eq!(update("delete ss :ss").unwrap().apply(&one).unwrap(), Item::new());
    for (text, message) in [
        (
            "set a.b = :n",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "set n.b = :n",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "remove y[1]",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "remove l.k",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "delete y.a :ss",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "set a = b",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            "set a = s + :n",
            "An operand in the update expression has an incorrect data type",
        ),
        (
            "add s :n",
            "An operand in the update expression has an incorrect data type",
        ),
        (
            "delete n :ss",
            "An operand in the update expression has an incorrect data type",
        ),
    ] {
        assert_eq!(
            update(text).unwrap().apply(&old).unwrap_err().message(),
            message,
            "{text}"
        );
    }
    let touched = update("set m.j = :s, l[1] = :n remove s").unwrap().touched();
    let expected = item(json!({"s": {"S": "x"}, "l": {"L": [{"S": "1"}]}}));
    assert_eq!(touched.of(&old), expected);
}

#[test]
fn key_conditions_are_a_partition_and_a_range() {
    let schema = |text: &str| {
        let conditions = parse(|placeholders| KeyCondition::parse(text, placeholders))?;
        let key = |name, kind| KeyAttribute { name, kind };
        conditions
            .against(
                key("p", crate::AttributeType::S),
                Some(key("r", crate::AttributeType::N)),
            )
            .map_err(|error| error.message().to_owned())
    };
    let (_, values) = placeholders();
    let value = |name: &str| values[name].clone();
    for (text, sort) in [
        ("p = :s", None),
        (":s = p AND r = :n", Some(SortCondition::Equal(value(":n")))),
        ("(p = :s) and (:n < r)", Some(SortCondition::Greater(value(":n")))),
        ("r <= :n and p = :s", Some(SortCondition::LessOrEqual(value(":n")))),
        (
            "(p = :s and r between :n and :m)",
            Some(SortCondition::Between(value(":n"), value(":m"))),
        ),
    ] {
        assert_eq!(
            schema(text).unwrap(),
            KeyCondition {
                partition: value(":s"),
                sort
            },
            "{text}"
        );
    }
    let invalid = |rest: &str| format!("Invalid KeyConditionExpression: {rest}");
    let operator = |name: &str| invalid(&format!("Invalid operator used in KeyConditionExpression: {name}"));
    let multiple =
        invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition");
    let nested = invalid("KeyConditionExpressions cannot have conditions on nested attributes");
    let operations = invalid("KeyConditionExpressions cannot contain nested operations");
    let mismatch = "One or more parameter values were invalid: Condition parameter type does not match schema type";
    for (text, message) in [
        ("p = :s or r = :n", operator("OR")),
        ("not p = :s", operator("NOT")),
        ("p in (:s)", operator("IN")),
        ("p <> :s", operator("<>")),
        ("attribute_exists(p)", operator("attribute_exists")),
        ("contains(p, :s)", operator("contains")),
        ("attribute_type(p, :type)", operator("attribute_type")),
        ("p = r", multiple.clone()),
        ("p between a and :s", multiple),
        ("p.x = :s", nested),
        ("size(p) > :n", operations.clone()),
        ("p > size(r)", operations),
        (
            ":s = :t",
            invalid("Invalid condition in KeyConditionExpression: No key attribute specified"),
        ),
        (
            "begins_with(:s, p)",
            invalid(
                "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand",
            ),
        ),
        (
            "p = :s and r > :n and r < :m",
            invalid("KeyConditionExpressions must only contain one condition per key"),
        ),
        ("r = :n", "Query condition missed key schema element: p".to_owned()),
        (
            "p = :s and q = :s",
            "Query condition missed key schema element: r".to_owned(),
        ),
        ("p > :s", "Query key condition not supported".to_owned()),
        ("p = :n", mismatch.to_owned()),
        ("p = :s and r = :s", mismatch.to_owned()),
        (
            "p = :s and r = :n and q = :n",
            "The number of query conditions (3) exceeds the number of key attributes defined in the schema (2)"
                .to_owned(),
        ),
    ] {
        assert_eq!(schema(text).unwrap_err(), message, "{text}");
    }
}

/// Text that is an expression about as often as not.
fn any_text() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a",
        "b",
        "#a",
        ":n",
        ":s",
        ":l",
        ":ss",
        "(",
        ")",
        "=",
        "<",
        "<>",
        ">=",
        "AND",
        "OR",
        "NOT",
        "BETWEEN",
        "IN",
        ",",
        ".",
        "[",
        "]",
        "0",
        "1",
        "size",
        "contains",
        "attribute_exists",
        "begins_with",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "+",
        "-",
        "if_not_exists",
        "list_append",
        "é",
        "_",
        "#",
        ":",
        "views",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.join(" "))
}

/// A condition that can be read, and its text.
fn any_condition() -> impl Strategy<Value = String> {
    let operand = prop::sample::select(vec!["a", "b.c", "l[0]", ":n", ":s", "size(a)", "size(l)"]);
    let comparison = (
        operand.clone(),
        prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]),
        operand,
    )
        .prop_filter("distinct", |(left, _, right)| left != right)
        .prop_map(|(left, operator, right)| format!("{left} {operator} {right}"));
    let leaf = prop_oneof![
        comparison,
        Just("attribute_exists(a)".to_owned()),
        Just("contains(l, :s)".to_owned())
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("NOT ({one} OR :n = :n)")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("{one} AND ({two} OR :n = :m)")),
            (inner.clone(), inner).prop_map(|(one, two)| format!("{one} OR {two}")),
        ]
    })
}

proptest! {
    #[test]
    fn reading_never_panics(text in prop_oneof![any_text(), ".{0,60}"]) {
        let _ = condition(&text);
        let _ = update(&text);
        let _ = projection(&text);
        let _ = parse(|placeholders| KeyCondition::parse(&text, placeholders));
    }

    #[test]
    fn negation_and_de_morgan_hold(one in any_condition(), two in any_condition(), a in any_value(), l in any_value()) {
        let item: Item = [("a".to_owned(), a), ("l".to_owned(), l)].into();
        let holds = |text: &str| condition(text).unwrap_or_else(|error| panic!("{text}: {error}")).holds(&item);
        let (first, second) = (holds(&one), holds(&two));
        prop_assert_eq!(holds(&format!("NOT ({one} AND :n = :n)")), !first);
        prop_assert_eq!(holds(&format!("({one} AND :n = :n) AND ({two} OR :n = :m)")), first && second);
        prop_assert_eq!(holds(&format!("{one} OR {two}")), first || second);
    }

    #[test]
    fn setting_a_value_makes_it_readable(value in any_value(), old in any_value()) {
        let item: Item = [("a".to_owned(), old)].into();
        let values: Values = [(":v".to_owned(), value.clone())].into();
        let mut placeholders = Placeholders::new(None, Some(&values)).unwrap();
        let update = Update::parse("SET b = a, a = :v, c = if_not_exists(zz, a)", &mut placeholders).unwrap();
        placeholders.finish().unwrap();
        let new = update.apply(&item).unwrap();
        prop_assert_eq!(&new["a"], &value);
        prop_assert_eq!(&new["b"], &item["a"]);
        prop_assert_eq!(&new["c"], &item["a"]);
        prop_assert_eq!(update.touched().of(&new), new);
    }
}
