//! botocore's protocol vectors, all of them, when `SUITES` names the folder that holds a checkout called `botocore`.
//!
//! An `input` vector is a request that AWS's client made of parameters: our decoder must find the parameters in it. An
//! `output` vector is a response and what a client must read in it: our encoder must turn the latter into the former.
//! Some responses there are in a form that a client must accept and a server need not write; then the vector counts as
//! *equivalent* when both bodies read as the same result.

mod compare;
mod input;
mod output;

use crate::model::{Kind, Member, Model, OperationModel, Shape};
use crate::protocol::{Protocol, decode_component};
use crate::value::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Vectors that are not met, with the reason. Any other failure fails the test, and so does one of these that passes.
const EXCUSED_INPUT: &[(&str, &str)] = &[
    ("Ec2EmptyQueryLists", NO_FORM),
    ("QueryEmptyQueryMaps", NO_FORM),
    ("RestJsonOmitsEmptyListQueryValues", NO_FORM),
    ("RestJsonHttpPrefixHeadersAreNotPresent", NO_FORM),
    ("HttpPrefixHeadersAreNotPresent", NO_FORM),
    ("RestJsonHttpWithEmptyStructurePayload", EMPTY_PAYLOAD),
    ("RestJsonHttpWithHeadersButNoPayload", EMPTY_PAYLOAD),
    ("RestJsonQueryPrecedence", OVERRULED),
    ("RestXmlQueryPrecedence", OVERRULED),
];
const EXCUSED_OUTPUT: &[(&str, &str)] = &[
    ("Ec2ComplexError", SURPLUS),
    ("ComplexError", SURPLUS),
    ("InvalidGreetingError", SURPLUS),
    (
        "AwsJson11IntEnums",
        "the response bears X-Amz-Target, a request's header",
    ),
];
const SURPLUS: &str = "the body has an element that no shape has and the result does not mention";
const NO_FORM: &str = "the client sends nothing for an empty collection, so it arrives as absent";
const EMPTY_PAYLOAD: &str = "the client sends {} for an absent payload, so it arrives as an empty one";
const OVERRULED: &str = "the client sends only the member that wins; the entry of the map is lost before us";

struct Vector {
    file: String,
    id: String,
    model: Model,
    operation: String,
    case: Json,
    endpoint_path: String,
}

impl Vector {
    fn operation(&self) -> &OperationModel {
        self.model
            .operation(&self.operation)
            .expect("the vector's own operation")
    }

    fn protocol(&self) -> Protocol {
        self.model.protocol()
    }
}

/// How a vector is met.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Met {
    Exactly,
    Equivalently,
    /// The vector says nothing that a server could be held to.
    SaysNothing,
}

fn suites() -> Option<PathBuf> {
    let found = std::env::var_os("SUITES").map(|suites| Path::new(&suites).join("botocore/tests/unit/protocols"));
    if found.is_none() {
        eprintln!("NOTE: SUITES is not set, so botocore's protocol vectors were not run");
    }
    found
}

fn vectors(folder: &Path) -> Vec<Vector> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the vectors' folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut out = Vec::new();
    for path in files {
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let suites: Vec<Json> = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
        for suite in suites {
            for case in suite["cases"].as_array().expect("cases") {
                let operation = case["given"]["name"].as_str().unwrap_or("OperationName").to_owned();
                let model = serde_json::json!({
                    "metadata": suite["metadata"],
                    "shapes": suite["shapes"],
                    "operations": { operation.as_str(): case["given"] },
                });
                let endpoint = suite["clientEndpoint"].as_str().and_then(|url| url.split_once("://"));
                let endpoint_path = endpoint.and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()));
                out.push(Vector {
                    file: file.clone(),
                    id: case["id"].as_str().expect("an id").to_owned(),
                    model: Model::parse(&model.to_string()).expect("a model"),
                    operation,
                    case: case.clone(),
                    endpoint_path: endpoint_path.unwrap_or_default(),
                });
            }
        }
    }
    out
}

