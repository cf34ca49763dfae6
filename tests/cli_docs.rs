//! The pages that people read say what the program does: tables, flags, exit codes, queries, links.
//!
//! `UPDATE_DOCS=1 cargo test --test cli_docs` writes README's table and `.env.example` anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod cli_support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use cli_support::Place;
use robo_trader::config::layers::PER_SYMBOL;
use robo_trader::config::table::{Spec, TABLE};
use robo_trader::config::{Layers, Settings};
use robo_trader::runner::exit;

/// Subjects, each with the first setting of it in the table.
const SUBJECTS: &[(&str, &str)] = &[
    ("The gateway", "IBKR_HOST"),
    ("The connection", "DIAL_DEADLINE"),
    ("What is traded", "SYMBOLS"),
    ("Bars", "DATA_BAR_SIZE"),
    ("Sizing", "RISK_POSITION_SIZING"),
    ("Limits", "RISK_MAX_ORDER_NOTIONAL"),
    ("Protection and orders", "RISK_STOP"),
    ("The process", "CALENDAR"),
    ("The dashboard", "DASH_ENABLED"),
];

const PAGES: &[&str] = &[
    "README.md",
    "CLAUDE.md",
    "docs/operations.md",
    "docs/api.md",
    "docs/bars.md",
    "docs/benchmarks.md",
    "docs/backtest.md",
    "docs/metrics.md",
    "docs/simulator.md",
    "docs/faults.md",
    "docs/proof.md",
    "docs/strategies.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Settings by subject.
fn subjects() -> Vec<(&'static str, &'static [Spec])> {
    let place = |name: &str| TABLE.iter().position(|spec| spec.name == name).expect("a subject's first setting exists");
    let starts: Vec<usize> = SUBJECTS.iter().map(|(_, first)| place(first)).collect();
    let ends = starts.iter().copied().skip(1).chain([TABLE.len()]);
    assert_eq!(starts[0], 0, "the first subject begins with the table");
    SUBJECTS.iter().zip(starts.iter().zip(ends)).map(|((title, _), (from, to))| (*title, &TABLE[*from..to])).collect()
}

/// The part of a page between two marks, or that part replaced where the caller asks for it.
fn marked(name: &str, mark: &str, wanted: &str) {
    // Tests of one page may write it at the same time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let text = page(name);
    let (begin, end) = (format!("<!-- {mark}: begin -->\n"), format!("<!-- {mark}: end -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("{name} has no {begin}")) + begin.len();
    let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("{name} has no {end}"));
    let new = format!("{}{wanted}{}", &text[..from], &text[to..]);
    same(name, &text, &new);
}

fn same(name: &str, is: &str, should_be: &str) {
    if is == should_be {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(root().join(name), should_be).unwrap();
        return;
    }
    let differs = is.lines().zip(should_be.lines()).find(|(is, should)| is != should);
    panic!("{name} is not what the code says; UPDATE_DOCS=1 cargo test --test cli_docs writes it: {differs:#?}");
}

#[test]
fn the_readme_lists_every_setting_as_the_code_has_it() {
    let mut text = String::new();
    for (title, specs) in subjects() {
        text += &format!("\n**{title}**\n\n| Setting | Default | Meaning |\n| --- | --- | --- |\n");
        for spec in specs {
            let default = if spec.default.is_empty() { String::new() } else { format!("`{}`", spec.default) };
            text += &format!("| `{}` | {default} | {} |\n", spec.name, spec.help);
        }
    }
    marked("README.md", "settings", &(text + "\n"));
}

#[test]
fn the_readme_lists_the_settings_that_a_symbol_may_have_of_its_own() {
    let names: Vec<String> = PER_SYMBOL.iter().map(|name| format!("`{}`", name.to_ascii_lowercase())).collect();
    marked("README.md", "settings of a symbol", &format!("{}.\n", names.join(", ")));
}

#[test]
fn the_example_of_dot_env_lists_every_setting_as_the_code_has_it() {
    let mut text = String::from(
        "# Settings of robo-trader: copy this file to .env and change what you need.\n\
         # Each line shows a default; robo-trader config shows what is in force and where it came from.\n\
         # Values that contain spaces need quotes. The environment and flags replace what stands here.\n",
    );
    for (title, specs) in subjects() {
        text += &format!("\n# --- {title} ---\n");
        for spec in specs {
            let quoted = spec.default.contains(' ');
            let value = if quoted { format!("\"{}\"", spec.default) } else { spec.default.to_owned() };
            text += &format!("# {}\n#{}={value}\n", spec.help, spec.name);
        }
    }
    let is = std::fs::read_to_string(root().join(".env.example")).unwrap_or_default();
    same(".env.example", &is, &text);
}

#[test]
fn the_example_of_dot_env_with_every_line_in_force_changes_nothing() {
    let place = Place::new();
    let lines = page(".env.example");
    let lines = lines.lines().map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line));
    let text = lines.fold(String::new(), |text, line| text + line + "\n");
    let path = place.path("example");
    std::fs::write(&path, text).unwrap();
    let mut layers = Layers::new();
    layers.dot_env(&path).unwrap();
    assert_eq!(Settings::resolve(&layers).unwrap(), Settings::resolve(&Layers::new()).unwrap());
    assert!(layers.shown().iter().all(|(_, _, source)| *source != robo_trader::config::Source::Default));
}

