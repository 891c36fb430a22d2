//! Keeps the last state of each account. Needs the crates `serde` (with `derive`) and `serde_json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An account's last event.
#[derive(Debug, Serialize)]
pub struct Last {
    pub sequence: i64,
    pub status: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    r#type: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    sequence: i64,
    status: Option<String>,
    account: Account,
}

#[derive(Deserialize)]
struct Account {
    id: String,
}

/// Takes one event into `accounts`. A torn line, or nothing of ours, is passed over.
pub fn take(accounts: &mut BTreeMap<String, Last>, text: &str) {
    let Ok(Event { r#type, data }) = serde_json::from_str(text) else { return };
    let newer = accounts.get(&data.account.id).is_none_or(|last| data.sequence > last.sequence);
    if r#type.starts_with("integrated_account.") && newer {
        accounts.insert(data.account.id, Last { sequence: data.sequence, status: data.status });
    }
}
