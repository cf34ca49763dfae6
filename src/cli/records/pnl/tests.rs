use super::*;
use crate::domain::book::LedgerFact;
use crate::domain::broker::{AccountId, Commission, Execution, ExecutionId};
use crate::domain::{MarketTime, Price, Shares, Side};

#[test]
fn a_date_has_its_day_its_iso_week_and_its_month() {
    let date = NaiveDate::from_ymd_opt(2027, 1, 1).unwrap();
    let names: Vec<String> = [Period::Day, Period::Week, Period::Month, Period::All].map(|by| by.of(date).1).into();
    assert_eq!(names, ["2027-01-01", "2026-W53", "2027-01", "all"]);
}

const CONTRACT: ContractId = ContractId(7);

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

/// Facts of some days, each of which is 100 seconds long.
#[derive(Default)]
struct Told(Vec<Record>);

/// Its name; round trips, won and undecided ones; the change of equity.
type Day = (String, (u64, u64, u64), Option<Usd>);

impl Told {
    fn fact(&mut self, at: i64, fact: Fact) -> &mut Self {
        let contract = matches!(fact, Fact::Fill(_)).then_some(CONTRACT);
        let symbol = contract.map(|_| "AAA".parse().unwrap());
        self.0.push(Record { at: MarketTime::from_secs(at), strategy: None, symbol, contract, fact });
        self
    }

    /// Ten shares; `id` ends with the number of its correction.
    fn trades(&mut self, at: i64, id: &str, side: Side, price: i64) -> &mut Self {
        let execution = Execution {
            id: ExecutionId(id.into()),
            at: MarketTime::from_secs(at),
            account: AccountId("DU1".into()),
            contract: CONTRACT,
            symbol: "AAA".parse().unwrap(),
            side,
            quantity: Shares(10),
            price: Price::of(price.into()),
            client_id: 1,
            order_id: 1,
            perm_id: 0,
            order_ref: "rt-k3-1".into(),
            is_liquidation: false,
        };
        self.fact(at, Fact::Fill(FillFact::Executed { intent: 1, execution: execution.into() }))
    }

    fn costs(&mut self, at: i64, id: &str, amount: &str) -> &mut Self {
        let commission = Commission { execution: ExecutionId(id.into()), amount: usd(amount), currency: "USD".into() };
        self.fact(at, Fact::Fill(FillFact::Costed { commission }))
    }

    fn opens(&mut self, at: i64, equity: &str) -> &mut Self {
        let day = day_of(MarketTime::from_secs(at)).0;
        self.fact(at, Fact::Day(DayFact::Opened { day, equity: usd(equity) }))
    }

    /// Round trips, won and undecided ones, and the change of equity of each day that was asked about.
    fn days(&self, wanted: impl Fn(i64) -> bool, now: Option<Usd>) -> Vec<Day> {
        let within = |record: &Record| wanted(record.at.millis() / 1_000);
        let days = added_up(&self.0, |record| day_of(record.at), within, now);
        let row = |one: &Figures| (one.name.clone(), (one.trips, one.won, one.undecided), one.equity_change);
        days.values().map(row).collect()
    }
}

fn day_of(at: MarketTime) -> (NaiveDate, String) {
    let number = at.millis() / 100_000;
    (NaiveDate::MIN + Days::new(u64::try_from(number).unwrap()), format!("day {number}"))
}

#[test]
fn a_round_trip_is_won_by_its_own_fills_and_costs_whatever_was_before_the_period() {
    let mut told = Told::default();
    // A good day, then one with a loss and a gain that its costs eat up; the last one's cost comes a day later.
    told.trades(10, "a.1.01", Side::Buy, 10).trades(20, "a.2.01", Side::Sell, 50);
    told.costs(21, "a.1.01", "1").costs(22, "a.2.01", "1");
    told.trades(110, "b.1.01", Side::Buy, 20).costs(111, "b.1.01", "1");
    told.trades(120, "b.2.01", Side::Sell, 19).costs(121, "b.2.01", "1");
    told.trades(130, "c.1.01", Side::Buy, 20).costs(131, "c.1.01", "1").trades(140, "c.2.01", Side::Sell, 21);
    let late = told.days(|at| at >= 100, None);
    assert_eq!(late, [("day 1".to_owned(), (2, 0, 1), None)], "its cost is not known yet");
    told.costs(210, "c.2.01", "20").trades(220, "d.1.01", Side::Buy, 20).trades(230, "d.2.01", Side::Sell, 30);
    told.costs(231, "d.1.01", "1").costs(232, "d.2.01", "1");
    let days: Vec<_> = told.days(|_| true, None).into_iter().map(|(_, trips, _)| trips).collect();
    assert_eq!(days, [(1, 1, 0), (2, 0, 0), (1, 1, 0)], "an exit's cost is not the next trip's");
    assert_eq!(told.days(|at| (100..200).contains(&at), None)[0].1, (2, 0, 0));
    // The gain was none: the trip it belongs to is judged anew, the next one is not.
    told.trades(240, "a.2.02", Side::Sell, 5);
    let days: Vec<_> = told.days(|_| true, None).into_iter().map(|(_, trips, _)| trips).collect();
    assert_eq!(days, [(1, 0, 0), (2, 0, 0), (1, 1, 0)]);
}

#[test]
fn a_day_ends_with_the_equity_that_the_next_one_begins_with_and_deposits_are_no_profit() {
    let mut told = Told::default();
    // Bought and held: nothing is realized, and yet the day is a bad one.
    told.opens(0, "1000").trades(10, "a.1.01", Side::Buy, 50);
    told.opens(100, "950");
    let paid = LedgerFact::CashAdjusted { amount: usd("500"), reason: "a deposit".into() };
    told.fact(150, Fact::Ledger(paid)).opens(160, "1450").opens(200, "1460");
    let changes = |wanted: &dyn Fn(i64) -> bool, now| -> Vec<_> {
        told.days(wanted, now).into_iter().map(|(_, _, change)| change).collect()
    };
    assert_eq!(changes(&|_| true, None), [Some(usd("-50")), Some(usd("10")), None]);
    assert_eq!(changes(&|_| true, Some(usd("1400")))[2], Some(usd("-60")), "a daemon knows how it goes on");
    assert_eq!(changes(&|at| at < 100, None), [Some(usd("-50"))], "also where only that day is asked about");
    assert_eq!(changes(&|at| (100..155).contains(&at), None), [None], "half a day has no end that is known");
}
