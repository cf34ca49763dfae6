//! `top`: the running daemon, live in a terminal. It asks the daemon again and again and shows what it answers; a daemon
//! that does not answer makes the picture visibly old.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, Wrap};
use ratatui::{DefaultTerminal, Frame};
use serde_json::Value;

use super::operate;
use super::records::shown;
use super::state_dir::DaemonArgs;
use crate::runner::exit;
use crate::runner::operate::Request;

/// Flags of `top`.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Seconds between two questions.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,
}

/// What is shown.
#[derive(Debug, Default)]
struct Screen {
    /// The latest answer.
    status: Option<Value>,
    /// Why there is no later one.
    silent: Option<String>,
    /// The first symbol shown.
    scroll: usize,
}

pub(super) fn main(args: &TopArgs) -> ExitCode {
    use std::io::IsTerminal;
    if !std::io::stdout().is_terminal() {
        super::complain(&"top needs a terminal: use robo-trader status (--json for programs)");
        return ExitCode::from(exit::USAGE);
    }
    let interval = Duration::from_secs_f64(args.interval.clamp(0.2, 3_600.0));
    let mut terminal = ratatui::init();
    let ended = run(&mut terminal, args, interval);
    ratatui::restore();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::complain(&format_args!("the terminal cannot be used: {error}"));
            ExitCode::from(exit::RESTART)
        }
    }
}

fn run(terminal: &mut DefaultTerminal, args: &TopArgs, interval: Duration) -> std::io::Result<()> {
    let mut screen = Screen::default();
    loop {
        match operate::asked_now(&args.daemon, &Request::Status {}) {
            Ok(reply) => screen.heard(reply.status),
            Err(error) => screen.silent = Some(error.to_string()),
        }
        terminal.draw(|frame| screen.draw(frame))?;
        if event::poll(interval)? && screen.pressed(&event::read()?) {
            return Ok(());
        }
    }
}

fn style(colour: Color) -> Style {
    Style::new().fg(colour)
}

impl Screen {
    fn heard(&mut self, status: Option<Value>) {
        self.silent = None;
        self.status = status;
    }

    /// Whether it is to end.
    fn pressed(&mut self, event: &Event) -> bool {
        let Event::Key(key) = event else { return false };
        if key.kind != KeyEventKind::Press {
            return false;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            _ => {}
        }
        false
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let nothing = Value::Null;
        let status = self.status.as_ref().unwrap_or(&nothing);
        let health = health(status);
        let parts = Layout::vertical([
            Constraint::Length(5),
            Constraint::Length(u16::try_from(health.len()).unwrap_or(6).min(8) + 2),
            Constraint::Min(4),
            Constraint::Length(7),
            Constraint::Length(1),
        ]);
        let [head, strip, symbols, incidents, foot] = parts.areas(frame.area());
        frame.render_widget(self.headline(status), head);
        frame.render_widget(Paragraph::new(health).block(Block::bordered().title("health")), strip);
        frame.render_widget(self.symbols(&status["desk"]), symbols);
        let told = Paragraph::new(happened(&status["desk"])).block(Block::bordered().title("locks and incidents"));
        frame.render_widget(told, incidents);
        frame.render_widget(Line::from("q ends, arrows scroll").style(Modifier::DIM), foot);
    }

    fn headline(&self, status: &Value) -> Paragraph<'static> {
        let desk = &status["desk"];
        let trading = shown(&status["trading"]);
        let colour = match trading.as_str() {
            "yes" => Color::Green,
            text if text.starts_with("exits only") => Color::Yellow,
            _ => Color::Red,
        };
        let mut lines = vec![Line::from(vec!["trading: ".into(), Span::styled(trading, style(colour).bold())])];
        if let Some(why) = &self.silent {
            // What is below is old, and says so.
            lines.insert(
                0,
                Line::from(format!("NO ANSWER, what is shown is old: {why}")).style(style(Color::Red).bold()),
            );
        }
        lines.push(Line::from(status["why"].as_str().unwrap_or_default().to_owned()));
        let usd = |key: &str| shown(&desk[key]);
        lines.push(Line::from(format!(
            "equity {}  day {}  cash {}  orders {} working, {} in doubt",
            usd("equity_usd"),
            usd("day_pnl_usd"),
            usd("cash_usd"),
            usd("working_orders"),
            usd("unknown_orders"),
        )));
        let title = format!("robo-trader {} at {}", shown(&desk["account"]), shown(&desk["market_time"]));
        Paragraph::new(lines).block(Block::new().title(title)).wrap(Wrap { trim: true })
    }

    fn symbols(&self, desk: &Value) -> Table<'static> {
        const KEYS: [&str; 7] = ["symbol", "held", "average_price", "last_close", "target", "working", "last_bar_end"];
        let all = desk["symbols"].as_array().map_or(&[][..], Vec::as_slice);
        let from = self.scroll.min(all.len().saturating_sub(1));
        let rows = all[from..].iter().map(|symbol| {
            let held = symbol["held"].as_i64().unwrap_or_default();
            let cells = KEYS.map(|key| match (key, &symbol[key]) {
                // No target or price is no lack of knowledge: there is none yet.
                ("target" | "average_price", Value::Null) => Cell::from("none"),
                (_, value) => Cell::from(shown(value)),
            });
            Row::new(cells).style(if held == 0 { Style::new() } else { Style::new().add_modifier(Modifier::BOLD) })
        });
        let heads = Row::new(["symbol", "held", "average", "last", "target", "orders", "last bar"]);
        let widths = [8, 9, 12, 12, 8, 7, 22].map(Constraint::Length);
        let title = format!("symbols {} of {}", all.len() - from.min(all.len()), all.len());
        Table::new(rows, widths).header(heads.style(Modifier::UNDERLINED)).block(Block::bordered().title(title))
    }
}

