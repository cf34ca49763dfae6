use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::tape::aggregate;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
const STEP: Duration = Duration::from_secs(5);

fn at(text: &str) -> MarketTime {
    MarketTime::from(text.parse::<chrono::DateTime<chrono::Utc>>().unwrap())
}

fn symbol(text: &str) -> Symbol {
    text.parse().unwrap()
}

fn made(seed: u64, start: &str, always_open: bool) -> Market {
    Market::synthetic(SyntheticConfig { seed, start: at(start), always_open, history: DAY * 400 })
}

fn id(market: &mut Market, text: &str) -> ContractId {
    market.lookup(&symbol(text)).unwrap().contract.id
}

#[test]
fn steps_run_through_every_five_seconds_in_symbol_order() {
    let mut market = made(1, "2026-11-21T03:00:02Z", true);
    assert_eq!(market.next_instant(), None, "nothing is active");
    let (b, a) = (id(&mut market, "BBB"), id(&mut market, "AAA"));
    market.activate(b);
    market.activate(a);
    let tell = |market: &mut Market| {
        let steps = market.steps_at();
        let name = |step: &Step| market.listing(step.contract()).unwrap().contract.symbol.to_string();
        let line = |step: &Step| match step {
            Step::End { .. } => format!("{} ends", name(step)),
            Step::Open { .. } => format!("{} opens", name(step)),
        };
        format!("{} {}", market.clock(), steps.iter().map(line).collect::<Vec<_>>().join(", "))
    };
    assert_eq!(tell(&mut market), "2026-11-21T03:00:05Z AAA opens, BBB opens");
    assert_eq!(tell(&mut market), "2026-11-21T03:00:10Z AAA ends, BBB ends, AAA opens, BBB opens");
    let c = id(&mut market, "CCC");
    market.activate(c);
    assert_eq!(tell(&mut market), "2026-11-21T03:00:15Z AAA ends, BBB ends, AAA opens, BBB opens, CCC opens");
    assert!(!market.finished() && !market.is_replay());
}

#[test]
fn a_market_with_hours_jumps_over_the_night() {
    let mut market = made(1, "2026-11-20T20:59:55Z", false);
    let a = id(&mut market, "AAA");
    market.activate(a);
    let first = market.steps_at();
    assert!(first.is_empty(), "the close: {first:?}");
    assert_eq!(market.clock().to_string(), "2026-11-20T21:00:00Z");
    let monday = market.steps_at();
    assert_eq!(market.clock().to_string(), "2026-11-23T14:30:00Z");
    assert!(matches!(monday[..], [Step::Open { .. }]));
    let history = market.bars(a, BarSize::Secs5, market.clock() - DAY * 7, market.clock(), true);
    let gap = (history.last().unwrap().close - market.forming(a, market.clock()).unwrap().open).abs();
    assert!(gap < history.last().unwrap().close * 0.1);
    assert_eq!(history.len(), 5 * 4_680);
}

#[test]
fn a_synthetic_market_looks_like_one() {
    let mut market = made(7, "2026-11-20T15:00:00Z", true);
    for name in ["AAPL", "NVDA", "TSLA", "IXHL"] {
        let id = id(&mut market, name);
        let to = market.clock();
        let bars = market.bars(id, BarSize::Secs5, to - DAY * 3, to, true);
        assert_eq!(bars.len(), 3 * 17_280);
        let mut previous = None;
        for bar in &bars {
            bar.check(previous).unwrap();
            previous = Some(bar.time);
            for price in [bar.open, bar.high, bar.low, bar.close] {
                assert!((price * 100.0 - (price * 100.0).round()).abs() < 1e-6, "whole cents: {price}");
            }
        }
        let jumps = bars.windows(2).map(|pair| (pair[1].open - pair[0].close).abs()).fold(0.0, f64::max);
        assert!(jumps < 0.015, "bars join: {jumps}");
        // Mornings are livelier than middays.
        let volume = |bars: &[Bar]| bars.iter().filter_map(|bar| bar.volume).sum::<u64>();
        let day = market.bars(id, BarSize::Secs5, at("2026-11-19T05:00:00Z"), at("2026-11-20T05:00:00Z"), true);
        assert_eq!(day.len(), 17_280);
        assert!(volume(&day[..2_000]) > volume(&day[7_640..9_640]) * 2);
    }
}

