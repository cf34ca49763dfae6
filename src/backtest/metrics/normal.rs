//! The normal distribution: its cumulative function and the inverse of it.
//!
//! Two dozen constants here are less than a statistics library; the tests hold both to published
//! values.

/// `P(Z <= x)` of a standard normal `Z`; `NaN` for `NaN`.
///
/// Hart's rational approximation (1968) as West gives it ("Better approximations to cumulative
/// normal functions", 2005): within 1e-14 of the truth, and
/// relatively within 1e-7 of it in the tails.
pub fn cumulative(x: f64) -> f64 {
    const ABOVE: [f64; 7] = [
        0.035_262_496_599_891_1,
        0.700_383_064_443_688,
        6.373_962_203_531_65,
        33.912_866_078_383,
        112.079_291_497_871,
        221.213_596_169_931,
        220.206_867_912_376,
    ];
    const BELOW: [f64; 8] = [
        0.088_388_347_648_318_4,
        1.755_667_163_182_64,
        16.064_177_579_207,
        86.780_732_202_946_1,
        296.564_248_779_674,
        637.333_633_378_831,
        793.826_512_519_948,
        440.413_735_824_752,
    ];
    let distance = x.abs();
    let density = (-distance * distance / 2.0).exp();
    let tail = if distance < 10.0 / std::f64::consts::SQRT_2 {
        density * polynomial(&ABOVE, distance) / polynomial(&BELOW, distance)
    } else {
        // Further out a continued fraction is exact enough with five terms.
        let fraction = (1..=4).rev().fold(distance + 0.65, |inner, term| distance + f64::from(term) / inner);
        density / (fraction * (2.0 * std::f64::consts::PI).sqrt())
    };
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The `x` with [`cumulative`]`(x) == p`; infinite for 0 and 1, `NaN` outside of them.
///
/// Acklam's rational approximation (relative error 1e-9) and one step of Halley's method, which
/// brings it to the accuracy of [`cumulative`].
pub fn inverse(p: f64) -> f64 {
    if p.is_nan() || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    let first = approximate(p);
    let error = cumulative(first) - p;
    let step = error * (2.0 * std::f64::consts::PI).sqrt() * (first * first / 2.0).exp();
    first - step / (1.0 + first * step / 2.0)
}

fn approximate(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
        1.0,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] =
        [0.007_784_695_709_041_462, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416, 1.0];
    const TAIL: f64 = 0.024_25;
    if p < TAIL {
        let q = (-2.0 * p.ln()).sqrt();
        return polynomial(&C, q) / polynomial(&D, q);
    }
    if p > 1.0 - TAIL {
        let q = (-2.0 * (1.0 - p).ln()).sqrt();
        return -polynomial(&C, q) / polynomial(&D, q);
    }
    let q = p - 0.5;
    polynomial(&A, q * q) * q / polynomial(&B, q * q)
}

/// Highest power first.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x and P(Z <= x), as tables print it.
    const KNOWN: [(f64, f64); 9] = [
        (0.0, 0.5),
        (1.0, 0.841_344_746_068_542_9),
        (-1.0, 0.158_655_253_931_457_05),
        (1.959_963_984_540_054, 0.975),
        (-1.644_853_626_951_472_7, 0.05),
        (2.326_347_874_040_841, 0.99),
        (-3.0, 0.001_349_898_031_630_094_6),
        (-5.0, 2.866_515_718_791_939e-7),
        (-8.0, 6.220_960_574_271_785e-16),
    ];

    #[test]
    fn both_agree_with_the_tables() {
        for (x, p) in KNOWN {
            assert!(
                (cumulative(x) - p).abs() < 1e-14 && (cumulative(x) / p - 1.0).abs() < 1e-7,
                "{x}: {} is not {p}",
                cumulative(x)
            );
            assert!((inverse(p) - x).abs() < 1e-8, "{p}: {} is not {x}", inverse(p));
        }
    }

    #[test]
    fn ends_and_nonsense() {
        assert_eq!((inverse(0.0), inverse(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(inverse(-0.1).is_nan() && inverse(1.1).is_nan() && inverse(f64::NAN).is_nan());
        assert_eq!((cumulative(-40.0), cumulative(40.0)), (0.0, 1.0));
        assert!(cumulative(f64::NAN).is_nan());
    }
}
