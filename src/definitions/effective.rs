//! The effective definition: an integration, an install's override and an account's own in one document, named by its hash.
//!
//! A run pins the hash, so an edit never changes a run under way. The document holds all that a run needs: the
//! integration's face, the merged config and the environment's variables. It also holds client secrets, so it leaves
//! this process only sealed.

use std::fmt;

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use super::error::CompileError;
use super::lint::secrets::masked;
use super::model::{Install, Integration};
use super::node::Node;
use super::{DefinitionHash, IntegrationRef};

/// The members of a config and of its layers that are no part of the merged config.
pub(super) const VARIABLES: &str = "environment_variables";
pub(super) const SECRET_VARIABLES: &str = "secret_environment_variables";

/// What a run works with.
#[derive(Clone, PartialEq)]
pub struct Effective {
    /// The integration's face.
    pub integration: IntegrationRef,
    /// The merged config, without the variables.
    pub config: Map<String, Value>,
    /// `override.environment_variables`.
    pub environment_variables: Map<String, Value>,
    /// `override.secret_environment_variables`: for definitions the same as the others, but never shown.
    pub secret_environment_variables: Map<String, Value>,
}

impl fmt::Debug for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effective").field("integration", &self.integration).finish_non_exhaustive()
    }
}

impl Effective {
    /// The integration alone: what an install without override runs.
    #[must_use]
    pub fn of(integration: &Integration) -> Self {
        Self::layered(integration, &[])
    }

    /// The integration under an install's override.
    #[must_use]
    pub fn merge(integration: &Integration, install: &Install) -> Self {
        Self::layered(integration, &[&install.overrides])
    }

    /// The integration under `layers`, the later ones on top: an install's override, and an account's over it.
    #[must_use]
    pub fn layered(integration: &Integration, layers: &[&Map<String, Value>]) -> Self {
        let mut config = integration.config.clone();
        let mut take = |key| match config.shift_remove(key) {
            Some(Value::Object(variables)) => variables,
            _ => Map::new(),
        };
        let environment_variables = take(VARIABLES);
        let secret_environment_variables = take(SECRET_VARIABLES);
        let plain =
            Self { integration: integration.face(), config, environment_variables, secret_environment_variables };
        layers.iter().fold(plain, |effective, layer| effective.under(layer))
    }

    /// This definition under one more layer: the same as if the layer had been the last of those it was made of, so that an
    /// account's override can be laid over what its install has pinned.
    #[must_use]
    pub fn under(mut self, layer: &Map<String, Value>) -> Self {
        let variables = |variables: &mut Map<String, Value>, over: &Value| match over {
            Value::Object(over) => overlay(variables, over),
            _ => variables.clear(),
        };
        for (key, value) in layer {
            match key.as_str() {
                VARIABLES => variables(&mut self.environment_variables, value),
                SECRET_VARIABLES => variables(&mut self.secret_environment_variables, value),
                _ => overlay_member(&mut self.config, key, value),
            }
        }
        self
    }

    /// The document as JSON, to be sealed. Its members keep the author's order: bodies are written in it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let document = json!({
            "integration": self.integration,
            "config": self.config,
            "environment_variables": self.environment_variables,
            "secret_environment_variables": self.secret_environment_variables,
        });
        document.to_string().into_bytes()
    }

    /// Reads what [`Effective::to_bytes`] wrote.
    ///
    /// # Errors
    /// When the bytes are not such a document.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CompileError> {
        let document: Value = serde_json::from_slice(bytes)
            .map_err(|error| CompileError::new("", format!("the stored definition is not JSON: {error}")))?;
        let node = Node::new(&document, "");
        let face = node.require("integration")?;
        let integration = serde_json::from_value(face.value.clone())
            .map_err(|error| face.refuse(format!("is not an integration's face: {error}")))?;
        let object = |key| node.require(key).and_then(|member| member.object().cloned());
        Ok(Self {
            integration,
            config: object("config")?,
            environment_variables: object("environment_variables")?,
            secret_environment_variables: object("secret_environment_variables")?,
        })
    }

    /// The document for people: no secret in it can be read.
    #[must_use]
    pub fn masked(&self) -> Value {
        masked(&self.document())
    }

    /// The document as people know it.
    pub(super) fn document(&self) -> Map<String, Value> {
        let mut document = Map::new();
        document.insert("id".to_owned(), Value::from(self.integration.id.to_string()));
        document.insert("name".to_owned(), Value::from(self.integration.name.clone()));
        document.insert("label".to_owned(), Value::from(self.integration.label.clone()));
        let mut config = self.config.clone();
        for (key, variables) in
            [(VARIABLES, &self.environment_variables), (SECRET_VARIABLES, &self.secret_environment_variables)]
        {
            if !variables.is_empty() {
                config.insert(key.to_owned(), Value::Object(variables.clone()));
            }
        }
        document.insert("config".to_owned(), Value::Object(config));
        document
    }

    /// SHA-256 of [`Effective::to_bytes`].
    #[must_use]
    pub fn hash(&self) -> DefinitionHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &self.to_bytes()).as_ref());
        DefinitionHash(hash)
    }
}

