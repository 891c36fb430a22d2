//! Forges the history of a run that went well, from a corpus alone: no process, no database.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidewaiter::lifecycle::Status;

use crate::corpus::{self, Channel, Corpus};
use crate::history::{
    AccountRow, Break, Brokered, Confirmed, Demands, Disposition, Faults, History, Kill, QuarantineRow, Receipt,
    Refusal, ReportLine, RowReason, Summary, UpstreamFaults,
};
use crate::ledger::{Entry, Expect};
use crate::rng::Rng;

/// 2026-11-24T10:00:00Z.
const BASE_MS: i64 = 1_795_514_400_000;

/// The event's JSON of a transition.
pub fn event(row: &AccountRow, correlation: &str, sequence: u64, from: Option<&str>, to: &str, word: &str) -> Value {
    let failed = !matches!(to, "active" | "connecting");
    json!({
        "specversion": "1.0", "type": format!("integrated_account.{word}"), "id": format!("{}/{sequence}", row.id),
        "source": format!("/tidewaiter/eu/accounts/{}", row.id), "subject": row.id,
        "time": "2026-11-24T10:00:00.000Z", "datacontenttype": "application/json",
        "sequence": format!("{sequence:020}"), "partitionkey": row.id,
        "data": {
            "event": format!("integrated_account:{word}"), "status": to, "previous_status": from, "sequence": sequence,
            "cause": { "trigger": "import", "run_id": "r", "correlation_id": correlation },
            "reason": failed.then(|| json!({ "code": "forbidden", "message": "refused" })),
            "account": { "id": row.id, "tenant_id": row.tenant_id, "context": { "subdomain": "acme" } },
        },
    })
}

/// The word for arriving at a terminal status.
pub fn word(status: Status) -> &'static str {
    match status {
        Status::Connecting => "updated",
        Status::Active => "active",
        Status::PostInstallError => "post_install_error",
        Status::ValidationError => "validation_error",
        Status::NeedsReauth => "authentication_error",
    }
}

/// A clean history over a corpus of `count` lines: events of the accounts interleaved, some received twice, one line
/// torn by one of two kills.
pub fn clean(seed: u64, count: usize) -> History {
    let corpus = corpus::make(Channel::File, seed, count, BASE_MS);
    let mut rng = Rng::new(seed ^ 0xC1EA);
    let mut forger = Forger::default();
    for (index, entry) in corpus.ledger.entries.iter().enumerate() {
        forger.line(index, entry, &mut rng);
    }
    let (events, kill) = forger.log(&mut rng);
    let refused = forger
        .report
        .iter()
        .filter_map(|said| said.code.as_ref().map(|code| Refusal { line: said.line, code: code.clone() }));
    let tally = |of| forger.report.iter().filter(|said| said.disposition == of).count();
    let summary = Summary {
        lines: count,
        accepted: tally(Disposition::Accepted),
        duplicates: tally(Disposition::Duplicate),
        refused: refused.collect(),
    };
    let Corpus { ledger, .. } = corpus;
    History {
        ledger,
        summary,
        report: forger.report,
        events,
        accounts: forger.accounts,
        faults: Faults { kills: vec![kill, Kill { running: 0, before: 0, after: 0 }], ..faults() },
        demands: Demands { kill_hits: 1, upstream_faults: true, ..Demands::default() },
        ..History::default()
    }
}

fn faults() -> Faults {
    Faults { upstream: UpstreamFaults { requests: 1000, unavailable: 100, hung: 20 }, ..Faults::default() }
}

/// The same of a run in which the imports came over a broker: one worker was killed, and each server, and a connection.
pub fn clean_brokered(seed: u64, count: usize) -> History {
    let corpus = corpus::make(Channel::Broker, seed, count, BASE_MS);
    let mut rng = Rng::new(seed ^ 0xB20C);
    let mut forger = Forger::default();
    let mut brokered = Brokered { queues: vec![("tidewaiter.imports.wnam".to_owned(), 0)], ..Brokered::default() };
    for (index, entry) in corpus.ledger.entries.iter().enumerate() {
        forger.line(index, entry, &mut rng);
        brokered.confirmed.push(Confirmed { number: entry.line, tries: 1 });
        brokered.dead_letters += u64::from(entry.expect == Expect::Unreadable);
    }
    brokered.alarm = brokered.dead_letters > 0;
    let codes = forger.report.iter().filter_map(|said| Some((said.line, said.code.clone()?)));
    let row = |(line, reason): (usize, String)| QuarantineRow {
        message_id: corpus.ledger.entries[line - 1].message_id.clone(),
        reason,
    };
    brokered.quarantine = codes.map(row).collect();
    let (events, _) = forger.log(&mut rng);
    let mut history = History {
        ledger: corpus.ledger,
        brokered: Some(brokered),
        events,
        accounts: forger.accounts,
        faults: Faults {
            kills: vec![Kill { running: 3, before: u64::MAX, after: 0 }],
            database_kills: 1,
            broker_kills: 1,
            breaks: vec![Break { server: "the broker", kind: "cut", met: 2 }],
            ..faults()
        },
        demands: Demands { kill_hits: 1, database_kills: 1, broker_kills: 1, breaks: 1, upstream_faults: true },
        ..History::default()
    };
    edit(&mut history, |all| all.retain(|line| serde_json::from_slice::<Value>(line).is_ok()));
    received(&mut history);
    history
}

