//! The table of functions, and input that is long, wide, deep, or made to take long: every function ends, with a result of
//! a bearable size or its own code. What grows with the square of these inputs takes minutes; how long the built binary
//! takes is in `tests/binary/hostile.rs`.

use serde_json::{Map, Value, json};

use super::{BY_NAME, GROUPS, OF_A_RUN, find, reason};
use crate::expression::{Expression, Profile, Scope, limits};

fn nested(depth: usize, wrap: impl Fn(Value) -> Value) -> Value {
    nested_in(depth, json!(1), wrap)
}

fn nested_in(depth: usize, inmost: Value, wrap: impl Fn(Value) -> Value) -> Value {
    (0..depth).fold(inmost, |inner, _| wrap(inner))
}

fn records(count: usize) -> Value {
    (0..count)
        .map(|index| json!({"id": index, "parent_id": index.wrapping_sub(1), "name": format!("n{index}")}))
        .collect()
}

fn numbered(count: usize, before: &str, after: &str) -> String {
    (0..count).flat_map(|index| [before.to_owned(), index.to_string(), after.to_owned()]).collect()
}

/// Evaluates over `x`: the code of the failure, or the size of the result.
fn outcome(source: &str, x: &Value) -> Result<usize, String> {
    let scope = Scope::new(Map::from_iter([("x".to_owned(), x.clone())]), 0, 1);
    match Expression::compile(source).unwrap().evaluate(&scope) {
        Ok(value) => Ok(value.map_or(0, |value| value.to_string().len())),
        Err(error) => Err(error.code),
    }
}

/// Each case ends with this code, or with a result that is not larger than one may be (`ok`).
fn check(cases: &[(&str, Value, &str)]) {
    for (source, x, expected) in cases {
        match outcome(source, x) {
            Ok(size) => {
                assert_eq!(*expected, "ok", "{source}");
                assert!(size <= limits::RESULT_BYTES, "{source} gave {size} bytes");
            }
            Err(code) => assert_eq!(*expected, code, "{source}"),
        }
    }
}

#[test]
fn a_name_stands_for_one_function_and_is_not_refused_at_the_same_time() {
    let listed: Vec<_> = GROUPS.iter().copied().flatten().map(|(name, _)| *name).collect();
    assert_eq!(BY_NAME.len(), listed.len(), "a name is listed twice");
    let of_a_run = OF_A_RUN.iter().copied().flatten().map(|(name, _)| *name);
    for name in
        listed.into_iter().chain(of_a_run.inspect(|name| assert!(find(name).is_none(), "{name} is there twice")))
    {
        assert_eq!(reason(name), None, "{name} is supported and unsupported");
    }
}

#[test]
fn lists_as_long_as_they_may_be_are_worked_through_once() {
    let many = records(20_000);
    let words: Value = (0..20_000).map(|index| format!("w{}", (index * 7919) % 20_000)).collect();
    check(&[
        ("$groupBy(x, 'name')", many.clone(), "ok"),
        ("$keyBy(x, 'id')", many.clone(), "ok"),
        ("$orderBy(x, ['name', 'id'], ['desc'])", many.clone(), "ok"),
        ("$find(x, {'id': -1})", many.clone(), "ok"),
        ("$lofilter(x, ['id', 19999])", many.clone(), "ok"),
        ("$sortNodes(x)", many.clone(), "ok"),
        ("$jsonToCsv(x)", many.clone(), "ok"),
        ("$stringifyQuery(x)", many, "ok"),
        ("$orderBy(x)", words.clone(), "ok"),
        ("$difference(x, x)", words.clone(), "ok"),
        ("$compact(x)", words.clone(), "ok"),
        ("$mostSimilar('w19999', x)", words.clone(), "ok"),
        ("$pick($keyBy(x), x)", words.clone(), "ok"),
        ("$omit($keyBy(x), x)", words, "ok"),
    ]);
}

