//! Wrong settings and command lines: told clearly and all at once, exit code 2, nothing started.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use cli_support::Place;

/// Whether nothing at all was written.
fn nothing_written(place: &Place) -> bool {
    !place.state().exists() && std::fs::read_dir(place.path("runtime")).unwrap().next().is_none()
}

#[test]
fn an_unknown_flag_is_named() {
    let place = Place::new();
    place.tell(&["run", "--symbol", "AAPL"]).ends(2, &["--symbol", "--symbols", "Usage"]);
    place.tell(&["trade"]).ends(2, &["trade", "Usage"]);
    place.tell(&["run", "--data", "bars"]).ends(2, &["--simulator"]);
    place.tell(&["run", "--simulator", "--speed", "fast"]).ends(2, &["fast", "not a speed"]);
    assert!(nothing_written(&place));
}

#[test]
fn a_bad_line_of_dot_env_is_told_by_number_and_never_shown() {
    let place = Place::new();
    place.file(".env", "# gateway\nIBKR_PORT=7497\n\nBROKER_PASSWORD hunter2\nSYMBOLS=AAPL\n");
    for command in ["run", "config"] {
        let told = place.tell(&[command]).ends(2, &[".env, line 4", "NAME=value"]);
        assert!(!told.err.contains("hunter2") && !told.out.contains("hunter2"), "{told:#?}");
    }
    assert!(nothing_written(&place));
}

#[test]
fn a_value_with_a_space_needs_quotes_and_the_line_says_so() {
    let place = Place::new();
    place.file(".env", "SYMBOLS=AAPL\nDATA_BAR_SIZE=5 mins\n");
    place.tell(&["config"]).ends(2, &[".env, line 2", "quotes around values that contain spaces"]);
    place.file(".env", "SYMBOLS=AAPL\nDATA_BAR_SIZE=\"5 mins\"\n");
    assert!(place.tell(&["config"]).ends(0, &[]).out.contains("5 mins"));
}

#[test]
fn every_wrong_key_of_the_settings_file_is_told() {
    let place = Place::new();
    place.file(
        "robo-trader.toml",
        "ibkr_prot = 7497\nsymbol = \"AAPL\"\nsymbols = [1]\nrisk_stop = [\"fixed\"]\nstrategy = \"sma-cross\"\n",
    );
    let parts = ["robo-trader.toml", "ibkr_prot is no setting", "symbol must", "symbols must", "risk_stop must"];
    place.tell(&["run"]).ends(2, &parts);
    place.file("robo-trader.toml", "[symbols.NVDA]\nrisk_stop = \"none\"\nibkr_port = 1\n[symbols.\"B@D\"]\n");
    place.tell(&["run"]).ends(2, &["symbols.NVDA.ibkr_port", "B@D"]);
    place.file("robo-trader.toml", "ibkr_port = \n");
    place.tell(&["run"]).ends(2, &["robo-trader.toml is not valid TOML", "line 1"]);
    place.tell(&["run", "--config", "elsewhere.toml"]).ends(2, &["cannot read elsewhere.toml"]);
    assert!(nothing_written(&place));
}

#[test]
fn the_settings_file_names_symbols_and_what_is_their_own() {
    let place = Place::new();
    for symbols in ["\"AAPL,NVDA\"", "[\"AAPL\", \"NVDA\"]"] {
        place.file("robo-trader.toml", &format!("symbols = {symbols}\n[symbol.NVDA]\nrisk_stop = \"atr\"\n"));
        let told = place.tell(&["config"]).ends(0, &[]);
        for (name, value) in [("SYMBOLS", "AAPL,NVDA"), ("NVDA.RISK_STOP", "atr")] {
            let row = told.out.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            assert_eq!(row.split_whitespace().collect::<Vec<_>>(), [name, value, "robo-trader.toml"], "{told:#?}");
        }
    }
}

