//! The migrations, embedded: numbers and names are the same for both databases (tested).

/// One forward-only step of the schema.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// Its number, from 1 without a gap.
    pub(super) version: i64,
    /// Its name.
    pub(super) name: &'static str,
    /// For PostgreSQL.
    pub(super) postgres: &'static str,
    /// For SQLite.
    pub(super) sqlite: &'static str,
}

macro_rules! step {
    ($version:literal, $name:literal, $file:literal) => {
        Step {
            version: $version,
            name: $name,
            postgres: include_str!(concat!("../../migrations/postgres/", $file)),
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file)),
        }
    };
}

/// Every step, in order.
pub(super) const STEPS: &[Step] = &[
    step!(1, "initial", "0001_initial.sql"),
    step!(2, "messages", "0002_messages.sql"),
    step!(3, "operate", "0003_operate.sql"),
    step!(4, "unknown_outcomes", "0004_unknown_outcomes.sql"),
    step!(5, "runs_on_demand", "0005_runs_on_demand.sql"),
    step!(6, "account_overrides", "0006_account_overrides.sql"),
];

/// The schema that this version works with.
pub(super) const LATEST: i64 = STEPS[STEPS.len() - 1].version;

/// Judges the version found in a database.
///
/// # Errors
/// A sentence that says what to do.
pub(super) fn judge(found: i64) -> Result<(), String> {
    match found.cmp(&LATEST) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => {
            Err(format!("the database has schema {found} and this version needs {LATEST}: run `tidewaiter migrate`"))
        }
        std::cmp::Ordering::Greater => Err(format!(
            "the database has schema {found}, newer than {LATEST}, which this version knows: use a newer tidewaiter"
        )),
    }
}
