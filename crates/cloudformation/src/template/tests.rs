use super::evaluate::{Evaluator, NothingYet, Pseudo, is_later};
use super::parameters::{Said, resolve};
use super::*;
use serde_json::json;

fn pseudo() -> Pseudo {
    Pseudo {
        account: "000000000000".into(),
        region: "us-east-1".into(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/s/u".into(),
        stack_name: "s".into(),
        notification_arns: vec![],
    }
}

/// The value of the output `O` of a template with these members.
fn output(value: Value, further: Value) -> Result<Option<Value>, TemplateError> {
    let mut tree = json!({"Resources": {"R": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"O": {"Value": value}}});
    for (key, value) in further.as_object().unwrap() {
        tree[key] = value.clone();
    }
    let template = Template::read(&tree.to_string())?;
    let parameters = resolve(&template, &BTreeMap::new(), &BTreeMap::new())?;
    let (pseudo, exports) = (pseudo(), BTreeMap::from([("e".to_owned(), "exported".to_owned())]));
    let evaluator = Evaluator::new(&template, &parameters, &pseudo, &exports, &NothingYet);
    evaluator.value(&template.outputs["O"].value)
}

#[test]
fn functions_compute() {
    let with = json!({
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"P": {"Type": "String", "Default": "p"}, "L": {"Type": "CommaDelimitedList", "Default": "a, b"}},
        "Mappings": {"M": {"k": {"v": "found"}}},
        "Conditions": {
            "Yes": {"Fn::Equals": [{"Ref": "P"}, "p"]},
            "No": {"Fn::Not": [{"Condition": "Yes"}]},
            "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
            "Any": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
        },
    });
    for (value, expected) in [
        (json!({"Ref": "P"}), json!("p")),
        (json!({"Fn::Join": ["-", {"Ref": "L"}]}), json!("a-b")),
        (json!({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}), json!("y")),
        (
            json!({"Fn::Sub": "${P}-${AWS::Region}-${!Lit}"}),
            json!("p-us-east-1-${Lit}"),
        ),
        (json!({"Fn::Sub": ["${a}${P}", {"a": {"Ref": "P"}}]}), json!("pp")),
        (json!({"Fn::FindInMap": ["M", "k", "v"]}), json!("found")),
        (
            json!({"Fn::FindInMap": ["M", "k", "w", {"DefaultValue": "d"}]}),
            json!("d"),
        ),
        (json!({"Fn::Base64": "hi"}), json!("aGk=")),
        (
            json!({"Fn::If": ["Both", 1, {"Fn::If": ["Any", "any", "none"]}]}),
            json!("any"),
        ),
        (
            json!({"Fn::GetAZs": ""}),
            json!(["us-east-1a", "us-east-1b", "us-east-1c"]),
        ),
        (json!({"Fn::ImportValue": "e"}), json!("exported")),
        (json!({"Fn::Length": {"Ref": "L"}}), json!(2)),
        (
            json!({"Fn::ToJsonString": {"a": [1, {"Ref": "P"}]}}),
            json!("{\"a\":[1,\"p\"]}"),
        ),
        (
            json!({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}),
            json!(["10.0.0.0/24", "10.0.1.0/24"]),
        ),
        (json!([1, {"Ref": "AWS::NoValue"}, 2]), json!([1, 2])),
    ] {
        assert_eq!(output(value.clone(), with.clone()).unwrap(), Some(expected), "{value}");
    }
    assert!(is_later(
        &output(json!({"Fn::Sub": "x${R}"}), json!({})).unwrap().unwrap()
    ));
}

#[test]
fn mistakes_are_told_in_the_services_words() {
    let refusal = |value: Value, with: Value| output(value, with).unwrap_err().to_string();
    for (value, with, expected) in [
        (
            json!({"Ref": "X"}),
            json!({}),
            "Template format error: Unresolved resource dependencies [X] in the Outputs block of the template",
        ),
        (
            json!({"Fn::GetAtt": ["X", "Arn"]}),
            json!({}),
            "Template error: instance of Fn::GetAtt references undefined resource X",
        ),
        (
            json!({"Fn::If": ["C", 1, 2]}),
            json!({}),
            "Template error: unresolved condition dependency C in Fn::If",
        ),
        (
            json!("x"),
            json!({"Parameters": {"P": {"Type": "String"}}}),
            "Parameters: [P] must have values",
        ),
        (
            json!("x"),
            json!({"Nonsense": {}}),
            "Invalid template property or properties [Nonsense]",
        ),
        (
            json!({"Fn::Select": [5, ["a"]]}),
            json!({}),
            "Template error: Fn::Select cannot select nonexistent value at index 5",
        ),
        (
            json!("{{resolve:secretsmanager:a}}"),
            json!({}),
            "Template error: {{resolve:secretsmanager:a}} cannot be resolved: this platform does not have Secrets Manager.",
        ),
        (
            json!("x"),
            json!({"Resources": {}}),
            "Template format error: At least one Resources member must be defined.",
        ),
        (
            json!("x"),
            json!({"Resources": {"A": {}}}),
            "Template format error: [/Resources/A] Every Resources object must contain a Type member.",
        ),
        (
            json!("x"),
            json!({"Resources": {"a-b": {"Type": "x"}}}),
            "Template format error: Resource name a-b is non alphanumeric.",
        ),
        (
            json!(null),
            json!({}),
            "[/Outputs/O/Value] 'null' values are not allowed in templates",
        ),
        (
            json!("x"),
            json!({"Transform": "AWS::Serverless-2016-10-31"}),
            "Transform AWS::Serverless-2016-10-31 is not built on this platform; of the transforms it has AWS::LanguageExtensions.",
        ),
    ] {
        assert_eq!(refusal(value.clone(), with), expected, "{value}");
    }
}

