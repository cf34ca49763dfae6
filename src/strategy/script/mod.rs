//! Script strategies: a text in the Rhai language in place of a compiled file.
//!
//! A script sees bars and what it remembers of them, and nothing else: no file, no clock, no
//! import, no `eval`, no output. Every call of it is bounded in operations, depth and memory. What it
//! does wrong is an error with file and line: before the first bar a refusal to start; later the end
//! of its opinions ([`Strategy::fault`]).
//!
//! Its contract is in `docs/strategies.md`, an example in `examples/sma-cross.rhai`.

mod engine;
mod offered;
mod params;
mod scripted;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use rhai::{AST, Dynamic, EvalAltResult, Map, Position, Scope};

use super::{BuildError, Strategy};
use scripted::Scripted;

/// What a strategy's name begins with where the rest of it is a script's file.
pub const PREFIX: &str = "script:";

/// The longest script, bytes.
pub const LONGEST: usize = 256 * 1024;

/// The most bars that a script may want to be warmed by.
const LONGEST_WARM_UP: i64 = 1_000_000;

/// The script's file, where a strategy's name asks for one.
pub fn file_of(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX).map(str::trim)
}

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The script's file, as given.
    pub file: String,
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{} line {line}, column {column}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

impl std::error::Error for ScriptError {}

/// A script, compiled. Cheap to clone; two are equal where file and text are.
#[derive(Clone)]
pub struct Script(Arc<Compiled>);

struct Compiled {
    file: String,
    source: String,
    ast: AST,
    /// `const WARM_UP`, where the script has it.
    warm_up: Option<i64>,
    /// Whether `init` takes the parameters; `None` where there is no `init`.
    init_takes_params: Option<bool>,
    /// What `params()` returned: every parameter with its default.
    defaults: Map,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.0.file).finish_non_exhaustive()
    }
}

impl PartialEq for Script {
    fn eq(&self, other: &Self) -> bool {
        self.0.file == other.0.file && self.0.source == other.0.source
    }
}

impl Script {
    /// Compiles a script's text and asks it for its parameters. `file` only names it in errors.
    ///
    /// # Errors
    /// What it does wrong, with its place.
    pub fn parse(file: &str, source: &str) -> Result<Self, ScriptError> {
        let wrong = |reason: String| ScriptError { file: file.to_owned(), place: None, reason };
        if source.len() > LONGEST {
            return Err(wrong(format!("it has {} bytes; a script has at most {LONGEST}", source.len())));
        }
        let ast = engine::shared().compile(source).map_err(|error| {
            let place = place(error.position());
            ScriptError { file: file.to_owned(), place, reason: error.err_type().to_string() }
        })?;
        let mut compiled = Compiled {
            file: file.to_owned(),
            source: source.to_owned(),
            ast,
            warm_up: None,
            init_takes_params: None,
            defaults: Map::new(),
        };
        compiled.read_constants()?;
        compiled.read_functions()?;
        if compiled.has("params", 0) {
            let defaults = compiled.call("params", None, vec![])?;
            compiled.defaults = params::defaults(defaults).map_err(|reason| compiled.wrong("params", reason))?;
        }
        Ok(Self(Arc::new(compiled)))
    }

