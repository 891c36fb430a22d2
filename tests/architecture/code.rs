//! Rules about one source file. Each answers the faults it found, as sentences with the file and the line.

use crate::source::{Path, Token, paths, product, says, tokens};
use crate::table::Rules;

/// More lines than this are two files.
const MOST_LINES: usize = 500;

/// Test code that may wait for time to pass: it feeds, disturbs and watches live processes.
const PACED: [&str; 3] = ["chaos/driver/", "binary/support/", "support/"];

/// What a pure module never names: crates and functions that wait, look at the world or talk.
const IMPURE: &[&[&str]] = &[
    &["tokio"],
    &["tokio_util"],
    &["tracing"],
    &["reqwest"],
    &["sqlx"],
    &["axum"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "net"],
    &["std", "thread"],
    &["std", "process"],
    &["Instant", "now"],
    &["SystemTime", "now"],
    &["crate", "clock", "Clock"],
    &["crate", "clock", "SystemClock"],
];

/// A source file; `name` is its path below `src` or `tests`, with `/`.
#[derive(Debug)]
pub struct File {
    pub name: String,
    pub text: String,
}

impl File {
    /// The module below the crate's root: `store` of `store/sqlite/sql.rs`.
    fn module(&self) -> &str {
        self.name.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// How many modules stand between it and the crate's root, itself included.
    fn depth(&self) -> usize {
        match self.name.as_str() {
            "lib.rs" | "main.rs" => 0,
            name => name.split('/').filter(|part| *part != "mod.rs").count(),
        }
    }

    /// Whether all of it is test code.
    fn is_test(&self) -> bool {
        self.name.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    fn product(&self) -> Vec<Token> {
        if self.is_test() { Vec::new() } else { product(&tokens(&self.text)) }
    }

    fn fault(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}:{line}: {what}", self.name)
    }
}

/// Imports that the table does not allow, tests included.
pub fn imports(file: &File, rules: &Rules) -> Vec<String> {
    let own = file.module();
    if own == "lib" {
        return Vec::new();
    }
    if !rules.has(own) {
        return vec![file.fault(1, format!("module {own} is not in the import table of ARCHITECTURE.md"))];
    }
    let found = paths(&tokens(&file.text));
    let foreign =
        found.iter().filter_map(|path| target(file, path, rules).filter(|to| *to != own).map(|to| (path, to)));
    foreign.filter_map(|(path, to)| rules.objection(own, to).map(|why| file.fault(path.line, why))).collect()
}

/// The module that `path` reaches from the crate's root, if it does.
fn target<'a>(file: &File, path: &'a Path, rules: &Rules) -> Option<&'a str> {
    let segments = &path.segments;
    let root = if file.module() == "main" { "tidewaiter" } else { "crate" };
    if segments[0] == root {
        return segments.get(1).map(String::as_str);
    }
    // Enough `super`s reach the root too. An inline module makes one more necessary, so only known names count.
    let supers = segments.iter().take_while(|segment| *segment == "super").count();
    let named = segments.get(supers).filter(|name| supers >= file.depth().max(1) && rules.has(name));
    named.map(String::as_str)
}

/// What occurs outside its home, tests excluded.
pub fn homes(file: &File, rules: &Rules) -> Vec<String> {
    let stem = file.name.trim_end_matches(".rs").trim_end_matches("/mod");
    let at_home = |home: &String| stem == home || stem.starts_with(&format!("{home}/"));
    let found = paths(&file.product());
    let mut faults = Vec::new();
    for (what, places) in rules.homes.iter().filter(|(_, places)| !places.iter().any(at_home)) {
        let needle: Vec<&str> = what.split("::").collect();
        let strays = found.iter().filter(|path| path.names(&needle));
        faults.extend(strays.map(|path| file.fault(path.line, format!("{what} is at home in {places:?} only"))));
    }
    faults
}

/// What a pure module must not hold, tests excluded.
pub fn purity(file: &File, rules: &Rules) -> Vec<String> {
    if !rules.pure.iter().any(|module| module == file.module()) {
        return Vec::new();
    }
    let tokens = file.product();
    let waits = tokens.iter().filter(|token| token.text == "async" || token.text == "await");
    let mut faults: Vec<_> = waits.map(|token| file.fault(token.line, "a pure module never waits")).collect();
    for path in paths(&tokens) {
        if let Some(what) = IMPURE.iter().find(|needle| path.names(needle)) {
            faults.push(file.fault(path.line, format!("a pure module has no {}", what.join("::"))));
        }
    }
    faults
}

/// A file that is too long.
pub fn length(file: &File) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines > MOST_LINES {
        vec![file.fault(lines, format!("{lines} lines, at most {MOST_LINES}"))]
    } else {
        Vec::new()
    }
}

/// A file that does not say what it promises. The tests of a module promise what the module does.
pub fn introduction(file: &File) -> Vec<String> {
    if file.is_test() || file.text.starts_with("//! ") {
        Vec::new()
    } else {
        vec![file.fault(1, "does not begin with //! and a sentence")]
    }
}

