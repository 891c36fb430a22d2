use proptest::prelude::*;

use super::*;

const POLICY: CircuitPolicy =
    CircuitPolicy { failures: 5, accounts: 2, base: Duration::from_secs(4), cap: Duration::from_secs(30) };

fn account(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A door and its time.
struct Bench {
    door: Door,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self { door: Door::new(now), now }
    }

    fn later(&mut self, by: Duration) {
        self.now += by;
    }

    fn pass(&mut self) -> Pass {
        self.door.pass("t", self.now)
    }

    fn answered(&mut self, number: u128, verdict: Verdict, probe: bool) -> Change {
        self.door.answered(account(number), verdict, probe, (self.now, u32::MAX), &POLICY)
    }

    fn fail(&mut self, times: u128) -> Change {
        (0..times).map(|number| self.answered(number, Verdict::Fails, false)).last().unwrap()
    }
}

#[test]
fn a_row_of_failures_of_several_accounts_closes_it_and_a_success_starts_the_row_anew() {
    let mut bench = Bench::new();
    assert_eq!(bench.fail(4), Change::None);
    assert_eq!(bench.answered(9, Verdict::Works, false), Change::None);
    assert_eq!(bench.fail(4), Change::None);
    // Not even an answer that asks to wait is a failure, and what says nothing ends no row.
    assert_eq!(bench.answered(9, Verdict::Nothing, false), Change::None);
    assert_eq!(bench.fail(1), Change::Closed(POLICY.base));
    assert_eq!(bench.door.closed_by(), Some(GateReason::Circuit));
}

#[test]
fn each_failed_try_lengthens_the_pause_up_to_the_cap_and_a_success_opens() {
    let mut bench = Bench::new();
    let Change::Closed(mut pause) = bench.fail(5) else { panic!() };
    let mut pauses = vec![pause.as_secs()];
    for _ in 0..4 {
        assert_eq!(bench.pass(), Pass::Closed(pause));
        bench.later(pause);
        assert_eq!(bench.pass(), Pass::Probe);
        assert!(matches!(bench.pass(), Pass::Closed(_)), "one tries, the others are held");
        assert_eq!(bench.answered(77, Verdict::Fails, false), Change::None, "a latecomer decides nothing");
        let Change::StaysClosed(longer) = bench.answered(1, Verdict::Fails, true) else { panic!() };
        pauses.push(longer.as_secs());
        pause = longer;
    }
    assert_eq!(pauses, [4, 8, 16, 30, 30]);
    bench.later(pause);
    assert_eq!(bench.pass(), Pass::Probe);
    assert_eq!(bench.answered(1, Verdict::Works, true), Change::Opened(GateReason::Circuit));
    assert_eq!(bench.pass(), Pass::Free);
    assert_eq!(bench.fail(5), Change::Closed(POLICY.base), "the next outage begins with the first pause");
}

#[test]
fn a_try_that_comes_to_nothing_lets_another_one_try() {
    let mut bench = Bench::new();
    bench.fail(5);
    bench.later(POLICY.base);
    assert_eq!(bench.pass(), Pass::Probe);
    bench.door.unprobed();
    assert_eq!(bench.pass(), Pass::Probe);
    assert_eq!(bench.answered(1, Verdict::Nothing, true), Change::None);
    assert_eq!(bench.pass(), Pass::Probe);
}

#[test]
fn a_host_that_answers_that_it_was_asked_too_often_fails_no_more() {
    let mut bench = Bench::new();
    bench.fail(5);
    bench.later(POLICY.base);
    assert_eq!(bench.pass(), Pass::Probe);
    assert_eq!(bench.answered(1, Verdict::Limited, true), Change::Opened(GateReason::Circuit));
    assert_eq!(bench.pass(), Pass::Free, "every account waits for its own limit");
}

#[test]
fn a_closed_one_that_nobody_comes_to_any_more_is_forgotten() {
    let mut bench = Bench::new();
    bench.fail(5);
    bench.later(POLICY.base);
    assert!(!bench.door.is_idle(bench.now), "somebody has to try it");
    bench.later(STALE);
    assert!(bench.door.is_idle(bench.now));
}