    /// Its file, as given.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// A number of its text (FNV-1a, 64 bits, in hexadecimal): another where a letter is another.
    pub fn fingerprint(&self) -> String {
        let mix = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        format!("{:016x}", self.0.source.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// A strategy that runs it, with the given parameters; those not given have its defaults. `name` is the
    /// strategy's, for errors.
    ///
    /// # Errors
    /// An unknown parameter or a value of another type than its default's; what `init` and `warm_up`
    /// do wrong.
    pub fn build(&self, name: &str, given: &BTreeMap<String, String>) -> Result<Box<dyn Strategy>, BuildError> {
        let compiled = &self.0;
        let params = params::resolve(&compiled.defaults, given)
            .map_err(|source| BuildError::Param { strategy: name.to_owned(), source })?;
        let params = Dynamic::from_map(params);
        let warm_up = match compiled.warm_up {
            Some(bars) => bars,
            None => {
                let bars = compiled.call("warm_up", None, vec![params.clone()])?;
                let kind = bars.type_name();
                bars.as_int().map_err(|_| compiled.wrong("warm_up", format!("it returned a {kind}, not whole bars")))?
            }
        };
        let bars = usize::try_from(warm_up).ok().filter(|_| (1..=LONGEST_WARM_UP).contains(&warm_up));
        let bars = bars.ok_or_else(|| {
            let reason = format!("the warm-up is {warm_up} bars; use 1 to {LONGEST_WARM_UP}");
            compiled.wrong(if compiled.warm_up.is_some() { "WARM_UP" } else { "warm_up" }, reason)
        })?;
        let state = match compiled.init_takes_params {
            Some(true) => compiled.call("init", None, vec![params])?,
            Some(false) => compiled.call("init", None, vec![])?,
            None => params,
        };
        Ok(Box::new(Scripted::new(self.clone(), bars, state)))
    }
}

impl Compiled {
    /// Runs what stands outside functions: constants.
    fn read_constants(&mut self) -> Result<(), ScriptError> {
        let mut scope = Scope::new();
        let run = engine::guarded(|| engine::shared().run_ast_with_scope(&mut scope, &self.ast));
        run.map_err(|error| self.explain(*error))?;
        for (name, constant, value) in scope.iter() {
            if !constant {
                let reason =
                    format!("variable {name} outside functions is seen by none: return it from init, as state");
                return Err(self.wrong(name, reason));
            }
            if name == "WARM_UP" {
                let bars = value.as_int().map_err(|kind| self.wrong(name, format!("WARM_UP is a {kind}, not bars")))?;
                self.warm_up = Some(bars);
            }
        }
        Ok(())
    }

    /// Checks that the functions of the contract are there, with the right number of parameters.
    fn read_functions(&mut self) -> Result<(), ScriptError> {
        for (name, takes) in [("on_bar", "(bar)"), ("params", "()"), ("warm_up", "(params)")] {
            let count = usize::from(takes != "()");
            let of_name = |function: &rhai::ScriptFnMetadata<'_>| function.name == name;
            if self.ast.iter_functions().any(|function| of_name(&function) && function.params.len() != count) {
                return Err(self.wrong(name, format!("write it as fn {name}{takes}")));
            }
        }
        if !self.has("on_bar", 1) {
            return Err(self.wrong("on_bar", "it has no fn on_bar(bar)".to_owned()));
        }
        if self.warm_up.is_some() == self.has("warm_up", 1) {
            let reason = "say how many bars it must see before it can have an opinion: either const WARM_UP = 30; or fn warm_up(params)";
            return Err(self.wrong("WARM_UP", reason.to_owned()));
        }
        self.init_takes_params = match (self.has("init", 0), self.has("init", 1)) {
            (_, true) => Some(true),
            (true, false) => Some(false),
            (false, false) => None,
        };
        Ok(())
    }

    fn has(&self, name: &str, params: usize) -> bool {
        self.ast.iter_functions().any(|function| function.name == name && function.params.len() == params)
    }

    /// Calls a function of the script, with `this` where it has a state.
    fn call(&self, name: &str, this: Option<&mut Dynamic>, args: Vec<Dynamic>) -> Result<Dynamic, ScriptError> {
        let mut options = rhai::CallFnOptions::new().eval_ast(false);
        options.this_ptr = this;
        let engine = engine::shared();
        let called = engine::guarded(|| {
            engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.ast, name, args)
        });
        called.map_err(|error| {
            let mut error = self.explain(*error);
            error.place = error.place.or_else(|| self.declared(name));
            error
        })
    }

    /// An error of a run, at its innermost place.
    fn explain(&self, error: EvalAltResult) -> ScriptError {
        let mut place_known = place(error.position());
        let mut error = error;
        // A call's error wraps the callee's, whose place is the better one.
        while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
            error = *inner;
            place_known = place(error.position()).or(place_known);
        }
        error.set_position(Position::NONE);
        let reason = match error {
            EvalAltResult::ErrorTooManyOperations(_) => {
                format!("it does more than {} operations in one call: is there an endless loop?", engine::OPERATIONS)
            }
            EvalAltResult::ErrorStackOverflow(_) => {
                format!("its functions call each other more than {} deep", engine::CALL_LEVELS)
            }
            other => other.to_string().trim_start_matches("Runtime error: ").to_owned(),
        };
        ScriptError { file: self.file.clone(), place: place_known, reason }
    }

    /// A fault of a whole function, or of a constant: where it is declared.
    fn wrong(&self, name: &str, reason: String) -> ScriptError {
        ScriptError { file: self.file.clone(), place: self.declared(name), reason }
    }

    fn declared(&self, name: &str) -> Option<(usize, usize)> {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let column = |line: &str| {
            let code = line.split("//").next().unwrap_or_default();
            ["fn ", "const ", "let "].iter().find_map(|word| {
                let at = code.find(&format!("{word}{name}"))?;
                ends(&code[at + word.len() + name.len()..]).then_some(at + 1)
            })
        };
        self.source.lines().enumerate().find_map(|(index, line)| Some((index + 1, column(line)?)))
    }
}

fn place(position: Position) -> Option<(usize, usize)> {
    position.line().map(|line| (line, position.position().unwrap_or(1)))
}
