//! Against what the npm package `xml-js` 1.6.11 gave for the same, and where this is stricter.

use serde_json::json;

use super::*;

#[test]
fn documents_are_read_as_the_package_reads_them() {
    for (source, expected) in [
        ("<a/>", json!({ "a": {} })),
        ("<a></a>", json!({ "a": {} })),
        ("<a>t</a>", json!({ "a": { "_text": "t" } })),
        ("<a x=\"1\" y='two'>t</a>", json!({ "a": { "_attributes": { "x": "1", "y": "two" }, "_text": "t" } })),
        (
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<a><b>1</b><b>2</b><c/></a>",
            json!({
                "_declaration": { "_attributes": { "version": "1.0", "encoding": "utf-8" } },
                "a": { "b": [{ "_text": "1" }, { "_text": "2" }], "c": {} },
            }),
        ),
        ("<a>one<b/>two</a>", json!({ "a": { "_text": ["one", "two"], "b": {} } })),
        ("<a> <b/> </a>", json!({ "a": { "b": {} } })),
        ("<a>  keep  </a>", json!({ "a": { "_text": "  keep  " } })),
        ("<a>&lt;&amp;&#65;&#x42;&quot;&apos;</a>", json!({ "a": { "_text": "<&AB\"'" } })),
        ("<a x=\"&lt;&quot;&#10;\"/>", json!({ "a": { "_attributes": { "x": "<\"\n" } } })),
        ("<a>t<![CDATA[x<y]]>u<![CDATA[y]]></a>", json!({ "a": { "_text": ["t", "u"], "_cdata": ["x<y", "y"] } })),
        ("<!-- c --><a><!--d--></a>", json!({ "_comment": " c ", "a": { "_comment": "d" } })),
        ("<?go there?><a/>", json!({ "_instruction": { "go": "there" }, "a": {} })),
        ("<a><?go?></a>", json!({ "a": { "_instruction": { "go": "" } } })),
        ("<!DOCTYPE foo><a/>", json!({ "_doctype": "foo", "a": {} })),
        ("<a/><b/>", json!({ "a": {}, "b": {} })),
        (
            "<ns:a xmlns:ns=\"u\"><ns:b ns:c=\"d\"/></ns:a>",
            json!({ "ns:a": { "_attributes": { "xmlns:ns": "u" }, "ns:b": { "_attributes": { "ns:c": "d" } } } }),
        ),
        ("<a x=\"1\" x=\"2\"/>", json!({ "a": { "_attributes": { "x": "1" } } })),
        ("<a>\r\n1\r\n</a>", json!({ "a": { "_text": "\r\n1\r\n" } })),
        ("<a>]]></a>", json!({ "a": { "_text": "]]>" } })),
        ("\u{feff}<a/>", json!({ "a": {} })),
        ("<a>x &lt; y<!--c--> z</a>", json!({ "a": { "_text": ["x < y", " z"], "_comment": "c" } })),
        ("", json!({})),
    ] {
        assert_eq!(parse(source), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_not_well_formed_or_would_grow_is_refused() {
    for source in ["<a>", "<a></b>", "text", "<a>&unknown;</a>", "<a>&#0;</a>", "<a x=\"&nope;\"/>", "<a x=1/>", "</a>"]
    {
        assert!(matches!(parse(source), Err(XmlError::Malformed(_))), "{source}: {:?}", parse(source));
    }
    let bomb = "<!DOCTYPE a [<!ENTITY x \"y\"><!ENTITY z \"&x;&x;\">]><a>&z;</a>";
    assert_eq!(parse(bomb), Err(XmlError::Declarations));
    let deep = |depth| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(parse(&deep(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&deep(MAX_DEPTH + 1)), Err(XmlError::TooLarge));
    assert_eq!(parse(&format!("<a>{}</a>", "<b/>".repeat(MAX_NODES))), Err(XmlError::TooLarge));
    assert_eq!(parse(&" ".repeat(MAX_BYTES + 1)), Err(XmlError::TooLarge));
}

#[test]
fn values_are_written_as_the_package_writes_them() {
    for (value, spaces, expected) in [
        (json!({ "a": {} }), 0, "<a/>"),
        (json!({ "a": null }), 0, "<a/>"),
        (json!({ "a": "" }), 0, "<a/>"),
        (json!({ "a": "t" }), 0, "<a>t</a>"),
        (json!({ "a": [1, true, {}] }), 0, "<a>1</a><a>true</a><a/>"),
        (json!({ "a": { "_text": "x<y>&\"" } }), 0, "<a>x&lt;y&gt;&amp;\"</a>"),
        (json!({ "a": { "_text": ["1", "2"] } }), 0, "<a>12</a>"),
        (json!({ "a": { "_attributes": { "x": 1, "z": null }, "_text": "t" } }), 0, "<a x=\"1\">t</a>"),
        (json!({ "a": { "_attributes": {} } }), 0, "<a/>"),
        (json!({ "a": { "b": [] } }), 0, "<a></a>"),
        (json!({ "a": { "_text": null } }), 0, "<a>null</a>"),
        (json!({ "_declaration": {}, "a": {} }), 0, "<?xml?><a/>"),
        (
            json!({ "a": { "b": { "c": "1" }, "d": [{ "_text": "2" }, { "_attributes": { "e": "3" } }] } }),
            2,
            "<a>\n  <b>\n    <c>1</c>\n  </b>\n  <d>2</d>\n  <d e=\"3\"/>\n</a>",
        ),
        (json!({ "a": { "_comment": " c ", "_cdata": "x<y" } }), 2, "<a>\n  <!-- c --><![CDATA[x<y]]>\n</a>"),
        (
            json!({ "_instruction": [{ "go": "there" }, { "x": { "_attributes": { "y": "z" } } }], "a": {} }),
            1,
            "<?go there?><?x y=\"z\"?>\n<a/>",
        ),
        (json!({ "_doctype": "foo", "a": {} }), 2, "<!DOCTYPE foo>\n<a/>"),
        (json!({ "a": { "b": { "_text": "x" }, "_text": "mixed" } }), 2, "<a>\n  <b>x</b>mixed\n</a>"),
        (
            json!({ "_declaration": { "_attributes": { "version": "1.0" } }, "_comment": "c", "a": { "b": {} } }),
            2,
            "<?xml version=\"1.0\"?>\n<!--c-->\n<a>\n  <b/>\n</a>",
        ),
    ] {
        let options = WriteOptions { spaces, ..WriteOptions::default() };
        assert_eq!(write(&value, options).as_deref(), Ok(expected), "{value}");
    }
    let full = WriteOptions { full_tag_empty_element: true, ..WriteOptions::default() };
    assert_eq!(write(&json!({ "a": null }), full).as_deref(), Ok("<a></a>"));
}

#[test]
fn what_is_written_reads_back_as_the_same_value() {
    for value in [
        json!({ "a": { "_attributes": { "x": "q\"<&>'\n\t" } } }),
        json!({ "a": { "_text": "&amp; &lt; ]]>" } }),
        json!({ "a": { "_cdata": "ä<&" } }),
    ] {
        let text = write(&value, WriteOptions::default()).unwrap();
        assert_eq!(parse(&text), Ok(value), "{text}");
    }
    let text = write(&json!({ "a": { "_cdata": "a]]>b]]>c" } }), WriteOptions::default()).unwrap();
    assert_eq!(text, "<a><![CDATA[a]]]]><![CDATA[>b]]]]><![CDATA[>c]]></a>");
}

#[test]
fn a_value_without_xml_is_not_written() {
    for value in [
        json!("text"),
        json!([]),
        json!({ "a b": 1 }),
        json!({ "a><b": 1 }),
        json!({ "1a": 1 }),
        json!({ "": 1 }),
        json!({ "a": [[1]] }),
        json!({ "a": "\u{0}" }),
        json!({ "a": { "_text": {} } }),
        json!({ "a": { "_comment": "x--><b/><!--" } }),
        json!({ "a": { "_instruction": { "go": "?><b/>" } } }),
        json!({ "a": { "_attributes": "x" } }),
        json!({ "a": { "_attributes": { "x y": 1 } } }),
        json!({ "_doctype": "a [<!ENTITY x 'y'>]" }),
    ] {
        let written = write(&value, WriteOptions::default());
        assert!(matches!(written, Err(XmlError::Unwritable(_))), "{value}: {written:?}");
    }
    let mut deep = json!("x");
    for _ in 0..=MAX_DEPTH {
        deep = json!({ "a": deep });
    }
    assert_eq!(write(&deep, WriteOptions::default()), Err(XmlError::TooLarge));
}