/// Lists in which much is equal that is not written alike.
fn alike() -> Value {
    let few: Value = (0..900).map(|index| json!({"a": index % 300, "b": [index % 300, 1.0]})).collect();
    let turned: Value = (0..900).map(|index| json!({"b": [index % 300, 1], "a": index % 300})).collect();
    // Each thrice, and more different ones than the engine would be left with.
    let mixed: Value = (0..900_u32)
        .map(|index| {
            let (number, double, is_first) = (index % 300, f64::from(index % 300), index < 300);
            match number % 5 {
                0 if is_first => json!(number),
                0 => json!(if number == 0 { -0.0 } else { double }),
                1 => json!(9_007_199_254_740_990_u64 + u64::from(number)),
                2 => json!(number.to_string()),
                3 if is_first => json!({ "": number, "\"": ["1,2"], "\u{1}": [1, 2] }),
                3 => json!({ "\u{1}": [1.0, 2], "\"": ["1,2"], "": double }),
                _ => json!([[], {}, [double], [[number]], [null], null, 0.1 + 0.2, 1e21, 5e-324]),
            }
        })
        .collect();
    let deep: Value =
        (0..900).map(|index| json!({ "a": [{ "x": index % 300, "y": { "p": 1, "q": [1.0, 2] } }] })).collect();
    json!({ "few": few, "turned": turned, "same": vec![json!({"k": "v"}); 1000], "zeros": vec![-0.0; 500],
        "mixed": mixed, "deep": deep })
}

#[test]
fn what_is_kept_once_is_what_the_engine_alone_keeps_and_takes_no_square_of_time() {
    let x = alike();
    for source in [
        "$distinct(few)",
        "$distinct($append(few, turned))",
        "$distinct(same)",
        "$distinct(same.k)",
        "$distinct(zeros)",
        "$distinct(mixed)",
        "$distinct(deep)",
        "$distinct([[few.a], few.a])",
        "[$distinct(few.a)]",
        "[$distinct([few.a])]",
        "{'d': $distinct(few.a)[]}",
        "$distinct(few.a)[0]",
        "$distinct(few)[a = 7]",
        "few.a ~> $distinct() ~> $sum()",
        "few.$distinct(b)",
        "$distinct('a')",
        "$distinct(nothing)",
        "$distinct(few.a)",
        "few ~> $distinct ~> $count",
        "$map([[1, 1], [2]], $distinct)",
        "$keys(few)",
        "$keys(same)",
        "few.$keys()",
        "same[0].$keys()",
        "$keys([[few, same], {'z': 1}])",
        "$keys(few.{'k' & a: 1})",
        "$keys(1)",
        "$keys(nothing)",
    ] {
        let own = Expression::compile(source).unwrap().evaluate_over(&x);
        let engines = Expression::compile_for(Profile::Conformance, source, &Map::new()).unwrap().evaluate_over(&x);
        assert_eq!(own, engines, "{source}");
    }
    let words: Value = (0..100_000).map(|index| format!("w{index}")).collect();
    let wide: Map<String, Value> = (0..100_000).map(|index| (format!("k{index}"), json!(1))).collect();
    check(&[
        ("$distinct(x)", words, "list_too_long"),
        ("$distinct(x)", records(100_000), "list_too_long"),
        ("$count($distinct(x))", json!(vec![json!({"id": 1}); 100_000]), "ok"),
        ("$keys(x)", Value::Object(wide.clone()), "U1001"),
        ("$keys(x)", json!([wide, {"a": 1}]), "list_too_long"),
        ("$keys(x)", records(100_000), "ok"),
    ]);
}

#[test]
fn what_multiplies_two_arguments_is_bounded() {
    let wide: Value = (0..10_000).map(|index| format!("c{index}")).collect();
    let long = Value::from("a".repeat(1 << 20));
    let (items, twenty) = (json!(vec![1; 20_000]), json!(vec![json!({"id": 1}); 20_000]));
    let parts: Vec<usize> = (0..3_000).collect();
    let deep_list = nested_in(80, json!(vec![1; 200_000]), |inner| json!({"a": inner}));
    check(&[
        ("$join($split($pad('', 5000, ','), ','), x)", long.clone(), "text_too_long"),
        ("$mapValues(x.i, {'1': x.t})", json!({"i": items, "t": long}), "text_too_long"),
        ("$pick(x, $map([1..15000], function() { 't' }))", json!({"t": long}), "ok"),
        ("$jsonToCsv(x.r, {'fields': x.c})", json!({"r": twenty, "c": wide}), "too_much_work"),
        ("$zipSqlResponse(x.c, x.r, 'length')", json!({"r": vec![json!([]); 20_000], "c": wide}), "too_much_work"),
        ("$orderBy(x.r, x.c)", json!({"r": twenty, "c": wide}), "too_much_work"),
        (
            "$find(x.p, {'p': x.q})",
            json!({"p": [{"p": parts}], "q": parts.iter().rev().collect::<Vec<_>>()}),
            "too_much_work",
        ),
        ("$stringifyQuery(x)", json!({"a".repeat(1 << 20): items}), "text_too_long"),
        ("$convertHtmlToMarkdown('<table><tr><td colspan=999999999>x</td></tr></table>')", json!(1), "text_too_long"),
        ("$jsToXml(x, {'compact': true, 'spaces': 1e9})", deep_list, "xml_too_large"),
    ]);
}

