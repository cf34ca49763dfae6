//! Each seed has its own rules: what is traded, how it is protected, what the limits are, and what
//! kind of broker it is.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use robo_trader::calendar::Calendar;
use robo_trader::desk::{
    AfterClose, Guards, Mode, OrderStyle, Plan, Protections, StopBreached, StopPolicy, SymbolPlan,
};
use robo_trader::domain::broker::AccountId;
use robo_trader::domain::{BarSize, Contract, ContractId, Hours, MarketTime, Price, PriceRule, Shares, Usd};
use robo_trader::risk::{Limits, OnDailyLoss, Sizing};
use rust_decimal::Decimal;

use super::broker::{Broker, Habits};

/// Noon of a day in June, New York.
const NOON: i64 = 1_780_675_200;

pub struct Setting {
    pub plan: Plan,
    pub contracts: Vec<Contract>,
    pub broker: Broker,
}

impl Setting {
    pub fn of(seed: u64) -> Self {
        // Another stream of numbers than the trace's.
        let mut random = SmallRng::seed_from_u64(seed ^ 0x5eed_5eed_5eed_5eed);
        let account = AccountId("DU1".into());
        let contracts: Vec<Contract> = ["AAA", "BBB", "CCC"]
            .iter()
            .take(random.random_range(1..=3))
            .zip(101..)
            .map(|(symbol, id)| contract(symbol, id))
            .collect();
        let stop = match random.random_range(0..8_u32) {
            0 => StopPolicy::None,
            1..5 => StopPolicy::Fixed(Decimal::new(3, 2)),
            5 | 6 => StopPolicy::Atr(Decimal::from(3)),
            _ => StopPolicy::Trailing(Decimal::new(4, 2)),
        };
        let symbol = SymbolPlan {
            strategy: "sma-cross".into(),
            params: BTreeMap::new(),
            script: None,
            sizing: if random.random_bool(0.7) {
                Sizing::FixedShares(Shares(100))
            } else {
                Sizing::FixedNotional(Usd::of(Decimal::from(6_000)))
            },
            stop,
            take_profit: random.random_bool(0.5).then(|| Decimal::new(3, 2)),
            // Without a draw: the other settings of a seed stay what they were.
            time_exit: seed.is_multiple_of(3).then_some(7),
            style: if random.random_bool(0.6) {
                OrderStyle::Market
            } else {
                OrderStyle::MarketableLimit(Decimal::new(2, 3))
            },
            after_close: AfterClose::Drop,
        };
        let plan = Plan {
            account: account.clone(),
            mode: Mode::Paper,
            limits: limits(&mut random),
            symbols: contracts.iter().map(|contract| (contract.symbol, symbol.clone())).collect(),
            bar_size: BarSize::Min1,
            calendar: Calendar::Always,
            freshness: None,
            stop_breached: if random.random_bool(0.5) { StopBreached::Hold } else { StopBreached::Exit },
            no_entry_after_open: Duration::ZERO,
            no_entry_before_close: Duration::ZERO,
            flat_by_close: None,
            trades_at_close: false,
            allow_unprotected: false,
            guards: if random.random_bool(0.7) { Guards::wide() } else { narrow() },
        };
        let habits = Habits { children_die: random.random_bool(0.5), oca_cancels: random.random_bool(0.3) };
        let symbols = contracts.iter().map(|contract| (contract.id, contract.symbol)).collect();
        let broker = Broker::new(habits, account, symbols, MarketTime::from_secs(NOON));
        Self { plan, contracts, broker }
    }
}

/// Guards that set their locks in a storm.
fn narrow() -> Guards {
    let protections = Protections {
        cool_down: Some(Duration::from_secs(300)),
        max_stops: Some(3),
        low_profit_trips: Some(4),
        low_profit_pause: Duration::from_secs(1_200),
        drawdown_pause: Some(Duration::from_secs(1_200)),
        ..Protections::default()
    };
    Guards { max_losses: 3, max_rejects: 4, max_orders: 30, max_sessions_lost: 4, protections, ..Guards::default() }
}

fn limits(random: &mut SmallRng) -> Limits {
    let usd = |value: i64| Usd::of(Decimal::from(value));
    let mut limits = Limits {
        allow_short: random.random_bool(0.4),
        on_daily_loss: if random.random_bool(0.5) { OnDailyLoss::Lock } else { OnDailyLoss::Flatten },
        ..Limits::default()
    };
    if random.random_bool(0.4) {
        limits.max_order_notional = usd(5_500);
        limits.max_daily_notional = usd(40_000);
        limits.max_position_notional = usd(7_000);
        limits.max_leverage = Decimal::new(12, 2);
        limits.max_open_positions = 2;
        limits.max_orders_per_minute = 2;
        limits.max_daily_loss = Decimal::new(1, 3);
    }
    limits
}

fn contract(symbol: &str, id: i32) -> Contract {
    Contract {
        id: ContractId(id),
        symbol: symbol.parse().unwrap(),
        security_type: "STK".into(),
        exchange: "SMART".into(),
        primary_exchange: "NASDAQ".into(),
        currency: "USD".into(),
        local_symbol: symbol.into(),
        trading_class: "NMS".into(),
        price_rule: PriceRule::flat(Price::of(Decimal::new(1, 2))),
        time_zone: "US/Eastern".into(),
        trading_hours: Hours::default(),
        liquid_hours: Hours::default(),
    }
}
