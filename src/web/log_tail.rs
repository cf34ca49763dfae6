//! The log's last lines, for whoever looks at the board.

use std::fmt::{Debug, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::clock::wall_now;
use crate::domain::plain;
use crate::runner::board::Board;
use crate::runner::board::views::LogView;

/// The longest line that is kept, bytes of each of its two parts.
const LONGEST: usize = 2_000;

/// A layer that puts lines, from `info` up, on a board.
pub struct LogTail(pub Arc<Board>);

impl<S: Subscriber> Layer<S> for LogTail {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => "WARN",
            Level::INFO => "INFO",
            // What explains a defect to a programmer is for the file.
            _ => return,
        };
        let mut words = Words::default();
        event.record(&mut words);
        let Words { message, fields } = words;
        self.0.logged(LogView { at: wall_now(), level, message: cut(message), fields: cut(fields) });
    }
}

fn cut(text: String) -> String {
    let mut text = plain(&text);
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let gap = if self.fields.is_empty() { "" } else { " " };
            write!(self.fields, "{gap}{}={value:?}", field.name())
        };
        // Writing to a String cannot fail.
        debug_assert!(written.is_ok());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn lines_are_kept_with_their_fields_and_long_ones_cut() {
        let board = Board::new();
        let subscriber = tracing_subscriber::registry().with(LogTail(Arc::clone(&board)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(symbol = "AAPL", shares = 3, "order filled");
            tracing::debug!("not for operators");
            tracing::error!("{}", "é".repeat(2_000));
        });
        let lines = board.log(10);
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[0].level, lines[0].message.as_str()), ("INFO", "order filled"));
        assert_eq!(lines[0].fields, "symbol=AAPL shares=3");
        assert_eq!(lines[1].message.chars().count(), 1_001);
    }
}