#[test]
fn a_replacement_is_bounded_before_it_is_made() {
    let a = Value::from("a".repeat(1 << 16));
    let x = json!({"a": a, "long": "a".repeat(1 << 22)});
    check(&[
        ("$replace(x.a, 'a', x.a)", x.clone(), "text_too_long"),
        ("$replace(x.long, 'a', x.a)", x.clone(), "text_too_long"),
        ("$replace(x.a, /a/, x.a)", x.clone(), "text_too_long"),
        ("x.a ~> $replace('a', x.a)", x.clone(), "text_too_long"),
        ("$map([x.a], $replace(?, 'a', x.a))", x.clone(), "text_too_long"),
        ("$length($replace(x.a, 'a', x.a, 3))", x.clone(), "ok"),
        ("$length($replace(x.a, 'a', 'bb'))", x.clone(), "ok"),
        ("$length($replace('abc', /b/, x.a))", x, "ok"),
    ]);
    let same = json!({ "x": "a b" });
    for (source, expected) in [
        ("$replace(x, 'a', 'c')", json!("c b")),
        ("x.$replace('a', 'c')", json!("c b")),
        ("$replace(x, /([a-z])/, '<$1>')", json!("<a> <b>")),
        ("$replace(x, /[a-z]/, function($m) { $uppercase($m.match) }, 1)", json!("A b")),
        ("$map([x, x], $replace(?, ' ', ''))", json!(["ab", "ab"])),
        ("$exists($replace(nothing, 'a', 'b'))", json!(false)),
        ("($replace := function($x) { $x }; $replace(x))", json!("a b")),
    ] {
        let got = Expression::compile(source).unwrap().evaluate_over(&same);
        assert_eq!(got, Ok(Some(expected)), "{source}");
    }
}

#[test]
fn ids_that_repeat_do_not_multiply_a_tree_without_end() {
    let chain: Value = (1..40)
        .flat_map(|id| [json!({"id": id, "parent_id": id - 1}), json!({"id": id, "parent_id": id - 1})])
        .collect();
    assert_eq!(outcome("$sortNodes(x)", &chain), Err("list_too_long".to_owned()));
}

#[test]
fn deep_values_do_not_end_the_process() {
    let lists = nested(199, |inner| json!([inner]));
    let objects = nested(199, |inner| json!({"a": inner}));
    check(&[
        ("$count($flattenDeep(x))", lists.clone(), "ok"),
        ("$count($flattenDepth(x, 400))", lists.clone(), "ok"),
        ("$length($join(x))", lists.clone(), "ok"),
        ("$count($difference(x, x))", lists.clone(), "ok"),
        ("$count($orderBy([x, x, 1]))", lists.clone(), "ok"),
        ("$count($mapValues(x, {'1': 2}))", lists, "ok"),
        ("$count($mapValues(x, {'1': 2}))", objects.clone(), "ok"),
        ("$count($lofilter(x, x))", objects.clone(), "ok"),
        ("$count($omit(x, 'a.a.a.b'))", objects.clone(), "ok"),
        ("$count($parseQuery(x))", objects.clone(), "ok"),
        ("$length($stringifyQuery(x))", objects.clone(), "ok"),
        ("$length($jsonToCsv(x))", objects.clone(), "ok"),
        ("$jsToXml(x)", objects, "xml_too_large"),
        ("$flattenDeep(x)", nested(500, |inner| json!([inner])), "nested_too_deep"),
    ]);
}

