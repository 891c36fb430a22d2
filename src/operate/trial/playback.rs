//! Playing a recording: each request gets the first unused answer that was recorded for it; for one that has none it is
//! told what came nearest and how it differs.

use serde_json::Value;
use url::Url;

use super::recording::{Exchange, Expected, bytes_of};
use crate::upstream::{Request, Response, SendError};

/// A recording that is being played.
#[derive(Debug)]
pub struct Playback<'a> {
    exchanges: &'a [Exchange],
    /// How often each was used.
    used: Vec<u32>,
}

/// A request that the recording has no answer for.
#[derive(Debug)]
pub struct Missing {
    /// The place of the exchange that comes nearest.
    pub nearest: Option<usize>,
    /// How the request differs from it. It may hold secrets.
    pub differs: Vec<String>,
}

impl<'a> Playback<'a> {
    /// A recording that was not played yet.
    #[must_use]
    pub fn of(exchanges: &'a [Exchange]) -> Self {
        Self { exchanges, used: vec![0; exchanges.len()] }
    }

    /// The answer to `request`.
    ///
    /// # Errors
    /// When the recording has none that is unused.
    pub fn answer(&mut self, request: &Request) -> Result<Result<Response, SendError>, Missing> {
        let fits = |(at, exchange): &(usize, &Exchange)| {
            self.left(*at) > 0 && differences(&exchange.request, request).is_empty()
        };
        match self.exchanges.iter().enumerate().find(fits) {
            Some((at, exchange)) => {
                self.used[at] += 1;
                Ok(exchange.response.given())
            }
            None => Err(self.missing(request)),
        }
    }

    fn left(&self, at: usize) -> u32 {
        self.exchanges[at].times.unwrap_or(1) - self.used[at]
    }

    fn missing(&self, request: &Request) -> Missing {
        let compared = self.exchanges.iter().enumerate().map(|(at, exchange)| {
            let mut differs = differences(&exchange.request, request);
            if self.left(at) == 0 {
                let times = if self.used[at] == 1 { "once".to_owned() } else { format!("{} times", self.used[at]) };
                differs.push(Difference { weight: 1, text: format!("it was recorded, and used {times} before") });
            }
            (differs.iter().map(|difference| difference.weight).sum::<u32>(), at, differs)
        });
        match compared.min_by_key(|(weight, at, _)| (*weight, *at)) {
            Some((_, at, differs)) => {
                Missing { nearest: Some(at), differs: differs.into_iter().map(|difference| difference.text).collect() }
            }
            None => Missing { nearest: None, differs: Vec::new() },
        }
    }

    /// The exchanges that were used less often than they may be, and how often they are left.
    pub fn leftover(&self) -> impl Iterator<Item = (&'a Exchange, u32)> {
        self.exchanges.iter().enumerate().map(|(at, exchange)| (exchange, self.left(at))).filter(|(_, left)| *left > 0)
    }
}

/// One way in which a request is not what was recorded.
struct Difference {
    /// How much it says that another request is meant.
    weight: u32,
    text: String,
}

fn differences(expected: &Expected, request: &Request) -> Vec<Difference> {
    let mut found = Vec::new();
    if !expected.method.eq_ignore_ascii_case(&request.method) {
        let text = format!("the method is {}, recorded is {}", request.method, expected.method);
        found.push(Difference { weight: 8, text });
    }
    if expected.url != request.url {
        urls(&expected.url, &request.url, &mut found);
    }
    for (name, value) in &expected.headers {
        let sent = request.headers.iter().find(|(sent, _)| sent.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        if sent != value.as_ref() {
            let shown = |value: Option<&String>| value.map_or_else(|| "not there".to_owned(), |it| format!("`{it}`"));
            let text = format!("the header `{name}` is {}, recorded is {}", shown(sent), shown(value.as_ref()));
            found.push(Difference { weight: 2, text });
        }
    }
    if let Some(body) = &expected.body {
        bodies(body, request.body.as_deref().unwrap_or_default(), &mut found);
    }
    found
}

fn urls(expected: &str, sent: &str, found: &mut Vec<Difference>) {
    let mut differ = |weight, what: &str, sent: &str, expected: &str| {
        let shown = |text: &str| if text.is_empty() { "not there".to_owned() } else { format!("`{text}`") };
        let text = format!("{what} is {}, recorded is {}", shown(sent), shown(expected));
        found.push(Difference { weight, text });
    };
    let (Ok(recorded), Ok(asked)) = (Url::parse(expected), Url::parse(sent)) else {
        return differ(8, "the URL", sent, expected);
    };
    let origin = |url: &Url| url.origin().ascii_serialization();
    if origin(&recorded) != origin(&asked) {
        differ(8, "the host", &origin(&asked), &origin(&recorded));
    }
    let segments = |url: &Url| url.path().split('/').map(str::to_owned).collect::<Vec<_>>();
    let (recorded_path, asked_path) = (segments(&recorded), segments(&asked));
    if recorded_path != asked_path {
        let same = recorded_path.iter().zip(&asked_path).filter(|(one, other)| one == other).count();
        let weight = recorded_path.len().max(asked_path.len()) - same;
        differ(3 + weight as u32, "the path", asked.path(), recorded.path());
    }
    let pairs = |url: &Url| {
        let pairs = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned()));
        pairs.collect::<Vec<_>>()
    };
    let (recorded, asked) = (pairs(&recorded), pairs(&asked));
    let names = recorded.iter().chain(&asked).map(|(name, _)| name);
    let mut seen: Vec<&String> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let all = |pairs: &[(String, String)]| {
            pairs
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
                .collect::<Vec<_>>()
                .join(", ")
        };
        if all(&recorded) != all(&asked) {
            differ(1, &format!("the query's `{name}`"), &all(&asked), &all(&recorded));
        }
    }
}

