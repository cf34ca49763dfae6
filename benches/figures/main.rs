//! The figures of docs/benchmarks.md, measured and written down: `cargo bench --bench figures`.
//!
//! `ONLY=tick` (or several, comma separated) measures these sections anew and leaves the others as they are; `LONG=1`
//! is the long form: an hour in real time and a week accelerated for the footprint, journals of millions of facts for
//! the growth. `QUICK=1` only tries the tool: a few seconds for each figure, which then means little, and is written to
//! a temporary folder. `SHOW=1` shows the daemons' logs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "it measures, and stops where it cannot"
)]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures of at most a few billion"
)]

mod child;
mod facts;
mod floors;
mod footprint;
mod growth;
mod live;
mod machine;
mod matching;
mod page;
mod plot;
mod recover;
mod simulator;
mod start;
mod tick;
#[path = "../trading/mod.rs"]
mod trading;
mod wire;
mod world;

use std::time::{Duration, Instant};

use page::Outcome;

/// A section of the page.
pub struct Section {
    /// As `ONLY` names it.
    pub name: &'static str,
    /// Its heading.
    pub title: &'static str,
    run: fn(Form) -> Outcome,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// To try the tool.
    Quick,
    /// Minutes.
    Short,
    /// Hours.
    Long,
}

impl Form {
    /// What is wanted in each form.
    pub fn of<T>(self, quick: T, short: T, long: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Short => short,
            Self::Long => long,
        }
    }

    /// The same in seconds.
    pub fn seconds(self, quick: u64, short: u64, long: u64) -> Duration {
        Duration::from_secs(self.of(quick, short, long))
    }
}

const SECTIONS: &[Section] = &[
    Section { name: "tick", title: "From tick to order", run: tick::measure },
    Section { name: "recover", title: "From reconnecting to trading", run: recover::measure },
    Section { name: "start", title: "Starting", run: start::measure },
    Section { name: "footprint", title: "Footprint", run: footprint::measure },
    Section { name: "growth", title: "Growth", run: growth::measure },
    Section { name: "simulator", title: "The simulator", run: simulator::measure },
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if child::main(&words) {
        return;
    }
    let is = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0");
    let form = if is("LONG") {
        Form::Long
    } else if is("QUICK") {
        Form::Quick
    } else {
        Form::Short
    };
    let only = std::env::var("ONLY").unwrap_or_default();
    let only: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in &only {
        assert!(SECTIONS.iter().any(|section| section.name == *name), "ONLY={name}: no section has this name");
    }
    let place = page::place(form);
    let began = Instant::now();
    for section in SECTIONS.iter().filter(|section| only.is_empty() || only.contains(&section.name)) {
        println!("== {}", section.title);
        let (before, began) = (page::Before::now(form), Instant::now());
        let outcome = (section.run)(form);
        println!("{}\n({:.0} s)\n", outcome.text, began.elapsed().as_secs_f64());
        page::keep(&place, section, &outcome, &before, began.elapsed());
        // After each: a run that is cut short has written what it knows.
        page::write(&place, SECTIONS);
    }
    println!("{} written after {:.0} s", place.join(page::PATH).display(), began.elapsed().as_secs_f64());
}
