//! PartiQL statements against the expressions that say the same.

use super::*;
use crate::AttributeValue;
use proptest::prelude::*;

/// A condition, to be said in both languages. Attribute 0 is the partition key, 1 the sort key.
#[derive(Debug, Clone)]
enum Test {
    Compare(usize, &'static str, Operand),
    Between(usize, Operand, Operand),
    In(usize, Vec<Operand>),
    Call(&'static str, usize, String),
    Missing(usize),
    Exists(usize),
    Not(Box<Test>),
    Both(Vec<Test>),
    Either(Vec<Test>),
}

/// A number where the attribute holds numbers, else a text.
type Operand = u8;

const NAMES: [&str; 4] = ["p", "c", "a", "b"];

fn is_number(attribute: usize) -> bool {
    attribute % 2 == 1
}

fn value(attribute: usize, operand: Operand) -> Value {
    match is_number(attribute) {
        true => json!({"N": operand.to_string()}),
        false => json!({"S": "x".repeat(usize::from(operand))}),
    }
}

fn literal(attribute: usize, operand: Operand) -> String {
    match is_number(attribute) {
        true => operand.to_string(),
        false => format!("'{}'", "x".repeat(usize::from(operand))),
    }
}

fn test() -> impl Strategy<Value = Test> {
    let (attribute, operand) = (0usize..4, 1u8..5);
    let comparator = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        4 => (attribute.clone(), comparator, operand.clone()).prop_map(|(at, comparator, to)| Test::Compare(at, comparator, to)),
        1 => (attribute.clone(), operand.clone(), operand.clone()).prop_map(|(at, low, high)| Test::Between(at, low, high)),
        1 => (attribute.clone(), prop::collection::vec(operand, 1..4)).prop_map(|(at, among)| Test::In(at, among)),
        1 => (prop::sample::select(vec!["begins_with", "contains"]), prop::sample::select(vec![0usize, 2]), "x{1,3}")
            .prop_map(|(function, at, text)| Test::Call(function, at, text)),
        1 => (2usize..4).prop_map(Test::Missing),
        1 => (2usize..4).prop_map(Test::Exists),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            1 => inner.clone().prop_map(|test| Test::Not(Box::new(test))),
            3 => prop::collection::vec(inner.clone(), 2..4).prop_map(Test::Both),
            1 => prop::collection::vec(inner, 2..4).prop_map(Test::Either),
        ]
    })
}

impl Test {
    fn statement(&self) -> String {
        let all = |tests: &[Test], word: &str| {
            let parts: Vec<String> = tests.iter().map(|test| format!("({})", test.statement())).collect();
            parts.join(word)
        };
        match self {
            Self::Compare(at, comparator, to) => format!("{} {comparator} {}", NAMES[*at], literal(*at, *to)),
            Self::Between(at, low, high) => {
                format!(
                    "\"{}\" BETWEEN {} AND {}",
                    NAMES[*at],
                    literal(*at, *low),
                    literal(*at, *high)
                )
            }
            Self::In(at, among) => {
                let among: Vec<String> = among.iter().map(|to| literal(*at, *to)).collect();
                format!("{} IN [{}]", NAMES[*at], among.join(", "))
            }
            Self::Call(function, at, text) => format!("{function}({}, '{text}')", NAMES[*at]),
            Self::Missing(at) => format!("{} IS MISSING", NAMES[*at]),
            Self::Exists(at) => format!("{} IS NOT MISSING", NAMES[*at]),
            Self::Not(test) => format!("NOT ({})", test.statement()),
            Self::Both(tests) => all(tests, " AND "),
            Self::Either(tests) => all(tests, " or "),
        }
    }

    fn expression(&self, values: &mut serde_json::Map<String, Value>) -> String {
        let mut placeholder = |given: Value| {
            let name = format!(":v{}", values.len());
            values.insert(name.clone(), given);
            name
        };
        let all = |tests: &[Test], values: &mut serde_json::Map<String, Value>, word: &str| {
            let parts: Vec<String> = tests
                .iter()
                .map(|test| format!("({})", test.expression(values)))
                .collect();
            parts.join(word)
        };
        match self {
            Self::Compare(at, comparator, to) => {
                format!("{} {comparator} {}", NAMES[*at], placeholder(value(*at, *to)))
            }
            Self::Between(at, low, high) => {
                let (low, high) = (placeholder(value(*at, *low)), placeholder(value(*at, *high)));
                format!("{} BETWEEN {low} AND {high}", NAMES[*at])
            }
            Self::In(at, among) => {
                let among: Vec<String> = among.iter().map(|to| placeholder(value(*at, *to))).collect();
                format!("{} IN ({})", NAMES[*at], among.join(", "))
            }
            Self::Call(function, at, text) => {
                format!("{function}({}, {})", NAMES[*at], placeholder(json!({"S": text})))
            }
            Self::Missing(at) => format!("attribute_not_exists({})", NAMES[*at]),
            Self::Exists(at) => format!("attribute_exists({})", NAMES[*at]),
            Self::Not(test) => format!("NOT ({})", test.expression(values)),
            Self::Both(tests) => all(tests, values, " AND "),
            Self::Either(tests) => all(tests, values, " OR "),
        }
    }
}

