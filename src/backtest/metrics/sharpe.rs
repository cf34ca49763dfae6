//! How much to believe a Sharpe ratio (Bailey and López de Prado, 2012 and 2014).
//!
//! Sharpe ratios here are of one period (a day), not annualised.

use super::{DAYS_A_YEAR, normal, series};

/// Euler's constant, which the expected highest of many normal draws needs.
const EULER: f64 = 0.577_215_664_901_532_9;

/// The return of a day that makes this one in a year of 252.
pub fn riskless_a_day(risk_free: f64) -> f64 {
    (1.0 + risk_free).powf(1.0 / DAYS_A_YEAR) - 1.0
}

/// Mean of daily returns above the riskless one over their sample deviation; `None` of fewer than two
/// or where they do not differ.
pub fn daily_sharpe(returns: &[f64], riskless: f64) -> Option<f64> {
    let excess: Vec<f64> = returns.iter().map(|day| day - riskless).collect();
    series::mean(&excess).zip(series::spread(&excess)).map(|(mean, spread)| mean / spread)
}

/// Probability that the true Sharpe ratio is above `least`, when `n` periods gave `sharpe`:
/// `Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))`.
///
/// `skew` is g3, `kurtosis` is g4 (3 for a normal distribution). `None` for fewer than two periods
/// or where the formula has no value.
pub fn probabilistic_sharpe(sharpe: f64, least: f64, n: u64, skew: f64, kurtosis: f64) -> Option<f64> {
    if n < 2 {
        return None;
    }
    let variance = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe;
    // Also leaves out NaN.
    if variance.is_nan() || variance <= 0.0 {
        return None;
    }
    let probability = normal::cumulative((sharpe - least) * ((n - 1) as f64).sqrt() / variance.sqrt());
    probability.is_finite().then_some(probability)
}

/// The Sharpe ratio that the best of `trials` strategies without any skill is expected to show,
/// when the trials' ratios have this variance:
/// `sqrt(V) ((1 - e) Phi^-1(1 - 1/N) + e Phi^-1(1 - 1/(N exp(1))))` with Euler's constant e.
///
/// 0 for one trial, which was not chosen; `None` for none, or a variance below zero.
pub fn best_by_luck(trials: u64, variance_of_trials: f64) -> Option<f64> {
    if trials == 0 || variance_of_trials.is_nan() || variance_of_trials < 0.0 {
        return None;
    }
    if trials == 1 {
        return Some(0.0);
    }
    let trials = trials as f64;
    let high = normal::inverse(1.0 - 1.0 / trials);
    let higher = normal::inverse(1.0 - 1.0 / (trials * std::f64::consts::E));
    Some(variance_of_trials.sqrt() * ((1.0 - EULER) * high + EULER * higher))
}

/// Deflated Sharpe ratio: the probability that the true ratio is above what luck alone gives the
/// best of so many trials.
///
/// `sharpe` is the chosen trial's of one period over `n` periods; `variance_of_trials` is the
/// variance of all trials' ratios of one period. `None` where it has no value.
pub fn deflated_sharpe(
    sharpe: f64,
    n: u64,
    skew: f64,
    kurtosis: f64,
    trials: u64,
    variance_of_trials: f64,
) -> Option<f64> {
    probabilistic_sharpe(sharpe, best_by_luck(trials, variance_of_trials)?, n, skew, kurtosis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(value: Option<f64>, expected: f64, within: f64) {
        let value = value.expect("has a value");
        assert!((value - expected).abs() < within, "{value} is not {expected}");
    }

    #[test]
    fn the_papers_example() {
        // Bailey and López de Prado 2014, "The Deflated Sharpe Ratio", p. 10: the best of 100 trials has an
        // annual ratio of 2.5 over 1250 days (250 a year), skew -3, kurtosis 10; the trials' annual ratios have
        // a variance of 1/2. By luck 0.1132 a day was to be expected; the deflated ratio is 0.9004.
        near(best_by_luck(100, 0.5 / 250.0), 0.1132, 5e-5);
        near(deflated_sharpe(2.5 / 250_f64.sqrt(), 1250, -3.0, 10.0, 100, 0.5 / 250.0), 0.9004, 5e-5);
    }

    #[test]
    fn by_hand() {
        // SR 0.1, 101 periods, normal: (0.1 - 0) * sqrt(100) / sqrt(1 + 2/4 * 0.01) = 1 / sqrt(1.005) = 0.9975093;
        // Phi(0.9975093) = 0.8413447 - 0.0024907 * phi(1) 0.2419707 = 0.8407420, and a little less by curvature.
        near(probabilistic_sharpe(0.1, 0.0, 101, 0.0, 3.0), 0.840_741, 2e-6);
        // A ratio exactly at the threshold is as likely above as below.
        near(probabilistic_sharpe(0.1, 0.1, 50, -1.0, 9.0), 0.5, 1e-15);
        // One trial was not chosen: nothing to deflate.
        assert_eq!(deflated_sharpe(0.1, 101, 0.0, 3.0, 1, 0.3), probabilistic_sharpe(0.1, 0.0, 101, 0.0, 3.0));
    }

    #[test]
    fn no_value_where_there_is_none() {
        assert_eq!(probabilistic_sharpe(0.1, 0.0, 1, 0.0, 3.0), None);
        assert_eq!(probabilistic_sharpe(f64::NAN, 0.0, 10, 0.0, 3.0), None);
        // 1 - 3 * 1 + (1 - 1) / 4 < 0: such moments do not exist.
        assert_eq!(probabilistic_sharpe(1.0, 0.0, 10, 3.0, 1.0), None);
        assert_eq!(deflated_sharpe(0.1, 10, 0.0, 3.0, 0, 0.1), None);
        assert_eq!(deflated_sharpe(0.1, 10, 0.0, 3.0, 5, -0.1), None);
    }
}
