//! What an operator or a test tells a running simulator, and what it answers.

use std::fmt::Write;

use tokio::sync::oneshot;

use super::book::RuleStatus;
use super::kinds::KINDS;
use super::names::On;
use super::rule::Rule;
use crate::simulator::engine::Engine;
use crate::simulator::summary::Summary;

/// Something told to a running simulator.
#[derive(Debug)]
pub enum Told {
    /// Puts rules into force; answers with the number of the last.
    Arm(Vec<Rule>, oneshot::Sender<u64>),
    /// Ends every fault and forgets every rule.
    Clear(oneshot::Sender<()>),
    /// How the rules stand.
    Status(oneshot::Sender<Vec<RuleStatus>>),
    /// How the account stands.
    Account(oneshot::Sender<Summary>),
    /// A line of an operator; the answer is a text of one or more lines.
    Line(String, oneshot::Sender<String>),
}

impl Engine {
    /// Does what it is told. One who does not wait for the answer is not missed.
    pub(in crate::simulator) fn told(&mut self, told: Told) {
        let heard = match told {
            Told::Arm(rules, answer) => answer.send(self.arm(rules)).is_ok(),
            Told::Clear(answer) => {
                self.clear_faults();
                answer.send(()).is_ok()
            }
            Told::Status(answer) => answer.send(self.faults.status()).is_ok(),
            Told::Account(answer) => answer.send(self.summary()).is_ok(),
            Told::Line(line, answer) => {
                let text = self.line(&line);
                answer.send(text).is_ok()
            }
        };
        if !heard {
            tracing::debug!("whoever told this did not wait for the answer");
        }
    }

    fn line(&mut self, line: &str) -> String {
        match line.trim() {
            "" | "help" => help(),
            "status" => status(&self.faults.status()),
            "clear" => {
                self.clear_faults();
                "cleared".to_owned()
            }
            "account" => self.summary().to_string(),
            rule => match rule.parse::<Rule>() {
                Ok(rule) => format!("rule {} is in force: {rule}", self.arm(vec![rule.clone()])),
                Err(error) => format!("error: {error}"),
            },
        }
    }
}

fn status(rules: &[RuleStatus]) -> String {
    if rules.is_empty() {
        return "no rules".to_owned();
    }
    let mut text = String::new();
    for rule in rules {
        let state = match (rule.active, rule.done) {
            (true, _) => "holds",
            (false, true) => "done",
            (false, false) => "waits",
        };
        let line = format!("rule {}: {state}, fired {}: {}\n", rule.number, rule.fired, rule.rule);
        text.push_str(&line);
    }
    text.truncate(text.trim_end().len());
    text
}

/// What can be told.
pub fn help() -> String {
    let mut text = String::from(
        "status: the rules, and how often each fired\nclear: ends every fault\naccount: how the account stands\n\
         Or one line of a scenario: a fault, and when. Its fields beside the fault: at, after, on, nth, after_frames, \
         direction, probability, client, symbol, times, repeat, repeat_market, for, for_market.\n",
    );
    for kind in KINDS {
        // Writing to a text cannot fail.
        if writeln!(text, "  {:<18} {} = {}", kind.help, kind.name, kind.example).is_err() {}
    }
    let messages: Vec<&str> = On::all().collect();
    text.push_str(&format!("on: {}", messages.join(", ")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_fault_and_every_message() {
        let help = help();
        assert!(KINDS.iter().all(|kind| help.contains(&format!("{} = {}", kind.name, kind.example))));
        assert!(On::all().all(|word| help.contains(word)));
    }
}