#[test]
fn exit_codes_are_the_same_in_the_code_the_readme_and_the_services() {
    let readme = page("README.md");
    for code in [exit::DONE, exit::RESTART, exit::USAGE, exit::HUMAN, exit::JOURNAL] {
        assert!(readme.lines().any(|line| line.starts_with(&format!("| {code} | "))), "no row for exit code {code}");
    }
    let rest = [exit::USAGE, exit::HUMAN, exit::JOURNAL].map(|code| code.to_string());
    let unit = page("deploy/systemd/robo-trader.service");
    assert!(unit.lines().any(|line| line == format!("RestartPreventExitStatus={}", rest.join(" "))));
    assert!(page("deploy/launchd/robo-trader.plist").contains("<string>--stay</string>"));
    let help = Place::new().tell(&["--help"]).ends(0, &[]).out;
    assert!((0..=5).all(|code| help.contains(&format!("{code} "))), "{help}");
}

/// The words in a page's code (blocks and spans) that look like flags.
fn flags(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit();
    let code = text.split('`').skip(1).step_by(2).chain(text.split("```").skip(1).step_by(2));
    let words = code.flat_map(|code| code.split(|c: char| c.is_whitespace() || "[]|=(),".contains(c)));
    let flags = words.filter(|w| w.starts_with("--") && w.len() > 2 && w.chars().all(word));
    flags.map(str::to_owned).collect()
}

/// Commands whose help names flags.
const COMMANDS: &[&[&str]] = &[
    &["run"],
    &["simulator"],
    &["simulator", "tell"],
    &["status"],
    &["halt"],
    &["resume"],
    &["flatten"],
    &["reconcile"],
    &["reconcile", "accept"],
    &["positions"],
    &["orders"],
    &["fills"],
    &["signals"],
    &["pnl"],
    &["incidents"],
    &["cancel"],
    &["report"],
    &["top"],
    &["logs"],
    &["check"],
    &["history", "download"],
    &["completions"],
    &["man"],
    &["journal", "backup"],
    &["journal", "verify"],
    &["journal", "export"],
    &["service", "install"],
    &["service", "uninstall"],
    &["service", "status"],
    &["config"],
    &["strategies"],
    &["notify", "test"],
    &["notify", "ack"],
    &["backtest"],
    &["sweep"],
    &["bench"],
    &["sweep", "merge"],
    &["bars", "inspect"],
    &["bars", "validate"],
    &["bars", "aggregate"],
    &["bars", "convert"],
    &["bars", "generate"],
];

