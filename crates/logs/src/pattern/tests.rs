use super::Pattern;
use proptest::prelude::*;

/// Rows of (pattern, message, whether it matches).
fn check(rows: &[(&str, &str, bool)]) {
    for &(pattern, message, expected) in rows {
        let parsed = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        assert_eq!(parsed.matches(message), expected, "{pattern} on {message}");
    }
}

fn refusal(pattern: &str) -> String {
    Pattern::parse(pattern).expect_err(pattern).to_string()
}

#[test]
fn terms_as_aws_documents_them() {
    check(&[
        ("", "anything", true),
        (" ", "anything", true),
        ("\" \"", "anything", true),
        ("ERROR", "[ERROR 400] BAD REQUEST", true),
        ("ERROR", "Exiting with ERRORCODE: -1", true),
        ("ERROR", "an error", false),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true),
        ("ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED REQUEST", false),
        (
            "Failed to process the request",
            "[WARN] Failed to process the request",
            true,
        ),
        ("?ERROR ?ARGUMENTS", "[ERROR 400] BAD REQUEST", true),
        ("?ERROR ?ARGUMENTS", "MISSING ARGUMENTS", true),
        ("?ERROR ?ARGUMENTS", "[WARN] nothing", false),
        ("?ERROR ?ARGUMENTS REQUEST", "[INFO] REQUEST FAILED", true),
        ("\"INTERNAL SERVER ERROR\"", "[ERROR 500] INTERNAL SERVER ERROR", true),
        ("\"INTERNAL SERVER ERROR\"", "INTERNAL ERROR in SERVER", false),
        ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", true),
        ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", false),
        ("\"ERROR\" - \"Exiting\"", "Exiting with ERRORCODE: -1", false),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true),
        ("%4\\d\\d%", "status 404", true),
        ("%4\\d\\d%", "status 500", false),
        ("\"say \\\"hi\\\"\"", "they say \"hi\" now", true),
    ]);
}

