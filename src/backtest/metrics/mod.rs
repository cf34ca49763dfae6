//! What a backtest's outcome is worth, in numbers; `docs/metrics.md` has the formulas.
//!
//! A number that is not known or not defined (a Sharpe ratio of one day, a profit factor without
//! losses) is `None`, never 0 or infinity. Sums of money are added exactly and become `f64` at the
//! end, for statistics only.

use serde::Serialize;

use super::outcome::{Outcome, Trade};
use super::trades::Tally;
use crate::domain::Usd;

pub mod normal;
pub mod series;
pub mod sharpe;
pub mod words;

#[cfg(test)]
mod tests;

pub use sharpe::{best_by_luck, deflated_sharpe, probabilistic_sharpe};

/// Trading days in a year.
pub const DAYS_A_YEAR: f64 = 252.0;

/// Seconds in a mean calendar year of 365.25 days.
const SECONDS_A_YEAR: f64 = 365.25 * 86_400.0;

/// A rate a year is not told from fewer calendar days than these: it would be extrapolated.
const DAYS_FOR_A_RATE: f64 = 30.0;

/// Every metric, in the order of tables and files. Fractions are fractions: 0.1 is 10 %.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct Metrics {
    /// Riskless return a year that was told, fraction.
    pub risk_free: f64,
    /// Calendar time from the first bar to the end, years of 365.25 days.
    pub years: Option<f64>,
    /// Exchange days.
    pub days: u64,
    /// Final equity less cash, USD.
    pub net_profit: f64,
    /// Final equity over cash, minus 1.
    pub total_return: Option<f64>,
    /// Compound growth a calendar year.
    pub annual_return: Option<f64>,
    /// Sample deviation of daily returns, times root 252.
    pub annual_volatility: Option<f64>,
    /// Mean daily return above the riskless one over its sample deviation, times root 252.
    pub sharpe: Option<f64>,
    /// The same over the root mean square of what falls short.
    pub sortino: Option<f64>,
    /// Annual return over the deepest drawdown.
    pub calmar: Option<f64>,
    /// Probability that the true Sharpe ratio is above zero.
    pub probabilistic_sharpe: Option<f64>,
    /// Skewness of daily returns.
    pub skew: Option<f64>,
    /// Kurtosis of daily returns (normal: 3).
    pub kurtosis: Option<f64>,
    /// Deepest fall below the highest equity so far, as a fraction of that.
    pub max_drawdown: Option<f64>,
    /// The largest fall in money, USD.
    pub max_drawdown_usd: Option<f64>,
    /// Longest time without a new high, calendar days.
    pub longest_drawdown_days: Option<f64>,
    /// What one day in twenty loses at least, fraction of equity.
    pub value_at_risk: Option<f64>,
    /// What those days lose on average, fraction of equity.
    pub expected_shortfall: Option<f64>,
    /// Highest daily return.
    pub best_day: Option<f64>,
    /// Lowest daily return.
    pub worst_day: Option<f64>,
    /// Closed round trips.
    pub trades: u64,
    /// Those with a profit after fees.
    pub wins: u64,
    /// Those with a loss after fees.
    pub losses: u64,
    /// Wins over round trips.
    pub win_rate: Option<f64>,
    /// Sum of wins over sum of losses.
    pub profit_factor: Option<f64>,
    /// Mean profit of a round trip over the mean loss: what a dollar at risk brings.
    pub expectancy: Option<f64>,
    /// Mean profit of a round trip, USD.
    pub average_trade: Option<f64>,
    /// Mean profit of a round trip as a fraction of what was opened.
    pub average_trade_return: Option<f64>,
    /// Mean of the wins, USD.
    pub average_win: Option<f64>,
    /// Mean of the losses, USD, below zero.
    pub average_loss: Option<f64>,
    /// The largest win, USD.
    pub largest_win: Option<f64>,
    /// The largest loss, USD, below zero.
    pub largest_loss: Option<f64>,
    /// Mean bars from entry to exit.
    pub average_bars_held: Option<f64>,
    /// Everything bought and sold over mean equity at days' ends.
    pub turnover: Option<f64>,
    /// The same a calendar year.
    pub annual_turnover: Option<f64>,
    /// Share of instants at which anything was held.
    pub exposure: Option<f64>,
    /// Mean of exposure over equity.
    pub average_leverage: Option<f64>,
    /// Highest exposure over equity.
    pub max_leverage: Option<f64>,
    /// Fees, USD.
    pub fees: f64,
    /// Cost of slippage and spread against prices without them, USD.
    pub slippage: f64,
    /// Benchmark's last worth over cash, minus 1.
    pub benchmark_return: Option<f64>,
    /// Benchmark's compound growth a calendar year.
    pub benchmark_annual_return: Option<f64>,
    /// What daily returns bring beside the benchmark's share of them, a year.
    pub alpha: Option<f64>,
    /// Slope of daily returns on the benchmark's.
    pub beta: Option<f64>,
    /// Correlation of daily returns with the benchmark's.
    pub correlation: Option<f64>,
}

impl Metrics {
    /// Of an outcome, with the riskless return a year (0.02 is 2 %).
    pub fn of(outcome: &Outcome, risk_free: f64) -> Self {
        let cash = outcome.cash.to_f64();
        let years = outcome.span.map(|(from, until)| until.since(from).as_secs_f64() / SECONDS_A_YEAR);
        let base = Self {
            risk_free,
            years,
            days: outcome.days.len() as u64,
            net_profit: (outcome.final_equity - outcome.cash).to_f64(),
            total_return: grown(outcome.final_equity.to_f64(), cash).map(|ratio| ratio - 1.0),
            annual_return: grown(outcome.final_equity.to_f64(), cash).and_then(|ratio| a_year(ratio, years)),
            fees: outcome.fees.to_f64(),
            slippage: outcome.running.slippage,
            ..Self::default()
        };
        base.with_days(outcome, cash).with_running(outcome).with_trades(outcome.trades.all())
    }

