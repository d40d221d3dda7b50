use super::{Params, Rendered, Scene, Template, VtlError};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn rendered(template: &str, body: &str) -> Result<Rendered, VtlError> {
    let params = Params {
        path: BTreeMap::from([("id".into(), "7".into())]),
        querystring: BTreeMap::from([("q".into(), "a b".into())]),
        header: BTreeMap::from([("X-Test".into(), "h".into())]),
    };
    let variables = BTreeMap::from([("stage_var".to_owned(), "v".to_owned())]);
    let context = json!({ "stage": "dev", "identity": { "sourceIp": "127.0.0.1" } });
    let scene = Scene {
        body,
        params: Some(&params),
        context: &context,
        stage_variables: Some(&variables),
    };
    Template::parse(template)?.render(&scene)
}

fn text(template: &str, body: &str) -> String {
    rendered(template, body).unwrap().text
}

#[test]
fn references_find_what_the_request_brought() {
    assert_eq!(
        text("$input.params('id')/$input.params(\"q\")/$input.params('x-test')", ""),
        "7/a b/h"
    );
    assert_eq!(text("$input.params().querystring.get('q')", ""), "a b");
    assert_eq!(
        text("$context.stage ${context.identity.sourceIp} $!{context.none}$none|", ""),
        "dev 127.0.0.1 |"
    );
    assert_eq!(text("$stageVariables.stage_var$stageVariables.get('none')", ""), "v");
    assert_eq!(text("costs $5 and $ and #1", ""), "costs $5 and $ and #1");
    assert_eq!(text("\\$context.stage", ""), "$context.stage");
}

