//! The flags that set settings, and the layers beneath them.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Layers, LoadError, Source};

/// Flags that set settings; each replaces what the environment and files say.
#[derive(Debug, Clone, Default, Args)]
#[allow(missing_docs, reason = "clap shows the settings' own words")]
pub struct SettingsArgs {
    /// Settings file; robo-trader.toml in the working directory is read where there is one.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Symbols to trade, comma separated (SYMBOLS).
    #[arg(long, value_name = "A,B,...")]
    pub symbols: Option<String>,
    /// History fetched at the start, as "10 D" (DATA_DURATION).
    #[arg(long, value_name = "N UNIT")]
    pub duration: Option<String>,
    /// Size of bars, as "1 min" (DATA_BAR_SIZE).
    #[arg(long, value_name = "SIZE")]
    pub bar_size: Option<String>,
    /// Live bars by auto, stream, realtime or poll (DATA_FEED).
    #[arg(long, value_name = "KIND")]
    pub feed: Option<String>,
    /// Seconds between polls, where polling (DATA_INTERVAL).
    #[arg(long, value_name = "SECONDS")]
    pub interval: Option<String>,
    /// Symbols whose history is fetched at a time (MAX_CONCURRENT).
    #[arg(long, value_name = "N")]
    pub max_concurrent: Option<String>,
    /// Strategy (STRATEGY).
    #[arg(long, value_name = "NAME")]
    pub strategy: Option<String>,
    /// A parameter of the strategy, name=value; may be given several times (STRATEGY_PARAMS).
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub params: Vec<String>,
    /// Fast average of sma-cross, in bars (STRATEGY_PARAMS).
    #[arg(long, value_name = "BARS")]
    pub sma_fast: Option<String>,
    /// Slow average of sma-cross, in bars (STRATEGY_PARAMS).
    #[arg(long, value_name = "BARS")]
    pub sma_slow: Option<String>,
    /// USD that one entry may be worth (RISK_MAX_ORDER_NOTIONAL).
    #[arg(long, value_name = "USD")]
    pub max_order_notional: Option<String>,
    /// USD that the entries of a day may be worth (RISK_MAX_DAILY_NOTIONAL).
    #[arg(long, value_name = "USD")]
    pub max_daily_notional: Option<String>,
    /// Mode: observe, paper or live (EXECUTION_MODE).
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// Host of the gateway (IBKR_HOST).
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Port of the gateway (IBKR_PORT).
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Our client id (IBKR_CLIENT_ID).
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// The account to trade (IBKR_ACCOUNT).
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,
    /// Directory of all state (STATE_DIR).
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// Log file (LOG_FILE).
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<String>,
    /// Messages to the gateway a second (MESSAGE_RATE).
    #[arg(long, value_name = "N")]
    pub message_rate: Option<String>,
    /// Cash of the embedded simulator's account (DEFAULT_CASH).
    #[arg(long, value_name = "USD")]
    pub default_cash: Option<String>,
    /// Others' orders and holdings: ignore, watch or adopt (FOREIGN).
    #[arg(long, value_name = "POLICY")]
    pub foreign: Option<String>,
    /// Any other setting, NAME=value; may be given several times.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

/// Why the layers cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum LayersError {
    /// A file cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// `--set` names no setting.
    #[error("--set {0:?}: use NAME=value with a name that robo-trader config lists")]
    Set(String),
}

impl SettingsArgs {
    /// All layers: settings file, `.env`, environment, flags.
    ///
    /// # Errors
    /// A file that cannot be used, or a `--set` that sets nothing.
    pub fn layers(&self) -> Result<Layers, LayersError> {
        let mut layers = Layers::new();
        let default = PathBuf::from("robo-trader.toml");
        match &self.config {
            Some(path) => layers.file(path)?,
            None if default.exists() => layers.file(&default)?,
            None => {}
        }
        let dot_env = PathBuf::from(".env");
        if dot_env.exists() {
            layers.dot_env(&dot_env)?;
        }
        layers.environment(std::env::vars_os().filter_map(|(name, value)| {
            // What is not UTF-8 names no setting and holds no value of one.
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        self.flags(&mut layers)?;
        Ok(layers)
    }

    fn flags(&self, layers: &mut Layers) -> Result<(), LayersError> {
        let flags: [(&Option<String>, &'static str, &str); 18] = [
            (&self.symbols, "--symbols", "SYMBOLS"),
            (&self.duration, "--duration", "DATA_DURATION"),
            (&self.bar_size, "--bar-size", "DATA_BAR_SIZE"),
            (&self.feed, "--feed", "DATA_FEED"),
            (&self.interval, "--interval", "DATA_INTERVAL"),
            (&self.max_concurrent, "--max-concurrent", "MAX_CONCURRENT"),
            (&self.strategy, "--strategy", "STRATEGY"),
            (&self.max_order_notional, "--max-order-notional", "RISK_MAX_ORDER_NOTIONAL"),
            (&self.max_daily_notional, "--max-daily-notional", "RISK_MAX_DAILY_NOTIONAL"),
            (&self.mode, "--mode", "EXECUTION_MODE"),
            (&self.host, "--host", "IBKR_HOST"),
            (&self.port, "--port", "IBKR_PORT"),
            (&self.client_id, "--client-id", "IBKR_CLIENT_ID"),
            (&self.account, "--account", "IBKR_ACCOUNT"),
            (&self.state_dir, "--state-dir", "STATE_DIR"),
            (&self.log_file, "--log-file", "LOG_FILE"),
            (&self.message_rate, "--message-rate", "MESSAGE_RATE"),
            (&self.foreign, "--foreign", "FOREIGN"),
        ];
        for (value, flag, name) in flags {
            if let Some(value) = value {
                layers.set(name, value.clone(), Source::Flag(flag));
            }
        }
        if let Some(cash) = &self.default_cash {
            layers.set("DEFAULT_CASH", cash.clone(), Source::Flag("--default-cash"));
        }
        let averages = [("fast", &self.sma_fast), ("slow", &self.sma_slow)];
        let averages = averages.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        let params: Vec<String> = averages.chain(self.params.iter().cloned()).collect();
        if !params.is_empty() {
            layers.set("STRATEGY_PARAMS", params.join(","), Source::Flag("--param"));
        }
        for pair in &self.set {
            let known = pair.split_once('=').filter(|(name, _)| crate::config::table::find(name.trim()).is_some());
            let (name, value) = known.ok_or_else(|| LayersError::Set(pair.clone()))?;
            layers.set(name.trim(), value.trim(), Source::Flag("--set"));
        }
        Ok(())
    }
}
