//! docs/errors.md.

use std::fmt::Write as _;

use crate::lifecycle::{IntakeCode, ReasonCode, WhoActs};

/// The reason codes as Markdown.
pub(super) fn markdown() -> String {
    let mut out = String::from(HEAD);
    out.push_str(INTAKE);
    for code in IntakeCode::ALL {
        row(&mut out, code.as_str(), code.who_acts(), code.retryable(), code.meaning());
    }
    out.push_str(RUNS);
    for code in ReasonCode::ALL {
        row(&mut out, code.as_str(), code.who_acts(), code.retryable(), code.meaning());
    }
    out
}

fn row(out: &mut String, code: &str, who: WhoActs, retryable: bool, meaning: &str) {
    let retryable = if retryable { "yes" } else { "no" };
    let _ = writeln!(out, "| `{code}` | {meaning} | `{who}` | {retryable} |");
}

const HEAD: &str = "# Reason codes\n\n\
    Printed from `lifecycle` by `tidewaiter schema errors`; a test fails when this page is stale.\n\n\
    Codes are stable: match on them and not on messages. `who_acts` says who can do something about it: the person who \
    connected the account (`end_user`), whoever submits imports (`producer`), whoever runs Tidewaiter and owns its \
    definitions (`operator`), or the upstream provider (`provider`). Retryable means that the same thing may succeed \
    later without anybody changing anything.\n";

const INTAKE: &str = "\n## Why an import request is not accepted\n\n\
    | code | meaning | who acts | retryable |\n| --- | --- | --- | --- |\n";

const RUNS: &str = "\n## Why a run failed\n\n\
    Shown as `reason.code` of the account and of its event.\n\n\
    | code | meaning | who acts | retryable |\n| --- | --- | --- | --- |\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_row() {
        let page = markdown();
        let codes =
            IntakeCode::ALL.iter().map(|code| code.as_str()).chain(ReasonCode::ALL.iter().map(|code| code.as_str()));
        for code in codes {
            assert_eq!(page.matches(&format!("\n| `{code}` | ")).count(), 1, "{code}");
        }
        assert!(page.contains(
            "| `wrong_region` | The request came to a worker that does not serve its region. | `operator` | no |"
        ));
    }
}
