use super::engine::{Engine, Window};
use super::output::Writer;
use super::parse;
use crate::shapes::*;
use danbi_core::Timestamp;

fn csv(header: &str) -> InputSerialization {
    InputSerialization {
        csv: Some(CSVInput {
            file_header_info: Some(header.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn json(kind: &str) -> InputSerialization {
    InputSerialization {
        json: Some(JSONInput {
            r#type: Some(kind.into()),
        }),
        ..Default::default()
    }
}

fn to_csv() -> OutputSerialization {
    OutputSerialization {
        csv: Some(CSVOutput::default()),
        json: None,
    }
}

fn to_json() -> OutputSerialization {
    OutputSerialization {
        csv: None,
        json: Some(JSONOutput::default()),
    }
}

fn run(
    sql: &str,
    input: &InputSerialization,
    output: &OutputSerialization,
    text: &str,
    (offset, end): (u64, u64),
) -> crate::Result<String> {
    let window = Window {
        offset,
        end,
        mid_record: offset > 0,
    };
    let mut engine = Engine::new(
        parse::query(sql)?,
        input,
        Writer::new(output)?,
        window,
        Timestamp::from_millis(1_700_000_000_000),
    )?;
    for piece in text.as_bytes()[offset as usize..].chunks(7) {
        if !engine.done {
            engine.push(piece, false)?;
        }
    }
    engine.push(&[], true)?;
    Ok(String::from_utf8(engine.out).unwrap())
}

const PEOPLE: &str = "Name,age,City\nAnn,31,Oslo\nBob,9,\"Bergen, Norway\"\nCid,,Oslo\n";

fn people(sql: &str) -> String {
    run(sql, &csv("USE"), &to_csv(), PEOPLE, (0, u64::MAX)).unwrap()
}

/// One expression over one record.
fn value(expr: &str) -> String {
    let text = "{\"a\": 5, \"t\": \"text\", \"l\": [1, {\"x\": 2}], \"n\": null, \"Up\": 1}";
    let sql = format!("SELECT {expr} AS v FROM S3Object s");
    run(&sql, &json("DOCUMENT"), &to_json(), text, (0, u64::MAX))
        .unwrap()
        .trim_end()
        .to_owned()
}

fn code(sql: &str) -> &'static str {
    let error = run(sql, &csv("USE"), &to_csv(), PEOPLE, (0, u64::MAX)).unwrap_err();
    error.code().unwrap()
}

#[test]
fn columns_filters_and_limits() {
    assert_eq!(people("SELECT * FROM S3Object"), &PEOPLE[14..]);
    assert_eq!(
        people("select s.name, s.City from s3object s where s.age > 10"),
        "Ann,Oslo\n"
    );
    assert_eq!(
        people("SELECT \"Name\" FROM S3Object WHERE city LIKE '%Nor%' LIMIT 5"),
        "Bob\n"
    );
    assert_eq!(people("SELECT _1 FROM S3Object LIMIT 2"), "Ann\nBob\n");
    assert_eq!(people("SELECT _1 FROM S3Object LIMIT 0"), "");
    assert_eq!(people("SELECT name FROM S3Object WHERE age = ''"), "Cid\n");
    assert_eq!(
        people("SELECT name FROM S3Object WHERE age <> '' AND CAST(age AS INT) IN (9, 10)"),
        "Bob\n"
    );
    assert_eq!(
        people("SELECT name FROM S3Object WHERE NOT city = 'Oslo' AND age BETWEEN 1 AND 10"),
        "Bob\n"
    );
    let none = run(
        "SELECT _2 FROM S3Object",
        &csv("NONE"),
        &to_csv(),
        PEOPLE,
        (0, u64::MAX),
    )
    .unwrap();
    assert_eq!(none, "age\n31\n9\n\n");
    let ignored = run(
        "SELECT * FROM S3Object LIMIT 1",
        &csv("IGNORE"),
        &to_json(),
        PEOPLE,
        (0, u64::MAX),
    )
    .unwrap();
    assert_eq!(ignored, "{\"_1\":\"Ann\",\"_2\":\"31\",\"_3\":\"Oslo\"}\n");
}

#[test]
fn aggregates_see_every_record() {
    assert_eq!(
        people("SELECT COUNT(*), SUM(CAST(age AS INT)) FROM S3Object WHERE age <> ''"),
        "2,40\n"
    );
    assert_eq!(
        people("SELECT AVG(age), MIN(age), MAX(name), COUNT(*) + 1 FROM S3Object s WHERE s.age <> ''"),
        "20,9,Bob,3\n"
    );
    assert_eq!(people("SELECT SUM(age) FROM S3Object WHERE name = 'Nobody'"), "\n");
    assert_eq!(people("SELECT COUNT(*) AS n FROM S3Object LIMIT 1"), "3\n");
}

#[test]
fn documents_lines_and_paths() {
    let text = "{\"items\": [{\"id\": 1, \"tags\": [\"a\"]}, {\"id\": 2}]}\n{\"items\": []}\n";
    let paths = |sql: &str, kind| run(sql, &json(kind), &to_json(), text, (0, u64::MAX)).unwrap();
    assert_eq!(
        paths("SELECT s.id FROM S3Object[*].items[*] s", "DOCUMENT"),
        "{\"id\":1}\n{\"id\":2}\n"
    );
    assert_eq!(
        paths("SELECT s.items[0].id FROM S3Object s LIMIT 1", "LINES"),
        "{\"id\":1}\n"
    );
    assert_eq!(
        paths("SELECT * FROM S3Object[*].items[*] s WHERE s.tags[0] = 'a'", "LINES"),
        "{\"id\":1,\"tags\":[\"a\"]}\n"
    );
    assert_eq!(
        paths("SELECT COUNT(*) FROM S3Object[*].items[*]", "LINES"),
        "{\"_1\":2}\n"
    );
}

#[test]
fn expressions() {
    for (expr, expected) in [
        ("s.a + 1 * 2", "{\"v\":7}"),
        ("(s.a + 1) * 2", "{\"v\":12}"),
        ("-s.a % 3", "{\"v\":-2}"),
        ("s.a / 2", "{\"v\":2}"),
        ("s.a / 2.0", "{\"v\":2.5}"),
        ("UPPER(s.t) || '-' || s.a", "{\"v\":\"TEXT-5\"}"),
        ("s.up", "{\"v\":1}"),
        ("s.\"up\"", "{}"),
        ("s.l[1].x", "{\"v\":2}"),
        ("s['t']", "{\"v\":\"text\"}"),
        ("s.missing IS MISSING", "{\"v\":true}"),
        ("s.n IS MISSING", "{\"v\":false}"),
        ("s.n IS NULL", "{\"v\":true}"),
        ("s.n = 1", "{\"v\":null}"),
        ("s.n = 1 OR s.a = 5", "{\"v\":true}"),
        ("s.n = 1 AND s.a = 6", "{\"v\":false}"),
        ("COALESCE(s.n, s.missing, 3)", "{\"v\":3}"),
        ("NULLIF(s.a, 5)", "{\"v\":null}"),
        ("CHAR_LENGTH('añb')", "{\"v\":3}"),
        ("SUBSTRING('123456789', 2, 4)", "{\"v\":\"2345\"}"),
        ("SUBSTRING('123456789' FROM 0 FOR 3)", "{\"v\":\"12\"}"),
        ("TRIM('  x ')", "{\"v\":\"x\"}"),
        ("TRIM(BOTH '12' FROM '1112foo2')", "{\"v\":\"foo\"}"),
        ("CAST('1.5' AS FLOAT)", "{\"v\":1.5}"),
        ("CAST(s.a AS STRING)", "{\"v\":\"5\"}"),
        ("CAST(1 AS BOOL)", "{\"v\":true}"),
        ("CASE WHEN s.a > 4 THEN 'big' ELSE 'small' END", "{\"v\":\"big\"}"),
        ("CASE s.a WHEN 4 THEN 'four' END", "{\"v\":null}"),
        ("'a%b' LIKE 'a!%_' ESCAPE '!'", "{\"v\":true}"),
        ("'aaab' LIKE '%a_'", "{\"v\":true}"),
        ("s.t NOT LIKE 't_xt'", "{\"v\":false}"),
        ("SIZE(s.l)", "{\"v\":2}"),
        ("EXTRACT(YEAR FROM TO_TIMESTAMP('2010-01-15T'))", "{\"v\":2010}"),
        (
            "DATE_ADD(month, 1, TO_TIMESTAMP('2010-01-31'))",
            "{\"v\":\"2010-02-28T00:00:00Z\"}",
        ),
        (
            "DATE_DIFF(day, TO_TIMESTAMP('2010-01-01'), TO_TIMESTAMP('2010-01-03T12:00Z'))",
            "{\"v\":2}",
        ),
        (
            "TO_STRING(TO_TIMESTAMP('1969-07-20T20:18Z'), 'MMMM d, yyyy hh:mm a')",
            "{\"v\":\"July 20, 1969 08:18 PM\"}",
        ),
        ("9223372036854775807 + 1", "{\"v\":9.223372036854776e+18}"),
    ] {
        assert_eq!(value(expr), expected, "{expr}");
    }
}

#[test]
fn a_scan_looks_at_the_records_that_begin_within() {
    let text = "a,1\nbb,2\nccc,3\ndddd,4\n";
    // `bb` begins at 4, `ccc` at 9, `dddd` at 15; a scan from 4 is given the byte before.
    let scan =
        |from: u64, to: u64| run("SELECT _1 FROM S3Object", &csv("NONE"), &to_csv(), text, (from - 1, to)).unwrap();
    assert_eq!(scan(4, 8), "bb\n");
    assert_eq!(scan(5, 9), "ccc\n");
    assert_eq!(scan(5, 100), "ccc\ndddd\n");
}

#[test]
fn what_is_wrong_has_s3s_code() {
    for (sql, expected) in [
        ("SELECT 1", "ParseSelectMissingFrom"),
        ("UPDATE x", "ParseUnsupportedSelect"),
        ("SELECT * FROM other", "InvalidDataSource"),
        ("SELECT * FROM S3Object WHERE", "ParseExpectedExpression"),
        ("SELECT * FROM S3Object ORDER BY 1", "UnsupportedSqlStructure"),
        ("SELECT name, COUNT(*) FROM S3Object", "UnsupportedSqlStructure"),
        ("SELECT SUM(COUNT(*)) FROM S3Object", "UnsupportedSqlStructure"),
        ("SELECT FOO(1) FROM S3Object", "UnsupportedFunction"),
        ("SELECT LOWER() FROM S3Object", "EvaluatorInvalidArguments"),
        ("SELECT LOWER(1) FROM S3Object", "IncorrectSqlFunctionArgumentType"),
        ("SELECT CAST('x' AS INT) FROM S3Object", "CastFailed"),
        ("SELECT 1/0 FROM S3Object", "EvaluatorInvalidArguments"),
        ("SELECT nothing FROM S3Object", "InvalidColumnIndex"),
        ("SELECT * FROM S3Object LIMIT x", "ParseUnexpectedToken"),
        ("SELECT * FROM S3Object WHERE a = ;", "LexerInvalidChar"),
    ] {
        assert_eq!(code(sql), expected, "{sql}");
    }
    let deep = format!("SELECT {}1{} FROM S3Object", "(".repeat(5000), ")".repeat(5000));
    assert_eq!(code(&deep), "UnsupportedSqlStructure");
    let long = format!("SELECT '{}' FROM S3Object", "x".repeat(300_000));
    assert_eq!(code(&long), "ExpressionTooLong");
}