/// What is down, or that nothing is; and the connection.
fn health(status: &Value) -> Vec<Line<'static>> {
    let connection = &status["connection"];
    let mut lines =
        vec![Line::from(format!("{}, breaker {}", shown(&connection["text"]), shown(&connection["breaker"])))];
    let layers = status["layers"].as_array().map_or(&[][..], Vec::as_slice);
    let up = layers.iter().filter(|layer| layer["up"] == true).map(|layer| shown(&layer["layer"]));
    lines.push(Line::from(format!("up: {}", up.collect::<Vec<_>>().join(", "))).style(style(Color::Green)));
    for layer in layers.iter().filter(|layer| layer["up"] != true) {
        let words = format!(
            "DOWN {} since {}: {}; it blocks {}",
            shown(&layer["layer"]),
            shown(&layer["since"]),
            shown(&layer["why"]),
            shown(&layer["blocks"])
        );
        lines.push(Line::from(words).style(style(Color::Red)));
    }
    lines
}

fn happened(desk: &Value) -> Vec<Line<'static>> {
    let list = |key: &str| desk[key].as_array().cloned().unwrap_or_default();
    let lock = |lock: &Value| {
        let words = format!("locked {}: {}; ends: {}", shown(&lock["what"]), shown(&lock["why"]), shown(&lock["ends"]));
        Line::from(words).style(style(Color::Yellow))
    };
    let incident = |one: &Value| {
        let symbol = one["symbol"].as_str().unwrap_or_default();
        Line::from(format!("{} {} {symbol} {}", shown(&one["at"]), shown(&one["name"]), shown(&one["text"])))
    };
    list("locks").iter().map(lock).chain(list("incidents").iter().map(incident)).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyEvent;
    use serde_json::json;

    use super::*;

    fn status() -> Value {
        let symbol = |name: &str, held: i64| {
            json!({"symbol": name, "held": held, "average_price": null, "last_close": "101.5", "target": null,
                   "working": 1, "last_bar_end": null})
        };
        json!({
            "trading": "exits only: locked", "why": "account: news; ends: robo-trader resume", "ready": true,
            "connection": {"text": "connected for 5 s", "breaker": "closed"},
            "layers": [
                {"layer": "socket", "up": true, "since": "t0", "why": null, "blocks": null},
                {"layer": "farm usfarm", "up": false, "since": "t1", "why": "2103", "blocks": "bars"},
            ],
            "desk": {
                "account": "DU1", "market_time": "t2", "equity_usd": null, "day_pnl_usd": "-12.50", "cash_usd": "5",
                "working_orders": 2, "unknown_orders": 0,
                "locks": [{"what": "account", "why": "news", "ends": "robo-trader resume"}],
                "symbols": [symbol("AAPL", 10), symbol("NVDA", 0)],
                "incidents": [{"at": "t1", "name": "farm_down", "symbol": null, "text": "usfarm"}],
            },
        })
    }

    /// The screen as text.
    fn drawn(screen: &Screen) -> String {
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let lines = buffer.content.chunks(100).map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_screen_says_what_trades_what_is_down_and_what_is_unknown() {
        let mut screen = Screen::default();
        screen.heard(Some(status()));
        let text = drawn(&screen);
        for part in [
            "robo-trader DU1 at t2",
            "trading: exits only: locked",
            "account: news; ends: robo-trader resume",
            "equity unknown  day -12.50",
            "DOWN farm usfarm since t1: 2103; it blocks bars",
            "up: socket",
            "AAPL     10",
            "locked account: news",
            "farm_down",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("NO ANSWER"), "{text}");
    }

    #[test]
    fn a_daemon_that_does_not_answer_makes_the_picture_visibly_old_until_it_does() {
        let mut screen = Screen { silent: Some("nothing answers".into()), ..Screen::default() };
        assert!(drawn(&screen).contains("NO ANSWER"));
        screen.heard(Some(status()));
        screen.silent = Some("nothing answers".into());
        let text = drawn(&screen);
        assert!(text.contains("NO ANSWER, what is shown is old: nothing answers") && text.contains("AAPL"), "{text}");
        screen.heard(Some(status()));
        assert!(!drawn(&screen).contains("NO ANSWER"));
    }

    #[test]
    fn keys_scroll_and_end() {
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        let mut screen = Screen::default();
        screen.heard(Some(status()));
        assert!(!screen.pressed(&key(KeyCode::Down)));
        let text = drawn(&screen);
        assert!(!text.contains("AAPL") && text.contains("NVDA"), "{text}");
        (0..9).for_each(|_| assert!(!screen.pressed(&key(KeyCode::Down))));
        assert!(drawn(&screen).contains("NVDA"), "not beyond the last one");
        assert!(screen.pressed(&key(KeyCode::Char('q'))));
        let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(screen.pressed(&interrupt));
    }
}
