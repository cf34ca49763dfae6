//! What the language has, what it lacks, and how far a script may go.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{Engine, EvalAltResult, Position};

use super::offered;

/// Operations of one call: some hundred times what a rule needs, some ten milliseconds at worst.
pub(super) const OPERATIONS: u64 = 100_000;
/// Calls within calls.
pub(super) const CALL_LEVELS: usize = 16;
/// Expressions within expressions. With [`CALL_LEVELS`], what a thread's stack must hold.
const DEPTH: usize = 32;
/// Elements of an array with all that is in it. Its size is counted anew at each change: a larger one would
/// make an operation dear.
const ARRAY: usize = 1_000;
/// Properties of a map.
const MAP: usize = 256;
/// Bytes of a text.
const TEXT: usize = 4_096;

/// The one engine: it holds no state of any script.
pub(super) fn shared() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(build)
}

fn build() -> Engine {
    // Raw: what is not registered here is not there. The language's own package is left out on
    // purpose (it can sleep), as are time and byte arrays; files, imports and randomness are no part of
    // the crate as it is built.
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    for word in ["eval", "import", "export", "print", "debug"] {
        engine.disable_symbol(word);
    }
    engine
        .set_strict_variables(true)
        .set_fail_on_invalid_map_property(true)
        .set_max_operations(OPERATIONS)
        .set_max_call_levels(CALL_LEVELS)
        .set_max_expr_depths(DEPTH, DEPTH)
        .set_max_variables(256)
        .set_max_functions(100)
        .set_max_array_size(ARRAY)
        .set_max_map_size(MAP)
        .set_max_string_size(TEXT);
    offered::register(&mut engine);
    engine
}

/// Runs a script. A panic in the language itself would be a defect of it, and must not take the daemon
/// with it: it is an error of the script.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T, Box<EvalAltResult>>) -> Result<T, Box<EvalAltResult>> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        let reason = "the script language failed on it (a defect of the language, not of the script)";
        Err(Box::new(EvalAltResult::ErrorRuntime(reason.into(), Position::NONE)))
    })
}