#[test]
fn json_conditions_as_aws_documents_them() {
    let trail = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],
        "objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","ThisFlag":true}"#;
    let users = r#"{"user":{"id":1,"email":"John.Stiles@example.com"},"users":[{"id":2,"email":"John.Doe@example.com"},
        {"id":3,"email":"Jane.Doe@example.com"}],"actions":["GET","PUT","DELETE"],"coordinates":[[0,1,2],[4,5,6],[7,8,9]]}"#;
    check(&[
        ("{ $.eventType = \"UpdateTrail\" }", trail, true),
        ("{ $.sourceIPAddress != 123.123.* }", trail, true),
        ("{ $.sourceIPAddress = \"111.*\" }", trail, true),
        ("{ $.arrayKey[0] = \"value\" }", trail, true),
        ("{ $.arrayKey[*] = \"another value\" }", trail, true),
        ("{ $.arrayKey[5] = \"value\" }", trail, false),
        ("{ $.objectList[1].id = 2 }", trail, true),
        ("{ $.objectList[*].id = 2 }", trail, true),
        ("{ $.SomeObject IS NULL }", trail, true),
        ("{ $.eventType IS NULL }", trail, false),
        ("{ $.SomeOtherObject NOT EXISTS }", trail, true),
        ("{ $.SomeObject NOT EXISTS }", trail, false),
        ("{ $.ThisFlag IS TRUE }", trail, true),
        ("{ $.ThisFlag IS FALSE }", trail, false),
        ("{ $.['cluster.name'] = \"c\" }", trail, true),
        ("{ $.eventType = %Trail% }", trail, true),
        ("{ $.arrayKey[0] = %val.{2}% }", trail, true),
        ("{ $.* = \"UpdateTrail\" }", trail, true),
        ("{$.eventType=UpdateTrail}", trail, true),
        (
            "{ ($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\") }",
            users,
            true,
        ),
        (
            "{ ($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"GET\" }",
            users,
            false,
        ),
        (
            "{ $.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }",
            users,
            true,
        ),
        (
            "{ ($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }",
            users,
            false,
        ),
        ("{ $.users = 1 }", users, false),
        ("{ $.users != 1 }", users, false),
        ("{ $.coordinates[0][1] = 1 }", users, true),
        ("{ $.foo = bar || $.foo = baz }", r#"{"foo":"baz"}"#, true),
        ("{ $.latency >= 500 }", r#"{"latency":500}"#, true),
        ("{ $.latency > +1000 }", r#"{"latency":1000}"#, false),
        ("{ $.n[0] < 10e3 }", r#"{"n":[9999]}"#, true),
        ("{ $.n[0] < 10e-3 }", r#"{"n":[1]}"#, false),
        ("{ $.errorCode != 500 }", r#"{"errorCode":400}"#, true),
        ("{ $.latency = * }", r#"{"latency":7}"#, true),
        ("{ $.foo = bar }", "not json", false),
        ("{ $.foo = bar }", "{\"foo\": \"bar\"", false),
    ]);
}

/// What the service itself answered to these (`TestMetricFilter` over one document).
#[test]
fn json_values_compare_as_the_service_compares_them() {
    let document = r#"{"s":"111.111.111.111","empty":"","i":123,"f":12.34,"f2":12.0,"q":"error \"message\"","o":{},"a":[],"z":null}"#;
    for pattern in [
        "$.s = \"*\"",
        "$.empty = \"*\"",
        "$.s = \"*.111.111.111\"",
        "$.s = \"111*\"",
        "$.s != \"222*\"",
        "$.s != 111*111",
        "$.i = \"123\"",
        "$.i != \"123.0\"",
        "$.i = 123.0",
        "$.i = \"12*\"",
        "$.i = *3",
        "$.i != 111.0",
        "$.i >= 123.0",
        "$.f = \"12.34\"",
        "$.f2 != \"12\"",
        "$.f2 = 12",
        "$.f = \"*.34\"",
        "$.q = \"error \\\"message\\\"\"",
        "$.s != 111",
    ] {
        check(&[(&format!("{{ {pattern} }}"), document, true)]);
    }
    for pattern in [
        "$.s > 123",
        "$.s < 123",
        "$.s = 123",
        "$.o = 123",
        "$.o != 123",
        "$.o > 1",
        "$.o != \"x\"",
        "$.a = \"x\"",
        "$.a != x",
        "$.i != 123",
        "$.i != \"123\"",
        "$.i = \"123.00\"",
        "$.missing = x",
        "$.missing != x",
        "$.s = \"11*1\"",
        "$.z = *",
    ] {
        check(&[(&format!("{{ {pattern} }}"), document, false)]);
    }
    for pattern in ["$.s > word", "$.s <= \"word\"", "$.s > \"123\""] {
        assert!(refusal(&format!("{{ {pattern} }}")).starts_with("Invalid character(s) in term '\""));
    }
}

#[test]
fn fields_as_aws_documents_them() {
    let line = r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    check(&[
        (
            "[ip, server, username, timestamp, request, status_code, bytes]",
            line,
            true,
        ),
        ("[ip, server, username, timestamp, request, status_code]", line, false),
        (
            "[ip, server, username, timestamp, request, status_code, bytes > 1000]",
            line,
            true,
        ),
        (
            "[ip, server, username, timestamp, request, status_code = 200, bytes]",
            line,
            false,
        ),
        (
            "[ip, server, username, timestamp, request =*.html*, status_code = 4*, bytes]",
            line,
            true,
        ),
        (
            "[ip, server, username, timestamp, request, status_code = 4* && status_code != 403, bytes]",
            line,
            true,
        ),
        (
            "[ip=%127\\.0\\.0\\.[1-9]%, server, username, timestamp, request, status_code, bytes]",
            line,
            true,
        ),
        ("[..., status_code, bytes]", line, true),
        ("[ip, server, ..., status_code = 404, bytes]", line, true),
        ("[ip, server, ...]", line, true),
        ("[ip = 10.*, ...]", line, false),
        ("[..., request = *.html*, status_code = 4*,]", line, true),
        ("[w1=ERROR, w2]", "ERROR message", true),
        ("[w1=ERROR, w2]", "WARN message", false),
        ("[w1=ERROR || w1=%WARN%, w2]", "WARN message", true),
        ("[w1=!ERROR&&w1=!WARN, w2]", "INFO message", true),
        ("[w1=!ERROR&&w1=!WARN, w2]", "WARN message", false),
        ("[a, b = 2 && a = 1]", "1 2", true),
        ("[a]", "[unclosed", true),
    ]);
    let extracted = Pattern::parse("[..., request=*.html*, status_code=4*,]")
        .unwrap()
        .extract(line)
        .unwrap();
    let found: Vec<_> = extracted
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("$1", "127.0.0.1"),
            ("$2", "Prod"),
            ("$3", "frank"),
            ("$4", "10/Oct/2000:13:25:15 -0700"),
            ("$7", "1534"),
            ("$request", "GET /index.html HTTP/1.0"),
            ("$status_code", "404"),
        ]
    );
    assert_eq!(Pattern::parse("[a, b]").unwrap().extract("one"), None);
    assert_eq!(Pattern::parse("one").unwrap().extract("one"), Some(Default::default()));
}

#[test]
fn refusals_name_the_term() {
    assert_eq!(refusal("?Status: timeout"), "Invalid character(s) in term ':'");
    assert_eq!(refusal("a,b"), "Invalid character(s) in term ','");
    assert_eq!(
        refusal("{ $.\"sc-status\" = 5* }"),
        "Invalid character(s) in term '$.\"'"
    );
    assert_eq!(
        refusal("[...fields, status=FAILED]"),
        "Invalid character(s) in term 'fields'"
    );
    assert_eq!(refusal("\"open"), "Invalid character(s) in term '\"open'");
    assert_eq!(refusal("%a(b)%"), "Invalid character(s) in term '%a(b)%'");
    for bad in [
        "{",
        "{ }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1",
        "{ $.a = 1 } x",
        "[",
        "[a",
        "[..., ...]",
        "-",
        "{ $.a[*][*] = 1 }",
    ] {
        refusal(bad);
    }
    refusal(&"x".repeat(1025));
    refusal(&format!("{{ {}$.a = 1 }}", "(".repeat(900)));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_or_a_match_panic(pattern in "\\PC{0,60}", message in "\\PC{0,60}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(&message);
            pattern.extract(&message);
        }
    }

    #[test]
    fn nor_does_text_that_looks_like_a_pattern(
        pattern in "[\\[{][\\[\\]{}()$.a1=!<>&|,\"%* \\\\'-]{0,40}[\\]}]?",
        message in "[\\[\\]{}\"a1:, ]{0,40}",
    ) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(&message);
            pattern.extract(&message);
        }
    }
}