/// Makes the consumers' logs anew from the history's events.
pub fn received(history: &mut History) {
    let receipts = history.events.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        let event: Value = serde_json::from_slice(line).unwrap();
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Receipt {
            routing_key: format!("{}.eu.ledgerly", text("/type").unwrap()),
            message_id: text("/id"),
            correlation_id: text("/data/cause/correlation_id"),
            kind: text("/type"),
            app_id: Some("tidewaiter".to_owned()),
            content_type: Some("application/cloudevents+json".to_owned()),
            delivery_mode: Some(2),
            timestamp: Some(BASE_MS as u64 / 1000),
            body: String::from_utf8(line.to_vec()).unwrap(),
        }
    });
    let everything: Vec<_> = receipts.collect();
    let brokered = history.brokered.as_mut().unwrap();
    brokered.active =
        everything.iter().filter(|one| one.kind.as_deref() == Some("integrated_account.active")).cloned().collect();
    brokered.everything = everything;
}

#[derive(Default)]
struct Forger {
    accounts: Vec<AccountRow>,
    report: Vec<ReportLine>,
    by_message: BTreeMap<String, String>,
    /// Each account's events, in order.
    streams: Vec<Vec<String>>,
}

impl Forger {
    fn line(&mut self, index: usize, entry: &Entry, rng: &mut Rng) {
        let (disposition, account, code) = match entry.expect {
            Expect::Account => (Disposition::Accepted, Some(self.account(entry, rng)), None),
            Expect::Duplicate => (Disposition::Duplicate, self.by_message.get(&entry.message_id).cloned(), None),
            Expect::Conflict => (Disposition::Refused, None, Some("idempotency_conflict")),
            Expect::Refused(code) => (Disposition::Refused, None, Some(code.as_str())),
            Expect::Unreadable => return,
        };
        self.report.push(ReportLine { line: index + 1, disposition, account, code: code.map(str::to_owned) });
    }

    fn account(&mut self, entry: &Entry, rng: &mut Rng) -> String {
        let status = entry.ending.as_str();
        let reason = (entry.ending != Status::Active).then(|| RowReason { code: "forbidden".to_owned() });
        let row = AccountRow {
            id: rng.uuid().to_string(),
            tenant_id: entry.tenant.clone(),
            status: status.to_owned(),
            sequence: Some(2),
            reason,
        };
        self.streams.push(vec![
            event(&row, &entry.correlation_id, 1, None, "connecting", "created").to_string(),
            event(&row, &entry.correlation_id, 2, Some("connecting"), status, word(entry.ending)).to_string(),
        ]);
        self.by_message.insert(entry.message_id.clone(), row.id.clone());
        self.accounts.push(row.clone());
        row.id
    }

    /// Interleaves the streams; every tenth event comes again at once, as after a lost confirmation.
    fn log(&self, rng: &mut Rng) -> (Vec<u8>, Kill) {
        let mut order: Vec<usize> = (0..self.streams.len()).flat_map(|account| [account, account]).collect();
        rng.shuffle(&mut order);
        let mut next = vec![0; self.streams.len()];
        let mut log = Vec::new();
        let mut kill = Kill { running: 3, before: 0, after: 0 };
        for (place, account) in order.iter().enumerate() {
            let line = &self.streams[*account][next[*account]];
            next[*account] += 1;
            if place == order.len() / 2 {
                kill.before = log.len() as u64;
                log.extend_from_slice(&line.as_bytes()[..line.len() / 3]);
                log.push(b'\n');
                kill.after = log.len() as u64;
            }
            for _ in 0..=usize::from(place % 10 == 0) {
                log.extend_from_slice(line.as_bytes());
                log.push(b'\n');
            }
        }
        (log, kill)
    }
}

/// The lines of a history's event file.
pub fn lines(history: &History) -> Vec<Vec<u8>> {
    history.events.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Rewrites the event file line by line; the kills move to where the torn line went.
pub fn edit(history: &mut History, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut all = lines(history);
    change(&mut all);
    history.events.clear();
    for line in all {
        let before = history.events.len() as u64;
        history.events.extend_from_slice(&line);
        if serde_json::from_slice::<Value>(&line).is_err() {
            history.faults.kills[0] = Kill { running: 3, before, after: before + line.len() as u64 };
        }
    }
}

/// The places in the event file at which an account's event was received.
pub fn receipts(all: &[Vec<u8>], account: &str, sequence: u64) -> Vec<usize> {
    let id = format!("\"id\":\"{account}/{sequence}\"");
    let whole = |line: &[u8]| serde_json::from_slice::<Value>(line).is_ok();
    let found = all.iter().enumerate().filter(|(_, line)| String::from_utf8_lossy(line).contains(&id) && whole(line));
    found.map(|(place, _)| place).collect()
}