/// The items of an answer, or that there was none, in an order of their own.
fn found(answer: Result<Value, Error>) -> Result<Vec<String>, &'static str> {
    let answer = answer.map_err(|error| error.code())?;
    let mut items: Vec<String> = answer["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    items.sort_unstable();
    Ok(items)
}

/// An item as a literal of a statement.
fn item_literal(item: &Item) -> String {
    let entries: Vec<String> = item
        .iter()
        .map(|(name, value)| format!("'{name}': {}", value_literal(value)))
        .collect();
    format!("{{{}}}", entries.join(", "))
}

fn value_literal(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("'{}'", text.replace('\'', "''")),
        AttributeValue::N(number) => number.to_string(),
        AttributeValue::Bool(value) => value.to_string(),
        AttributeValue::L(values) => {
            let values: Vec<String> = values.iter().map(value_literal).collect();
            format!("[{}]", values.join(", "))
        }
        AttributeValue::M(entries) => item_literal(entries),
        _ => "null".to_owned(),
    }
}

fn plain() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "['a-zé \"]{0,6}".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(test);
}

async fn world() -> World {
    let world = World::new().await;
    world.table("tab", schema("p:S", "c:N"), Vec::new(), Vec::new()).await;
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_where_clause_finds_what_the_filter_finds(tests in prop::collection::vec(test(), 1..12)) {
        run(async {
            let world = world().await;
            for number in 0..24u8 {
                let mut item = json!({"p": value(0, number % 3 + 1), "c": value(1, number / 3 + 1)});
                for attribute in [2usize, 3] {
                    if (number >> attribute) % 2 == 0 {
                        item[NAMES[attribute]] = value(attribute, number % 5 + 1);
                    }
                }
                world.ok("PutItem", json!({"TableName": "tab", "Item": item})).await;
            }
            for test in &tests {
                let statement = format!("SELECT * FROM tab WHERE {}", test.statement());
                let mut values = serde_json::Map::new();
                let filter = test.expression(&mut values);
                let mut scan = json!({"TableName": "tab", "FilterExpression": filter});
                if !values.is_empty() {
                    scan["ExpressionAttributeValues"] = Value::Object(values);
                }
                let selected = found(world.call("ExecuteStatement", json!({"Statement": statement})).await);
                assert_eq!(selected, found(world.call("Scan", scan).await), "{statement}");
            }
        });
    }

    #[test]
    fn what_is_inserted_is_selected(values in prop::collection::btree_map("[a-z]{3,5}", plain(), 0..5)) {
        run(async {
            let world = world().await;
            let mut item = json!({"p": "it's", "c": -7});
            values.into_iter().for_each(|(name, value)| item[name] = value);
            let item = super::item(&item);
            let insert = format!("INSERT INTO \"tab\" VALUE {}", item_literal(&item));
            world.ok("ExecuteStatement", json!({"Statement": insert})).await;
            let again = world.refused("ExecuteStatement", json!({"Statement": insert})).await;
            assert!(again.starts_with("DuplicateItemException"), "{again}");
            let key = typed(&json!({"p": "it's", "c": -7}));
            let got = world.ok("GetItem", json!({"TableName": "tab", "Key": key})).await;
            assert_eq!(got["Item"], serde_json::to_value(&item).unwrap());
            let select = json!({"Statement": "SELECT * FROM tab WHERE p = ? AND c = ?", "Parameters": [key["p"], key["c"]]});
            assert_eq!(world.ok("ExecuteStatement", select).await["Items"], json!([got["Item"]]));
            world.ok("ExecuteStatement", json!({"Statement": "DELETE FROM tab WHERE p = 'it''s' AND c = -7"})).await;
            assert_eq!(world.check("tab").await.items, 0);
        });
    }
}