#[test]
fn averages_cross_within_minutes() {
    let mut market = made(7, "2026-11-20T15:00:00Z", true);
    for name in ["AAPL", "NVDA", "TSLA", "F", "IXHL"] {
        let id = id(&mut market, name);
        let to = market.clock();
        let closes: Vec<f64> =
            market.bars(id, BarSize::Secs5, to - HOUR, to, true).iter().map(|bar| bar.close).collect();
        let mean = |end: usize, count: usize| closes[end - count..end].iter().sum::<f64>() / count as f64;
        let signs: Vec<bool> = (20..closes.len()).map(|end| mean(end, 10) > mean(end, 20)).collect();
        let crossings = signs.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(crossings >= 15, "{name}: {crossings} in an hour");
    }
}

#[test]
fn unknown_symbols_can_be_seen() {
    let mut market = made(1, "2026-11-20T15:00:00Z", true);
    for unknown in ["NOSUCH", "ZZTOP"] {
        assert_eq!(market.lookup(&symbol(unknown)), None);
    }
    assert!(market.bars(ContractId(5), BarSize::Min1, at("2026-11-20T14:00:00Z"), market.clock(), true).is_empty());
    assert_eq!(market.quote(ContractId(5)), None);
}

#[test]
fn listings_state_their_hours_and_keep_their_numbers() {
    let mut market = made(1, "2025-11-26T15:00:00Z", false);
    let listing = market.lookup(&symbol("SPY")).unwrap();
    assert_eq!(listing.stock_type, "ETF");
    let hours = listing.contract.liquid_hours;
    assert_eq!(hours.is_open(at("2025-11-27T15:00:00Z")), Some(false));
    assert_eq!(hours.is_open(at("2025-11-28T17:59:00Z")), Some(true));
    assert_eq!(hours.is_open(at("2025-11-28T18:00:00Z")), Some(false));
    assert_eq!(hours.is_open(at("2026-01-28T18:00:00Z")), None);
    assert_eq!(listing.contract.trading_hours.is_open(at("2025-11-28T21:59:00Z")), Some(true));
    let mut other = made(2, "2026-01-01T00:00:00Z", true);
    id(&mut other, "AAA");
    assert_eq!(id(&mut other, "SPY"), listing.contract.id);
    assert!(other.lookup(&symbol("SPY")).unwrap().contract.liquid_hours.is_open(other.clock()).unwrap());
}