/// Runs every vector of a folder, prints the counts, and fails on whatever is not excused.
fn run(kind: &str, excused: &[(&str, &str)], check: fn(&Vector) -> Result<Met, String>) {
    let Some(folder) = suites() else { return };
    let mut counts: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut failures = Vec::new();
    let vectors = vectors(&folder.join(kind));
    for vector in &vectors {
        let excuse = excused.iter().find(|(id, _)| *id == vector.id);
        let label = match (check(vector), excuse) {
            (Ok(_), Some(_)) => {
                failures.push(format!("{}: excused, yet it passes", vector.id));
                "failed"
            }
            (Ok(Met::Exactly), None) => "exact",
            (Ok(Met::Equivalently), None) => "equivalent",
            (Ok(Met::SaysNothing), None) => "says nothing",
            (Err(_), Some(_)) => "excused",
            (Err(why), None) => {
                failures.push(format!("{} {}: {why}", vector.file, vector.id));
                "failed"
            }
        };
        *counts.entry(vector.file.clone()).or_default().entry(label).or_default() += 1;
    }
    println!("{kind}: {} vectors", vectors.len());
    for (file, counts) in counts {
        println!("  {file}: {counts:?}");
    }
    assert!(
        failures.is_empty(),
        "{} {kind} vectors failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(!vectors.is_empty(), "no vectors under {}", folder.display());
}

#[test]
fn every_input_vector_is_decoded() {
    run("input", EXCUSED_INPUT, input::check);
}

#[test]
fn every_output_vector_is_encoded() {
    run("output", EXCUSED_OUTPUT, output::check);
}

/// The tree that a vector's JSON means for a shape: blobs are text there, timestamps seconds, special floats words.
fn expected(model: &Model, member: &Member, json: &Json) -> Value {
    expected_shape(model, model.shape(member.shape), json)
}

fn expected_shape(model: &Model, shape: &Shape, json: &Json) -> Value {
    match (&shape.kind, json) {
        (_, Json::Null) => Value::Null,
        (Kind::Structure(structure), Json::Object(map)) => {
            let entries = structure
                .members
                .iter()
                .filter_map(|member| Some((member, map.get(&member.name)?)));
            Value::Map(
                entries
                    .map(|(member, json)| (member.name.clone(), expected(model, member, json)))
                    .collect(),
            )
        }
        (Kind::List(item), Json::Array(items)) => {
            Value::List(items.iter().map(|json| expected(model, item, json)).collect())
        }
        (Kind::Map(_, item), Json::Object(map)) => Value::Map(
            map.iter()
                .map(|(key, json)| (key.clone(), expected(model, item, json)))
                .collect(),
        ),
        (Kind::Blob, Json::String(text)) => Value::Blob(text.clone().into()),
        (Kind::Timestamp, Json::Number(number)) => {
            Value::Integer((number.as_f64().expect("a number") * 1000.0).round() as i64)
        }
        (Kind::Float | Kind::Double, Json::String(text)) => Value::Float(text.parse().expect("a float")),
        (Kind::Float | Kind::Double, Json::Number(number)) => Value::Float(number.as_f64().expect("a number")),
        (_, json) => document(json),
    }
}

fn document(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => number
            .as_i64()
            .map_or_else(|| Value::Float(number.as_f64().expect("a number")), Value::Integer),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::List(items.iter().map(document).collect()),
        Json::Object(map) => Value::Map(map.iter().map(|(key, json)| (key.clone(), document(json))).collect()),
    }
}

/// The path and query of a vector's URI, without what the client's endpoint put before it.
fn split_uri<'v>(vector: &'v Vector, uri: &'v str) -> (&'v str, &'v str) {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = path
        .strip_prefix(vector.endpoint_path.trim_end_matches('/'))
        .unwrap_or(path);
    debug_assert!(!decode_component(path, false).is_empty() || path.is_empty());
    (path, query)
}

/// Compiles to more than the regex crate allows. What it says is said again by the shape's length bounds.
const TOO_LARGE: &str = "^.{1,100000}$";

/// The services that the platform means to speak for: each model parses, and each pattern in it is understood.
#[test]
fn the_models_of_coming_services_are_understood() {
    let Some(folder) = std::env::var_os("SUITES").map(|suites| Path::new(&suites).join("botocore/botocore/data"))
    else {
        eprintln!("NOTE: SUITES is not set, so botocore's models were not read");
        return;
    };
    let services = [
        "apigateway",
        "apigatewayv2",
        "cloudformation",
        "cloudwatch",
        "dynamodb",
        "ec2",
        "ecr",
        "events",
        "iam",
        "kms",
        "lambda",
        "logs",
        "rds",
        "s3",
        "scheduler",
        "secretsmanager",
        "sns",
        "sqs",
        "ssm",
        "sts",
        "xray",
    ];
    let mut untranslated = Vec::new();
    let mut patterns = 0;
    for service in services {
        let versions = std::fs::read_dir(folder.join(service)).expect("the service's folder");
        let newest = versions
            .map(|entry| entry.expect("an entry").path().join("service-2.json"))
            .max()
            .expect("a version");
        let model = Model::parse(&std::fs::read_to_string(newest).expect("readable"));
        let model = model.unwrap_or_else(|error| panic!("{service}: {error}"));
        for pattern in model.shapes().iter().filter_map(|shape| shape.pattern.as_ref()) {
            patterns += 1;
            if pattern.compiled().is_none() && pattern.source() != TOO_LARGE {
                untranslated.push(format!("{service}: {}", pattern.source()));
            }
        }
    }
    println!(
        "{patterns} patterns of {} services, not understood: {untranslated:#?}",
        services.len()
    );
    assert!(untranslated.is_empty());
}