#[test]
fn a_limit_closes_it_opens_with_what_is_no_limit_and_a_second_limit_is_no_news() {
    let mut bench = Bench::new();
    assert!(bench.door.shut(GateReason::RateLimit, Duration::from_secs(9), bench.now));
    assert!(!bench.door.shut(GateReason::RateLimit, Duration::from_secs(3), bench.now), "it is closed for longer");
    bench.later(Duration::from_secs(9));
    assert_eq!(bench.pass(), Pass::Probe);
    assert_eq!(bench.answered(1, Verdict::Limited, true), Change::None);
    assert!(!bench.door.shut(GateReason::RateLimit, Duration::from_secs(9), bench.now));
    assert!(matches!(bench.pass(), Pass::Closed(_)));
    bench.later(Duration::from_secs(9));
    assert_eq!(bench.pass(), Pass::Probe);
    assert_eq!(bench.answered(1, Verdict::Fails, true), Change::Opened(GateReason::RateLimit));
    assert_eq!(bench.fail(3), Change::None, "that one was the first of a row");
    assert_eq!(bench.answered(2, Verdict::Fails, false), Change::Closed(POLICY.base));
}

#[test]
fn those_turned_away_come_back_spread_out_and_a_tenant_with_one_before_the_rest_of_one_with_many() {
    let mut bench = Bench::new();
    bench.door.shut(GateReason::RateLimit, Duration::from_secs(9), bench.now);
    let mut place = |tenant: &str| match bench.door.pass(tenant, bench.now) {
        Pass::Closed(after) => after.checked_sub(Duration::from_secs(9)).unwrap(),
        other => panic!("{other:?}"),
    };
    let many: Vec<Duration> = (0..100).map(|_| place("many")).collect();
    assert_eq!((many[0], many[99]), (Duration::ZERO, SPACING * 99));
    let one = place("one");
    assert!(one < many[5], "{one:?}");
    assert!(place("many") > many[99]);
    for _ in 0..20_000 {
        assert!(place("many") < SPREAD);
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Ask,
    Answer(u8, Verdict),
    Give,
    Pass(u16),
    Limit(u16),
}

fn events(accounts: u8) -> impl Strategy<Value = Vec<Event>> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Fails),
        1 => Just(Verdict::Works),
        1 => Just(Verdict::Limited),
        1 => Just(Verdict::Nothing)
    ];
    let event = prop_oneof![
        4 => Just(Event::Ask),
        8 => (0..accounts, verdict).prop_map(|(account, verdict)| Event::Answer(account, verdict)),
        1 => Just(Event::Give),
        3 => (0..40_000_u16).prop_map(Event::Pass),
        1 => (0..20_000_u16).prop_map(Event::Limit),
    ];
    prop::collection::vec(event, 0..200)
}

/// Plays events; whether a circuit opened. What goes out is always answered or given up.
fn play(bench: &mut Bench, events: &[Event]) -> bool {
    let (mut opened, mut probing) = (false, false);
    for event in events {
        match *event {
            Event::Ask => match bench.pass() {
                Pass::Probe => {
                    assert!(!probing, "one at a time");
                    probing = true;
                }
                Pass::Closed(after) => assert!(after <= POLICY.cap + SPREAD, "{after:?}"),
                Pass::Free => {}
            },
            Event::Answer(number, verdict) => {
                let change = bench.answered(number.into(), verdict, std::mem::take(&mut probing));
                if let Change::Closed(pause) | Change::StaysClosed(pause) = change {
                    assert!(pause <= POLICY.cap);
                    opened = true;
                }
            }
            Event::Give => {
                if std::mem::take(&mut probing) {
                    bench.door.unprobed();
                }
            }
            Event::Pass(ms) => bench.later(Duration::from_millis(ms.into())),
            Event::Limit(ms) => {
                // Most often the answer to the very request that tries.
                probing = false;
                bench.door.shut(GateReason::RateLimit, Duration::from_millis(ms.into()), bench.now);
            }
        }
    }
    if probing {
        bench.door.unprobed();
    }
    opened
}

proptest! {
    #[test]
    fn one_accounts_failures_never_open_a_circuit(events in events(1)) {
        prop_assert!(!play(&mut Bench::new(), &events));
    }

    #[test]
    fn whatever_happened_one_request_gets_through_in_the_end_and_its_success_opens_the_way(events in events(6)) {
        let mut bench = Bench::new();
        play(&mut bench, &events);
        bench.later(POLICY.cap);
        let pass = bench.pass();
        prop_assert!(matches!(pass, Pass::Free | Pass::Probe), "{:?}", pass);
        bench.answered(1, Verdict::Works, pass == Pass::Probe);
        prop_assert_eq!(bench.pass(), Pass::Free);
        prop_assert!(bench.door.is_idle(bench.now));
    }

    #[test]
    fn without_a_number_of_failures_nothing_opens(times in 1..500_u128) {
        let mut bench = Bench::new();
        let policy = CircuitPolicy { failures: 0, ..POLICY };
        for number in 0..times {
            let at = (bench.now, 0);
            prop_assert_eq!(bench.door.answered(account(number), Verdict::Fails, false, at, &policy), Change::None);
        }
    }
}
