//! Which integration is tried, and for which install.

use serde_json::Value;
use uuid::Uuid;

use crate::cli::CliError;
use crate::config::Settings;
use crate::definitions::{self, DefinitionSet, Install, Integration};

/// The integration of that name, and the install that is meant.
pub(super) fn chosen(
    settings: &Settings,
    name: &str,
    wanted: Option<Uuid>,
    import: Option<&Value>,
) -> Result<(Integration, Option<Install>), CliError> {
    let directories = &settings.definitions;
    let set = definitions::load(&directories.integrations_dir, &directories.installs_dir)?;
    let Some(integration) = set.integration(name) else {
        let names: Vec<&str> = set.integrations.iter().map(|integration| integration.name.as_str()).collect();
        let known =
            if names.is_empty() { "there is none".to_owned() } else { format!("there is: {}", names.join(", ")) };
        return Err(CliError::bad_input(format!("no integration is called `{name}`")).hint(known));
    };
    Ok((integration.clone(), install(&set, name, wanted, import)?.cloned()))
}

fn install<'a>(
    set: &'a DefinitionSet,
    name: &str,
    wanted: Option<Uuid>,
    import: Option<&Value>,
) -> Result<Option<&'a Install>, CliError> {
    let installs: Vec<&Install> = set.installs.iter().filter(|install| install.integration == name).collect();
    let enabled: Vec<&Install> = installs.iter().copied().filter(|install| install.is_enabled).collect();
    let find = |id: Uuid| installs.iter().copied().find(|install| install.id == id);
    let ids = || installs.iter().map(|install| install.id.to_string()).collect::<Vec<_>>().join(", ");
    if let Some(id) = wanted {
        let unknown =
            || CliError::bad_input(format!("{id} is no install of `{name}`")).hint(format!("there is: {}", ids()));
        return find(id).map(Some).ok_or_else(unknown);
    }
    let body = import.map(|import| import.get("body").unwrap_or(import));
    let named = body.and_then(|body| body.get("environment_integration_id")?.as_str()?.parse().ok());
    match (named.and_then(find), installs.as_slice(), enabled.as_slice()) {
        (Some(install), ..) => Ok(Some(install)),
        (None, [], _) => Ok(None),
        (None, [only], _) | (None, _, [only]) => Ok(Some(only)),
        (None, ..) => {
            let message = format!("`{name}` has several installs, and the import names none of them");
            Err(CliError::bad_input(message).hint(format!("choose one with --install: {}", ids())))
        }
    }
}
