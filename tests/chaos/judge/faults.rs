//! Whether the run was troubled as it was meant to be, and by nothing else.

use super::{Rule, Verdict};
use crate::history::History;

/// The least share of requests, of a thousand, that has to meet each kind of upstream fault.
const LEAST_UNAVAILABLE: u64 = 50;
const LEAST_HUNG: u64 = 10;

pub fn check(history: &History, verdict: &mut Verdict) {
    let (faults, demands) = (&history.faults, &history.demands);
    for exit in &faults.exits {
        verdict.breaks(Rule::Exit, exit.clone());
    }
    let hits = faults.kills.iter().filter(|kill| kill.running > 0).count();
    verdict.figures.kills = faults.kills.len();
    verdict.figures.kill_hits = hits;
    if hits < demands.kill_hits {
        let wanted = demands.kill_hits;
        void(&format!("{hits} kills hit a worker that held runs, {wanted} are needed"), verdict);
    }
    if faults.database_kills < demands.database_kills {
        let (done, wanted) = (faults.database_kills, demands.database_kills);
        void(&format!("the database was killed {done} times, {wanted} are needed"), verdict);
    }
    if faults.broker_kills < demands.broker_kills {
        let (done, wanted) = (faults.broker_kills, demands.broker_kills);
        void(&format!("the broker was killed {done} times, {wanted} are needed"), verdict);
    }
    let breaks = faults.breaks.iter().filter(|one| one.met > 0).count();
    verdict.figures.breaks = breaks;
    if breaks < demands.breaks {
        let wanted = demands.breaks;
        void(&format!("{breaks} breaks of the network met connections, {wanted} are needed"), verdict);
    }
    if demands.upstream_faults {
        let upstream = faults.upstream;
        for (what, hit, least) in
            [("failed", upstream.unavailable, LEAST_UNAVAILABLE), ("hung", upstream.hung, LEAST_HUNG)]
        {
            if hit == 0 || hit * 1000 < upstream.requests * least {
                let requests = upstream.requests;
                void(&format!("the upstream {what} in {hit} of {requests} requests, too few"), verdict);
            }
        }
    }
}

fn void(why: &str, verdict: &mut Verdict) {
    verdict.breaks(Rule::Void, format!("The run is void: {why}."));
}
