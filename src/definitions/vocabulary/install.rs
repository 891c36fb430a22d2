//! An environment with its installs.

use super::config::CONFIG;
use super::{Object, Others, Shape, members};

/// The document.
pub(crate) const INSTALLS: Object = Object {
    name: "installs",
    members: members! {
        "environment": Shape::Object(&ENVIRONMENT), "The environment that uses the integrations.";
        "installs": Shape::List(&Shape::Object(&INSTALL)), "What it uses.";
    },
    required: &["environment", "installs"],
    others: Others::Refused,
    variants: None,
};

const ENVIRONMENT: Object = Object {
    name: "environment",
    members: members! {
        "id": Shape::Id, "Written out by the author, never changed.";
        "name": Shape::Plain, "Its name.";
    },
    required: &["id", "name"],
    others: Others::Refused,
    variants: None,
};

/// An environment's use of an integration.
pub(crate) const INSTALL: Object = Object {
    name: "install",
    members: members! {
        "id": Shape::Id, "The `environment_integration_id` of import requests.";
        "integration": Shape::Plain, "The integration's name.";
        "is_enabled": Shape::Flag, "Whether imports are accepted; `true` when it is absent.";
        "override": Shape::Object(&CONFIG), "Laid over the integration's config: objects key by key, `null` removes, everything else is replaced.";
    },
    required: &["id", "integration"],
    others: Others::Refused,
    variants: None,
};
