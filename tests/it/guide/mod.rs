//! The examples in docs/definitions.md, docs/pagination.md and docs/functions.md, run.
//!
//! ` ```json example ` holds a definition's config, an account and a recording, and what comes of them; ` ```jsonata example `
//! holds lines `expression => JSON`, before which `JSON |>` may say what the expression sees.

mod blocks;
mod expressions;
mod trials;

use std::fs;
use std::path::Path;

use blocks::{Block, Kind, blocks};

/// Expressions nest: as much stack as the program gives them.
const STACK_BYTES: usize = 64 << 20;

/// The authors' pages, and what kind of example each must have.
const PAGES: [(&str, Kind); 3] = [
    ("docs/definitions.md", Kind::Trial),
    ("docs/pagination.md", Kind::Trial),
    ("docs/functions.md", Kind::Expressions),
];

#[test]
fn every_example_of_the_authors_guide_comes_to_what_it_says() {
    for (name, kind) in PAGES {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
        let faults = faults(name, &page);
        assert!(faults.is_empty(), "{} examples fail:\n\n{}", faults.len(), faults.join("\n\n"));
        assert!(blocks(&page).iter().any(|block| block.kind == kind), "{name}: there is nothing to check");
    }
}

/// What is wrong with the examples of a page, each with its line.
fn faults(name: &'static str, page: &str) -> Vec<String> {
    let page = page.to_owned();
    let check = move || blocks(&page).iter().flat_map(|block| fault(name, block)).collect();
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(check).unwrap().join().unwrap()
}

fn fault(name: &str, block: &Block) -> Vec<String> {
    match block.kind {
        Kind::Trial => {
            let told = |fault| format!("{name}:{}: {fault}", block.line);
            trials::fault(&block.text).into_iter().map(told).collect()
        }
        Kind::Expressions => {
            let told = |(line, fault)| format!("{name}:{}: {fault}", block.line + line);
            expressions::faults(&block.text).into_iter().map(told).collect()
        }
    }
}

#[test]
fn an_example_that_is_wrong_is_told_with_its_line_and_what_differs() {
    let page = "# Page\n\n```json example\n{ \"config\": { \"base_url\": \"https://a.example\" }, \"account\": { \"context\": {}, \
        \"authentication_method\": \"api_key\" },\n  \"exchanges\": [], \"expect\": { \"status\": \"needs_reauth\" } }\n```\n\n\
        ```jsonata example\n1 + 1 => 2\n{\"a\": 1} |> a => 2\n```\n\n```json\nno example\n```\n";
    let faults = faults("page.md", page);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("page.md:3: "), "{}", faults[0]);
    assert!(faults[0].contains("needs_reauth") && faults[0].contains("active"), "{}", faults[0]);
    assert_eq!(faults[1], "page.md:10: `a` gives\n    1\nand not\n    2");
}
