//! The scenarios that are given as examples can be played.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use robo_trader::simulator::faults::Scenario;

#[test]
fn every_example_is_a_scenario_that_is_written_and_read_as_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let scenario = Scenario::read(&path).unwrap_or_else(|error| panic!("{error}"));
        assert!(!scenario.rules.is_empty(), "{}", path.display());
        assert_eq!(Scenario::parse("written", &scenario.to_toml()).unwrap(), scenario, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 6, "{seen} examples");
}
