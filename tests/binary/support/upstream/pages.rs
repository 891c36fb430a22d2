//! Five items, two a page, in every way of going on that there is.

use serde_json::{Value, json};

use super::{Answer, Asked};

const ITEMS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SIZE: usize = 2;

fn slice(from: usize, size: usize) -> &'static [&'static str] {
    &ITEMS[from.min(ITEMS.len())..(from + size).min(ITEMS.len())]
}

fn number(asked: &Asked, name: &str) -> Option<usize> {
    asked.parameter(name).map(|text| text.parse().unwrap())
}

/// Where the page behind the one from `from` begins.
fn behind(from: usize) -> Option<usize> {
    Some(from + SIZE).filter(|next| *next < ITEMS.len())
}

pub fn answer(how: &str, asked: &Asked) -> Answer {
    let whole = |body: Value| Answer::json(200, &body);
    match how {
        "page" => {
            let (page, size) = (number(asked, "page").unwrap_or(1), number(asked, "size").unwrap_or(SIZE));
            whole(json!({ "items": slice((page - 1) * size, size), "more": page * size < ITEMS.len() }))
        }
        "offset" => whole(json!(slice(number(asked, "offset").unwrap_or(0), SIZE))),
        "link" => {
            let from = number(asked, "from").unwrap_or(0);
            let next = behind(from).map(|next| format!("</{}/pages/link?from={next}>; rel=\"next\"", asked.case));
            let links = ["</>; rel=\"first\"".to_owned()].into_iter().chain(next).collect::<Vec<_>>().join(", ");
            whole(json!({ "items": slice(from, SIZE) })).with("link", links)
        }
        "range" => ranged(asked, "*"),
        "range-total" => ranged(asked, "5"),
        "no-range" => whole(json!(ITEMS)),
        "days" => {
            let day = number(asked, "day").unwrap_or(1);
            whole(json!({ "items": slice((day - 1) * SIZE, SIZE), "last": 3 }))
        }
        "foreign" => whole(json!({ "items": slice(0, SIZE), "next": "http://127.0.0.9:1/steal" })),
        "circle" => whole(json!({ "items": slice(0, SIZE), "next": "c2" })),
        // The cursors go on for ever.
        "again" => {
            let from = position(asked).unwrap_or(0);
            whole(json!({ "items": slice(from.min(2), SIZE), "next": format!("c{}", from + SIZE) }))
        }
        _ => cursor(how, asked),
    }
}

/// Where a cursor leads: one that came as it was given, wherever it was put.
fn position(asked: &Asked) -> Option<usize> {
    let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
    let placed = body.pointer("/page/after").and_then(Value::as_str).map(str::to_owned);
    let own = asked.headers.get("x-after").cloned();
    let cursor = asked.parameter("after").or(placed).or(own)?;
    Some(cursor.strip_prefix('c').and_then(|digits| digits.trim_end_matches("/=").parse().ok()).unwrap_or(99))
}

fn cursor(how: &str, asked: &Asked) -> Answer {
    let from = position(asked).unwrap_or(0);
    let next = behind(from).map(|next| format!("c{next}"));
    let body = |next: Value| Answer::json(200, &json!({ "items": slice(from, SIZE), "meta": { "next": next } }));
    match how {
        "cursor" => body(json!(next)),
        "cursor-encoded" => body(next.map_or(json!(false), |next| json!(format!("{next}%2F%3D")))),
        "cursor-link" => body(json!(next.map(|next| format!("/elsewhere?after={next}&of=5")))),
        "cursor-path" => body(json!(next.map(|next| format!("/{}/pages/cursor-path?after={next}", asked.case)))),
        "cursor-header" => match next {
            Some(next) => body(json!(null)).with("x-next", next),
            None => body(json!(null)),
        },
        // The second page has nothing and still a cursor.
        "cursor-gap" => {
            let (items, next) = match from {
                0 => (slice(0, SIZE), json!("c7")),
                7 => (slice(9, SIZE), json!("c2")),
                2 => (slice(2, SIZE), json!("")),
                other => panic!("{other}"),
            };
            Answer::json(200, &json!({ "items": items, "meta": { "next": next } }))
        }
        _ => panic!("no pages are spoken as {how}"),
    }
}

/// A part as it was asked for; 416 where there is nothing any more.
fn ranged(asked: &Asked, total: &str) -> Answer {
    let range = asked.header("range").strip_prefix("things=").unwrap();
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let items = slice(first, last + 1 - first);
    if items.is_empty() {
        return Answer::json(416, &json!({ "message": "nothing there" })).with("content-range", "things */5");
    }
    let last = first + items.len() - 1;
    Answer::json(206, &json!(items)).with("content-range", format!("things {first}-{last}/{total}"))
}
