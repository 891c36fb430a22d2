//! `GET /integration` and `GET /environment-integration`: the definitions as operators may see them, secrets masked.
//!
//! What is kept without being executed here (`webhook`, `tool_tags`, schemas, examples) is served like the rest.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Api, Problem};
use crate::accounts::{PlanError, install_record, integration_record};
use crate::store::IntegrationEntry;

/// What names one; what does not even decode to text names none.
type Name = Result<Path<String>, PathRejection>;

pub(super) async fn integrations(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    let installs = api.store.installs().await?;
    let entries = api.store.integrations().await?;
    let result: Vec<_> = entries.iter().map(|entry| integration_record(entry, &installs)).collect();
    Ok(Json(json!({ "result": result })))
}

/// One integration by id or name, as it is now or was at `?version=`.
pub(super) async fn integration(
    State(api): State<Api>,
    name: Name,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let entry = find(&api, name).await?;
    let version = version(query.as_deref().unwrap_or_default())?.unwrap_or(entry.version);
    let definition = api.intake.accounts.catalog.definition(entry.face.id, version).await?;
    let definition = definition.ok_or_else(|| Problem::not_found("version of the integration"))?;
    let own = json!({ "version": version, "hash": definition.hash().to_string() });
    Ok(Json(with(definition.masked(), own)))
}

pub(super) async fn installs(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    let result: Vec<_> = api.store.installs().await?.iter().map(install_record).collect();
    Ok(Json(json!({ "result": result })))
}

/// One install with the definition that its new runs work with: its integration under its override.
pub(super) async fn install(State(api): State<Api>, id: Name) -> Result<Json<Value>, Problem> {
    let id = id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
    let id = id.ok_or_else(|| Problem::bad_request("id", "has to be a UUID"))?;
    let entry = api.store.install(id).await?.ok_or_else(|| Problem::not_found("install"))?;
    let effective = api.intake.accounts.catalog.effective(&entry).await?;
    let own = json!({ "hash": entry.effective.to_string(), "effective": effective.masked() });
    Ok(Json(with(install_record(&entry), own)))
}

async fn find(api: &Api, name: Name) -> Result<IntegrationEntry, Problem> {
    let Ok(Path(name)) = name else { return Err(Problem::not_found("integration")) };
    let id = Uuid::try_parse(&name).ok();
    let found = api.store.integrations().await?.into_iter().find(|entry| match id {
        Some(id) => entry.face.id == id,
        None => entry.face.name == name,
    });
    found.ok_or_else(|| Problem::not_found("integration"))
}

fn version(query: &str) -> Result<Option<i64>, Problem> {
    let mut version = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "version" {
            return Err(Problem::bad_request(&name.chars().take(64).collect::<String>(), "is not a parameter"));
        }
        let number = value.parse().map_err(|_| Problem::bad_request("version", "has to be a number"))?;
        version = Some(number);
    }
    Ok(version)
}

fn with(mut object: Value, own: Value) -> Value {
    if let (Some(object), Value::Object(own)) = (object.as_object_mut(), own) {
        object.extend::<Map<String, Value>>(own);
    }
    object
}

impl From<PlanError> for Problem {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Store(error) => error.into(),
            other => Self::unreadable(&other, "a stored definition cannot be read"),
        }
    }
}
