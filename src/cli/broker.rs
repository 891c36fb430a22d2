//! `tidewaiter broker`: the topology at RabbitMQ.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{CliError, Exit, Globals, Output, Table, block_on};
use crate::broker::topology::{self, Found, Object, Plan};
use crate::broker::{Broker, BrokerError};
use crate::config;

/// Show or declare exchanges, queues and bindings at the broker.
#[derive(Debug, Subcommand)]
pub(super) enum BrokerVerb {
    /// Print what `apply` would declare, without asking the broker.
    Plan,
    /// Declare what is missing. What is there with other properties is named, and then nothing is changed.
    Apply(Apply),
}

#[derive(Debug, Args)]
pub(super) struct Apply {
    /// Only ask what is there; declare nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Record {
    #[serde(flatten)]
    object: Object,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

impl From<BrokerError> for CliError {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::BadInput(message) => Self::bad_input(message),
            BrokerError::Away(message) => Self::unavailable(message),
            BrokerError::Topology(message) => Self::new(Exit::Findings, message),
        }
    }
}

impl BrokerVerb {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let settings = globals.load()?.settings;
        let Some(broker) = &settings.broker else {
            return Err(CliError::bad_input("no broker is configured: `broker.url` is empty")
                .hint("set AMQP_URL or `broker.url`, such as amqp://USER:PASSWORD@HOST:5672/VHOST"));
        };
        let plan = topology::plan(broker, &settings.worker.regions);
        let records = match self {
            Self::Plan => plan.objects().iter().cloned().map(|object| Record { object, outcome: None }).collect(),
            Self::Apply(apply) => apply.records(broker, &plan)?,
        };
        print(&mut globals.output(), &records)?;
        Ok(Exit::Done)
    }
}

impl Apply {
    fn records(&self, settings: &config::Broker, plan: &Plan) -> Result<Vec<Record>, CliError> {
        let broker = Broker::new(settings)?;
        let found = block_on(async {
            if self.dry_run { topology::check(&broker, plan).await } else { topology::apply(&broker, plan).await }
        })??;
        let record = |(object, found)| Record { object, outcome: Some(self.outcome(found)) };
        Ok(found.into_iter().map(record).collect())
    }

    const fn outcome(&self, found: Found) -> &'static str {
        match (self.dry_run, found) {
            (_, Found::There) => "there",
            (true, Found::Missing) => "missing",
            (true, Found::Unknown) => "not asked for",
            (false, Found::Missing) => "declared",
            (false, Found::Unknown) => "bound",
        }
    }
}

fn print(output: &mut Output, records: &[Record]) -> Result<(), CliError> {
    output.records(records, |records| {
        let mut table = Table::new(["object", "properties", ""]);
        for Record { object, outcome } in records {
            table.row([&object.to_string(), &object.details(), outcome.unwrap_or_default()]);
        }
        table
    })
}
