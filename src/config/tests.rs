use super::*;
use crate::desk::StopPolicy;

fn resolve(pairs: &[(&str, &str)]) -> Result<Settings, BadSettings> {
    let mut layers = Layers::new();
    layers.environment(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Settings::resolve(&layers)
}

#[test]
fn the_defaults_are_valid_and_safe() {
    let settings = resolve(&[]).unwrap();
    assert_eq!(settings.mode, crate::desk::Mode::Paper);
    assert!(settings.symbols.iter().all(|(_, plan)| plan.stop != StopPolicy::None));
    assert!(!settings.limits.allow_short);
    assert_eq!(settings.connection.breaker_threshold, 5);
    assert_eq!(settings.connection.breaker_timeout.as_secs(), 300);
}

#[test]
fn every_bad_value_is_told_at_once_with_its_range_and_source() {
    let error = resolve(&[
        ("IBKR_PORT", "99999"),
        ("RISK_MAX_LEVERAGE", "lots"),
        ("DATA_BAR_SIZE", "7 mins"),
        ("STRATEGY", "magic"),
        ("SYMBOLS", "AAPL,B@D,MSFT"),
        ("RISK_STOP_LOSS_PCT", "NaN"),
        ("EXECUTION_MODE", "yolo"),
    ])
    .unwrap_err();
    let text = error.to_string();
    assert_eq!(error.0.len(), 7, "{text}");
    for part in
        ["IBKR_PORT", "99999", "1 to 65535", "environment", "7 mins", "sma-cross", "B@D", "NaN", "observe, paper, live"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn later_layers_win_and_symbols_override() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("robo-trader.toml");
    let toml =
        "ibkr_port = 4002\nstrategy = \"rsi-reversion\"\nibkr_client_id = 7\n[symbols.NVDA]\nrisk_stop = \"none\"\n";
    std::fs::write(&file, toml).unwrap();
    let env = dir.path().join(".env");
    std::fs::write(&env, "IBKR_PORT=4001\nSYMBOLS=AAPL,NVDA\nSOMETHING_ELSE=1\n").unwrap();
    let mut layers = Layers::new();
    layers.file(&file).unwrap();
    layers.dot_env(&env).unwrap();
    layers.set("IBKR_PORT", "7496", Source::Flag("--port"));
    let settings = Settings::resolve(&layers).unwrap();
    assert_eq!((settings.connection.port, settings.connection.client_id), (7496, 7));
    let stops: Vec<_> = settings.symbols.iter().map(|(s, plan)| (s.as_str(), plan.stop == StopPolicy::None)).collect();
    assert_eq!(stops, [("AAPL", false), ("NVDA", true)]);
    assert!(settings.symbols.iter().all(|(_, plan)| plan.strategy == "rsi-reversion"));
}

#[test]
fn files_that_name_what_does_not_exist_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("robo-trader.toml");
    for (text, part) in [
        ("ibkr_prot = 1", "ibkr_prot"),
        ("ibkr_port = [1]", "ibkr_port"),
        ("ibkr_port = ", "TOML"),
        ("[symbols.AAPL]\nibkr_port = 1", "symbols.AAPL.ibkr_port"),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = Layers::new().file(&file).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    std::fs::write(dir.path().join(".env"), "IBKR_PORT 7497\n").unwrap();
    let error = Layers::new().dot_env(&dir.path().join(".env")).unwrap_err().to_string();
    assert!(error.contains("NAME=value"), "{error}");
}

#[test]
fn a_bad_common_setting_is_told_once_not_for_every_symbol() {
    let error = resolve(&[("STRATEGY_PARAMS", "fast=x"), ("SYMBOLS", "AAPL,MSFT,SPY")]).unwrap_err();
    assert_eq!(error.0.len(), 1, "{error}");
    assert!(error.0[0].why.contains("fast"), "{error}");
}

#[test]
fn a_history_too_short_for_its_strategy_is_refused_with_both_numbers() {
    let error = resolve(&[("DATA_BAR_SIZE", "1 day"), ("STRATEGY_PARAMS", "fast=10,slow=50")]).unwrap_err();
    assert_eq!(error.0.len(), 1, "{error}");
    for part in ["DATA_DURATION", "2 D", "at most 2 bars", "needs 5"] {
        assert!(error.to_string().contains(part), "{part} in {error}");
    }
    resolve(&[("DATA_BAR_SIZE", "1 day"), ("DATA_DURATION", "1 Y")]).unwrap();
}

#[test]
fn misspelt_names_are_warned_of_and_stop_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let env = dir.path().join(".env");
    std::fs::write(&env, "RISK_STOP_LOSS=0.1\nSOMETHING_ELSE=1\nIBKR_PORT=4002\n").unwrap();
    let mut layers = Layers::new();
    layers.dot_env(&env).unwrap();
    layers.environment([("IBKR_PROT".to_owned(), "1".to_owned()), ("LOG_DIR".to_owned(), "x".to_owned())]);
    Settings::resolve(&layers).unwrap();
    let warnings = layers.warnings().join("\n");
    assert_eq!(layers.warnings().len(), 2, "{warnings}");
    for part in [".env: RISK_STOP_LOSS ", "RISK_STOP_LOSS_PCT", "environment: IBKR_PROT ", "IBKR_PORT"] {
        assert!(warnings.contains(part), "{part} in {warnings}");
    }
}