/// Tests that are switched off, unfinished, or that wait for time to pass.
pub fn discipline(file: &File, in_src: bool) -> Vec<String> {
    let all = tokens(&file.text);
    let kept = product(&all);
    // In `src`, waiting is the product's right; what is left when the product is taken away are the tests.
    let may_sleep = |at: usize| {
        PACED.iter().any(|paced| file.name.starts_with(paced)) || in_src && !file.is_test() && kept.contains(&all[at])
    };
    let mut faults = Vec::new();
    for at in 0..all.len() {
        let here = &all[at..];
        if says(here, &["#", "[", "ignore"]) {
            faults.push(file.fault(all[at].line, "an ignored test is no test"));
        } else if says(here, &["todo", "!"]) || says(here, &["unimplemented", "!"]) {
            faults.push(file.fault(all[at].line, "unfinished"));
        } else if says(here, &["sleep", "("]) && !may_sleep(at) {
            faults.push(file.fault(all[at].line, "a test that sleeps is slow or wrong; wait for what it waits for"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::DOCUMENT;

    fn file(name: &str, text: &str) -> File {
        File { name: name.to_owned(), text: text.to_owned() }
    }

    fn rules() -> Rules {
        Rules::read(DOCUMENT).unwrap()
    }

    #[test]
    fn an_import_upwards_is_found_in_every_spelling() {
        for text in [
            "use crate::cli::x;",
            "use crate::{clock, cli};",
            "fn f() { crate::cli::x() }",
            "use super::cli;",
            "#[cfg(test)] mod tests { use crate::cli; }",
        ] {
            let faults = imports(&file("relay/mod.rs", text), &rules());
            assert_eq!(faults, ["relay/mod.rs:1: cli is not below relay"], "{text}");
        }
        assert_eq!(imports(&file("relay/a/b.rs", "use super::super::super::cli;"), &rules()).len(), 1);
        assert_eq!(imports(&file("lifecycle/a.rs", "\nuse crate::clock;"), &rules()).len(), 1);
        assert_eq!(imports(&file("main.rs", "use tidewaiter::misc;"), &rules()).len(), 1);
        assert_eq!(imports(&file("misc.rs", ""), &rules()).len(), 1);
    }

    #[test]
    fn imports_downwards_and_within_the_module_are_allowed() {
        let text = "//! [`crate::cli`]\nuse crate::store; use super::cli; use crate::relay::b; pub(crate) fn f() {}";
        assert!(imports(&file("relay/a.rs", text), &rules()).is_empty());
        assert!(imports(&file("main.rs", "use tidewaiter::cli;"), &rules()).is_empty());
        assert!(imports(&file("clock.rs", "mod tests { use super::*; }"), &rules()).is_empty());
    }

    #[test]
    fn what_leaves_its_home_is_found() {
        for text in ["use sqlx::query;", "use std::{env, fmt};", "std::time::SystemTime::now()", "jlens_core::run()"] {
            assert_eq!(homes(&file("relay/two.rs", text), &rules()).len(), 1, "{text}");
        }
        assert!(homes(&file("relay/one.rs", "jlens_core::run()"), &rules()).is_empty());
        assert!(homes(&file("relay/one/tests.rs", "use sqlx::query;"), &rules()).is_empty());
        assert!(
            homes(&file("store/mod.rs", "use sqlx; #[cfg(test)] mod tests { use std::env; }"), &rules()).is_empty()
        );
        assert_eq!(homes(&file("storehouse.rs", "use sqlx;"), &rules()).len(), 1);
    }

    #[test]
    fn impurity_is_found_in_pure_modules_only() {
        for text in ["async fn f() {}", "use tracing::info;", "std::fs::read(x)", "use crate::clock::Clock;"] {
            assert_eq!(purity(&file("lifecycle/a.rs", text), &rules()).len(), 1, "{text}");
            assert!(purity(&file("relay/a.rs", text), &rules()).is_empty(), "{text}");
        }
        assert!(purity(&file("lifecycle/a.rs", "use std::time::Duration;"), &rules()).is_empty());
    }

    #[test]
    fn long_files_and_files_without_an_introduction_are_found() {
        assert_eq!(length(&file("a.rs", &"\n".repeat(501))).len(), 1);
        assert!(length(&file("a.rs", &"\n".repeat(500))).is_empty());
        assert_eq!(introduction(&file("a.rs", "use x;\n//! Late.")).len(), 1);
        assert!(introduction(&file("a.rs", "//! Promises.")).is_empty());
        assert!(introduction(&file("a/tests.rs", "use super::*;")).is_empty());
    }

    #[test]
    fn undisciplined_tests_are_found() {
        for text in ["#[ignore]", "#[ignore = \"slow\"]", "todo!()", "tokio::time::sleep(x)", "use a::sleep; sleep(x)"]
        {
            assert_eq!(discipline(&file("it/a.rs", text), false).len(), 1, "{text}");
        }
        assert!(discipline(&file("it/a.rs", "// sleep(x)\nasleep(x)"), false).is_empty());
        assert!(discipline(&file("chaos/driver/a.rs", "sleep(x)"), false).is_empty());
        assert_eq!(discipline(&file("chaos/judge/a.rs", "sleep(x)"), false).len(), 1);
    }

    #[test]
    fn the_product_may_sleep_and_its_tests_may_not() {
        let text = "fn f() { sleep(x) }\n#[cfg(test)]\nmod tests { fn g() { sleep(x) } }";
        assert_eq!(discipline(&file("a.rs", text), true).len(), 1);
        assert_eq!(discipline(&file("a/tests.rs", "fn g() { sleep(x) }"), true).len(), 1);
    }
}
