//! `completions` and `man`: both made from the one definition of the command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::runner::exit;

/// Flags of `completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Flags of `man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// A folder for the page and those of every subcommand; the page alone on standard output without it.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs, mut command: Command) -> ExitCode {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut command, "robo-trader", &mut bytes);
    written(&bytes)
}

pub(super) fn man(args: &ManArgs, command: Command) -> ExitCode {
    let Some(dir) = &args.out else {
        let mut bytes = Vec::new();
        return match clap_mangen::Man::new(command).render(&mut bytes) {
            Ok(()) => written(&bytes),
            Err(error) => failed(Path::new("standard output"), &error),
        };
    };
    if let Err(error) = std::fs::create_dir_all(dir) {
        return failed(dir, &error);
    }
    match clap_mangen::generate_to(command, dir) {
        Ok(()) => super::say(&dir.display()),
        Err(error) => failed(dir, &error),
    }
}

fn written(bytes: &[u8]) -> ExitCode {
    match std::io::stdout().lock().write_all(bytes) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(Path::new("standard output"), &error),
    }
}

fn failed(path: &Path, error: &std::io::Error) -> ExitCode {
    super::complain(&format_args!("{}: {error}", path.display()));
    ExitCode::from(exit::USAGE)
}