#[test]
fn several_bad_settings_are_told_at_once_with_value_range_and_source() {
    let place = Place::new();
    place.file("robo-trader.toml", "risk_max_leverage = 9\n[symbols.AAPL]\nrisk_stop_loss_pct = 0\n");
    place.file(".env", "DATA_FEED=carrier-pigeon\n");
    let told = place.tell_with(
        &[("IBKR_PORT", "99999"), ("RISK_STOP", "maybe")],
        &["run", "--symbols", "AAPL,MSFT", "--bar-size", "7 mins", "--set", "RISK_PRICE_COLLAR_PCT=2"],
    );
    let told = told.ends(
        2,
        &[
            "nothing was started",
            "RISK_MAX_LEVERAGE is \"9\" (from robo-trader.toml)",
            "DATA_FEED is \"carrier-pigeon\" (from .env): use one of auto, stream, realtime, poll",
            "IBKR_PORT is \"99999\" (from environment): use a whole number from 1 to 65535",
            "RISK_STOP is \"maybe\" (from environment): use one of none, fixed, atr, trailing",
            "DATA_BAR_SIZE is \"7 mins\" (from --bar-size)",
            "RISK_PRICE_COLLAR_PCT is \"2\" (from --set)",
        ],
    );
    assert_eq!(told.err.matches("RISK_STOP is").count(), 1, "what is wrong for all symbols is told once: {told:#?}");
    place.tell(&["config", "--set", "NO_SUCH=1"]).ends(2, &["NO_SUCH=1", "robo-trader config"]);
    assert!(nothing_written(&place));
}

#[test]
fn a_log_file_or_filter_that_cannot_be_used_is_told() {
    let place = Place::new();
    place.file("taken", "a file, no directory");
    place.tell(&["run", "--simulator", "--log-file", "taken/log"]).ends(2, &["LOG_FILE", "taken"]);
    place.tell_with(&[("RUST_LOG", "robo_trader=loud")], &["run", "--simulator"]).ends(2, &["RUST_LOG", "loud"]);
    assert!(!place.state().join("simulator").exists());
}

#[test]
fn config_shows_each_setting_with_its_source_and_nothing_else() {
    let place = Place::new();
    place.file("robo-trader.toml", "ibkr_port = 4002\nibkr_host = \"gateway\"\n[symbols.NVDA]\nrisk_stop = \"atr\"\n");
    place.file(".env", "IBKR_HOST=10.0.0.5\nIBKR_CLIENT_ID=7\nBROKER_PASSWORD=hunter2\n");
    let told = place.tell_with(&[("IBKR_CLIENT_ID", "8")], &["config", "--symbols", "NVDA"]).ends(0, &[]);
    let row = |name: &str| {
        let row = told.out.lines().find(|line| line.split_whitespace().next() == Some(name));
        row.unwrap_or_else(|| panic!("no {name} in {told:#?}")).split_whitespace().collect::<Vec<_>>()[1..].join(" ")
    };
    assert_eq!(row("IBKR_PORT"), "4002 robo-trader.toml");
    assert_eq!(row("IBKR_HOST"), "10.0.0.5 .env");
    assert_eq!(row("IBKR_CLIENT_ID"), "8 environment");
    assert_eq!(row("SYMBOLS"), "NVDA --symbols");
    assert_eq!(row("IBKR_TIMEOUT"), "10 default");
    assert_eq!(row("NVDA.RISK_STOP"), "atr robo-trader.toml");
    for spec in robo_trader::config::table::TABLE {
        let shown = row(spec.name);
        assert!(!spec.secret || shown == "default" || shown.starts_with("********"), "{}: {shown}", spec.name);
    }
    assert!(!told.out.contains("hunter2"), "what is no setting is nobody's business");
    assert!(nothing_written(&place));
}

#[test]
fn config_shows_everything_even_where_something_is_wrong() {
    let told = Place::new().tell(&["config", "--port", "0"]).ends(2, &["IBKR_PORT is \"0\" (from --port)"]);
    assert!(told.out.contains("IBKR_PORT") && told.out.contains("RISK_STOP"), "{told:#?}");
}

#[test]
fn strategies_are_listed_with_their_parameters() {
    let told = Place::new().tell(&["strategies"]).ends(0, &[]);
    for row in robo_trader::strategy::REGISTRY {
        assert!(told.out.contains(row.name) && told.out.contains(row.summary), "{told:#?}");
        for spec in row.params {
            assert!(told.out.contains(&format!("{}={}", spec.name, spec.default)), "{told:#?}");
        }
    }
    let place = Place::new();
    place.tell(&["run", "--strategy", "magic"]).ends(2, &["STRATEGY is \"magic\"", "sma-cross"]);
    place.tell(&["run", "--param", "fast=30", "--param", "slow=20"]).ends(2, &["STRATEGY_PARAMS", "fast"]);
}
