//! `top`: the running daemon, live in a terminal. A thread asks the daemon again and again, so that keys are heard and the
//! picture's age is shown while it does not answer.

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Table, Wrap};
use ratatui::{DefaultTerminal, Frame};
use serde_json::Value;
use tokio::time::Instant;

use super::operate;
use super::records::shown;
use super::state_dir::DaemonArgs;
use crate::runner::exit;
use crate::runner::operate::Request;
use crate::runner::outlook::STUCK;

/// Flags of `top`.
#[derive(Debug, Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    /// Seconds between two questions.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,
}

/// An answer may be so old before the picture says that it is: longer than a busy daemon takes.
const FRESH: Duration = Duration::from_secs(5);
/// The picture is drawn at least so often.
const DRAWN_EVERY: Duration = Duration::from_millis(250);

/// What is shown.
#[derive(Debug, Default)]
struct Screen {
    /// The latest answer.
    status: Option<Value>,
    /// When it came.
    heard: Option<Instant>,
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
    // What is said about where the daemon is would be drawn over.
    if let Err(error) = args.daemon.state_dir() {
        super::complain(&error);
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
    let answers = asks(args.daemon.clone(), interval);
    let mut screen = Screen::default();
    loop {
        for answer in answers.try_iter() {
            match answer {
                Ok(status) => screen.heard(status, Instant::now()),
                Err(error) => screen.silent = Some(error),
            }
        }
        terminal.draw(|frame| screen.draw(frame, Instant::now()))?;
        if event::poll(interval.min(DRAWN_EVERY))? && screen.pressed(&event::read()?) {
            return Ok(());
        }
    }
}

/// Asks the daemon on a thread of its own, which ends with whoever listens, or with the process.
fn asks(daemon: DaemonArgs, interval: Duration) -> Receiver<Result<Option<Value>, String>> {
    let (told, answers) = sync_channel(1);
    std::thread::spawn(move || {
        loop {
            let answer = operate::asked_now(&daemon, &Request::Status {});
            let answer = answer.map_err(|error| error.to_string());
            let answer = answer.and_then(|reply| if reply.ok { Ok(reply.status) } else { Err(reply.text) });
            if told.send(answer).is_err() {
                return;
            }
            std::thread::sleep(interval);
        }
    });
    answers
}

fn style(colour: Color) -> Style {
    Style::new().fg(colour)
}

impl Screen {
    fn heard(&mut self, status: Option<Value>, now: Instant) {
        self.silent = None;
        self.heard = Some(now);
        self.status = status;
    }

