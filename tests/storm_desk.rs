//! A storm over the desk: seeded interleavings of bars, fills, cancels, repeats, losses, crashes and
//! restarts against a model broker, and everything that must hold after every event.
//!
//! `STORM_SEEDS=100000 cargo test --release --test storm_desk` weathers so many;
//! `STORM_SEED=42 cargo test --test storm_desk` plays one, and shrinks it where it fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod storm;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use storm::world::Stats;
use storm::{LENGTH, play, shrink, step};

/// Seeds where nobody says how many.
const SEEDS: u64 = 4_000;

/// Lines of a failure's story at most.
const TOLD: usize = 120;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The failure as a person reads it: seed, cause, the smallest trace, and what happens in it.
fn report(seed: u64, why: &str) -> String {
    let whole = trace(seed);
    let smallest = shrink::smallest(seed, whole.clone());
    let (result, mut said) = play(seed, &smallest, true);
    // What repeats itself is told once; of what is still long, the beginning and the end.
    said.dedup();
    if said.len() > TOLD {
        said.splice(TOLD / 2..said.len() - TOLD / 2, ["[…]".to_owned()]);
    }
    let steps: Vec<String> = smallest.iter().map(|step| format!("  {step:?}")).collect();
    format!(
        "seed {seed}: {why}\nof {} steps these {} are enough for: {}\n{}\nwhat happens:\n{}\n\nagain: STORM_SEED={seed} cargo test --test storm_desk",
        whole.len(),
        smallest.len(),
        result.err().unwrap_or_else(|| "nothing (it does not fail alone)".into()),
        steps.join("\n"),
        said.join("\n"),
    )
}

/// The trace of a seed, without the kinds of steps that `STORM_WITHOUT` names (`ByHand,Night`).
fn trace(seed: u64) -> Vec<step::Step> {
    let mut trace = step::trace(seed, length());
    if let Ok(kinds) = std::env::var("STORM_WITHOUT") {
        let unwanted: Vec<&str> = kinds.split(',').map(str::trim).collect();
        trace.retain(|step| !unwanted.contains(&step.kind().as_str()));
    }
    trace
}

fn length() -> usize {
    number("STORM_LENGTH").map_or(LENGTH, |length| length as usize)
}

#[test]
fn whatever_the_weather_nothing_is_lost_repeated_oversold_or_beyond_its_limit() {
    // A panic of the desk is a finding like any other: it is told once, at the end.
    std::panic::set_hook(Box::new(|_| {}));
    let (first, count) = match number("STORM_SEED") {
        Some(seed) => (seed, 1),
        None => (number("STORM_FIRST").unwrap_or(1), number("STORM_SEEDS").unwrap_or(SEEDS)),
    };
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let (failures, total) = (Mutex::new(Vec::new()), Mutex::new(Stats::default()));
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut sum = Stats::default();
                while !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    match play(seed, &trace(seed), false).0 {
                        Ok(stats) => sum = sum.and(stats),
                        Err(why) => {
                            failed.store(true, Ordering::Relaxed);
                            failures.lock().unwrap().push((seed, why));
                        }
                    }
                }
                let mut total = total.lock().unwrap();
                *total = total.and(sum);
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let reports: Vec<String> = failures.iter().take(1).map(|(seed, why)| report(*seed, why)).collect();
    drop(std::panic::take_hook());
    assert!(reports.is_empty(), "{}", reports.join("\n\n"));
    println!("{count} storms from seed {first}: {}", total.into_inner().unwrap());
}