#[test]
fn circles_are_named() {
    let with = json!({"Resources": {
        "A": {"Type": "x", "Properties": {"p": {"Ref": "B"}}}, "B": {"Type": "x", "DependsOn": "A"},
        "C": {"Type": "x", "DependsOn": ["A"]}, "D": {"Type": "x"},
    }});
    let refusal = output(json!("x"), with).unwrap_err().to_string();
    assert_eq!(refusal, "Circular dependency between resources: [A, B]");
}

#[test]
fn parameters_are_judged() {
    let template = |declared: Value| {
        Template::read(&json!({"Parameters": {"P": declared}, "Resources": {"R": {"Type": "x"}}}).to_string()).unwrap()
    };
    let judge = |declared: Value, value: &str| {
        let said = BTreeMap::from([(
            "P".to_owned(),
            Said {
                value: Some(value.to_owned()),
                use_previous: false,
            },
        )]);
        resolve(&template(declared), &said, &BTreeMap::new())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        judge(json!({"Type": "String", "AllowedPattern": "[a-z]+"}), "abc"),
        Ok(())
    );
    for (declared, value, expected) in [
        (json!({"Type": "Number"}), "x", "Parameter 'P' must be a number."),
        (
            json!({"Type": "String", "AllowedPattern": "[a-z]+"}),
            "abC",
            "Parameter 'P' must match pattern [a-z]+",
        ),
        (
            json!({"Type": "String", "AllowedValues": ["a", "b"]}),
            "c",
            "Parameter 'P' must be one of AllowedValues: [a, b]",
        ),
        (
            json!({"Type": "String", "MinLength": 3}),
            "c",
            "Parameter 'P' must contain at least 3 characters",
        ),
        (
            json!({"Type": "String", "MaxLength": "1", "ConstraintDescription": "short"}),
            "cc",
            "Parameter 'P' failed to satisfy constraint: short",
        ),
        (
            json!({"Type": "Number", "MaxValue": 5}),
            "6",
            "Parameter 'P' must be a number not greater than 5",
        ),
    ] {
        assert_eq!(judge(declared.clone(), value), Err(expected.to_owned()), "{declared}");
    }
}

#[test]
fn loops_are_unrolled() {
    let template = Template::read(
        "Transform: AWS::LanguageExtensions\nResources:\n  Fn::ForEach::Topics:\n    - Name\n    - [a, b]\n    - Topic${Name}:\n        Type: AWS::SNS::Topic\n        Properties: {TopicName: !Sub 'x-${Name}', DisplayName: !Ref Name}\n",
    )
    .unwrap();
    assert_eq!(template.resources.keys().collect::<Vec<_>>(), ["Topica", "Topicb"]);
    assert_eq!(template.resources["Topicb"].properties["DisplayName"], "b");
}

/// cfn-lint's templates, when `SUITES` says where they are: each is read or refused in words, and none panics.
#[test]
fn templates_of_cfn_lint_are_read() {
    let Ok(suites) = std::env::var("SUITES") else { return };
    let mut folders = vec![std::path::Path::new(&suites).join("cfn-lint/test/fixtures/templates")];
    let (mut read, mut refused, mut good_refused) = (0, 0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let known = path
                .extension()
                .is_some_and(|end| ["yaml", "yml", "json", "template"].iter().any(|one| end == *one));
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            if !known {
                continue;
            }
            match Template::read(&text) {
                Ok(_) => read += 1,
                Err(error) => {
                    refused += 1;
                    if path.to_string_lossy().contains("/good/") {
                        good_refused.push(format!("{}: {error}", path.display()));
                    }
                }
            }
        }
    }
    println!(
        "read {read}, refused {refused}; good ones refused {}:\n{}",
        good_refused.len(),
        good_refused.join("\n")
    );
    assert!(read > 50, "read {read}, refused {refused}");
}

proptest::proptest! {
    #[test]
    fn no_value_makes_the_evaluation_panic(text in "(\\{\"(Ref|Fn::(Sub|Join|Select|Split|If|Cidr|GetAtt|FindInMap|Base64))\": ?(\"[a-zR.${}]{0,8}\"|\\[[0-9\",R. \\[\\]]{0,12}\\])\\})") {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let _ = output(value, json!({"Conditions": {"C": {"Fn::Equals": [1, 1]}}}));
        }
    }
}
