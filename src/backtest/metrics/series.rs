//! Statistics of a series of daily returns.

use crate::backtest::outcome::DayPoint;

/// Spread smaller than this is rounding, not spread: a constant return has no Sharpe ratio.
const NO_SPREAD: f64 = 1e-13;

/// A day's return and, where it is known, the benchmark's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayReturn {
    /// Equity over the equity of the day before (the cash, before the first), minus 1.
    pub own: f64,
    /// The same of the benchmark.
    pub benchmark: Option<f64>,
}

/// Returns day by day, the first against the cash. They end with the day that leaves nothing: what
/// follows cannot be a fraction of it.
pub fn day_returns(cash: f64, days: &[DayPoint]) -> Vec<DayReturn> {
    let (mut before, mut benchmark_before) = (cash, cash);
    let mut returns = Vec::with_capacity(days.len());
    for day in days {
        if before.is_nan() || before <= 0.0 {
            break;
        }
        let benchmark = day.benchmark.filter(|_| benchmark_before > 0.0).map(|worth| worth / benchmark_before - 1.0);
        returns.push(DayReturn { own: day.equity / before - 1.0, benchmark });
        before = day.equity;
        benchmark_before = day.benchmark.unwrap_or(benchmark_before);
    }
    returns
}

/// The mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Sample standard deviation (over n - 1); `None` of fewer than two.
pub fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    Some((moment(values, 2)? * values.len() as f64 / (values.len() - 1) as f64).sqrt())
}

/// The same, `None` also where the values do not differ.
pub fn spread(values: &[f64]) -> Option<f64> {
    deviation(values).filter(|deviation| *deviation > NO_SPREAD)
}

/// Root mean square of what falls short of zero; `None` where nothing does.
pub fn shortfall(values: &[f64]) -> Option<f64> {
    let squares: f64 = values.iter().map(|value| value.min(0.0).powi(2)).sum();
    let shortfall = (squares / values.len().max(1) as f64).sqrt();
    (shortfall > NO_SPREAD).then_some(shortfall)
}

/// Skewness g3 = m3 / m2^(3/2) with moments over n; `None` of fewer than three or no spread.
pub fn skew(values: &[f64]) -> Option<f64> {
    standard_moment(values, 3)
}

/// Kurtosis g4 = m4 / m2^2 with moments over n (3 for a normal distribution); `None` of fewer than
/// four or no spread.
pub fn kurtosis(values: &[f64]) -> Option<f64> {
    standard_moment(values, 4)
}

fn standard_moment(values: &[f64], order: i32) -> Option<f64> {
    if values.len() < usize::try_from(order).ok()? || spread(values).is_none() {
        return None;
    }
    Some(moment(values, order)? / moment(values, 2)?.sqrt().powi(order))
}

fn moment(values: &[f64], order: i32) -> Option<f64> {
    let mean = mean(values)?;
    Some(values.iter().map(|value| (value - mean).powi(order)).sum::<f64>() / values.len() as f64)
}

/// Value at risk and the expected loss beyond it at 95 %, as fractions lost (below zero: gained).
///
/// The k worst of n, k = n / 20 rounded up: the value at risk is the best of those k, the expected
/// loss their mean. `None` of fewer than 20: one day in twenty is not among them.
pub fn value_at_risk(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 20 {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let worst = sorted.get(..values.len().div_ceil(20))?;
    Some((-*worst.last()?, -mean(worst)?))
}

/// Slope, intercept (of one day) and correlation of own returns on the benchmark's, both above the
/// riskless one.
pub fn against(returns: &[DayReturn], riskless: f64) -> Option<(f64, f64, Option<f64>)> {
    let pairs: Vec<(f64, f64)> =
        returns.iter().filter_map(|day| Some((day.own - riskless, day.benchmark? - riskless))).collect();
    // Two points always lie on a line.
    if pairs.len() < 3 {
        return None;
    }
    let (own, benchmark): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (own_mean, benchmark_mean) = (mean(&own)?, mean(&benchmark)?);
    let products: f64 = pairs.iter().map(|(a, b)| (a - own_mean) * (b - benchmark_mean)).sum();
    let covariance = products / (pairs.len() - 1) as f64;
    let benchmark_spread = spread(&benchmark)?;
    let slope = covariance / benchmark_spread.powi(2);
    let correlation = spread(&own).map(|own_spread| (covariance / (own_spread * benchmark_spread)).clamp(-1.0, 1.0));
    Some((slope, own_mean - slope * benchmark_mean, correlation))
}
