use super::*;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> MarketTime {
    MarketTime::from(text.parse::<DateTime<Utc>>().unwrap())
}

fn session(text: &str) -> Option<(String, String)> {
    match Calendar::Xnys.day(date(text)) {
        Day::Open(w) => Some((w.open.to_string(), w.close.to_string())),
        Day::Closed | Day::Unknown => None,
    }
}

#[test]
fn sessions_follow_new_yorks_clock_through_both_changes() {
    let open = |text| session(text).unwrap().0;
    assert_eq!(open("2026-03-06"), "2026-03-06T14:30:00Z");
    assert_eq!(open("2026-03-09"), "2026-03-09T13:30:00Z");
    assert_eq!(open("2026-10-30"), "2026-10-30T13:30:00Z");
    assert_eq!(open("2026-11-02"), "2026-11-02T14:30:00Z");
}

#[test]
fn early_closes_and_holidays() {
    assert_eq!(session("2025-11-28").unwrap().1, "2025-11-28T18:00:00Z", "the day after Thanksgiving ends at 13:00");
    assert_eq!(session("2024-07-03").unwrap().1, "2024-07-03T17:00:00Z");
    for closed in ["2025-01-09", "2025-11-27", "2012-10-29", "2022-06-20", "2026-11-21", "2018-12-05"] {
        assert_eq!(Calendar::Xnys.day(date(closed)), Day::Closed, "{closed}");
    }
    assert!(session("2021-06-18").is_some(), "Juneteenth was first observed in 2022");
}

#[test]
fn outside_its_coverage_it_does_not_know() {
    for unknown in ["1998-01-02", "2009-12-31", "2029-01-02", "1998-01-03"] {
        assert_eq!(Calendar::Xnys.day(date(unknown)), Day::Unknown, "{unknown}");
    }
    assert_eq!(Calendar::Xnys.is_open(at("1998-01-02T15:00:00Z")), None);
    assert_eq!(Calendar::Xnys.next_open(at("1998-01-02T15:00:00Z")), None);
    assert_eq!(Calendar::Xnys.next_open(at("2028-12-29T22:00:00Z")), None);
    let usual = Calendar::Xnys.nominal_session(date("1998-01-02"));
    assert_eq!((usual.open, usual.close), (at("1998-01-02T14:30:00Z"), at("1998-01-02T21:00:00Z")));
}

#[test]
fn open_now_and_next() {
    let xnys = Calendar::Xnys;
    assert_eq!(xnys.is_open(at("2025-11-28T17:59:59Z")), Some(true));
    assert_eq!(xnys.is_open(at("2025-11-28T18:00:00Z")), Some(false));
    assert_eq!(xnys.next_open(at("2025-11-26T14:29:59Z")), Some(at("2025-11-26T14:30:00Z")));
    assert_eq!(xnys.next_open(at("2025-11-26T14:30:00Z")), Some(at("2025-11-28T14:30:00Z")));
    assert_eq!(xnys.next_open(at("2012-10-26T20:00:00Z")), Some(at("2012-10-31T13:30:00Z")), "Sandy");
    assert_eq!(Calendar::Always.is_open(at("2026-11-22T03:00:00Z")), Some(true));
}

#[test]
fn hours_are_cut_at_the_session() {
    let bar = |text: &str, size| {
        let w = Calendar::Xnys.bar_window(at(text), size);
        (w.open.to_string(), w.close.to_string())
    };
    let hour = |open: &str, close: &str| (format!("2026-11-20T{open}:00Z"), format!("2026-11-20T{close}:00Z"));
    assert_eq!(bar("2026-11-20T14:45:00Z", BarSize::Hour1), hour("14:30", "15:00"));
    assert_eq!(bar("2026-11-20T15:00:00Z", BarSize::Hour1), hour("15:00", "16:00"));
    assert_eq!(bar("2026-11-20T14:10:00Z", BarSize::Hour1), hour("14:00", "14:30"));
    assert_eq!(bar("2026-11-20T19:10:00Z", BarSize::Hours4), hour("17:00", "21:00"));
    assert_eq!(bar("2026-11-20T20:59:59Z", BarSize::Hours8), hour("14:30", "21:00"));
    assert_eq!(bar("2025-11-28T17:40:00Z", BarSize::Hours2).1, "2025-11-28T18:00:00Z");
}