fn bodies(expected: &Value, sent: &[u8], found: &mut Vec<Difference>) {
    let Ok((bytes, _)) = bytes_of(expected) else { return };
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    match (json(&bytes), json(sent)) {
        (Some(expected), Some(sent)) => {
            for change in super::diff::of(&sent, &expected) {
                let shown = |value: Option<Value>| value.map_or_else(|| "not there".to_owned(), |it| format!("`{it}`"));
                let place = if change.pointer.is_empty() { "/" } else { &change.pointer };
                let text =
                    format!("the body's `{place}` is {}, recorded is {}", shown(change.before), shown(change.after));
                found.push(Difference { weight: 2, text });
            }
        }
        _ if bytes == sent => {}
        _ => {
            let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(500).collect::<String>();
            let text = format!("the body is `{}`, recorded is `{}`", shown(sent), shown(&bytes));
            found.push(Difference { weight: 2, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn exchange(method: &str, url: &str, more: &Value) -> Exchange {
        let mut request = json!({ "method": method, "url": url });
        request.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        serde_json::from_value(json!({ "request": request, "response": { "status": 200 } })).unwrap()
    }

    fn request(method: &str, url: &str, body: &str) -> Request {
        Request {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: (!body.is_empty()).then(|| body.as_bytes().to_vec()),
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn an_answer_is_used_once_or_as_often_as_it_says() {
        let mut exchanges = vec![exchange("GET", "https://a.example/x", &json!({})); 2];
        exchanges[1].times = Some(2);
        let mut playback = Playback::of(&exchanges);
        let asked = request("GET", "https://a.example/x", "");
        (0..3).for_each(|_| assert!(playback.answer(&asked).is_ok()));
        let missing = playback.answer(&asked).unwrap_err();
        assert_eq!(missing.differs, ["it was recorded, and used once before"]);
        assert_eq!(playback.leftover().count(), 0);
    }

    #[test]
    fn what_came_nearest_is_told_with_each_difference() {
        let exchanges = [
            exchange("POST", "https://a.example/other", &json!({})),
            exchange(
                "GET",
                "https://a.example/users?limit=2",
                &json!({ "headers": { "Accept": "text/csv", "x-no": null } }),
            ),
            exchange("POST", "https://a.example/users", &json!({ "body": { "name": "A", "tags": [1] } })),
        ];
        for (asked, nearest, differs) in [
            (
                request("GET", "https://a.example/users?limit=3&page=1", ""),
                1,
                vec![
                    "the query's `limit` is `3`, recorded is `2`",
                    "the query's `page` is `1`, recorded is not there",
                    "the header `Accept` is `application/json`, recorded is `text/csv`",
                ],
            ),
            (
                request("POST", "https://a.example/users", r#"{"tags":[1],"name":"B"}"#),
                2,
                vec!["the body's `/name` is `\"B\"`, recorded is `\"A\"`"],
            ),
            (
                request("POST", "https://b.example/other", ""),
                0,
                vec!["the host is `https://b.example`, recorded is `https://a.example`"],
            ),
        ] {
            let missing = Playback::of(&exchanges).answer(&asked).unwrap_err();
            assert_eq!(
                (missing.nearest, missing.differs),
                (Some(nearest), differs.iter().map(|it| (*it).to_owned()).collect())
            );
        }
        assert!(Playback::of(&[]).answer(&request("GET", "https://a.example", "")).unwrap_err().nearest.is_none());
    }

    #[test]
    fn urls_that_differ_only_in_their_spelling_are_the_same() {
        let exchanges = [exchange("get", "https://A.example:443/x?a=%41", &json!({}))];
        assert!(Playback::of(&exchanges).answer(&request("GET", "https://a.example/x?a=A", "")).is_ok());
    }
}