    /// Why the picture is old; `None` while it is not.
    fn old(&self, now: Instant) -> Option<String> {
        let age = self.heard.map(|heard| now.saturating_duration_since(heard));
        let late = age.filter(|age| *age >= FRESH).map(|age| format!("{} s old", age.as_secs()));
        match (&self.silent, late) {
            (Some(why), Some(late)) => Some(format!("{late}: {why}")),
            (Some(why), None) => Some(why.clone()),
            (None, late) => late,
        }
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

    fn draw(&self, frame: &mut Frame<'_>, now: Instant) {
        let nothing = Value::Null;
        let status = self.status.as_ref().unwrap_or(&nothing);
        let health = health(status);
        // Whether it trades, and whether the picture is old, has its place first, however small the terminal.
        let area = frame.area();
        let foot = u16::from(area.height >= 10);
        let whole = [Constraint::Length(area.height.min(5)), Constraint::Min(0), Constraint::Length(foot)];
        let [head, body, foot] = Layout::vertical(whole).areas(area);
        let parts = Layout::vertical([
            Constraint::Length(u16::try_from(health.len()).unwrap_or(6).min(8) + 2),
            Constraint::Min(4),
            Constraint::Length(7),
        ]);
        let [strip, symbols, incidents] = parts.areas(body);
        frame.render_widget(self.headline(status, now), head);
        frame.render_widget(Paragraph::new(health).block(Block::bordered().title("health")), strip);
        frame.render_widget(self.symbols(&status["desk"]), symbols);
        let told = Paragraph::new(happened(&status["desk"])).block(Block::bordered().title("locks and incidents"));
        frame.render_widget(told, incidents);
        frame.render_widget(Line::from("q ends, arrows scroll").style(Modifier::DIM), foot);
    }

    fn headline(&self, status: &Value, now: Instant) -> Paragraph<'static> {
        let desk = &status["desk"];
        let trading = shown(&status["trading"]);
        let colour = match trading.as_str() {
            "yes" => Color::Green,
            text if text.starts_with("exits only") => Color::Yellow,
            _ => Color::Red,
        };
        let mut lines = vec![Line::from(vec!["trading: ".into(), Span::styled(trading, style(colour).bold())])];
        if status["trading"] == STUCK {
            lines.insert(
                0,
                Line::from("THE DESK DOES NOT ANSWER, what is shown is old").style(style(Color::Red).bold()),
            );
        }
        if let Some(why) = self.old(now) {
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
        const KEYS: [&str; 7] = [
            "symbol",
            "held_shares",
            "average_price_usd",
            "last_close_usd",
            "target",
            "working_orders",
            "last_bar_end",
        ];
        let all = desk["symbols"].as_array().map_or(&[][..], Vec::as_slice);
        let from = self.scroll.min(all.len().saturating_sub(1));
        let rows = all[from..].iter().map(|symbol| {
            let held = symbol["held_shares"].as_i64().unwrap_or_default();
            let cells = KEYS.map(|key| match (key, &symbol[key]) {
                // No target or price is no lack of knowledge: there is none yet.
                ("target" | "average_price_usd", Value::Null) => Cell::from("none"),
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
            json!({"symbol": name, "held_shares": held, "average_price_usd": null, "last_close_usd": "101.5", "target": null,
                   "working_orders": 1, "last_bar_end": null})
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
    fn sized(screen: &Screen, now: Instant, (width, height): (u16, u16)) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame, now)).unwrap();
        let buffer = terminal.backend().buffer().clone();
        let lines = buffer.content.chunks(usize::from(width));
        lines.map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>()).collect::<Vec<_>>().join("\n")
    }

    fn drawn(screen: &Screen, now: Instant) -> String {
        sized(screen, now, (100, 30))
    }

    #[test]
    fn the_screen_says_what_trades_what_is_down_and_what_is_unknown() {
        let (mut screen, now) = (Screen::default(), Instant::now());
        screen.heard(Some(status()), now);
        let text = drawn(&screen, now);
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
        let now = Instant::now();
        let mut screen = Screen { silent: Some("nothing answers".into()), ..Screen::default() };
        assert!(drawn(&screen, now).contains("NO ANSWER"));
        screen.heard(Some(status()), now);
        screen.silent = Some("nothing answers".into());
        let text = drawn(&screen, now);
        assert!(text.contains("NO ANSWER, what is shown is old: nothing answers") && text.contains("AAPL"), "{text}");
        screen.heard(Some(status()), now);
        assert!(!drawn(&screen, now).contains("NO ANSWER"));
        // One that hangs says nothing at all, not even that it is gone.
        assert!(!drawn(&screen, now + Duration::from_secs(4)).contains("NO ANSWER"));
        let text = drawn(&screen, now + Duration::from_secs(42));
        assert!(text.contains("NO ANSWER, what is shown is old: 42 s old"), "{text}");
        // The daemon answers, and the one of its parts that knows anything does not.
        let mut stuck = status();
        stuck["trading"] = STUCK.into();
        screen.heard(Some(stuck), now);
        assert!(drawn(&screen, now).contains("THE DESK DOES NOT ANSWER, what is shown is old"));
    }

    #[test]
    fn every_terminal_shows_something_and_first_whether_it_is_old() {
        let now = Instant::now();
        let mut screen = Screen::default();
        let sizes = [(1, 1), (2, 3), (10, 4), (20, 5), (40, 8), (80, 24), (300, 90)];
        for size in sizes {
            sized(&screen, now, size);
        }
        let mut long = status();
        let words = "x".repeat(5_000);
        long["why"] = words.clone().into();
        long["layers"] = (0..50).map(|_| json!({"layer": words, "up": false, "since": "t", "why": words})).collect();
        long["desk"]["incidents"] = (0..50).map(|_| json!({"at": "t", "name": words, "text": words})).collect();
        for status in [Some(status()), Some(long), Some(json!({"desk": null})), Some(json!([])), None] {
            screen.heard(status, now);
            for size in sizes {
                sized(&screen, now, size);
            }
            for size in [(40, 8), (80, 24), (300, 90)] {
                let text = sized(&screen, now + Duration::from_secs(60), size);
                assert!(text.contains("NO ANSWER"), "{size:?}\n{text}");
            }
        }
    }

    #[test]
    fn keys_scroll_and_end() {
        let (mut screen, now) = (Screen::default(), Instant::now());
        let key = |code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE));
        screen.heard(Some(status()), now);
        assert!(!screen.pressed(&key(KeyCode::Down)));
        let text = drawn(&screen, now);
        assert!(!text.contains("AAPL") && text.contains("NVDA"), "{text}");
        (0..9).for_each(|_| assert!(!screen.pressed(&key(KeyCode::Down))));
        assert!(drawn(&screen, now).contains("NVDA"), "not beyond the last one");
        assert!(screen.pressed(&key(KeyCode::Char('q'))));
        let interrupt = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(screen.pressed(&interrupt));
    }
}
