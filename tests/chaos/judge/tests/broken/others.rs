//! Torn event files, leaked tokens, and faults that missed.

use serde_json::{Value, json};

use super::{caught, rewrite, untorn};
use crate::history::Text;
use crate::judge::Rule;
use crate::judge::tests::forged::{self, edit};
use crate::markers::CANARY;

#[test]
fn a_torn_line_without_a_kill_is_caught() {
    caught(Rule::Log, |history, _| history.faults.kills[0].before = history.faults.kills[0].after + 10_000_000);
}

#[test]
fn a_second_torn_line_of_one_kill_is_caught() {
    caught(Rule::Log, |history, _| {
        let torn = forged::lines(history).into_iter().find(|line| serde_json::from_slice::<Value>(line).is_err());
        history.events.extend(torn.unwrap());
        history.faults.kills[0].after = history.events.len() as u64;
    });
}

#[test]
fn a_torn_line_whose_event_never_came_whole_is_caught() {
    caught(Rule::Log, |history, _| {
        edit(history, |all| {
            let torn = all.iter_mut().find(|line| serde_json::from_slice::<Value>(line).is_err()).unwrap();
            *torn = br#"{"specversion":"9"#.to_vec();
            torn.push(b'\n');
        });
    });
}

#[test]
fn a_last_line_without_its_newline_is_caught() {
    caught(Rule::Log, |history, _| {
        let again = forged::lines(history)[0].clone();
        history.events.extend_from_slice(again.strip_suffix(b"\n").unwrap());
    });
}

#[test]
fn a_canary_is_caught_in_every_form_and_place() {
    let canary = format!("good.{CANARY}0123456789abcdef01234567");
    let hex: Vec<_> = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    let base64 = |text: String| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let forms =
        [canary.clone(), hex, base64(canary.clone()), base64(format!("u{canary}")), base64(format!("us{canary}"))];
    for form in forms {
        caught(Rule::Leak, |history, _| {
            history
                .texts
                .push(Text { name: "a worker's log".to_owned(), bytes: format!("ready\n{form} refused").into_bytes() });
        });
    }
    caught(Rule::Leak, |history, _| {
        let account = history.accounts[0].id.clone();
        untorn(history);
        rewrite(history, &account, 1, |event| event["data"]["account"]["context"]["token"] = json!(canary));
    });
}

#[test]
fn a_run_that_its_faults_missed_is_void() {
    caught(Rule::Void, |history, _| history.faults.kills[0].running = 0);
    caught(Rule::Void, |history, _| history.demands.database_kills = 1);
    caught(Rule::Void, |history, _| history.faults.upstream.unavailable = 1);
    caught(Rule::Void, |history, _| history.faults.upstream.hung = 0);
}

#[test]
fn a_process_that_ended_by_itself_is_caught() {
    caught(Rule::Exit, |history, _| history.faults.exits.push("Worker 2 exited with code 101.".to_owned()));
}