    fn with_days(self, outcome: &Outcome, cash: f64) -> Self {
        let returns = series::day_returns(cash, &outcome.days);
        let own: Vec<f64> = returns.iter().map(|day| day.own).collect();
        let riskless = sharpe::riskless_a_day(self.risk_free);
        let excess: Vec<f64> = own.iter().map(|day| day - riskless).collect();
        let daily_sharpe = sharpe::daily_sharpe(&own, riskless);
        let skew = series::skew(&own);
        let kurtosis = series::kurtosis(&own);
        let risk = series::value_at_risk(&own);
        let line = series::against(&returns, riskless);
        let benchmark = outcome.days.iter().rev().find_map(|day| day.benchmark);
        let benchmark = benchmark.and_then(|worth| grown(worth, cash));
        // A deviation is 0 of constant returns, but a mean over one day says nothing about downside either.
        let shortfall = if own.len() < 2 { None } else { series::shortfall(&excess) };
        Self {
            annual_volatility: series::deviation(&own).map(|deviation| deviation * DAYS_A_YEAR.sqrt()),
            sharpe: daily_sharpe.map(|daily| daily * DAYS_A_YEAR.sqrt()),
            sortino: series::mean(&excess).zip(shortfall).map(|(mean, short)| mean / short * DAYS_A_YEAR.sqrt()),
            probabilistic_sharpe: daily_sharpe
                .and_then(|daily| probabilistic_sharpe(daily, 0.0, own.len() as u64, skew?, kurtosis?)),
            skew,
            kurtosis,
            value_at_risk: risk.map(|(at_risk, _)| at_risk),
            expected_shortfall: risk.map(|(_, beyond)| beyond),
            best_day: own.iter().copied().max_by(f64::total_cmp),
            worst_day: own.iter().copied().min_by(f64::total_cmp),
            benchmark_return: benchmark.map(|ratio| ratio - 1.0),
            benchmark_annual_return: benchmark.and_then(|ratio| a_year(ratio, self.years)),
            beta: line.map(|(slope, ..)| slope),
            alpha: line.map(|(_, intercept, _)| intercept * DAYS_A_YEAR),
            correlation: line.and_then(|(.., correlation)| correlation),
            ..self
        }
    }

    fn with_running(self, outcome: &Outcome) -> Self {
        let running = &outcome.running;
        let measured = (running.instants > 0).then_some(running.instants as f64);
        let max_drawdown = measured.map(|_| running.drawdown);
        let worth: Vec<f64> = outcome.days.iter().map(|day| day.equity).collect();
        let turnover = series::mean(&worth).filter(|mean| *mean > 0.0).map(|mean| running.traded / mean);
        Self {
            max_drawdown,
            max_drawdown_usd: measured.map(|_| running.drawdown_usd),
            longest_drawdown_days: measured.map(|_| running.drawdown_seconds as f64 / 86_400.0),
            calmar: self.annual_return.zip(max_drawdown.filter(|fall| *fall > 0.0)).map(|(rate, fall)| rate / fall),
            turnover,
            annual_turnover: turnover.zip(long_enough(self.years)).map(|(turnover, years)| turnover / years),
            exposure: measured.map(|instants| running.exposed as f64 / instants),
            average_leverage: measured.map(|instants| running.leverage_sum / instants),
            max_leverage: measured.map(|_| running.leverage_most),
            ..self
        }
    }

    fn with_trades(self, tally: &Tally) -> Self {
        let average = |total: f64, of: u64| (of > 0).then(|| total / of as f64);
        let average_trade = average(tally.profit().to_f64(), tally.count);
        let average_loss = average(tally.lost.to_f64(), tally.losses);
        Self {
            trades: tally.count,
            wins: tally.wins,
            losses: tally.losses,
            win_rate: average(tally.wins as f64, tally.count),
            profit_factor: tally.profit_factor(),
            expectancy: average_trade.zip(average_loss).map(|(trade, loss)| trade / -loss),
            average_trade,
            average_trade_return: tally.average_return(),
            average_win: average(tally.won.to_f64(), tally.wins),
            average_loss,
            largest_win: tally.largest_win.map(Usd::to_f64),
            largest_loss: tally.largest_loss.map(Usd::to_f64),
            average_bars_held: average(tally.bars as f64, tally.count),
            ..self
        }
    }
}

/// A round trip's profit as a fraction of what was opened; `None` where that was worth nothing.
pub fn trade_return(trade: &Trade) -> Option<f64> {
    let opened = (trade.entry_price * trade.quantity.abs()).to_f64();
    (opened > 0.0).then(|| trade.pnl.to_f64() / opened)
}

/// What each dollar has become; `None` of no money.
fn grown(worth: f64, cash: f64) -> Option<f64> {
    (cash > 0.0 && worth.is_finite()).then(|| worth / cash)
}

/// Compound growth a year; a debt has none.
fn a_year(ratio: f64, years: Option<f64>) -> Option<f64> {
    let years = long_enough(years)?;
    (ratio >= 0.0).then(|| ratio.powf(1.0 / years) - 1.0)
}

fn long_enough(years: Option<f64>) -> Option<f64> {
    years.filter(|years| *years * 365.25 >= DAYS_FOR_A_RATE)
}