#[test]
fn days_weeks_and_months_end_with_their_last_session() {
    let bar = |text: &str, size| {
        let w = Calendar::Xnys.bar_window(at(text), size);
        (w.open.to_string(), w.close.to_string())
    };
    let pair = |open: &str, close: &str| (open.to_owned(), close.to_owned());
    assert_eq!(bar("2025-11-28T15:00:00Z", BarSize::Day1), pair("2025-11-28T14:30:00Z", "2025-11-28T18:00:00Z"));
    // Good Friday week, and a week whose Monday is a holiday.
    assert_eq!(bar("2026-04-01T15:00:00Z", BarSize::Week1), pair("2026-03-30T13:30:00Z", "2026-04-02T20:00:00Z"));
    assert_eq!(bar("2026-09-09T15:00:00Z", BarSize::Week1), pair("2026-09-08T13:30:00Z", "2026-09-11T20:00:00Z"));
    assert_eq!(bar("2026-11-11T15:00:00Z", BarSize::Month1), pair("2026-11-02T14:30:00Z", "2026-11-30T21:00:00Z"));
    assert_eq!(bar("1998-05-14T15:00:00Z", BarSize::Week1), pair("1998-05-11T13:30:00Z", "1998-05-15T20:00:00Z"));
}

#[test]
fn a_market_that_never_closes_has_days_of_23_and_25_hours() {
    let hours = |text| {
        let w = Calendar::Always.nominal_session(date(text));
        w.close.since(w.open).as_secs() / 3_600
    };
    assert_eq!([hours("2026-03-08"), hours("2026-11-01"), hours("2026-11-02")], [23, 25, 24]);
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    for calendar in [Calendar::Xnys, Calendar::Always] {
        for at in [MarketTime::MIN, MarketTime::MAX] {
            calendar.is_open(at);
            calendar.next_open(at);
            for size in BarSize::all() {
                calendar.bar_window(at, size);
            }
        }
    }
}

#[test]
fn names_read_back() {
    for calendar in [Calendar::Xnys, Calendar::Always] {
        assert_eq!(calendar.to_string().to_lowercase().parse(), Ok(calendar));
    }
    assert!("XLON".parse::<Calendar>().is_err());
}

proptest::proptest! {
    #[test]
    fn bars_tile_time_without_gap_or_overlap(secs in 1_262_304_000_i64..1_861_000_000, which in 0_usize..19, always: bool) {
        let calendar = if always { Calendar::Always } else { Calendar::Xnys };
        let size = BarSize::all().filter(|size| size.is_intraday()).nth(which).unwrap();
        let at = MarketTime::from_secs(secs);
        let bar = calendar.bar_window(at, size);
        proptest::prop_assert!(bar.open <= at && at < bar.close, "{bar:?}");
        proptest::prop_assert_eq!(calendar.bar_window(bar.open, size), bar);
        proptest::prop_assert_eq!(calendar.bar_window(bar.close - Duration::from_millis(1), size), bar);
        proptest::prop_assert_eq!(calendar.bar_open(bar.close, size), bar.close);
        let clock_change = Duration::from_secs(3_600);
        proptest::prop_assert!(bar.close.since(bar.open) <= size.duration() + clock_change);
    }

    #[test]
    fn next_open_is_the_first_open_instant_after(secs in 1_262_304_000_i64..1_861_000_000) {
        let at = MarketTime::from_secs(secs);
        if let Some(next) = Calendar::Xnys.next_open(at) {
            proptest::prop_assert!(next > at);
            proptest::prop_assert_eq!(Calendar::Xnys.is_open(next), Some(true));
            proptest::prop_assert_eq!(Calendar::Xnys.is_open(next - Duration::from_millis(1)), Some(false));
        }
    }
}

#[test]
fn a_year_has_as_many_bars_as_its_sessions_hold() {
    let cases = [
        (Calendar::Xnys, BarSize::Min1, 98_280.0),
        (Calendar::Xnys, BarSize::Hour1, 1_638.0),
        (Calendar::Xnys, BarSize::Day1, 252.0),
        (Calendar::Always, BarSize::Min1, 525_600.0),
        (Calendar::Always, BarSize::Day1, 365.0),
    ];
    for (calendar, size, bars) in cases {
        assert!((calendar.bars_a_year(size) - bars).abs() < 1e-9, "{calendar} {size}");
    }
}