/// As API Gateway formats what `$input.path` finds.
#[test]
fn values_are_shown_as_java_shows_them() {
    let value = r#"{"value":{"foo":"bar"}}"#;
    assert_eq!(text("$input.path('$.value')", value), "{foo=bar}");
    assert_eq!(text("$input.path('$.value').toString()", value), "{foo=bar}");
    assert_eq!(
        text("$input.path('$.value')", r#"{"value":[{"foo":"bar"}]}"#),
        r#"[{"foo":"bar"}]"#
    );
    assert_eq!(
        text("$input.path('$.value')[0]", r#"{"value":[{"foo":"bar"}]}"#),
        "{foo=bar}"
    );
    assert_eq!(
        text("$input.path('$.value')", r#"{"value":{"foo":[{"nested":"bar"}]}}"#),
        r#"{foo=[{"nested":"bar"}]}"#
    );
    assert_eq!(
        text(
            "$input.path('$')",
            r#"{"bigger":"dict","to":"test","with":"separators"}"#
        ),
        "{bigger=dict, to=test, with=separators}"
    );
    assert_eq!(text("#set($l = [1, 'a', {'k': 2.50}])$l", ""), "[1, a, {k=2.5}]");
}

#[test]
fn bodies_are_text_and_json() {
    assert_eq!(text("$input.body|$input.json('$')", ""), "{}|{}");
    assert_eq!(text("$input.body", "some raw data"), "some raw data");
    assert_eq!(text("$input.json('$.a')", r#"{"a":{"b":[1,"x"]}}"#), r#"{"b":[1,"x"]}"#);
    assert_eq!(
        text("$input.json('$.s') $input.json('$.none')", r#"{"s":"t"}"#),
        r#""t" """#
    );
    assert_eq!(
        text(
            "EncodedBody=$util.urlEncode($input.body)&Access=$util.urlEncode($input.body.some)",
            r#"{"some": "value"}"#
        ),
        "EncodedBody=%7B%22some%22%3A+%22value%22%7D&Access="
    );
}

#[test]
fn tools_escape_and_decode() {
    assert_eq!(
        text(r#"$util.escapeJavaScript("it's ""a""/ü")"#, ""),
        r#"it\'s \"a\"\/\u00FC"#
    );
    assert_eq!(
        text("$util.base64Encode('hello') $util.base64Decode('aGVsbG8=')", ""),
        "aGVsbG8= hello"
    );
    assert_eq!(text("$util.parseJson('{\"a\":[1,2]}').a[1]", ""), "2");
    assert_eq!(text("$util.urlDecode('a%20b+c%zz')", ""), "a b c%zz");
}

#[test]
fn directives_choose_and_repeat() {
    let template = "#set($x = 3)\n#if($x > 2 && $x != 4)\nbig\n#elseif($x == 1)\none\n#else\nsmall\n#end\nend";
    assert_eq!(text(template, ""), "big\nend");
    let loop_ = r#"#foreach($i in $input.path('$.l'))$foreach.index:$i#if($foreach.hasNext),#end#end"#;
    assert_eq!(text(loop_, r#"{"l":["a","b","c"]}"#), "0:a,1:b,2:c");
    assert_eq!(text("#foreach($i in [1..5])#if($i == 3)#break#end$i#end|", ""), "12|");
    assert_eq!(text("a#stop b", ""), "a");
    assert_eq!(
        text("#macro(hi $who)Hello $who!#end#hi('you') #nothing(1)", ""),
        "Hello you! #nothing(1)"
    );
    assert_eq!(
        text("a ## note\nb #* long\nnote *#c #[[$raw #if]]#", ""),
        "a b c $raw #if"
    );
    assert_eq!(
        text(
            "#foreach($k in $input.params().header.keySet())$k=$input.params().header.get($k);#end",
            ""
        ),
        "X-Test=h;"
    );
    // A hyphen belongs to a name.
    assert_eq!(
        text(
            "#set($m = {'a': 1})#foreach($e in $m.entrySet())$e.key-$e.value#end",
            ""
        ),
        "1"
    );
    assert_eq!(
        text(
            "#set($m = {'a': 1})#foreach($e in $m.entrySet())${e.key}:${e.value}#end",
            ""
        ),
        "a:1"
    );
}

#[test]
fn maps_and_lists_change() {
    let template = r#"#set($m = {})#set($m.a = "x")#set($void = $m.put("b", [1]))#set($m["c"] = true)$void$m.a$m.b[0]$m.get('c') $m.size()"#;
    assert_eq!(text(template, ""), "x1true 3");
    assert_eq!(
        text(
            "#set($l = [])#set($ok = $l.add('z'))$l.size()$l[0]$l.get(0).toUpperCase()",
            ""
        ),
        "1zZ"
    );
    assert_eq!(
        text(
            "#set($s = 'a,b,,')$s.split(',').size() $s.replaceAll('[ab]', 'x') $s.length()",
            ""
        ),
        "2 x,x,, 5"
    );
    assert_eq!(
        text("#set($n = 7 / 2 * 2 + 1 - 3 % 2)$n #set($t = 'a' + 1)$t", ""),
        "6 a1"
    );
}

#[test]
fn overrides_come_out() {
    let template =
        r#"#set($context.responseOverride.status = 444)#set($context.responseOverride.header.X-A = "b")body"#;
    let made = rendered(template, "").unwrap();
    let overridden: Json = made.response_override.unwrap();
    assert_eq!(overridden["status"], 444);
    assert_eq!(overridden["header"]["X-A"], "b");
    assert_eq!((made.text.as_str(), made.request_override), ("body", None));
}

#[test]
fn bounds_hold() {
    let doubling = format!("#set($s = 'x'){}", "#set($s = \"$s$s\")".repeat(60));
    assert!(matches!(rendered(&doubling, ""), Err(VtlError::Bound(_))));
    let nested = "#foreach($a in [1..1000])#foreach($b in [1..1000])#set($c = $a)#end#end";
    assert!(matches!(rendered(nested, ""), Err(VtlError::Bound(_))));
    assert!(matches!(rendered("#macro(f)#f()#end#f()", ""), Err(VtlError::Bound(_))));
    assert!(rendered(&"(".repeat(100_000), "").is_ok());
    assert!(rendered(&format!("#set($x = {})", "(".repeat(10_000)), "").is_err());
    assert!(rendered(&format!("#set($x = {})", "[".repeat(10_000)), "").is_err());
    assert!(matches!(
        rendered("#set($l = [])#set($x = $l.add($l))$l", ""),
        Err(VtlError::Bound(_))
    ));
    assert!(matches!(rendered("#if(true)", ""), Err(VtlError::Syntax { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_template_panics(template in r#"([$#(){}\[\]"'.,!=<>&|+*/%\\a-c0-9 \n-]|#set|#if|#elseif|#else|#end|#foreach|#break|#stop|#macro|\$input|\$util|\$context|ü| in |true|null){0,60}"#) {
        let _ = rendered(&template, r#"{"a":[1,{"b":null}]}"#);
    }

    #[test]
    fn templates_of_sense_do_not_panic(
        parts in prop::collection::vec(prop::sample::select(vec![
            "#set($a = $input.path('$'))", "#set($b = [1, $a, 'x'])", "#set($a.k = $b)", "$a", "$b.size()",
            "#foreach($i in $b)", "#if($i)", "#else", "#end", "$i", "$b.add($a)", "#set($b[1] = $b)",
            "$input.json('$.a')", "$util.parseJson($input.body)", "#break", "$a.keySet()", "#stop", "#macro(m $x)$x#end", "#m($b)",
            "$b.remove(0)", "$a.put('z', $a)", "#set($c = \"$a$b\")", "$c.substring(2, 1)", "$c.replace('', $c)",
        ]), 0..30)
    ) {
        let _ = rendered(&parts.concat(), r#"{"a":[1,{"b":null}],"k":"v"}"#);
    }
}