/// Lays `over` on `base`: objects merge deeply, everything else replaces, an explicit null deletes the inherited key.
/// A subtree that has no counterpart in `base` is taken as it is, nulls included.
fn overlay(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    over.iter().for_each(|(key, value)| overlay_member(base, key, value));
}

fn overlay_member(base: &mut Map<String, Value>, key: &str, value: &Value) {
    match (base.get_mut(key), value) {
        (_, Value::Null) => {
            base.shift_remove(key);
        }
        (Some(Value::Object(inherited)), Value::Object(over)) => overlay(inherited, over),
        _ => {
            base.insert(key.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn merged(config: &Value, overrides: &Value) -> Effective {
        let document = json!({ "id": Uuid::nil(), "name": "acme", "config": config });
        let integration = Integration::parse(&document).unwrap();
        Effective::layered(&integration, &[overrides.as_object().unwrap()])
    }

    #[test]
    fn objects_merge_deeply_arrays_and_scalars_replace_and_null_deletes() {
        let effective = merged(
            &json!({ "headers": { "a": "1", "b": "2" }, "list": [1, 2], "n": 1, "gone": { "x": 1 } }),
            &json!({ "headers": { "b": "3", "c": "4" }, "list": [3], "n": 2, "gone": null, "new": { "x": null } }),
        );
        let expected =
            json!({ "headers": { "a": "1", "b": "3", "c": "4" }, "list": [3], "n": 2, "new": { "x": null } });
        assert_eq!(Value::Object(effective.config), expected);
    }

    #[test]
    fn variables_leave_the_config_and_debug_output_shows_no_secret() {
        let effective = merged(
            &json!({}),
            &json!({ "environment_variables": { "A": "clear" }, "secret_environment_variables": { "B": "hush" } }),
        );
        assert!(effective.config.is_empty());
        assert_eq!(effective.environment_variables["A"], "clear");
        assert_eq!(effective.secret_environment_variables["B"], "hush");
        assert!(!format!("{effective:?}").contains("hush"));
    }

    /// A layer or a config whose members meet those of others often, nulls and variables among them.
    fn layer() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![Just(Value::Null), (0..3_u8).prop_map(Value::from), Just(json!([1, null]))];
        let key = prop_oneof![Just("a"), Just("b"), Just(VARIABLES), Just(SECRET_VARIABLES)];
        let value = leaf.prop_recursive(3, 16, 3, move |inner| {
            let member = (prop_oneof![Just("a"), Just("b"), Just(VARIABLES)], inner);
            proptest::collection::vec(member, 0..3).prop_map(|members| {
                Value::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            })
        });
        proptest::collection::vec((key, value), 0..5)
            .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    proptest! {
        #[test]
        fn a_layer_over_what_was_stored_is_the_last_of_the_layers(config in layer(), install in layer(), account in layer()) {
            let document = json!({ "id": Uuid::nil(), "name": "acme", "config": config });
            let integration = Integration::parse(&document).unwrap();
            let stored = Effective::layered(&integration, &[&install]).to_bytes();
            let over = Effective::from_bytes(&stored).unwrap().under(&account);
            prop_assert_eq!(over.hash(), Effective::layered(&integration, &[&install, &account]).hash());
        }
    }

    #[test]
    fn an_accounts_layer_changes_adds_and_removes_what_the_install_made_of_it() {
        let install = json!({ "headers": { "a": "1", "b": "2" }, "environment_variables": { "A": 1, "B": 2 } });
        let account = json!({ "headers": { "a": null, "c": "3" }, "environment_variables": { "B": null, "C": 3 } });
        let both = merged(&json!({ "headers": { "d": "4" } }), &install).under(account.as_object().unwrap());
        assert_eq!(both.config["headers"], json!({ "d": "4", "b": "2", "c": "3" }));
        assert_eq!(Value::Object(both.environment_variables), json!({ "A": 1, "C": 3 }));
    }

    #[test]
    fn the_hash_depends_on_the_content_and_on_the_order_of_members_which_bodies_are_written_in() {
        let one = merged(&json!({ "a": 1, "b": { "c": 2, "d": 3 } }), &json!({}));
        let two = merged(&json!({ "b": { "d": 3, "c": 2 }, "a": 1 }), &json!({}));
        let other = merged(&json!({ "a": 1, "b": { "c": 2, "d": 4 } }), &json!({}));
        assert_eq!(one.hash(), one.clone().hash());
        assert_ne!(one.hash(), two.hash());
        assert_ne!(one.hash(), other.hash());
        let read = Effective::from_bytes(&two.to_bytes()).unwrap();
        assert_eq!(read.config.keys().collect::<Vec<_>>(), ["b", "a"]);
    }

    #[test]
    fn what_is_stored_reads_back_to_the_same_definition() {
        let effective =
            merged(&json!({ "n": 9_007_199_254_740_993_u64 }), &json!({ "environment_variables": { "A": 1 } }));
        let read = Effective::from_bytes(&effective.to_bytes()).unwrap();
        assert_eq!(read, effective);
        assert_eq!(read.hash(), effective.hash());
        assert_eq!(Effective::from_bytes(b"{}").unwrap_err().message, "`integration` is missing");
    }
}
