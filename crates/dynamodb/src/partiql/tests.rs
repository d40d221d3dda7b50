use super::parser::parse;
use super::statement::Statement;
use crate::expression::{Condition, Path, UpdateAction};
use crate::{AttributeValue, Item};
use proptest::prelude::*;
use serde_json::json;

fn refused(text: &str) -> String {
    match parse(text, &[]) {
        Ok(statement) => panic!("{text} became {statement:?}"),
        Err(error) => error.message().to_owned(),
    }
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[test]
fn reads_statements_of_each_kind() {
    for statement in [
        "SELECT * FROM \"t\" WHERE pk = 'a' AND begins_with(\"sk\", 'p')",
        "select a, b.c[0], m['k'] from t.\"i\" where a >= 1 and not (b is missing or c in [1, 'x', -.73e1]) order by a desc",
        "SELECT * FROM t -- a note\nWHERE pk = 1 /* another */",
        "INSERT INTO t VALUE {'pk': 'it''s', 'n': 7.32e6, 'l': [1, {'a': null}], 's': <<'a', 'b'>>, 'b': true}",
        "UPDATE t SET a = 1 SET b = list_append(b, [1]), c = c + 1 REMOVE d, e[0] WHERE pk = 'x' RETURNING ALL NEW *",
        "UPDATE \"t\" SET s = set_add(s, <<1>>) WHERE pk = 'x'",
        "DELETE FROM t WHERE pk = 'x' AND a BETWEEN 1 AND 2 RETURNING ALL OLD *",
        "EXISTS (SELECT * FROM t WHERE pk = 'x' AND size(a) > 2)",
    ] {
        if let Err(error) = parse(statement, &[]) {
            panic!("{statement}: {error}");
        }
    }
}

#[test]
fn parameters_are_filled_in_by_their_order() {
    let statement = parse("INSERT INTO t VALUE {'pk': ?, 'm': {'x': ?}}", &[text("a"), text("b")]).unwrap();
    let item: Item = serde_json::from_value(json!({"pk": {"S": "a"}, "m": {"M": {"x": {"S": "b"}}}})).unwrap();
    assert_eq!(
        statement,
        Statement::Insert {
            table: "t".to_owned(),
            item
        }
    );
    let mismatch = "Number of parameters in request and statement don't match.";
    for parameters in [vec![], vec![text("a"), text("b")]] {
        assert_eq!(
            parse("DELETE FROM t WHERE pk = ?", &parameters).unwrap_err().message(),
            mismatch
        );
    }
}

#[test]
fn refuses_in_the_words_of_the_service() {
    let broken = "Statement wasn't well formed, can't be processed: ";
    let leftover = "Statement wasn't well formed, can't be processed: Unexpected token after expression";
    for (statement, message) in [
        ("SELECT * FROM t WHERE pk = 1 foo", leftover),
        ("SELECT * FROM t WHERE pk = 1 e5", leftover),
        ("INSERT INTO t VALUE {'pk': 1} foo", leftover),
        ("INSERT INTO t x VALUE {'pk': 1}", leftover),
        ("SELECT * FROM t WHERE pk = 1)", leftover),
        ("DELETE FROM t WHERE pk = 1 ORDER BY pk", leftover),
        ("SELECT * FROM t ORDER BY pk WHERE pk = 1", leftover),
        ("SELECT * FROM t WHERE pk = 1e2147483648", broken),
        ("SELECT * FROM t WHERE pk = 1.5e-2147483647", broken),
        ("SELECT * FROM t WHERE pk = 1 # note", broken),
        ("SELECT * FROM t WHERE pk = 1 /* note", broken),
        ("SELECT * FROM \"t", broken),
        ("SELECT * FROM t x WHERE pk = 'x'", "Aliasing is not supported"),
        ("SELECT * FROM t AS x WHERE pk = 'x'", "Aliasing is not supported"),
        ("UPDATE t x SET a = 3 WHERE pk = 'x'", "Aliasing is not supported"),
        (
            "SELECT * FROM t.i.x",
            "A path may contain at most 2 components in the FROM clause",
        ),
        ("SELECT * FROM t.\"\"", "Path component cannot be an empty string"),
        ("INSERT INTO \"\" VALUE {}", "Path component cannot be an empty string"),
        (
            "DELETE FROM t WHERE pk = 'x' RETURNING MODIFIED OLD *",
            "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
        ),
        (
            "SELECT * FROM t WHERE pk = 1e126",
            "Number overflow. Attempting to store a number with magnitude larger than supported range under root",
        ),
        (
            "INSERT INTO t VALUE {'pk': 1, 'm': {'x': [1, 1e-131]}}",
            "Number underflow. Attempting to store a number with magnitude smaller than supported range under root.x[1]",
        ),
        (
            "SELECT * FROM t WHERE pk = 'x' AND val < true",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
    ] {
        assert_eq!(refused(statement), message, "{statement}");
    }
    assert!(refused("SELECTT * FROMM t").starts_with(broken));
    assert!(refused(&format!("SELECT * FROM t WHERE {}a = 1", "(".repeat(1000))).starts_with(broken));
}

#[test]
fn set_functions_add_and_delete() {
    let statement = parse("UPDATE t SET s = set_delete(s, <<'a'>>) REMOVE x WHERE pk = 'p'", &[]).unwrap();
    let Statement::Update { update, condition, .. } = statement else {
        panic!("no update")
    };
    assert!(matches!(
        update.actions[0],
        (_, UpdateAction::Delete(AttributeValue::Ss(_)))
    ));
    assert_eq!(update.actions[1], (Path::attribute("x"), UpdateAction::Remove));
    assert!(matches!(condition, Some(Condition::Compare(..))));
}

proptest! {
    #[test]
    fn reading_never_panics(tokens in prop::collection::vec(prop::sample::select(vec![
        "SELECT", "*", "FROM", "t", "\"t\"", ".", "WHERE", "a", "=", "'x'", "1", "-", ".5", "1e5", "AND", "OR", "NOT", "(",
        ")", "IN", "[", "]", "{", "}", ":", ",", "<<", ">>", "?", "IS", "MISSING", "NULL", "BETWEEN", "ORDER", "BY", "DESC",
        "INSERT", "INTO", "VALUE", "UPDATE", "SET", "REMOVE", "DELETE", "RETURNING", "ALL", "OLD", "size", "contains", "é",
    ]), 0..20), free in ".{0,40}") {
        let _ = parse(&tokens.join(" "), &[text("a")]);
        let _ = parse(&free, &[]);
    }
}
