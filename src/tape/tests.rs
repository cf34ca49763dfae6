use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::streamed::{Bars, Streamed};
use super::*;

fn bar(open: i64, end: i64) -> Bar {
    let price = open as f64 + 1.0;
    let (time, end) = (MarketTime::from_secs(open), MarketTime::from_secs(end));
    Bar { time, end, open: price, high: price + 1.0, low: price - 0.5, close: price + 0.5, volume: Some(3) }
}

fn series(contract: i32, symbol: &str, bars: Vec<Bar>) -> Series {
    Series { contract: ContractId(contract), symbol: symbol.parse().unwrap(), bars: bars.into() }
}

/// All steps, as an engine takes them: an instant's ends, then its opens. What is said to be followed is.
fn taken(mut tape: impl Steps) -> Vec<Step> {
    let contracts = tape.contracts();
    let mut steps = Vec::new();
    while let Some(at) = tape.next_at() {
        let mut followed = Vec::new();
        while let Some(end) = tape.end_at(at) {
            if end.followed {
                followed.push(end.place);
            }
            steps.push(Step::End { contract: contracts[end.place], bar: *end.bar });
        }
        let mut opened = Vec::new();
        let ended = steps
            .iter()
            .rev()
            .map_while(|step| matches!(step, Step::End { bar, .. } if bar.end == at).then(|| step.contract()));
        let ended: Vec<ContractId> = ended.collect();
        while let Some(open) = tape.open_at(at) {
            if ended.contains(&contracts[open.place]) {
                opened.push(open.place);
            }
            steps.push(Step::Open { contract: contracts[open.place], at, price: open.price });
        }
        assert_eq!(followed, opened, "at {at}");
    }
    steps
}

