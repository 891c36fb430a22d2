//! The broker's settings: its URL without the password in sight, and the names of the topology.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

use super::error::ConfigError;
use super::reader::Reader;
use super::url::masked;
use crate::lifecycle::Region;

/// Where `{region}` stands in the name of a queue.
const REGION: &str = "{region}";

/// Bytes of the longest name that AMQP allows.
const LONGEST_NAME: usize = 255;

/// `broker`, where a URL is set.
#[derive(Debug, Clone)]
pub struct Broker {
    /// `broker.url`
    pub url: BrokerUrl,
    /// A CA of one's own for `amqps`.
    pub ca_file: Option<PathBuf>,
    /// Whether a worker declares the topology.
    pub declare: bool,
    /// Deliveries in hand at once, for each queue.
    pub prefetch: u16,
    /// The queues of imports; `None` = imports are not consumed.
    pub imports_queue: Option<QueueTemplate>,
    /// The exchange of imports; `None` = the queues are addressed through the default exchange.
    pub imports_exchange: Option<String>,
    /// Where imports go whose routing key is no region's; `None` = nowhere.
    pub default_exchange: Option<String>,
    /// The region of imports that name none.
    pub default_region: Region,
    /// The queue of dead letters; `None` = none.
    pub dead_queue: Option<String>,
    /// The exchange of events; `None` = none.
    pub events_exchange: Option<String>,
    /// Deliveries of one message after which the broker gives it up.
    pub delivery_limit: u32,
}

/// `broker.url`. Shown and logged with its password masked.
#[derive(Clone)]
pub struct BrokerUrl {
    url: SecretString,
    place: String,
}

impl BrokerUrl {
    /// The URL with its password, for connecting and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    fn is_tls(&self) -> bool {
        self.expose().starts_with("amqps:")
    }

    /// Host, port and virtual host, as error messages name the broker.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl FromStr for BrokerUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "is not a URL of the form `amqp://USER:PASSWORD@HOST:PORT/VHOST` (or `amqps://`); characters \
                            like `/`, `#` and `@` in a password or virtual host are written as `%2F`, `%23` and `%40`";
        let standard_port = match text.split_once(':') {
            Some(("amqp", _)) => 5672,
            Some(("amqps", _)) => 5671,
            _ => return Err("must begin with `amqp://` or `amqps://`"),
        };
        let url = url::Url::parse(text).map_err(|_| FORM)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
        let segments = url.path().trim_start_matches('/');
        if url.fragment().is_some() || segments.contains('/') || text.matches('@').count() > 1 {
            return Err(FORM);
        }
        let vhost = percent_encoding::percent_decode_str(segments).decode_utf8().map_err(|_| FORM)?;
        let vhost = if vhost.is_empty() { "/" } else { &*vhost };
        let place = format!("{host}:{} (virtual host `{vhost}`)", url.port().unwrap_or(standard_port));
        Ok(Self { url: text.into(), place })
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(self.expose()))
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name of a queue, in which `{region}` may stand: then there is one queue for each region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueTemplate(String);

impl QueueTemplate {
    /// The queue of a region.
    #[must_use]
    pub fn for_region(&self, region: Region) -> String {
        self.0.replace(REGION, region.as_str())
    }

    /// Whether one queue serves all regions.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        !self.0.contains(REGION)
    }
}

