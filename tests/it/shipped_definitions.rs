//! The definitions of this repository, held against the linter and the schemas that editors get.

use std::fs;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};
use tidewaiter::definitions::lint::{Document, KEPT, Severity, lint};
use tidewaiter::definitions::{files, installs_schema, integration_schema};
use tidewaiter::operate::trial::{Recording, recording_schema};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of one of our pairs of directories.
fn documents(directory: &str) -> Vec<PathBuf> {
    let both = ["integrations", "installs"].map(|below| files(&root().join(directory).join(below)).unwrap());
    let files = both.concat();
    assert!(files.len() >= 2, "{directory}");
    files
}

fn findings(directory: &str) -> Vec<String> {
    let read: Vec<Document> = documents(directory).iter().map(|file| Document::read(file).unwrap()).collect();
    let found = lint(&read, &[]).into_iter().filter(|it| it.finding.check != KEPT);
    found.map(|it| format!("{} {} {}", it.finding.severity, it.finding.check, it.finding.pointer)).collect()
}

#[test]
fn what_is_shipped_is_clean() {
    assert_eq!(findings("config"), [""; 0]);
    // The fixture's upstream is on this machine, and its client's secret is none.
    assert_eq!(
        findings("tests/fixtures"),
        [
            "warning clear_text /config/base_url",
            "warning secret /config/credentials/oauth2/config/client/secret",
            "warning clear_text /config/credentials/oauth2/config/auth/tokenHost",
            "info unknown_name /config/actions/validation/steps/0/config/body/tenant",
        ]
    );
}

/// The pages for authors, one after the other.
fn guide() -> String {
    let pages = ["docs/definitions.md", "docs/pagination.md"];
    pages.map(|page| fs::read_to_string(root().join(page)).unwrap()).join("\n")
}

#[test]
fn the_guides_examples_have_no_errors() {
    let guide = guide();
    let mut count = 0;
    for block in guide.split("```json example\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let example: Value = serde_json::from_str(block).unwrap();
        let document =
            json!({ "id": "5d2f0c1e-6a3b-4c8d-9e1f-7b6a5c4d3e2f", "name": "example", "config": example["config"] });
        let found = lint(&[Document::of("example.json".into(), document.to_string())], &[]);
        let errors: Vec<_> = found.iter().filter(|it| it.finding.severity == Severity::Error).collect();
        assert!(errors.is_empty(), "{block}: {errors:#?}");
        let schema = Schema::of(integration_schema());
        assert_eq!(schema.faults(&document), None, "{block}");
        count += 1;
    }
    assert!(count >= 10, "{count} examples");
}

struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn of(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("https://tidewaiter.example/schema.json", schema).unwrap();
        let index = compiler.compile("https://tidewaiter.example/schema.json", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn faults(&self, document: &Value) -> Option<String> {
        self.0.validate(document, self.1).err().map(|error| error.to_string())
    }
}

fn json_of(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn what_is_shipped_fits_the_schemas() {
    let (integration, installs) = (Schema::of(integration_schema()), Schema::of(installs_schema()));
    for file in ["config", "tests/fixtures"].into_iter().flat_map(documents) {
        let schema = if file.parent().is_some_and(|it| it.ends_with("installs")) { &installs } else { &integration };
        assert_eq!(schema.faults(&json_of(&file)), None, "{}", file.display());
    }
    let guide = guide();
    let mut found = 0;
    for block in guide.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let Ok(document) = serde_json::from_str::<Value>(block) else { continue };
        // Parts of definitions are shown too.
        let schema = match (document.get("installs"), document.get("config").and(document.get("id"))) {
            (Some(_), _) => &installs,
            (None, Some(_)) => &integration,
            (None, None) => continue,
        };
        assert_eq!(schema.faults(&document), None, "{block}");
        found += 1;
    }
    assert!(found >= 2, "the guide has whole documents");
    // The model's own example has rate limits that are no expressions, and nothing else.
    let mut model = json_of(&root().join("src/definitions/tests/model-integration.json"));
    assert!(integration.faults(&model).is_some_and(|told| told.contains("is_rate_limited")));
    for pointer in ["/config/rate_limit", "/config/resources/users/list/rate_limit"] {
        *model.pointer_mut(pointer).unwrap() = Value::Null;
    }
    assert_eq!(integration.faults(&model), None);
}

#[test]
fn an_editor_sees_what_compiling_would_refuse() {
    let schema = Schema::of(integration_schema());
    let document = |step: Value| {
        json!({
            "id": "5d2f0c1e-6a3b-4c8d-9e1f-7b6a5c4d3e2f", "name": "acme",
            "config": { "base_url": "https://h.test", "actions": { "validation": { "steps": [step] } } },
        })
    };
    for (step, is_sound) in [
        (json!({ "type": "request", "config": { "path": "/" } }), true),
        (json!({ "type": "request", "config": { "path": "/", "metod": "get" } }), false),
        (json!({ "type": "request", "config": { "path": "/", "body_format": "yaml" } }), false),
        (json!({ "type": "nonsense" }), false),
        (json!({ "config": {} }), false),
        (json!({ "type": "transform", "config": "a" }), true),
        (json!({ "type": "transform", "config": { "expression": "a" } }), true),
        (json!({ "type": "transform", "config": { "expresion": "a" } }), false),
        (json!({ "type": "transform", "config": "a", "run_iff": "b" }), false),
    ] {
        assert_eq!(schema.faults(&document(step.clone())).is_none(), is_sound, "{step}");
    }
}

#[test]
fn recordings_are_held_against_their_schema_as_the_program_reads_them() {
    let schema = Schema::of(recording_schema());
    let shipped =
        fs::read_dir(root().join("examples/recordings")).unwrap().map(|entry| json_of(&entry.unwrap().path()));
    let guide = guide();
    let blocks = guide.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown = blocks.filter_map(|block| serde_json::from_str::<Value>(block).ok());
    let good: Vec<Value> = shipped.chain(shown.filter(|it| it.get("exchanges").is_some())).collect();
    assert!(good.len() >= 3, "{}", good.len());
    for recording in &good {
        assert_eq!(schema.faults(recording), None, "{recording}");
    }
    let with = |response: Value| {
        let request = json!({ "method": "GET", "url": "https://pier.example/a", "headers": { "x-a": null } });
        json!({ "exchanges": [{ "request": request, "response": response }] })
    };
    for (response, is_good) in [
        (json!({ "status": 200, "body": null }), true),
        (json!({ "status": 200, "body": { "base64": "AA==" } }), true),
        (json!({ "status": 302, "error": "redirect" }), true),
        (json!({ "error": "timeout", "message": "late" }), true),
        (json!({}), false),
        (json!({ "status": 99 }), false),
        (json!({ "status": 200, "error": "timeout" }), false),
        (json!({ "status": 200, "message": "x" }), false),
        (json!({ "error": "timeout", "body": {} }), false),
        (json!({ "error": "late" }), false),
        (json!({ "status": 200, "reply": 1 }), false),
    ] {
        let recording = with(response);
        assert_eq!(schema.faults(&recording).is_none(), is_good, "{recording}: {:?}", schema.faults(&recording));
        assert_eq!(Recording::parse(recording.to_string().as_bytes()).is_ok(), is_good, "{recording}");
    }
}
