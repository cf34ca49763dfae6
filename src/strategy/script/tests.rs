//! Scripts: what they may say, what they may not do, and where an error says it is.

use super::super::stories::{flat_bar, said, signals};
use super::super::{Strategy, Target, build_with};
use super::*;

fn strategy(source: &str, given: &[(&str, &str)]) -> Result<Box<dyn Strategy>, String> {
    let script = Script::parse("my.rhai", source).map_err(|error| error.to_string())?;
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    build_with("script:my.rhai", &given, Some(&script)).map_err(|error| error.to_string())
}

/// What is wrong with a script: before its first bar, or on one of its first three.
fn fault(source: &str) -> String {
    let mut strategy = match strategy(source, &[]) {
        Ok(strategy) => strategy,
        Err(refused) => return format!("refused: {refused}"),
    };
    for index in 0..3 {
        assert_eq!(strategy.on_bar(&flat_bar(index, 10.0)), None, "{source}");
    }
    strategy.fault().map_or_else(|| "no fault".to_owned(), str::to_owned)
}

/// The same of a script whose `on_bar`, from line 2 on, is this.
fn on_bar(body: &str) -> String {
    fault(&format!("const WARM_UP = 1; fn on_bar(bar) {{\n{body}\n}}"))
}

#[test]
fn a_script_speaks_as_a_compiled_strategy_does_and_remembers() {
    let source = "const WARM_UP = 2;
        fn params() { #{ limit: 10.5, name: \"x\", on: true } }
        fn init(params) { #{ last: (), params: params } }
        fn on_bar(bar) {
            let last = this.last;
            this.last = bar.close;
            if last == () || !this.params.on { return (); }
            if bar.close > last && bar.close > this.params.limit { 1 } else if bar.close < last { -0.5 } else { () }
        }";
    let closes = [10.0, 11.0, 10.0, 10.2, 12.0];
    assert_eq!(said(strategy(source, &[]).unwrap().as_mut(), &closes), [(1, 1.0), (2, -0.5), (4, 1.0)]);
    assert_eq!(said(strategy(source, &[("limit", "11.5")]).unwrap().as_mut(), &closes), [(2, -0.5), (4, 1.0)]);
    assert_eq!(said(strategy(source, &[("on", "false")]).unwrap().as_mut(), &closes), []);
    let wrong = |name, value| strategy(source, &[(name, value)]).err().unwrap();
    let unknown = wrong("limits", "3");
    assert!(unknown.contains("\"limits\" does not exist; it has: limit, name, on"), "{unknown}");
    assert!(wrong("limit", "much").contains("limit is \"much\"; use a number (its default is 10.5)"));
    assert!(wrong("on", "maybe").contains("use true or false"));
}

#[test]
fn without_init_the_state_begins_as_the_parameters() {
    let source = "const WARM_UP = 1; fn params() { #{ level: 10 } } fn on_bar(bar) { if bar.close > this.level { 1 } else { 0 } }";
    assert_eq!(said(strategy(source, &[]).unwrap().as_mut(), &[9.0, 11.0]), [(0, 0.0), (1, 1.0)]);
}

#[test]
fn a_bar_is_all_there() {
    let source = "const WARM_UP = 1;
        fn on_bar(bar) {
            if bar.index == 1 && bar.open == 10.0 && bar.high == 10.0 && bar.low == 10.0 && bar.close == 10.0
                && bar.volume == () && bar.time == 1 && bar.end == 2 { 1 } else { () }
        }";
    assert_eq!(said(strategy(source, &[]).unwrap().as_mut(), &[10.0, 10.0]), [(1, 1.0)]);
}

#[test]
fn two_strategies_of_one_script_share_nothing() {
    let source = "const WARM_UP = 1; fn init() { #{ mean: sma(2) } }
        fn on_bar(bar) { let mean = this.mean; let value = mean.push(bar.close); if value == () { () } else { 1 } }";
    let script = Script::parse("my.rhai", source).unwrap();
    let mut both = [(); 2].map(|()| script.build("script:my.rhai", &BTreeMap::new()).unwrap());
    for strategy in &mut both {
        assert_eq!(said(strategy.as_mut(), &[1.0, 2.0, 3.0]), [(1, 1.0), (2, 1.0)]);
    }
}

#[test]
fn what_cannot_start_is_refused_with_its_line() {
    let ok = "fn on_bar(bar) { () }";
    for (source, expected) in [
        ("const WARM_UP = 1;\nfn on_bar(bar) {\n  let x = ;\n}".to_owned(), "my.rhai line 3, column 11: "),
        ("const WARM_UP = 1;\nfn on_bar(bar) { baz }".to_owned(), "my.rhai line 2, column 18: Undefined variable: baz"),
        (format!("\n{ok}"), "either const WARM_UP = 30; or fn warm_up(params)"),
        (format!("const WARM_UP = 3;\nfn warm_up(params) {{ 3 }}\n{ok}"), "my.rhai line 1, column 1: say how many"),
        (format!("{ok}\nconst WARM_UP = 0;"), "my.rhai line 2, column 1: the warm-up is 0 bars; use 1 to 1000000"),
        (format!("{ok}\nconst WARM_UP = 2.5;"), "my.rhai line 2, column 1: WARM_UP is a f64"),
        (format!("{ok}\nfn warm_up(params) {{ \"x\" }}"), "my.rhai line 2, column 1: it returned a string"),
        ("const WARM_UP = 1;".to_owned(), "it has no fn on_bar(bar)"),
        ("const WARM_UP = 1;\nfn on_bar() { 1 }".to_owned(), "my.rhai line 2, column 1: write it as fn on_bar(bar)"),
        (
            format!("const WARM_UP = 1;\nlet last = 3;\n{ok}"),
            "my.rhai line 2, column 1: variable last outside functions",
        ),
        (format!("const WARM_UP = 1;\n{ok}\nfn params() {{ 3 }}"), "my.rhai line 3, column 1: params returned a i64"),
        (format!("const WARM_UP = 1;\n{ok}\nfn params() {{ #{{ a: [] }} }}"), "parameter a is a array"),
        (format!("const WARM_UP = 1;\n{ok}\nfn init() {{\n throw \"not so\" }}"), "my.rhai line 4, column 2: not so"),
        (
            format!("const WARM_UP = 1;\n{ok}\nfn init() {{ sma(0) }}"),
            "my.rhai line 3, column 13: an indicator of 0 bars",
        ),
        (format!("const WARM_UP = 1;\n{ok}\nloop {{ }}"), "endless loop"),
        (format!("const WARM_UP = 1;\n{ok}\nfn params() {{ loop {{ }} }}"), "endless loop"),
    ] {
        let told = fault(&source);
        assert!(told.starts_with("refused: ") && told.contains(expected), "{source}\n{told}");
    }
    let long = format!("const WARM_UP = 1;\n{ok}\n//{}", "x".repeat(LONGEST));
    assert!(fault(&long).contains("at most 262144"));
}

#[test]
fn what_fails_on_a_bar_falls_silent_and_says_where() {
    for (body, expected) in [
        ("loop { }", "does more than 100000 operations in one call"),
        ("let x = 0; while true { x += 1; }", "does more than 100000 operations"),
        ("2.5", "my.rhai line 1, column 20: on_bar returned 2.5; use a number from -1 to 1"),
        ("-2", "on_bar returned -2;"),
        ("0.0 / 0.0", "on_bar returned NaN;"),
        ("\"buy\"", "on_bar returned a string;"),
        ("true", "on_bar returned a bool;"),
        ("let x = 1;\nlet y = x / 0;\n0", "my.rhai line 3, column 11: Division by zero"),
        ("this.nothing.push(1)", "my.rhai line 2, column "),
        ("bar.colour", "my.rhai line 2, column "),
        ("throw \"enough\"", "my.rhai line 2, column 1: enough"),
        ("sma(3).push(0.0 / 0.0)", "push(NaN): use a number"),
        ("sma(3).push(1e300)", "use a number between -1e12 and 1e12"),
        ("atr(3).push(1)", "an atr measures bars: use update(bar)"),
        ("sma(1000000)", "an indicator of 1000000 bars; use 1 to 10000"),
        ("let x = \"x\"; loop { x += x; }", "too large"),
        ("let x = []; loop { x.push(1); }", "too large"),
        ("let x = []; loop { x = [x, x]; }", "too large"),
        ("let x = []; x.pad(1000000000, 0); 1", "too large"),
        ("let x = \"\"; x.pad(1000000000, \"abc\"); 1", "too large"),
        ("9223372036854775807 + 1 + bar.index", "my.rhai line 2"),
    ] {
        let told = on_bar(body);
        assert!(told.contains(expected) && told.starts_with("my.rhai line "), "{body}\n{told}");
    }
    let helper = "const WARM_UP = 1;\nfn on_bar(bar) {\n  help(0)\n}\nfn help(x) {\n  1 / x\n}";
    assert!(fault(helper).starts_with("my.rhai line 6, column 5: Division by zero"), "{}", fault(helper));
}

#[test]
fn a_fault_lasts_and_nothing_is_said_after_it() {
    let source = "const WARM_UP = 1; fn on_bar(bar) { if bar.index == 2 { 7 } else { 1 } }";
    let mut strategy = strategy(source, &[]).unwrap();
    assert_eq!(said(strategy.as_mut(), &[1.0; 6]), [(0, 1.0), (1, 1.0)]);
    assert!(strategy.fault().unwrap().contains("returned 7"));
}

#[test]
fn what_a_script_remembers_has_an_end() {
    let source = "const WARM_UP = 1; fn init() { #{} }
        fn on_bar(bar) { for key in 0..100 { this[`${bar.index} ${key}`] = [1, 2, 3]; } 1 }";
    let mut strategy = strategy(source, &[]).unwrap();
    let heard = said(strategy.as_mut(), &[1.0; 1_000]).len();
    assert!((30..150).contains(&heard), "{heard}");
    assert!(strategy.fault().unwrap().contains("remembers more than 20000 values"), "{:?}", strategy.fault());
}

#[test]
fn values_within_values_have_an_end() {
    for step in ["x = [x];", "x = #{ a: x };", "let y = #{}; y.a = x; x = y;", "let y = [0]; y[0] = x; x = y;"] {
        let told = on_bar(&format!("let x = (); loop {{ {step} }}"));
        assert!(told.starts_with("my.rhai line "), "{step}: {told}");
        let told = on_bar(&format!("let x = this; loop {{ {step} this.x = x; }}"));
        assert!(told.starts_with("my.rhai line "), "{step}: {told}");
        let bars = step.replace('x', "this.x");
        let source = format!(
            "const WARM_UP = 1; fn init() {{ #{{ x: () }} }}\nfn on_bar(bar) {{ for i in 0..100 {{ {bars} }} 1 }}"
        );
        let mut strategy = strategy(&source, &[]).unwrap();
        said(strategy.as_mut(), &[1.0; 500]);
        assert!(strategy.fault().is_some(), "{source}");
    }
}

#[test]
fn the_world_outside_is_out_of_reach() {
    for body in [
        "let f = Fn(\"eval\"); f.call(\"1\")",
        "let f = Fn(\"sleep\"); f.call(1)",
        "eval(\"1\")",
        "import \"x\" as x; 1",
        "print(1)",
        "debug(1)",
        "sleep(1)",
        "timestamp()",
        "exit(1)",
        "open_file(\"x\")",
        "parse_json(\"{}\")",
        "rand()",
        "blob(1000000000)",
    ] {
        let told = on_bar(body);
        assert!(told.contains("my.rhai line "), "{body}\n{told}");
    }
}

#[test]
fn the_deepest_script_that_is_allowed_fits_a_small_stack() {
    // Each level calls the next from within as many expressions as fit into a function.
    let nested = |depth: usize| format!("{}deeper(n - 1){}", "(1 + ".repeat(depth), ")".repeat(depth));
    let source = |depth: usize| {
        let deep = nested(depth);
        format!(
            "const WARM_UP = 1; fn deeper(n) {{ if n <= 0 {{ return 0; }}\n{deep} }}\nfn on_bar(bar) {{ deeper(9999) }}"
        )
    };
    assert_eq!(Script::parse("my.rhai", &source(1)).err(), None);
    let deepest = (1..200).take_while(|depth| Script::parse("my.rhai", &source(*depth)).is_ok()).last().unwrap();
    assert!((5..100).contains(&deepest), "{deepest}");
    let told = fault(&source(deepest));
    assert!(told.contains("call each other more than 16 deep"), "{told}");
    let endless = "const WARM_UP = 1;\nfn on_bar(bar) {\n  again(bar) }\nfn again(bar) { again(bar) }";
    assert!(fault(endless).contains("16 deep"), "{}", fault(endless));
}

#[test]
fn a_monstrous_text_is_an_error_or_a_script_but_no_crash() {
    let many = |part: &str| part.repeat(5_000);
    for monster in [
        format!("if bar.close < 0.0 {{ 1 }} {} else {{ 0 }}", many("else if bar.close < 1.0 { 1 }")),
        format!("1{}", many(" + 1")),
        format!("bar.close > 0.0{}", many(" && bar.close > 0.0")),
        format!("bar{}", many(".a")),
        format!("bar{}", many("[0]")),
        format!("{}1", many("-")),
        format!("{}true", many("!")),
        format!("{}1{}", many("("), many(")")),
        format!("{}1{}", many("["), many("]")),
        format!("{}1{}", many("#{a:"), many("}")),
        format!("{}1{}", many("{"), many("}")),
        format!("{}1{}", many("`${"), many("}`")),
        format!("{}1{}", many("abs("), many(")")),
        format!("let x = 0; x{}", many(" = x")),
        format!("let x = 0; {}", many("x += 1; ")),
        many("let x = 0; "),
        many("|x| "),
        many("switch bar { 1 => "),
        many("/*"),
        many("\""),
        many("\u{0}"),
    ] {
        if let Ok(mut strategy) = strategy(&format!("const WARM_UP = 1; fn on_bar(bar) {{ {monster} }}"), &[]) {
            strategy.on_bar(&flat_bar(0, 1.0));
        }
    }
    let functions = format!("const WARM_UP = 1; fn on_bar(bar) {{ () }} {}", many("fn on_bar(bar) { () }"));
    assert!(strategy(&functions, &[]).is_err());
}

#[test]
fn what_a_script_says_before_it_is_warm_is_not_heard() {
    let source = "const WARM_UP = 3; fn on_bar(bar) { 1 }";
    assert_eq!(said(strategy(source, &[]).unwrap().as_mut(), &[1.0; 4]), [(2, 1.0), (3, 1.0)]);
}

#[test]
fn every_indicator_that_is_offered_is_the_compiled_one() {
    let source = "const WARM_UP = 1;
        fn init() { #{ sma: sma(2), ema: ema(3), rsi: rsi(2), atr: atr(2), highest: highest(2), lowest: lowest(2),
            stddev: stddev(2), zscore: zscore(2), change: change(2) } }
        fn on_bar(bar) {
            for name in this.keys() { this[name].update(bar); }
            if bar.index == 1 && this.sma.value == 11.0 && this.ema.value == () { return 0.25; }
            if bar.index < 3 { return (); }
            // Closes 10, 12, 11, 14.
            if this.sma.value == 12.5 && this.ema.value == 12.5 && this.highest.value == 14.0 && this.lowest.value == 11.0
                && this.stddev.value == 1.5 && this.zscore.value == 1.0 && abs(this.change.value - 100.0 / 6.0) < 0.000001
                && this.atr.value == 2.0 && abs(this.rsi.value - 1100.0 / 12.0) < 100.0 { 1 } else { 0 }
        }";
    let mut strategy = strategy(source, &[]).unwrap();
    let heard = said(strategy.as_mut(), &[10.0, 12.0, 11.0, 14.0]);
    assert_eq!((heard, strategy.fault()), (vec![(1, 0.25), (3, 1.0)], None));
}

#[test]
fn the_example_says_what_the_built_in_says() {
    let example = include_str!("../../../examples/sma-cross.rhai");
    let mut price = 5_000_i64;
    let closes: Vec<f64> = (0..2_000_u64)
        .map(|bar| {
            price += i64::try_from((bar * bar * 7_919 + bar * 104_729) % 41).unwrap() - 20;
            price as f64 / 100.0
        })
        .collect();
    let given = [("fast", "5"), ("slow", "12")];
    let expected = signals("sma-cross", &given, &closes);
    assert!(expected.len() > 50, "{}", expected.len());
    let mut script = strategy(example, &given).unwrap();
    assert_eq!(said(script.as_mut(), &closes), expected);
    assert_eq!((script.warm_up(), script.fault()), (12, None));
    let refused = strategy(example, &[("fast", "20")]).err().unwrap();
    assert!(refused.contains("fast (20) must be less than slow (20)"), "{refused}");
    assert_eq!(Target::new(1.0), Some(Target::LONG));
}
