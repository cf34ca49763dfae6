//! Reports of outcomes of every kind are whole pages, safe and small.

use super::sample_tests::{Sample, empty, played};
use super::svg::{Across, Colours, HeatMap, Line, Plot, heat_map, line_chart};
use super::*;

/// Small enough for a mail.
const BYTES_AT_MOST: usize = 3_000_000;

fn report(outcome: &Outcome) -> String {
    of(outcome, &Metrics::of(outcome, 0.0))
}

/// Every tag that is opened is closed, no number is none, and nothing is asked of anybody.
fn check(outcome: &Outcome) -> String {
    let html = report(outcome);
    for tag in ["section", "table", "tr", "td", "th", "div", "figure", "details", "svg", "span", "script", "ul", "h2"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for none in ["NaN", "inf ", "inf<", "-inf"] {
        assert!(!html.contains(none), "{none}");
    }
    for request in ["http:", "https:", "src=", "url(", "@import", "//cdn", "fetch("] {
        assert!(!html.contains(request), "{request}");
    }
    assert!(html.len() < BYTES_AT_MOST, "{} bytes", html.len());
    html
}

#[test]
fn every_kind_of_outcome_is_a_clean_page() {
    let nothing = check(&empty());
    assert!(nothing.contains("No bar was played") && nothing.contains("No round trip was closed"));

    let one_day = check(&played(&Sample { symbols: 1, days: 1, eagerness: 0.0, drift: 0.0 }));
    assert!(one_day.contains("unknown"));

    let mut one_trade = played(&Sample { symbols: 1, days: 30, eagerness: 0.1, drift: 0.0 });
    one_trade.trades = one_trade.trades.kept()[..1].iter().cloned().collect();
    check(&one_trade);

    let losing = played(&Sample { symbols: 2, days: 200, eagerness: 0.3, drift: -0.002 });
    assert!(losing.final_equity < losing.cash);
    check(&losing);

    let busy = played(&Sample { symbols: 4, days: 756, eagerness: 0.9, drift: 0.0 });
    assert!(busy.trades.all().count > 1000, "{}", busy.trades.all().count);
    check(&busy);

    check(&played(&Sample { symbols: 24, days: 756, eagerness: 0.9, drift: 0.0 }));
}

#[test]
fn a_total_loss_and_constant_equity_are_drawn() {
    let mut lost = played(&Sample { symbols: 1, days: 40, eagerness: 0.2, drift: 0.0 });
    for (point, day) in lost.equity.iter_mut().skip(140).zip(lost.days.iter_mut().skip(20)) {
        point.equity = 0.0;
        day.equity = 0.0;
    }
    check(&lost);
    let mut constant = played(&Sample { symbols: 1, days: 40, eagerness: 0.0, drift: 0.0 });
    constant.days.iter_mut().for_each(|day| day.benchmark = None);
    check(&constant);
}

#[test]
fn what_users_write_stays_text() {
    let bad = "<script>alert(\"1\")</script>'&";
    let mut outcome = played(&Sample { symbols: 1, days: 40, eagerness: 0.2, drift: 0.0 });
    let own = report(&outcome).matches("<script").count();
    outcome.described = vec![("strategy".into(), bad.into()), (bad.into(), bad.into())];
    outcome.warnings = vec![bad.into()];
    outcome.refusals = [(bad.to_owned(), 3)].into();
    let html = check(&outcome);
    assert!(!html.contains("<script>alert"));
    assert_eq!(html.matches("<script").count(), own);
    // Title, heading, tag (name and value), settings (both rows), warning, refusal.
    let safe = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;";
    assert_eq!(html.matches(safe).count(), 9);

    let plot = Plot { label: bad.into(), across: Across::Time, unit: Unit::Usd, size: "", zero: false };
    let line = Line { name: bad.into(), class: "c1", points: vec![(0.0, 1.0), (60.0, 2.0)], filled: true };
    assert!(!line_chart(&plot, &[line]).contains("<script>alert"));
    let name = [bad.to_owned()];
    let map = HeatMap {
        corner: bad,
        rows: &name,
        columns: &name,
        values: &[vec![Some(1.0)]],
        show: &|value| format!("<script>{value}"),
        colours: Colours::LowToHigh,
        sums: 0,
    };
    assert!(!heat_map(&map).contains("<script>"));
    assert!(!table(&[bad], &[vec![Cell::text(bad)]]).contains("<script>"));
    assert!(!cards(&[Card { label: bad.into(), text: bad.into(), sign: None }]).contains("<script>"));
}

#[test]
fn the_same_run_gives_the_same_report_however_long_it_took() {
    let mut outcome = played(&Sample { symbols: 2, days: 60, eagerness: 0.2, drift: 0.0 });
    let first = report(&outcome);
    outcome.run *= 3;
    outcome.load *= 3;
    assert_eq!(report(&outcome), first);
}

#[test]
fn months_and_years_compound() {
    let mut outcome = empty();
    let day = |month, equity| crate::backtest::outcome::DayPoint {
        date: chrono::NaiveDate::from_ymd_opt(2024, month, 28).unwrap(),
        equity,
        benchmark: None,
    };
    // +10 %, then -10 %: the year is -1 %.
    outcome.days = vec![day(1, 105_000.0), day(1, 110_000.0), day(2, 99_000.0)];
    let html = months::table(&outcome);
    assert!(
        html.contains(">10.00</td>") && html.contains(">-10.00</td>") && html.contains("bad\">-1.00</td>"),
        "{html}"
    );
}

#[test]
fn ticks_are_round() {
    let texts = |from, until, unit| {
        let ticks = scale::Scale { from, until }.ticks(unit, 5);
        ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(texts(98_000.0, 104_000.0, Unit::Usd), "98,000 100,000 102,000 104,000");
    assert_eq!(texts(-0.12, 0.0, Unit::Percent), "-10 % -5 % 0 %");
    assert_eq!(texts(0.0, 0.013, Unit::Percent), "0.0 % 0.5 % 1.0 %");
    assert_eq!(texts(14.01, 14.09, Unit::Usd), "14.02 14.04 14.06 14.08");
    assert_eq!(texts(0.0, 3e7, Unit::Usd), "0 M 10 M 20 M 30 M");

    assert_eq!(texts(0.0, 2.0, Unit::Count), "0 1 2");

    let times = |from: &str, until: &str| {
        let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp() as f64;
        let ticks = scale::time_ticks(scale::Scale { from: at(from), until: at(until) });
        ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(times("2013-10-04T13:30:00Z", "2013-10-04T20:00:00Z"), "14:00 15:00 16:00 17:00 18:00 19:00 20:00");
    assert_eq!(times("1998-03-01T00:00:00Z", "2021-08-01T00:00:00Z"), "2000 2005 2010 2015 2020");
    assert_eq!(times("2021-03-15T00:00:00Z", "2021-08-02T00:00:00Z"), "Apr 2021 May 2021 Jun 2021 Jul 2021 Aug 2021");
}

#[test]
fn scales_of_nothing_and_of_one_value_can_be_drawn() {
    use scale::Scale;
    assert_eq!(Scale::exactly(std::iter::empty()), Scale { from: 0.0, until: 1.0 });
    assert_eq!(Scale::exactly([100.0].into_iter()), Scale { from: 99.0, until: 101.0 });
    assert_eq!(Scale::exactly([0.0, f64::NAN].into_iter()), Scale { from: -1.0, until: 1.0 });
    assert_eq!(Scale::exactly([5.0, 9.0].into_iter()).place(6.0), 0.25);
}

/// What a sweep's report is made of; `REPORT_DIR=folder` leaves the page there to be looked at.
#[test]
fn pieces_make_another_page() {
    let names = |from: usize, step: usize, count: usize| (0..count).map(|i| (from + i * step).to_string()).collect();
    let (fast, slow): (Vec<String>, Vec<String>) = (names(5, 5, 8), names(20, 10, 10));
    let ratio = |row: usize, column: usize| (row as f64 - 3.2).abs() * -0.3 + (column as f64 / 3.0).sin() + 0.4;
    // A fast average that is not faster than the slow one was not tried.
    let tried = |row: usize, column: usize| (5 + row * 5 < 20 + column * 10).then(|| ratio(row, column));
    let values: Vec<Vec<Option<f64>>> = (0..8).map(|row| (0..10).map(|column| tried(row, column)).collect()).collect();
    let map = |colours| HeatMap {
        corner: "fast / slow",
        rows: &fast,
        columns: &slow,
        values: &values,
        show: &|value| Unit::Ratio.show(value),
        colours,
        sums: 0,
    };
    let plot = Plot {
        label: "Sharpe ratio by fast".to_owned(),
        across: Across::Numbers(Unit::Bars),
        unit: Unit::Ratio,
        size: "",
        zero: true,
    };
    let line = |class, column: usize| Line {
        name: format!("slow = {}", slow[column]),
        class,
        points: (0..8).map(|row| (5.0 + 5.0 * row as f64, ratio(row, column))).collect(),
        filled: false,
    };
    let html = page(
        "Sweep of sma-cross",
        &[
            Section::head("<h1>Sweep of sma-cross</h1>".to_owned()),
            Section::new("Around zero", heat_map(&map(Colours::AroundZero))),
            Section::new("Low to high", heat_map(&map(Colours::LowToHigh))),
            Section::new("By fast", line_chart(&plot, &[line("c1", 2), line("c3", 5), line("c4", 9)])),
        ],
    );
    assert_eq!(html.matches("class=\"n heat").count(), 2 * values.iter().flatten().flatten().count());
    // The deepest colour is the highest value's.
    let best = values.iter().flatten().flatten().copied().fold(f64::MIN, f64::max);
    assert!(html.contains(&format!("--d:70%\">{}</td>", Unit::Ratio.show(best))));
    assert_eq!(html.matches("class=\"line").count(), 3);
    if let Some(folder) = std::env::var_os("REPORT_DIR") {
        std::fs::write(std::path::Path::new(&folder).join("pieces.html"), html).unwrap();
    }
}