#[test]
fn every_flag_that_a_page_names_exists() {
    let place = Place::new();
    let help = |command: &&[&str]| place.tell(&[*command, &["--help"]].concat()).ends(0, &[]).out;
    let help: String = COMMANDS.iter().map(help).collect();
    let mut known: BTreeSet<String> = help
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|w| w.starts_with("--"))
        .map(str::to_owned)
        .collect();
    // Of cargo and systemctl.
    known.extend(
        [
            "--release",
            "--features",
            "--test",
            "--bench",
            "--all-targets",
            "--lib",
            "--no-deps",
            "--now",
            "--no-block",
            "--nocapture",
            "--profile",
        ]
        .map(str::to_owned),
    );
    for name in PAGES {
        let unknown: Vec<String> = flags(&page(name)).difference(&known).cloned().collect();
        assert!(unknown.is_empty(), "{name} names flags that do not exist: {unknown:?}");
    }
}

#[test]
fn every_query_in_the_pages_runs_on_a_journal() {
    let place = Place::new();
    place.tell(&["run", "--simulator", "--once", "--symbols", "AAPL"]).ends(0, &[]);
    let journal = rusqlite::Connection::open(place.journal()).unwrap();
    let mut run = 0;
    for name in PAGES {
        for block in page(name).split("```sql\n").skip(1) {
            for query in block.split("```").next().unwrap().split(";\n").filter(|query| !query.trim().is_empty()) {
                let mut statement = journal.prepare(query).unwrap_or_else(|error| panic!("{name}: {query}: {error}"));
                let mut rows = statement.query([]).unwrap();
                while rows.next().unwrap_or_else(|error| panic!("{name}: {query}: {error}")).is_some() {}
                run += 1;
            }
        }
    }
    assert!(run >= 5, "only {run} queries were found");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    for name in PAGES {
        let text = page(name);
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.starts_with("http") {
                continue;
            }
            let target: PathBuf = root().join(name).parent().unwrap().join(path);
            assert!(target.exists(), "{name} links to {link}");
        }
    }
}

#[test]
fn the_page_of_the_api_lists_the_metrics_as_they_are() {
    let rows =
        robo_trader::web::metrics::METRICS.iter().map(|(name, kind, help)| format!("| `{name}` | {kind} | {help} |\n"));
    let head = "\n| Metric | Type | What |\n| --- | --- | --- |\n";
    marked("docs/api.md", "metrics", &format!("{head}{}\n", rows.collect::<String>()));
}

#[test]
fn the_page_of_operations_lists_what_reload_takes() {
    let names: Vec<String> = robo_trader::runner::reload::MAY_CHANGE.iter().map(|name| format!("`{name}`")).collect();
    let mut lines = vec![String::new()];
    for name in names {
        if lines.last().unwrap().len() + name.len() > 110 {
            lines.push(String::new());
        }
        let line = lines.last_mut().unwrap();
        *line += &format!("{}{name}", if line.is_empty() { "" } else { " " });
    }
    marked("docs/operations.md", "reload", &format!("\n{}\n\n", lines.join("\n")));
}

#[test]
fn every_strategy_is_named_in_the_readme() {
    let readme = page("README.md");
    for row in robo_trader::strategy::REGISTRY {
        assert!(readme.contains(&format!("`{}`", row.name)), "{}", row.name);
    }
}

#[test]
fn the_page_of_strategies_lists_them_and_the_example_as_they_are() {
    let mut text = String::new();
    for row in robo_trader::strategy::REGISTRY {
        let warm_up = robo_trader::strategy::build(row.name, &std::collections::BTreeMap::new()).unwrap().warm_up();
        text += &format!("\n**`{}`**: {}. Warm-up with defaults: {warm_up} bars.\n", row.name, row.summary);
        if !row.params.is_empty() {
            text += "\n| Parameter | Default | Meaning |\n| --- | --- | --- |\n";
        }
        for spec in row.params {
            text += &format!("| `{}` | `{}` | {}: {} |\n", spec.name, spec.default, spec.help, spec.range());
        }
    }
    marked("docs/strategies.md", "strategies", &(text + "\n"));
    let example = page("examples/sma-cross.rhai");
    marked("docs/strategies.md", "example", &format!("\n```js\n{example}```\n\n"));
}
