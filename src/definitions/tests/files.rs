//! Definitions in files.

use super::*;

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";
const ENVIRONMENT: &str = "00000000-0000-0000-0000-0000000000e0";
const INSTALL: &str = "00000000-0000-0000-0000-0000000000f0";

/// A directory with `integrations/` and `installs/`, gone when dropped.
struct Files(PathBuf);

impl Files {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("tidewaiter-load-{}-{test}", std::process::id()));
        for directory in ["integrations", "installs"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        for (name, text) in files {
            fs::write(root.join(name), text).unwrap();
        }
        Self(root)
    }

    fn load(&self) -> Result<DefinitionSet, LoadErrors> {
        load(&self.0.join("integrations"), &self.0.join("installs"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn integration(id: &str, name: &str) -> String {
    json!({ "id": id, "name": name, "config": { "base_url": "https://h.test" } }).to_string()
}

fn installs(integration: &str) -> String {
    json!({
        "environment": { "id": ENVIRONMENT, "name": "production" },
        "installs": [{ "id": INSTALL, "integration": integration }],
    })
    .to_string()
}

#[test]
fn json_and_yaml_are_read_in_the_order_of_their_names_and_other_files_are_left_alone() {
    let yaml = format!("id: {B}\nname: beta\nlabel: Beta\nconfig:\n  base_url: https://h.test\n");
    let sites = format!(
        "environment: {{ id: {ENVIRONMENT}, name: production }}\ninstalls:\n  - id: {INSTALL}\n    integration: beta\n    \
         is_enabled: false\n    override:\n      base_url: https://other.test\n      environment_variables: {{ N: 1 }}\n"
    );
    let files = Files::new(
        "order",
        &[
            ("integrations/2.json", &integration(A, "alpha")),
            ("integrations/1.yaml", &yaml),
            ("integrations/notes.txt", "not a definition"),
            ("installs/production.yml", &sites),
        ],
    );
    let set = files.load().unwrap();
    let names: Vec<&str> = set.integrations.iter().map(|integration| integration.name.as_str()).collect();
    assert_eq!(names, ["beta", "alpha"]);
    assert_eq!(set.environments, [(ENVIRONMENT.parse().unwrap(), "production".to_owned())]);
    assert!(!set.installs[0].is_enabled);
    let effective = set.effective(&set.installs[0]).unwrap();
    assert_eq!(effective.integration.label, "Beta");
    assert_eq!(effective.config["base_url"], "https://other.test");
    assert_eq!(effective.environment_variables["N"], 1);
}

#[test]
fn a_set_that_is_not_sound_is_refused_with_file_place_and_what_to_do() {
    let long = " ".repeat(1024 * 1024 + 1);
    let broken =
        json!({ "id": A, "name": "alpha", "config": { "actions": { "validation": { "steps": [{ "type": "x" }] } } } });
    let override_breaks = json!({
        "environment": { "id": ENVIRONMENT, "name": "production" },
        "installs": [{ "id": INSTALL, "integration": "alpha", "override": { "actions": { "validation": { "type": "x" } } } }],
    });
    let alpha = integration(A, "alpha");
    let good = ("integrations/a.json", alpha.as_str());
    for (index, (files, file, pointer, words)) in [
        (vec![("integrations/a.json", "{")], "a.json", "", "is not JSON"),
        (vec![("integrations/a.yaml", "a: [")], "a.yaml", "", "is not YAML"),
        (vec![("integrations/a.json", long.as_str())], "a.json", "", "at most 1048576"),
        (vec![("integrations/a.json", "{}")], "a.json", "", "`name` is missing"),
        (vec![("integrations/a.json", &integration("7", "alpha"))], "a.json", "/id", "must be a UUID"),
        (vec![("integrations/a.json", &integration(A, "Alpha"))], "a.json", "/name", "a-z, 0-9"),
        (
            vec![("integrations/a.json", &broken.to_string())],
            "a.json",
            "/config/actions/validation/steps/0/type",
            "not a type of step",
        ),
        (vec![good, ("integrations/b.json", &integration(A, "beta"))], "b.json", "/id", "every id is unique"),
        (vec![good, ("integrations/b.json", &integration(B, "alpha"))], "b.json", "/name", "rename one"),
        (vec![good, ("installs/i.json", &installs("beta"))], "i.json", "/installs/0/integration", "no file defines"),
        (
            vec![good, ("installs/i.json", &installs("alpha")), ("installs/j.json", &installs("alpha"))],
            "j.json",
            "/installs/0/id",
            "every id is unique",
        ),
        (
            vec![good, ("installs/i.json", &override_breaks.to_string())],
            "i.json",
            "/installs/0",
            "/config/actions/validation/type",
        ),
        (
            vec![good, ("installs/i.json", r#"{"environment":{"id":"x"}}"#)],
            "i.json",
            "/environment/id",
            "must be a UUID",
        ),
        (vec![good, ("installs/i.json", r#"{"environments":[]}"#)], "i.json", "/environments", "not known here"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = Files::new(&format!("refused-{index}"), &files).load().unwrap_err().0.remove(0);
        assert_eq!(error.file.file_name().unwrap().to_str(), Some(file), "{error}");
        assert_eq!(error.pointer, pointer, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn one_environment_has_one_name() {
    let other = installs("alpha").replace("production", "staging").replace(INSTALL, B);
    let files = Files::new(
        "environment",
        &[
            ("integrations/a.json", &integration(A, "alpha")),
            ("installs/i.json", &installs("alpha")),
            ("installs/j.json", &other),
        ],
    );
    let error = files.load().unwrap_err();
    assert_eq!(error.0[0].pointer, "/environment");
}

#[test]
fn a_directory_that_cannot_be_read_is_named() {
    let error = load(Path::new("/nowhere/integrations"), Path::new("/nowhere/installs")).unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/integrations: the directory cannot be read"), "{error}");
}

#[test]
fn all_that_is_wrong_with_a_set_is_told_at_once_and_nothing_that_only_follows_from_it() {
    let broken = json!({
        "id": A, "name": "alpha", "config": { "base_url": "https://h.test", "error_expression": "(", "actions": {
            "post_install": { "steps": [
                { "type": "x" }, { "type": "transform", "config": "[" }, { "type": "request", "config": { "path": "/" } },
            ] },
        } },
    });
    let sites = json!({
        "environment": { "id": ENVIRONMENT, "name": "production" },
        "installs": [
            { "id": INSTALL, "integration": "alpha" },
            { "id": "7", "integration": "beta" },
            { "id": B, "integration": "gamma" },
            { "id": ENVIRONMENT, "integration": "beta", "override": {
                "actions": { "validation": { "steps": [{ "type": "x" }, { "type": "y" }] } },
            } },
        ],
    });
    let files = Files::new(
        "all",
        &[
            ("integrations/a.json", &broken.to_string()),
            ("integrations/b.json", &integration(B, "beta")),
            ("integrations/c.json", &json!({ "id": "x", "name": "C C", "config": {} }).to_string()),
            ("installs/i.json", &sites.to_string()),
        ],
    );
    let errors = files.load().unwrap_err();
    let told: Vec<_> =
        errors.0.iter().map(|it| (it.file.file_name().unwrap().to_str().unwrap(), it.pointer.as_str())).collect();
    let expected = [
        ("a.json", "/config/error_expression"),
        ("a.json", "/config/actions/post_install/steps/0/type"),
        ("a.json", "/config/actions/post_install/steps/1/config"),
        ("c.json", "/id"),
        ("c.json", "/name"),
        ("i.json", "/installs/1/id"),
        ("i.json", "/installs/2/id"),
        ("i.json", "/installs/2/integration"),
        ("i.json", "/installs/3"),
        ("i.json", "/installs/3"),
    ];
    assert_eq!(sorted(told), sorted(expected.to_vec()), "{errors:#?}");
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

#[test]
fn a_file_whose_name_is_not_known_may_be_the_one_that_an_install_means() {
    let files = Files::new("nameless", &[("integrations/a.json", "{"), ("installs/i.json", &installs("alpha"))]);
    let errors = files.load().unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
}
