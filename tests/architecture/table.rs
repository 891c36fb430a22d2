//! The rules that ARCHITECTURE.md states in its fenced blocks, as people read them there.

use std::collections::BTreeMap;

/// What the blocks `layers`, `narrow`, `homes` and `pure` say.
#[derive(Debug, Default)]
pub struct Rules {
    /// Each module's line; a larger number is lower.
    layers: BTreeMap<String, usize>,
    /// The only modules that these import.
    narrow: BTreeMap<String, Vec<String>>,
    /// What occurs only in these files or folders of `src`, named without `.rs`.
    pub homes: BTreeMap<String, Vec<String>>,
    /// Modules without async, clock, I/O and logging.
    pub pure: Vec<String>,
}

impl Rules {
    /// Reads the blocks. A missing or empty one is an error, and so is a rule about a module that has no layer.
    pub fn read(document: &str) -> Result<Self, String> {
        let mut layers = BTreeMap::new();
        for (level, line) in block(document, "layers")?.iter().enumerate() {
            for module in line.split_whitespace() {
                if layers.insert(module.to_owned(), level).is_some() {
                    return Err(format!("layers: {module} is there twice"));
                }
            }
        }
        let pure = block(document, "pure")?.iter().flat_map(|line| words(line)).collect();
        let rules = Self { layers, narrow: lists(document, "narrow")?, homes: lists(document, "homes")?, pure };
        let narrowed = rules.narrow.iter().flat_map(|(module, allowed)| allowed.iter().chain([module]));
        let unknown = narrowed.chain(&rules.pure).find(|module| !rules.has(module));
        if let Some(module) = unknown {
            return Err(format!("{module} has a rule and no layer"));
        }
        Ok(rules)
    }

    /// Whether the table knows `module`.
    pub fn has(&self, module: &str) -> bool {
        self.layers.contains_key(module)
    }

    /// Why `from` must not import `to`, or `None` if it may.
    pub fn objection(&self, from: &str, to: &str) -> Option<String> {
        let (Some(own), Some(other)) = (self.layers.get(from), self.layers.get(to)) else {
            let unknown = if self.has(from) { to } else { from };
            return Some(format!("{unknown} is not in the import table"));
        };
        if let Some(allowed) = self.narrow.get(from) {
            return (!allowed.iter().any(|name| name == to)).then(|| format!("{from} imports only {allowed:?}"));
        }
        (own >= other).then(|| format!("{to} is not below {from}"))
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// `name: word word` lines; the words may be missing, the colon not.
fn lists(document: &str, name: &str) -> Result<BTreeMap<String, Vec<String>>, String> {
    let parse = |line: &String| {
        let (key, rest) = line.split_once(": ").or_else(|| line.strip_suffix(':').map(|key| (key, "")))?;
        Some((key.trim().to_owned(), words(rest)))
    };
    let lines = block(document, name)?;
    lines.iter().map(|line| parse(line).ok_or_else(|| format!("{name}: no colon in {line:?}"))).collect()
}

/// The lines of the block that opens with ```` ```text NAME ````.
fn block(document: &str, name: &str) -> Result<Vec<String>, String> {
    let opening = format!("```text {name}");
    let lines: Vec<String> = document
        .lines()
        .skip_while(|line| line.trim_end() != opening)
        .skip(1)
        .take_while(|line| line.trim_end() != "```")
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect();
    if lines.is_empty() { Err(format!("ARCHITECTURE.md has no block {opening:?}")) } else { Ok(lines) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const DOCUMENT: &str = "prose\n```text layers\nmain\ncli\nrunner relay\nstore\nclock lifecycle\n```\n\
        ```text narrow\nlifecycle:\nstore: lifecycle\n```\n```text homes\nsqlx: store\nstd::env: cli\n\
        SystemTime::now: clock\njlens_core: relay/one\n```\n```text pure\nlifecycle\n```\n";

    #[test]
    fn imports_go_down_and_nowhere_else() {
        let rules = Rules::read(DOCUMENT).unwrap();
        assert_eq!(rules.objection("cli", "store"), None);
        assert_eq!(rules.objection("store", "runner").unwrap(), "store imports only [\"lifecycle\"]");
        assert_eq!(rules.objection("runner", "cli").unwrap(), "cli is not below runner");
        assert_eq!(rules.objection("runner", "relay").unwrap(), "relay is not below runner");
        assert_eq!(rules.objection("runner", "misc").unwrap(), "misc is not in the import table");
        assert_eq!(rules.objection("misc", "clock").unwrap(), "misc is not in the import table");
    }

    #[test]
    fn a_narrow_module_imports_only_its_own_list() {
        let rules = Rules::read(DOCUMENT).unwrap();
        assert_eq!(rules.objection("store", "lifecycle"), None);
        assert!(rules.objection("store", "clock").is_some());
        assert!(rules.objection("lifecycle", "clock").is_some());
    }

    #[test]
    fn a_document_without_its_blocks_is_an_error() {
        assert!(Rules::read("nothing").unwrap_err().contains("layers"));
        assert!(Rules::read(&DOCUMENT.replace("text homes", "text")).unwrap_err().contains("homes"));
        assert!(Rules::read(&DOCUMENT.replace("store: lifecycle", "store")).unwrap_err().contains("no colon"));
        assert!(Rules::read(&DOCUMENT.replace("store: life", "stove: life")).unwrap_err().contains("stove"));
        assert!(Rules::read(&DOCUMENT.replace("runner relay", "runner cli")).unwrap_err().contains("twice"));
    }
}
