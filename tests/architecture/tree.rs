//! Rules about the tree as a whole: migrations, and what committed files may not say.

use std::fs;
use std::path::PathBuf;

use crate::code::File;

/// Folders in which people keep their own things: a path below one is somebody's machine.
const PRIVATE: &[&str] = &["home", "root", "Users", "work", "workspace", "builds", "mnt"];

/// The package's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` of the package, with its path below that folder, sorted. Build output is left out. A folder
/// that is not there has no files.
pub fn files(folder: &str) -> Vec<(String, PathBuf)> {
    let base = root().join(folder);
    let mut found = Vec::new();
    let mut open = vec![base.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if name == "target" || name == ".git" {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(below) = path.strip_prefix(&base) {
                found.push((below.to_string_lossy().replace('\\', "/"), path.clone()));
            }
        }
    }
    found.sort();
    found
}

/// The Rust files below `folder`.
pub fn sources(folder: &str) -> Vec<File> {
    texts(folder).into_iter().filter(|file| has_extension(&file.name, "rs")).collect()
}

/// The files below `folder` that are text.
pub fn texts(folder: &str) -> Vec<File> {
    let read = |(name, path)| Some(File { name, text: fs::read_to_string(path).ok()? });
    files(folder).into_iter().filter_map(read).collect()
}

fn has_extension(name: &str, wanted: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| extension == wanted)
}

/// Migrations of the two databases that do not mirror each other, or whose numbers do not count from 1.
pub fn migrations(postgres: &[String], sqlite: &[String]) -> Vec<String> {
    let only = |a: &[String], b: &[String], where_from: &str| {
        let missing = a.iter().filter(|name| !b.contains(name));
        missing.map(|name| format!("{name} is in {where_from} only")).collect::<Vec<_>>()
    };
    let mut faults = only(postgres, sqlite, "migrations/postgres");
    faults.extend(only(sqlite, postgres, "migrations/sqlite"));
    for (index, name) in postgres.iter().enumerate() {
        let expected = format!("{:04}_", index + 1);
        if !name.starts_with(&expected) || !has_extension(name, "sql") {
            faults.push(format!("{name} should be {expected}….sql"));
        }
    }
    faults
}

/// Places in `text` that name a path of somebody's machine.
pub fn private_paths(name: &str, text: &str) -> Vec<String> {
    let fault = |(index, line): (usize, &str)| {
        let found = PRIVATE.iter().map(|folder| format!("/{folder}/")).find(|path| begins_in(line, path))?;
        Some(format!("{name}:{}: {found} is a path of somebody's machine", index + 1))
    };
    text.lines().enumerate().filter_map(fault).collect()
}

/// Whether `line` holds `path` where a path begins, so `https://example.com/home/` and `src/home/` are none.
fn begins_in(line: &str, path: &str) -> bool {
    let begins = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '}' | ')' | '*')))
    };
    line.match_indices(path).any(|(at, _)| begins(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn migrations_must_mirror_each_other_and_count() {
        let good = names(&["0001_first.sql", "0002_more.sql"]);
        assert!(migrations(&good, &good).is_empty());
        assert_eq!(migrations(&good, &good[..1]), ["0002_more.sql is in migrations/postgres only"]);
        assert_eq!(migrations(&good[..1], &good), ["0002_more.sql is in migrations/sqlite only"]);
        let gap = names(&["0001_first.sql", "0003_more.sql"]);
        assert_eq!(migrations(&gap, &gap).len(), 1);
    }

    #[test]
    fn a_path_of_a_machine_is_found_and_an_address_is_not() {
        for line in PRIVATE.iter().map(|folder| format!("see \"/{folder}/me/x\"")) {
            assert_eq!(private_paths("a.md", &line).len(), 1, "{line}");
        }
        assert!(private_paths("a.md", "https://example.com/home/1\nsrc/root/x\n/var/lib/x").is_empty());
    }

    #[test]
    fn this_package_has_files() {
        assert!(files("tests/architecture").iter().any(|(name, _)| name == "tree.rs"));
        assert!(files("no-such-folder").is_empty());
    }
}