#[test]
fn texts_made_to_be_parsed_for_long_are_not() {
    let text = |piece: &str, times: usize| Value::from(piece.repeat(times));
    let after = |start: &str, piece: &str, times: usize| Value::from(format!("{start}{}", piece.repeat(times)));
    check(&[
        ("$parseQuery(x)", text("[", 4 << 20), "ok"),
        ("$parseQuery(x, {'depth': 1e9})", after("a", "[b]", 1 << 20), "query_limit"),
        ("$parseQuery(x, {'allowDots': true, 'depth': 1e9})", after("a", ".b", 1 << 20), "query_limit"),
        ("$parseQuery(x, {'parameterLimit': 1e9})", text("a=1&", 1 << 20), "query_limit"),
        ("$parseQuery(x, {'parameterLimit': 1e9, 'arrayLimit': 1e9})", text("a[]=1&", 1 << 20), "query_limit"),
        ("$parseQuery(x, {'arrayLimit': 1e10, 'allowSparse': true})", json!("a[999999999]=1"), "too_much_work"),
        ("$parseQuery(x, {'arrayLimit': 1e10})", json!("a[999999999]=1"), "ok"),
        ("$xmlToJs(x)", text("<a>", 1 << 20), "xml_too_large"),
        ("$xmlToJs(x)", after("<a", " b='1'", 1 << 20), "invalid_xml"),
        ("$diceCoefficient(x, x & 'b')", text("ab", 1 << 20), "ok"),
        ("$count($values(x))", text("a", 1 << 20), "list_too_long"),
        ("$groupBy([{}], x)", text("[", 1 << 20), "ok"),
        ("$jsonToCsv([{}], {'fields': [x]})", text("[", 1 << 20), "ok"),
        ("$jsonToCsv([{}], {'fields': [x]})", text("['", 1 << 19), "ok"),
        ("$groupBy([{}], x)", after("a.", "[", 1 << 20), "ok"),
        ("$groupBy([{}], x)", after("a.", "['", 1 << 19), "ok"),
        ("$groupBy([{}], x)", after("a.", "[1", 1 << 19), "ok"),
        ("$groupBy([{}], x)", after("a", ".", 1 << 20), "ok"),
        ("$convertCurrencyToSubunit(x, 'USD')", text("1", 1 << 20), "ok"),
    ]);
}

#[test]
fn markdown_made_to_be_parsed_for_long_is_not() {
    let pieces = [
        "> ",
        "- ",
        "[",
        "![",
        "*a ",
        "**_",
        "`",
        "``a",
        "| ",
        "<",
        "<a ",
        "&",
        "www.",
        "a@",
        "a@b.",
        "https://a(",
        "https://a)",
        "http://",
        ";",
        "\\",
        "~~",
        "[a](",
        "[a]: b\n",
        "* a\n",
        "#",
        "<!--",
        "\t",
        "- [ ] a\n\n",
        "![a](b ",
    ];
    for piece in pieces {
        let x = Value::from(format!("https://a.test{}", piece.repeat((1 << 18) / piece.len())));
        let _ = outcome("$length($convertMarkdownToHtml(x))", &x);
        let _ = outcome("$length($convertMarkdownToHtml(x))", &Value::from(piece.repeat((1 << 18) / piece.len())));
    }
    let table = format!("{}\n{}\n{}", "|a".repeat(20_000), "|-".repeat(20_000), "|b\n".repeat(20_000));
    let _ = outcome("$length($convertMarkdownToHtml(x))", &Value::from(table));
}

#[test]
fn html_made_to_be_parsed_for_long_is_not() {
    let text = |piece: &str, times: usize| Value::from(piece.repeat(times));
    let after = |start: &str, piece: &str, times: usize| Value::from(format!("{start}{}", piece.repeat(times)));
    let many = numbered(100_000, "<b a=", ">");
    let attributes = numbered(500_000, " a", "");
    check(&[
        ("$convertHtmlToMarkdown(x)", text("<div>", 1 << 20), "html_too_large"),
        ("$convertHtmlToMarkdown(x)", text("<p>", 1 << 20), "html_too_large"),
        ("$convertHtmlToMarkdown(x)", Value::from(many), "html_too_large"),
        ("$convertHtmlToMarkdown(x)", Value::from(format!("<a{attributes}>")), "html_too_large"),
        ("$convertHtmlToMarkdown(x)", text("<table>x<td>", 1 << 17), "html_too_large"),
        ("$convertHtmlToMarkdown(x)", text("<b><p>", 1 << 17), "html_too_large"),
        ("$length($convertHtmlToMarkdown(x))", text("<li>a", 40_000), "ok"),
        ("$length($convertHtmlToMarkdown(x))", after("<ol>", "<li>a", 40_000), "ok"),
        ("$length($convertHtmlToMarkdown(x))", after("<table>", "<tr><th>a", 30_000), "ok"),
        ("$length($convertHtmlToMarkdown(x))", after(&"<ul><li>".repeat(45), "a<br>", 49_000), "text_too_long"),
        ("$length($convertHtmlToMarkdown(x))", after(&"<b>".repeat(80), "a ", 1 << 20), "ok"),
        ("$length($convertHtmlToMarkdown(x))", after("<pre><code>", "a\n", 1 << 20), "ok"),
        ("$length($convertHtmlToMarkdown(x))", after("<code>", "`", 1 << 20), "ok"),
        ("$convertHtmlToMarkdown(x)", after("<!--", " ", 1 << 20), "html_too_large"),
        ("$length($convertHtmlToMarkdown(x))", after("<img src=data:image/png;base64,", "iVBORw0KGgo", 1 << 17), "ok"),
    ]);
}