fn tell(tape: Tape) -> String {
    let line = |step: Step| {
        let word = if matches!(step, Step::End { .. }) { "ends" } else { "opens" };
        format!("{}: {} {word}", step.at().secs(), step.contract())
    };
    tape.map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn at_one_instant_all_ends_come_before_all_opens_each_in_symbol_order() {
    let tape = Tape::new([
        series(1, "ZZ", vec![bar(0, 60), bar(60, 120)]),
        series(2, "AA", vec![bar(0, 60), bar(60, 120)]),
        series(3, "MM", vec![bar(0, 120)]),
    ]);
    assert_eq!(
        tell(tape),
        "0: 2 opens, 0: 3 opens, 0: 1 opens, 60: 2 ends, 60: 1 ends, 60: 2 opens, 60: 1 opens, \
         120: 2 ends, 120: 3 ends, 120: 1 ends"
    );
}

#[test]
fn a_series_that_joins_late_begins_with_its_next_open() {
    let mut tape = Tape::new([series(1, "A", vec![bar(0, 60), bar(60, 120)])]);
    tape.next();
    tape.add(series(2, "B", vec![bar(0, 60), bar(60, 120)]), MarketTime::from_secs(30));
    assert_eq!(tape.next_at(), Some(MarketTime::from_secs(60)));
    assert_eq!(tell(tape), "60: 1 ends, 60: 1 opens, 60: 2 opens, 120: 1 ends, 120: 2 ends");
}

#[test]
fn a_series_that_rejoins_goes_on_where_it_stopped() {
    let bars = vec![bar(0, 60), bar(60, 120), bar(180, 240)];
    for (taken, rest) in [
        (-1, "0: 1 opens, 60: 1 ends, 60: 1 opens, 120: 1 ends, 180: 1 opens, 240: 1 ends"),
        (0, "60: 1 ends, 60: 1 opens, 120: 1 ends, 180: 1 opens, 240: 1 ends"),
        (60, "120: 1 ends, 180: 1 opens, 240: 1 ends"),
        (120, "180: 1 opens, 240: 1 ends"),
        (240, ""),
    ] {
        let mut tape = Tape::default();
        tape.rejoin(series(1, "A", bars.clone()), MarketTime::from_secs(taken));
        assert_eq!(tell(tape), rest, "{taken}");
    }
}

fn all_series() -> impl Strategy<Value = Vec<Series>> {
    let bars = prop::collection::vec((0_i64..4, 1_i64..4), 0..30).prop_map(|spans| {
        let mut at = 0;
        let mut next = |(gap, length): (i64, i64)| {
            let open = at + gap;
            at = open + length;
            bar(open, at)
        };
        spans.into_iter().map(&mut next).collect::<Vec<_>>()
    });
    prop::collection::vec(bars, 0..5).prop_map(|all| {
        let name = |index: usize| ["C", "A", "E", "B", "D"][index];
        let named = all.into_iter().enumerate();
        named.map(|(index, bars)| series(i32::try_from(index).unwrap(), name(index), bars)).collect()
    })
}

proptest! {
    #[test]
    fn every_bar_opens_and_ends_once_in_order(all in all_series()) {
        let rank = |step: &Step| {
            let symbol = all.iter().find(|s| s.contract == step.contract()).map(|s| s.symbol);
            (step.at(), matches!(step, Step::Open { .. }), symbol)
        };
        let steps: Vec<Step> = Tape::new(all.clone()).collect();
        let mut sorted = all.clone();
        sorted.sort_by_key(|one| one.symbol);
        let streams = sorted.iter().map(|one| (one.contract, Box::new(one.bars.iter().copied()) as Bars<'_>));
        prop_assert_eq!(&steps, &taken(Tape::new(all.clone())), "an instant at a time");
        prop_assert_eq!(&steps, &taken(Streamed::new(streams)), "bars that come one by one");
        prop_assert!(steps.is_sorted_by_key(rank));
        let expected: usize = all.iter().map(|s| s.bars.len() * 2).sum();
        prop_assert_eq!(steps.len(), expected);
        for one in &all {
            let own: Vec<&Step> = steps.iter().filter(|step| step.contract() == one.contract).collect();
            for (pair, bar) in own.chunks(2).zip(one.bars.iter()) {
                let opens = Step::Open { contract: one.contract, at: bar.time, price: bar.open };
                prop_assert_eq!(pair, [&opens, &Step::End { contract: one.contract, bar: *bar }]);
            }
        }
    }

    #[test]
    fn aggregation_is_what_a_naive_grouping_gives(
        spans in prop::collection::vec((0_i64..90, 10_f64..20.0, 0_f64..1.0), 0..400),
        which in 5_usize..22,
        always: bool,
    ) {
        let calendar = if always { Calendar::Always } else { Calendar::Xnys };
        let size = BarSize::all().nth(which).unwrap();
        // Minutes of the week in which New York's clock goes back.
        let mut minute = MarketTime::from_secs(1_793_280_600);
        let mut bars = Vec::new();
        for (gap, price, spread) in spans {
            minute = minute + Duration::from_secs(60 * u64::try_from(gap + 1).unwrap());
            let end = minute + Duration::from_secs(60);
            bars.push(Bar { time: minute, end, open: price, high: price + spread, low: price - spread, close: price, volume: Some(1) });
        }
        let mut groups: BTreeMap<MarketTime, Vec<Bar>> = BTreeMap::new();
        for bar in &bars {
            groups.entry(calendar.bar_open(bar.time, size)).or_default().push(*bar);
        }
        let naive: Vec<Bar> = groups.iter().map(|(open, group)| Bar {
            time: *open,
            end: calendar.bar_end(*open, size),
            open: group[0].open,
            high: group.iter().map(|bar| bar.high).fold(f64::MIN, f64::max),
            low: group.iter().map(|bar| bar.low).fold(f64::MAX, f64::min),
            close: group[group.len() - 1].close,
            volume: Some(group.len() as u64),
        }).collect();
        let built: Vec<Bar> = aggregate(bars, calendar, size).collect();
        prop_assert_eq!(built, naive);
    }
}