#[test]
fn a_quote_surrounds_the_last_price() {
    let mut market = made(3, "2026-11-20T15:00:00Z", true);
    let id = id(&mut market, "AAPL");
    market.activate(id);
    let Some(Step::Open { price, .. }) = market.steps_at().first().copied() else { panic!("no open") };
    let quote = market.quote(id).unwrap();
    assert_eq!(quote.last, price);
    assert!(quote.bid < quote.last && quote.last < quote.ask && quote.volume > 0);
    assert!(quote.bid_size.0 >= 100 && quote.ask_size.0 >= 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is asked, in whatever order, the same instant has the same bars; and what is asked
    /// at one time says nothing that was not known then.
    #[test]
    fn a_synthetic_market_depends_on_seed_symbol_and_instant_only(
        seed: u64,
        questions in prop::collection::vec((0_usize..3, 0_u64..500_000, 60_u64..40_000, 1_usize..17), 1..6),
        always: bool,
    ) {
        let names = ["AAPL", "NVDA", "TSLA"];
        let ask = |market: &mut Market, (which, back, length, size): (usize, u64, u64, usize)| {
            let id = id(market, names[which]);
            let to = market.clock() - Duration::from_secs(back);
            let size = BarSize::all().nth(size).unwrap();
            let forming = market.forming(id, to);
            let bars = market.bars(id, size, to - Duration::from_secs(length), to, false);
            assert!(bars.iter().rev().skip(1).all(|bar| bar.end <= to), "only the last may be forming");
            (bars, forming)
        };
        let start = "2026-11-20T18:00:00Z";
        let mut forward = made(seed, start, always);
        let answers: Vec<_> = questions.iter().map(|q| ask(&mut forward, *q)).collect();
        let mut backward = made(seed, start, always);
        for (question, answer) in questions.iter().zip(&answers).rev() {
            prop_assert_eq!(&ask(&mut backward, *question), answer);
        }
        // A longer look sees the same bars.
        let mut again = made(seed, start, always);
        for ((which, back, length, _), _) in questions.iter().zip(&answers) {
            let (short, _) = ask(&mut again, (*which, *back, *length, 1));
            let (long, _) = ask(&mut again, (*which, *back, length + 7_000, 1));
            prop_assert!(long.ends_with(&short));
        }
    }

    /// The steps of the tape are the bars that history tells of afterwards.
    #[test]
    fn the_tape_and_history_agree(seed: u64, instants in 2_usize..60) {
        let mut market = made(seed, "2026-11-20T18:00:00Z", true);
        let id = id(&mut market, "AAPL");
        market.activate(id);
        let mut ended = Vec::new();
        for _ in 0..instants {
            for step in market.steps_at() {
                match step {
                    Step::End { bar, .. } => ended.push(bar),
                    Step::Open { at, price, .. } => {
                        prop_assert_eq!(market.forming(id, at).map(|bar| bar.open), Some(price));
                    }
                }
            }
        }
        let first = ended[0].time;
        prop_assert_eq!(&market.bars(id, BarSize::Secs5, first, market.clock(), true), &ended);
        let minutes: Vec<Bar> = aggregate(ended, market.calendar(), BarSize::Min1).filter(|bar| bar.time >= first).collect();
        prop_assert_eq!(market.bars(id, BarSize::Min1, first, market.clock(), true), minutes);
    }

    #[test]
    fn a_forming_bar_grows_into_its_whole(seed: u64) {
        let mut market = made(seed, "2026-11-20T18:00:00Z", true);
        let id = id(&mut market, "AAPL");
        let open = market.clock();
        let parts: Vec<Bar> =
            (0..5_000).step_by(500).map(|ms| market.forming(id, open + Duration::from_millis(ms)).unwrap()).collect();
        let whole = market.bars(id, BarSize::Secs5, open, open + STEP, true)[0];
        prop_assert_eq!((parts[0].high, parts[0].low, parts[0].close), (whole.open, whole.open, whole.open));
        for pair in parts.windows(2) {
            prop_assert!(pair[1].high >= pair[0].high && pair[1].low <= pair[0].low && pair[1].volume >= pair[0].volume);
        }
        for part in &parts {
            prop_assert!(part.low <= part.close && part.close <= part.high);
        }
        let last = parts[parts.len() - 1];
        prop_assert_eq!((last.high, last.low, last.close), (whole.high, whole.low, whole.close));
    }
}

#[test]
fn days_and_weeks_are_made_of_their_seconds() {
    let mut market = made(5, "2026-11-20T18:00:00Z", false);
    let id = id(&mut market, "AAPL");
    let (from, to) = (at("2026-11-09T00:00:00Z"), market.clock());
    let base = market.bars(id, BarSize::Secs5, from, to, true);
    for size in [BarSize::Day1, BarSize::Week1, BarSize::Hour1] {
        let expected: Vec<Bar> = aggregate(base.clone(), Calendar::Xnys, size).collect();
        assert_eq!(market.bars(id, size, from, to, true), expected, "{size}");
    }
    let year = market.bars(id, BarSize::Day1, to - DAY * 365, to, true);
    assert!((248..=253).contains(&year.len()), "{}", year.len());
    let ancient = market.bars(id, BarSize::Day1, to - DAY * 4_000, to, true);
    assert!(ancient[0].time >= to - DAY * 400);
}

fn replayed(name: &str, size: BarSize, bars: &[(&str, f64)]) -> Series {
    let bar = |(time, price): &(&str, f64)| {
        let time = at(time);
        let end = Calendar::Xnys.bar_end(time, size);
        Bar { time, end, open: *price, high: price + 0.5, low: price - 0.5, close: price + 0.1, volume: Some(10) }
    };
    Series { symbol: symbol(name), size, bars: bars.iter().map(bar).collect() }
}

fn two_symbols() -> Market {
    Market::replay(
        vec![
            replayed("B", BarSize::Min1, &[("2013-10-07T13:30:00Z", 3.0), ("2013-10-08T13:30:00Z", 4.0)]),
            replayed("B", BarSize::Min1, &[("2013-10-04T13:30:00Z", 1.0), ("2013-10-04T13:31:00Z", 2.0)]),
            replayed("A", BarSize::Min1, &[("2013-10-04T13:31:00Z", 7.0), ("2013-10-04T13:32:00Z", 8.0)]),
            replayed("B", BarSize::Day1, &[("2013-10-03T13:30:00Z", 50.0), ("2013-10-04T13:30:00Z", 51.0)]),
            replayed("OLD", BarSize::Day1, &[("1998-01-02T14:30:00Z", 5.0)]),
        ],
        Calendar::Xnys,
    )
    .unwrap()
}

#[test]
fn a_replay_stands_still_until_symbols_are_activated_and_jumps_over_quiet_hours() {
    let mut market = two_symbols();
    assert_eq!(market.clock().to_string(), "1998-01-02T14:30:00Z");
    market.stand_before(&[symbol("A"), symbol("B"), symbol("NONE")]);
    assert_eq!(market.clock().to_string(), "2013-10-04T13:30:00Z");
    assert_eq!((market.next_instant(), market.finished()), (None, false));
    let (a, b) = (id(&mut market, "A"), id(&mut market, "B"));
    assert_eq!(market.lookup(&symbol("AAPL")), None);
    market.activate(b);
    market.activate(b);
    market.activate(a);
    let mut instants = Vec::new();
    while market.next_instant().is_some() {
        let steps = market.steps_at();
        let ids: Vec<String> =
            steps.iter().map(|step| market.listing(step.contract()).unwrap().contract.symbol.to_string()).collect();
        instants.push(format!("{} {}", market.clock(), ids.join("")));
    }
    assert_eq!(
        instants,
        [
            "2013-10-04T13:30:00Z B",
            "2013-10-04T13:31:00Z BAB",
            "2013-10-04T13:32:00Z ABA",
            "2013-10-04T13:33:00Z A",
            "2013-10-07T13:30:00Z B",
            "2013-10-07T13:31:00Z B",
            "2013-10-08T13:30:00Z B",
            "2013-10-08T13:31:00Z B",
        ]
    );
    assert!(market.finished());
}

#[test]
fn coarser_files_tell_of_the_time_before_the_tape_without_looking_ahead() {
    let mut market = two_symbols();
    market.stand_before(&[symbol("B")]);
    let b = id(&mut market, "B");
    let days = |market: &Market, to| -> Vec<(String, f64)> {
        let bars = market.bars(b, BarSize::Day1, at("2013-01-01T00:00:00Z"), to, true);
        bars.iter().map(|bar| (Calendar::Xnys.date_of(bar.time).to_string(), bar.close)).collect()
    };
    let day = |date: &str, close| (date.to_owned(), close);
    assert_eq!(days(&market, market.clock()), [day("2013-10-03", 50.1)]);
    // In the midst of the day only its minutes are known, not its daily bar.
    assert_eq!(days(&market, at("2013-10-04T13:31:00Z")), [day("2013-10-03", 50.1), day("2013-10-04", 1.1)]);
    assert_eq!(
        days(&market, at("2013-10-07T20:00:00Z")),
        [day("2013-10-03", 50.1), day("2013-10-04", 2.1), day("2013-10-07", 3.1)]
    );
    assert_eq!(market.quote(b).unwrap().last, 1.0, "the open at the clock has been shown");
    assert_eq!(market.base_size(b), BarSize::Min1);
    assert!(market.bars(b, BarSize::Secs5, MarketTime::MIN, market.clock(), true).is_empty());
}

#[test]
fn a_replay_goes_on_where_an_earlier_run_stopped() {
    let run = |cut: usize| {
        let mut market = two_symbols();
        market.stand_before(&[symbol("B")]);
        let mut seen = Vec::new();
        for _ in 0..cut {
            let b = id(&mut market, "B");
            market.activate(b);
            seen.extend(market.steps_at());
        }
        let stopped = market.clock();
        let mut market = two_symbols();
        market.stand_before(&[symbol("B")]);
        if cut > 0 {
            market.resume_at(stopped);
        }
        let b = id(&mut market, "B");
        market.activate(b);
        while market.next_instant().is_some() {
            seen.extend(market.steps_at());
        }
        seen
    };
    let whole = run(0);
    assert_eq!(whole.len(), 8);
    for cut in 1..7 {
        assert_eq!(run(cut), whole, "stopped after {cut} instants");
    }
}

#[test]
fn what_cannot_be_replayed_is_named() {
    assert_eq!(Market::replay(Vec::new(), Calendar::Xnys).unwrap_err(), MarketError::Empty);
    let twice = replayed("B", BarSize::Min1, &[("2013-10-04T13:30:00Z", 1.0)]);
    let error = Market::replay(vec![twice.clone(), twice], Calendar::Xnys).unwrap_err();
    assert_eq!(
        error.to_string(),
        "B: two of the 1 min bars overlap at 2013-10-04T13:30:00Z; keep each time in one file only"
    );
}

#[test]
fn numbers_of_contracts_do_not_collide() {
    let mut market = made(1, "2026-11-20T15:00:00Z", true);
    let ids: BTreeSet<ContractId> = (0..2_000).map(|n| id(&mut market, &format!("S{n}"))).collect();
    assert_eq!(ids.len(), 2_000);
}
