//! `GET /integrated-account`: a page of accounts by ascending id.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, Problem};
use crate::events::account_object;
use crate::store::AccountFilter;

/// Accounts of a page, unless asked otherwise.
const DEFAULT_LIMIT: u32 = 100;
/// The most accounts of a page.
const MOST: u32 = 1000;

pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Result<Json<Value>, Problem> {
    let (filter, limit) = read_query(query.as_deref().unwrap_or_default())?;
    let accounts = api.store.accounts(&filter, limit + 1).await?;
    let more = accounts.len() > limit as usize;
    let page = &accounts[..accounts.len().min(limit as usize)];
    let next_cursor = if more { page.last().map(|account| account.id) } else { None };
    let result: Vec<_> = page.iter().map(account_object).collect();
    Ok(Json(json!({ "result": result, "next_cursor": next_cursor, "limit": limit })))
}

fn read_query(query: &str) -> Result<(AccountFilter, u32), Problem> {
    let mut filter = AccountFilter::default();
    let mut limit = DEFAULT_LIMIT;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "tenant_id" => filter.tenant_id = Some(value.into_owned()),
            "status" => filter.status = Some(word(&name, &value)?),
            "region" => filter.region = Some(word(&name, &value)?),
            "is_sandbox" => filter.is_sandbox = Some(word(&name, &value)?),
            "integration.name" => filter.integration_name = Some(value.into_owned()),
            "environment_integration_id" => filter.environment_integration_id = Some(word::<Uuid>(&name, &value)?),
            "reason" => filter.reason = Some(value.into_owned()),
            "created_at[gt]" => filter.created_from_ms = Some(time(&name, &value)?.saturating_add(1)),
            "created_at[gte]" => filter.created_from_ms = Some(time(&name, &value)?),
            "created_at[lt]" => filter.created_before_ms = Some(time(&name, &value)?),
            "created_at[lte]" => filter.created_before_ms = Some(time(&name, &value)?.saturating_add(1)),
            "next_cursor" => filter.after = Some(word::<Uuid>(&name, &value)?),
            "limit" => {
                limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=MOST).contains(limit))
                    .ok_or_else(|| Problem::bad_request(&name, format!("has to be 1 to {MOST}")))?;
            }
            _ => return Err(Problem::bad_request(&name.chars().take(64).collect::<String>(), "is not a filter")),
        }
    }
    Ok((filter, limit))
}

fn word<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error: T::Err| Problem::bad_request(name, error.to_string()))
}

fn time(name: &str, value: &str) -> Result<i64, Problem> {
    value
        .parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond)
        .map_err(|_| Problem::bad_request(name, "has to be an RFC 3339 time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Status;

    #[test]
    fn filters_are_read_and_what_is_not_one_is_named() {
        let query = "tenant_id=a%20b&status=active&created_at%5Bgt%5D=2026-11-24T10:00:00Z&limit=7";
        let (filter, limit) = read_query(query).unwrap();
        assert_eq!((filter.tenant_id.as_deref(), filter.status, limit), (Some("a b"), Some(Status::Active), 7));
        assert_eq!(filter.created_from_ms, Some(1_795_514_400_001));
        for bad in [
            "limit=0",
            "limit=-1",
            "limit=1001",
            "limit=x",
            "status=gone",
            "next_cursor=1",
            "color=red",
            "created_at[gt]=now",
        ] {
            assert!(read_query(bad).is_err(), "{bad}");
        }
    }
}
