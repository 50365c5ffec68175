//! How much work the program is to each kernel's verifier, and how large it is then: recorded, and
//! compared, so that it does not grow unnoticed.

use std::{collections::BTreeMap, env, fmt, fs};

use rpcguard_common::parse::LinkLayer;
use rpcguard_tests::{
    kernel::{Kernel, Load, Program},
    lab::skip,
};

/// What was recorded, a line for each kernel and program.
const RECORDED: &str = include_str!("../fixtures/verifier.txt");

/// By how much a figure may grow, in percent. Compilers and stable releases of kernels differ by less.
const TOLERANCE: u64 = 3;

/// Names the kernel in a virtual machine.
const VM: &str = "RPCGUARD_VM";

/// Names a file to write the figures to.
const RECORD: &str = "RPCGUARD_RECORD";

/// How to take over figures that grew on purpose.
const ANEW: &str = "`cargo xtask vm --record` records them anew";

/// Figures of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Figures {
    /// Instructions that the verifier looked at; kernels before 5.16 do not tell.
    verified: Option<u64>,
    /// Bytes of what was left of the program.
    translated: u64,
    /// Bytes of machine code.
    compiled: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verified {
            Some(verified) => write!(f, "{verified}")?,
            None => write!(f, "-")?,
        }
        write!(f, " {} {}", self.translated, self.compiled)
    }
}

impl Figures {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            verified: match words.next()? {
                "-" => None,
                number => Some(number.parse().ok()?),
            },
            translated: words.next()?.parse().ok()?,
            compiled: words.next()?.parse().ok()?,
        })
    }

    /// Each figure that is more than what was recorded allows.
    fn excess(&self, recorded: &Self) -> Vec<String> {
        [
            (
                "instructions verified",
                self.verified.unwrap_or(0),
                recorded.verified.unwrap_or(0),
            ),
            ("bytes translated", self.translated, recorded.translated),
            ("bytes compiled", self.compiled, recorded.compiled),
        ]
        .into_iter()
        .filter(|(_, now, then)| now * 100 > then * (100 + TOLERANCE))
        .map(|(what, now, then)| format!("{now} {what}, and {then} were recorded"))
        .collect()
    }
}

/// Figures by kernel and program.
fn recorded() -> BTreeMap<&'static str, Figures> {
    RECORDED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let parsed = line.split_once(": ");
            parsed
                .and_then(|(name, figures)| Some((name, Figures::parse(figures)?)))
                .unwrap_or_else(|| panic!("`{line}` are no figures"))
        })
        .collect()
}

/// Each program as a guard loads it that needs nothing, and as one that has a rate policy and long lists.
fn measured(test: &str, kernel: &str) -> Option<BTreeMap<String, Figures>> {
    let mut figures = BTreeMap::new();
    for (everything, with) in [(false, "smallest"), (true, "largest")] {
        let load = Load {
            limiter: everything,
            tables: everything,
            ..LinkLayer::Ethernet.into()
        };
        let loaded = Kernel::load_or_skip(test, load)?;
        for (program, name) in [(Program::Linear, "linear"), (Program::Frags, "frags")] {
            let Ok(program) = loaded.xdp(program).and_then(|xdp| Ok(xdp.info()?)) else {
                continue;
            };
            let name = format!("{kernel} {name} {with}");
            let info = Figures {
                verified: program.verified_instruction_count().map(u64::from),
                translated: program.size_translated().expect("since 4.13").into(),
                compiled: program.size_jitted().into(),
            };
            figures.insert(name, info);
        }
    }
    Some(figures)
}

#[test]
fn the_program_has_not_grown_on_any_kernel() {
    let test = "the_program_has_not_grown_on_any_kernel";
    let Ok(kernel) = env::var(VM) else {
        return skip(
            test,
            "figures are recorded for the kernels of `cargo xtask vm`",
        );
    };
    let Some(measured) = measured(test, &kernel) else {
        return;
    };
    if let Some(file) = env::var_os(RECORD) {
        let lines: String = measured
            .iter()
            .map(|(name, figures)| format!("{name}: {figures}\n"))
            .collect();
        return fs::write(file, lines).expect("a file that can be written");
    }
    let recorded = recorded();
    for (name, figures) in measured {
        let then = recorded
            .get(name.as_str())
            .unwrap_or_else(|| panic!("nothing is recorded for {name}; {ANEW}"));
        let excess = figures.excess(then);
        assert!(
            excess.is_empty(),
            "{name}: {}; if that is meant, {ANEW}",
            excess.join("; ")
        );
    }
}

#[test]
fn more_than_a_little_growth_is_noticed() {
    let then = Figures::parse("50000 20000 -1");
    assert_eq!(then, None);
    let then = Figures::parse("50000 20000 12000").unwrap();
    assert_eq!(then.to_string(), "50000 20000 12000");
    let little = Figures::parse("51500 20600 12360").unwrap();
    assert!(little.excess(&then).is_empty());
    let more = Figures::parse("51501 20600 12361").unwrap();
    assert_eq!(
        more.excess(&then),
        [
            "51501 instructions verified, and 50000 were recorded",
            "12361 bytes compiled, and 12000 were recorded"
        ]
    );
    let old = Figures::parse("- 20000 12000").unwrap();
    assert!(old.excess(&old).is_empty());
}
