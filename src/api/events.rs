//! `GET /events`: every event as it is committed, as server-sent events.
//!
//! `id` is a time and the event's own id; what was inserted before that time is told. A client that comes back with
//! `Last-Event-ID` is told everything from 30 s before it, so it may hear an event again and misses none, wherever it
//! broke off; without it the stream begins now, or at `?from=` (RFC 3339).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};

use super::looks::Looks;
use super::{Api, Problem};
use crate::relay::{Tail, resume_times};
use crate::store::StoredEvent;

/// How long a stream rests when nobody wakes it.
const FALLBACK: Duration = Duration::from_secs(1);

pub(super) async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let asked = from_query(query.as_deref().unwrap_or_default())?;
    let tail = match last_event(&headers)?.or(asked) {
        Some(from_ms) => Tail::from(api.store.clone(), from_ms),
        None => Tail::from_now(api.store.clone()).await?,
    };
    let looks = Looks::new(&api, FALLBACK);
    let batches = stream::unfold((looks, tail), |(mut looks, mut tail)| async move {
        let events = next(&mut looks, &mut tail).await?;
        let times = resume_times(&events);
        let told = events.into_iter().zip(times).map(|(event, resume_ms)| Ok(told(&event, resume_ms)));
        Some((stream::iter(told), (looks, tail)))
    });
    Ok(Sse::new(batches.flatten()).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// The next events; `None` when the process stops.
async fn next(looks: &mut Looks, tail: &mut Tail) -> Option<Vec<StoredEvent>> {
    loop {
        let ring = looks.begin().await?;
        if let Ok(events) = tail.next().await
            && !events.is_empty()
        {
            return Some(events);
        }
        looks.rest(ring, None).await?;
    }
}

fn told(event: &StoredEvent, resume_ms: i64) -> Event {
    Event::default()
        .id(format!("{resume_ms}-{}/{}", event.account, event.sequence))
        .event(event.event_type.clone())
        .data(event.envelope.clone())
}

fn last_event(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let ms = value.to_str().ok().and_then(|text| text.split_once('-')?.0.parse().ok());
    ms.map(Some).ok_or_else(|| Problem::bad_request("last-event-id", "is not an id of this stream"))
}

fn from_query(query: &str) -> Result<Option<i64>, Problem> {
    let mut from = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name != "from" {
            return Err(Problem::bad_request(&name.chars().take(64).collect::<String>(), "is not a parameter"));
        }
        let at: jiff::Timestamp =
            value.parse().map_err(|_| Problem::bad_request("from", "has to be an RFC 3339 time"))?;
        from = Some(at.as_millisecond());
    }
    Ok(from)
}
