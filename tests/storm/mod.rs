//! The storm: the real desk against a model broker, under everything that can happen, in an order
//! that a seed draws.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's support")]

pub mod broker;
pub mod checks;
pub mod finish;
pub mod line;
pub mod setting;
pub mod shrink;
pub mod step;
pub mod weather;
pub mod words;
pub mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use setting::Setting;
use step::Step;
use world::{Stats, World};

/// Steps of one storm.
pub const LENGTH: usize = 300;

/// Plays a trace in the setting of a seed. The violation, if there is one, and what was said.
pub fn play(seed: u64, trace: &[Step], tells: bool) -> (Result<Stats, String>, Vec<String>) {
    let mut world = match World::new(Setting::of(seed), tells) {
        Ok(world) => world,
        Err(why) => return (Err(why), Vec::new()),
    };
    let played = catch_unwind(AssertUnwindSafe(|| {
        world.run(trace)?;
        finish::calm(&mut world)
    }));
    let result = match played {
        Ok(Ok(())) => Ok(stats(&world)),
        Ok(Err(why)) => Err(why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("it panicked: {}", text.unwrap_or_default()))
        }
    };
    (result, world.said.take().unwrap_or_default())
}

fn stats(world: &World) -> Stats {
    let mut stats = world.stats;
    if let Some(book) = world.book() {
        stats.fills = book.counts().executions;
        stats.locks = book.locks().count() as u64;
    }
    stats
}