/// The section; `None` without a URL, but its keys are checked all the same.
pub(super) fn read(reader: &Reader<'_>, url: Option<BrokerUrl>) -> Result<Option<Broker>, ConfigError> {
    let (ca_file, declare) = (reader.path("broker.ca_file")?, reader.truth("broker.declare")?);
    let (prefetch, delivery_limit) = (1..=1000, 1..=100_000);
    let (prefetch, delivery_limit) =
        (reader.integer("broker.prefetch", prefetch)?, reader.integer("broker.delivery_limit", delivery_limit)?);
    let imports_queue = queue_template(reader)?;
    let dead_queue = name(reader, "broker.dead_queue")?;
    let imports_exchange = name(reader, "broker.imports_exchange")?;
    let default_exchange = name(reader, "broker.default_exchange")?;
    let events_exchange = name(reader, "broker.events_exchange")?;
    let default_region = reader.parsed("broker.default_region")?;
    if let (Some(queue), Some(dead)) = (&imports_queue, &dead_queue)
        && Region::ALL.iter().any(|region| queue.for_region(*region) == *dead)
    {
        return Err(reader.refuse("broker.dead_queue", "is the name of a queue of imports too"));
    }
    if ca_file.is_some() && url.as_ref().is_some_and(|url| !url.is_tls()) {
        return Err(
            reader.refuse("broker.ca_file", "is set, but `broker.url` is not `amqps://`: nothing would be verified")
        );
    }
    let exchanges = [
        ("broker.imports_exchange", &imports_exchange),
        ("broker.default_exchange", &default_exchange),
        ("broker.events_exchange", &events_exchange),
    ];
    for (at, (key, exchange)) in exchanges.iter().enumerate() {
        if let Some((other, _)) = exchanges[..at].iter().find(|(_, other)| other == exchange && exchange.is_some()) {
            return Err(reader.refuse(key, format!("is the same exchange as `{other}`")));
        }
    }
    Ok(url.map(|url| Broker {
        url,
        ca_file,
        declare,
        prefetch: prefetch as u16,
        imports_queue,
        imports_exchange,
        default_exchange,
        default_region,
        dead_queue,
        events_exchange,
        delivery_limit: delivery_limit as u32,
    }))
}

/// The name of an exchange or a queue, `None` when empty.
fn name(reader: &Reader<'_>, key: &str) -> Result<Option<String>, ConfigError> {
    let text = reader.text(key)?;
    if text.len() > LONGEST_NAME {
        return Err(reader.refuse(key, format!("must not be longer than {LONGEST_NAME} bytes")));
    }
    if text.starts_with("amq.") {
        return Err(reader.refuse(key, "must not begin with `amq.`, which the broker keeps for itself"));
    }
    Ok((!text.is_empty()).then_some(text))
}

fn queue_template(reader: &Reader<'_>) -> Result<Option<QueueTemplate>, ConfigError> {
    let key = "broker.imports_queue";
    let Some(text) = name(reader, key)? else { return Ok(None) };
    if text.replace(REGION, "").contains(['{', '}']) {
        return Err(reader.refuse(key, format!("`{text}` may hold `{REGION}` and no other braces")));
    }
    Ok(Some(QueueTemplate(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        url.parse::<BrokerUrl>().map_or_else(str::to_owned, |url| format!("{url} {url:?} {}", url.place()))
    }

    #[test]
    fn a_password_is_never_shown() {
        for url in [
            "amqp://worker:s3cr3t@mq:5672/tide",
            "amqps://worker:s3cr3t@mq",
            "amqp://worker:a@s3cr3t@mq/tide",
            "amqp://worker:12#s3cr3t@mq/tide",
            "amqp://worker:12/s3cr3t@mq/tide",
            "amqp://worker:a/s3cr3t@mq/tide",
            "http://worker:s3cr3t@mq/tide",
        ] {
            assert!(!shown(url).contains("s3cr3t"), "{url} is shown as {}", shown(url));
        }
    }

    #[test]
    fn the_place_of_the_broker_is_its_host_port_and_virtual_host() {
        let place = |url: &str| url.parse::<BrokerUrl>().unwrap().place().to_owned();
        assert_eq!(place("amqp://u:p@mq"), "mq:5672 (virtual host `/`)");
        assert_eq!(place("amqp://u:p@mq:5673/"), "mq:5673 (virtual host `/`)");
        assert_eq!(place("amqps://mq/tide%2Fwaiter"), "mq:5671 (virtual host `tide/waiter`)");
        assert_eq!(place("amqp://[::1]/%2f"), "[::1]:5672 (virtual host `/`)");
    }

    #[test]
    fn a_queue_is_named_for_each_region_or_shared() {
        let each = QueueTemplate("imports.{region}".to_owned());
        assert_eq!((each.for_region(Region::Eu), each.is_shared()), ("imports.eu".to_owned(), false));
        let one = QueueTemplate("imports".to_owned());
        assert_eq!((one.for_region(Region::Eu), one.is_shared()), ("imports".to_owned(), true));
    }
}
